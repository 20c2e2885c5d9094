//! Verdicts of one configuration, counted by route, check and time.

use super::reasons;
use super::timeline::Timeline;
use crate::drive::Judged;
use portcullis::config::Mode;
use portcullis::stages::risk::Judgement;
use portcullis::time::Millis;
use serde_json::{json, Value};
use std::collections::BTreeMap;

/// Counts by outcome, in the order of [`Judgement::OUTCOMES`].
pub(super) type Counts = [u64; Judgement::OUTCOMES.len()];

/// What one check found.
#[derive(Debug, Default, Clone)]
pub(super) struct Found {
    /// Requests it found something in.
    pub(super) requests: u64,
    /// Those in which it was in force.
    pub(super) in_force: u64,
    /// Those that were stopped or would have been.
    pub(super) stopped: u64,
}

/// A request that stands for others.
#[derive(Debug, Clone)]
pub(super) struct Example {
    pub(super) line: String,
    pub(super) route: String,
    pub(super) before: Option<String>,
    pub(super) after: String,
    pub(super) reasons: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Tally {
    enforce: bool,
    pub(super) requests: u64,
    pub(super) outcomes: Counts,
    pub(super) routes: BTreeMap<String, Counts>,
    pub(super) checks: BTreeMap<&'static str, Found>,
    pub(super) codes: BTreeMap<String, u64>,
    pub(super) timeline: Timeline,
    /// Of requests that are not simply allowed.
    pub(super) examples: Vec<Example>,
}

impl Tally {
    pub(super) fn new(enforce: bool) -> Self {
        Self {
            enforce,
            requests: 0,
            outcomes: Counts::default(),
            routes: BTreeMap::new(),
            checks: BTreeMap::new(),
            codes: BTreeMap::new(),
            timeline: Timeline::default(),
            examples: Vec::new(),
        }
    }

    /// The outcome that counts: with `--enforce`, what would have been done is done.
    pub(super) fn verdict(&self, outcome: &'static str) -> &'static str {
        outcome.strip_prefix("would_").filter(|_| self.enforce).unwrap_or(outcome)
    }

    pub(super) fn add(&mut self, judged: &Judged, route: &str, at: Millis) {
        let outcome = self.verdict(judged.outcome);
        let place = Judgement::OUTCOMES.iter().position(|known| *known == outcome).unwrap_or_default();
        self.requests += 1;
        self.outcomes[place] += 1;
        // Names of routes come from the configuration, so there is an end of them.
        self.routes.entry(route.to_owned()).or_default()[place] += 1;
        self.timeline.add(at, place);
        if let Some((_, code)) = judged.summary.split_once(':') {
            *self.codes.entry(code.to_owned()).or_default() += 1;
        }
        let mut seen: BTreeMap<&'static str, bool> = BTreeMap::new();
        for weighed in &judged.findings {
            *seen.entry(weighed.finding.check.id).or_default() |= self.enforce || weighed.mode == Mode::Enforce;
        }
        for (check, in_force) in seen {
            let found = self.checks.entry(check).or_default();
            found.requests += 1;
            found.in_force += u64::from(in_force);
            found.stopped += u64::from(judged.outcome != "allow");
        }
    }

    /// Keeps a request as an example if there are few of its code yet.
    pub(super) fn keep_example(
        &mut self,
        judged: &Judged,
        route: &str,
        each_max: usize,
        line: impl FnOnce() -> String,
    ) {
        let of_code = self.examples.iter().filter(|example| example.after == judged.summary).count();
        if judged.outcome != "allow" && of_code < each_max {
            let (line, route, after) = (line(), route.to_owned(), judged.summary.clone());
            Example { line, route, before: None, after, reasons: reasons(judged) }.keep(&mut self.examples);
        }
    }

    /// Checks, the busiest first.
    pub(super) fn busiest(&self) -> Vec<(&'static str, &Found)> {
        let mut checks: Vec<_> = self.checks.iter().map(|(check, found)| (*check, found)).collect();
        checks.sort_by_key(|(check, found)| (std::cmp::Reverse(found.requests), *check));
        checks
    }

    pub(super) fn told(&self) -> Value {
        let named = |counts: &Counts| {
            let pairs =
                Judgement::OUTCOMES.iter().zip(counts).map(|(name, count)| ((*name).to_owned(), json!(count)));
            Value::Object(pairs.collect())
        };
        let routes = self.routes.iter().map(|(route, counts)| (route.clone(), named(counts)));
        let checks = self.checks.iter().map(|(check, found)| {
            let told = json!({"requests": found.requests, "in_force": found.in_force, "stopped": found.stopped});
            ((*check).to_owned(), told)
        });
        json!({
            "outcomes": named(&self.outcomes),
            "routes": Value::Object(routes.collect()),
            "checks": Value::Object(checks.collect()),
            "codes": self.codes,
            "examples": self.examples.iter().map(Example::told).collect::<Vec<_>>(),
        })
    }
}

impl Example {
    /// Adds it to others, unless one of them is the same to a reader.
    pub(super) fn keep(self, others: &mut Vec<Self>) -> bool {
        let is_new = !others.iter().any(|other| other.line == self.line && other.after == self.after);
        if is_new {
            others.push(self);
        }
        is_new
    }

    pub(super) fn told(&self) -> Value {
        json!({
            "request": self.line, "route": self.route, "before": self.before, "after": self.after,
            "findings": self.reasons,
        })
    }
}
