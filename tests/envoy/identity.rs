//! Identity as the wasm build sees it: every algorithm, the caller's real address, what a 401 says.
//!
//! The same cryptography is tested natively; compiled to wasm it runs on other integers and another random source.

use super::{code, demo_issuer, enforcing, request_id, Gate, Shared};
use ct_codecs::Encoder;
use portcullis_lab::client::{Client, Request};
use portcullis_lab::tokens::{now, Algorithm, Issuer, Spec, Tamper};
use serde_json::{json, Map, Value};
use std::sync::Arc;

const HMAC_ISSUER: &str = "https://hmac.demo.portcullis";

fn gate() -> Arc<Gate> {
    static GATE: Shared = Shared::by_tests(4);
    GATE.get(|| Gate::start(&config()))
}

fn config() -> Value {
    let secret = ct_codecs::Base64UrlSafeNoPadding::encode_to_string(Issuer::demo().hmac_secret()).unwrap();
    let oct = json!({"kty": "oct", "kid": Algorithm::HS256.kid(), "alg": "HS256", "k": secret});
    let hmac = json!({
        "issuer": HMAC_ISSUER, "audiences": [Issuer::demo().audience()],
        "algorithms": ["HS256"], "jwks": {"keys": [oct]},
    });
    enforcing(json!({
        "routes": [
            {"name": "echo", "path": "/echo"},
            {"name": "login", "path": "/login"},
            {"name": "orders", "path": "/api/orders/{id}"},
            {"name": "users", "path": "/admin/users"},
        ],
        "identity": {
            "issuers": [demo_issuer(), hmac],
            "requirements": [
                {"routes": ["orders"], "scopes": ["orders:read", "orders:refund"]},
                {"routes": ["users"], "claims": {"role": ["admin"]}},
            ],
        },
        "checks": [{"id": "token.binding.ip", "effect": "refuse"}],
    }))
}

fn claims(extra: Value) -> Map<String, Value> {
    let mut claims = Issuer::demo().claims("ada");
    claims.extend(extra.as_object().unwrap().clone());
    claims
}

fn mint(extra: Value) -> String {
    Issuer::demo().mint(&Spec::new(Algorithm::ES256, claims(extra)))
}

/// The answer to a good token with this algorithm, and to the same with one bit of its signature flipped.
fn answers(client: &Client, algorithm: Algorithm, issuer: &str) -> [(u16, String); 2] {
    [Tamper::None, Tamper::Signature].map(|tamper| {
        let spec = Spec::new(algorithm, claims(json!({"iss": issuer}))).tamper(tamper);
        let answer = client.send(Request::get("/echo").bearer(Issuer::demo().mint(&spec))).unwrap();
        let code = if answer.status == 200 { String::new() } else { code(&answer) };
        (answer.status, code)
    })
}

#[test]
fn every_algorithm_verifies() {
    let gate = gate();
    let client = gate.http1();
    for algorithm in Algorithm::ALL {
        let issuer = if algorithm == Algorithm::HS256 { HMAC_ISSUER } else { Issuer::demo().url() };
        let expected = [(200, String::new()), (401, "token_signature".to_owned())];
        assert_eq!(answers(&client, algorithm, issuer), expected, "{}", algorithm.name());
    }
}

#[test]
fn a_shared_secret_counts_only_where_it_was_asked_for() {
    let gate = gate();
    let client = gate.http1();
    let [(status, code), _] = answers(&client, Algorithm::HS256, Issuer::demo().url());
    assert_eq!((status, code.as_str()), (401, "token_key_unknown"), "an issuer with public keys has no secret");
    let [(status, code), _] = answers(&client, Algorithm::RS256, HMAC_ISSUER);
    assert_eq!((status, code.as_str()), (401, "token_key_unknown"), "keys belong to their issuer");
    let spec = Spec::new(Algorithm::RS256, claims(json!({}))).tamper(Tamper::HmacWithPublicKey);
    let refused = client.send(Request::get("/echo").bearer(Issuer::demo().mint(&spec))).unwrap();
    assert_eq!((refused.status, super::code(&refused)), (401, "token_algorithm".to_owned()));
}

#[test]
fn the_source_address_is_the_peers_whatever_the_client_writes() {
    let gate = gate();
    let spoofs = ["x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip", "x-envoy-external-address"];
    for (protocol, client) in gate.both() {
        for spoof in spoofs {
            let value = if spoof == "forwarded" { "for=203.0.113.9" } else { "203.0.113.9" };
            let request = |bound: &str| {
                Request::get("/echo").header(spoof, value).bearer(mint(json!({"ip_binding": bound})))
            };
            let mine = client.send(request("127.0.0.1")).unwrap();
            assert_eq!(mine.status, 200, "{protocol}, {spoof}: {}", mine.text());
            let stolen = client.send(request("203.0.113.9")).unwrap();
            assert_eq!((stolen.status, code(&stolen)), (403, "binding_ip".to_owned()), "{protocol}, {spoof}");
        }
    }
    let stolen = Request::get("/echo").bearer(mint(json!({"ip_binding": "203.0.113.9"})));
    let receipt = gate.receipt(&request_id(&gate.http1().send(stolen).unwrap()));
    assert_eq!(receipt["portcullis.findings"][0]["reason"], "source 127.0.0.1");
}

#[test]
fn a_401_says_how_to_authenticate() {
    let gate = gate();
    let past = now() - 3600;
    // Two bindings that fail: a risk of 0.36, which is a challenge.
    let elsewhere = json!({"device_id": "d-1", "session_id": "s-1"});
    let cases = [
        (Request::get("/echo"), 401, "token_missing", Some("Bearer realm=\"portcullis\"")),
        (
            Request::get("/echo").bearer(mint(json!({"iat": past - 60, "nbf": past - 60, "exp": past}))),
            401,
            "token_expired",
            Some(r#"Bearer realm="portcullis", error="invalid_token""#),
        ),
        (
            Request::get("/api/orders/o-1001").bearer(mint(json!({}))),
            403,
            "scope_insufficient",
            Some(r#"Bearer realm="portcullis", error="insufficient_scope", scope="orders:read orders:refund""#),
        ),
        (
            Request::get("/echo").bearer(mint(elsewhere)),
            401,
            "step_up_required",
            Some(r#"Bearer realm="portcullis", error="insufficient_user_authentication""#),
        ),
        (Request::get("/admin/users").bearer(mint(json!({"role": "customer"}))), 403, "claim_refused", None),
    ];
    for (protocol, client) in gate.both() {
        for (request, status, expected, challenge) in &cases {
            let refused = client.send(request.clone()).unwrap();
            assert_eq!((refused.status, code(&refused).as_str()), (*status, *expected), "{protocol}");
            assert_eq!(refused.header("www-authenticate"), *challenge, "{protocol}, {expected}");
            assert_eq!(refused.header("content-type"), Some("application/problem+json"));
            assert_eq!(refused.header("cache-control"), Some("no-store"));
        }
    }
    let granted = mint(json!({"scope": "orders:read orders:refund", "role": "admin"}));
    for path in ["/api/orders/o-1001", "/admin/users"] {
        assert_eq!(gate.http1().send(Request::get(path).bearer(&granted)).unwrap().status, 200, "{path}");
    }
}
