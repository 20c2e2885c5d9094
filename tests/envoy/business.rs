//! Rules of the business hold over all workers: what is counted on one is known to the others.

use super::crowd::{self, tally, token, told};
use super::{code, demo_issuer, enforcing, request_id, Gate, Scripted, Wire};
use portcullis_lab::client::Request;
use serde_json::{json, Value};
use std::collections::BTreeMap;

fn gate(rules: Value) -> Gate {
    let routes = json!([{"name": "echo", "path": "/echo"}]);
    let identity = json!({"issuers": [demo_issuer()], "default": "optional"});
    crowd::gate(json!({"routes": routes, "identity": identity, "rules": rules, "telemetry": {"allow_sample": 1}}))
}

/// What became of a burst over many connections.
fn burst(gate: &Gate, requests: usize, request: impl Fn(usize) -> Request + Sync) -> BTreeMap<String, usize> {
    tally(&crowd::flood(&crowd::clients(gate, None), requests, request))
}

fn of<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.into_iter().map(|(told, times)| (told.to_owned(), times)).collect()
}

#[test]
fn exactly_three_coupons_pass_on_however_many_connections() {
    let gate = gate(json!([{
        "name": "coupons", "when": "has(body.coupon)", "code": "too_many_coupons",
        "require": "distinct(body.coupon, actor.subject, duration('10m')) <= 3",
    }]));
    let (ada, mallory) = (token("ada", json!({})), token("mallory", json!({})));
    let coupon =
        |bearer: &str, coupon: &str| Request::post("/echo").bearer(bearer).json(&json!({"coupon": coupon}));
    let tried = burst(&gate, 160, |number| coupon(&mallory, &format!("code-{number}")));
    assert_eq!(tried, of([("200", 3), ("too_many_coupons", 157)]), "{}", gate.envoy.log());
    // The same one is not another, and a neighbour has his own count.
    assert_eq!(burst(&gate, 64, |_| coupon(&ada, "mine")), of([("200", 64)]));
    let anonymous = burst(&gate, 64, |number| Request::post("/echo").json(&json!({"coupon": number})));
    assert_eq!(anonymous, of([("200", 3), ("too_many_coupons", 61)]));
    gate.expect_unharmed();
}

#[test]
fn a_payment_is_made_once() {
    let gate = gate(json!([{
        "name": "pay-once", "code": "payment_repeated",
        "forbid": "seen(body.payment, request.query.order, duration('1h'))",
    }]));
    let pay = |order: usize, payment: usize| {
        Request::post(&format!("/echo?order=o-{order}")).json(&json!({"payment": payment}))
    };
    assert_eq!(burst(&gate, 96, |_| pay(1, 7)), of([("200", 1), ("payment_repeated", 95)]));
    assert_eq!(burst(&gate, 32, |number| pay(number, 8)), of([("200", 32)]), "each order has its own");
}

/// Where the connection to the service breaks, Envoy answers 503 in its place, and nobody knows whether it was paid.
#[test]
fn a_payment_whose_answer_never_came_is_not_made_again() {
    let service = Scripted::start();
    let config = enforcing(json!({
        "routes": [{"name": "pay", "path": "/pay"}],
        "workflows": [{"name": "order", "per": "header:x-order", "steps": [{"name": "pay", "routes": ["pay"], "once": true}]}],
    }));
    let gate = Gate::start_with(&config, |bootstrap| bootstrap.upstream(service.address()));
    let pay = |order: &str| {
        let mut client = Wire::connect(gate.envoy.address());
        client.write(format!(
            "POST /pay HTTP/1.1\r\nhost: a\r\nx-order: {order}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        ));
        client
    };
    for (order, answer, again) in [
        ("broken", "", "workflow_repeated"),
        ("declined", "HTTP/1.1 503 Declined\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 200 "),
    ] {
        let mut client = pay(order);
        let mut upstream = service.accept();
        upstream.read_until("\r\n\r\n");
        upstream.write(answer);
        drop(upstream);
        assert!(client.read_to_end().starts_with("HTTP/1.1 503 "), "{order}");
        let mut client = pay(order);
        if again.starts_with("HTTP") {
            let mut upstream = service.accept();
            upstream.read_until("\r\n\r\n");
            upstream.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
        assert!(client.read_to_end().contains(again), "{order}\n{}", gate.envoy.log());
    }
    // What never reached the service may be tried again.
    drop(service);
    for _ in 0..2 {
        let answer = pay("later").read_to_end();
        assert!(answer.starts_with("HTTP/1.1 503 ") && !answer.contains("workflow"), "{answer}");
    }
    gate.expect_unharmed();
}

#[test]
fn a_rule_speaks_to_the_client_the_receipt_and_the_statistics() {
    let gate = gate(json!([
        {"name": "quantity", "routes": ["echo"], "require": "body.quantity <= 10", "code": "quantity_invalid", "message": "Ten at most."},
        {"name": "trial", "require": "!has(body.odd)", "mode": "monitor"},
    ]));
    let client = gate.http1();
    let order = |body: Value| client.send(Request::post("/echo").json(&body)).unwrap();
    assert_eq!(order(json!({"quantity": 10})).status, 200);
    let refused = order(json!({"quantity": 11}));
    assert_eq!((refused.status, code(&refused)), (403, "quantity_invalid".to_owned()));
    assert_eq!(refused.json().unwrap()["detail"], "Ten at most.");
    let receipt = gate.receipt(&request_id(&refused));
    let finding = &receipt["portcullis.findings"][0];
    assert_eq!((&finding["rule"], &finding["code"]), (&json!("quantity"), &json!("quantity_invalid")));
    assert_eq!(order(json!({"quantity": 1, "odd": true})).status, 200);
    gate.expect_accounted(3);
    for (name, mode) in [("quantity", "enforce"), ("trial", "monitor")] {
        let stat = format!("wasmcustom.rule=.={name};.;mode=.={mode};.;portcullis_rules_total");
        assert_eq!(gate.envoy.stats().get(&stat), Some(&1), "{name}");
    }
}

#[test]
fn what_hides_a_body_gets_past_no_rule() {
    let gate = gate(json!([{"name": "quantity", "routes": ["echo"], "require": "body.quantity <= 10"}]));
    for client in [gate.http1(), gate.http2()] {
        let sent = |request: Request| told(&client.send(request).unwrap());
        let post = |body: Vec<u8>| Request::post("/echo").body(body);
        assert_eq!(sent(post(b"{\"quantity\": 1}".to_vec())), "200");
        for hidden in [&b"{\"quantity\": 1, \"quantity\": 99}"[..], b"quantity=99", b"\xff", b"{\"quantity\": 99"]
        {
            assert_eq!(sent(post(hidden.to_vec())), "rule_undecided");
        }
        let long = format!("{{\"quantity\": 99, \"pad\": \"{}\"}}", "x".repeat(100_000));
        assert_eq!(sent(post(long.into_bytes())), "rule_undecided");
        assert_eq!(sent(Request::get("/echo")), "rule_violated", "without a body there is no quantity");
    }
    gate.expect_unharmed();
}

/// `GET https://a/ HTTP/1.1` says what a client likes.
#[test]
fn the_scheme_is_the_connections_and_not_the_clients() {
    let gate = gate(json!([{"name": "secure", "require": "request.scheme == 'https'"}]));
    for line in ["GET /echo HTTP/1.1", "GET https://a/echo HTTP/1.1"] {
        let mut client = Wire::connect(gate.envoy.address());
        client.write(format!("{line}\r\nhost: a\r\nx-forwarded-proto: https\r\nconnection: close\r\n\r\n"));
        assert!(client.read_to_end().starts_with("HTTP/1.1 403 "), "{line}");
    }
}
