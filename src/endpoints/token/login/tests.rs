use super::*;
use crate::endpoints::tests::{document, engine, header, step, NOW};
use crate::engine::{Answer, Done, Engine, Step};
use base64::Engine as _;
use proptest::prelude::*;
use serde_json::json;

fn logging_in() -> Engine {
    let mut document = document();
    document["routes"].as_array_mut().unwrap().push(json!({"name": "login", "path": "/login"}));
    document["identity"]["requirements"] = json!([{"routes": ["login", "api"], "token": "ignored"}]);
    document["minting"]["login"] = json!([{"routes": ["login"]}]);
    document["minting"]["claims"] = json!(["tenant"]);
    engine(&document)
}

fn waiting(engine: &Engine, path: &str) -> Answer {
    let fields = [(":path", path), ("user-agent", "OrdersApp/3.2"), ("x-session-id", "s-9")];
    match step(engine, &fields, false) {
        Step::Forward(_permit, body) => body.finish(),
        other => panic!("not forwarded: {other:?}"),
    }
}

fn granted(values: &[&str]) -> (Reply, Box<Done>) {
    let values: Vec<Vec<u8>> = values.iter().map(|value| value.as_bytes().to_vec()).collect();
    waiting(&logging_in(), "/login").grant(&values, NOW)
}

fn encoded(claims: &Value) -> String {
    URL_SAFE_NO_PAD.encode(claims.to_string())
}

#[test]
fn a_login_becomes_a_token_that_is_bound_to_its_request() {
    let claims =
        json!({"sub": "ada", "scope": "orders:read", "amr": ["pwd", "otp"], "tenant": "acme", "role": "x"});
    let (reply, done) = granted(&[&encoded(&claims)]);
    assert_eq!((reply.status, header(&reply, "cache-control")), (200, Some("no-store")));
    let answer: Value = serde_json::from_str(&reply.body).unwrap();
    let token = crate::jose::Token::parse(answer["access_token"].as_str().unwrap()).unwrap();
    let texts = ["sub", "scope", "session_id", "ip_binding", "user_agent_hash", "tenant"]
        .map(|name| token.claims.text(name));
    let expected = ["ada", "orders:read", "s-9", "192.0.2.7", "08022c18a6f52cc6", "acme"];
    assert_eq!(texts, expected.map(Some));
    assert_eq!((token.claims.get("mfa_verified"), token.claims.get("role")), (Some(&json!(true)), None));
    assert_eq!(done.summary(), "allow");
    let Some(Act::Issued(issued)) = done.act() else { panic!("not issued") };
    assert_eq!((issued.scope.as_str(), issued.lifetime_secs), ("orders:read", 300));
}

#[test]
fn a_grant_may_end_sooner_but_not_live_longer() {
    let lifetime = |exp: u64| {
        let (reply, _) = granted(&[&encoded(&json!({"sub": "ada", "exp": exp}))]);
        serde_json::from_str::<Value>(&reply.body).unwrap()["expires_in"].as_u64()
    };
    let now = NOW.as_u64() / 1000;
    assert_eq!([now + 60, now + 9000, now].map(lifetime), [Some(60), Some(300), None]);
}

#[test]
fn what_has_no_single_meaning_is_no_grant() {
    let good = encoded(&json!({"sub": "ada"}));
    let twice = URL_SAFE_NO_PAD.encode(r#"{"sub":"ada","sub":"eve"}"#);
    let mut values: Vec<Vec<&str>> =
        vec![vec![&good, &good], vec![""], vec!["{}"], vec![&twice], vec!["a.b.c"], vec!["ééé"]];
    let padded = format!("{good}=");
    values.push(vec![&padded]);
    let odd = [
        json!({}),
        json!([]),
        json!("ada"),
        json!({"sub": ""}),
        json!({"sub": 7}),
        json!({"sub": "a", "aud": "other"}),
        json!({"sub": "a", "exp": "soon"}),
        json!({"sub": "a", "cnf": "x"}),
        json!({"sub": "a", "acr": 1}),
        json!({"sub": "a", "x": "x".repeat(9000)}),
    ];
    let odd: Vec<String> = odd.iter().map(encoded).collect();
    values.extend(odd.iter().map(|text| vec![text.as_str()]));
    for values in values {
        let (reply, done) = granted(&values);
        let problem: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!((reply.status, problem["code"].as_str()), (502, Some("grant_malformed")), "{values:?}");
        assert_eq!(done.act(), Some(Act::Refused { error: "grant_malformed" }));
    }
}

#[test]
fn only_the_routes_of_a_login_grant() {
    let engine = logging_in();
    assert_eq!(engine.withheld().into_iter().collect::<Vec<_>>(), ["x-portcullis-grant"]);
    assert_eq!(waiting(&engine, "/login").login_field(), Some("x-portcullis-grant"));
    assert_eq!(waiting(&engine, "/api").login_field(), None);
}

proptest! {
    #[test]
    fn no_value_panics(value in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = read(&[value]);
    }
}
