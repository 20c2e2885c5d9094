//! Services that log somebody in and leave the token to the filter: the answer is replaced in the response phase, which only a
//! real Envoy shows.

use super::{code, enforcing, SOON};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use portcullis_lab::client::{Client, Request};
use portcullis_lab::envoy::Envoy;
use portcullis_lab::service::{Answer, Call, Service};
use serde_json::{json, Value};

const FIELD: &str = "x-portcullis-grant";
const P256: &str = include_str!("../../envoy/lab/keys/test-p256.pem");

/// A service that answers with the status, the grant and the body that it is asked for.
fn service() -> Service {
    let answer = |call: &Call| {
        let asked = |name: &str| call.header(name).unwrap_or_default().to_owned();
        let mut answer = Answer::body("x".repeat(asked("x-want-bytes").parse().unwrap_or_default()));
        if let Answer::Whole { status, .. } = &mut answer {
            *status = asked("x-want-status").parse().unwrap_or(200);
        }
        answer = answer.header("set-cookie", "seen=1").header("x-echo", &asked(FIELD));
        for grant in asked("x-want-grant").split(' ').filter(|grant| !grant.is_empty()) {
            answer = answer.header(FIELD, grant);
        }
        answer
    };
    Service::start(answer).unwrap()
}

fn start(service: &Service, mode: &str) -> Envoy {
    let mut config = enforcing(json!({
        "routes": [{"name": "login", "path": "/login"}, {"name": "other", "path": "/other"}, {"name": "api", "path": "/api"}],
        "identity": {
            "issuers": [{"issuer": "https://shop.example", "audiences": ["shop"], "minted": true}],
            "default": "ignored", "requirements": [{"routes": ["api"]}],
        },
        "minting": {
            "issuer": "https://shop.example", "audiences": ["shop"], "bindings": ["ip_binding"],
            "login": [{"routes": ["login"]}],
            "keys": [{"kid": "k1", "alg": "ES256", "private_key": P256}],
        },
        "telemetry": {"limit_headers": true},
        "limits": [{"name": "logins", "routes": ["login"], "key": ["source"], "limit": 1000, "window": "1h"}],
    }));
    config["mode"] = json!(mode);
    Envoy::start(&super::bootstrap(&config).upstream(service.address())).unwrap()
}

fn grant(claims: &Value) -> String {
    URL_SAFE_NO_PAD.encode(claims.to_string())
}

fn login(path: &str, status: u16, grant: &str, bytes: usize) -> Request {
    Request::post(path)
        .header("x-want-status", status.to_string())
        .header("x-want-grant", grant)
        .header("x-want-bytes", bytes.to_string())
        .body("user=ada")
}

fn both(envoy: &Envoy) -> [(&'static str, Client); 2] {
    [("HTTP/1.1", Client::http1(envoy.address())), ("HTTP/2", Client::http2(envoy.address()))]
}

#[test]
fn the_answer_to_a_login_is_a_token() {
    let service = service();
    let good = grant(&json!({"sub": "ada", "scope": "orders:read"}));
    for mode in ["enforce", "monitor"] {
        let envoy = start(&service, mode);
        for (protocol, client) in both(&envoy) {
            for (status, bytes) in [(200, 0), (201, 10), (200, 200_000), (204, 0)] {
                let answer = client.send(login("/login", status, &good, bytes)).unwrap();
                assert_eq!(answer.status, 200, "{protocol}, {status}, {bytes}: {}", answer.text());
                assert_eq!((answer.header(FIELD), answer.header("set-cookie")), (None, None));
                assert_eq!(answer.header("cache-control"), Some("no-store"));
                assert!(answer.header("ratelimit").is_some(), "{:?}", answer.headers);
                let token = answer.json().unwrap()["access_token"].as_str().unwrap().to_owned();
                let used = client.send(Request::get("/api").bearer(&token)).unwrap();
                assert_eq!(used.status, 200, "{protocol}: {}", used.text());
            }
        }
        assert!(!envoy.log().contains(&good), "a grant is not logged");
        expect_unharmed(&envoy);
    }
}

#[test]
fn a_grant_never_reaches_a_client() {
    let service = service();
    let envoy = start(&service, "enforce");
    let good = grant(&json!({"sub": "ada"}));
    for (protocol, client) in both(&envoy) {
        for (path, status) in
            [("/login", 401), ("/login", 302), ("/login", 500), ("/other", 200), ("/unknown", 200)]
        {
            let answer = client.send(login(path, status, &good, 10)).unwrap();
            assert_eq!((answer.status, answer.header(FIELD)), (status, None), "{protocol}, {path}");
            assert_eq!(
                (answer.text().len(), answer.header("set-cookie")),
                (10, Some("seen=1")),
                "it is the service's"
            );
        }
        let plain = client.send(login("/login", 200, "", 10)).unwrap();
        assert_eq!((plain.status, plain.text().len()), (200, 10), "{protocol}: a login without a grant");
        let forged = client.send(login("/login", 200, "", 10).header(FIELD, &good)).unwrap();
        assert_eq!(forged.header("x-echo"), Some(""), "{protocol}: what a client sends never gets to the service");
    }
    expect_unharmed(&envoy);
}

#[test]
fn a_grant_that_cannot_be_read_is_a_clean_failure() {
    let service = service();
    let envoy = start(&service, "enforce");
    let good = grant(&json!({"sub": "ada"}));
    for (protocol, client) in both(&envoy) {
        for bad in ["junk!", &grant(&json!({"scope": "x"})), &format!("{good} {good}")] {
            for bytes in [0, 100_000] {
                let answer = client.send(login("/login", 200, bad, bytes)).unwrap();
                assert_eq!((answer.status, code(&answer).as_str()), (502, "grant_malformed"), "{protocol}, {bad}");
                assert_eq!(answer.header(FIELD), None);
            }
        }
    }
    let line = || envoy.log().contains(r#""portcullis.error":"grant_malformed""#);
    assert!(envoy.wait_for(|_| line(), SOON), "{}", envoy.log());
    expect_unharmed(&envoy);
}

fn expect_unharmed(envoy: &Envoy) {
    let log = envoy.log();
    for sign in ["Function: proxy_", "panicked", "did not accept"] {
        assert!(!log.contains(sign), "{sign} in {log}");
    }
    let failed = envoy
        .access_log()
        .into_iter()
        .find(|line| line["response_code_details"].as_str().unwrap_or_default().contains("wasm_fail"));
    assert_eq!(failed, None);
}
