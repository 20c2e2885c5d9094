//! Every example as a recording: `portcullis replay` comes to the verdicts that the example promises.
//!
//! Left out are examples whose requests depend on what was answered before (a shop that remembers, a token that the client
//! carries): a recording has one answer for each request, whoever got through.

use crate::{file, run};
use base64::prelude::{Engine as _, BASE64_STANDARD};
use portcullis_lab::scenario::request::Ready;
use portcullis_lab::scenario::{Example, Exchange, Kept, Outcome};
use portcullis_lab::tokens::Issuer;
use portcullis_lab::upstream::say::Answer;
use serde_json::{json, Value};
use std::fs;
use std::path::Path;

#[test]
fn a_replay_comes_to_the_verdicts_of_every_example() {
    let mut replayed = 0;
    let mut broken = Vec::new();
    for example in Example::all().unwrap() {
        let Some((recording, expected)) = record(&example) else { continue };
        let folder = tempfile::tempdir().unwrap();
        let log = file(&folder, "taps.json", &recording);
        let receipts = folder.path().join("receipts.log");
        let config = file(&folder, "filter.json", &example.filter);
        let ended = run(&["replay", &log, "-c", &config, "--receipts", &receipts.display().to_string()]);
        assert_eq!(ended.status, 0, "{}: {}", example.name, ended.err);
        let verdicts = verdicts(&receipts);
        for (who, place, promised) in expected {
            let got = &verdicts[place];
            if *got != promised {
                broken.push(format!("examples/{}: {who}: promised {promised:?}, got {got:?}", example.name));
            }
            replayed += 1;
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(replayed > 100, "{replayed}");
}

/// Verdict and checks of each receipt.
fn verdicts(receipts: &Path) -> Vec<(String, Vec<String>)> {
    let lines = fs::read_to_string(receipts).unwrap();
    let receipt = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let receipt: Value = serde_json::from_str(line["portcullis_receipt"].as_str().unwrap()).unwrap();
        let (done, would) = (&receipt["portcullis.verdict"], &receipt["portcullis.would"]);
        let verdict = match (done.as_str().unwrap(), would.as_str().unwrap()) {
            ("allow", "allow") => "allow".to_owned(),
            ("allow", would) => format!("would_{would}"),
            (done, _) => done.to_owned(),
        };
        let findings = receipt["portcullis.findings"].as_array().unwrap().iter();
        (verdict, sorted(findings.map(|finding| finding["check"].as_str().unwrap().to_owned())))
    };
    lines.lines().map(receipt).collect()
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// Who, which request of the recording, and what is promised of it.
type Promise = (String, usize, (String, Vec<String>));

/// The traffic of an example as Envoy's tap filter would write it. `None` where it depends on answers.
fn record(example: &Example) -> Option<(String, Vec<Promise>)> {
    let issuer = Issuer::demo();
    let mut traces: Vec<String> = Vec::new();
    let mut promises = Vec::new();
    for exchange in &example.scenario.exchanges {
        let Exchange { who, does, before, expect, answer, keep, .. } = exchange;
        if expect.verdict == Outcome::None {
            continue;
        }
        for before in before {
            for written in before.requests() {
                let ready = written.prepare(&issuer).unwrap();
                traces.push(trace(&ready, before.status, 0, before.answer.as_ref()));
            }
        }
        let ready = exchange.request(&Kept::new()).prepare(&issuer).ok()?;
        if ready.call().path.starts_with("/shop/") || !keep.is_empty() {
            return None;
        }
        promises.push((
            format!("{who} {does}"),
            traces.len(),
            (expect.verdict.name().to_owned(), sorted(expect.findings.iter().cloned())),
        ));
        traces.push(trace(&ready, expect.status, expect.response_bytes.unwrap_or_default(), answer.as_ref()));
    }
    Some((traces.join("\n"), promises))
}

/// A request and its answer. Of an answer that the example does not tell only the status matters, and at times the length.
fn trace(ready: &Ready, status: u16, bytes: u64, answer: Option<&Answer>) -> String {
    let fields = ready.fields().into_iter();
    let fields = fields.map(|(name, value)| json!({"key": name, "raw_value": BASE64_STANDARD.encode(value)}));
    let body: Vec<u8> = ready.pieces().collect::<Vec<_>>().concat();
    let status = answer.map_or(status, |answer| answer.status);
    let mut said = vec![json!({"key": ":status", "value": status.to_string()})];
    let kept = answer.iter().flat_map(|answer| answer.fields());
    said.extend(kept.map(|(name, value)| json!({"key": name, "value": value})));
    if answer.is_none() && bytes > 0 {
        said.push(json!({"key": "content-type", "value": "application/octet-stream"}));
    }
    let text = answer.map_or_else(|| "x".repeat(usize::try_from(bytes).unwrap()), Answer::text);
    let told = json!({"http_buffered_trace": {
        "request": {
            "headers": fields.collect::<Vec<_>>(), "body": {"as_bytes": BASE64_STANDARD.encode(body)},
        },
        "response": {"headers": said, "body": {"as_string": text}},
        "downstream_connection": {"remote_address": {"socket_address": {"address": ready.source().to_string()}}},
    }});
    told.to_string()
}
