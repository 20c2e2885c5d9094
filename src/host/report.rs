//! Statistics: declared when the configuration loads, counted when a request is over.
//!
//! Names carry their labels in the form that Istio's `extraStatTags` and the shipped `stats_tags` take apart:
//! `verdict=.=deny;.;route=.=orders;.;portcullis_requests_total`. Every label value comes from the configuration or
//! from our own tables, never from a client, so the number of series is known when the configuration loads.

use super::calls::{self, Metric, MetricKind};
use crate::config::{Config, Mode, RouteId};
use crate::endpoints::audit::{Act, MINTING, REVOCATIONS};
use crate::engine::{Done, Fetched, Purpose};
use crate::memory::{Survey, Trace};
use crate::metrics;
use crate::remote::State;
use crate::stages::identity::Proof;
use crate::stages::limits::Decision;
use crate::stages::risk::Judgement;
use crate::stages::CHECKS;
use crate::time::Millis;
use std::collections::BTreeMap;

/// All metrics of one configuration.
pub(crate) struct Report {
    requests: BTreeMap<(RouteId, &'static str), Metric>,
    findings: BTreeMap<(&'static str, Mode), Metric>,
    rules: BTreeMap<(usize, Mode), Metric>,
    limits: BTreeMap<(usize, Decision), Metric>,
    memory: [Option<Metric>; 3],
    fleet: BTreeMap<FleetEvent, Metric>,
    tokens: BTreeMap<Proof, Metric>,
    acts: BTreeMap<(&'static str, &'static str), Metric>,
    fetches: BTreeMap<(Purpose, &'static str), Metric>,
    documents: BTreeMap<(Purpose, Freshness), Metric>,
    occupancy: Option<Metric>,
    duration_us: Option<Metric>,
    heartbeats: Option<Metric>,
}

/// What came of a report to the fleet.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FleetEvent {
    /// It was answered.
    Reported,
    /// No answer came in time; its units are reported again.
    Timeout,
    /// The service cannot be reached or answered with an error; its units are reported again.
    Unavailable,
}

/// What is told of documents that other services serve.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Freshness {
    /// Seconds since the last success.
    Age,
    /// Failures since then.
    Failures,
    /// The time of the last success, in seconds since 1970.
    LastSuccess,
}

impl Freshness {
    const ALL: [Self; 3] = [Self::Age, Self::Failures, Self::LastSuccess];

    const fn metric(self) -> &'static str {
        match self {
            Self::Age => metrics::DOCUMENT_AGE.name,
            Self::Failures => metrics::DOCUMENT_FAILURES.name,
            Self::LastSuccess => metrics::DOCUMENT_SUCCESS.name,
        }
    }
}

impl FleetEvent {
    const ALL: [Self; 3] = [Self::Reported, Self::Timeout, Self::Unavailable];

    const fn name(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Report {
    /// Declares everything that this configuration can count.
    pub(crate) fn new(config: &Config) -> Self {
        let mut requests = BTreeMap::new();
        for (id, route) in config.routes.iter() {
            for outcome in Judgement::OUTCOMES {
                let labels = [("verdict", outcome), ("route", &route.name), ("mode", route.mode.name())];
                requests.extend(counter(&labels, metrics::REQUESTS.name).map(|metric| ((id, outcome), metric)));
            }
        }
        let mut findings = BTreeMap::new();
        for check in CHECKS {
            for mode in [Mode::Monitor, Mode::Enforce] {
                let labels = [("stage", check.family.stage()), ("rule", check.id), ("mode", mode.name())];
                findings.extend(counter(&labels, metrics::FINDINGS.name).map(|metric| ((check.id, mode), metric)));
            }
        }
        let mut limits = BTreeMap::new();
        for (index, limit) in config.limits.iter().enumerate() {
            for decision in Decision::ALL {
                let labels = [("limit", limit.name.as_str()), ("decision", decision.name())];
                limits.extend(counter(&labels, metrics::LIMITS.name).map(|metric| ((index, decision), metric)));
            }
        }
        let memory = ["retry", "eviction", "junk"];
        let memory = memory.map(|event| counter(&[("event", event)], metrics::MEMORY_EVENTS.name));
        let mut fleet = BTreeMap::new();
        for event in FleetEvent::ALL.into_iter().filter(|_| config.fleet.is_some()) {
            let labels = [("event", event.name())];
            fleet.extend(counter(&labels, metrics::FLEET_REPORTS.name).map(|metric| (event, metric)));
        }
        let mut tokens = BTreeMap::new();
        for proof in Proof::ALL.into_iter().filter(|_| config.identity.is_some()) {
            let labels = [("event", proof.name())];
            tokens.extend(counter(&labels, metrics::TOKENS.name).map(|metric| (proof, metric)));
        }
        let mut fetches = BTreeMap::new();
        let mut documents = BTreeMap::new();
        for (purpose, document) in config.documents() {
            let place = document.location.plain();
            let label = ("document", place.as_str());
            for result in Fetched::NAMES {
                let labels = [label, ("event", result)];
                let metric = counter(&labels, metrics::FETCHES.name);
                fetches.extend(metric.map(|metric| ((purpose, result), metric)));
            }
            for what in Freshness::ALL {
                let metric = calls::define_metric(MetricKind::Gauge, &labelled(&[label], what.metric()));
                documents.extend(metric.map(|metric| ((purpose, what), metric)));
            }
        }
        Self {
            acts: acts(config),
            fetches,
            documents,
            requests,
            findings,
            rules: rules(config),
            limits,
            memory,
            fleet,
            tokens,
            occupancy: calls::define_metric(MetricKind::Gauge, metrics::MEMORY_OCCUPANCY.name),
            duration_us: calls::define_metric(MetricKind::Histogram, metrics::DURATION.name),
            heartbeats: counter(&[], metrics::HEARTBEATS.name),
        }
    }

    /// Counts what became of a fetch.
    pub(crate) fn fetched(&self, purpose: Purpose, fetched: &Fetched) {
        increment(self.fetches.get(&(purpose, fetched.name())), 1);
    }

    /// Tells how old the documents are that other services serve.
    pub(crate) fn documents(&self, states: &[(Purpose, State)], now: Millis) {
        for (purpose, state) in states {
            for what in Freshness::ALL {
                let value = match what {
                    Freshness::Age => state.age(now).map(|age| age.as_u64() / 1000),
                    Freshness::Failures => Some(state.failures),
                    Freshness::LastSuccess => Some(state.succeeded.as_u64() / 1000),
                };
                if let (Some(metric), Some(value)) = (self.documents.get(&(*purpose, what)), value) {
                    calls::record(*metric, value);
                }
            }
        }
    }

    /// Counts a request that is over.
    pub(crate) fn count(&self, done: &Done, spent_nanos: u64) {
        increment(self.requests.get(&(done.route(), done.outcome())), 1);
        for weighed in done.findings() {
            increment(self.findings.get(&(weighed.finding.check.id, weighed.mode)), 1);
            let rule = weighed.finding.rule.as_ref().map(|rule| (rule.index, weighed.mode));
            increment(rule.and_then(|rule| self.rules.get(&rule)), 1);
        }
        let ledger = done.ledger();
        for applied in &ledger.applied {
            increment(self.limits.get(&(applied.limit, applied.decision)), 1);
        }
        self.memory(ledger.trace);
        increment(done.proof().and_then(|proof| self.tokens.get(&proof)), 1);
        increment(done.act().and_then(|act| self.acts.get(&(act.metric(), act.name()))), 1);
        if let Some(histogram) = self.duration_us {
            calls::record(histogram, spent_nanos / 1000);
        }
    }

    /// Counts what the memory met.
    pub(crate) fn memory(&self, trace: Trace) {
        let Trace { retries, evictions, junk } = trace;
        for (metric, times) in self.memory.iter().zip([retries, evictions, junk]) {
            increment(metric.as_ref(), times);
        }
    }

    /// Counts a report to the fleet.
    pub(crate) fn fleet(&self, event: FleetEvent) {
        increment(self.fleet.get(&event), 1);
    }

    /// Shows how full the memory is.
    pub(crate) fn occupancy(&self, survey: &Survey) {
        let permille = survey.records.saturating_mul(1000).checked_div(survey.places);
        if let (Some(gauge), Some(permille)) = (self.occupancy, permille) {
            calls::record(gauge, permille);
        }
    }

    /// Shows that this VM is alive: nothing else in Envoy counts a VM that died.
    pub(crate) fn beat(&self) {
        increment(self.heartbeats.as_ref(), 1);
    }
}

/// The rules of the configuration, by their names and the mode they were violated in.
fn rules(config: &Config) -> BTreeMap<(usize, Mode), Metric> {
    let modes = config.rules.iter().flat_map(|rule| [Mode::Monitor, Mode::Enforce].map(|mode| (rule, mode)));
    let declared = modes.filter_map(|(rule, mode)| {
        let labels = [("rule", rule.about.name.as_str()), ("mode", mode.name())];
        Some(((rule.about.index, mode), counter(&labels, metrics::RULES.name)?))
    });
    declared.collect()
}

fn acts(config: &Config) -> BTreeMap<(&'static str, &'static str), Metric> {
    let minting = Act::OF_MINTING.iter().map(|name| (MINTING, *name)).filter(|_| config.minting.is_some());
    let revocations = Act::OF_REVOCATION.iter().map(|name| (REVOCATIONS, *name));
    let revocations = revocations.filter(|_| config.revocation_endpoint().is_some());
    let declared = |act: (&'static str, &'static str)| Some((act, counter(&[("event", act.1)], act.0)?));
    minting.chain(revocations).filter_map(declared).collect()
}

fn counter(labels: &[(&str, &str)], name: &str) -> Option<Metric> {
    calls::define_metric(MetricKind::Counter, &labelled(labels, name))
}

fn labelled(labels: &[(&str, &str)], name: &str) -> String {
    let labels: String = labels.iter().map(|(label, value)| format!("{label}=.={value};.;")).collect();
    format!("{labels}{name}")
}

fn increment(metric: Option<&Metric>, times: u32) {
    // The host refuses an increment by nothing.
    if let Some(metric) = metric.filter(|_| times > 0) {
        calls::increment(*metric, times.into());
    }
}
