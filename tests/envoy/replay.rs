//! What may be used once is used once, over all workers; junk tokens do not buy signatures.

use super::{demo_issuer, enforcing, once_and, outcome, race, Gate, SOON};
use portcullis_lab::client::Request;
use portcullis_lab::tokens::{Algorithm, Issuer, Spec, Tamper};
use serde_json::{json, Value};
use std::collections::BTreeMap;

fn gate(identity: Value) -> Gate {
    let mut section = json!({
        "issuers": [demo_issuer()],
        "requirements": [{"routes": ["once"], "one_time": true}],
    });
    section.as_object_mut().unwrap().extend(identity.as_object().unwrap().clone());
    let routes = json!([{"name": "once", "path": "/echo"}, {"name": "free", "path": "/api/orders"}]);
    let config = enforcing(json!({"routes": routes, "identity": section}));
    Gate::start_with(&config, |bootstrap| bootstrap.concurrency(4))
}

fn spec() -> Spec {
    Spec::new(Algorithm::ES256, Issuer::demo().claims("ada"))
}

#[test]
fn of_a_token_sent_at_once_over_many_connections_one_passes() {
    let gate = gate(json!({}));
    for round in 0..5 {
        let token = Issuer::demo().mint(&spec());
        let counted = race(&gate, || Request::get("/echo").bearer(&token));
        assert_eq!(counted, once_and("token_replayed"), "round {round}");
    }
    assert_eq!(gate.upstream.hits(), 5);
    gate.expect_unharmed();
}

#[test]
fn what_has_no_name_or_no_room_is_not_taken() {
    let gate = gate(json!({"replay": {"budget": "1B"}}));
    let client = gate.http1();
    let mut claims = Issuer::demo().claims("ada");
    claims.remove("jti");
    let nameless = Issuer::demo().mint(&Spec::new(Algorithm::ES256, claims));
    assert_eq!(outcome(&client.send(Request::get("/echo").bearer(nameless)).unwrap()), "token_claim_missing");
    let mut passed = 0;
    let full = loop {
        let answer = client.send(Request::get("/echo").bearer(Issuer::demo().mint(&spec()))).unwrap();
        if answer.status != 200 {
            break answer;
        }
        passed += 1;
    };
    assert_eq!((full.status, outcome(&full).as_str()), (503, "token_replay_unknown"));
    // One bucket, all of whose places are taken.
    assert_eq!(passed, 340);
    gate.expect_unharmed();
}

#[test]
fn junk_buys_no_signatures_and_locks_nobody_out() {
    let gate = gate(json!({"failures": {"per_source": 10, "window": "1h"}}));
    let clients: Vec<_> = (0..8).map(|_| gate.http1()).collect();
    let good = Issuer::demo().mint(&spec());
    // Every worker remembers it.
    for client in clients.iter().cycle().take(40) {
        assert_eq!(client.send(Request::get("/api/orders").bearer(&good)).unwrap().status, 200);
    }
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for client in clients.iter().cycle().take(100) {
        let junk = Issuer::demo().mint(&spec().tamper(Tamper::Signature));
        let answer = client.send(Request::get("/api/orders").bearer(junk)).unwrap();
        if answer.status == 429 {
            let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=360).contains(&wait), "{wait}");
        }
        *counted.entry(outcome(&answer)).or_default() += 1;
    }
    let expected = [("token_signature".to_owned(), 10), ("too_many_failed_tokens".to_owned(), 90)];
    assert_eq!(counted, BTreeMap::from(expected));
    for client in &clients {
        assert_eq!(client.send(Request::get("/api/orders").bearer(&good)).unwrap().status, 200);
    }
    let remembered = "wasmcustom.event=.=remembered;.;portcullis_tokens_total";
    assert!(gate.envoy.wait_for(|envoy| envoy.stats().get(remembered).copied() >= Some(40), SOON));
    gate.expect_unharmed();
}
