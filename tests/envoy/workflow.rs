//! Workflows where only a real Envoy shows what becomes of them: tokens that answers give to clients, and clients that do not wait for
//! theirs.

use super::crowd::{self, clients, flood, tally};
use super::{Gate, Wire, SOON};
use portcullis_lab::client::Request;
use portcullis_lab::upstream::say::{Answer, FIELD};
use serde_json::{json, Value};
use std::collections::BTreeMap;

/// A checkout with one payment, which `more` says more about.
fn gate(more: Value) -> Gate {
    let routes = json!([
        {"name": "cart", "path": "/cart"},
        {"name": "pay", "path": "/pay"},
        {"name": "hold", "path": "/hold"},
    ]);
    let mut checkout = json!({
        "name": "checkout", "per": "header:x-customer", "expires": "1h",
        "steps": [{"name": "cart", "routes": ["cart"]}, {"name": "pay", "routes": ["pay", "hold"], "once": true}],
    });
    checkout.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    crowd::gate(json!({"routes": routes, "workflows": [checkout]}))
}

fn ask(path: &str, carried: &str, status: u16) -> Request {
    let answer = Answer { status, ..Answer::json("{}") }.header("x-checkout", "what the service says");
    let request = Request::post(path).header("x-customer", "ada").header(FIELD, answer.field());
    if carried.is_empty() {
        request
    } else {
        request.header("x-checkout", carried)
    }
}

#[test]
fn of_payments_with_one_token_at_once_one_passes_and_no_older_token_pays_again() {
    let keys = json!([{"kid": "k1", "secret": "0123456789abcdef0123456789abcdef"}]);
    let gate = gate(json!({"token": {"header": "x-checkout", "keys": keys}}));
    let clients = clients(&gate, None);
    let cart = clients[0].send(ask("/cart", "", 200)).unwrap();
    let token = cart.header("x-checkout").unwrap().to_owned();
    let all: Vec<_> = cart.headers.iter().filter(|(name, _)| name == "x-checkout").collect();
    assert_eq!((all.len(), token.starts_with("k1.")), (1, true), "the service's own is taken away: {all:?}");
    assert_eq!(tally(&flood(&clients, 64, |_| ask("/pay", "", 200))), told([("workflow_order", 64)]));
    // What fails may be tried again, and gives no token.
    let failed = clients[0].send(ask("/pay", &token, 500)).unwrap();
    assert_eq!((failed.status, failed.header("x-checkout")), (500, Some("what the service says")));
    let paid = flood(&clients, 64, |_| ask("/pay", &token, 200));
    assert_eq!(tally(&paid), told([("200", 1), ("workflow_repeated", 63)]), "{}", gate.envoy.log());
    let newest = paid.iter().find_map(|answer| answer.header("x-checkout")).unwrap();
    for carried in [token.as_str(), newest] {
        assert_eq!(tally(&flood(&clients, 16, |_| ask("/pay", carried, 200))), told([("workflow_repeated", 16)]));
    }
    // The next checkout is another one.
    let cart = clients[1].send(ask("/cart", newest, 200)).unwrap();
    let token = cart.header("x-checkout").unwrap();
    assert_eq!(
        tally(&flood(&clients, 16, |_| ask("/pay", token, 200))),
        told([("200", 1), ("workflow_repeated", 15)])
    );
    gate.expect_unharmed();
}

/// The service may have done what its client did not wait to hear.
#[test]
fn whoever_hangs_up_does_not_pay_again() {
    let gate = gate(json!({}));
    let clients = clients(&gate, None);
    assert_eq!(clients[0].send(ask("/cart", "", 200)).unwrap().status, 200);
    let mut wire = Wire::connect(gate.envoy.address());
    wire.write("POST /hold HTTP/1.1\r\nhost: shop\r\nx-customer: ada\r\ncontent-length: 0\r\n\r\n");
    assert!(gate.envoy.wait_for(|_| gate.upstream.held() == 1, SOON));
    drop(wire);
    // The line about it is written when everything of it is over.
    gate.expect_accounted(2);
    assert!(gate.envoy.wait_for(|_| gate.upstream.held() == 0, SOON));
    assert_eq!(tally(&flood(&clients, 16, |_| ask("/pay", "", 200))), told([("workflow_repeated", 16)]));
    gate.expect_unharmed();
}

fn told<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.into_iter().map(|(told, times)| (told.to_owned(), times)).collect()
}
