//! The endpoints through the engine, as the host drives it.

use crate::config::Config;
use crate::engine::waiting::Wait;
use crate::engine::{Body, Done, Engine, Ports, Step};
use crate::reply::Reply;
use crate::request::headers::Headers;
use crate::request::Request;
use crate::stages::CHECKS;
use crate::time::Millis;
use serde_json::{json, Value};

pub(super) const NOW: Millis = Millis::from_secs(1_800_000_000);
const P256: &str = include_str!("../../envoy/lab/keys/test-p256.pem");

pub(super) fn document() -> Value {
    json!({
        "version": 1,
        "mode": "enforce",
        "routes": [{"name": "keys", "path": "/.well-known/jwks.json"}, {"name": "api", "path": "/api"}],
        "identity": {"issuers": [{"issuer": "https://api.example", "audiences": ["api"], "minted": true}]},
        "minting": {
            "issuer": "https://api.example", "audiences": ["api"],
            "keys": [{"kid": "k1", "alg": "ES256", "private_key": P256}],
        },
    })
}

pub(super) fn engine(document: &Value) -> Engine {
    Engine::new(Config::parse(document.to_string().as_bytes(), CHECKS).unwrap(), Ports::in_process([7; 16]))
}

pub(super) fn step(engine: &Engine, fields: &[(&str, &str)], has_body: bool) -> Step<Body> {
    let base = [(":method", "GET"), (":authority", "api.example"), ("x-request-id", "r-1")];
    let replaced = |name: &str| fields.iter().any(|(other, _)| *other == name);
    let base = base.into_iter().filter(|(name, _)| !replaced(name));
    let request = Request::new(Headers::from_pairs(base.chain(fields.iter().copied())), || {
        Some("192.0.2.7".parse().unwrap())
    });
    engine.open(request, NOW, || "fallback".to_owned()).judge(has_body)
}

pub(super) fn served(step: Step<Body>) -> (Reply, Box<Done>) {
    match step {
        Step::Serve(reply, done) => (reply, done),
        other => panic!("not served: {other:?}"),
    }
}

pub(super) fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    reply.headers.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str())
}

const KEYS: (&str, &str) = (":path", "/.well-known/jwks.json");

#[test]
fn the_key_set_is_served_to_everybody_whatever_the_route_demands() {
    let engine = engine(&document());
    for method in ["GET", "HEAD"] {
        let (reply, done) = served(step(&engine, &[KEYS, (":method", method)], false));
        assert_eq!((reply.status, header(&reply, "content-type")), (200, Some("application/jwk-set+json")));
        let set: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!((set["keys"][0]["kid"].as_str(), set["keys"].as_array().unwrap().len()), (Some("k1"), 1));
        assert_eq!((done.summary().as_str(), done.findings().len()), ("allow", 0));
        let config = engine.config();
        assert_eq!(config.routes.get(done.route()).name, "keys");
    }
    assert!(
        matches!(step(&engine, &[(":path", "/api")], false), Step::Refuse(..)),
        "what is no endpoint is guarded"
    );
}

#[test]
fn an_endpoint_has_one_path_and_its_methods() {
    let engine = engine(&document());
    let (reply, done) = served(step(&engine, &[KEYS, (":method", "POST")], true));
    assert_eq!((reply.status, header(&reply, "allow")), (405, Some("GET, HEAD")));
    assert_eq!(done.summary(), "allow");
    for path in ["/.well-known/jwks.json/x", "/.well-known/JWKS.json", "/.well-known", "/"] {
        assert!(!matches!(step(&engine, &[(":path", path)], false), Step::Serve(..)), "{path}");
    }
    for path in ["/.well-known/jwks.json?x=1", "/.well-known//jw%6Bs.json/"] {
        served(step(&engine, &[(":path", path)], false));
    }
}

#[test]
fn form_and_limits_come_first() {
    let mut limited = document();
    limited["limits"] =
        json!([{"name": "few", "routes": ["keys"], "key": ["source"], "limit": 1, "window": "1m"}]);
    let limited = engine(&limited);
    served(step(&limited, &[KEYS], false));
    let Step::Refuse(reply, done) = step(&limited, &[KEYS], false) else { panic!("not refused") };
    assert_eq!((reply.status, done.summary().as_str()), (429, "deny:rate_limited"));
    let Step::Refuse(reply, _) = step(&limited, &[(":path", "/x/../.well-known/jwks.json")], false) else {
        panic!("not refused")
    };
    assert_eq!(reply.status, 400);
}

#[test]
fn in_monitor_mode_endpoints_serve_too() {
    let mut document = document();
    document["mode"] = json!("monitor");
    let engine = engine(&document);
    let (reply, done) = served(step(&engine, &[(":path", "/x/../.well-known/jwks.json")], false));
    assert_eq!((reply.status, done.summary().as_str()), (200, "would_deny:path_dot_segments"));
    let lower = step(&engine, &[KEYS, (":method", "get")], false);
    assert!(!matches!(lower, Step::Serve(..)), "a request without one meaning is for no endpoint");
}

#[test]
fn a_client_that_leaves_gets_nothing() {
    let mut document = document();
    document["limits"] =
        json!([{"name": "body", "routes": ["keys"], "key": ["body:a"], "limit": 9, "window": "1m"}]);
    let engine = engine(&document);
    let Step::Wait(wait @ Wait::Body(_)) = step(&engine, &[KEYS], true) else { panic!("it does not wait") };
    assert_eq!(wait.abandon().summary(), "allow");
    let Step::Wait(wait) = step(&engine, &[KEYS], true) else { panic!("it does not wait") };
    assert_eq!(served(wait.expire(NOW)).0.status, 408);
}
