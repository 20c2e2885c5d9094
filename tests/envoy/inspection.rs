//! Payloads in a real Envoy: what is an attack never reaches the service, what is none arrives whole.
//!
//! Every place and framing: heads, bodies in pieces over both protocols, multipart, trailers, a body that is longer than is read,
//! streams that are not held back; monitor mode, and an exclusion that comes under load.
//! Not covered here: how well attacks are told from harmless text (`make eval`), waiting as such (`waiting.rs`).

use super::{code, echoed, enforcing, Gate, Scratch, Shared, SOON};
use portcullis_lab::client::Request;
use serde_json::{json, Value};
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

const ATTACK: &str = "x'); DROP TABLE orders; --";

fn config(inspect: &Value) -> Value {
    enforcing(json!({"request": {"body_read_max": "8KiB"}, "inspect": inspect}))
}

fn gate() -> Arc<Gate> {
    static GATE: Shared = Shared::by_tests(2);
    GATE.get(|| Gate::start_with(&config(&json!({})), |bootstrap| bootstrap.concurrency(2)))
}

#[test]
fn no_piece_of_an_attack_reaches_the_service() {
    // One of its own, since the requests that arrive are counted.
    let gate = Gate::start_with(&config(&json!({})), |bootstrap| bootstrap.concurrency(2));
    for (protocol, client) in gate.both() {
        let before = gate.upstream.hits();
        let bad = Request::post("/echo").json(&json!({"padding": "harmless ".repeat(200), "note": ATTACK}));
        for request in [
            bad.clone(),
            bad.clone().chunked(1),
            bad.clone().chunked(700),
            bad.chunked(100).trailer("x-checksum", "42"),
        ] {
            let response = client.send(request).unwrap();
            assert_eq!((response.status, code(&response).as_str()), (403, "risk_denied"), "{protocol}");
        }
        let form = "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n";
        let form = format!("{form}{ATTACK}\r\n--b--\r\n");
        let multipart =
            Request::post("/echo").header("content-type", "multipart/form-data; boundary=b").body(form);
        assert_eq!(client.send(multipart).unwrap().status, 403, "{protocol}");
        assert_eq!(gate.upstream.hits(), before, "{protocol}");
    }
}

#[test]
fn heads_are_looked_at() {
    let gate = gate();
    for (protocol, client) in gate.both() {
        let search = "/echo?q=17%27%20OR%20%27a%27=%27a";
        for request in [
            Request::get(search),
            Request::get("/echo").header("x-api-version", "${jndi:ldap://e.example/a}"),
            Request::get("/echo").header("cookie", "a=b; id=17' OR 'a'='a"),
        ] {
            assert_eq!(client.send(request).unwrap().status, 403, "{protocol}");
        }
        assert_eq!(
            client.send(Request::get("/echo?q=O%27Reilly%20%26%20Sons")).unwrap().status,
            200,
            "{protocol}"
        );
    }
}

#[test]
fn what_is_harmless_arrives_whole() {
    let gate = gate();
    for (protocol, client) in gate.both() {
        for notes in [1, 100, 5000] {
            let whole = Request::post("/echo").json(&json!({"notes": vec!["It's fine; thanks (really)!"; notes]}));
            let length = whole.body.len();
            for request in [whole.clone(), whole.chunked(1000).trailer("x-checksum", "42")] {
                let answer = client.send(request).unwrap().json().unwrap();
                assert_eq!(answer["body_length"], json!(length), "{protocol}");
                assert!(echoed(&answer, "headers", "x-portcullis-risk").is_empty());
            }
        }
    }
}

/// What is longer than is read passes uninspected by default, and is refused where the policy says so.
#[test]
fn a_body_that_is_too_long_follows_the_policy() {
    let strict = Gate::start(&config(&json!({"on_error": {"uninspected": "deny"}})));
    let long = Request::post("/echo").json(&json!({"notes": "x".repeat(20_000)}));
    for (protocol, client) in strict.both() {
        let response = client.send(long.clone()).unwrap();
        assert_eq!((response.status, code(&response).as_str()), (503, "payload_uninspected"), "{protocol}");
        let short = Request::post("/echo").json(&json!({"notes": "short"}));
        assert_eq!(client.send(short).unwrap().status, 200, "{protocol}");
    }
}

/// What is not read passes by default; what is read of it is inspected.
#[test]
fn the_beginning_of_a_body_that_is_too_long_is_inspected() {
    let gate = Gate::start(&config(&json!({})));
    let notes = |first: &str, last: &str| json!({"notes": [first, "x".repeat(20_000), last]});
    for (protocol, client) in gate.both() {
        for request in [Request::post("/echo").json(&notes(ATTACK, "")), {
            Request::post("/echo").json(&notes(ATTACK, "")).chunked(3000)
        }] {
            let response = client.send(request).unwrap();
            assert_eq!((response.status, code(&response).as_str()), (403, "risk_denied"), "{protocol}");
        }
        let behind = client.send(Request::post("/echo").json(&notes("harmless", ATTACK))).unwrap();
        assert_eq!(behind.status, 200, "{protocol}: beyond the bound nothing is looked at, as is documented");
    }
}

/// Sends the head and the beginning of a request, and tells whether that much of it reaches the service.
fn arrives(gate: &Gate, content_type: &str) -> bool {
    let before = gate.upstream.hits();
    let mut connection = TcpStream::connect(gate.envoy.address()).unwrap();
    let head = format!(
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).unwrap();
    connection.write_all(b"5\r\n{\"a\":\r\n").unwrap();
    gate.envoy.wait_for(|_| gate.upstream.hits() > before, Duration::from_secs(2))
}

#[test]
fn streams_are_not_held_back() {
    let gate = Gate::start(&config(&json!({})));
    for stream in ["application/grpc", "text/event-stream", "application/octet-stream", "video/mp4"] {
        assert!(arrives(&gate, stream), "{stream}");
    }
    for document in ["application/json", "application/x-www-form-urlencoded"] {
        assert!(!arrives(&gate, document), "{document}");
    }
}

#[test]
fn in_monitor_mode_an_attack_is_told_and_passes() {
    let mut document = config(&json!({}));
    document["mode"] = json!("monitor");
    let gate = Gate::start(&document);
    let response = gate.http1().send(Request::post("/echo").json(&json!({"note": ATTACK}))).unwrap();
    assert_eq!(response.status, 200);
    let receipt = gate.receipt(echoed(&response.json().unwrap(), "headers", "x-request-id")[0]);
    assert_eq!((&receipt["portcullis.verdict"], &receipt["portcullis.would"]), (&json!("allow"), &json!("deny")));
    let finding = &receipt["portcullis.findings"][0];
    assert_eq!((&finding["check"], &finding["mode"]), (&json!("payload.sql"), &json!("monitor")));
    assert!(finding["reason"].as_str().unwrap().starts_with("`json.note`: a second statement"), "{finding}");
    assert!(!receipt.to_string().contains("DROP"), "the value is nowhere: {receipt}");
    gate.envoy.wait_for(|_| gate.requests("would_deny", "unmatched", "monitor") == 1, SOON);
    assert_eq!(gate.requests("would_deny", "unmatched", "monitor"), 1, "{:?}", gate.envoy.stats());
}

#[test]
fn an_exclusion_comes_under_load_and_lets_through_what_it_names_alone() {
    let scratch = Scratch::new();
    let gate = Gate::start_with(&config(&json!({})), |bootstrap| bootstrap.concurrency(2).ecds(&scratch.0));
    let note = Request::post("/echo").json(&json!({"note": ATTACK}));
    let other = Request::post("/echo").json(&json!({"other": ATTACK}));
    let (stop, passing) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for client in [gate.http1(), gate.http1(), gate.http2(), gate.http2()] {
            let (note, other, stop, passing) = (&note, &other, &stop, &passing);
            scope.spawn(move || {
                let mut has_passed = false;
                while !stop.load(Ordering::SeqCst) {
                    let status = client.send(note.clone()).unwrap().status;
                    assert!(status == if has_passed { 200 } else { status } && [200, 403].contains(&status));
                    if status == 200 && !has_passed {
                        has_passed = true;
                        passing.fetch_add(1, Ordering::SeqCst);
                    }
                    assert_eq!(client.send(other.clone()).unwrap().status, 403);
                }
            });
        }
        let excluded = config(&json!({"exclusions": [{"place": "json.note", "check": "payload.sql"}]}));
        gate.envoy.push_filter_config(&excluded.to_string()).unwrap();
        let all_moved = gate.envoy.wait_for(|_| passing.load(Ordering::SeqCst) == 4, SOON);
        stop.store(true, Ordering::SeqCst);
        assert!(all_moved, "{}", gate.envoy.log());
    });
    gate.expect_unharmed();
}
