//! Receipts as the filter writes them, read from Envoy's log, its access log, or alone.

use crate::traffic::{self, Line};
use anyhow::Result;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::BufRead;

/// One receipt. What a later version adds is passed over.
#[derive(Debug, Deserialize)]
pub(crate) struct Receipt {
    #[serde(rename = "http.request.id")]
    pub(crate) request_id: String,
    #[serde(rename = "http.request.method", default)]
    pub(crate) method: String,
    #[serde(rename = "http.response.status_code")]
    pub(crate) status: Option<u16>,
    #[serde(rename = "user.hash", default)]
    pub(crate) actor: String,
    #[serde(rename = "event.duration")]
    pub(crate) duration_nanos: Option<u64>,
    #[serde(rename = "portcullis.route")]
    pub(crate) route: String,
    #[serde(rename = "portcullis.verdict")]
    pub(crate) verdict: String,
    #[serde(rename = "portcullis.would")]
    pub(crate) would: String,
    #[serde(rename = "portcullis.mode")]
    pub(crate) mode: String,
    #[serde(rename = "portcullis.risk")]
    pub(crate) risk: f64,
    #[serde(rename = "portcullis.challenge")]
    pub(crate) challenge: Option<String>,
    #[serde(rename = "portcullis.findings", default)]
    pub(crate) findings: Vec<Finding>,
    #[serde(rename = "portcullis.findings_dropped", default)]
    pub(crate) dropped: u32,
    #[serde(rename = "portcullis.limits", default)]
    pub(crate) limits: Vec<Limit>,
    #[serde(rename = "portcullis.behaviour.chain", default)]
    pub(crate) chain: BTreeMap<String, u32>,
    #[serde(rename = "portcullis.config", default)]
    pub(crate) config: String,
}

/// One finding of a receipt.
#[derive(Debug, Deserialize)]
pub(crate) struct Finding {
    pub(crate) check: String,
    pub(crate) rule: Option<String>,
    pub(crate) code: String,
    pub(crate) effect: String,
    pub(crate) score: Option<f64>,
    pub(crate) mode: String,
    pub(crate) reason: String,
}

/// What one limit said.
#[derive(Debug, Deserialize)]
pub(crate) struct Limit {
    pub(crate) limit: String,
    pub(crate) decision: String,
    pub(crate) allowed: u64,
    pub(crate) remaining: u64,
    pub(crate) reset_ms: u64,
    #[serde(default)]
    pub(crate) factors: BTreeMap<String, f64>,
}

impl Receipt {
    /// The receipt of a line, with the time that the line has, if any.
    pub(crate) fn of_line(line: &str) -> Option<(Self, Option<jiff::Timestamp>)> {
        let value = traffic::object(line)?;
        let time =
            ["time", "start_time", "timestamp", "@timestamp"].iter().find_map(|name| value.get(*name)?.as_str());
        let time = time.and_then(|time| time.parse().ok());
        // An access log has the receipt as text in a member of its own, or as a structure.
        let members = value.as_object()?;
        let inner = members.values().find_map(|member| match member {
            Value::String(text) if text.contains("portcullis.verdict") => serde_json::from_str(text).ok(),
            Value::Object(own) if own.contains_key("portcullis.verdict") => Some(member.clone()),
            _ => None,
        });
        Some((serde_json::from_value(inner.unwrap_or(value)).ok()?, time))
    }
}

/// Calls back for every receipt of a line with `part`, and says how many lines had none.
pub(crate) fn each(
    reader: impl BufRead,
    part: &str,
    take: &mut dyn FnMut(Receipt, Option<jiff::Timestamp>) -> Line,
) -> Result<u64> {
    traffic::lines(reader, &mut |line| {
        if !line.contains(part) {
            return Ok(Line::Read);
        }
        Ok(Receipt::of_line(line).map_or(Line::Useless, |(receipt, time)| take(receipt, time)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = r#"{"event.kind":"alert","http.request.id":"r-1","portcullis.route":"a","portcullis.verdict":"allow","portcullis.would":"deny","portcullis.mode":"monitor","portcullis.risk":0.5,"new.key":1}"#;

    #[test]
    fn receipts_are_found_wherever_they_stand() {
        let text = serde_json::json!({"time": "2026-01-01T00:00:00Z", "portcullis_receipt": BARE}).to_string();
        let logged = format!("[2026-01-01 00:00:00.000][12][info][wasm] [ext] wasm log portcullis: {BARE}");
        let nested = format!("{{\"receipt\": {BARE}}}");
        for line in [BARE, &text, &logged, &nested] {
            let (receipt, time) = Receipt::of_line(line).unwrap();
            assert_eq!((receipt.request_id.as_str(), receipt.would.as_str()), ("r-1", "deny"));
            assert_eq!(time.is_some(), line.contains("\"time\""));
        }
        assert!(Receipt::of_line("{\"a\": 1}").is_none() && Receipt::of_line("nothing").is_none());
    }
}
