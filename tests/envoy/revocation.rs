//! Revocation in a real Envoy: tokens that were good a moment ago, on every worker, remembered or not.
//!
//! What a revocation meets is tested beside the core.

use super::{code, demo_issuer, enforcing, Gate, SOON};
use portcullis_lab::client::Request;
use portcullis_lab::service::{Answer, Service};
use portcullis_lab::tokens::{Algorithm, Issuer, Spec};
use serde_json::{json, Value};
use std::time::Duration;

/// Longer than a worker takes to look at what others have fetched.
const EVERY_WORKER: Duration = Duration::from_millis(300);

fn token(claims: Value) -> String {
    let demo = Issuer::demo();
    let mut all = demo.claims("ada");
    all.extend(claims.as_object().unwrap().clone());
    demo.mint(&Spec::new(Algorithm::ES256, all))
}

fn list(entries: &Value) -> Answer {
    Answer::body(json!({ "revocations": entries }).to_string())
}

fn gate(service: &Service, identity: Value) -> Gate {
    let mut section = json!({
        "issuers": [demo_issuer()],
        "revocation": {"list": {"cluster": "revocations", "uri": "https://id.example/revoked.json", "refresh": "1s"}},
    });
    section.as_object_mut().unwrap().extend(identity.as_object().unwrap().clone());
    let config = enforcing(json!({ "identity": section }));
    Gate::start_with(&config, |bootstrap| bootstrap.concurrency(2).cluster("revocations", service.address()))
}

fn ask(gate: &Gate, token: &str) -> (u16, String) {
    let answer = gate.http1().send(Request::get("/echo").bearer(token)).unwrap();
    (answer.status, if answer.status == 200 { String::new() } else { code(&answer) })
}

fn is_good(gate: &Gate, token: &str) -> bool {
    (0..10).all(|_| ask(gate, token).0 == 200)
}

fn is_revoked(gate: &Gate, token: &str) -> bool {
    (0..10).all(|_| ask(gate, token) == (401, "token_revoked".to_owned()))
}

#[test]
fn a_remembered_token_ends_with_its_revocation() {
    let service = Service::start(|_| list(&json!([]))).unwrap();
    let gate = gate(&service, json!({}));
    let issuer = Issuer::demo().url();
    let (one, other) = (token(json!({"jti": "t-1"})), token(json!({"jti": "t-2", "sid": "s-2"})));
    assert!(is_good(&gate, &one) && is_good(&gate, &other));
    service.now(move |_| list(&json!([{"issuer": issuer, "jti": "t-1"}])));
    assert!(gate.envoy.wait_for(|_| ask(&gate, &one).0 == 401, SOON));
    std::thread::sleep(EVERY_WORKER);
    assert!(is_revoked(&gate, &one) && is_good(&gate, &other));
    // Junk and silence leave it as it is.
    service.now(|_| Answer::body("[]"));
    let failed =
        "wasmcustom.document=.=id.example_revoked.json;.;event=.=failed;.;portcullis_documents_fetches_total";
    assert!(gate.envoy.wait_for(|envoy| envoy.stats().get(failed).copied() >= Some(1), SOON));
    assert!(is_revoked(&gate, &one) && is_good(&gate, &other));
    service.now(move |_| list(&json!([{"issuer": issuer, "session": "s-2"}])));
    assert!(gate.envoy.wait_for(|_| ask(&gate, &other).0 == 401, SOON));
    std::thread::sleep(EVERY_WORKER);
    assert!(is_revoked(&gate, &other) && is_good(&gate, &one));
    gate.expect_unharmed();
}

#[test]
fn the_first_request_waits_for_the_list_and_then_the_policy_decides() {
    let issuer = Issuer::demo().url();
    let service = Service::start(move |_| list(&json!([{"issuer": issuer, "subject": "ada"}]))).unwrap();
    let gate_with_list = gate(&service, json!({}));
    assert_eq!(ask(&gate_with_list, &token(json!({}))), (401, "token_revoked".to_owned()));
    let service = Service::start(|_| Answer::Hang).unwrap();
    for (policy, expected) in [
        ("allow", (200, String::new())),
        ("challenge", (401, "step_up_required".to_owned())),
        ("deny", (503, "token_revocation_unknown".to_owned())),
    ] {
        let list = json!({"cluster": "revocations", "uri": "https://id.example/revoked.json", "timeout": "200ms"});
        let revocation = json!({"list": list, "on_error": policy});
        let gate = gate(&service, json!({"wait_max": "400ms", "revocation": revocation}));
        assert_eq!(ask(&gate, &token(json!({}))), expected, "{policy}");
    }
}
