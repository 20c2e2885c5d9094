//! `portcullis replay`: one configuration, two of them, a gate, a report.

use crate::{file, run, run_with, Ended};
use serde_json::{json, Value};
use std::fs;

const ROUTES: &str =
    r#""routes": [{"name": "search", "path": "/search"}, {"name": "orders", "path": "/orders/{id}"}]"#;

fn monitor() -> String {
    format!(r#"{{"version": 1, "inspect": {{}}, {ROUTES}}}"#)
}

fn enforce() -> String {
    format!(
        r#"{{"version": 1, "mode": "enforce", "inspect": {{}}, {ROUTES},
            "limits": [{{"name": "orders", "routes": ["orders"], "key": ["source"], "limit": 3, "window": "1m"}}]}}"#
    )
}

fn line(second: u32, source: &str, path: &str) -> String {
    let told = json!({
        "time": format!("2026-11-27T08:00:{second:02}Z"), "method": "GET", "path": path, "authority": "a.example",
        "source": source, "response_code": 200, "user_agent": "Mozilla/5.0",
    });
    format!("{told}\n")
}

/// Ten orders of one source within ten seconds, and an attack.
fn recording() -> String {
    let orders: String = (0..10).map(|second| line(second, "192.0.2.1", "/orders/7")).collect();
    orders + &line(20, "192.0.2.2", "/search?token=s3cret&q=1%27%20OR%20%271%27%3D%271%27%20--")
}

fn replay(arguments: &[&str], recording: &str) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let (new, old) = (file(&folder, "new.json", &enforce()), file(&folder, "old.json", &monitor()));
    let recording = file(&folder, "recording", recording);
    let arguments: Vec<String> =
        arguments.iter().map(|argument| argument.replace("NEW", &new).replace("OLD", &old)).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run(&[&["replay", &recording][..], &arguments].concat())
}

#[test]
fn verdicts_are_counted_by_route_and_check() {
    let told = replay(&["--config", "NEW", "--json"], &recording()).json();
    assert_eq!(told["requests"], json!(11));
    assert_eq!(told["result"]["routes"]["orders"]["allow"], json!(3));
    assert_eq!(told["result"]["routes"]["orders"]["deny"], json!(7));
    assert_eq!(told["result"]["checks"]["limits.exceeded"]["stopped"], json!(7));
    assert_eq!(told["result"]["codes"]["rate_limited"], json!(7));
    assert_eq!(told["lacking"]["fields"], json!(11));
}

#[test]
fn time_is_that_of_the_recording() {
    let slow: String = (0..10)
        .map(|minute| line(0, "192.0.2.1", "/orders/7").replace("08:00", &format!("08:{minute:02}")))
        .collect();
    let told = replay(&["--config", "NEW", "--json"], &slow).json();
    assert_eq!(told["result"]["routes"]["orders"]["allow"], json!(10));
}

#[test]
fn what_is_newly_denied_is_told_with_examples_and_without_secrets() {
    let ended = replay(&["--config", "NEW", "--against", "OLD"], &recording());
    assert_eq!(ended.status, 0);
    for part in [
        "8 newly denied",
        "7 rate_limited",
        "GET /search?token=…&q=…",
        "would_deny:risk_denied → deny:risk_denied",
        "payload.sql",
    ] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    assert!(!ended.out.contains("s3cret"), "{}", ended.out);
    let back = replay(&["--config", "OLD", "--against", "NEW", "--json"], &recording()).json();
    assert_eq!(back["against"]["changes"]["newly_allowed"]["requests"], json!(8));
}

#[test]
fn the_gate_decides_the_exit_status() {
    for (allowance, status) in [("8", 0), ("7", 1), ("80%", 0), ("1%", 1)] {
        let ended = replay(&["-c", "NEW", "--against", "OLD", "--max-newly-denied", allowance], &recording());
        assert_eq!(ended.status, status, "{allowance}: {}", ended.out);
        assert!(ended.out.contains(if status == 0 { "Gate passed" } else { "Gate not passed" }));
    }
    for wrong in ["x", "101%", "-1"] {
        let argument = format!("--max-newly-denied={wrong}");
        assert_eq!(replay(&["-c", "NEW", "--against", "OLD", &argument], &recording()).status, 2, "{wrong}");
    }
    assert_eq!(
        replay(&["-c", "NEW", "--max-newly-denied", "1"], &recording()).status,
        2,
        "there is nothing to compare"
    );
}

#[test]
fn a_trial_can_be_judged_as_if_it_were_enforced() {
    let told = replay(&["-c", "OLD", "--enforce", "--json"], &recording()).json();
    assert_eq!(told["result"]["outcomes"]["deny"], json!(1));
    assert_eq!(told["result"]["outcomes"]["would_deny"], json!(0));
}

#[test]
fn the_report_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.html").display().to_string();
    let ended = replay(&["-c", "NEW", "--against", "OLD", "--html", &report], &recording());
    assert_eq!(ended.status, 0);
    let page = fs::read_to_string(&report).unwrap();
    for part in
        ["<svg", "Verdicts over time", "prefers-color-scheme: dark", "8 requests newly denied", "rate_limited"]
    {
        assert!(page.contains(part), "{part}");
    }
    for part in ["<script", "http://", "https://", "@import", "url(", "s3cret"] {
        assert!(!page.contains(part), "{part}");
    }
}

#[test]
fn archives_and_traces_are_replayed_too() {
    let archive = json!({"log": {"entries": [{
        "startedDateTime": "2026-11-27T08:00:00Z",
        "request": {"method": "POST", "url": "https://a.example/search", "headers": [
            {"name": "content-type", "value": "application/json"}], "postData": {"text": "{\"q\": \"1' UNION SELECT a FROM b --\"}"}},
        "response": {"status": 200, "headers": [], "content": {"size": 0}},
    }]}});
    let trace = json!({"http_buffered_trace": {
        "request": {"headers": [{"key": ":method", "value": "GET"}, {"key": ":authority", "value": "a.example"},
                                {"key": ":path", "value": "/search?q=%3Cscript%3Ealert(1)%3C/script%3E"}]},
        "response": {"headers": [{"key": ":status", "value": "200"}]},
    }});
    for (recording, check) in [(archive, "payload.sql"), (trace, "payload.script")] {
        let told = replay(&["-c", "NEW", "--json", "--at", "2026-11-27T08:00:00Z"], &recording.to_string()).json();
        assert_eq!(told["result"]["checks"][check]["stopped"], json!(1), "{told}");
    }
}

#[test]
fn documents_come_from_files_and_tokens_may_have_been_valid_then() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "version": 1, "mode": "enforce", "identity": {"issuers": [{
            "issuer": "https://id.example", "audiences": ["a"], "jwks_from": {"cluster": "id", "uri": "https://id.example/keys"},
        }]},
    });
    let config = file(&folder, "config.json", &config.to_string());
    let keys = file(
        &folder,
        "keys.json",
        r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    );
    // {"alg":"EdDSA","kid":"k1"} . {"iss":"https://id.example","aud":"a","sub":"ada","iat":1764230400,"exp":1764234000} . nothing that verifies
    let token = "eyJhbGciOiJFZERTQSIsImtpZCI6ImsxIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJhdWQiOiJhIiwic3ViIjoiYWRhIiwiaWF0IjoxNzY0MjMwNDAwLCJleHAiOjE3NjQyMzQwMDB9.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let log = json!({
        "time": "2025-11-27T08:10:00Z", "method": "GET", "path": "/", "authority": "a.example", "source": "192.0.2.1",
        "response_code": 200, "request_headers": {"authorization": format!("Bearer {token}")},
    });
    let log = file(&folder, "log", &log.to_string());
    let codes = |arguments: &[&str]| {
        run(&[&["replay", &log, "-c", &config, "--json"][..], arguments].concat()).json()["result"]["codes"]
            .clone()
    };
    assert_eq!(codes(&[]), json!({"token_keys_unavailable": 1}));
    let document = format!("https://id.example/keys={keys}");
    assert_eq!(codes(&["--document", &document]), json!({"token_signature": 1}));
    assert_eq!(codes(&["--no-identity"]), json!({}));
}

#[test]
fn receipts_of_a_replay_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let receipts = folder.path().join("receipts.log").display().to_string();
    replay(&["-c", "NEW", "--receipts", &receipts], &recording());
    let lines: Vec<Value> =
        fs::read_to_string(&receipts).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 11);
    assert_eq!(lines[0]["time"], json!("2026-11-27T08:00:00Z"));
    assert_eq!(run(&["explain", &receipts]).status, 0);
}

#[test]
fn nothing_to_replay_is_no_answer() {
    for recording in ["", "no JSON at all\n", "{\"a\": 1}\n"] {
        let ended = replay(&["-c", "NEW"], recording);
        assert_eq!((ended.status, ended.out.as_str()), (2, ""), "{recording}");
        assert!(ended.err.contains("there is no request"), "{}", ended.err);
    }
    assert_eq!(run(&["replay", "-", "-c", "no.json"]).status, 2);
    assert_eq!(run_with(&["replay", "-", "-c", "examples/injection/filter.json"], &recording()).status, 0);
}
