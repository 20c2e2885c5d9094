//! Requests that are held back until their body is there: nothing gets past, nothing gets stuck, nothing gets lost.
//!
//! A limit that counts a field of the body makes the filter wait. Every framing, a body that is too long, too slow or never
//! complete, a client that leaves, an Envoy that never shows the body. Not covered here: waiting for the fleet
//! (`fleet.rs`).

use super::{code, echoed, enforcing, Gate, Shared, Wire, SOON};
use portcullis_lab::client::{Client, Request};
use serde_json::{json, Value};
use std::sync::Arc;

const READ_MAX: usize = 1024;

/// Two units a day for each account; what cannot be read is refused, or passes where only `PATCH` asks.
fn config(wait_max: &str, unread: Value) -> Value {
    enforcing(json!({
        "request": {"body_read_max": "1KiB", "body_wait_max": wait_max},
        "routes": [
            {"name": "pay", "path": "/echo", "methods": ["POST"]},
            {"name": "small", "path": "/echo", "methods": ["PUT"], "body_bytes_max": "512B"},
        ],
        "limits": [
            {"name": "account", "routes": ["pay", "small"], "key": ["body:account"], "limit": 2, "window": "1d"},
        ],
        "checks": [unread],
        "telemetry": {"limit_headers": true},
    }))
}

fn refusing() -> Value {
    json!({"id": "request.body.unread", "effect": "refuse"})
}

fn noting() -> Value {
    json!({"id": "request.body.unread", "effect": "note"})
}

/// Nothing here is late.
fn gate() -> Arc<Gate> {
    static GATE: Shared = Shared::by_tests(4);
    GATE.get(|| Gate::start_with(&config("1h", refusing()), |bootstrap| bootstrap.concurrency(2)))
}

fn payment(account: &str) -> Request {
    Request::post("/echo").json(&json!({"account": account, "note": "x".repeat(300)}))
}

#[test]
fn a_field_of_the_body_is_counted_in_every_framing() {
    let gates =
        [gate(), Arc::new(Gate::start_with(&config("1h", refusing()), |bootstrap| bootstrap.http2_upstream()))];
    for (upstream, gate) in ["HTTP/1.1", "HTTP/2"].into_iter().zip(gates) {
        for (protocol, client) in gate.both() {
            for piece in [None, Some(1), Some(100)] {
                let account = format!("{upstream} {protocol} {piece:?}");
                let whole = payment(&account).header("x-portcullis-risk", "0").trailer("x-checksum", "42");
                let request = piece.map_or(payment(&account), |piece| whole.chunked(piece));
                for left in ["1", "0"] {
                    let response = client.send(request.clone()).unwrap();
                    let answer = response.json().unwrap();
                    assert_eq!(
                        (response.status, &answer["body_length"]),
                        (200, &json!(request.body.len())),
                        "{account}"
                    );
                    assert!(response.header("ratelimit").unwrap().contains(&format!("r={left}")), "{account}");
                    assert!(echoed(&answer, "headers", "x-portcullis-risk").is_empty(), "{account}");
                    let checksum: &[&str] = if piece.is_some() { &["42"] } else { &[] };
                    assert_eq!(echoed(&answer, "trailers", "x-checksum"), checksum, "{account}");
                }
                let hits = gate.upstream.hits();
                let refused = client.send(request).unwrap();
                assert_eq!((refused.status, code(&refused).as_str()), (429, "rate_limited"), "{account}");
                assert_eq!(gate.upstream.hits(), hits, "the service saw a request that was refused");
            }
        }
        gate.expect_unharmed();
    }
}

#[test]
fn the_service_sees_nothing_before_the_body_is_whole() {
    let gate = gate();
    let mut wire = Wire::connect(gate.envoy.address());
    let (begins, ends) = (r#"{"account": "#, r#""slow"}"#);
    wire.write(format!(
        "POST /echo?slow HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{begins}",
        begins.len() + ends.len()
    ));
    let others: Vec<Client> = (0..8).map(|_| gate.http1()).collect();
    for (number, other) in others.iter().enumerate() {
        assert_eq!(other.send(payment(&format!("other {number}"))).unwrap().status, 200, "others need not wait");
    }
    wire.write(ends);
    assert!(wire.read_until("/echo?slow").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_body_that_is_too_long_is_not_waited_for() {
    let gate = gate();
    let endless =
        format!("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n{}", "x".repeat(2 * READ_MAX));
    let mut wire = Wire::connect(gate.envoy.address());
    wire.write(endless);
    assert!(wire.read_until("body_unread").starts_with("HTTP/1.1 400"));
    for (protocol, client) in gate.both() {
        let small = client.send(Request::new("PUT", "/echo").body("x".repeat(600)).chunked(50)).unwrap();
        assert_eq!((small.status, code(&small).as_str()), (413, "body_too_large"), "{protocol}");
        let empty = client.send(Request::post("/echo")).unwrap();
        assert_eq!(empty.status, 200, "an empty body is no fault: {protocol}");
        let form = client.send(Request::post("/echo").body("account=ada")).unwrap();
        assert_eq!((form.status, code(&form).as_str()), (400, "body_unread"), "{protocol}");
    }
}

#[test]
fn many_wait_at_once_and_each_is_counted() {
    let gate = gate();
    let before = gate.accounted();
    let passed: usize = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..8)
            .map(|sender| {
                let client = if sender % 2 == 0 { gate.http1() } else { gate.http2() };
                scope.spawn(move || {
                    let send = |piece: usize| client.send(payment("shared").chunked(piece)).unwrap().status;
                    (1..=20).filter(|round| send(round * 17) == 200).count()
                })
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).sum()
    });
    assert_eq!(passed, 2, "exactly the limit");
    assert!(gate.envoy.wait_for(|_| gate.accounted() >= before + 160, SOON), "every request has a verdict");
    gate.expect_unharmed();
}

#[test]
fn a_body_that_never_comes_meets_the_policy() {
    let begins = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{";
    let refused = Gate::start(&config("50ms", refusing()));
    let mut wire = Wire::connect(refused.envoy.address());
    wire.write(begins);
    let answer = wire.read_until("body_unread");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");

    let noted = Gate::start(&config("50ms", noting()));
    let mut wire = Wire::connect(noted.envoy.address());
    wire.write(begins);
    assert!(
        noted.envoy.wait_for(|envoy| envoy.stats()["cluster.upstream.upstream_rq_active"] > 0, SOON),
        "it goes on"
    );
    wire.write(" ".repeat(99));
    assert!(wire.read_until("body_length").starts_with("HTTP/1.1 200"));
    noted.expect_accounted(1);
    for gate in [refused, noted] {
        assert_eq!(gate.http1().send(payment("next")).unwrap().status, 200);
        gate.expect_unharmed();
    }
}

#[test]
fn an_envoy_that_never_shows_a_body_hangs_nobody() {
    let gate = Gate::start_with(&config("50ms", noting()), super::not_shown_bodies);
    for (protocol, client) in gate.both() {
        let answer = client.send(payment("a")).unwrap();
        assert_eq!(
            (answer.status, &answer.json().unwrap()["body_length"]),
            (200, &json!(payment("a").body.len())),
            "{protocol}"
        );
    }
    gate.expect_unharmed();
}

#[test]
fn a_client_that_leaves_while_it_waits_is_accounted_for() {
    let gate = Gate::start(&config("1h", refusing()));
    let mut wire = Wire::connect(gate.envoy.address());
    wire.write("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{");
    assert!(gate.envoy.wait_for(|envoy| envoy.stats()["http.ingress.downstream_rq_active"] == 1, SOON));
    drop(wire);
    gate.expect_accounted(1);
    assert_eq!(gate.upstream.hits(), 0);
    assert_eq!(gate.http1().send(payment("next")).unwrap().status, 200);
    gate.expect_unharmed();
}
