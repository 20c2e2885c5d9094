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

/// Tokens of every algorithm: good, tampered with in every way, with odd header fields and claims, and with bytes changed at
/// random places.
fn vectors() -> Vec<String> {
    let mut tokens = Vec::new();
    let odd_claims = [json!({"jti": 7}), json!({"nonce": [1]}), json!({"jti": "one", "nbf": 0.5})];
    let odd_fields = [
        ("jwk", json!({"kty": "EC"})),
        ("x5c", json!("one")),
        ("salt", json!(1)),
        ("cty", json!("JWT")),
        ("jku", json!("x")),
    ];
    for algorithm in Algorithm::ALL {
        let good = || Spec::new(algorithm, claims(json!({})));
        let tampers =
            [Tamper::None, Tamper::Signature, Tamper::Payload, Tamper::StripSignature, Tamper::HmacWithPublicKey];
        let mut specs: Vec<Spec> = tampers.into_iter().map(|tamper| good().tamper(tamper)).collect();
        specs.extend(odd_claims.iter().map(|odd| Spec::new(algorithm, claims(odd.clone()))));
        specs.extend(odd_fields.iter().map(|(name, value)| {
            let mut spec = good();
            spec.header.insert((*name).to_owned(), value.clone());
            spec
        }));
        tokens.extend(specs.iter().map(|spec| Issuer::demo().mint(spec)));
        let text = Issuer::demo().mint(&good());
        tokens.push(
            text.rsplit_once('.').map(|(signed, signature)| format!("{signed}.{}", &signature[4..])).unwrap(),
        );
        tokens.push(format!("{text}AAAA"));
        tokens.push(
            text.rsplit_once('.')
                .map(|(signed, signature)| format!("{signed}.{}", "A".repeat(signature.len())))
                .unwrap(),
        );
        let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..20 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut bytes = text.clone().into_bytes();
            let at = (dice >> 33) as usize % bytes.len();
            bytes[at] = b"ABCDwxyz0189-_."[(dice >> 20) as usize % 15];
            tokens.push(String::from_utf8(bytes).unwrap());
        }
    }
    tokens
}

#[test]
fn envoy_and_the_filter_agree_on_every_signature() {
    let start = |native: bool| {
        let mut config = config();
        config["identity"]["native_signatures"] = native.into();
        config["identity"]["cache_budget"] = json!("0B");
        config["identity"]["failures"] = json!({"per_source": 0});
        Gate::start(&config)
    };
    let gates = [start(true), start(false)];
    let clients = gates.each_ref().map(Gate::http1);
    let mut refused = 0;
    let tokens = vectors();
    for token in &tokens {
        let [by_host, by_filter] = clients.each_ref().map(|client| {
            let answer = client.send(Request::get("/echo").bearer(token)).unwrap();
            (answer.status, if answer.status == 200 { String::new() } else { code(&answer) })
        });
        assert_eq!(by_host, by_filter, "{token}");
        refused += usize::from(by_host.0 != 200);
    }
    assert!(refused > 200, "hardly any of them was refused: {refused}");
    gates.iter().for_each(|gate| gate.expect_accounted(tokens.len() as u64));
    let proofs = |gate: &Gate, event: &str| {
        let name = format!("wasmcustom.event=.={event};.;portcullis_tokens_total");
        gate.envoy.stats().get(&name).copied().unwrap_or_default()
    };
    let [host, filter] = &gates;
    let (by_host, by_filter) = (proofs(host, "host"), proofs(host, "filter"));
    assert!(by_host > 10 && by_filter > 10, "each has its share: {by_host}, {by_filter}");
    assert_eq!((proofs(filter, "host"), proofs(filter, "remembered")), (0, 0));
    assert_eq!(by_host + by_filter, proofs(filter, "filter"));
    gates.iter().for_each(Gate::expect_unharmed);
}

#[test]
fn a_token_seen_again_costs_no_signature() {
    let gate = Gate::start(&config());
    let token = mint(json!({}));
    let client = gate.http1();
    for _ in 0..5 {
        assert_eq!(client.send(Request::get("/echo").bearer(&token)).unwrap().status, 200);
    }
    gate.expect_accounted(5);
    let name = "wasmcustom.event=.=remembered;.;portcullis_tokens_total";
    assert_eq!(gate.envoy.stats().get(name), Some(&4));
}
