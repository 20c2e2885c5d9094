//! The wasm entry: Envoy's process meets the core.
//!
//! A configuration that does not hold is refused by returning `false`, with its fault in the log: Envoy then does not
//! start, or goes on with the previous configuration. Nothing here depends on anything that could be different the
//! next time, since Envoy remembers a refusal.
//!
//! Several configurations may live in one VM while listeners drain, so each root context owns its engine and its statistics.
//! One thing passes from one to the next: what has not been reported to the fleet yet.

mod callout;
mod calls;
mod contexts;
mod counters;
mod exchange;
mod fetching;
mod report;
mod shared;
mod signatures;
mod stream;

use self::calls::Buffer;
use self::fetching::Fetching;
use self::report::{FleetEvent, Report};
use self::shared::SharedData;
use self::signatures::Envoy;
use self::stream::{Stream, Waiting};
use crate::config::Config;
use crate::engine::{Engine, Former, Ports};
use crate::entropy::Entropy;
use crate::memory::Trace;
use crate::rls::Fault;
use crate::stages::limits::fleet;
use crate::stages::CHECKS;
use crate::time::Millis;
use log::Level;
use std::cell::RefCell;
use std::rc::Rc;

/// Time between two heartbeats.
const HEARTBEAT: Millis = Millis::new(5000);

/// Time between two ticks where requests may wait: what a wait can last beyond its time.
const WATCH: Millis = Millis::new(100);

/// How much too early a tick may come that is to have a heartbeat: where nothing waits the next one is far.
const EARLY: Millis = Millis::new(50);

/// Longest wait for the answer to a report. No request waits for it, and giving up early would leave units in doubt.
const REPORT_TIMEOUT: Millis = Millis::from_secs(5);

/// Reports of one tick: what is left goes with the next.
const REPORTS_MAX: usize = 8;

thread_local! {
    /// The configuration that was loaded last.
    static FORMER: RefCell<Option<Former>> = const { RefCell::new(None) };
}

/// One context of the plugin.
struct Root {
    id: u32,
    loaded: Option<Loaded>,
}

/// One loaded configuration.
struct Loaded {
    engine: Engine,
    report: Rc<Report>,
    waiting: Waiting,
    /// Reports to the fleet that have not been answered, by their token, with the time until which they are waited for.
    reports: Vec<(u32, fleet::Report, Millis)>,
    fetching: Fetching,
    next_beat: Millis,
    next_report: Millis,
    survey_from: u64,
}

impl Root {
    const fn new(id: u32) -> Self {
        Self { id, loaded: None }
    }

    /// A callout has been answered, of whoever made it.
    fn answer(&mut self, token: u32) {
        let id = self.id;
        let Some(loaded) = &mut self.loaded else { return };
        let now = now();
        if loaded.fetching.answer(&loaded.engine, &loaded.report, token, now) {
            loaded.waiting.wake(now);
            let _ = calls::set_effective_context(id);
            return;
        }
        match loaded.reports.iter().position(|(own, ..)| *own == token) {
            Some(place) => {
                let (_, report, until) = loaded.reports.swap_remove(place);
                // Envoy's timers may be a little early, and what it says of a call that it gave up varies.
                let is_late = now.saturating_add(WATCH) >= until;
                let fault = callout::counts(report.question()).err().filter(|_| is_late);
                loaded.settle(report, fault.map(|_| Fault::Timeout));
            }
            None => {
                loaded.waiting.answer(token);
                let _ = calls::set_effective_context(id);
            }
        }
    }

    /// Takes up the configuration. Whether it holds.
    fn configure(&mut self) -> bool {
        let began = calls::now_nanos();
        let document = calls::buffer(Buffer::PluginConfiguration, usize::MAX).unwrap_or_default();
        let config = match Config::parse_with(&document, CHECKS, &environment) {
            Ok(config) => config,
            Err(fault) => {
                calls::log(
                    Level::Error,
                    &format!("portcullis: configuration refused: {}", printable(&fault.to_string())),
                );
                return false;
            }
        };
        // On the first tick documents are fetched. Without ticks there are no heartbeats, which is not worth refusing a
        // configuration for.
        let report = Report::new(&config, if config.may_wait() { WATCH } else { HEARTBEAT });
        let digest = config.digest.clone();
        let Some(random) = random() else {
            calls::log(Level::Error, "portcullis: configuration refused: the host has no source of randomness");
            return false;
        };
        let ports =
            Ports { shared: Box::new(SharedData), native: Box::new(Envoy), random, entropy: Box::new(Wasi) };
        let engine = Engine::new(config, ports);
        if let Some(former) = FORMER.with(|former| former.replace(Some(engine.former()))) {
            let mut trace = Trace::default();
            engine.take_over(&former, now(), &mut trace);
            report.memory(trace);
        }
        let took = calls::now_nanos().saturating_sub(began) / 1_000_000;
        calls::log(Level::Info, &format!("portcullis: configuration {digest} loaded in {took} ms"));
        self.loaded = Some(Loaded {
            engine,
            report: Rc::new(report),
            waiting: Waiting::default(),
            reports: Vec::new(),
            fetching: Fetching::default(),
            next_beat: Millis::default(),
            next_report: Millis::default(),
            survey_from: 0,
        });
        true
    }

    fn tick(&mut self) {
        let now = now();
        if let Some(loaded) = &mut self.loaded {
            loaded.engine.look();
            loaded.waiting.wake(now);
            loaded.waiting.expire(now);
            let _ = calls::set_effective_context(self.id);
            loaded.tick(now);
        }
    }

    /// A new stream, if there is a configuration for it.
    fn stream(&self, id: u32) -> Option<Stream> {
        let Loaded { engine, report, waiting, .. } = self.loaded.as_ref()?;
        Some(Stream::new(id, engine.clone(), Rc::clone(report), waiting.clone()))
    }
}

impl Loaded {
    fn tick(&mut self, now: Millis) {
        let is_beat = has_come(self.next_beat, now.saturating_add(EARLY), HEARTBEAT);
        if is_beat {
            self.next_beat = now.saturating_add(HEARTBEAT);
            self.report.beat();
            if let Some(survey) = self.engine.survey(self.survey_from, now) {
                self.survey_from = survey.next;
                self.report.occupancy(&survey);
            }
            self.report.documents(&self.engine.documents(), now);
        }
        let mut trace = Trace::default();
        self.engine.end_leases(now, &mut trace);
        self.report.memory(trace);
        self.fetching.tick(&self.engine, &self.report, now);
        self.give_up_late_reports(now);
        let interval = self.engine.config().fleet.as_ref().map(|fleet| fleet.sync_interval);
        if let Some(interval) = interval.filter(|interval| has_come(self.next_report, now, *interval)) {
            self.next_report = now.saturating_add(interval);
            self.send_reports(now);
        }
        self.report.tick(now, is_beat);
    }

    fn send_reports(&mut self, now: Millis) {
        for _ in 0..REPORTS_MAX {
            let mut trace = Trace::default();
            let report = self.engine.report(now, &mut trace);
            self.report.memory(trace);
            let (Some(report), Some(fleet)) = (report, &self.engine.config().fleet) else { return };
            match callout::ask(report.question(), &fleet.cluster, REPORT_TIMEOUT) {
                Ok(token) => {
                    let until = now.saturating_add(REPORT_TIMEOUT);
                    self.reports.push((token, report, until));
                }
                // What could not be reported goes back into the outbox; it would come out again at once.
                Err(fault) => return self.settle(report, Some(fault)),
            }
        }
    }

    /// Envoy's time-out may never fire, and units must not be in doubt for ever.
    fn give_up_late_reports(&mut self, now: Millis) {
        while let Some(place) = self.reports.iter().position(|(_, _, until)| *until <= now) {
            let (_, report, _) = self.reports.swap_remove(place);
            self.settle(report, Some(Fault::Timeout));
        }
    }

    /// Takes in what came of a report: a fault, or the answer that the current callback is about.
    fn settle(&self, report: fleet::Report, fault: Option<Fault>) {
        let answer = fault.map_or_else(|| callout::counts(report.question()), Err);
        let event = match answer {
            Ok(_) => FleetEvent::Reported,
            Err(Fault::Timeout) => FleetEvent::Timeout,
            Err(Fault::Unavailable(_)) => FleetEvent::Unavailable,
        };
        self.report.fleet(event);
        let mut trace = Trace::default();
        self.engine.settle(report, answer, now(), &mut trace);
        self.report.memory(trace);
    }
}

/// Its root context is gone, or is configured anew: either way nobody ticks for it.
impl Drop for Loaded {
    fn drop(&mut self) {
        self.report.end();
        self.report.end_leases(&self.engine);
    }
}

/// Whether a time has come that was to come within `interval`. If it is farther away, the clock was set back since.
fn has_come(time: Millis, now: Millis, interval: Millis) -> bool {
    time <= now || time > now.saturating_add(interval)
}

fn now() -> Millis {
    Millis::new(calls::now_nanos() / 1_000_000)
}

/// From the host's cryptographic source. Without it nothing that depends on a secret may run.
fn random() -> Option<[u8; 16]> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).is_ok().then_some(random)
}

/// Random numbers of the host, through WASI.
#[derive(Debug)]
struct Wasi;

impl Entropy for Wasi {
    fn fresh(&self) -> Option<[u8; 16]> {
        random()
    }
}

/// What Envoy passes to the VM (`vm_config.environment_variables`), and no other variable of its process.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where secrets may come from outside of the configuration"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// One line without control characters, whatever a configuration contains.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}
