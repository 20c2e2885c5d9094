//! Every command of docs/command-line.md is run, in the order of the page and in one folder, and prints what the page says.
//!
//! In a block of `console` a line that begins with `$ ` is a command for a shell, and the lines up to the next one are its output:
//! `…` alone on a line stands for any number of lines, within one for any text. A block of `json` or `text` behind a line that names a file
//! (`file.json:`) is that file.

use crate::{file, root, run};
use serde_json::{json, Value};
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn every_command_of_the_page_does_what_it_says() {
    let page = fs::read_to_string(root().join("docs/command-line.md")).expect("there is a page");
    let folder = tempfile::tempdir().unwrap();
    // The page speaks of these.
    std::os::unix::fs::symlink(root().join("examples"), folder.path().join("examples")).unwrap();
    std::os::unix::fs::symlink(root().join("envoy"), folder.path().join("envoy")).unwrap();
    let mut commands = 0;
    let mut before = "";
    let mut rest = page.as_str();
    while let Some((text, block)) = rest.split_once("\n```") {
        let (kind, block) = block.split_once('\n').expect("a block has lines");
        let (content, after) = block.split_once("```").expect("a block ends");
        before = text.lines().rev().find(|line| !line.is_empty()).unwrap_or(before);
        match (kind, before.trim_end_matches(':').trim_matches('`')) {
            ("console", _) => commands += run_block(content, folder.path()),
            ("json" | "text", name) if before.ends_with(':') && name.contains('.') => {
                fs::write(folder.path().join(name), content).unwrap();
            }
            _ => {}
        }
        rest = after;
    }
    assert!(commands >= 10, "{commands} commands");
}

fn run_block(block: &str, folder: &Path) -> usize {
    let mut parts: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), parts.last_mut()) {
            (Some(command), _) => parts.push((command, Vec::new())),
            (None, Some((_, expected))) => expected.push(line),
            (None, None) => panic!("output without a command: {line}"),
        }
    }
    for (command, expected) in &parts {
        let binary = Path::new(env!("CARGO_BIN_EXE_portcullis")).parent().unwrap().display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("bash")
            .args(["-c", &format!("{{ {command}; }} 2>&1")])
            .current_dir(folder)
            .env("PATH", format!("{binary}:{path}"))
            .output()
            .expect("there is a shell");
        let got = String::from_utf8(output.stdout).unwrap();
        let got: Vec<&str> = got.lines().collect();
        assert!(
            fits(expected, &got),
            "$ {command}\nexpected:\n{}\n\ngot:\n{}",
            expected.join("\n"),
            got.join("\n")
        );
    }
    parts.len()
}

/// Whether the output is the one expected.
fn fits(expected: &[&str], got: &[&str]) -> bool {
    match (expected.split_first(), got.split_first()) {
        (None, None) => true,
        (Some((&"…", expected)), _) => (0..=got.len()).any(|skipped| fits(expected, &got[skipped..])),
        (Some((line, expected)), Some((first, got))) => line_fits(line, first) && fits(expected, got),
        _ => false,
    }
}

fn line_fits(expected: &str, got: &str) -> bool {
    match expected.split_once('…') {
        None => expected.trim_end() == got.trim_end(),
        Some((start, rest)) => got.strip_prefix(start).is_some_and(|got| {
            got.char_indices().map(|(at, _)| at).chain([got.len()]).any(|at| line_fits(rest, &got[at..]))
        }),
    }
}

/// The access log that the page proposes has everything that a log can have.
#[test]
fn the_proposed_access_log_can_be_replayed() {
    let page = fs::read_to_string(root().join("docs/command-line.md")).expect("there is a page");
    let block = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    let mut line = block.replace("json_format:\n", "");
    for (operator, value) in [
        ("%START_TIME%", "2026-11-27T08:00:00.123Z"),
        ("%REQ(:METHOD)%", "GET"),
        ("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "/api/%2e%2e/admin"),
        ("%REQ(:AUTHORITY)%", "a.example"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "192.0.2.1"),
        ("%RESPONSE_CODE%", "200"),
        ("%BYTES_RECEIVED%", "0"),
        ("%BYTES_SENT%", "12"),
    ] {
        assert!(line.contains(operator), "{operator}");
        line = line.replace(operator, value);
    }
    let line: Value = serde_norway::from_str(&line).expect("YAML");
    let folder = tempfile::tempdir().unwrap();
    let log = file(&folder, "access.log", &line.to_string());
    let told = run(&["replay", &log, "-c", "examples/injection/filter.json", "--json"]).json();
    assert_eq!(told["lacking"], json!({"time": 0, "source": 0, "body": 0, "fields": 0}));
    assert_eq!(told["result"]["codes"], json!({"path_dot_segments": 1}));
}

#[test]
fn outputs_are_compared_line_by_line() {
    assert!(fits(&["a", "…", "z"], &["a", "b", "c", "z"]));
    assert!(fits(&["a … c"], &["a b c"]) && fits(&["…"], &[]));
    assert!(!fits(&["a"], &["a", "b"]) && !fits(&["a", "…", "z"], &["a", "b"]) && !fits(&["x … z"], &["a z"]));
}
