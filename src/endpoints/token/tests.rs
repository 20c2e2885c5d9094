//! The token endpoint through the engine, as the host drives it.

use crate::config::Config;
use crate::endpoints::audit::Act;
use crate::endpoints::tests::{document, engine, header, served, step, NOW};
use crate::engine::waiting::Wait;
use crate::engine::{Body, Done, Engine, Ports, Step};
use crate::entropy::Entropy;
use crate::jose::Token;
use crate::reply::Reply;
use crate::request::body::Unread;
use crate::request::headers::Headers;
use crate::request::Request;
use crate::stages::CHECKS;
use crate::time::Millis;
use portcullis_lab::tokens::{Algorithm, Issuer as Lab, Spec, Tamper};
use proptest::prelude::*;
use serde_json::{json, Map, Value};

const SECS: u64 = NOW.as_u64() / 1000;
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Our issuer beside the demo issuer, whose tokens are exchanged.
fn exchanging() -> Value {
    let lab = Lab::demo();
    let mut document = document();
    let demo = json!({"issuer": lab.url(), "audiences": [lab.audience()], "jwks": lab.jwks()});
    document["identity"]["issuers"].as_array_mut().unwrap().push(demo);
    document
}

fn spec(changes: Value) -> Spec {
    let lab = Lab::demo();
    let mut claims = json!({
        "iss": lab.url(), "aud": lab.audience(), "sub": "ada", "iat": SECS, "exp": SECS + 3600,
        "scope": "orders:read orders:write",
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    Spec::new(Algorithm::ES256, claims)
}

fn subject(changes: Value) -> String {
    Lab::demo().mint(&spec(changes))
}

/// A form for the exchange of a token, with some parameters replaced and those set to null removed.
fn form(token: &str, changes: Value) -> String {
    let mut form = json!({"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN});
    for (name, value) in changes.as_object().unwrap() {
        form[name] = value.clone();
    }
    let encode =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let pairs = form.as_object().unwrap().iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
    pairs.map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&")
}

const POST: [(&str, &str); 3] =
    [(":method", "POST"), (":path", "/oauth/token"), ("content-type", "application/x-www-form-urlencoded")];

fn post(engine: &Engine, body: &str, fields: &[(&str, &str)]) -> Step<Body> {
    match step(engine, &[&POST[..], fields].concat(), !body.is_empty()) {
        Step::Wait(Wait::Body(held)) => held.judge(body.as_bytes(), NOW),
        other => other,
    }
}

/// The answer and the claims of the token in it.
fn exchanged(engine: &Engine, body: &str, fields: &[(&str, &str)]) -> (Value, Map<String, Value>) {
    let (reply, done) = served(post(engine, body, fields));
    assert_eq!(reply.status, 200, "{} {}", reply.body, done.receipt(Default::default(), None, None));
    assert_eq!(header(&reply, "cache-control"), Some("no-store"));
    let answer: Value = serde_json::from_str(&reply.body).unwrap();
    let claims = payload(answer["access_token"].as_str().unwrap());
    (answer, claims)
}

fn payload(token: &str) -> Map<String, Value> {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn error(reply: &Reply) -> (u16, String) {
    assert_eq!(header(reply, "content-type"), Some("application/json"));
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert!(body.get("access_token").is_none());
    (reply.status, body["error"].as_str().unwrap().to_owned())
}

/// Status and error of a refused exchange.
fn denied(engine: &Engine, body: &str) -> (u16, String) {
    let (reply, done) = served(post(engine, body, &[]));
    assert!(matches!(done.act(), Some(Act::Refused { .. })));
    error(&reply)
}

fn use_token(engine: &Engine, token: &str, now: Millis) -> Result<(), String> {
    let bearer = format!("Bearer {token}");
    let fields =
        [(":method", "GET"), (":path", "/api"), (":authority", "api.example"), ("authorization", bearer.as_str())];
    let request = Request::new(Headers::from_pairs(fields), || "192.0.2.7".parse().ok());
    match engine.open(request, now, || "r-2".to_owned()).judge(false) {
        Step::Forward(_, body) => {
            let done = body.finish().finish(Default::default());
            assert!(done.findings().is_empty(), "{:?}", done.findings());
            Ok(())
        }
        Step::Refuse(_, done) => Err(done.summary()),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn a_route_that_is_a_token_endpoint_holds_for_ours_too() {
    let mut document = exchanging();
    document["routes"].as_array_mut().unwrap().push(json!({"name": "token", "path": "/oauth/token"}));
    document["oauth"] = json!({"token_endpoints": [{"routes": ["token"]}]});
    let engine = engine(&document);
    exchanged(&engine, &form(&subject(json!({})), json!({})), &[]);
    for (body, fields, code) in [
        ("grant_type=password", &[][..], "grant_type_refused"),
        ("grant_type=password", &[(":path", "/oauth/token?a=b")], "oauth_query_refused"),
        ("", &[], "grant_type_refused"),
    ] {
        let fields = [&POST[..], fields].concat();
        let fields: std::collections::BTreeMap<_, _> = fields.into_iter().collect();
        let fields: Vec<_> = fields.into_iter().collect();
        let step = match step(&engine, &fields, !body.is_empty()) {
            Step::Wait(Wait::Body(held)) => held.judge(body.as_bytes(), NOW),
            other => other,
        };
        match step {
            Step::Refuse(reply, done) => {
                assert_eq!((reply.status, done.summary()), (400, format!("deny:{code}")));
                assert!(matches!(done.act(), Some(Act::Refused { .. })), "nothing was granted");
            }
            other => panic!("{code}: {other:?}"),
        }
    }
}

#[test]
fn a_token_of_another_issuer_becomes_a_short_lived_one_of_ours() {
    let engine = engine(&exchanging());
    let text = subject(json!({"azp": "web", "auth_time": SECS - 9, "acr": "1", "amr": ["pwd", "otp"]}));
    let (answer, claims) = exchanged(&engine, &form(&text, json!({"scope": "orders:read"})), &[]);
    let members = ["issued_token_type", "token_type", "expires_in", "scope"].map(|name| answer[name].clone());
    assert_eq!(members, [json!(ACCESS_TOKEN), json!("Bearer"), json!(300), json!("orders:read")]);
    assert_eq!(answer["bindings"], json!(["ip_binding", "session_id"]));
    assert_eq!(answer["session_id"], claims["session_id"]);
    let mut rest = claims.clone();
    let (jti, session) = (rest.remove("jti").unwrap(), rest.remove("session_id").unwrap());
    assert!(jti.as_str().unwrap().len() == 22 && session.as_str().unwrap().len() == 22 && jti != session);
    assert_eq!(
        Value::Object(rest),
        json!({
            "iss": "https://api.example", "aud": "api", "sub": "ada", "iat": SECS, "exp": SECS + 300,
            "scope": "orders:read", "client_id": "web", "ip_binding": "192.0.2.7", "risk_level": "low",
            "mfa_verified": true, "auth_time": SECS - 9, "acr": "1", "amr": ["pwd", "otp"],
        })
    );
    let other = exchanged(&engine, &form(&text, json!({})), &[]).1;
    assert_ne!(other["jti"], jti, "each token has a name of its own");
}

#[test]
fn it_is_an_access_token_and_opens_what_it_is_for() {
    let mut document = exchanging();
    document["minting"]["bindings"] = json!(["ip_binding"]);
    let engine = engine(&document);
    let (answer, _) = exchanged(&engine, &form(&subject(json!({})), json!({})), &[]);
    let text = answer["access_token"].as_str().unwrap();
    let token = Token::parse(text).unwrap();
    assert_eq!((token.kind.as_deref(), token.key_id.as_deref()), (Some("at+jwt"), Some("k1")));
    assert_eq!(use_token(&engine, text, NOW), Ok(()));
    let late = NOW.saturating_add(Millis::from_secs(331));
    assert_eq!(use_token(&engine, text, late), Err("deny:token_expired".to_owned()));
}

#[test]
fn a_key_that_is_gone_or_has_retired_verifies_nothing() {
    let mut document = exchanging();
    document["minting"]["bindings"] = json!([]);
    document["minting"]["keys"][0]["retire_at"] = json!(SECS + 60);
    let retiring = engine(&document);
    let (answer, _) = exchanged(&retiring, &form(&subject(json!({})), json!({})), &[]);
    let text = answer["access_token"].as_str().unwrap();
    assert_eq!(use_token(&retiring, text, NOW), Ok(()));
    let retired = NOW.saturating_add(Millis::from_secs(60));
    assert_eq!(
        use_token(&retiring, text, retired),
        Err("deny:token_keys_unavailable".to_owned()),
        "remembered too"
    );
    document["minting"]["keys"] = json!([{
        "kid": "k2", "alg": "RS256", "private_key": include_str!("../../../envoy/lab/keys/test-rsa.pem")}]);
    assert_eq!(use_token(&engine(&document), text, NOW), Err("deny:token_key_unknown".to_owned()));
}

#[test]
fn every_fault_of_a_request_has_its_error() {
    let mut document = exchanging();
    document["minting"]["audiences"] = json!(["api", "https://files.example/"]);
    let engine = engine(&document);
    let token = subject(json!({}));
    for (changes, expected) in [
        (json!({"grant_type": null}), (400, "invalid_request")),
        (json!({"grant_type": "password"}), (400, "unsupported_grant_type")),
        (json!({"subject_token": null}), (400, "invalid_request")),
        (json!({"subject_token": "junk"}), (400, "invalid_request")),
        (json!({"subject_token_type": null}), (400, "invalid_request")),
        (json!({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}), (400, "invalid_request")),
        (
            json!({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}),
            (400, "invalid_request"),
        ),
        (json!({"actor_token": token}), (400, "invalid_request")),
        (json!({"client_secret": "x"}), (401, "invalid_client")),
        (json!({"audience": "api", "scope": "orders:read admin"}), (400, "invalid_scope")),
        (json!({"audience": "elsewhere"}), (400, "invalid_target")),
        (json!({"audience": "api", "resource": "https://elsewhere.example/"}), (400, "invalid_target")),
        (json!({}), (400, "invalid_target")),
    ] {
        let (status, error) = denied(&engine, &form(&token, changes.clone()));
        assert_eq!((status, error.as_str()), expected, "{changes}");
    }
    let twice = format!("{}&scope=a&scope=b", form(&token, json!({})));
    assert_eq!(denied(&engine, &twice), (400, "invalid_request".to_owned()));
    let (_, claims) =
        exchanged(&engine, &form(&token, json!({"audience": "api", "resource": "https://files.example/"})), &[]);
    assert_eq!(claims["aud"], json!(["api", "https://files.example/"]));
}

#[test]
fn what_is_no_form_is_told_apart() {
    let engine = engine(&exchanging());
    let body = form(&subject(json!({})), json!({}));
    let (reply, _) = served(post(&engine, &body, &[("content-type", "application/json")]));
    assert_eq!(error(&reply).0, 415, "two content types are none");
    let json_kind = [(":method", "POST"), (":path", "/oauth/token"), ("content-type", "application/json")];
    let Step::Wait(Wait::Body(held)) = step(&engine, &json_kind, true) else { panic!("it does not wait") };
    assert_eq!(error(&served(held.judge(body.as_bytes(), NOW)).0).0, 415);
    for (why, status) in [(Unread::TooLong, 413), (Unread::Late, 408), (Unread::Unavailable, 503)] {
        let Step::Wait(Wait::Body(held)) = step(&engine, &POST, true) else { panic!("it does not wait") };
        assert_eq!(error(&served(held.judge_unread(why, b"", 9, NOW)).0).0, status);
    }
    assert_eq!(error(&served(step(&engine, &POST, false)).0).0, 400, "no body");
    let (reply, done) = served(step(&engine, &[(":path", "/oauth/token")], false));
    assert_eq!((reply.status, header(&reply, "allow"), done.act()), (405, Some("POST"), None));
}

#[test]
fn a_token_that_is_not_in_order_is_never_exchanged_whatever_the_mode() {
    let mut lenient = exchanging();
    lenient["mode"] = json!("monitor");
    lenient["checks"] = json!([{"id": "token.expired", "mode": "off"}, {"id": "token.signature", "effect": "note"},
        {"id": "token.audience", "mode": "monitor"}]);
    for engine in [engine(&exchanging()), engine(&lenient)] {
        for bad in [
            subject(json!({"exp": SECS - 60})),
            subject(json!({"aud": "elsewhere"})),
            subject(json!({"iss": "https://elsewhere.example"})),
            subject(json!({"exp": null})),
            subject(json!({"sub": null})),
            Lab::demo().mint(&spec(json!({})).tamper(Tamper::Signature)),
            Lab::demo().mint(&spec(json!({})).tamper(Tamper::Payload)),
            Lab::demo().mint(&spec(json!({})).tamper(Tamper::AlgNone)),
            "x".repeat(9000),
        ] {
            assert_eq!(denied(&engine, &form(&bad, json!({}))), (400, "invalid_request".to_owned()), "{bad}");
        }
    }
    let enforcing = engine(&exchanging());
    let (_, done) = served(post(&enforcing, &form(&subject(json!({"exp": SECS - 60})), json!({})), &[]));
    let receipt: Value = serde_json::from_str(&done.receipt(Default::default(), None, None)).unwrap();
    assert_eq!((&receipt["portcullis.verdict"], &receipt["portcullis.would"]), (&json!("allow"), &json!("allow")));
    let finding = &receipt["portcullis.findings"][0];
    assert_eq!((&finding["check"], &finding["reason"]), (&json!("token.expired"), &json!("60 s ago")));
}

#[test]
fn it_does_not_outlive_the_subject_token() {
    let engine = engine(&exchanging());
    let soon = subject(json!({"exp": SECS + 20}));
    let (answer, claims) = exchanged(&engine, &form(&soon, json!({})), &[]);
    assert_eq!((&answer["expires_in"], &claims["exp"]), (&json!(20), &json!(SECS + 20)));
    let over = subject(json!({"exp": SECS - 5}));
    assert_eq!(denied(&engine, &form(&over, json!({}))).0, 400, "valid within the skew only");
    // A token of ours is bound by the same rule, so exchanging again and again does not prolong it.
    let text = answer["access_token"].as_str().unwrap();
    let session = [("x-session-id", claims["session_id"].as_str().unwrap())];
    assert_eq!(exchanged(&engine, &form(text, json!({})), &session).1["exp"], json!(SECS + 20));
}

#[test]
fn bindings_of_the_subject_token_are_kept_and_wrong_hands_are_challenged() {
    let engine = engine(&exchanging());
    let text = subject(json!({"ip_binding": "203.0.113.9", "sid": "s-1", "amr": ["pwd"]}));
    let (_, claims) = exchanged(&engine, &form(&text, json!({})), &[("x-device-id", "phone")]);
    assert_eq!(claims["ip_binding"], "203.0.113.9", "not the address of whoever has it now");
    let rest = ["risk_level", "session_id", "device_id", "mfa_verified"].map(|name| claims[name].clone());
    assert_eq!(rest, [json!("medium"), json!("s-1"), json!("phone"), json!(false)]);
    let stolen = subject(json!({"ip_binding": "203.0.113.9", "device_id": "phone"}));
    let Step::Refuse(reply, done) = post(&engine, &form(&stolen, json!({})), &[]) else { panic!("not refused") };
    assert_eq!((reply.status, done.summary().as_str()), (401, "challenge:step_up_required"));
    assert_eq!(done.act(), Some(Act::Refused { error: "step_up_required" }));
    assert!(!reply.body.contains("access_token"));
}

#[test]
fn a_bound_token_stays_bound() {
    let engine = engine(&exchanging());
    let by_key = json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"});
    let (answer, claims) = exchanged(&engine, &form(&subject(json!({ "cnf": by_key })), json!({})), &[]);
    assert_eq!((&claims["cnf"], &answer["token_type"]), (&by_key, &json!("DPoP")));
    assert!(answer["bindings"].as_array().unwrap().contains(&json!("cnf")));
    let by_certificate = json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"});
    let (answer, claims) = exchanged(&engine, &form(&subject(json!({ "cnf": by_certificate })), json!({})), &[]);
    assert_eq!((&claims["cnf"], &answer["token_type"]), (&by_certificate, &json!("Bearer")));
    for odd in [json!("x"), json!([]), json!(true)] {
        assert_eq!(denied(&engine, &form(&subject(json!({ "cnf": odd })), json!({}))).0, 400);
    }
}

#[test]
fn what_the_subject_token_says_of_itself_is_not_believed() {
    let mut document = exchanging();
    document["minting"]["claims"] = json!(["tenant"]);
    let engine = engine(&document);
    let boasting = subject(json!({"mfa_verified": true, "risk_level": "low", "tenant": "acme", "role": "admin"}));
    let (_, claims) = exchanged(&engine, &form(&boasting, json!({})), &[]);
    assert_eq!((&claims["mfa_verified"], &claims["tenant"]), (&json!(false), &json!("acme")));
    assert!(claims.get("role").is_none());
}

#[test]
fn it_waits_for_keys_and_says_when_there_are_none() {
    let mut document = exchanging();
    let issuer = &mut document["identity"]["issuers"][1];
    issuer.as_object_mut().unwrap().remove("jwks");
    issuer["jwks_from"] = json!({"cluster": "id", "uri": "https://id.demo.portcullis/jwks.json"});
    let engine = engine(&document);
    let body = form(&subject(json!({})), json!({}));
    let Step::Wait(wait @ Wait::Identity(_)) = post(&engine, &body, &[]) else { panic!("it does not wait") };
    assert_eq!(error(&served(wait.expire(NOW)).0), (503, "temporarily_unavailable".to_owned()));
    let Step::Wait(wait) = post(&engine, &body, &[]) else { panic!("it does not wait") };
    assert_eq!(wait.abandon().act(), None, "who has left gets nothing");
}

#[derive(Debug)]
struct Dry;

impl Entropy for Dry {
    fn fresh(&self) -> Option<[u8; 16]> {
        None
    }
}

#[test]
fn without_random_numbers_or_a_key_whose_time_has_come_nothing_is_issued() {
    let config = |document: &Value| Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
    let body = form(&subject(json!({})), json!({}));
    let dry = Engine::new(config(&exchanging()), Ports { entropy: Box::new(Dry), ..Ports::in_process([7; 16]) });
    assert_eq!(denied(&dry, &body), (503, "temporarily_unavailable".to_owned()));
    let mut early = exchanging();
    early["minting"]["keys"][0]["use_from"] = json!(SECS + 1);
    assert_eq!(denied(&engine(&early), &body), (503, "temporarily_unavailable".to_owned()));
}

#[test]
fn the_log_has_every_issue_and_no_secret() {
    let engine = engine(&exchanging());
    let text = subject(json!({}));
    let (reply, done) = served(post(&engine, &form(&text, json!({})), &[]));
    let answer: Value = serde_json::from_str(&reply.body).unwrap();
    let line = audit(&done);
    let parsed: Value = serde_json::from_str(&line).unwrap();
    assert!(line.starts_with(r#"{"event.action":"token_issued","http.request.id":"r-1","user.hash":""#), "{line}");
    let claims = payload(answer["access_token"].as_str().unwrap());
    for (name, value) in [
        ("jti", claims["jti"].clone()),
        ("audience", json!(["api"])),
        ("scope", json!("orders:read orders:write")),
        ("kid", json!("k1")),
        ("bindings", json!(["ip_binding", "session_id"])),
        ("lifetime_s", json!(300)),
    ] {
        assert_eq!(parsed[&format!("portcullis.token.{name}")], value);
    }
    let receipt: Value = serde_json::from_str(&done.receipt(Default::default(), None, None)).unwrap();
    assert_eq!(receipt["user.hash"], parsed["user.hash"], "receipts call the subject the same");
    let (_, refused) = served(post(&engine, &form("SECRET.TOKEN.TEXT", json!({})), &[]));
    let line = audit(&refused);
    assert!(
        line.starts_with(r#"{"event.action":"token_refused""#)
            && line.contains(r#""portcullis.error":"invalid_request""#)
    );
    let key = include_str!("../../../envoy/lab/keys/test-p256.pem").lines().nth(2).unwrap();
    let minted = answer["access_token"].as_str().unwrap();
    let secrets = [text.as_str(), minted, key, "SECRET", "ada", answer["session_id"].as_str().unwrap()];
    for said in [
        line,
        audit(&done),
        done.receipt(Default::default(), None, None),
        refused.receipt(Default::default(), None, None),
    ] {
        for secret in secrets.iter().flat_map(|secret| secret.split('.')).filter(|part| !part.is_empty()) {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
    }
}

fn audit(done: &Done) -> String {
    done.audit(&done.act().unwrap(), "192.0.2.7".parse().ok())
}

proptest! {
    #[test]
    fn scopes_only_narrow(granted in prop::collection::vec("[a-c]{1,2}", 0..5), wanted in "[a-c ]{0,12}") {
        let granted: Vec<&str> = granted.iter().map(String::as_str).collect();
        match super::scopes(&granted, Some(&wanted)) {
            Ok(scopes) => {
                prop_assert!(scopes.iter().all(|scope| granted.contains(&scope.as_str())));
                prop_assert!(wanted.split_whitespace().all(|scope| scopes.iter().any(|other| other == scope)));
            }
            Err(_) => prop_assert!(wanted.split_whitespace().any(|scope| !granted.contains(&scope))),
        }
    }

    #[test]
    fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..80)) {
        let engine = engine(&document());
        if let Step::Wait(Wait::Body(held)) = step(&engine, &POST, true) {
            let (reply, _) = served(held.judge(&body, NOW));
            prop_assert_eq!(reply.status, 400);
        }
    }
}

/// Our issuer, and clients that are known by keys and certificates.
fn binding_to_holders(dpop: Value) -> Engine {
    let mut document = exchanging();
    document["identity"]["holder"] = json!({"certificate": true, "dpop": dpop});
    engine(&document)
}

fn proof(algorithm: Algorithm, changes: &Value) -> String {
    let mut claims = json!({"jti": "p", "htm": "POST", "htu": "https://api.example/oauth/token", "iat": SECS});
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    Lab::demo().proof(algorithm, Map::new(), &claims)
}

#[test]
fn a_token_is_bound_to_the_key_that_its_client_proves_to_have() {
    let engine = binding_to_holders(json!({"origins": ["https://api.example"]}));
    let text = subject(json!({}));
    let shown = |changes: &Value| proof(Algorithm::ES256, changes);
    let (answer, claims) = exchanged(&engine, &form(&text, json!({})), &[("dpop", &shown(&json!({})))]);
    let key = json!({"jkt": Lab::demo().thumbprint(Algorithm::ES256)});
    assert_eq!((&claims["cnf"], &answer["token_type"]), (&key, &json!("DPoP")));
    assert!(answer["bindings"].as_array().unwrap().contains(&json!("cnf")));
    // Without a proof it is a bearer token.
    let (answer, claims) = exchanged(&engine, &form(&text, json!({})), &[]);
    assert_eq!((claims.get("cnf"), &answer["token_type"]), (None, &json!("Bearer")));
    let refused =
        |text: &str, proof: &str| error(&served(post(&engine, &form(text, json!({})), &[("dpop", proof)])).0);
    let invalid = (400, "invalid_dpop_proof".to_owned());
    for changes in [json!({}), json!({"jti": "q", "htm": "GET"}), json!({"jti": "q", "iat": SECS - 61})] {
        assert_eq!(refused(&text, &shown(&changes)), invalid, "{changes}");
    }
    // Whoever has stolen a bound token cannot bind it to himself.
    for cnf in [key.clone(), json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"})] {
        let bound = subject(json!({ "cnf": cnf }));
        assert_eq!(refused(&bound, &proof(Algorithm::ES384, &json!({"jti": "r"}))), invalid, "{cnf}");
    }
    let bound = subject(json!({ "cnf": key }));
    let (_, claims) = exchanged(&engine, &form(&bound, json!({})), &[("dpop", &shown(&json!({"jti": "s"})))]);
    assert_eq!(claims["cnf"], key);
}

#[test]
fn the_token_endpoint_asks_for_a_nonce_too() {
    let engine = binding_to_holders(json!({"origins": ["https://api.example"], "nonce": {}}));
    let form = form(&subject(json!({})), json!({}));
    let first = served(post(&engine, &form, &[("dpop", &proof(Algorithm::ES256, &json!({})))])).0;
    assert_eq!(error(&first), (400, "use_dpop_nonce".to_owned()));
    let nonce = header(&first, "dpop-nonce").unwrap();
    let second = proof(Algorithm::ES256, &json!({ "nonce": nonce }));
    assert_eq!(exchanged(&engine, &form, &[("dpop", &second)]).0["token_type"], "DPoP");
}
