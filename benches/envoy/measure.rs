//! The measurement: all contenders stand side by side, and round by round each is asked once.
//!
//! A machine's speed drifts, so nothing is compared across time: in a round every contender is measured within
//! seconds of the others, the order rotates, and differences and ratios are taken within the round. The median of
//! the rounds then survives a few that were disturbed.

use crate::contenders::{Contender, BARE, NATIVE_CACHED};
use crate::load::Load;
use anyhow::{Context, Result};
use portcullis_lab::envoy::Envoy;
use std::time::{Duration, Instant};

/// CPU time that a calibration must reach; it is counted in hundredths of a second.
const CALIBRATION: Duration = Duration::from_millis(100);
const CALIBRATION_REQUESTS: usize = 250;

/// A started contender and what was measured of it.
pub(crate) struct Runner {
    pub(crate) contender: Contender,
    pub(crate) envoy: Envoy,
    /// From the start to the first answer of the admin interface.
    pub(crate) start: Duration,
    /// CPU time used until then.
    pub(crate) start_cpu: Duration,
    /// Requests of each round.
    pub(crate) requests: usize,
    pub(crate) rounds: Vec<Round>,
    load: Load,
}

/// One contender in one round.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    /// Envoy's CPU time for a request.
    pub(crate) cpu_us: f64,
    pub(crate) requests_per_second: f64,
}

/// The middle of the rounds and their extremes.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Runner {
    /// Starts Envoy and finds out how many requests take it so much CPU time.
    pub(crate) fn start(mut contender: Contender, round: Duration) -> Result<Self> {
        let began = Instant::now();
        let envoy = Envoy::start(&contender.bootstrap)?;
        let start = began.elapsed();
        let start_cpu = envoy.cpu_time()?;
        let requests = std::mem::take(&mut contender.requests);
        let load = Load::open(envoy.address(), requests, contender.expects)?;
        let mut runner = Self { contender, envoy, start, start_cpu, requests: 0, rounds: Vec::new(), load };
        let mut requests = CALIBRATION_REQUESTS;
        runner.requests = loop {
            let used = runner.run(requests)?;
            if used >= CALIBRATION {
                break (requests as f64 * round.as_secs_f64() / used.as_secs_f64()).ceil() as usize;
            }
            requests *= 2;
        };
        Ok(runner)
    }

    fn measure(&mut self) -> Result<Round> {
        let began = Instant::now();
        let used = self.run(self.requests)?;
        let requests = self.requests as f64;
        Ok(Round {
            cpu_us: used.as_secs_f64() * 1e6 / requests,
            requests_per_second: requests / began.elapsed().as_secs_f64(),
        })
    }

    /// Sends requests; returns the CPU time that Envoy took for them.
    fn run(&mut self, requests: usize) -> Result<Duration> {
        let before = self.envoy.cpu_time()?;
        let name = self.contender.name;
        self.load.run(requests).with_context(|| format!("{name}; its log:\n{}", last_line(&self.envoy.log())))?;
        Ok(self.envoy.cpu_time()?.saturating_sub(before))
    }
}

/// Measures every contender once a round. A round that is not counted comes first.
pub(crate) fn rounds(runners: &mut [Runner], count: usize) -> Result<()> {
    let contenders = runners.len();
    for round in 0..=count {
        eprint!("\rround {round} of {count} ");
        for turn in 0..contenders {
            let runner = &mut runners[(round + turn) % contenders];
            let measured = runner.measure()?;
            if round > 0 {
                runner.rounds.push(measured);
            }
        }
    }
    eprintln!();
    Ok(())
}

/// What the rounds say about one contender.
pub(crate) struct Summary {
    pub(crate) cpu_us: Spread,
    /// Beyond the bare Envoy.
    pub(crate) added_us: Spread,
    pub(crate) to_bare: Spread,
    pub(crate) to_native_cached: Spread,
    pub(crate) requests_per_second: Spread,
}

impl Summary {
    pub(crate) fn of(runner: &Runner, all: &[Runner]) -> Result<Self> {
        let own = &runner.rounds;
        let bare = &named(all, BARE)?.rounds;
        let cached = &named(all, NATIVE_CACHED)?.rounds;
        let paired = |other: &[Round], compare: fn(f64, f64) -> f64| {
            Spread::of(own.iter().zip(other).map(|(own, other)| compare(own.cpu_us, other.cpu_us)))
        };
        Ok(Self {
            cpu_us: Spread::of(own.iter().map(|round| round.cpu_us)),
            added_us: paired(bare, |own, bare| own - bare),
            to_bare: paired(bare, |own, bare| own / bare),
            to_native_cached: paired(cached, |own, cached| own / cached),
            requests_per_second: Spread::of(own.iter().map(|round| round.requests_per_second)),
        })
    }
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let last = sorted.len().saturating_sub(1);
        Self { median: (at(last / 2) + at(last.div_ceil(2))) / 2.0, min: at(0), max: at(last) }
    }
}

pub(crate) fn named<'r>(runners: &'r [Runner], name: &str) -> Result<&'r Runner> {
    runners.iter().find(|runner| runner.contender.name == name).with_context(|| format!("no contender {name}"))
}

fn last_line(log: &str) -> &str {
    log.lines().last().unwrap_or_default()
}
