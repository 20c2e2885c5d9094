//! The revocation endpoint in a real Envoy: what is revoked is refused by every worker, from the answer on.
//!
//! What a revocation means is tested beside the core.

use super::{demo_issuer, enforcing, outcome, while_asking, Gate, Scratch, SOON};
use portcullis_lab::client::{Client, Request, Response};
use portcullis_lab::tokens::{Algorithm, Issuer, Spec};
use serde_json::{json, Value};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::Barrier;

/// A secret for these tests alone: it protects nothing. Below is its SHA-256.
const SECRET: &str = "test-secret-of-the-operator-0b1f7c29d4a64e58";
const DIGEST: &str = "9b5d9127385b292371facab4b575655d081b2c3fd0c11e5724f6a821d4bcef8f";

const PATH: &str = "/oauth/revoke";

fn config(endpoint: Value) -> Value {
    let mut written = json!({"secret_sha256": DIGEST, "networks": ["127.0.0.0/24"]});
    written.as_object_mut().unwrap().extend(endpoint.as_object().unwrap().clone());
    enforcing(json!({
        "identity": {"issuers": [demo_issuer()], "revocation": {"endpoint": written}},
        "telemetry": {"allow_sample": 1.0},
    }))
}

fn token(jti: &str) -> String {
    let demo = Issuer::demo();
    let mut claims = demo.claims("ada");
    claims.insert("jti".to_owned(), json!(jti));
    demo.mint(&Spec::new(Algorithm::ES256, claims))
}

fn revocation(secret: &str, form: String) -> Request {
    Request::post(PATH).bearer(secret).header("content-type", "application/x-www-form-urlencoded").body(form)
}

fn revoke(client: &Client, token: &str) -> Response {
    client.send(revocation(SECRET, format!("token={token}"))).unwrap()
}

fn ask(client: &Client, token: &str) -> String {
    let answer = client.send(Request::get("/echo").bearer(token));
    answer.map_or_else(|error| format!("{error:#}"), |answer| outcome(&answer))
}

#[test]
fn under_load_no_use_that_begins_after_the_answer_passes_on_any_worker() {
    let gate = Gate::start_with(&config(json!({})), |bootstrap| bootstrap.concurrency(4));
    let (lost, kept) = (token("lost"), token("kept"));
    let revoked = AtomicBool::new(false);
    // More connections than workers, so that each worker has some.
    let clients: Vec<_> =
        (0..12).map(|number| if number % 2 == 0 { gate.http1() } else { gate.http2() }).collect();
    let seen = while_asking(
        &clients,
        |client| (revoked.load(Ordering::SeqCst), ask(client, &lost), ask(client, &kept)),
        || {
            let answer = revoke(&gate.http1(), &lost);
            revoked.store(true, Ordering::SeqCst);
            assert_eq!((answer.status, answer.body.len()), (200, 0), "{}", answer.text());
            assert_eq!(ask(&gate.http1(), &lost), "token_revoked");
        },
    );
    for met in seen {
        assert_eq!(met.first().map(|(_, lost, _)| lost.as_str()), Some("passed"), "it was good, and remembered");
        assert!(met.iter().all(|(_, _, kept)| kept == "passed"), "the other token is not disturbed: {met:?}");
        let late: Vec<_> = met.iter().filter(|(after, lost, _)| *after && lost != "token_revoked").collect();
        assert!(late.is_empty(), "{late:?}");
    }
    gate.expect_unharmed();
}

#[test]
fn revocations_at_the_same_moment_are_all_kept_and_outlive_a_configuration() {
    const CALLERS: usize = 24;
    let scratch = Scratch::new();
    let gate = Gate::start_with(&config(json!({})), |bootstrap| bootstrap.concurrency(4).ecds(&scratch.0));
    assert!(gate.envoy.wait_for(|_| ask(&gate.http1(), &token("warm")) == "passed", SOON));
    let tokens: Vec<String> = (0..CALLERS).map(|number| token(&format!("t-{number}"))).collect();
    let start = Barrier::new(CALLERS);
    std::thread::scope(|scope| {
        for (number, token) in tokens.iter().enumerate() {
            let client = if number % 2 == 0 { gate.http1() } else { gate.http2() };
            let start = &start;
            scope.spawn(move || {
                start.wait();
                assert_eq!(revoke(&client, token).status, 200);
                assert_eq!(ask(&client, token), "token_revoked");
            });
        }
    });
    let all_revoked = || tokens.iter().all(|token| ask(&gate.http1(), token) == "token_revoked");
    assert!(all_revoked());
    gate.envoy.push_filter_config(&config(json!({"records_max": 24})).to_string()).unwrap();
    // The new table is full with what the old one had. What the old one still takes must not be taken twice.
    let next = AtomicU32::new(0);
    let another = || token(&format!("more-{}", next.fetch_add(1, Ordering::SeqCst)));
    let full = || revoke(&gate.http1(), &another()).status == 503;
    assert!(gate.envoy.wait_for(|_| full(), SOON), "{}", gate.envoy.log());
    assert!(all_revoked());
    gate.expect_unharmed();
}

#[test]
fn outsiders_find_nothing_and_the_log_has_no_secret() {
    let gate = Gate::start(&config(json!({})));
    let lost = token("lost");
    for (protocol, client) in gate.both() {
        let form = || format!("token={lost}");
        let wrong = client.send(revocation("SECRET-guess", form())).unwrap();
        assert_eq!(
            (wrong.status, wrong.header("www-authenticate")),
            (401, Some("Bearer realm=\"portcullis\"")),
            "{protocol}"
        );
        let long = client.send(revocation(&"SECRET".repeat(1300), form())).unwrap();
        assert_eq!(long.status, 401, "{protocol}");
        assert_eq!(client.send(Request::get(PATH)).unwrap().status, 405, "{protocol}");
        let large = client.send(revocation(SECRET, "x".repeat(40_000))).unwrap();
        assert_eq!(large.status, 413, "{protocol}");
        let pieces = revocation(SECRET, "issuer=nobody&jti=x".to_owned()).chunked(3).trailer("x-end", "1");
        assert_eq!(client.send(pieces).unwrap().status, 400, "{protocol}");
    }
    let outside = Client::http1(gate.envoy.address()).from("127.0.7.7".parse().unwrap());
    let found = outside.send(revocation(SECRET, format!("token={lost}"))).unwrap();
    let other = outside.send(Request::post("/oauth/nothing").bearer(SECRET).body("a=b")).unwrap();
    assert_eq!((found.status, outcome(&found)), (other.status, outcome(&other)));
    assert_eq!(ask(&gate.http1(), &lost), "passed");
    assert_eq!(revoke(&gate.http1(), &lost).status, 200);
    let said = || {
        gate.envoy.log().lines().any(|line| {
            line.contains(r#"{"event.action":"token_revoked""#)
                && line.contains(r#""portcullis.token.jti":"lost""#)
        })
    };
    assert!(gate.envoy.wait_for(|_| said(), SOON), "{}", gate.envoy.log());
    let count = |event: &str| {
        let name = format!("wasmcustom.event=.={event};.;portcullis_revocations_total");
        gate.envoy.stats().get(&name).copied().unwrap_or_default()
    };
    assert!(gate.envoy.wait_for(|_| (count("revoked"), count("refused")) == (1, 6), SOON));
    let logs = format!("{}{:?}", gate.envoy.log(), gate.envoy.access_log());
    let signature = lost.rsplit('.').next().unwrap();
    assert!(!logs.contains("SECRET") && !logs.contains(SECRET) && !logs.contains(signature));
    gate.expect_unharmed();
}
