//! Facts about Envoy that the filter relies on and cannot check itself.
//!
//! Each is seen through what the filter makes of it, so an Envoy version that changes one is noticed here first.
//! More facts are pinned where they matter: when bodies are shown (`protocol`), whose address a request has
//! (`identity`).

use super::{code, demo_issuer, echoed, enforcing, request_id, Gate, Shared, Wire, PARAMETER};
use portcullis_lab::client::{raw, Request};
use portcullis_lab::tokens::{Algorithm, Issuer, Spec};
use serde_json::json;
use std::sync::Arc;

fn gate() -> Arc<Gate> {
    static GATE: Shared = Shared::by_tests(5);
    let config = enforcing(json!({
        "routes": [{"name": "echo", "path": "/echo"}],
        "identity": {
            "issuers": [demo_issuer()],
            "default": "optional",
            "sources": [{"header": "authorization", "scheme": "Bearer"}, {"header": "x-token"}],
        },
        "telemetry": {"allow_sample": 1.0},
        "checks": [{"id": "token.binding.device", "effect": "refuse"}],
    }));
    GATE.get(|| Gate::start(&config))
}

#[test]
fn filter_state_set_when_a_stream_ends_reaches_the_access_log() {
    let gate = gate();
    let refused = gate.http1().send(Request::get(PARAMETER)).unwrap();
    let line = gate.access_line(&request_id(&refused));
    assert_eq!(line["portcullis_verdict"], "deny:path_parameter");
    assert!(line["portcullis_receipt"].as_str().is_some_and(|receipt| receipt.starts_with("{\"event.kind\"")));
}

#[test]
fn an_empty_header_value_is_there_and_empty() {
    let gate = gate();
    let mut claims = Issuer::demo().claims("ada");
    claims.insert("device_id".into(), json!("d-1"));
    let token = Issuer::demo().mint(&Spec::new(Algorithm::RS256, claims));
    for (protocol, client) in gate.both() {
        let request = Request::get("/echo").bearer(&token);
        let reason = |request: Request| {
            let refused = client.send(request).unwrap();
            assert_eq!(code(&refused), "binding_device", "{protocol}");
            gate.receipt(&request_id(&refused))["portcullis.findings"][0]["reason"].clone()
        };
        assert_eq!(reason(request.clone()), "no `x-device-id`", "{protocol}");
        assert_eq!(reason(request.header("x-device-id", "")), "`x-device-id` names another device", "{protocol}");
    }
}

#[test]
fn a_repeated_field_is_shown_as_often_as_it_was_sent_but_for_those_envoy_joins() {
    let gate = gate();
    let token = Issuer::demo().token("ada");
    for (protocol, client) in gate.both() {
        let twice = |name: &str, value: &str| {
            let refused = client.send(Request::get("/echo").header(name, value).header(name, value)).unwrap();
            assert_eq!((refused.status, code(&refused).as_str()), (400, "token_ambiguous"), "{protocol}");
            gate.receipt(&request_id(&refused))["portcullis.findings"][0]["reason"].clone()
        };
        assert_eq!(twice("x-token", &token), "`x-token` is repeated", "{protocol}");
        // Of the fields it knows, Envoy makes one with a comma.
        let joined = twice("authorization", &format!("Bearer {token}"));
        assert_eq!(joined, "`authorization` has several values", "{protocol}");
        let elsewhere = Request::get("/echo").bearer(&token).header("x-token", &token);
        assert_eq!(code(&client.send(elsewhere).unwrap()), "token_ambiguous", "{protocol}");
    }
}

#[test]
fn names_are_shown_in_lower_case() {
    let gate = gate();
    let get = |name: &str, token: &str| {
        let head = format!("GET /echo HTTP/1.1\r\nHost: a\r\n{name}: Bearer {token}\r\n\r\n");
        raw(gate.envoy.address(), head).unwrap()
    };
    for name in ["AUTHORIZATION", "aUtHoRiZaTiOn"] {
        assert_eq!(get(name, &Issuer::demo().token("ada")).status, 200);
        assert_eq!(code(&get(name, "x")), "token_malformed", "seen under {name}");
    }
    let head = "GET /echo HTTP/1.1\r\nHost: a\r\nX-Portcullis-Verdict: allow\r\n\r\n";
    let answer = raw(gate.envoy.address(), head).unwrap().json().unwrap();
    assert!(echoed(&answer, "headers", "x-portcullis-verdict").is_empty());
}

#[test]
fn envoy_names_every_request_itself() {
    let gate = gate();
    for (protocol, client) in gate.both() {
        let refused = client.send(Request::get(PARAMETER).header("x-request-id", "mine")).unwrap();
        let name = request_id(&refused);
        assert!(name != "mine" && name.len() == 36, "{protocol}: {name}");
        assert_eq!(refused.json().unwrap()["request_id"], name, "{protocol}");
    }
}

#[test]
fn what_is_refused_before_us_or_by_us_never_reaches_the_service() {
    let gate = Gate::start(&enforcing(json!({})));
    for nonsense in
        ["GET / HTTP/1.1\r\n\r\n", "NONSENSE\r\n\r\n", "GET / HTTP/1.1\r\nhost: a\r\nbad header: x\r\n\r\n"]
    {
        let mut wire = Wire::connect(gate.envoy.address());
        wire.write(nonsense);
        assert!(wire.read_to_end().starts_with("HTTP/1.1 400 "), "{nonsense:?}");
    }
    for (protocol, client) in gate.both() {
        for request in [Request::get(PARAMETER), Request::post(PARAMETER).body("hello").chunked(2)] {
            assert_eq!(client.send(request).unwrap().status, 400, "{protocol}");
        }
    }
    assert_eq!(gate.upstream.hits(), 0);
    assert_eq!(gate.http1().send(Request::get("/healthz")).unwrap().status, 200);
    // The codec's refusals are not ours to count.
    gate.expect_accounted(5);
    gate.expect_unharmed();
}

#[test]
fn a_header_section_of_a_thousand_fields_is_seen_whole_or_refused() {
    let gate = Gate::start_with(&enforcing(json!({})), |bootstrap| {
        bootstrap.edit(|document| {
            let http = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
            let http = document.pointer_mut(http).expect("the shipped connection manager");
            http["common_http_protocol_options"] = json!({"max_headers_count": 3000});
        })
    });
    let crowd =
        (0..1100).fold(Request::get("/echo"), |request, number| request.header(&format!("x-{number}"), "1"));
    for (protocol, client) in gate.both() {
        let refused = client.send(crowd.clone()).unwrap();
        assert_eq!((refused.status, code(&refused)), (413, "headers_too_large".to_owned()), "{protocol}");
    }
    assert_eq!(gate.upstream.hits(), 0);
}
