//! Whether what was sent is on the dashboard: each panel's expression has data, each alert rule can be evaluated.

use crate::prometheus::Prometheus;
use crate::{eventually, GRAFANA};
use anyhow::{ensure, Context, Result};
use portcullis_lab::client::{Client, Request};
use portcullis_lab::dashboard::{self, Query};
use std::collections::BTreeSet;
use std::time::Duration;

/// Panels that show nothing but zeros as long as all is well.
const WELL_AT_ZERO: [&str; 2] = ["Memory events", "Failed fetches since the last success"];

/// Two scrapes, and then some.
const SCRAPED: Duration = Duration::from_secs(12);

/// Checks everything; says what was seen.
pub(crate) fn check() -> Result<()> {
    let prometheus = Prometheus::new();
    eventually(|| {
        let (up, all) = prometheus.targets()?;
        ensure!(all > 0 && up == all, "{up} of {all} targets are up");
        Ok(())
    })
    .context("Prometheus does not scrape")?;
    std::thread::sleep(SCRAPED);
    rotated(&prometheus)?;
    let panels = panels(&prometheus)?;
    let alerts = alerts(&prometheus)?;
    println!("{panels} expressions of the dashboard have data, {alerts} alert rules can be evaluated.");
    grafana()
}

/// New keys came at least once after the first ones; the traffic has shown that no good token failed meanwhile.
fn rotated(prometheus: &Prometheus) -> Result<()> {
    let fetched = prometheus.values("portcullis_documents_fetches_total{event=\"changed\"}")?;
    ensure!(fetched.iter().any(|times| *times >= 2.0), "the issuer's keys were not fetched anew: {fetched:?}");
    Ok(())
}

fn panels(prometheus: &Prometheus) -> Result<usize> {
    let panels = dashboard::panels()?;
    let mut silent = Vec::new();
    for Query { title, expression } in &panels {
        let values = prometheus.values(expression).with_context(|| title.clone())?;
        let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        println!("{:>4} series, at most {greatest:<12.4} {title}", values.len());
        if values.is_empty() || greatest <= 0.0 && !WELL_AT_ZERO.contains(&title.as_str()) {
            silent.push(format!("{title}: {expression}"));
        }
    }
    ensure!(silent.is_empty(), "nothing to show for\n{}", silent.join("\n"));
    Ok(panels.len())
}

fn alerts(prometheus: &Prometheus) -> Result<usize> {
    let alerts = dashboard::alerts()?;
    let loaded = eventually(|| {
        let loaded = prometheus.rules()?;
        let well: BTreeSet<_> = loaded.into_iter().filter(|(_, well)| *well).map(|(name, _)| name).collect();
        ensure!(well.len() == alerts.len(), "only these rules can be evaluated: {well:?}");
        Ok(well)
    })?;
    for Query { title, expression } in &alerts {
        ensure!(loaded.contains(title), "Prometheus has no rule {title}");
        for metric in dashboard::metrics(expression) {
            let series = format!("{{__name__=~\"{metric}(_bucket)?\"}}");
            ensure!(!prometheus.values(&series)?.is_empty(), "{title}: there is no {metric}");
        }
    }
    Ok(alerts.len())
}

/// `GRAFANA_IS_ABSENT` is set by the script that had to build a stand-in for it.
fn grafana() -> Result<()> {
    if std::env::var_os("GRAFANA_IS_ABSENT").is_some() {
        println!("Grafana could not be had here and was not checked: a stand-in says so in its log.");
        return Ok(());
    }
    let client = Client::http1(GRAFANA);
    let found = eventually(|| {
        let answer = client.send(Request::get("/api/search?type=dash-db"))?;
        ensure!(answer.status == 200, "Grafana says {}", answer.status);
        answer.json()
    })?;
    let found = found.as_array().is_some_and(|found| found.iter().any(|one| one["uid"] == "portcullis"));
    ensure!(found, "Grafana does not have the dashboard");
    println!("Grafana has the dashboard.");
    Ok(())
}
