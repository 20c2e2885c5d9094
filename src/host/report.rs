//! Statistics: declared when the configuration loads, counted when a request is over.
//!
//! Names carry their labels in the form that Istio's `extraStatTags` and the shipped `stats_tags` take apart:
//! `verdict=.=deny;.;route=.=orders;.;portcullis_requests_total`. Every label value comes from the configuration or
//! from our own tables, never from a client, so the number of series is known when the configuration loads.

use super::calls::{self, Metric, MetricKind};
use crate::config::remote::Document as Served;
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

/// All metrics of one configuration.
///
/// Each is found by numbers, since every request looks up some of them.
pub(crate) struct Report {
    /// By route and outcome.
    requests: Table,
    /// By check and mode.
    findings: Table,
    /// By rule and mode.
    rules: Table,
    /// By limit and decision.
    limits: Table,
    memory: [Option<Metric>; 3],
    fleet: Table,
    tokens: Table,
    acts: Acts,
    documents: Vec<Document>,
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

const MODES: [Mode; 2] = [Mode::Monitor, Mode::Enforce];

impl Report {
    /// Declares everything that this configuration can count.
    pub(crate) fn new(config: &Config) -> Self {
        let modes = MODES.map(Mode::name);
        let mut findings = Table::new(&modes);
        for check in CHECKS {
            let labels = [("stage", check.family.stage()), ("rule", check.id)];
            findings.declare(metrics::FINDINGS.name, &labels, "mode");
        }
        let mut rules = Table::new(&modes);
        for rule in &config.rules {
            rules.declare(metrics::RULES.name, &[("rule", &rule.about.name)], "mode");
        }
        let mut limits = Table::new(&Decision::ALL.map(Decision::name));
        for limit in &config.limits {
            limits.declare(metrics::LIMITS.name, &[("limit", &limit.name)], "decision");
        }
        let mut fleet = Table::new(&FleetEvent::ALL.map(FleetEvent::name));
        if config.fleet.is_some() {
            fleet.declare(metrics::FLEET_REPORTS.name, &[], "event");
        }
        let mut tokens = Table::new(&Proof::ALL.map(Proof::name));
        if config.identity.is_some() {
            tokens.declare(metrics::TOKENS.name, &[], "event");
        }
        let event = |event| counter(&[("event", event)], metrics::MEMORY_EVENTS.name);
        Self {
            requests: requests(config),
            findings,
            rules,
            limits,
            memory: ["retry", "eviction", "junk"].map(event),
            fleet,
            tokens,
            acts: acts(config),
            documents: config.documents().map(Document::new).collect(),
            occupancy: calls::define_metric(MetricKind::Gauge, metrics::MEMORY_OCCUPANCY.name),
            duration_us: calls::define_metric(MetricKind::Histogram, metrics::DURATION.name),
            heartbeats: counter(&[], metrics::HEARTBEATS.name),
        }
    }

    /// Counts what became of a fetch.
    pub(crate) fn fetched(&self, purpose: Purpose, fetched: &Fetched) {
        let document = self.documents.iter().find(|document| document.purpose == purpose);
        let way = position(&Fetched::NAMES, &fetched.name());
        increment(document.zip(way).and_then(|(document, way)| document.fetches.get(0, way)), 1);
    }

    /// Tells how old the documents are that other services serve.
    pub(crate) fn documents(&self, states: &[(Purpose, State)], now: Millis) {
        for (purpose, state) in states {
            let Some(document) = self.documents.iter().find(|document| document.purpose == *purpose) else {
                continue;
            };
            for (what, metric) in Freshness::ALL.into_iter().zip(document.freshness) {
                let value = match what {
                    Freshness::Age => state.age(now).map(|age| age.as_u64() / 1000),
                    Freshness::Failures => Some(state.failures),
                    Freshness::LastSuccess => Some(state.succeeded.as_u64() / 1000),
                };
                if let (Some(metric), Some(value)) = (metric, value) {
                    calls::record(metric, value);
                }
            }
        }
    }

    /// Counts a request that is over.
    pub(crate) fn count(&self, done: &Done, spent_nanos: u64) {
        let outcome = position(&Judgement::OUTCOMES, &done.outcome());
        increment(outcome.and_then(|outcome| self.requests.get(row(done.route()), outcome)), 1);
        for weighed in done.findings() {
            let mode = usize::from(weighed.mode == Mode::Enforce);
            let check = CHECKS.iter().position(|check| check.id == weighed.finding.check.id);
            increment(check.and_then(|check| self.findings.get(check, mode)), 1);
            let rule = weighed.finding.rule.as_ref();
            increment(rule.and_then(|rule| self.rules.get(rule.index, mode)), 1);
        }
        let ledger = done.ledger();
        for applied in &ledger.applied {
            let decision = position(&Decision::ALL, &applied.decision);
            increment(decision.and_then(|decision| self.limits.get(applied.limit, decision)), 1);
        }
        self.memory(ledger.trace);
        let proof = done.proof().and_then(|proof| position(&Proof::ALL, &proof));
        increment(proof.and_then(|proof| self.tokens.get(0, proof)), 1);
        if let Some(act) = done.act() {
            let own = self.acts.iter().find(|(metric, name, _)| (*metric, *name) == (act.metric(), act.name()));
            increment(own.and_then(|(_, _, metric)| metric.as_ref()), 1);
        }
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
        increment(position(&FleetEvent::ALL, &event).and_then(|event| self.fleet.get(0, event)), 1);
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

/// Metrics of one name: a row for each thing, with a metric for each way that it can go.
struct Table {
    ways: Vec<&'static str>,
    metrics: Vec<Option<Metric>>,
}

impl Table {
    fn new(ways: &[&'static str]) -> Self {
        Self { ways: ways.to_vec(), metrics: Vec::new() }
    }

    /// Declares the counters of the next thing: `label` tells the ways apart.
    fn declare(&mut self, name: &str, labels: &[(&str, &str)], label: &str) {
        for way in &self.ways {
            let labels: Vec<_> = labels.iter().copied().chain([(label, *way)]).collect();
            self.metrics.push(counter(&labels, name));
        }
    }

    fn get(&self, thing: usize, way: usize) -> Option<&Metric> {
        self.metrics.get(thing.saturating_mul(self.ways.len()).saturating_add(way))?.as_ref()
    }
}

/// What is told of a document that another service serves.
struct Document {
    purpose: Purpose,
    /// By what came of them.
    fetches: Table,
    /// In the order of [`Freshness::ALL`].
    freshness: [Option<Metric>; 3],
}

impl Document {
    fn new((purpose, document): (Purpose, &Served)) -> Self {
        let place = document.location.plain();
        let label = ("document", place.as_str());
        let mut fetches = Table::new(&Fetched::NAMES);
        fetches.declare(metrics::FETCHES.name, &[label], "event");
        let gauge = |what: Freshness| calls::define_metric(MetricKind::Gauge, &labelled(&[label], what.metric()));
        Self { purpose, fetches, freshness: Freshness::ALL.map(gauge) }
    }
}

/// By route and outcome.
fn requests(config: &Config) -> Table {
    let mut table = Table::new(&Judgement::OUTCOMES);
    for (_, route) in config.routes.iter() {
        for outcome in Judgement::OUTCOMES {
            let labels = [("verdict", outcome), ("route", &route.name), ("mode", route.mode.name())];
            table.metrics.push(counter(&labels, metrics::REQUESTS.name));
        }
    }
    table
}

/// Where a route stands among all.
fn row(route: RouteId) -> usize {
    match route {
        RouteId::Unmatched => 0,
        RouteId::Ambiguous => 1,
        RouteId::Written(place) => place.saturating_add(2),
    }
}

/// What became of requests for a token, or for the end of one.
type Acts = Vec<(&'static str, &'static str, Option<Metric>)>;

fn acts(config: &Config) -> Acts {
    let minting = Act::OF_MINTING.iter().map(|name| (MINTING, *name)).filter(|_| config.minting.is_some());
    let revocations = Act::OF_REVOCATION.iter().map(|name| (REVOCATIONS, *name));
    let revocations = revocations.filter(|_| config.revocation_endpoint().is_some());
    minting.chain(revocations).map(|(metric, name)| (metric, name, counter(&[("event", name)], metric))).collect()
}

fn position<T: PartialEq>(all: &[T], wanted: &T) -> Option<usize> {
    all.iter().position(|one| one == wanted)
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
