//! The shipped dashboard and alert rules (`envoy/observability`), as the questions that they ask Prometheus.
//!
//! A panel that shows nothing because a metric was renamed looks like a quiet day. So tests compare every expression with
//! the metrics there are, and `make compose-check` asks a real Prometheus each of them. Bounds: none; the files are ours.
//! Not covered: how a panel looks, what PromQL makes of an expression (Prometheus itself is asked for that).

use crate::workspace;
use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What Grafana puts in place of its variables, for who asks Prometheus directly: the whole harness, a minute at a time.
const VARIABLES: [(&str, &str); 4] =
    [("$__rate_interval", "1m"), ("$__range", "15m"), ("$instance", ".*"), ("$route", ".*")];

/// One expression, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The panel's title or the alert's name.
    pub title: String,
    /// As Prometheus takes it.
    pub expression: String,
}

/// Where the files are.
pub fn folder() -> PathBuf {
    workspace().join("envoy/observability")
}

/// Every expression of the dashboard, in its order.
pub fn panels() -> Result<Vec<Query>> {
    let dashboard: Value = serde_json::from_str(&text(&folder().join("dashboard.json"))?)?;
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().context("the dashboard has no panels")? {
        let title = panel["title"].as_str().context("a panel without a title")?;
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().with_context(|| format!("{title} asks nothing"))?;
            found.push(Query { title: title.to_owned(), expression: plain(expression) });
        }
    }
    Ok(found)
}

/// Every alert, in its order.
pub fn alerts() -> Result<Vec<Query>> {
    #[derive(Deserialize)]
    struct File {
        groups: Vec<Group>,
    }
    #[derive(Deserialize)]
    struct Group {
        rules: Vec<Rule>,
    }
    #[derive(Deserialize)]
    struct Rule {
        alert: String,
        expr: String,
    }
    let file: File = serde_norway::from_str(&text(&folder().join("alerts.yaml"))?)?;
    let rules = file.groups.into_iter().flat_map(|group| group.rules);
    Ok(rules.map(|rule| Query { title: rule.alert, expression: rule.expr }).collect())
}

/// The filter's own metrics in an expression or a text, without what a histogram adds to its name.
pub fn metrics(text: &str) -> BTreeSet<String> {
    let word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = text.split(|character| !word(character)).filter(|word| word.starts_with("portcullis_"));
    words
        .map(|name| ["_bucket", "_sum", "_count"].iter().fold(name, |name, part| name.trim_end_matches(part)))
        .map(str::to_owned)
        .collect()
}

/// The expression without Grafana's variables.
fn plain(expression: &str) -> String {
    VARIABLES.iter().fold(expression.to_owned(), |text, (variable, value)| text.replace(variable, value))
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_found_in_an_expression() {
        let expression =
            "histogram_quantile(0.9, sum by (le) (rate(portcullis_duration_us_bucket{a=\"portcullis\"}[5m]))) \
                          / portcullis_requests_total";
        let expected = ["portcullis_duration_us", "portcullis_requests_total"];
        assert_eq!(metrics(expression), expected.map(str::to_owned).into());
    }

    #[test]
    fn no_variable_of_grafana_is_left() {
        let queries = panels().unwrap();
        assert!(queries.len() > 10, "{queries:?}");
        for query in queries {
            assert!(!query.expression.contains('$'), "{}: {}", query.title, query.expression);
        }
    }
}
