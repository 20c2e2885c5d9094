//! Prometheus's HTTP API, as far as it is needed here.

use crate::PROMETHEUS;
use anyhow::{ensure, Context, Result};
use portcullis_lab::client::{Client, Request};
use serde_json::Value;

/// A running Prometheus.
#[derive(Debug)]
pub(crate) struct Prometheus {
    client: Client,
}

impl Prometheus {
    pub(crate) fn new() -> Self {
        Prometheus { client: Client::http1(PROMETHEUS) }
    }

    /// The values of all series that an expression has now.
    pub(crate) fn values(&self, expression: &str) -> Result<Vec<f64>> {
        let data = self.get(&format!("/api/v1/query?query={}", encoded(expression)))?;
        let series = data["result"].as_array().context("no list of series")?;
        let value = |series: &Value| series["value"][1].as_str()?.parse().ok();
        Ok(series.iter().filter_map(value).filter(|value: &f64| !value.is_nan()).collect())
    }

    /// How many targets are up, and how many there are.
    pub(crate) fn targets(&self) -> Result<(usize, usize)> {
        let data = self.get("/api/v1/targets?state=active")?;
        let targets = data["activeTargets"].as_array().context("no list of targets")?;
        Ok((targets.iter().filter(|target| target["health"] == "up").count(), targets.len()))
    }

    /// Every loaded rule: its name, and whether it could be evaluated.
    pub(crate) fn rules(&self) -> Result<Vec<(String, bool)>> {
        let data = self.get("/api/v1/rules")?;
        let groups = data["groups"].as_array().context("no list of rules")?.iter();
        let rules = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
        Ok(rules
            .map(|rule| (rule["name"].as_str().unwrap_or_default().to_owned(), rule["health"] == "ok"))
            .collect())
    }

    fn get(&self, path: &str) -> Result<Value> {
        let answer = self.client.send(Request::get(path))?;
        let body = answer.text();
        ensure!(answer.status == 200, "Prometheus says {}: {body}", answer.status);
        Ok(serde_json::from_str::<Value>(&body)?["data"].take())
    }
}

/// Everything but letters and digits, so that any expression is one parameter.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
