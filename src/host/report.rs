//! Statistics: declared when the configuration loads, counted when a request is over, and handed over to Envoy then or a moment
//! later ([`Counters`]).
//!
//! Names carry their labels in the form that Istio's `extraStatTags` and the shipped `stats_tags` take apart:
//! `verdict=.=deny;.;route=.=orders;.;portcullis_requests_total`. Every label value comes from the configuration or
//! from our own tables, never from a client, so the number of series is known when the configuration loads.

use super::calls::{self, Metric, MetricKind};
use super::counters::Counters;
use super::now;
use crate::config::remote::Document as Served;
use crate::config::{Config, Mode, RouteId};
use crate::endpoints::audit::{Act, MINTING, REVOCATIONS};
use crate::engine::{documents, Done, Engine, Fetched, Purpose};
use crate::memory::{Survey, Trace};
use crate::metrics;
use crate::metrics::batch::Batch;
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
    /// By event.
    memory: Table,
    fleet: Table,
    tokens: Table,
    acts: Acts,
    documents: Vec<Document>,
    occupancy: Option<Metric>,
    heartbeats: Option<Metric>,
    counters: Counters,
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
    /// Declares everything that this configuration can count. Ticks are to come with this period.
    pub(crate) fn new(config: &Config, period: Millis) -> Self {
        let mut all = Vec::new();
        let modes = MODES.map(Mode::name);
        let requests = requests(config, &mut all);
        let mut findings = Table::new(&modes, &all);
        for check in CHECKS {
            let labels = [("stage", check.family.stage()), ("rule", check.id)];
            findings.declare(metrics::FINDINGS.name, &labels, "mode", &mut all);
        }
        let mut rules = Table::new(&modes, &all);
        for rule in &config.rules {
            rules.declare(metrics::RULES.name, &[("rule", &rule.about.name)], "mode", &mut all);
        }
        let mut limits = Table::new(&Decision::ALL.map(Decision::name), &all);
        for limit in &config.limits {
            limits.declare(metrics::LIMITS.name, &[("limit", &limit.name)], "decision", &mut all);
        }
        let mut memory = Table::new(&["retry", "eviction", "junk"], &all);
        memory.declare(metrics::MEMORY_EVENTS.name, &[], "event", &mut all);
        let mut fleet = Table::new(&FleetEvent::ALL.map(FleetEvent::name), &all);
        if config.fleet.is_some() {
            fleet.declare(metrics::FLEET_REPORTS.name, &[], "event", &mut all);
        }
        let mut tokens = Table::new(&Proof::ALL.map(Proof::name), &all);
        if config.identity.is_some() {
            tokens.declare(metrics::TOKENS.name, &[], "event", &mut all);
        }
        let acts = acts(config, &mut all);
        let documents = documents(config).map(|document| Document::new(document, &mut all)).collect();
        let duration = calls::define_metric(MetricKind::Histogram, metrics::DURATION.name);
        Self {
            requests,
            findings,
            rules,
            limits,
            memory,
            fleet,
            tokens,
            acts,
            documents,
            occupancy: calls::define_metric(MetricKind::Gauge, metrics::MEMORY_OCCUPANCY.name),
            heartbeats: counter(&[], metrics::HEARTBEATS.name),
            counters: Counters::new(all, duration, period),
        }
    }

    /// Counts what became of a fetch.
    pub(crate) fn fetched(&self, purpose: Purpose, fetched: &Fetched) {
        let document = self.documents.iter().find(|document| document.purpose == purpose);
        let way = position(&Fetched::NAMES, &fetched.name());
        self.counters.event(document.and_then(|document| document.fetches.place(0, way)), 1);
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

    /// Whether it is to be measured how long the request takes that begins now.
    pub(crate) fn measures(&self) -> bool {
        self.counters.measures()
    }

    /// Counts a request that is over, of which the last that is known was at `now`. How long the filter worked is known of some.
    pub(crate) fn count(&self, done: &Done, spent_nanos: Option<u64>, now: Millis) {
        self.counters.request(now, spent_nanos.map(|nanos| nanos / 1000), |batch| self.add(done, batch));
    }

    fn add(&self, done: &Done, batch: &mut Batch) {
        let mut add = |place: Option<usize>, times: u32| {
            if let Some(place) = place {
                batch.count(place, times);
            }
        };
        let outcome = position(&Judgement::OUTCOMES, &done.outcome());
        add(self.requests.place(row(done.route()), outcome), 1);
        for weighed in done.findings() {
            let mode = Some(usize::from(weighed.mode == Mode::Enforce));
            let check = CHECKS.iter().position(|check| check.id == weighed.finding.check.id);
            add(check.and_then(|check| self.findings.place(check, mode)), 1);
            let rule = weighed.finding.rule.as_ref();
            add(rule.and_then(|rule| self.rules.place(rule.index, mode)), 1);
        }
        let ledger = done.ledger();
        for applied in &ledger.applied {
            add(self.limits.place(applied.limit, position(&Decision::ALL, &applied.decision)), 1);
        }
        for (event, times) in events(ledger.trace) {
            add(self.memory.place(0, Some(event)), times);
        }
        add(self.tokens.place(0, done.proof().and_then(|proof| position(&Proof::ALL, &proof))), 1);
        if let Some(act) = done.act() {
            let own = self.acts.iter().find(|(metric, name, _)| (*metric, *name) == (act.metric(), act.name()));
            add(own.map(|(_, _, place)| *place), 1);
        }
    }

    /// Counts what the memory met without a request.
    pub(crate) fn memory(&self, trace: Trace) {
        for (event, times) in events(trace) {
            self.counters.event(self.memory.place(0, Some(event)), times);
        }
    }

    /// Counts a report to the fleet.
    pub(crate) fn fleet(&self, event: FleetEvent) {
        self.counters.event(self.fleet.place(0, position(&FleetEvent::ALL, &event)), 1);
    }

    /// What this worker has leased goes back on a tick, if no request gives it back before. Where no tick will come it goes
    /// back at once.
    pub(crate) fn limit_leases(&self, engine: &Engine) {
        if engine.holds_leases() && !self.counters.hasten() {
            self.end_leases(engine);
        }
    }

    /// Has all leases end, and counts what the memory met.
    pub(crate) fn end_leases(&self, engine: &Engine) {
        let mut trace = Trace::default();
        engine.end_all_leases(now(), &mut trace);
        self.memory(trace);
    }

    /// A tick has come, with a heartbeat or without.
    pub(crate) fn tick(&self, now: Millis, is_beat: bool) {
        self.counters.tick(now, is_beat);
    }

    /// The configuration is gone. Requests that are still under way hand over what they count by themselves.
    pub(crate) fn end(&self) {
        self.counters.end();
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
        if let Some(heartbeats) = self.heartbeats {
            calls::increment(heartbeats, 1);
        }
    }
}

/// Counters of one name: a row for each thing, with one for each way that it can go. They follow one another in the list of all.
struct Table {
    ways: Vec<&'static str>,
    first: usize,
    count: usize,
}

impl Table {
    /// The next in the list. Until all of it is declared nothing else is.
    fn new(ways: &[&'static str], all: &[Option<Metric>]) -> Self {
        Self { ways: ways.to_vec(), first: all.len(), count: 0 }
    }

    /// Declares the counters of the next thing: `label` tells the ways apart.
    fn declare(&mut self, name: &str, labels: &[(&str, &str)], label: &str, all: &mut Vec<Option<Metric>>) {
        for way in self.ways.clone() {
            let labels: Vec<_> = labels.iter().copied().chain([(label, way)]).collect();
            self.push(counter(&labels, name), all);
        }
    }

    fn push(&mut self, counter: Option<Metric>, all: &mut Vec<Option<Metric>>) {
        all.push(counter);
        self.count = self.count.saturating_add(1);
    }

    /// Where a counter stands among all, if it is declared.
    fn place(&self, thing: usize, way: Option<usize>) -> Option<usize> {
        let offset = thing.saturating_mul(self.ways.len()).saturating_add(way?);
        (offset < self.count).then(|| self.first.saturating_add(offset))
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
    fn new((purpose, document): (Purpose, &Served), all: &mut Vec<Option<Metric>>) -> Self {
        let place = document.location.plain();
        let label = ("document", place.as_str());
        let mut fetches = Table::new(&Fetched::NAMES, all);
        fetches.declare(metrics::FETCHES.name, &[label], "event", all);
        let gauge = |what: Freshness| calls::define_metric(MetricKind::Gauge, &labelled(&[label], what.metric()));
        Self { purpose, fetches, freshness: Freshness::ALL.map(gauge) }
    }
}

/// By route and outcome.
fn requests(config: &Config, all: &mut Vec<Option<Metric>>) -> Table {
    let mut table = Table::new(&Judgement::OUTCOMES, all);
    for (_, route) in config.routes.iter() {
        for outcome in Judgement::OUTCOMES {
            let labels = [("verdict", outcome), ("route", &route.name), ("mode", route.mode.name())];
            table.push(counter(&labels, metrics::REQUESTS.name), all);
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

/// What became of requests for a token, or for the end of one: metric, event and place among all.
type Acts = Vec<(&'static str, &'static str, usize)>;

fn acts(config: &Config, all: &mut Vec<Option<Metric>>) -> Acts {
    let minting = Act::OF_MINTING.iter().map(|name| (MINTING, *name)).filter(|_| config.minting.is_some());
    let revocations = Act::OF_REVOCATION.iter().map(|name| (REVOCATIONS, *name));
    let revocations = revocations.filter(|_| config.revocation_endpoint().is_some());
    let mut acts = Acts::new();
    for (metric, name) in minting.chain(revocations) {
        acts.push((metric, name, all.len()));
        all.push(counter(&[("event", name)], metric));
    }
    acts
}

/// What the memory met, if it did: the way in its table, and how often.
fn events(trace: Trace) -> impl Iterator<Item = (usize, u32)> {
    let Trace { retries, evictions, junk } = trace;
    [retries, evictions, junk].into_iter().enumerate().filter(|(_, times)| *times > 0)
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
