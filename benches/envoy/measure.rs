//! The measurement: all contenders of a start stand side by side, and round by round each is asked once.
//!
//! A machine's speed drifts, so nothing is compared across time: in a round every contender is measured within a second or two
//! of the others, the order changes, and differences and ratios are taken within the round. The median of the rounds
//! then survives a few that were disturbed. What rounds do not even out is settled when an Envoy starts, which is why
//! there are several starts (`results`).

use crate::contenders::Contender;
use crate::load::Load;
use crate::setup::Setup;
use crate::shapes::Shape;
use anyhow::{Context, Result};
use portcullis_lab::envoy::Envoy;
use std::time::{Duration, Instant};

/// CPU time that a calibration must reach.
const CALIBRATION: Duration = Duration::from_millis(30);
const CALIBRATION_REQUESTS: usize = 100;

/// So much of a round is sent before it is counted: of a tenth of a second, what comes after 10 ms is all the same.
const WARM_UP_SHARE: usize = 8;

/// Each client's token is verified before anything is measured.
const WARM_UP_REQUESTS: usize = 400;

/// A contender with an Envoy of its own, and what was measured of it.
pub(crate) struct Runner {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) envoy: Envoy,
    /// From the start to the first answer of the admin interface.
    pub(crate) live: Duration,
    /// CPU time used until then.
    pub(crate) live_cpu: Duration,
    /// Requests of each round.
    pub(crate) requests: usize,
    pub(crate) rounds: Vec<Round>,
    load: Load,
    _contender: Contender,
}

/// What one contender took in one round.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    /// Envoy's CPU time for a request.
    pub(crate) cpu_us: f64,
    pub(crate) requests_per_second: f64,
}

/// Who stands in one of several starts: those that the ratios are about in each, all others in one. Those that are sent
/// one of the other shapes stand together, as they are compared.
pub(crate) fn dealt(all: Vec<Contender>, start: usize, starts: usize) -> Vec<Contender> {
    let stands = |(place, contender): &(usize, Contender)| match contender.shape {
        Shape::Page => contender.compared() || place % starts == start,
        other => other as usize % starts == start,
    };
    all.into_iter().enumerate().filter(stands).map(|(_, contender)| contender).collect()
}

/// Starts these contenders and lets them live through the rounds. One that is not counted comes first.
pub(crate) fn side_by_side(contenders: Vec<Contender>, setup: &Setup) -> Result<Vec<Runner>> {
    let runners = contenders.into_iter().map(|contender| Runner::start(contender, setup.round));
    let mut runners = runners.collect::<Result<Vec<_>>>()?;
    for runner in &mut runners {
        runner.measure()?;
    }
    for round in 0..setup.rounds {
        for at in order(round, runners.len()) {
            let measured = runners[at].measure()?;
            runners[at].rounds.push(measured);
        }
    }
    Ok(runners)
}

/// Another one comes first in each round, and each comes as often behind the one of its neighbours as behind the other.
fn order(round: usize, contenders: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..contenders).map(|turn| (round + turn) % contenders).collect();
    if !round.is_multiple_of(2) {
        order.reverse();
    }
    order
}

impl Runner {
    /// Starts Envoy and finds out how many requests take it so much CPU time.
    fn start(mut contender: Contender, round: Duration) -> Result<Self> {
        let began = Instant::now();
        let envoy = Envoy::start(&contender.bootstrap)?;
        let live = began.elapsed();
        let requests = std::mem::take(&mut contender.requests);
        let mut runner = Self {
            name: contender.name,
            shape: contender.shape,
            live,
            live_cpu: envoy.cpu_time()?,
            rounds: Vec::new(),
            load: Load::open(envoy.address(), requests, contender.expects)?,
            requests: CALIBRATION_REQUESTS,
            envoy,
            _contender: contender,
        };
        runner.run(WARM_UP_REQUESTS)?;
        loop {
            let used = runner.run(runner.requests)?;
            if used >= CALIBRATION {
                let share = round.as_secs_f64() / used.as_secs_f64();
                runner.requests = (runner.requests as f64 * share).ceil() as usize;
                return Ok(runner);
            }
            runner.requests *= 2;
        }
    }

    /// Measures one round, after requests that are not counted: while others were asked the caches and the leases of busy keys were lost,
    /// which a busy Envoy has.
    fn measure(&mut self) -> Result<Round> {
        self.run(self.requests.div_ceil(WARM_UP_SHARE))?;
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
        let sent = self.load.run(requests);
        sent.with_context(|| format!("{}; its log:\n{}", self.name, last_line(&self.envoy.log())))?;
        Ok(self.envoy.cpu_time()?.saturating_sub(before))
    }
}

fn last_line(log: &str) -> &str {
    log.lines().last().unwrap_or_default()
}
