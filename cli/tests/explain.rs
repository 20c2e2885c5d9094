//! `portcullis explain`: a receipt, told.

use crate::{file, run_with};
use serde_json::{json, Value};

fn receipt(id: &str, findings: &Value, verdict: &str, risk: f64) -> String {
    let told = json!({
        "event.kind": "alert", "http.request.id": id, "http.request.method": "GET", "http.response.status_code": 403,
        "user.hash": "0011223344556677", "event.duration": 42_000, "portcullis.route": "search",
        "portcullis.verdict": verdict, "portcullis.would": "deny", "portcullis.mode": "enforce", "portcullis.risk": risk,
        "portcullis.findings": findings, "portcullis.config": "000000000000",
        "portcullis.limits": [{"limit": "search", "decision": "allow", "allowed": 10, "remaining": 4, "reset_ms": 1500}],
    });
    told.to_string()
}

fn score(check: &str, score: f64) -> Value {
    json!({"check": check, "code": "x", "effect": "score", "score": score, "mode": "enforce", "reason": "`query.q`: seen"})
}

const CONFIG: &str = r#"{"version": 1, "mode": "enforce", "inspect": {}, "routes": [{"name": "search", "path": "/search"}],
    "limits": [{"name": "search", "routes": ["search"], "key": ["source"], "limit": 10, "window": "1m"},
               {"name": "gold", "routes": ["search"], "key": ["source"], "limit": 10, "window": "1m", "when": {"headers": {"x": ["y"]}}}],
    "rules": [{"name": "short", "routes": ["search"], "require": "request.method == \"GET\""}]}"#;

#[test]
fn the_sum_is_told_family_by_family() {
    let findings = json!([score("payload.sql", 0.9), score("agent.scanner", 0.5), score("token.binding.ip", 0.2)]);
    let ended = run_with(&["explain"], &receipt("r-1", &findings, "deny", 0.92));
    assert_eq!(ended.status, 0);
    for part in [
        "r-1 GET on search was denied.",
        "payload: 0.9 and 0.5 make 0.950, capped at 0.9",
        "together 1 − (1 − 0.200) × (1 − 0.900) = 0.920",
        "challenged from 0.3, denied from 0.7",
        "search: allow, 4 of 10 left",
        "403 Forbidden with the code `risk_denied`",
        "A value looks like SQL",
    ] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    assert!(!ended.out.contains("the sum is another"), "{}", ended.out);
    let off = run_with(&["explain"], &receipt("r-1", &findings, "deny", 0.5));
    assert!(off.out.contains("the sum is another"), "{}", off.out);
}

#[test]
fn a_request_is_picked_out_of_a_log() {
    let line = |id: &str| {
        format!("[2026-11-27 08:00:00.000][1][info][wasm] wasm log: {}\n", receipt(id, &json!([]), "deny", 0.0))
    };
    let log = ["starting\n".to_owned(), line("r-1"), line("r-2")].concat();
    let told = run_with(&["explain", "--id", "r-2", "--json"], &log).json();
    assert_eq!(told["request_id"], json!("r-2"));
    let none = run_with(&["explain", "--id", "r-3"], &log);
    assert_eq!((none.status, none.out.as_str()), (1, ""));
    assert!(none.err.contains("there is no receipt of request r-3"), "{}", none.err);
    assert_eq!(run_with(&["explain"], "").status, 1);
}

#[test]
fn what_did_not_fire_is_told_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let config = file(&folder, "config.json", CONFIG);
    let refused = json!([{
        "check": "limits.exceeded", "code": "rate_limited", "effect": "refuse", "mode": "enforce", "reason": "limit `search`",
    }]);
    let ended = run_with(&["explain", "--config", &config], &receipt("r-1", &refused, "deny", 0.0));
    for part in [
        "the configuration given is ",
        "limit search: 4 of 10 were left",
        "limit gold: not charged: the request had been refused before",
        "rule short: not asked: the request had been refused before",
        "section inspect: not asked: `limits.exceeded` had refused the request before",
        "section identity: the configuration asks nobody for a token",
    ] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    let passed =
        run_with(&["explain", "--config", &config, "--json"], &receipt("r-1", &json!([]), "allow", 0.0)).json();
    let unfired = passed["unfired"].as_array().unwrap();
    let why = |name: &str| {
        unfired.iter().find(|own| own["name"] == name).map(|own| own["why"].as_str().unwrap().to_owned())
    };
    assert!(why("gold").unwrap().contains("a condition of `when`"));
    assert_eq!(why("short").as_deref(), Some("kept, or not for this request"));
    assert_eq!(why("inspect").as_deref(), Some("it was asked and found nothing"));
}
