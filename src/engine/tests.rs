use super::*;
use crate::request::headers::Headers;
use crate::request::source_address;
use crate::stages::CHECKS;
use serde_json::{json, Value};

const NOW: Millis = Millis::from_secs(1_800_000_000);

fn engine(document: &Value) -> Engine {
    Engine::new(Config::parse(document.to_string().as_bytes(), CHECKS).unwrap(), Ports::in_process([7; 16]))
}

fn request(pairs: &[(&str, &str)]) -> Request {
    let base = [(":method", "GET"), (":path", "/"), (":authority", "shop.example"), ("x-request-id", "r-1")];
    let replaced = |name: &str| pairs.iter().any(|(other, _)| *other == name);
    let base = base.into_iter().filter(|(name, _)| !replaced(name));
    Request::new(Headers::from_pairs(base.chain(pairs.iter().copied())), || None)
}

fn step(engine: &Engine, pairs: &[(&str, &str)]) -> Step<Body> {
    engine.open(request(pairs), NOW, || "fallback".to_owned()).judge(false)
}

fn forwarded<Next>(step: Step<Next>) -> (Permit, Next) {
    match step {
        Step::Forward(permit, next) => (permit, next),
        Step::Refuse(reply, _) => panic!("refused: {reply:?}"),
        Step::Serve(reply, _) => panic!("served: {reply:?}"),
        Step::Wait(wait) => panic!("waits: {wait:?}"),
    }
}

fn refused<Next>(step: Step<Next>) -> (Reply, Done) {
    match step {
        Step::Refuse(reply, done) => (reply, *done),
        Step::Forward(..) | Step::Serve(..) | Step::Wait(_) => panic!("not refused"),
    }
}

fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    reply.headers.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str())
}

fn enforcing() -> Value {
    json!({"version": 1, "mode": "enforce", "routes": [{"name": "orders", "path": "/orders/{id}"}]})
}

fn demanding_a_token() -> Value {
    let jwk =
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let mut document = enforcing();
    document["identity"] =
        json!({"issuers": [{"issuer": "https://id.example", "audiences": ["api"], "jwks": {"keys": [jwk]}}]});
    document
}

#[test]
fn a_good_request_goes_all_the_way() {
    let (permit, body) = forwarded(step(&engine(&enforcing()), &[(":path", "/orders/7")]));
    assert!(permit.remove.is_empty() && permit.add.is_empty());
    let (_, body) = forwarded(body.judge(100));
    let done = body.finish().finish(Response { status: Some(200), bytes: 0 });
    assert_eq!((done.summary().as_str(), done.findings().len(), done.wants_receipt()), ("allow", 0, false));
}

/// The host does not close what is not open, so whatever is forgotten here is never settled.
#[test]
fn what_is_left_to_settle_keeps_a_request_open() {
    let is_open = |part: &str, written: Value| {
        let mut document = enforcing();
        document[part] = written;
        let (_, body) = forwarded(step(&engine(&document), &[(":path", "/orders/7")]));
        body.finish().finish(Response { status: Some(200), bytes: 0 }).is_open()
    };
    let limit = |part: &str, written: Value| {
        let mut limit = json!({"name": "l", "key": ["source"], "limit": 9, "window": "1m"});
        limit[part] = written;
        is_open("limits", json!([limit]))
    };
    assert!(!limit("burst", json!(9)) && !is_open("telemetry", json!({})), "nothing");
    assert!(limit("algorithm", json!("concurrency")), "units that are held");
    assert!(limit("cost", json!({"response_unit": "1KiB"})), "the cost of the answer");
    assert!(limit("adapt", json!({"reputation": {}})), "the actor's past");
    let routes = json!(["orders"]);
    assert!(is_open("behaviour", json!({"scanning": {}})), "behaviour");
    assert!(is_open("objects", json!({"kinds": [{"name": "o", "routes": routes, "id": "path:id"}]})), "objects");
    assert!(
        is_open(
            "exposure",
            json!({"volume": [{"name": "v", "routes": routes, "bytes_max": "1MiB", "window": "1h"}]})
        ),
        "what was taken"
    );
    assert!(is_open("anomaly", json!({})), "lessons");
}

#[test]
fn a_refusal_is_a_problem_with_the_request_id() {
    let (reply, done) = refused(step(&engine(&enforcing()), &[(":path", "/a%00")]));
    assert_eq!((reply.status, reply.grpc_status, reply.details.as_str()), (400, 3, "portcullis_path_ambiguous"));
    assert_eq!(header(&reply, "content-type"), Some("application/problem+json"));
    assert_eq!(header(&reply, "www-authenticate"), None);
    let problem: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(
        problem,
        json!({"type": "about:blank", "title": "Bad Request", "status": 400, "code": "path_ambiguous", "request_id": "r-1"})
    );
    assert_eq!((done.summary().as_str(), done.wants_receipt()), ("deny:path_ambiguous", true));
}

#[test]
fn grpc_clients_get_a_message_and_no_json() {
    let (reply, _) = refused(step(&engine(&demanding_a_token()), &[("content-type", "application/grpc")]));
    assert_eq!((reply.grpc_status, reply.body.as_str()), (16, "token_missing (request r-1)"));
    assert_eq!(header(&reply, "content-type"), None);
}

#[test]
fn a_401_says_how_to_authenticate() {
    let challenge = |document: &Value, sent: &[(&str, &str)]| {
        header(&refused(step(&engine(document), sent)).0, "www-authenticate").map(str::to_owned)
    };
    let mut document = demanding_a_token();
    assert_eq!(challenge(&document, &[]).as_deref(), Some("Bearer realm=\"portcullis\""));
    let junk = challenge(&document, &[("authorization", "Bearer x")]);
    assert_eq!(junk.as_deref(), Some("Bearer realm=\"portcullis\", error=\"invalid_token\""));
    document["identity"]["requirements"] = json!([{"routes": ["orders"], "scopes": ["a", "b"]}]);
    let scoped = challenge(&document, &[(":path", "/orders/7")]);
    assert_eq!(scoped.as_deref(), Some("Bearer realm=\"portcullis\", scope=\"a b\""));
    let mut risky = enforcing();
    risky["checks"] = json!([{"id": "request.path.dot_segments", "score": 0.4}]);
    let stepping_up = challenge(&risky, &[(":path", "/a/../b")]);
    assert_eq!(stepping_up.as_deref(), Some("Bearer realm=\"portcullis\""), "there was no token to step up from");
}

#[test]
fn what_is_refused_by_its_form_is_not_asked_for_a_token() {
    let (_, done) =
        refused(step(&engine(&demanding_a_token()), &[(":path", "/a;b"), ("authorization", "Bearer x")]));
    assert_eq!(
        done.findings().iter().map(|weighed| weighed.finding.check.id).collect::<Vec<_>>(),
        ["request.path.parameter"]
    );
}

#[test]
fn in_monitor_mode_every_stage_has_its_say() {
    let mut document = demanding_a_token();
    document["mode"] = json!("monitor");
    let (_, body) = forwarded(step(&engine(&document), &[(":path", "/a;b"), ("authorization", "Bearer x")]));
    let done = body.finish().finish(Response { status: Some(200), bytes: 0 });
    assert_eq!(
        done.findings().iter().map(|weighed| weighed.finding.check.id).collect::<Vec<_>>(),
        ["request.path.parameter", "token.malformed"]
    );
    assert_eq!(done.summary(), "would_deny:path_parameter");
}

#[test]
fn a_body_is_counted_while_it_passes() {
    let mut document = enforcing();
    document["request"] = json!({"body_bytes_max": "10B"});
    let engine = engine(&document);
    let (_, body) = forwarded(step(&engine, &[]));
    let (_, body) = forwarded(body.judge(10));
    let (reply, done) = refused(body.judge(1));
    assert_eq!((reply.status, done.summary().as_str()), (413, "deny:body_too_large"));
    assert_eq!(refused(step(&engine, &[("content-length", "11")])).0.status, 413);
}

#[test]
fn a_body_is_too_large_once() {
    let document = json!({"version": 1, "request": {"body_bytes_max": "10B"}});
    let (_, mut body) = forwarded(step(&engine(&document), &[("content-length", "11")]));
    for _ in 0..100 {
        body = forwarded(body.judge(7)).1;
    }
    assert_eq!(body.finish().finish(Response::default()).findings().len(), 1);
}

#[test]
fn fields_of_ours_are_taken_from_clients_and_written_when_asked_for() {
    let mut document = enforcing();
    document["telemetry"] = json!({"upstream_headers": true});
    document["checks"] = json!([{"id": "request.path.dot_segments", "score": 0.2}]);
    let sent = [
        ("x-portcullis-risk", "0"),
        ("X-Portcullis-Risk", "1"),
        ("x-portcullis-", "y"),
        ("X_Portcullis-Verdict", "allow"),
        ("x-port", "z"),
        (":path", "/a/../b"),
    ];
    let (permit, _) = forwarded(step(&engine(&document), &sent));
    assert_eq!(permit.remove, ["x-portcullis-", "x-portcullis-risk", "x_portcullis-verdict"]);
    assert_eq!(
        permit.add,
        [("x-portcullis-verdict", "allow".to_owned()), ("x-portcullis-risk", "0.200".to_owned())]
    );
}

#[test]
fn a_request_that_cannot_be_read_follows_the_failure_policy() {
    let outcome = |document: &Value| match engine(document).judge_unreadable("test", "r-2".to_owned()) {
        Step::Forward(_, body) => body.finish().finish(Response::default()).summary(),
        Step::Refuse(reply, done) => format!("{} {}", reply.status, done.summary()),
        other => panic!("waits: {other:?}"),
    };
    assert_eq!(outcome(&enforcing()), "503 deny:internal");
    assert_eq!(outcome(&demanding_a_token()), "503 deny:internal");
    for (policy, expected) in
        [("allow", "allow"), ("challenge", "401 challenge:step_up_required"), ("deny", "503 deny:internal")]
    {
        let mut document = demanding_a_token();
        document["request"] = json!({"on_error": { "internal": policy }});
        assert_eq!(outcome(&document), expected);
    }
}

#[test]
fn a_receipt_tells_everything_but_secrets() {
    let (_, done) = refused(step(
        &engine(&demanding_a_token()),
        &[("authorization", "Bearer very.secret.token"), (":path", "/orders/7?password=hunter2")],
    ));
    let text = done.receipt(Response::default(), source_address("192.0.2.7:1234"), Some(42_000));
    let receipt: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(receipt["http.request.id"], "r-1");
    assert_eq!(receipt["http.response.status_code"], 401);
    assert_eq!(receipt["portcullis.route"], "orders");
    assert_eq!(receipt["portcullis.verdict"], "deny");
    assert_eq!(receipt["event.duration"], 42_000);
    assert_eq!(receipt["user.hash"].as_str().unwrap().len(), 16);
    let finding = &receipt["portcullis.findings"][0];
    assert_eq!(
        (&finding["check"], &finding["effect"], &finding["mode"]),
        (&json!("token.malformed"), &json!("refuse"), &json!("enforce"))
    );
    assert!(
        !["secret", "hunter2", "192.0.2.7", "\u{1b}", "\n"].iter().any(|secret| text.contains(secret)),
        "{text}"
    );
}

#[test]
fn actors_are_told_apart_and_not_named() {
    let actor = |salt: &str, source: &str| {
        let mut document = enforcing();
        document["telemetry"] = json!({ "actor_salt": salt });
        let headers = Headers::from_pairs([(":method", "GET"), (":path", "/%00")]);
        let head = engine(&document).open(Request::new(headers, || None), NOW, || "r".to_owned());
        let receipt: Value = serde_json::from_str(&refused(head.judge(false)).1.receipt(
            Response::default(),
            source_address(source),
            None,
        ))
        .unwrap();
        receipt["user.hash"].as_str().unwrap().to_owned()
    };
    assert_eq!(actor("a", "192.0.2.7:1"), actor("a", "192.0.2.7:2"));
    assert_ne!(actor("a", "192.0.2.7:1"), actor("a", "192.0.2.8:1"));
    assert_ne!(actor("a", "192.0.2.7:1"), actor("b", "192.0.2.7:1"));
}

#[test]
fn allowed_requests_are_sampled_by_their_id() {
    let wants = |share: f64, id: &str| {
        let mut document = enforcing();
        document["telemetry"] = json!({ "allow_sample": share });
        let (_, body) = forwarded(step(&engine(&document), &[("x-request-id", id)]));
        body.finish().finish(Response::default()).wants_receipt()
    };
    assert!((0..50).all(|id| wants(1.0, &id.to_string()) && !wants(0.0, &id.to_string())));
    let sampled = (0..1000).filter(|id| wants(0.1, &id.to_string())).count();
    assert!((50..150).contains(&sampled), "{sampled} of 1000");
    assert_eq!(wants(0.5, "x"), wants(0.5, "x"));
}

#[test]
fn the_access_log_is_told_of_every_request_or_of_those_with_a_receipt() {
    let told = |telemetry: Value, path: &str| {
        let mut document = enforcing();
        document["telemetry"] = telemetry;
        let done = match step(&engine(&document), &[(":path", path)]) {
            Step::Forward(_permit, body) => body.finish().finish(Response::default()),
            Step::Refuse(_, done) => *done,
            other => panic!("{other:?}"),
        };
        done.is_told()
    };
    let (clean, refused) = ("/orders/7", "/%00");
    assert_eq!([told(json!({}), clean), told(json!({}), refused)], [true, true]);
    let receipts = json!({"access_log": "receipts"});
    assert_eq!([told(receipts.clone(), clean), told(receipts, refused)], [false, true]);
    assert!(told(json!({"access_log": "receipts", "allow_sample": 1}), clean));
}

#[test]
fn a_request_without_id_gets_one() {
    let (reply, _) = refused(step(&engine(&enforcing()), &[(":path", "/%00"), ("x-request-id", "<bad>")]));
    assert!(reply.body.contains("fallback"));
}

#[test]
fn what_has_no_single_meaning_does_not_slip_past_an_enforced_route() {
    let document =
        json!({"version": 1, "routes": [{"name": "admin", "path": "/admin/{*rest}", "mode": "enforce"}]});
    for path in ["/admin/users;x", "/%61dmin/users%zz", "/a//../admin"] {
        assert_eq!(refused(step(&engine(&document), &[(":path", path)])).0.status, 400, "{path}");
    }
    for (field, value) in [
        (":authority", "u@shop.example"),
        (":authority", "shop.example.."),
        (":method", "get"),
        ("x-http-method-override", "DELETE"),
        ("x_http_method-override", "DELETE"),
    ] {
        assert_eq!(refused(step(&engine(&document), &[(field, value)])).0.status, 400, "{field}: {value}");
    }
    let (_permit, _) = forwarded(step(&engine(&document), &[(":path", "/else")]));
}

#[test]
fn odd_methods_and_hosts_are_refused() {
    for (field, value, code) in [
        (":method", "get", "method_unknown"),
        (":method", "GET\u{1b}", "method_unknown"),
        (":authority", "a@shop.example", "host_ambiguous"),
        ("x-http-method-override", "DELETE", "method_override"),
    ] {
        let (_, done) = refused(step(&engine(&enforcing()), &[(field, value)]));
        assert_eq!(done.summary(), format!("deny:{code}"));
    }
}

#[test]
fn limits_are_charged_for_what_is_not_refused_already() {
    let mut document = demanding_a_token();
    document["limits"] = json!([{"name": "l", "key": ["source"], "limit": 1, "window": "1m"}]);
    document["identity"]["default"] = json!("optional");
    let engine = engine(&document);
    for _ in 0..3 {
        assert_eq!(refused(step(&engine, &[("authorization", "Bearer x")])).0.status, 401);
    }
    let (_permit, _) = forwarded(step(&engine, &[]));
    let (reply, done) = refused(step(&engine, &[]));
    assert_eq!((reply.status, reply.grpc_status, done.summary().as_str()), (429, 8, "deny:rate_limited"));
    assert_eq!(header(&reply, "retry-after"), Some("60"));
    assert_eq!(header(&reply, "ratelimit"), Some("\"l\";r=0;t=60"));
}
