//! The measurement: all contenders stand side by side, and round by round each is asked once, with each of its loads.
//!
//! A machine's speed drifts, so nothing is compared across time: in a round every contender is measured within
//! seconds of the others, the order rotates, and differences and ratios are taken within the round. The median of
//! the rounds then survives a few that were disturbed.

use crate::contenders::{Contender, BARE, NATIVE_CACHED};
use crate::load::Load;
use crate::shapes::Shape;
use anyhow::{Context, Result};
use portcullis_lab::envoy::Envoy;
use std::time::{Duration, Instant};

/// CPU time that a calibration must reach.
const CALIBRATION: Duration = Duration::from_millis(30);
const CALIBRATION_REQUESTS: usize = 100;

/// Each client's token is verified before anything is measured.
const WARM_UP_REQUESTS: usize = 400;

/// A started contender and what was measured of it.
pub(crate) struct Runner {
    pub(crate) contender: Contender,
    pub(crate) envoy: Envoy,
    /// From the start to the first answer of the admin interface.
    pub(crate) start: Duration,
    /// CPU time used until then.
    pub(crate) start_cpu: Duration,
    pub(crate) loads: Vec<Measured>,
}

/// One load of a contender.
pub(crate) struct Measured {
    pub(crate) shape: Shape,
    /// Requests of each round.
    pub(crate) requests: usize,
    pub(crate) rounds: Vec<Round>,
    load: Load,
}

/// One load in one round.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    /// Envoy's CPU time for a request.
    pub(crate) cpu_us: f64,
    pub(crate) requests_per_second: f64,
}

/// The middle of the rounds, their quartiles and their extremes.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) quarter: f64,
    pub(crate) three_quarters: f64,
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
        let sends = std::mem::take(&mut contender.sends);
        let mut runner = Self { contender, envoy, start, start_cpu, loads: Vec::new() };
        for sends in sends {
            let load = Load::open(runner.envoy.address(), sends.requests, runner.contender.expects)?;
            runner.loads.push(Measured { shape: sends.shape, load, requests: 0, rounds: Vec::new() });
            let at = runner.loads.len() - 1;
            runner.run(at, WARM_UP_REQUESTS)?;
            let mut requests = CALIBRATION_REQUESTS;
            runner.loads[at].requests = loop {
                let used = runner.run(at, requests)?;
                if used >= CALIBRATION {
                    break (requests as f64 * round.as_secs_f64() / used.as_secs_f64()).ceil() as usize;
                }
                requests *= 2;
            };
        }
        Ok(runner)
    }

    fn measure(&mut self, at: usize) -> Result<Round> {
        let began = Instant::now();
        let requests = self.loads[at].requests;
        let used = self.run(at, requests)?;
        let requests = requests as f64;
        Ok(Round {
            cpu_us: used.as_secs_f64() * 1e6 / requests,
            requests_per_second: requests / began.elapsed().as_secs_f64(),
        })
    }

    /// Sends requests; returns the CPU time that Envoy took for them.
    fn run(&mut self, at: usize, requests: usize) -> Result<Duration> {
        let before = self.envoy.cpu_time()?;
        let name = self.contender.name;
        let load = &mut self.loads[at].load;
        load.run(requests).with_context(|| format!("{name}; its log:\n{}", last_line(&self.envoy.log())))?;
        Ok(self.envoy.cpu_time()?.saturating_sub(before))
    }
}

/// Measures every load once a round. A round that is not counted comes first.
pub(crate) fn rounds(runners: &mut [Runner], count: usize) -> Result<()> {
    let contenders = runners.len();
    for round in 0..=count {
        let began = Instant::now();
        for turn in 0..contenders {
            let runner = &mut runners[(round + turn) % contenders];
            for at in 0..runner.loads.len() {
                let measured = runner.measure(at)?;
                if round > 0 {
                    runner.loads[at].rounds.push(measured);
                }
            }
        }
        eprintln!("round {round} of {count}: {:.0} s", began.elapsed().as_secs_f64());
    }
    Ok(())
}

/// What the rounds say about one load of a contender.
pub(crate) struct Summary {
    pub(crate) cpu_us: Spread,
    /// Beyond the bare Envoy.
    pub(crate) added_us: Spread,
    pub(crate) to_bare: Spread,
    /// What it adds, as a multiple of what Envoy's own filters add.
    pub(crate) to_native_cached: Spread,
    pub(crate) requests_per_second: Spread,
}

impl Summary {
    pub(crate) fn of(own: &Measured, all: &[Runner]) -> Result<Self> {
        let bare = &load(all, BARE, own.shape)?.rounds;
        let cached = &load(all, NATIVE_CACHED, own.shape)?.rounds;
        let own = &own.rounds;
        let paired = |compare: fn(f64, f64) -> f64| {
            Spread::of(own.iter().zip(bare).map(|(own, bare)| compare(own.cpu_us, bare.cpu_us)))
        };
        Ok(Self {
            cpu_us: Spread::of(own.iter().map(|round| round.cpu_us)),
            added_us: paired(|own, bare| own - bare),
            to_bare: paired(|own, bare| own / bare),
            to_native_cached: added_ratio(own, cached, bare),
            requests_per_second: Spread::of(own.iter().map(|round| round.requests_per_second)),
        })
    }
}

/// What one adds over what another adds, round by round.
pub(crate) fn added_ratio(own: &[Round], other: &[Round], bare: &[Round]) -> Spread {
    let rounds = own.iter().zip(other).zip(bare);
    Spread::of(rounds.map(|((own, other), bare)| (own.cpu_us - bare.cpu_us) / (other.cpu_us - bare.cpu_us)))
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let last = sorted.len().saturating_sub(1);
        Self {
            median: (at(last / 2) + at(last.div_ceil(2))) / 2.0,
            quarter: at(last / 4),
            three_quarters: at(last - last / 4),
            min: at(0),
            max: at(last),
        }
    }
}

pub(crate) fn named<'r>(runners: &'r [Runner], name: &str) -> Result<&'r Runner> {
    runners.iter().find(|runner| runner.contender.name == name).with_context(|| format!("no contender {name}"))
}

/// What was measured of a contender with one shape of requests.
pub(crate) fn load<'r>(runners: &'r [Runner], name: &str, shape: Shape) -> Result<&'r Measured> {
    let runner = named(runners, name)?;
    let own = runner.loads.iter().find(|load| load.shape == shape);
    own.with_context(|| format!("{name} was not sent {}", shape.name()))
}

fn last_line(log: &str) -> &str {
    log.lines().last().unwrap_or_default()
}
