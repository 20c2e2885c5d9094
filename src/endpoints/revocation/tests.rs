//! The revocation endpoint through the engine, as the host drives it, with several workers over one memory.

use crate::config::Config;
use crate::endpoints::audit::Act;
use crate::endpoints::tests::{header, served, NOW};
use crate::engine::waiting::Wait;
use crate::engine::{Body, Done, Engine, Ports, Step};
use crate::memory::in_process::InProcess;
use crate::reply::Reply;
use crate::request::body::Unread;
use crate::request::headers::Headers;
use crate::request::Request;
use crate::stages::CHECKS;
use crate::time::Millis;
use portcullis_lab::tokens::{Algorithm, Issuer as Lab, Spec, Tamper};
use proptest::prelude::*;
use serde_json::{json, Value};
use std::rc::Rc;

const SECS: u64 = NOW.as_u64() / 1000;
const SECRET: &str = "a-long-random-secret-of-the-operator";
const HOME: &str = "10.1.2.3";
const PATH: &str = "/internal/revoke";

/// One memory for all workers.
type Common = Rc<InProcess>;

fn digest(text: &str) -> String {
    hmac_sha256::Hash::hash(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn document(endpoint: Value, identity: Value) -> Value {
    let lab = Lab::demo();
    let mut written =
        json!({"path": PATH, "secret_sha256": digest(SECRET), "networks": ["10.0.0.0/8", "2001:db8::/32"]});
    written.as_object_mut().unwrap().extend(endpoint.as_object().unwrap().clone());
    let mut section = json!({
        "issuers": [{"issuer": lab.url(), "audiences": [lab.audience()], "jwks": lab.jwks()}],
        "revocation": {"endpoint": written},
        "failures": {"per_source": 2, "window": "1h"},
        "api_keys": {"keys": [{"id": "billing", "sha256": digest("billing-key")}]},
    });
    section.as_object_mut().unwrap().extend(identity.as_object().unwrap().clone());
    json!({"version": 1, "mode": "enforce", "identity": section})
}

fn worker(document: &Value, common: &Common) -> Engine {
    let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
    Engine::new(config, Ports { shared: Box::new(common.clone()), ..Ports::in_process([7; 16]) })
}

fn alone() -> Engine {
    worker(&document(json!({}), json!({})), &Common::default())
}

fn token(changes: Value) -> String {
    let lab = Lab::demo();
    let mut claims = json!({
        "iss": lab.url(), "aud": lab.audience(), "sub": "ada", "jti": "t-1", "iat": SECS, "exp": SECS + 300,
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    lab.mint(&Spec::new(Algorithm::EdDSA, claims))
}

fn open(engine: &Engine, fields: &[(&str, &str)], source: &str, now: Millis, has_body: bool) -> Step<Body> {
    let base = [(":authority", "api.example"), ("x-request-id", "r-1")];
    let source = source.parse().ok();
    let request =
        Request::new(Headers::from_pairs(base.into_iter().chain(fields.iter().copied())), move || source);
    engine.open(request, now, || "fallback".to_owned()).judge(has_body)
}

fn post(engine: &Engine, authorization: Option<&str>, body: &str, source: &str, now: Millis) -> Step<Body> {
    let mut fields =
        vec![(":method", "POST"), (":path", PATH), ("content-type", "application/x-www-form-urlencoded")];
    fields.extend(authorization.map(|value| ("authorization", value)));
    match open(engine, &fields, source, now, !body.is_empty()) {
        Step::Wait(Wait::Body(held)) => held.judge(body.as_bytes(), now),
        other => other,
    }
}

fn right() -> String {
    format!("Bearer {SECRET}")
}

/// What the operator's own request gets.
fn revoke_at(engine: &Engine, body: &str, now: Millis) -> (Reply, Box<Done>) {
    served(post(engine, Some(&right()), body, HOME, now))
}

fn revoke(engine: &Engine, body: &str) -> (u16, String) {
    let (reply, _) = revoke_at(engine, body, NOW);
    (
        reply.status,
        serde_json::from_str::<Value>(&reply.body)
            .map_or(String::new(), |body| body["error"].as_str().unwrap().to_owned()),
    )
}

const DONE: (u16, String) = (200, String::new());

fn use_at(engine: &Engine, field: (&str, &str), now: Millis) -> String {
    match open(engine, &[(":method", "GET"), (":path", "/api"), field], "192.0.2.7", now, false) {
        Step::Forward(..) => "allow".to_owned(),
        Step::Refuse(_, done) => done.summary(),
        other => panic!("{other:?}"),
    }
}

fn use_token(engine: &Engine, token: &str) -> String {
    use_at(engine, ("authorization", &format!("Bearer {token}")), NOW)
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn of_issuer(rest: &str) -> String {
    format!("issuer={}&{rest}", encoded(Lab::demo().url()))
}

const REVOKED: &str = "deny:token_revoked";

#[test]
fn a_token_ends_on_every_worker_with_its_next_request() {
    let (common, document) = (Common::default(), document(json!({}), json!({})));
    let workers = [worker(&document, &common), worker(&document, &common)];
    let (one, other) = (token(json!({})), token(json!({"jti": "t-2"})));
    for worker in &workers {
        assert_eq!((use_token(worker, &one), use_token(worker, &other)), ("allow".to_owned(), "allow".to_owned()));
    }
    let (reply, done) = revoke_at(&workers[0], &format!("token={one}&token_type_hint=refresh_token"), NOW);
    assert_eq!((reply.status, reply.body.as_str(), done.summary().as_str()), (200, "", "allow"));
    assert_eq!((header(&reply, "cache-control"), header(&reply, "content-type")), (Some("no-store"), None));
    for worker in workers.iter().rev() {
        assert_eq!(use_token(worker, &one), REVOKED);
        assert_eq!(use_token(worker, &other), "allow");
    }
    // The next configuration begins with it.
    assert_eq!(use_token(&worker(&document, &common), &one), REVOKED);
    assert_eq!(revoke(&workers[1], &format!("token={one}")), DONE, "again");
}

#[test]
fn what_is_named_ends_and_nothing_else() {
    let lives = token(json!({"sid": "s-1", "iat": SECS - 5}));
    for (form, outcome) in [
        ("jti=t-1", REVOKED),
        ("jti=t-2", "allow"),
        ("subject=ada", REVOKED),
        ("subject=bob", "allow"),
        ("session=s-1", REVOKED),
        ("session=ada", "allow"),
        (&format!("subject=ada&issued_before={}", SECS - 4), REVOKED),
        (&format!("subject=ada&issued_before={}", SECS - 5), "allow"),
        (&format!("issued_before={SECS}"), REVOKED),
        (&format!("issued_before={}", SECS - 5), "allow"),
    ] {
        let engine = alone();
        assert_eq!(revoke(&engine, &of_issuer(form)), DONE, "{form}");
        assert_eq!(use_token(&engine, &lives), outcome, "{form}");
    }
    let engine = alone();
    assert_eq!(revoke(&engine, &of_issuer("subject=ada")), DONE);
    assert_eq!(use_token(&engine, &token(json!({}))), REVOKED, "issued in this very second");
    let later = Millis::from_secs(SECS + 1);
    let fresh = format!("Bearer {}", token(json!({"iat": SECS + 1})));
    assert_eq!(
        use_at(&engine, ("authorization", &fresh), later),
        "allow",
        "whoever logs in again has a token that counts"
    );
}

#[test]
fn keys_end_too_for_as_long_as_revocations_are_kept() {
    for form in ["issuer=api-keys&jti=billing", "issuer=api-keys&subject=billing"] {
        let engine = worker(&document(json!({"keep": "10s"}), json!({})), &Common::default());
        let used = |after: u64| use_at(&engine, ("x-api-key", "billing-key"), Millis::from_secs(SECS + after));
        assert_eq!(used(0), "allow");
        assert_eq!(revoke(&engine, form), DONE);
        assert_eq!(
            (used(0), used(10), used(11)),
            (REVOKED.to_owned(), REVOKED.to_owned(), "allow".to_owned()),
            "{form}"
        );
    }
}

#[test]
fn tokens_that_are_worth_nothing_are_answered_like_others() {
    let engine = alone();
    let forged = Lab::demo().mint(
        &Spec::new(
            Algorithm::EdDSA,
            json!({"iss": Lab::demo().url(), "aud": Lab::demo().audience(), "jti": "t-1", "exp": SECS + 9}),
        )
        .tamper(Tamper::Signature),
    );
    for worthless in [
        token(json!({"exp": SECS - 60})),
        token(json!({"iss": "https://x.example"})),
        forged,
        "eyJ.a.b".to_owned(),
    ] {
        let (reply, done) = revoke_at(&engine, &format!("token={worthless}"), NOW);
        assert_eq!((reply.status, done.act()), (200, Some(Act::Ineffective)), "{worthless}");
    }
    assert_eq!(use_token(&engine, &token(json!({}))), "allow");
}

#[test]
fn a_list_that_cannot_be_fetched_keeps_nobody_from_revoking() {
    let mut document = document(json!({}), json!({}));
    document["identity"]["revocation"]["list"] = json!({"cluster": "c", "uri": "https://id.example/revoked.json"});
    let engine = worker(&document, &Common::default());
    assert_eq!(revoke(&engine, &format!("token={}", token(json!({})))), DONE);
    let bearer = format!("Bearer {}", token(json!({})));
    let fields = [(":method", "GET"), (":path", "/api"), ("authorization", &*bearer)];
    let Step::Wait(wait) = open(&engine, &fields, "192.0.2.7", NOW, false) else { panic!("it does not wait") };
    let Step::Refuse(_, done) = wait.expire(NOW) else { panic!("not refused") };
    let found: Vec<_> = done.findings().iter().map(|weighed| weighed.finding.check.id).collect();
    assert_eq!(found, ["token.revocation_unknown", "token.revoked"]);
}

#[test]
fn what_cannot_be_judged_or_told_apart_is_not_said_to_be_revoked() {
    let engine = alone();
    assert_eq!(revoke(&engine, "token=opaque"), (400, "unsupported_token_type".to_owned()));
    let nameless = token(json!({"jti": null}));
    assert_eq!(revoke(&engine, &format!("token={nameless}")), (400, "unsupported_token_type".to_owned()));
    let forged = Lab::demo().mint(
        &Spec::new(
            Algorithm::EdDSA,
            json!({"iss": Lab::demo().url(), "aud": Lab::demo().audience(), "jti": "t-1", "exp": SECS + 9}),
        )
        .tamper(Tamper::Signature),
    );
    for _ in 0..2 {
        assert_eq!(revoke(&engine, &format!("token={forged}")).0, 200);
    }
    // Too many failed, so nobody looks at the signature of this one, which is good.
    assert_eq!(
        revoke(&engine, &format!("token={}", token(json!({"jti": "t-9"})))),
        (503, "temporarily_unavailable".to_owned())
    );
    assert_eq!(revoke(&engine, &of_issuer("jti=t-9")), DONE, "it can still be named");
}

#[test]
fn forms_have_one_meaning() {
    let engine = alone();
    let ahead = of_issuer(&format!("subject=ada&issued_before={}", SECS + 2));
    for body in [
        "",
        "token=",
        "token=a.b.c&issuer=x",
        "jti=t-1",
        "issuer=https%3A%2F%2Fother.example&jti=t-1",
        &of_issuer(""),
        &of_issuer("jti=t-1&subject=ada"),
        &of_issuer("jti=t-1&jti=t-2"),
        &of_issuer("subject=ada&issued_before=-1"),
        &of_issuer("subject=ada&issued_before=%2B1"),
        &of_issuer("subject=ada&issued_before=1e3"),
        &of_issuer("subject=ada&issued_before=99999999999999999999"),
        &ahead,
        "token=%FF",
    ] {
        assert_eq!(revoke(&engine, body), (400, "invalid_request".to_owned()), "{body}");
    }
    assert_eq!(use_token(&engine, &token(json!({}))), "allow");
    let (reply, done) = served(open(&engine, &[(":method", "GET"), (":path", PATH)], HOME, NOW, false));
    assert_eq!((reply.status, header(&reply, "allow"), done.act()), (405, Some("POST"), None));
    let authorization = right();
    let json = [
        (":method", "POST"),
        (":path", PATH),
        ("content-type", "application/json"),
        ("authorization", &authorization),
    ];
    let Step::Wait(Wait::Body(held)) = open(&engine, &json, HOME, NOW, true) else { panic!("it does not wait") };
    assert_eq!(served(held.judge(b"{}", NOW)).0.status, 415);
    let Step::Wait(Wait::Body(held)) = open(&engine, &json, HOME, NOW, true) else { panic!("it does not wait") };
    assert_eq!(served(held.judge_unread(Unread::TooLong, b"", 99_999, NOW)).0.status, 413);
}

#[test]
fn without_the_secret_nothing_is_revoked_and_nothing_is_told() {
    let body = format!("token={}", token(json!({})));
    let long = format!("Bearer {}", "a".repeat(9_000));
    let cut = format!("Bearer {}", SECRET.split_at(SECRET.len() - 1).0);
    for wrong in [
        None,
        Some(""),
        Some(SECRET),
        Some("Bearer"),
        Some("Bearer "),
        Some(&*long),
        Some(&*cut),
        Some("Basic YTpi"),
    ] {
        let engine = alone();
        let (reply, done) = served(post(&engine, wrong, &body, HOME, NOW));
        assert_eq!((reply.status, header(&reply, "www-authenticate")), (401, Some("Bearer realm=\"portcullis\"")));
        assert_eq!(reply.body, r#"{"error":"invalid_client","error_description":"not authorized"}"#);
        assert_eq!(done.act(), Some(Act::NotRevoked { error: "invalid_client" }));
        assert_eq!(use_token(&engine, &token(json!({}))), "allow");
    }
    let engine = alone();
    let authorization = right();
    let twice = [
        (":method", "POST"),
        (":path", PATH),
        ("content-type", "application/x-www-form-urlencoded"),
        ("authorization", &*authorization),
        ("authorization", "Bearer other"),
    ];
    let Step::Wait(Wait::Body(held)) = open(&engine, &twice, HOME, NOW, true) else { panic!("it does not wait") };
    assert_eq!(served(held.judge(body.as_bytes(), NOW)).0.status, 401);
}

#[test]
fn who_guesses_too_often_is_not_heard_any_more_and_disturbs_nobody_else() {
    let engine = alone();
    let guess = |source: &str| served(post(&engine, Some("Bearer guess"), "token=x", source, NOW)).0.status;
    assert_eq!([guess(HOME), guess(HOME), guess(HOME)], [401, 401, 429]);
    let (reply, _) = revoke_at(&engine, &of_issuer("jti=t-1"), NOW);
    assert_eq!(reply.status, 429, "the right secret is no way around");
    assert!(header(&reply, "retry-after").is_some());
    assert_eq!(use_token(&engine, &token(json!({}))), "allow");
    assert_eq!(served(post(&engine, Some(&right()), &of_issuer("jti=t-1"), "10.9.9.9", NOW)).0.status, 200);
    // Junk keys from the same address are counted apart.
    let engine = alone();
    let junk = [(":method", "GET"), (":path", "/api"), ("x-api-key", "junk")];
    let outcome = |step: Step<Body>| match step {
        Step::Refuse(_, done) => done.summary(),
        other => panic!("{other:?}"),
    };
    let outcomes: Vec<String> = (0..3).map(|_| outcome(open(&engine, &junk, HOME, NOW, false))).collect();
    assert_eq!(outcomes, ["deny:api_key_unknown", "deny:api_key_unknown", "deny:too_many_failed_tokens"]);
    assert_eq!(revoke(&engine, &of_issuer("jti=t-1")), DONE);
}

#[test]
fn from_elsewhere_it_looks_like_any_other_path() {
    let engine = alone();
    let authorization = right();
    let outcome = |path: &str, source: &str| {
        let fields = [(":method", "POST"), (":path", path), ("authorization", &*authorization)];
        match open(&engine, &fields, source, NOW, true) {
            Step::Refuse(reply, done) => (reply.status, reply.headers.len(), done.summary()),
            other => panic!("{other:?}"),
        }
    };
    for source in ["192.0.2.7", "11.0.0.1", "::1", "nowhere"] {
        assert_eq!(outcome(PATH, source), outcome("/internal/nothing", source), "{source}");
    }
    served(post(&engine, Some(&right()), &of_issuer("jti=t-1"), "2001:db8::1", NOW));
}

#[test]
fn a_full_table_says_so_and_forgets_nothing() {
    let engine = worker(&document(json!({"records_max": 2}), json!({})), &Common::default());
    for jti in ["t-1", "t-2"] {
        assert_eq!(revoke(&engine, &format!("token={}", token(json!({ "jti": jti })))), DONE);
    }
    let third = token(json!({"jti": "t-3"}));
    let (reply, done) = revoke_at(&engine, &format!("token={third}"), NOW);
    assert_eq!((reply.status, done.act()), (503, Some(Act::NotRevoked { error: "revocations_full" })));
    assert_eq!(use_token(&engine, &third), "allow");
    assert_eq!(
        [use_token(&engine, &token(json!({}))), use_token(&engine, &token(json!({"jti": "t-2"})))],
        [REVOKED, REVOKED]
    );
    // Their tokens have ended: `exp`, the issuer's skew and a second.
    let later = Millis::from_secs(SECS + 331);
    let fourth = token(json!({"jti": "t-4", "iat": SECS + 331, "exp": SECS + 400}));
    assert_eq!(revoke_at(&engine, &format!("token={fourth}"), later).0.status, 200);
    assert_eq!(use_at(&engine, ("authorization", &format!("Bearer {fourth}")), later), REVOKED);
}

#[test]
fn until_a_token_has_ended_for_every_worker_it_stays_revoked() {
    let engine = alone();
    let short = token(json!({"exp": SECS + 10}));
    assert_eq!(revoke(&engine, &format!("token={short}")), DONE);
    for after in [0, 9, 10, 39, 40, 41] {
        let seen = use_at(&engine, ("authorization", &format!("Bearer {short}")), Millis::from_secs(SECS + after));
        assert_ne!(seen, "allow", "{after} s later");
    }
}

#[test]
fn a_token_is_revoked_wherever_it_is_bound_to() {
    let engine = alone();
    let bound = token(
        json!({"ip_binding": "203.0.113.9", "device_id": "ada-phone", "session_id": "s", "geo_location": "CH"}),
    );
    assert_eq!(revoke(&engine, &format!("token={bound}")), DONE);
    let thumbprint = token(json!({"cnf": {"jkt": "x"}, "jti": "t-2"}));
    assert_eq!(revoke(&engine, &format!("token={thumbprint}")), DONE);
}

#[test]
fn limits_come_first_and_refusals_are_in_the_log() {
    let mut limited = document(json!({}), json!({}));
    limited["routes"] = json!([{"name": "revoke", "path": PATH}]);
    limited["limits"] =
        json!([{"name": "few", "routes": ["revoke"], "key": ["source"], "limit": 1, "window": "1m"}]);
    let engine = worker(&limited, &Common::default());
    assert_eq!(revoke(&engine, &of_issuer("jti=other")), DONE);
    let step = post(&engine, Some(&right()), &format!("token={}", token(json!({}))), HOME, NOW);
    let Step::Refuse(reply, done) = step else { panic!("not refused") };
    assert_eq!((reply.status, done.act()), (429, Some(Act::NotRevoked { error: "rate_limited" })));
    assert_eq!(use_token(&engine, &token(json!({}))), "allow");
}

#[test]
fn the_log_says_what_was_revoked_without_secret_token_or_name() {
    let engine = alone();
    let line = |body: &str| -> Value {
        let (_, done) = revoke_at(&engine, body, NOW);
        let line = done.audit(&done.act().unwrap(), HOME.parse().ok());
        assert!(!line.contains(SECRET) && !line.contains("ada") && !line.contains("eyJ"), "{line}");
        serde_json::from_str(&line).unwrap()
    };
    let of_token = line(&format!("token={}", token(json!({}))));
    let of_subject = line(&of_issuer("subject=ada"));
    assert_eq!(
        (&of_token["event.action"], &of_token["portcullis.token.jti"]),
        (&json!("token_revoked"), &json!("t-1"))
    );
    assert_eq!(of_token["portcullis.revocation.until"], json!(SECS + 331));
    assert_eq!(of_token["portcullis.revocation.user.hash"], of_subject["portcullis.revocation.user.hash"]);
    assert_eq!(of_subject["portcullis.revocation.target"], "subject");
    assert_eq!(of_subject["portcullis.revocation.issued_before"], json!(SECS + 1));
    assert_eq!(line("token=eyJ.a.b")["event.action"], "token_revocation_ineffective");
    let refused = line("token=opaque");
    assert_eq!(
        (&refused["event.action"], &refused["portcullis.error"]),
        (&json!("token_revocation_refused"), &json!("unsupported_token_type"))
    );
    let hostile = line(&of_issuer("jti=%0A%22%7D%E2%80%AE"));
    assert_eq!(hostile["portcullis.token.jti"], r#"\n\"}\u{202e}"#);
}

#[test]
fn faults_of_the_configuration_are_found_where_they_are() {
    for (endpoint, path, fault) in [
        (json!({"path": "internal"}), "path", "slash"),
        (json!({"path": "/a/../b"}), "path", "segments"),
        (json!({"networks": []}), "networks", "expected 1 to 64"),
        (json!({"networks": ["10.0.0.0/8", "home"]}), "networks[1]", "expected a network"),
        (json!({"secret_sha256": SECRET}), "secret_sha256", "64 hexadecimal digits"),
        (json!({"records_max": 0}), "records_max", "expected 1"),
        (json!({"records_max": 20_000}), "records_max", "16384"),
        (json!({"keep": "0s"}), "keep", "1s to 30d"),
        (json!({"secret": "x"}), "secret", "unknown field"),
    ] {
        let document = document(endpoint, json!({})).to_string();
        let said = Config::parse(document.as_bytes(), CHECKS).map(|_| ()).unwrap_err().to_string();
        assert!(
            said.starts_with(&format!("identity.revocation.endpoint.{path}: ")) && said.contains(fault),
            "{said}"
        );
        assert!(!said.contains(SECRET), "{said}");
    }
    for missing in ["networks", "secret_sha256"] {
        let mut document = document(json!({}), json!({}));
        document["identity"]["revocation"]["endpoint"].as_object_mut().unwrap().remove(missing);
        let said = Config::parse(document.to_string().as_bytes(), CHECKS).map(|_| ()).unwrap_err().to_string();
        assert!(said.contains(missing), "{said}");
    }
}

proptest! {
    #[test]
    fn no_body_and_no_secret_can_break_it(authorization in "\\PC{0,40}", body in proptest::collection::vec(any::<u8>(), 1..200)) {
        let engine = alone();
        let fields = [(":method", "POST"), (":path", PATH), ("content-type", "application/x-www-form-urlencoded"), ("authorization", &*authorization)];
        let Step::Wait(Wait::Body(held)) = open(&engine, &fields, HOME, NOW, true) else { panic!("it does not wait") };
        prop_assert_eq!(served(held.judge(&body, NOW)).0.status, 401);
        let authorization = right();
        let fields = [(":method", "POST"), (":path", PATH), ("content-type", "application/x-www-form-urlencoded"), ("authorization", &*authorization)];
        let Step::Wait(Wait::Body(held)) = open(&engine, &fields, HOME, NOW, true) else { panic!("it does not wait") };
        prop_assert_eq!(served(held.judge(&body, NOW)).0.status, 400);
    }
}
