//! Keys that an issuer serves: one fetch for all workers, rotation that refuses nobody, and an issuer that fails in every way.
//!
//! When a fetch is due is tested beside the core (`crates/base/src/remote`); here are real calls, real workers and real time.
//! Not covered: several Envoys, each of which fetches by itself.

use super::{code, enforcing, Gate, Scratch, Stop, SOON};
use portcullis_lab::client::{Client, Request};
use portcullis_lab::service::{Answer, Service};
use portcullis_lab::tokens::{Algorithm, Issuer, Spec};
use serde_json::{json, Value};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// The demo issuer's keys of some algorithms.
fn jwks(algorithms: &[Algorithm]) -> String {
    let mut set = Issuer::demo().jwks();
    let wanted: Vec<String> = algorithms.iter().map(|algorithm| algorithm.kid()).collect();
    let keys = set["keys"].as_array_mut().unwrap();
    keys.retain(|key| wanted.iter().any(|kid| key["kid"] == kid.as_str()));
    assert_eq!(keys.len(), algorithms.len());
    set.to_string()
}

fn serve(algorithms: &[Algorithm]) -> impl Fn(&portcullis_lab::service::Call) -> Answer + Send + Sync + 'static {
    let body = jwks(algorithms);
    let tag = format!("\"{}\"", algorithms.iter().map(|algorithm| algorithm.name()).collect::<String>());
    move |call| match call.header("if-none-match") {
        Some(known) if known == tag => Answer::status(304),
        _ => Answer::body(body.clone()).header("etag", &tag),
    }
}

fn issuer(from: Value) -> Value {
    let demo = Issuer::demo();
    let mut place = json!({"cluster": "issuer", "uri": "https://id.demo.portcullis/jwks.json"});
    place.as_object_mut().unwrap().extend(from.as_object().unwrap().clone());
    json!({"issuer": demo.url(), "audiences": [demo.audience()], "jwks_from": place})
}

fn config(from: Value, identity: Value) -> Value {
    let mut section = json!({"issuers": [issuer(from)]});
    section.as_object_mut().unwrap().extend(identity.as_object().unwrap().clone());
    enforcing(json!({"identity": section}))
}

fn gate(service: &Service, workers: u32, config: &Value) -> Gate {
    Gate::start_with(config, |bootstrap| bootstrap.concurrency(workers).cluster("issuer", service.address()))
}

fn token(algorithm: Algorithm) -> String {
    let issuer = Issuer::demo();
    issuer.mint(&Spec::new(algorithm, issuer.claims("ada")))
}

fn ask(client: &Client, algorithm: Algorithm) -> (u16, String) {
    let answer = client.send(Request::get("/echo").bearer(token(algorithm))).unwrap();
    (answer.status, if answer.status == 200 { String::new() } else { code(&answer) })
}

fn passes() -> (u16, String) {
    (200, String::new())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// A statistic of the demo issuer's keys.
fn stat(gate: &Gate, name: &str) -> Option<u64> {
    gate.envoy.stats().get(&format!("wasmcustom.document=.=id.demo.portcullis_jwks.json;.;{name}")).copied()
}

fn fetches(gate: &Gate, event: &str) -> u64 {
    stat(gate, &format!("event=.={event};.;portcullis_documents_fetches_total")).unwrap_or_default()
}

#[test]
fn all_workers_live_on_one_fetch() {
    let service = Service::start(serve(&[Algorithm::ES256])).unwrap();
    let scratch = Scratch::new();
    let config = config(json!({}), json!({}));
    let gate = Gate::start_with(&config, |bootstrap| {
        bootstrap.concurrency(4).cluster("issuer", service.address()).ecds(&scratch.0)
    });
    for _ in 0..40 {
        assert_eq!(ask(&gate.http1(), Algorithm::ES256), passes());
    }
    let mut other = config;
    other["telemetry"] = json!({"upstream_headers": true});
    gate.envoy.push_filter_config(&other.to_string()).unwrap();
    let passed_on = || {
        let answer = gate.http1().send(Request::get("/echo").bearer(token(Algorithm::ES256))).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().contains("x-portcullis-verdict")
    };
    assert!(gate.envoy.wait_for(|_| passed_on(), SOON), "the new configuration was not taken up");
    let calls = service.calls();
    assert_eq!(calls.len(), 1, "{calls:#?}");
    assert_eq!((calls[0].method.as_str(), calls[0].path.as_str()), ("GET", "/jwks.json"));
    assert_eq!(calls[0].header("host"), Some("id.demo.portcullis"));
    gate.expect_unharmed();
}

#[test]
fn a_set_that_has_not_changed_is_not_sent_again_and_its_age_is_told() {
    let service = Service::start(serve(&[Algorithm::ES256])).unwrap();
    let gate = gate(&service, 2, &config(json!({"refresh": "1s"}), json!({})));
    assert_eq!(ask(&gate.http1(), Algorithm::ES256), passes());
    assert!(gate.envoy.wait_for(|_| fetches(&gate, "current") >= 2, SOON), "{:#?}", service.calls());
    assert_eq!((fetches(&gate, "changed"), fetches(&gate, "failed")), (1, 0));
    let conditional =
        service.calls().iter().filter(|call| call.header("if-none-match") == Some("\"ES256\"")).count();
    assert_eq!(conditional, service.calls().len() - 1);
    service.now(|_| Answer::status(500));
    assert!(gate.envoy.wait_for(|_| stat(&gate, "portcullis_documents_failures") >= Some(1), SOON));
    assert!(gate.envoy.wait_for(|_| stat(&gate, "portcullis_documents_age_seconds") >= Some(2), SOON));
    assert!(stat(&gate, "portcullis_documents_last_success_timestamp_seconds") > Some(1_700_000_000));
    assert!(gate.envoy.log().contains("https://id.demo.portcullis/jwks.json could not be fetched: status 500"));
    assert_eq!(ask(&gate.http1(), Algorithm::ES256), passes(), "the last good set counts");
    service.now(serve(&[Algorithm::ES256]));
    assert!(gate.envoy.wait_for(|_| stat(&gate, "portcullis_documents_failures") == Some(0), SOON));
}

#[test]
fn the_first_requests_wait_for_the_keys() {
    let service = Service::start(|_| Answer::Hang).unwrap();
    let from = json!({"timeout": "300ms"});
    let gate = gate(&service, 2, &config(from, json!({"wait_max": "20s"})));
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..20)
            .map(|number| {
                let client = if number % 2 == 0 { gate.http1() } else { gate.http2() };
                let body = Request::post("/echo").bearer(token(Algorithm::ES256)).body("x".repeat(1000 * number));
                scope.spawn(move || client.send(body).unwrap())
            })
            .collect();
        assert!(gate.envoy.wait_for(|_| service.calls().len() >= 2, SOON), "no second attempt");
        assert_eq!(gate.upstream.hits(), 0);
        service.now(serve(&[Algorithm::ES256]));
        for (number, answer) in waiting.into_iter().enumerate() {
            let answer = answer.join().unwrap();
            assert_eq!((answer.status, &answer.json().unwrap()["body_length"]), (200, &json!(1000 * number)));
        }
    });
    gate.expect_accounted(20);
    gate.expect_unharmed();
}

#[test]
fn without_keys_the_policy_decides() {
    let service = Service::start(|_| Answer::status(503)).unwrap();
    for (policy, expected) in [
        ("deny", refused(503, "token_keys_unavailable")),
        ("challenge", refused(401, "step_up_required")),
        ("allow", passes()),
    ] {
        let identity = json!({"wait_max": "300ms", "on_error": {"keys": policy}});
        let gate = gate(&service, 1, &config(json!({}), identity));
        assert_eq!(ask(&gate.http1(), Algorithm::ES256), expected, "{policy}");
        let forged = gate.http1().send(Request::get("/echo").bearer("a.b.c")).unwrap();
        assert_eq!((forged.status, code(&forged).as_str()), (401, "token_malformed"), "{policy}");
        let none = gate.http1().send(Request::get("/echo")).unwrap();
        assert_eq!((none.status, code(&none).as_str()), (401, "token_missing"), "{policy}");
    }
}

#[test]
fn keys_that_are_too_old_are_none() {
    let service = Service::start(serve(&[Algorithm::ES256])).unwrap();
    let from = json!({"refresh": "1s", "max_age": "2s", "timeout": "500ms"});
    let gate = gate(&service, 1, &config(from, json!({"wait_max": "100ms"})));
    let client = gate.http1();
    let good = token(Algorithm::ES256);
    let status = || client.send(Request::get("/echo").bearer(&good)).unwrap().status;
    assert!(gate.envoy.wait_for(|_| status() == 200, SOON));
    service.now(|_| Answer::Hang);
    assert!(gate.envoy.wait_for(|_| status() == 503, SOON), "a remembered token outlived its keys");
    service.now(serve(&[Algorithm::ES256]));
    assert!(gate.envoy.wait_for(|_| status() == 200, SOON));
}

#[test]
fn whatever_an_issuer_sends_the_last_good_set_stays() {
    let service = Service::start(serve(&[Algorithm::ES256])).unwrap();
    let gate = gate(&service, 2, &config(json!({"refresh": "1s", "timeout": "1s"}), json!({})));
    assert_eq!(ask(&gate.http1(), Algorithm::ES256), passes());
    let oct = json!({"keys": [{"kty": "oct", "kid": "x", "alg": "HS256", "k": "c2VjcmV0".repeat(10)}]});
    let huge = format!("{{\"keys\": [{}", " ".repeat(10 << 20));
    let many = format!("{{\"keys\": [{}]}}", vec!["{\"kty\":\"RSA\"}"; 65].join(","));
    for (what, body) in [
        ("junk", "<html>not found</html>".to_owned()),
        ("nothing", String::new()),
        ("binary", "\u{0}\u{1}\u{7f}".to_owned()),
        ("no keys", "{\"keys\": []}".to_owned()),
        ("a shared secret", oct.to_string()),
        ("two meanings", format!("{{\"keys\": [], {}", &jwks(&[Algorithm::RS256])[1..])),
        ("65 keys", many),
        ("10 MB", huge),
    ] {
        let failed = fetches(&gate, "failed");
        service.now(move |_| Answer::body(body.clone()));
        assert!(gate.envoy.wait_for(|_| fetches(&gate, "failed") > failed, SOON), "{what} was taken");
        assert_eq!(ask(&gate.http1(), Algorithm::ES256), passes(), "{what}");
        assert_eq!(ask(&gate.http1(), Algorithm::RS256), refused(401, "token_key_unknown"), "{what}");
        // One success sets the pause between failures back.
        service.now(serve(&[Algorithm::ES256]));
        let fine = fetches(&gate, "current") + fetches(&gate, "changed");
        let recovered =
            |_: &portcullis_lab::envoy::Envoy| fetches(&gate, "current") + fetches(&gate, "changed") > fine;
        assert!(gate.envoy.wait_for(recovered, SOON), "{what}");
    }
    let elsewhere = Service::start(serve(&[Algorithm::RS256])).unwrap();
    let target = format!("http://{}/jwks.json", elsewhere.address());
    service.now(move |_| Answer::status(302).header("location", &target));
    let failed = fetches(&gate, "failed");
    assert!(gate.envoy.wait_for(|_| fetches(&gate, "failed") > failed, SOON));
    assert!(elsewhere.calls().is_empty(), "a redirect was followed");
    gate.expect_unharmed();
}

#[test]
fn keys_rotate_under_load_and_nobody_is_refused() {
    let order = [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA, Algorithm::ES384, Algorithm::PS256];
    let service = Service::start(serve(&order[..1])).unwrap();
    let gate = gate(&service, 2, &config(json!({"refresh": "1h"}), json!({})));
    assert_eq!(ask(&gate.http1(), order[0]), passes());
    let (stop, current, done) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..8 {
            let client = if number % 2 == 0 { gate.http1() } else { gate.http2() };
            let (gate, stop, current, done) = (&gate, &stop, &current, &done);
            scope.spawn(move || {
                let _stop_on_failure = Stop(stop);
                while !stop.load(Ordering::SeqCst) {
                    let algorithm = order[current.load(Ordering::SeqCst)];
                    assert_eq!(ask(&client, algorithm), passes(), "{}\n{}", algorithm.name(), gate.envoy.log());
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let _stop = Stop(&stop);
        for next in 1..order.len() {
            // The issuer publishes first and signs at once; the key before goes one rotation later.
            service.now(serve(&order[next - 1..=next]));
            current.store(next, Ordering::SeqCst);
            let before = done.load(Ordering::SeqCst);
            assert!(gate.envoy.wait_for(|_| done.load(Ordering::SeqCst) > before + 200, SOON));
        }
    });
    // Every rotation was noticed by an unknown key, and none of them cost a fetch for each request.
    let calls = service.calls().len();
    assert!((order.len()..40).contains(&calls), "{calls} fetches");
    gate.expect_unharmed();
}

#[test]
fn a_key_that_is_gone_takes_its_tokens_with_it() {
    let service = Service::start(serve(&[Algorithm::ES256, Algorithm::RS256])).unwrap();
    let gate = gate(&service, 2, &config(json!({"refresh": "1s"}), json!({})));
    let (stolen, kept) = (token(Algorithm::ES256), token(Algorithm::RS256));
    let status = |token: &str| gate.http1().send(Request::get("/echo").bearer(token)).unwrap().status;
    for _ in 0..10 {
        assert_eq!((status(&stolen), status(&kept)), (200, 200));
    }
    service.now(serve(&[Algorithm::RS256]));
    assert!(gate.envoy.wait_for(|_| fetches(&gate, "changed") >= 2, SOON));
    // The other worker looks ten times a second.
    std::thread::sleep(Duration::from_millis(300));
    for _ in 0..10 {
        assert_eq!((status(&stolen), status(&kept)), (401, 200));
    }
}

#[test]
fn strange_keys_have_the_issuer_asked_no_more_often_than_allowed() {
    let service = Service::start(serve(&[Algorithm::ES256])).unwrap();
    let gate = gate(&service, 2, &config(json!({"refetch_interval": "2s"}), json!({"wait_max": "5s"})));
    assert_eq!(ask(&gate.http1(), Algorithm::ES256), passes());
    let before = service.calls().len();
    let issuer = Issuer::demo();
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for client in 0..16 {
            let (gate, issuer) = (&gate, &issuer);
            scope.spawn(move || {
                let connection = gate.http1();
                for number in 0..3 {
                    let kid = format!("strange-{client}-{number}");
                    let spec = Spec::new(Algorithm::ES256, issuer.claims("eve")).kid(Some(&kid));
                    let answer = connection.send(Request::get("/echo").bearer(issuer.mint(&spec))).unwrap();
                    assert_eq!((answer.status, code(&answer).as_str()), (401, "token_key_unknown"));
                    // The same again is refused at once, without another fetch.
                    let again = connection.send(Request::get("/echo").bearer(issuer.mint(&spec))).unwrap();
                    assert_eq!(again.status, 401);
                }
            });
        }
    });
    let allowed = began.elapsed().as_secs() / 2 + 2;
    let asked = u64::try_from(service.calls().len() - before).unwrap();
    assert!((1..=allowed).contains(&asked), "{asked} fetches in {:?}", began.elapsed());
}

#[test]
fn metadata_say_where_the_keys_are_if_they_are_the_issuers_own() {
    let demo = Issuer::demo();
    let metadata = |issuer: &str, uri: &str| json!({"issuer": issuer, "jwks_uri": uri}).to_string();
    let serving = |metadata: String| {
        let keys = serve(&[Algorithm::ES256]);
        move |call: &portcullis_lab::service::Call| match call.path.as_str() {
            "/.well-known/openid-configuration" => Answer::body(metadata.clone()),
            "/keys?v=2" => keys(call),
            _ => Answer::status(404),
        }
    };
    let mut written = issuer(json!({"discovery": true, "refresh": "1s"}));
    written["jwks_from"].as_object_mut().unwrap().remove("uri");
    let start = |service: &Service| {
        let config = enforcing(json!({"identity": {"issuers": [written.clone()], "wait_max": "1s"}}));
        gate(service, 1, &config)
    };
    let service = Service::start(serving(metadata(demo.url(), "https://keys.demo.portcullis/keys?v=2"))).unwrap();
    let fine = start(&service);
    assert_eq!(ask(&fine.http1(), Algorithm::ES256), passes());
    let call = service.calls().into_iter().find(|call| call.path == "/keys?v=2").unwrap();
    assert_eq!(call.header("host"), Some("keys.demo.portcullis"));
    assert!(fine
        .envoy
        .wait_for(|_| service.calls().iter().any(|call| call.header("if-none-match").is_some()), SOON));
    for (odd, why) in [
        (metadata("https://evil.example", "https://keys.demo.portcullis/keys?v=2"), "`issuer` is another one's"),
        (metadata(demo.url(), "http://keys.demo.portcullis/keys?v=2"), "`jwks_uri` is not https"),
        (metadata(demo.url(), "file:///etc/passwd"), "`jwks_uri` is none that can be asked"),
        (json!({"issuer": demo.url()}).to_string(), "no `jwks_uri`"),
        ("[]".to_owned(), "`issuer` is another one's"),
    ] {
        let service = Service::start(serving(odd)).unwrap();
        let gate = start(&service);
        assert_eq!(ask(&gate.http1(), Algorithm::ES256), refused(503, "token_keys_unavailable"), "{why}");
        assert!(gate.envoy.log().contains(why), "{}", gate.envoy.log());
    }
}

#[test]
fn issuers_are_independent_of_each_other() {
    let (fine, broken) =
        (Service::start(serve(&[Algorithm::ES256])).unwrap(), Service::start(|_| Answer::Hang).unwrap());
    let mut other = issuer(json!({"cluster": "other", "timeout": "200ms"}));
    other["issuer"] = json!("https://other.example");
    let config = enforcing(json!({"identity": {"issuers": [issuer(json!({})), other], "wait_max": "300ms"}}));
    let gate = Gate::start_with(&config, |bootstrap| {
        bootstrap.cluster("issuer", fine.address()).cluster("other", broken.address())
    });
    let demo = Issuer::demo();
    let mut claims = demo.claims("ada");
    claims.insert("iss".into(), json!("https://other.example"));
    let strange = demo.mint(&Spec::new(Algorithm::ES256, claims));
    for _ in 0..5 {
        assert_eq!(ask(&gate.http1(), Algorithm::ES256), passes());
        let answer = gate.http1().send(Request::get("/echo").bearer(&strange)).unwrap();
        assert_eq!((answer.status, code(&answer).as_str()), (503, "token_keys_unavailable"));
    }
}

/// A limit that counts a field of the body waits for the body, after the request has waited for keys.
#[test]
fn a_request_waits_for_keys_and_then_for_its_body() {
    let service = Service::start(|_| Answer::Hang).unwrap();
    let mut config = config(json!({"timeout": "200ms"}), json!({"wait_max": "20s"}));
    config["limits"] = json!([{"name": "account", "key": ["body:account"], "limit": 1, "window": "1d"}]);
    let gate = gate(&service, 1, &config);
    let pay = |client: Client, account: &str, piece: Option<usize>| {
        let request = Request::post("/echo").bearer(token(Algorithm::ES256)).json(&json!({"account": account}));
        client.send(piece.map_or(request.clone(), |piece| request.chunked(piece))).unwrap()
    };
    let clients = || {
        [
            ("a", gate.http1(), None),
            ("b", gate.http2(), None),
            ("c", gate.http1(), Some(3)),
            ("d", gate.http2(), Some(3)),
        ]
    };
    std::thread::scope(|scope| {
        let waiting: Vec<_> = clients()
            .into_iter()
            .map(|(account, client, piece)| scope.spawn(move || (account, pay(client, account, piece))))
            .collect();
        assert!(gate.envoy.wait_for(|_| service.calls().len() >= 2, SOON));
        service.now(serve(&[Algorithm::ES256]));
        for thread in waiting {
            let (account, answer) = thread.join().unwrap();
            assert_eq!((answer.status, &answer.json().unwrap()["body_length"]), (200, &json!(15)), "{account}");
        }
    });
    for (account, client, piece) in clients() {
        assert_eq!(pay(client, account, piece).status, 429, "{account}");
    }
    gate.expect_unharmed();
}
