//! Responses in a real Envoy: every action on every form of transfer, and what nobody asked to change stays as it was, byte by byte.
//!
//! The service says what a request asks it to say (`upstream/say.rs`), or a test writes every byte itself. Not covered here: what is
//! recognised (`src/stages/exposure/detectors`), how well (`tests/exposure.rs`).

use super::{code, echoed, enforcing, Gate, Scripted, Shared, Wire, SOON};
use portcullis_lab::client::{Client, Request, Response};
use portcullis_lab::envoy::Envoy;
use portcullis_lab::upstream::say::{Answer, FIELD};
use serde_json::{json, Value};
use std::sync::Arc;
use std::time::Instant;

const CARD: &str = "4111111111111111";
const MASKED: &str = "************1111";

fn config() -> Value {
    let routes = json!([
        {"name": "mask", "path": "/mask"}, {"name": "remove", "path": "/remove"}, {"name": "block", "path": "/block"},
        {"name": "flag", "path": "/flag"}, {"name": "fields", "path": "/fields"}, {"name": "strict", "path": "/strict"},
        {"name": "grpc", "path": "/grpc.Demo/Ping"}, {"name": "both", "path": "/both"}, {"name": "echo", "path": "/echo", "methods": ["GET"]}, {"name": "watch", "path": "/watch", "mode": "monitor"}]);
    let rule = |route: &str, action: &str| json!({"routes": [route], "action": action});
    enforcing(json!({
        "routes": routes,
        "response": {"body_read_max": "256KiB"},
        "exposure": {
            "rules": [rule("mask", "mask"), rule("echo", "mask"), rule("grpc", "mask"), rule("strict", "mask"), rule("remove", "remove"), rule("block", "block"), rule("flag", "flag"),
                {"routes": ["both"], "kinds": ["payment_card"], "action": "mask"}, rule("both", "remove"), rule("watch", "block")],
            "fields": [{"routes": ["fields"], "allow": ["id", "card.last4"], "action": "remove"}],
            "headers": {"action": "remove"},
        },
        "telemetry": {"allow_sample": 1},
    }))
}

fn gate() -> Arc<Gate> {
    static GATE: Shared = Shared::by_tests(7);
    GATE.get(|| Gate::start_with(&config(), |bootstrap| bootstrap.concurrency(2)))
}

fn ask(client: &Client, path: &str, answer: &Answer) -> Response {
    client.send(Request::get(path).header(FIELD, answer.field())).unwrap()
}

fn leak() -> String {
    format!(
        "{{\"id\": 1,  \"card\":{{\"number\":\"{CARD}\",\"last4\":\"1111\"}},\n\"key\":\"AKIAQ3EGRIY5KXJ7WZ2N\"}}"
    )
}

/// What each path makes of a leak; nothing for what is withheld.
fn made_of_leak(path: &str) -> Option<String> {
    let masked = leak().replace(CARD, MASKED);
    match path {
        "/mask" => Some(masked.replace("AKIAQ3EGRIY5KXJ7WZ2N", "[redacted]")),
        "/remove" => Some("{\"id\": 1,  \"card\":{\"last4\":\"1111\"}}".to_owned()),
        "/both" => Some("{\"id\": 1,  \"card\":{\"number\":\"************1111\",\"last4\":\"1111\"}}".to_owned()),
        "/fields" => Some("{\"id\": 1,  \"card\":{\"last4\":\"1111\"}}".to_owned()),
        "/block" => None,
        _ => Some(leak()),
    }
}

#[test]
fn every_action_holds_in_every_framing() {
    let http2 = Gate::start_with(&config(), |bootstrap| bootstrap.http2_upstream());
    for (upstream, gate) in [("HTTP/1.1", &*gate()), ("HTTP/2", &http2)] {
        for (protocol, client) in gate.both() {
            let whole = Answer::json(&leak()).header("etag", "\"1\"").header("x-kept", "yes");
            let pieces = Answer { piece_bytes: Some(7), ..whole.clone() };
            let trailers = [("content-digest", "sha-256=:x:"), ("x-checksum", "42")];
            let trailers = trailers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let trailers = Answer { trailers, piece_bytes: Some(50), ..whole.clone() };
            for (framing, answer) in [("whole", whole), ("pieces", pieces), ("trailers", trailers)] {
                for path in ["/mask", "/remove", "/both", "/fields", "/block", "/flag", "/watch", "/other"] {
                    let place = format!("{upstream} {protocol} {framing} {path}");
                    let got = ask(&client, path, &answer);
                    let Some(wanted) = made_of_leak(path) else {
                        assert_eq!((got.status, code(&got).as_str()), (502, "response_withheld"), "{place}");
                        assert!(!got.text().contains(CARD), "{place}");
                        continue;
                    };
                    assert_eq!((got.status, got.text()), (200, wanted.clone()), "{place}");
                    assert_eq!(got.header("x-kept"), Some("yes"), "{place}");
                    let is_changed = wanted != leak();
                    assert_eq!(got.header("etag").is_some(), !is_changed, "{place}");
                    let length = got.header("content-length").map(str::to_owned);
                    let announced = (framing == "whole").then(|| wanted.len().to_string());
                    assert_eq!(length, announced, "{place}");
                    // Over HTTP/1.1 the service sends trailers to nobody.
                    if framing == "trailers" && upstream == "HTTP/2" {
                        assert_eq!(got.trailer("x-checksum"), Some("42"), "{place}");
                        assert_eq!(got.trailer("content-digest").is_some(), !is_changed, "{place}");
                    }
                }
            }
        }
        gate.expect_unharmed();
    }
}

#[test]
fn what_has_nothing_to_hide_is_the_same_byte_by_byte() {
    let gate = gate();
    let texts = [
        "{ \"a\" : [ 1.0e5 , -0 , 1E+2 ],\t\"\\u00e9\\/\": \"\u{e9}\" , \"a\": null }\r\n".to_owned(),
        "not JSON at all: {".to_owned(),
        " ".to_owned(),
        format!("[{}0]", "12345,".repeat(20_000)),
    ];
    for (protocol, client) in gate.both() {
        for text in &texts {
            let short = text.len() < 10_000;
            let answer = match short {
                true => Answer::json(text),
                false => {
                    Answer { more: "12345,".to_owned(), times: 20_000, end: "0]".to_owned(), ..Answer::json("[") }
                }
            };
            for piece in [None, Some(1000)] {
                let answer = Answer { piece_bytes: piece, ..answer.clone() }.header("etag", "\"1\"");
                for path in ["/mask", "/remove", "/block", "/flag", "/watch"] {
                    let got = ask(&client, path, &answer);
                    assert_eq!(got.status, 200, "{protocol} {path}");
                    assert!(got.body == text.as_bytes(), "{protocol} {path} {piece:?} {} bytes", text.len());
                    assert_eq!(got.header("etag"), Some("\"1\""), "{protocol} {path}");
                }
            }
        }
    }
    gate.expect_unharmed();
}

#[test]
fn a_leak_at_the_end_of_a_large_document_is_masked() {
    let gate = gate();
    for (protocol, client) in gate.both() {
        let end = format!("{{\"card\":\"{CARD}\"}}]");
        for piece_bytes in [None, Some(30_000)] {
            let answer = Answer {
                more: "{\"n\":12345},".to_owned(),
                times: 20_000,
                end: end.clone(),
                piece_bytes,
                ..Answer::json("[")
            };
            let got = ask(&client, "/mask", &answer);
            assert!(got.text() == answer.text().replace(CARD, MASKED), "{protocol} {piece_bytes:?}");
            // Longer than is read: it passes, and that is told.
            let longer = Answer { times: 40_000, ..answer };
            let got = ask(&client, "/mask", &longer);
            assert!(got.text() == longer.text(), "{protocol} {piece_bytes:?}");
            let receipt = gate.receipt(&request_id(&gate, &client, &longer));
            assert!(receipt.to_string().contains("exposure.unchecked"), "{receipt}");
        }
    }
    gate.expect_unharmed();
}

/// Sends a request with an id of Envoy's and returns the id.
fn request_id(gate: &Gate, client: &Client, answer: &Answer) -> String {
    let before = gate.envoy.access_log().len();
    ask(client, "/mask", answer);
    let is_there = |envoy: &Envoy| envoy.access_log().len() > before;
    assert!(gate.envoy.wait_for(is_there, SOON));
    let line = gate.envoy.access_log().pop().unwrap();
    line["request_id"].as_str().unwrap().to_owned()
}

#[test]
fn heads_without_a_body_do_not_vouch_for_another_one() {
    let gate = gate();
    let answer = Answer::json(&leak())
        .header("etag", "\"1\"")
        .header("server", "Apache/2.4.1")
        .header("x-powered-by", "PHP/8");
    for (protocol, client) in gate.both() {
        for (path, is_changed) in [("/mask", true), ("/flag", false)] {
            let head = client.send(Request::new("HEAD", path).header(FIELD, answer.field())).unwrap();
            assert_eq!((head.status, head.body.len()), (200, 0), "{protocol} {path}");
            assert_eq!(head.header("etag").is_none(), is_changed, "{protocol} {path}");
            assert_eq!(head.header("content-length").is_none(), is_changed, "{protocol} {path}");
            assert_eq!(head.header("x-powered-by"), None, "{protocol} {path}");
            for status in [204, 304] {
                let empty = Answer { status, body: String::new(), ..answer.clone() };
                let got = ask(&client, path, &empty);
                assert_eq!((got.status, got.body.len()), (status, 0), "{protocol} {path}");
                assert_eq!(got.header("etag").is_none(), is_changed, "{protocol} {path} {status}");
            }
        }
    }
    gate.expect_unharmed();
}

#[test]
fn what_is_compressed_or_partial_follows_its_policy() {
    let mut strict = config();
    strict["exposure"]["on_error"] = json!({"compressed": "block", "partial": "block", "too_long": "block"});
    let strict = Gate::start(&strict);
    let gate = gate();
    let coded = Answer::json("compressed").header("content-encoding", "gzip");
    let part = Answer { status: 206, ..Answer::json(&leak()) }.header("content-range", "bytes 0-9/100");
    let long = Answer { more: "1234567,".to_owned(), times: 40_000, end: "0]".to_owned(), ..Answer::json("[") };
    let unknown = Answer { piece_bytes: Some(10_000), ..long.clone() };
    for answer in [coded, part, long, unknown] {
        let got = ask(&gate.http1(), "/mask", &answer);
        assert!(got.status == answer.status && got.text() == answer.text(), "{}", got.status);
        let got = ask(&strict.http1(), "/mask", &answer);
        assert_eq!((got.status, code(&got).as_str()), (502, "response_withheld"));
    }
    // Services are asked not to compress where that would hide something, and only there.
    for (method, is_checked) in [("GET", true), ("PUT", false)] {
        let request = Request::new(method, "/echo").header("accept-encoding", "gzip").header("range", "bytes=0-9");
        let echo = gate.http1().send(request).unwrap().json().unwrap();
        for field in ["accept-encoding", "range"] {
            assert_eq!(echoed(&echo, "headers", field).is_empty(), is_checked, "{method} {field}");
        }
    }
    gate.expect_unharmed();
    strict.expect_unharmed();
}

#[test]
fn streams_flow_on_from_their_first_byte() {
    let service = Scripted::start();
    let config = config();
    let gate = Gate::start_with(&config, |bootstrap| bootstrap.upstream(service.address()));
    for kind in ["text/event-stream", "application/grpc-web+proto"] {
        let mut client = Wire::connect(gate.envoy.address());
        client.write("GET /mask HTTP/1.1\r\nhost: a\r\n\r\n");
        let mut upstream = service.accept();
        upstream.read_until("\r\n\r\n");
        upstream.write(format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"));
        client.read_until("\r\n\r\n");
        for number in 0..3 {
            let event = format!("data: {number} {CARD}\n\n");
            upstream.write(format!("{:x}\r\n{event}\r\n", event.len()));
            assert!(client.read_until("\n\n").contains(&event), "{kind}");
        }
        upstream.write("0\r\n\r\n");
        client.read_until("0\r\n\r\n");
    }
    // What is only flagged is not held either.
    let mut client = Wire::connect(gate.envoy.address());
    client.write("GET /flag HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut upstream = service.accept();
    upstream.read_until("\r\n\r\n");
    upstream.write(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n3\r\n[1,\r\n",
    );
    client.read_until("[1,");
    upstream.write(format!("13\r\n\"{CARD}\"]\r\n0\r\n\r\n"));
    client.read_until("0\r\n\r\n");
    let told = |receipt: &Value| receipt.to_string().contains("1 seen in `[]`");
    assert!(gate.envoy.wait_for(|_| gate.receipts().iter().any(told), SOON), "{}", gate.envoy.log());
    gate.expect_unharmed();
}

#[test]
fn a_service_that_dies_in_the_middle_gives_nothing_away() {
    let service = Scripted::start();
    let gate = Gate::start_with(&config(), |bootstrap| bootstrap.upstream(service.address()));
    for framing in ["content-length: 100", "transfer-encoding: chunked"] {
        let mut client = Wire::connect(gate.envoy.address());
        client.write("GET /mask HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let mut upstream = service.accept();
        upstream.read_until("\r\n\r\n");
        let body = format!("{{\"card\":\"{CARD}\"");
        let body = if framing.starts_with('c') { body } else { format!("{:x}\r\n{body}\r\n", body.len()) };
        upstream.write(format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{framing}\r\n\r\n{body}"));
        drop(upstream);
        assert!(!client.read_to_end().contains(CARD), "{framing}");
    }
    gate.expect_accounted(2);
    gate.expect_unharmed();
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let service = Scripted::start();
    let mut config = config();
    config["response"]["body_wait_max"] = json!("300ms");
    let gate = Gate::start_with(&config, |bootstrap| bootstrap.upstream(service.address()));
    let mut client = Wire::connect(gate.envoy.address());
    client.write("GET /mask HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut upstream = service.accept();
    upstream.read_until("\r\n\r\n");
    upstream.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n[1, 2");
    client.read_until("[1, 2");
    upstream.write(", 3");
    client.read_until(", 3");
    gate.expect_unharmed();
}

#[test]
fn no_value_reaches_logs_or_statistics() {
    let gate = gate();
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";
    let body = json!({CARD: token, "a": CARD, "b": {"AKIAQ3EGRIY5KXJ7WZ2N": [CARD]}}).to_string();
    for path in ["/mask", "/remove", "/block", "/flag", "/watch", "/fields", "/both"] {
        let mut request = Request::get(path).header(FIELD, Answer::json(&body).field());
        request.headers.push(("x-who".to_owned(), b"nobody".to_vec()));
        gate.http1().send(request).unwrap();
    }
    let count = gate.envoy.access_log().len();
    gate.envoy.wait_for(|envoy| envoy.access_log().len() >= count && gate.receipts().len() >= 7, SOON);
    let told = format!("{}{:?}{:?}", gate.envoy.log(), gate.envoy.access_log(), gate.envoy.stats());
    for secret in [CARD, "AKIAQ3EGRIY5KXJ7WZ2N", "eyJhbGciOiJIUzI1NiJ9"] {
        assert!(!told.contains(secret), "{secret}");
    }
    assert!(told.contains("exposure.payment_card"));
}

#[test]
fn the_first_byte_of_what_nobody_checks_does_not_wait() {
    let gate = gate();
    // Ten pieces, 30 ms apart: whoever held them would see the first one after 270 ms.
    let answer = Answer {
        more: "0123456789".to_owned(),
        times: 9,
        piece_bytes: Some(10),
        pace_ms: 30,
        ..Answer::json("0123456789")
    };
    for path in ["/other", "/flag"] {
        let mut client = Wire::connect(gate.envoy.address());
        let began = Instant::now();
        client.write(format!("GET {path} HTTP/1.1\r\nhost: a\r\n{FIELD}: {}\r\n\r\n", answer.field()));
        client.read_until("0123456789");
        let first = began.elapsed();
        client.read_until("0\r\n\r\n");
        assert!(
            first * 2 < began.elapsed(),
            "{path}: the first byte after {first:?}, the last after {:?}",
            began.elapsed()
        );
    }
}

#[test]
fn grpc_passes_with_its_trailers() {
    let gate = Gate::start_with(&config(), |bootstrap| bootstrap.http2_upstream());
    let ping =
        Request::post("/grpc.Demo/Ping").header("content-type", "application/grpc").header("te", "trailers");
    let answer = gate.http2().send(ping.body([0; 5])).unwrap();
    assert_eq!(
        (answer.status, answer.body.as_slice(), answer.trailer("grpc-status")),
        (200, &[0; 5][..], Some("0"))
    );
    gate.expect_unharmed();
}

#[test]
fn an_envoy_that_never_shows_a_body_hangs_nobody() {
    let mut config = config();
    config["response"]["body_wait_max"] = json!("50ms");
    let gate = Gate::start_with(&config, super::not_shown_bodies);
    for (protocol, client) in gate.both() {
        let got = ask(&client, "/mask", &Answer::json(&leak()));
        assert_eq!((got.status, got.text()), (200, leak()), "{protocol}");
    }
    gate.expect_accounted(2);
    let told = |receipt: &Value| receipt.to_string().contains("not there in time");
    assert!(gate.receipts().iter().all(told), "{:?}", gate.receipts());
    gate.expect_unharmed();
}

/// A gate of one test, so that the last receipt is that of the last request.
fn own_gate(on_error: &Value) -> Gate {
    let route = |name: &str| json!({"name": name, "path": format!("/{name}")});
    let routes = ["mask", "block", "flag", "lines", "fields", "volume"].map(route);
    let rule = |route: &str, action: &str| json!({"routes": [route], "action": action});
    let exposure = json!({
        "rules": [rule("mask", "mask"), rule("block", "block"), rule("flag", "flag"),
            {"routes": ["lines"], "kinds": ["payment_card"], "action": "mask"}, rule("lines", "flag")],
        "fields": [{"routes": ["fields"], "allow": ["id"], "action": "remove"}],
        "volume": [{"name": "rows", "routes": ["volume"], "records_max": 1_000_000}],
        "on_error": on_error,
    });
    Gate::start(&enforcing(json!({
        "routes": routes,
        "response": {"body_read_max": "64KiB"}, "exposure": exposure, "telemetry": {"allow_sample": 1},
    })))
}

/// What the client got, the verdict, and what was told of exposure.
fn told(gate: &Gate, client: &Client, path: &str, answer: &Answer) -> (Response, String, Vec<String>) {
    let before = gate.receipts().len();
    let got = ask(client, path, answer);
    assert!(gate.envoy.wait_for(|_| gate.receipts().len() > before, SOON));
    let receipt = gate.receipts().pop().unwrap();
    let findings = receipt["portcullis.findings"].as_array().unwrap().iter();
    let text = |finding: &Value| {
        format!("{}: {}", finding["check"].as_str().unwrap(), finding["reason"].as_str().unwrap())
    };
    (got, receipt["portcullis.verdict"].as_str().unwrap().to_owned(), findings.map(text).collect())
}

#[test]
fn what_is_too_long_is_one_thing_in_both_framings() {
    let gate = own_gate(&json!({}));
    let strict = own_gate(&json!({"too_long": "block"}));
    let body = format!("[{{\"card\":\"{CARD}\"}},");
    let long = Answer { more: "1234567,".to_owned(), times: 20_000, end: "0]".to_owned(), ..Answer::json(&body) };
    let pieces = Answer { piece_bytes: Some(10_000), ..long.clone() };
    let (unchecked, found) = ("exposure.unchecked: too long", "exposure.payment_card: 1");
    for answer in [&long, &pieces] {
        for (gate, path, verdict, verb) in [
            (&gate, "/mask", "allow", "seen"),
            (&gate, "/flag", "allow", "seen"),
            (&gate, "/block", "deny", "withheld"),
            (&strict, "/mask", "deny", "seen"),
            (&strict, "/flag", "allow", "seen"),
        ] {
            for (protocol, client) in gate.both() {
                let place = format!("{protocol} {path} {:?}", answer.piece_bytes);
                let (got, given, findings) = told(gate, &client, path, answer);
                assert_eq!(given, verdict, "{place}");
                assert_eq!(findings, [unchecked.to_owned(), format!("{found} {verb}")], "{place}");
                match verdict {
                    "allow" => assert!(got.status == 200 && got.text() == answer.text(), "{place}"),
                    _ => assert_eq!((got.status, code(&got).as_str()), (502, "response_withheld"), "{place}"),
                }
            }
        }
    }
    gate.expect_unharmed();
    strict.expect_unharmed();
}

#[test]
fn a_flagged_line_keeps_no_card_from_being_masked() {
    let gate = own_gate(&json!({}));
    let error = format!("SQLSTATE[23000]: duplicate entry {CARD} for key cards");
    let json = json!({"error": error, "id": 1}).to_string();
    for (protocol, client) in gate.both() {
        for answer in [Answer::json(&json), Answer::json(&error).header("content-type", "text/plain")] {
            let (got, _, findings) = told(&gate, &client, "/lines", &answer);
            assert_eq!(got.text(), answer.text().replace(CARD, MASKED), "{protocol}");
            let ids: Vec<&str> = findings.iter().filter_map(|text| text.split(':').next()).collect();
            assert_eq!(ids, ["exposure.payment_card", "exposure.sql_error"], "{protocol}");
        }
    }
    gate.expect_unharmed();
}

#[test]
fn what_is_no_text_follows_its_policy_and_is_told() {
    let gate = own_gate(&json!({}));
    let strict = own_gate(&json!({"unreadable": "block", "compressed": "block", "too_complex": "block"}));
    let typed = |kind: &str| Answer::json(&leak()).header("content-type", kind);
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
    for (path, answer, why, stops) in [
        ("/mask", typed("application/x-protobuf"), "not text", true),
        ("/mask", typed("multipart/mixed; boundary=a"), "not text", true),
        ("/mask", typed("application/vnd.x+json; charset=utf-16"), "in another character set", true),
        ("/mask", typed("application/json").header("content-encoding", "br"), "compressed", true),
        ("/fields", typed("image/png"), "not text", true),
        ("/fields", typed("text/event-stream"), "not text", false),
        ("/fields", Answer::json(&deep), "nested too deeply", true),
        ("/volume", typed("application/cbor"), "not text", false),
    ] {
        let (got, verdict, findings) = told(&gate, &gate.http1(), path, &answer);
        assert!(got.status == 200 && got.text() == answer.text(), "{path} {why}");
        assert_eq!((verdict.as_str(), findings), ("allow", vec![format!("exposure.unchecked: {why}")]), "{path}");
        let (got, verdict, findings) = told(&strict, &strict.http2(), path, &answer);
        assert_eq!(got.status, if stops { 502 } else { 200 }, "{path} {why}");
        assert_eq!(verdict, if stops { "deny" } else { "allow" }, "{path} {why}");
        assert_eq!(findings, [format!("exposure.unchecked: {why}")], "{path}");
    }
    // Where nobody expects data, nothing is told.
    let (got, _, findings) = told(&strict, &strict.http1(), "/mask", &typed("image/png"));
    assert_eq!((got.text(), findings), (leak(), vec![]));
    gate.expect_unharmed();
    strict.expect_unharmed();
}
