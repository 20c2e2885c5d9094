//! What reaches a terminal: colours only where they are wanted, nothing that a client chose, and silence on a closed pipe.

use crate::{command, file, run, run_with};
use serde_json::json;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

const ESCAPES: [&str; 3] = ["\u{1b}", "\u{9b}", "\u{202e}"];

#[test]
fn colours_are_for_those_who_want_them() {
    let config = "examples/injection/filter.json";
    assert!(!run(&["check", config]).out.contains('\u{1b}'), "a pipe gets none");
    assert!(run(&["check", config, "--color", "always"]).out.contains("\u{1b}["));
    let mut forced = command(&["check", config]);
    let output = forced.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").output().unwrap();
    assert!(!String::from_utf8(output.stdout).unwrap().contains('\u{1b}'), "NO_COLOR counts");
}

#[test]
fn nothing_recorded_controls_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let config = file(&folder, "config.json", r#"{"version": 1, "mode": "enforce", "inspect": {}}"#);
    let path = "/\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}/%2e%2e/%00?\u{1b}[31m=' UNION SELECT a FROM b--";
    let line = json!({
        "time": "2026-11-27T08:00:00Z", "method": "GE\u{1b}[2JT", "path": path, "authority": "\u{1b}[1m", "user_agent": "sqlmap\u{1b}[5m",
        "request_headers": {"x-\u{1b}[7m": "' OR 1=1 --\u{1b}[0m"}, "response_code": 200, "request_id": "\u{1b}[3m",
    });
    let log = file(&folder, "log", &line.to_string());
    let receipts = folder.path().join("receipts").display().to_string();
    let report = folder.path().join("report.html").display().to_string();
    let trial = file(&folder, "trial.json", r#"{"version": 1}"#);
    let replayed =
        run(&["replay", &log, "-c", &config, "--against", &trial, "--receipts", &receipts, "--html", &report]);
    assert_eq!(replayed.status, 0, "{}", replayed.err);
    assert!(replayed.out.contains("\\u{1b}"), "it is shown: {}", replayed.out);
    let json = run(&["replay", &log, "-c", &config, "--json"]);
    let explained = run(&["explain", &receipts]);
    let page = std::fs::read_to_string(&report).unwrap();
    for text in [&replayed.out, &json.out, &explained.out, &page, &std::fs::read_to_string(&receipts).unwrap()] {
        for escape in ESCAPES {
            assert!(!text.contains(escape), "{escape:?} in {text}");
        }
    }
}

#[test]
fn nothing_in_a_receipt_or_a_configuration_controls_a_terminal() {
    let receipt = json!({
        "http.request.id": "r\u{1b}[31m", "http.request.method": "\u{9b}2J", "user.hash": "\u{1b}", "portcullis.route": "\u{202e}",
        "portcullis.verdict": "deny", "portcullis.would": "deny", "portcullis.mode": "enforce", "portcullis.risk": 0.5,
        "portcullis.config": "\u{1b}[0m", "portcullis.behaviour.chain": {"\u{1b}c": 1},
        "portcullis.findings": [{"check": "\u{1b}[1m", "rule": "\u{1b}", "code": "\u{9b}", "effect": "\u{1b}", "mode": "m", "reason": "a\u{1b}[2Jb"}],
        "portcullis.limits": [{"limit": "\u{1b}", "decision": "\u{9b}", "allowed": 1, "remaining": 1, "reset_ms": 1, "factors": {"\u{1b}": 1.0}}],
    });
    let config = format!("{{\"version\": 1, \"{}\": 1}}", "\u{9b}2J\u{202e}");
    for ended in [
        run_with(&["explain"], &receipt.to_string()),
        run_with(&["explain", "--config", "examples/scanner/filter.json"], &receipt.to_string()),
        run_with(&["explain", "--json"], &receipt.to_string()),
        run_with(&["explain", "--id", "\u{1b}[31m"], "{}"),
        run_with(&["check"], &config),
        run_with(&["check", "--json"], &config),
        run(&["check", "no\u{1b}[31m"]),
    ] {
        for escape in ESCAPES {
            assert!(!ended.out.contains(escape) && !ended.err.contains(escape), "{escape:?} in {ended:?}");
        }
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = command(&["schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    let mut out = BufReader::with_capacity(16, child.stdout.take().unwrap());
    out.read_line(&mut first).unwrap();
    drop(out);
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str(), first.as_str()), (Some(0), "", "{\n"));
}

#[test]
fn help_is_there_for_every_command() {
    for command in ["check", "schema", "explain", "replay", "suggest", "bench", "reference", "completions", "man"]
    {
        let ended = run(&[command, "--help"]);
        assert_eq!(ended.status, 0);
        assert!(ended.out.contains("Usage: portcullis"), "{}", ended.out);
    }
    assert!(run(&["--version"]).out.starts_with("portcullis "));
    assert_eq!(run(&[]).status, 2);
}
