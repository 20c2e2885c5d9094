//! A scenario against a real Envoy: send, then read what Envoy wrote down about it.
//!
//! What the client sees comes from the response, what the operator sees from the access log: the verdict, and the
//! receipt with its findings. The two are brought together by the request's id. All requests are sent first, one
//! after the other, and the log is awaited once, and after each prelude: Envoy writes it every 100 ms here.
//!
//! Bound: 10 seconds for the log. An allowed request has a receipt only where the configuration samples it
//! (`telemetry.allow_sample`); without one its findings are not known.

use super::request::{Clients, Written};
use super::{Example, Expect, Kept, Outcome, Prelude};
use crate::client::Response;
use crate::envoy::Envoy;
use crate::tokens::Issuer;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

const LOG_LIMIT: Duration = Duration::from_secs(10);

/// What came of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The status code that the client got.
    pub status: u16,
    /// The body that the client got.
    pub body: String,
    /// Its bytes.
    pub bytes: u64,
    /// The code that the client was told, if the answer is a problem (RFC 9457).
    pub told: Option<String>,
    /// Verdict and code as the access log has them; `none` if the filter never saw the request.
    pub verdict: String,
    /// The receipt's findings; `None` if there is no receipt.
    pub findings: Option<Vec<Finding>>,
}

/// One finding of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check's id.
    pub check: String,
    /// What it saw: for the operator alone.
    pub reason: String,
}

/// Sends all requests of an example to an Envoy started with [`Example::bootstrap`].
pub fn replay(example: &Example, envoy: &Envoy) -> Result<Vec<Observed>> {
    let clients = Clients::new(envoy.address(), example.scenario.workers);
    let issuer = Issuer::demo();
    let mut responses = Vec::new();
    let mut kept = Kept::new();
    for exchange in &example.scenario.exchanges {
        let place = || format!("{}: {} {}", example.name, exchange.who, exchange.does);
        let send = |written: &Written| written.prepare(&issuer)?.send(&clients);
        let before: Vec<Written> = exchange.before.iter().flat_map(Prelude::requests).collect();
        let mut last = None;
        for written in &before {
            last = Some(send(written).with_context(place)?);
        }
        // What a request adds is there once Envoy has written its line about it.
        if let Some(id) = last.as_ref().and_then(|response| response.header("x-request-id")) {
            let _in_time = envoy.wait_for(|envoy| by_id(envoy).contains_key(id), LOG_LIMIT);
        }
        let response = send(&exchange.request(&kept)).with_context(place)?;
        exchange.keep(&mut kept, |field| response.header(field));
        responses.push(response);
    }
    let ids: Vec<&str> = responses.iter().filter_map(|response| response.header("x-request-id")).collect();
    let complete = |envoy: &Envoy| {
        let lines = by_id(envoy);
        ids.iter().all(|id| lines.contains_key(*id))
    };
    // If a line is missing after all, the exchange it belongs to says so.
    let _in_time = envoy.wait_for(complete, LOG_LIMIT);
    let lines = by_id(envoy);
    let line = |response: &Response| response.header("x-request-id").and_then(|id| lines.get(id));
    Ok(responses.iter().map(|response| Observed::new(response, line(response))).collect())
}

fn by_id(envoy: &Envoy) -> BTreeMap<String, Value> {
    let lines = envoy.access_log().into_iter();
    lines.filter_map(|line| Some((line["request_id"].as_str()?.to_owned(), line))).collect()
}

impl Observed {
    fn new(response: &Response, line: Option<&Value>) -> Self {
        let text = |key: &str| line.and_then(|line| line[key].as_str()).filter(|text| *text != "-");
        let receipt: Option<Value> = text("portcullis_receipt").and_then(|text| serde_json::from_str(text).ok());
        let finding = |entry: &Value| {
            Some(Finding {
                check: entry["check"].as_str()?.to_owned(),
                reason: entry["reason"].as_str()?.to_owned(),
            })
        };
        let findings = receipt.as_ref().and_then(|receipt| receipt["portcullis.findings"].as_array());
        let problem = response.header("content-type") == Some("application/problem+json");
        let told = problem.then(|| response.json().ok()).flatten();
        Observed {
            status: response.status,
            body: response.text(),
            bytes: u64::try_from(response.body.len()).unwrap_or(u64::MAX),
            told: told.and_then(|problem| Some(problem["code"].as_str()?.to_owned())),
            verdict: text("portcullis_verdict").unwrap_or(Outcome::None.name()).to_owned(),
            findings: findings.map(|entries| entries.iter().filter_map(finding).collect()),
        }
    }

    /// How this differs from what was promised, one sentence each; none if it does not.
    pub fn differences(&self, expect: &Expect) -> Vec<String> {
        let refused = matches!(expect.verdict, Outcome::Challenge | Outcome::Deny);
        let told = expect.code.clone().filter(|_| refused);
        let mut differences = Vec::new();
        let mut compare = |what: &str, promised: String, got: String| {
            if promised != got {
                differences.push(format!("{what}: promised {promised}, got {got}"));
            }
        };
        compare("verdict", expect.summary(), self.verdict.clone());
        compare("status", expect.status.to_string(), self.status.to_string());
        if let Some(body) = &expect.body {
            compare("the body", body.clone(), self.body.clone());
        }
        if let Some(bytes) = expect.response_bytes {
            compare("bytes of the response", bytes.to_string(), self.bytes.to_string());
        }
        compare("the client's code", format!("{told:?}"), format!("{:?}", self.told));
        let mut promised: Vec<&str> = expect.findings.iter().map(String::as_str).collect();
        promised.sort_unstable();
        let found = self.findings.as_deref();
        let mut got: Vec<&str> = found.unwrap_or_default().iter().map(|finding| finding.check.as_str()).collect();
        got.sort_unstable();
        compare("findings", format!("{promised:?}"), format!("{got:?}"));
        differences
    }
}
