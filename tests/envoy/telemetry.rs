//! What the operator sees: statistics, access log, receipts — and what nobody may see there.
//!
//! Names and labels are asserted letter by letter: dashboards and alerts are written against them.

use super::{demo_issuer, echoed, enforcing, request_id, Gate, SOON};
use portcullis_lab::client::{raw, Request, Response};
use portcullis_lab::tokens::{Algorithm, Issuer, Spec};
use serde_json::{json, Map, Value};
use std::collections::BTreeSet;

fn config() -> Value {
    enforcing(json!({
        "routes": [
            {"name": "orders", "path": "/api/orders/{id}"},
            {"name": "watched", "path": "/api/users/{id}", "mode": "monitor"},
            {"name": "echo", "path": "/echo"},
            {"name": "login", "path": "/login"},
        ],
        "identity": {
            "issuers": [demo_issuer()],
            "token_bytes_max": "40KiB",
            "requirements": [{"routes": ["echo", "login"], "token": "optional"}],
        },
        "telemetry": {"allow_sample": 1.0, "actor_salt": "pepper", "upstream_headers": true},
    }))
}

fn token(extra: Value) -> String {
    let mut claims: Map<String, Value> = Issuer::demo().claims("ada");
    claims.extend(extra.as_object().unwrap().clone());
    Issuer::demo().mint(&Spec::new(Algorithm::ES256, claims))
}

/// A token that two bindings speak against.
fn suspicious() -> String {
    token(json!({"device_id": "d-1", "session_id": "s-1"}))
}

/// Seven requests: two allowed, two denied, one challenged, one of each that monitoring lets pass.
fn traffic(gate: &Gate) {
    let (orders, users) = (Request::get("/api/orders/o-1001"), Request::get("/api/users/ada"));
    let client = gate.http1();
    for (request, status) in [
        (orders.clone().bearer(token(json!({}))), 200),
        (orders.clone().bearer(token(json!({}))), 200),
        (orders.clone(), 401),
        (Request::get("/nowhere"), 401),
        (orders.bearer(suspicious()), 401),
        (users.clone(), 200),
        (users.bearer(suspicious()), 200),
    ] {
        assert_eq!(client.send(request).unwrap().status, status);
    }
}

#[test]
fn every_request_is_counted_under_its_labels() {
    let gate = Gate::start(&config());
    traffic(&gate);
    gate.expect_accounted(7);
    for (verdict, route, mode, count) in [
        ("allow", "orders", "enforce", 2),
        ("deny", "orders", "enforce", 1),
        ("challenge", "orders", "enforce", 1),
        ("would_deny", "watched", "monitor", 1),
        ("would_challenge", "watched", "monitor", 1),
        ("deny", "unmatched", "enforce", 1),
        ("allow", "watched", "monitor", 0),
    ] {
        assert_eq!(gate.requests(verdict, route, mode), count, "{verdict} {route} {mode}");
    }
    let page = gate.envoy.prometheus();
    let lines: BTreeSet<&str> = page.lines().collect();
    for line in [
        "# TYPE portcullis_requests_total counter",
        r#"portcullis_requests_total{verdict="allow",route="orders",mode="enforce"} 2"#,
        r#"portcullis_requests_total{verdict="deny",route="orders",mode="enforce"} 1"#,
        r#"portcullis_requests_total{verdict="challenge",route="orders",mode="enforce"} 1"#,
        r#"portcullis_requests_total{verdict="would_deny",route="watched",mode="monitor"} 1"#,
        r#"portcullis_requests_total{verdict="would_challenge",route="watched",mode="monitor"} 1"#,
        r#"portcullis_requests_total{verdict="deny",route="unmatched",mode="enforce"} 1"#,
        r#"portcullis_findings_total{stage="identity",rule="token.missing",mode="enforce"} 2"#,
        r#"portcullis_findings_total{stage="identity",rule="token.missing",mode="monitor"} 1"#,
        r#"portcullis_findings_total{stage="identity",rule="token.binding.device",mode="enforce"} 1"#,
        r#"portcullis_findings_total{stage="identity",rule="token.binding.session",mode="monitor"} 1"#,
        r#"portcullis_findings_total{stage="shape",rule="request.path.parameter",mode="enforce"} 0"#,
    ] {
        assert!(lines.contains(line), "{line} not in\n{}", ours(&page));
    }
    // Those with a finding, and at least the first of the others.
    let measured =
        |page: &str| (6..=7).any(|count| page.contains(&format!("portcullis_duration_us_count{{}} {count}")));
    assert!(
        gate.envoy.wait_for(|envoy| measured(&envoy.prometheus()), SOON),
        "{}",
        ours(&gate.envoy.prometheus())
    );
    let beats = || gate.envoy.stats().get("wasmcustom.portcullis_heartbeats_total").copied();
    let before = beats().expect("declared when the configuration loads");
    assert!(gate.envoy.wait_for(|_| beats() > Some(before), SOON), "the filter's heart beats");
}

/// Our part of a page of statistics.
fn ours(page: &str) -> String {
    page.lines().filter(|line| line.contains("portcullis")).collect::<Vec<_>>().join("\n")
}

#[test]
fn receipt_access_log_and_client_tell_the_same_story() {
    let gate = Gate::start(&config());
    let client = gate.http2();
    let refused = client.send(Request::get("/api/orders/o-1001").bearer(suspicious())).unwrap();
    let id = request_id(&refused);
    assert_eq!(refused.json().unwrap()["request_id"], id);
    let line = gate.access_line(&id);
    assert_eq!(line["response_code_details"], "portcullis_step_up_required");
    assert_eq!(line["portcullis_verdict"], "challenge:step_up_required");
    let receipt = gate.receipt(&id);
    let logged: Value = serde_json::from_str(line["portcullis_receipt"].as_str().unwrap()).unwrap();
    assert_eq!(logged, receipt, "one receipt, in both places");
    let fields: Vec<&str> = receipt.as_object().unwrap().keys().map(String::as_str).collect();
    let stable = [
        "event.duration",
        "event.kind",
        "http.request.id",
        "http.request.method",
        "http.response.status_code",
        "portcullis.config",
        "portcullis.findings",
        "portcullis.mode",
        "portcullis.risk",
        "portcullis.route",
        "portcullis.verdict",
        "portcullis.would",
        "user.hash",
    ];
    assert_eq!(fields, stable);
    let expected = json!({
        "event.kind": "alert", "http.request.id": id, "http.request.method": "GET", "http.response.status_code": 401,
        "portcullis.mode": "enforce", "portcullis.risk": 0.36, "portcullis.route": "orders",
        "portcullis.verdict": "challenge", "portcullis.would": "challenge",
        "portcullis.findings": [
            {"check": "token.binding.device", "code": "binding_device", "effect": "score", "score": 0.2,
             "mode": "enforce", "reason": "no `x-device-id`"},
            {"check": "token.binding.session", "code": "binding_session", "effect": "score", "score": 0.2,
             "mode": "enforce", "reason": "no session"},
        ],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&receipt[name], value, "{name}");
    }
    assert!(receipt["event.duration"].as_u64().unwrap() > 0);
    passed(&gate);
}

/// What passes has a story too: as it was sampled, or as monitoring saw it.
fn passed(gate: &Gate) {
    let client = gate.http1();
    for (path, verdict, kind, status) in [
        ("/echo", "allow", "event", 200),
        ("/api/users/ada", "would_deny:token_missing", "alert", 200),
        ("/api/users/nobody", "would_deny:token_missing", "alert", 404),
    ] {
        assert_eq!(client.send(Request::get(path)).unwrap().status, status);
        let find = || gate.envoy.access_log().into_iter().find(|line| line["path"] == path);
        assert!(gate.envoy.wait_for(|_| find().is_some(), SOON), "{path}");
        let line = find().unwrap();
        assert_eq!(
            (&line["portcullis_verdict"], &line["response_code_details"]),
            (&json!(verdict), &json!("via_upstream"))
        );
        let receipt = gate.receipt(line["request_id"].as_str().unwrap());
        assert_eq!(
            (&receipt["event.kind"], &receipt["http.response.status_code"]),
            (&json!(kind), &json!(status))
        );
        assert_eq!(receipt["portcullis.verdict"], "allow");
    }
}

#[test]
fn secrets_appear_nowhere() {
    let gate = Gate::start(&config());
    let good = token(json!({"session_id": "s3ss10n-claim", "device_id": "d3v1ce-claim"}));
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    let parts: Vec<&str> = good.split('.').collect();
    let client = gate.http1();
    for bearer in [&good, &forged, &format!("{}.", good), &good.replace('.', ".secret-part.")] {
        for path in ["/api/orders/o-1001?key=qu3ry-value", "/api/users/ada?key=qu3ry-value", "/login;p4th-par4m=1"]
        {
            let request = Request::post(path)
                .bearer(bearer)
                .header("cookie", "session_id=c00kie-value; other=0ther-value")
                .header("x-device-id", "d3v1ce-sent")
                .header("x-api-key", "4pi-key-value")
                .json(&json!({"user": "ada", "password": "p4ssw0rd-in-body"}));
            client.send(request).unwrap();
        }
    }
    gate.expect_accounted(12);
    let receipts = || gate.receipts().len() == 12 && gate.envoy.access_log().len() == 12;
    assert!(gate.envoy.wait_for(|_| receipts(), SOON), "every request has a receipt\n{}", gate.envoy.log());
    let logged: String =
        gate.envoy.access_log().iter().map(|line| line["portcullis_receipt"].to_string()).collect();
    let seen = [gate.envoy.log(), logged, format!("{:?}", gate.envoy.stats()), gate.envoy.prometheus()].concat();
    let from_token = [parts[0], parts[1], parts[2], &parts[2][..20], "secret-part"];
    let from_claims = ["s3ss10n-claim", "d3v1ce-claim", "\"ada\""];
    let from_request = [
        "c00kie-value",
        "0ther-value",
        "d3v1ce-sent",
        "4pi-key-value",
        "qu3ry-value",
        "p4ssw0rd",
        "p4th-par4m",
        "o-1001",
    ];
    for secret in from_token.iter().chain(&from_claims).chain(&from_request) {
        assert!(!seen.contains(secret), "{secret}");
    }
}

#[test]
fn hostile_text_stays_on_one_line_and_makes_no_statistics() {
    let gate = Gate::start(&config());
    let names =
        || gate.envoy.stats().into_keys().filter(|name| name.contains("portcullis_")).collect::<BTreeSet<_>>();
    let before = names();
    assert!(before.len() > 50, "all is declared when the configuration loads: {before:?}");
    let hostile = "k\"1'\\\n[forged] {\"event.kind\":\"event\"}\u{1b}[31m\r\u{0}\u{202e}";
    let claims = |extra: Value| {
        let mut claims = Issuer::demo().claims("ada");
        claims.extend(extra.as_object().unwrap().clone());
        claims
    };
    let mint = |spec: Spec| Issuer::demo().mint(&spec);
    let client = gate.http1();
    let orders = Request::get("/api/orders/o-1001");
    let mut answers: Vec<(&str, Response)> = Vec::new();
    for (code, token) in [
        ("token_key_unknown", mint(Spec::new(Algorithm::ES256, claims(json!({}))).kid(Some(hostile)))),
        ("token_issuer", mint(Spec::new(Algorithm::ES256, claims(json!({"iss": hostile}))))),
        ("token_issuer", mint(Spec::new(Algorithm::ES256, claims(json!({"iss": "é\n".repeat(5_000)}))))),
        ("token_audience", mint(Spec::new(Algorithm::ES256, claims(json!({"aud": hostile}))))),
        ("token_type", mint(Spec::new(Algorithm::ES256, claims(json!({}))).header("typ", hostile))),
        ("token_algorithm", mint(Spec::new(Algorithm::ES256, claims(json!({}))).header("alg", hostile))),
        (
            "token_malformed",
            mint(Spec::new(Algorithm::ES256, json!({})).raw_claims(format!("{{\"{hostile}\":1}}"))),
        ),
    ] {
        answers.push((code, client.send(orders.clone().bearer(token)).unwrap()));
    }
    let bound = token(json!({"ip_binding": hostile, "device_id": hostile, "session_id": hostile}));
    answers.push(("step_up_required", client.send(orders.clone().bearer(bound)).unwrap()));
    let odd = orders.clone().header(&"x".repeat(5_000), b"\xff");
    answers.push(("header_not_utf8", client.send(odd).unwrap()));
    for (code, answer) in &answers {
        assert_eq!(super::code(answer), *code);
        let receipt = gate.receipt(&request_id(answer)).to_string();
        assert!(receipt.len() < 2_000 && !receipt.contains('\u{1b}'), "{code}: {receipt}");
    }
    let log = gate.envoy.log();
    let forged = |line: &&str| line.trim_start().starts_with("[forged]");
    assert!(
        !log.contains(['\u{1b}', '\u{0}', '\r', '\u{202e}']) && !log.lines().any(|line| forged(&line)),
        "{log}"
    );
    assert_eq!(gate.receipts().len(), answers.len(), "no line counts twice");
    assert_eq!(names(), before, "clients made statistics");
}

#[test]
fn only_the_filter_writes_its_own_fields() {
    let gate = Gate::start(&config());
    let spellings = ["x-portcullis-verdict", "x-portcullis-risk", "x-portcullis-anything", "x-portcullis-"];
    for (protocol, client) in gate.both() {
        let forged = spellings.iter().fold(Request::get("/echo"), |request, name| {
            request.header(name, "forged").header(name, "twice").header(name, "")
        });
        let answer = client.send(forged).unwrap().json().unwrap();
        expect_own_fields(&answer, protocol);
    }
    let head = "GET /echo HTTP/1.1\r\nhost: a\r\nX-Portcullis-Verdict: forged\r\nX-PORTCULLIS-RISK: forged\r\n\
                x-PortCullis-Other: forged\r\n\r\n";
    expect_own_fields(&raw(gate.envoy.address(), head).unwrap().json().unwrap(), "mixed case");
}

/// Verdict and risk, once each, and nothing else of that name.
fn expect_own_fields(answer: &Value, what: &str) {
    assert_eq!(echoed(answer, "headers", "x-portcullis-verdict"), ["allow"], "{what}");
    assert_eq!(echoed(answer, "headers", "x-portcullis-risk"), ["0.000"], "{what}");
    assert_eq!(answer["headers"].to_string().matches("portcullis-").count(), 2, "{what}: {answer}");
    assert!(!answer.to_string().contains("forged"), "{what}: {answer}");
}

#[test]
fn trailers_cannot_carry_the_filters_own_fields_either() {
    let gate = Gate::start(&enforcing(json!({})));
    for (protocol, client) in gate.both() {
        let request =
            Request::post("/echo").body("hello").trailer("x-portcullis-verdict", "forged").trailer("x-other", "1");
        let answer = client.send(request).unwrap().json().unwrap();
        assert_eq!(echoed(&answer, "trailers", "x-other"), ["1"], "{protocol}");
        assert!(echoed(&answer, "trailers", "x-portcullis-verdict").is_empty(), "{protocol}: {answer}");
    }
}
