//! Tokens that the filter issues: signed in wasm, with keys that come in as Envoy gives them, and read by others.
//!
//! What stands in a token is tested beside the code; here stands what only the host can show.

use super::{code, demo_issuer, enforcing, request_id, while_asking, Gate, Scratch, Shared, SOON};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{decode, decode_header, DecodingKey, Validation};
use portcullis_lab::bootstrap::Bootstrap;
use portcullis_lab::client::{Client, Request, Response};
use portcullis_lab::envoy::Envoy;
use portcullis_lab::tokens::{now, Issuer};
use serde_json::{json, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

const ISSUER: &str = "https://api.demo.portcullis";
const AUDIENCE: &str = "shop";
const RSA: &str = include_str!("../../envoy/lab/keys/test-rsa.pem");
const P256: &str = include_str!("../../envoy/lab/keys/test-p256.pem");
const VM: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config/vm_config";
/// A TEST key, made for this file: it protects nothing.
const ED25519: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIFRFU1QtcG9ydGN1bGxpcy1taW50aW5nLWtleS0zMmIh\n-----END PRIVATE KEY-----\n";

fn gate() -> Arc<Gate> {
    static GATE: Shared = Shared::by_tests(4);
    GATE.get(|| Gate::start_with(&config(by_env()), environment))
}

/// The key's text is in no configuration: Envoy passes it to the VM.
fn by_env() -> Value {
    json!([{"kid": "env", "alg": "ES256", "private_key": {"env": "PORTCULLIS_SIGNING_KEY"}}])
}

fn environment(bootstrap: Bootstrap) -> Bootstrap {
    bootstrap.edit(|document| {
        let vm = document.pointer_mut(VM).expect("the filter's VM");
        vm["environment_variables"] = json!({"key_values": {"PORTCULLIS_SIGNING_KEY": P256}});
    })
}

fn config(keys: Value) -> Value {
    enforcing(json!({
        "identity": {"issuers": [demo_issuer(), {"issuer": ISSUER, "audiences": [AUDIENCE], "minted": true}]},
        "minting": {
            "issuer": ISSUER, "audiences": [AUDIENCE], "keys": keys,
            "bindings": ["ip_binding", "device_id", "user_agent_hash"],
        },
        "telemetry": {"allow_sample": 1.0},
    }))
}

fn exchange(token: &str) -> Request {
    let form = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token={token}\
         &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&scope=orders%3Aread"
    );
    Request::post("/oauth/token").header("content-type", "application/x-www-form-urlencoded").body(form)
}

fn at_home(request: Request) -> Request {
    request.header("user-agent", "OrdersApp/3.2").header("x-device-id", "ada-phone")
}

fn minted(response: &Response) -> String {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json().unwrap()["access_token"].as_str().unwrap().to_owned()
}

/// What another library makes of a token, given the key set as it is served.
fn verified(client: &Client, token: &str) -> Value {
    let set: JwkSet =
        serde_json::from_slice(&client.send(Request::get("/.well-known/jwks.json")).unwrap().body).unwrap();
    let header = decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let jwk = set.find(header.kid.as_deref().unwrap()).expect("the key is published");
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[ISSUER]);
    decode::<Value>(token, &DecodingKey::from_jwk(jwk).unwrap(), &validation).unwrap().claims
}

#[test]
fn a_token_is_exchanged_and_opens_the_api() {
    let gate = gate();
    for (protocol, client) in gate.both() {
        let answer = client.send(at_home(exchange(&Issuer::demo().token("ada")))).unwrap();
        let token = minted(&answer);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let claims = verified(&client, &token);
        assert_eq!((&claims["sub"], &claims["scope"]), (&json!("ada"), &json!("orders:read")), "{protocol}");
        assert_eq!((&claims["ip_binding"], &claims["risk_level"]), (&json!("127.0.0.1"), &json!("low")));
        let used = client.send(at_home(Request::get("/echo").bearer(&token))).unwrap();
        assert_eq!(used.status, 200, "{protocol}: {}", used.text());
        let elsewhere = client.send(Request::get("/echo").bearer(&token)).unwrap();
        assert_eq!((elsewhere.status, code(&elsewhere)), (401, "step_up_required".to_owned()), "{protocol}");
        let receipt = gate.receipt(&request_id(&elsewhere));
        let found: Vec<_> =
            receipt["portcullis.findings"].as_array().unwrap().iter().map(|finding| &finding["check"]).collect();
        assert_eq!(found, ["token.binding.device", "token.binding.user_agent"]);
    }
    gate.expect_unharmed();
}

#[test]
fn names_of_tokens_do_not_repeat() {
    let gate = gate();
    let client = gate.http1();
    let name = |_| {
        verified(&client, &minted(&client.send(exchange(&Issuer::demo().token("ada"))).unwrap()))["jti"]
            .to_string()
    };
    assert_eq!((0..20).map(name).collect::<BTreeSet<_>>().len(), 20);
}

#[test]
fn endpoints_answer_in_the_forms_of_http() {
    let gate = gate();
    for (protocol, client) in gate.both() {
        let get = client.send(Request::get("/.well-known/jwks.json")).unwrap();
        let head = client.send(Request::new("HEAD", "/.well-known/jwks.json")).unwrap();
        assert_eq!((get.status, head.status, head.body.len()), (200, 200, 0), "{protocol}");
        assert_eq!(get.header("content-type"), Some("application/jwk-set+json"), "{protocol}");
        let wrong = client.send(Request::get("/oauth/token")).unwrap();
        assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST")), "{protocol}");
        let text = Request::post("/oauth/token").header("content-type", "text/plain").body("a=b");
        assert_eq!(client.send(text).unwrap().status, 415, "{protocol}");
        let form = || Request::post("/oauth/token").header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(client.send(form()).unwrap().status, 400, "{protocol}: no body");
        for body in [form().body("x".repeat(40_000)), form().body("x".repeat(40_000)).chunked(5000)] {
            assert_eq!(client.send(body).unwrap().status, 413, "{protocol}");
        }
        let pieces = exchange(&Issuer::demo().token("ada")).chunked(100).trailer("x-end", "1");
        assert_eq!(client.send(pieces).unwrap().status, 200, "{protocol}: in pieces, with trailers");
        let unused = client.send(Request::post("/.well-known/jwks.json").body("x".repeat(1000))).unwrap();
        assert_eq!(unused.status, 405, "{protocol}");
        // The connection is still in order.
        assert_eq!(client.send(Request::get("/.well-known/jwks.json")).unwrap().status, 200, "{protocol}");
    }
    gate.expect_unharmed();
}

#[test]
fn the_log_and_the_statistics_tell_of_issues_without_a_secret() {
    let gate = gate();
    let client = gate.http1();
    let subject = Issuer::demo().token("ada");
    let token = minted(&client.send(exchange(&subject)).unwrap());
    let claims = verified(&client, &token);
    let refused = client.send(exchange("SECRET.TOKEN.TEXT")).unwrap();
    assert_eq!((refused.status, &refused.json().unwrap()["error"]), (400, &json!("invalid_request")));
    let jti = claims["jti"].as_str().unwrap();
    let lines = |start: &str| {
        let log = gate.envoy.log();
        let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let found = lines.filter_map(|line| line.find(start).and_then(|at| line.get(at..)));
        found.map(|line| serde_json::from_str(line).expect("one line of JSON")).collect::<Vec<Value>>()
    };
    let issued =
        || lines(r#"{"event.action":"token_issued""#).into_iter().find(|line| line["portcullis.token.jti"] == jti);
    assert!(gate.envoy.wait_for(|_| issued().is_some(), SOON), "{}", gate.envoy.log());
    let line = issued().unwrap();
    assert_eq!(
        (&line["portcullis.token.kid"], &line["portcullis.token.lifetime_s"]),
        (&json!("env"), &json!(300))
    );
    let said = || !lines(r#"{"event.action":"token_refused""#).is_empty();
    assert!(gate.envoy.wait_for(|_| said(), SOON));
    let count = |event: &str| {
        let name = format!("wasmcustom.event=.={event};.;portcullis_minting_total");
        gate.envoy.stats().get(&name).copied().unwrap_or_default()
    };
    assert!(gate.envoy.wait_for(|_| count("issued") > 0 && count("refused") > 0, SOON));
    let logs = format!("{}{:?}", gate.envoy.log(), gate.envoy.access_log());
    let parts = subject.split('.').chain(token.split('.')).skip(1).filter(|part| part.len() > 20);
    for secret in parts.chain(P256.lines().skip(2).take(2)).chain(["SECRET"]) {
        assert!(!logs.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn every_algorithm_signs_in_wasm() {
    let ours = |kid: &str, key: &str, alg: &str| json!([{"kid": kid, "alg": alg, "private_key": key}]);
    for keys in [ours("rsa", RSA, "RS256"), ours("ed", ED25519, "EdDSA")] {
        let gate = Gate::start(&config(keys.clone()));
        let client = gate.http1();
        let token = minted(&client.send(exchange(&Issuer::demo().token("ada"))).unwrap());
        assert_eq!(verified(&client, &token)["sub"], "ada", "{keys}");
        assert_eq!(client.send(Request::get("/echo").bearer(&token)).unwrap().status, 200, "{keys}");
    }
}

#[test]
fn a_variable_that_is_not_passed_is_named() {
    // Envoy itself has the variable; the VM has only what it is given.
    let (valid, said) = Envoy::validate(&super::bootstrap(&config(json!([
        {"kid": "env", "alg": "ES256", "private_key": {"env": "PATH"}}]))));
    assert!(!valid, "{said}");
    assert!(
        said.contains("minting.keys[0].private_key.env: the variable `PATH` is not passed to the filter"),
        "{said}"
    );
    // A variable of Envoy's own process can be passed on. This one is no key, and what it is nobody is told.
    let passed =
        super::bootstrap(&config(json!([{"kid": "env", "alg": "ES256", "private_key": {"env": "PATH"}}])));
    let (valid, said) = Envoy::validate(&passed.edit(|document| {
        document.pointer_mut(VM).expect("the filter's VM")["environment_variables"] =
            json!({"host_env_keys": ["PATH"]});
    }));
    assert!(!valid && said.contains("minting.keys[0].private_key: expected a P-256 private key"), "{said}");
    assert!(!said.contains("/usr/bin:"), "{said}");
    let (valid, said) = Envoy::validate(&environment(super::bootstrap(&config(by_env()))));
    assert!(valid, "{said}");
}

/// The status of an exchange and of a use, and the key of the token.
fn exchange_and_use(client: &Client) -> (u16, u16, String) {
    let Ok(answer) = client.send(exchange(&Issuer::demo().token("ada"))) else { return (599, 0, String::new()) };
    let answered = answer.json().unwrap_or_default();
    let Some(token) = answered["access_token"].as_str() else { return (answer.status, 0, String::new()) };
    let used = client.send(Request::get("/echo").bearer(token)).map_or(599, |response| response.status);
    (answer.status, used, decode_header(token).unwrap().kid.unwrap())
}

#[test]
fn keys_rotate_under_load_without_a_token_that_is_not_known() {
    let scratch = Scratch::new();
    let old = json!({"kid": "old", "alg": "ES256", "private_key": P256});
    let new = |from: u64| json!({"kid": "new", "alg": "EdDSA", "private_key": ED25519, "use_from": from});
    let gate = Gate::start_with(&config(json!([old])), |bootstrap| bootstrap.concurrency(2).ecds(&scratch.0));
    let clients: Vec<_> = (0..3).map(|_| gate.http1()).collect();
    let published = || {
        let set = gate.http1().send(Request::get("/.well-known/jwks.json")).unwrap().json().unwrap();
        set["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let seen = while_asking(&clients, exchange_and_use, || {
        let from = now() + 4;
        gate.envoy.push_filter_config(&config(json!([old, new(from)])).to_string()).unwrap();
        assert!(gate.envoy.wait_for(|_| published() == ["old", "new"], SOON), "announced before it signs");
        let rotated = || clients.iter().all(|_| exchange_and_use(&gate.http1()).2 == "new") && now() > from + 1;
        assert!(gate.envoy.wait_for(|_| rotated(), SOON));
        gate.envoy.push_filter_config(&config(json!([new(from)])).to_string()).unwrap();
        assert!(gate.envoy.wait_for(|_| published() == ["new"], SOON));
    });
    for met in seen {
        let bad: Vec<_> = met.iter().filter(|(exchanged, used, _)| (*exchanged, *used) != (200, 200)).collect();
        assert!(bad.is_empty(), "{bad:?} of {}", met.len());
        let change = met.iter().position(|(_, _, key)| key == "new").expect("the new key signs");
        assert!(change > 0 && met.iter().skip(change).all(|(_, _, key)| key == "new"), "it changes once");
    }
    gate.expect_unharmed();
}
