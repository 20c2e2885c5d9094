//! Routes on which many would be stopped by their risk alone, although the service answered well.

use super::{percentile, Suggestion};
use crate::args::Suggest;
use crate::receipt::Receipt;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Risks that are remembered of each route; with more, every second one is.
const RISKS_MAX: usize = 100_000;

/// Above this a threshold would let attacks pass: then the findings are to be excluded instead.
const CHALLENGE_MAX: f64 = 0.6;

#[derive(Debug, Default)]
struct Route {
    risks: Vec<f64>,
    stopped: BTreeSet<String>,
}

#[derive(Debug, Default)]
pub(super) struct Risks {
    routes: BTreeMap<String, Route>,
}

impl Risks {
    pub(super) fn add(&mut self, receipt: &Receipt) {
        let by_risk = receipt.findings.iter().all(|finding| matches!(finding.effect.as_str(), "score" | "note"));
        let is_benign = receipt.status.is_some_and(|status| status < 400);
        // One kind of finding alone: several at a time are what thresholds are for.
        let checks: BTreeSet<&str> = receipt.findings.iter().map(|finding| finding.check.as_str()).collect();
        if !by_risk || !is_benign || checks.len() > 1 {
            return;
        }
        let route = self.routes.entry(receipt.route.clone()).or_default();
        if route.risks.len() >= RISKS_MAX {
            let mut keep = false;
            route.risks.retain(|_| {
                keep = !keep;
                keep
            });
        }
        route.risks.push(receipt.risk);
        if receipt.would == "challenge" && route.stopped.len() < RISKS_MAX {
            route.stopped.insert(receipt.actor.clone());
        }
    }

    pub(super) fn suggestions(&mut self, own: &Suggest) -> Vec<Suggestion> {
        let mut suggestions = Vec::new();
        for (name, route) in &mut self.routes {
            route.risks.sort_by(f64::total_cmp);
            let usual = percentile(&route.risks, own.percentile).unwrap_or_default();
            let challenge = ((usual + 0.05) * 20.0).round() / 20.0;
            let is_real = name != "unmatched" && name != "ambiguous";
            if is_real && route.stopped.len() >= own.actors && challenge <= CHALLENGE_MAX {
                suggestions.push(Suggestion {
                    list: "routes",
                    value: json!({"name": name, "risk": {"challenge": challenge, "deny": 0.7}}),
                    reason: format!(
                        "{} actors would be challenged for one kind of finding and were answered well; {} % of {} such \
                         requests have a risk of {usual} or less; the route's other keys stay as they are",
                        route.stopped.len(),
                        own.percentile,
                        route.risks.len()
                    ),
                });
            }
        }
        suggestions
    }
}
