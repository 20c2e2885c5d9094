//! What Envoy counted, as Prometheus scrapes it.
//!
//! Every example has an Envoy of its own, so series of the same name are added up. Only those of the filter that
//! are not zero are shown, grouped: requests by verdict and route, then findings by rule.

use crate::{plural, BOLD, DIM};
use anstream::println;
use portcullis_lab::envoy::Envoy;
use std::collections::BTreeMap;

/// A heading and the metric under it.
const GROUPS: [(&str, &str); 2] =
    [("requests", "portcullis_requests_total"), ("findings", "portcullis_findings_total")];

/// Series and their values.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    series: BTreeMap<String, u64>,
}

impl Counters {
    /// What one Envoy reports now.
    pub(crate) fn of(envoy: &Envoy) -> Self {
        let mut counters = Self::default();
        counters.add(&envoy.prometheus());
        counters
    }

    /// How many requests are counted.
    pub(crate) fn requests(&self) -> u64 {
        let [(_, requests), _] = GROUPS;
        self.series.iter().filter(|(series, _)| series.contains(requests)).map(|(_, value)| value).sum()
    }

    /// Adds what one Envoy reports in Prometheus's text format.
    pub(crate) fn add(&mut self, report: &str) {
        for line in report.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<u64>() else { continue };
            if value > 0 && GROUPS.iter().any(|(_, metric)| series.contains(metric)) {
                *self.series.entry(series.to_owned()).or_default() += value;
            }
        }
    }

    /// Prints them, most frequent first.
    pub(crate) fn print(&self, envoys: usize) {
        println!(
            "{BOLD}What Envoy counted{BOLD:#} {DIM}· /stats/prometheus of {}{DIM:#}",
            plural(envoys, "Envoy")
        );
        for (heading, metric) in GROUPS {
            let mut group: Vec<_> = self.series.iter().filter(|(series, _)| series.contains(metric)).collect();
            group.sort_by_key(|(_, value)| std::cmp::Reverse(**value));
            let width = group.iter().map(|(series, _)| series.len()).max().unwrap_or(0);
            println!("\n  {DIM}{heading}{DIM:#}");
            for (series, value) in group {
                println!("  {series:width$} {value:>4}");
            }
        }
        println!();
    }
}
