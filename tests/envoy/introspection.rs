//! Opaque tokens in a real Envoy: asked for once, believed for a while, and never without an answer.
//!
//! What an answer is worth is tested beside the core.

use super::{code, demo_issuer, enforcing, Gate, SOON};
use portcullis_lab::client::{Client, Request, Response};
use portcullis_lab::service::{Answer, Call, Service};
use portcullis_lab::tokens::Issuer;
use serde_json::{json, Value};

fn gate(service: &Service, introspection: Value) -> Gate {
    let mut section = json!({
        "cluster": "issuer", "uri": "https://id.example/introspect", "issuer": "https://id.example",
        "client_id": "gate", "client_secret": "s3cret:/", "audiences": ["orders-api"],
    });
    section.as_object_mut().unwrap().extend(introspection.as_object().unwrap().clone());
    let config = enforcing(json!({
        "routes": [{"name": "orders", "path": "/api/orders"}, {"name": "echo", "path": "/echo"}],
        "identity": {
            "issuers": [demo_issuer()],
            "introspection": section,
            "requirements": [{"routes": ["orders"], "scopes": ["orders:read"]}],
        },
        "limits": [{"name": "person", "routes": ["orders"], "key": ["claim:sub"], "limit": 3, "window": "1d"}],
    }));
    Gate::start_with(&config, |bootstrap| bootstrap.concurrency(2).cluster("issuer", service.address()))
}

/// Knows two tokens.
fn issuer(call: &Call) -> Answer {
    let known = |sub: &str, scope: &str| {
        Answer::body(json!({"active": true, "sub": sub, "scope": scope, "aud": "orders-api"}).to_string())
    };
    match call.body.split('&').next() {
        Some("token=ada%2D1") => known("ada", "orders:read"),
        Some("token=bob%2D1") => known("bob", "profile"),
        Some("token=elsewhere") => Answer::body(json!({"active": true, "aud": "payments"}).to_string()),
        _ => Answer::body(json!({"active": false}).to_string()),
    }
}

fn get(client: &Client, path: &str, token: &str) -> Response {
    client.send(Request::get(path).bearer(token)).unwrap()
}

fn refusal(response: &Response) -> (u16, String) {
    (response.status, code(response))
}

#[test]
fn an_opaque_token_is_asked_for_and_then_remembered() {
    let service = Service::start(issuer).unwrap();
    let gate = gate(&service, json!({}));
    let client = gate.http1();
    for _ in 0..3 {
        assert_eq!(get(&client, "/api/orders", "ada-1").status, 200);
    }
    assert_eq!(refusal(&get(&client, "/api/orders", "ada-1")), (429, "rate_limited".to_owned()), "counted as Ada");
    assert_eq!(service.calls().len(), 1, "one connection is one worker, which asks once");
    let call = &service.calls()[0];
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/introspect"));
    assert_eq!(call.header("content-type"), Some("application/x-www-form-urlencoded"));
    // gate:s3cret%3A%2F
    assert_eq!(call.header("authorization"), Some("Basic Z2F0ZTpzM2NyZXQlM0ElMkY="));
    for (token, expected) in [
        ("bob-1", (403, "scope_insufficient")),
        ("elsewhere", (401, "token_audience")),
        ("junk", (401, "token_inactive")),
    ] {
        for _ in 0..2 {
            assert_eq!(refusal(&get(&client, "/api/orders", token)), (expected.0, expected.1.to_owned()));
        }
    }
    assert_eq!(service.calls().len(), 4, "a refusal is remembered too");
    let signed = Issuer::demo().token("ada");
    assert_eq!(get(&client, "/echo", &signed).status, 200);
    assert_eq!(service.calls().len(), 4, "what can be read is not asked for");
    let asked = "wasmcustom.event=.=issuer;.;portcullis_tokens_total";
    // Ada's and Bob's.
    assert!(gate.envoy.wait_for(|envoy| envoy.stats().get(asked) == Some(&2), SOON));
    assert!(!gate.envoy.log().contains("s3cret") && !gate.envoy.log().contains("ada-1"));
    gate.expect_unharmed();
}

#[test]
fn an_answer_is_believed_no_longer_than_it_may_be() {
    let service = Service::start(issuer).unwrap();
    let gate = gate(&service, json!({"cache_max": "1s"}));
    let client = gate.http1();
    assert_eq!(get(&client, "/echo", "ada-1").status, 200);
    service.now(|_| Answer::body("{\"active\": false}"));
    let is_over = || get(&client, "/echo", "ada-1").status == 401;
    assert!(gate.envoy.wait_for(|_| is_over(), SOON));
}

#[test]
fn without_an_answer_the_policy_decides() {
    for (what, answer) in [
        ("silence", Answer::Hang),
        ("an error", Answer::status(500)),
        ("a refusal", Answer::status(401)),
        ("junk", Answer::body("<html>")),
        ("too much", Answer::body(vec![b' '; 10 << 20])),
    ] {
        let service = Service::start(move |_| answer.clone()).unwrap();
        for (policy, expected) in [("deny", 503), ("allow", 200)] {
            let gate = gate(&service, json!({"timeout": "300ms", "on_error": policy}));
            let many: Vec<_> = std::thread::scope(|scope| {
                let send = |number: usize| {
                    let client = if number.is_multiple_of(2) { gate.http1() } else { gate.http2() };
                    scope.spawn(move || {
                        client.send(Request::post("/echo").bearer("ada-1").body("x".repeat(5000))).unwrap()
                    })
                };
                (0..10)
                    .map(send)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .map(|thread| thread.join().unwrap().status)
                    .collect()
            });
            assert_eq!(many, [expected; 10], "{what} {policy}");
            gate.expect_accounted(10);
            gate.expect_unharmed();
        }
    }
}

#[test]
fn a_client_that_leaves_while_its_issuer_is_asked_leaves_nothing_behind() {
    let service = Service::start(|_| Answer::Hang).unwrap();
    let gate = gate(&service, json!({"timeout": "20s"}));
    for _ in 0..5 {
        let mut wire = super::Wire::connect(gate.envoy.address());
        wire.write("GET /echo HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ada-1\r\n\r\n");
    }
    assert!(gate.envoy.wait_for(|_| service.calls().len() == 5, SOON), "{:?}", service.calls());
    gate.expect_accounted(5);
    gate.expect_unharmed();
}
