//! How the risk of a receipt came about: scores within a family, its cap, and all families together.

use super::{check, route};
use crate::output::{DOUBTFUL, FAINT, NAME};
use crate::receipt::Receipt;
use anyhow::Result;
use portcullis::config::Config;
use portcullis::finding::Family;
use portcullis::stages::CHECKS;
use serde_json::{json, Value};
use std::io::Write;

/// The document whose caps and thresholds are the defaults.
const DEFAULTS: &[u8] = br#"{"version": 1}"#;

/// How far the receipt's rounded risk may be off.
const ROUNDING: f64 = 0.0006;

/// One family's part.
#[derive(Debug)]
pub(super) struct Part {
    family: Family,
    scores: Vec<f64>,
    /// What the scores amount to.
    combined: f64,
    cap: f64,
}

/// All parts.
#[derive(Debug)]
pub(super) struct Sum {
    parts: Vec<Part>,
    risk: f64,
    challenge: f64,
    deny: f64,
    /// Whether caps and thresholds are those of the configuration.
    known: bool,
}

impl Part {
    fn counts(&self) -> f64 {
        self.combined.min(self.cap)
    }
}

impl Sum {
    pub(super) fn of(receipt: &Receipt, config: Option<&Config>) -> Self {
        let defaults = Config::parse(DEFAULTS, CHECKS).ok();
        let Some(source) = config.or(defaults.as_ref()) else {
            return Self { parts: Vec::new(), risk: 0.0, challenge: 0.0, deny: 0.0, known: false };
        };
        let part = |family: Family| {
            let own = receipt
                .findings
                .iter()
                .filter(|finding| check(&finding.check).is_some_and(|check| check.family == family));
            let scores: Vec<f64> = own.filter_map(|finding| finding.score).collect();
            let combined = 1.0 - scores.iter().map(|score| 1.0 - score).product::<f64>();
            (!scores.is_empty()).then(|| Part { family, scores, combined, cap: source.cap(family).value() })
        };
        let parts: Vec<Part> = Family::ALL.into_iter().filter_map(part).collect();
        let risk = 1.0 - parts.iter().map(|part| 1.0 - part.counts()).product::<f64>();
        let thresholds = route(receipt, source).or_else(|| source.routes.iter().map(|(_, route)| route).last());
        let (challenge, deny) = thresholds
            .map_or((0.3, 0.7), |route| (route.thresholds.challenge.value(), route.thresholds.deny.value()));
        Self { parts, risk, challenge, deny, known: config.is_some() }
    }

    pub(super) fn write(&self, receipt: &Receipt, out: &mut dyn Write) -> Result<()> {
        writeln!(out, "\n{}", NAME.paint(format!("Risk {}", receipt.risk)))?;
        for part in &self.parts {
            let scores = part.scores.iter().map(f64::to_string).collect::<Vec<_>>().join(" and ");
            let capped =
                if part.combined > part.cap { format!(", capped at {}", part.cap) } else { String::new() };
            let several =
                if part.scores.len() > 1 { format!(" make {:.3}", part.combined) } else { String::new() };
            writeln!(out, "  {}: {scores}{several}{capped}", part.family.name())?;
        }
        if self.parts.len() > 1 {
            let factors = self.parts.iter().map(|part| format!("(1 − {:.3})", part.counts())).collect::<Vec<_>>();
            writeln!(out, "  together 1 − {} = {:.3}", factors.join(" × "), self.risk)?;
        }
        let whose = if self.known { "of the route" } else { "by default; --config tells the route's own" };
        let told = format!("challenged from {}, denied from {} ({whose})", self.challenge, self.deny);
        writeln!(out, "  {}", FAINT.paint(told))?;
        if (self.risk - receipt.risk).abs() > ROUNDING {
            let told = "the sum is another: caps or thresholds of the filter's configuration differ, or findings were dropped";
            writeln!(out, "  {} {told}", DOUBTFUL.paint("note:"))?;
        }
        if receipt.challenge.is_some() {
            writeln!(out, "  a challenge was due, which the caller's login had satisfied already")?;
        }
        Ok(())
    }

    pub(super) fn told(&self, receipt: &Receipt) -> Value {
        let families = self.parts.iter().map(|part| {
            json!({
                "family": part.family.name(), "scores": part.scores, "combined": part.combined, "cap": part.cap,
                "counts": part.counts(),
            })
        });
        json!({
            "receipt": receipt.risk, "recomputed": self.risk, "families": families.collect::<Vec<_>>(),
            "challenge_from": self.challenge, "deny_from": self.deny,
        })
    }
}
