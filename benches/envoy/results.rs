//! What was measured, and what it says: the median of the rounds of each start, then the median of the starts.
//!
//! How the pages and the code of an Envoy come to lie in the caches is settled when it starts, and makes as much as half a microsecond
//! that no number of rounds evens out. So contenders are started anew several times, everything is compared within a
//! start, and how far the starts lie apart says how sure a figure is.

use crate::contenders::{Contender, BARE, EVERYTHING, FOUR_WORKERS, NATIVE_CACHED, TWO_WORKERS};
use crate::measure::{Round, Runner};
use crate::shapes::Shape;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

const MIB: f64 = 1_048_576.0;

/// What was measured of all contenders, in the order of the report.
pub(crate) struct Results {
    measured: Vec<Measured>,
}

/// What was measured of one contender.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) means: &'static str,
    pub(crate) shape: Shape,
    /// By the number of the start.
    starts: BTreeMap<usize, Start>,
}

/// What was measured of it in one start.
pub(crate) struct Start {
    rounds: Vec<Round>,
    /// Requests of all rounds.
    pub(crate) requests: f64,
    pub(crate) requests_per_second: f64,
    /// From the start until Envoy was live, and the CPU time it took.
    pub(crate) live_ms: f64,
    pub(crate) live_cpu_ms: f64,
    /// How long the configuration took to load; not a number where no filter says it.
    pub(crate) configuration_ms: f64,
    /// Resident memory after the load.
    pub(crate) rss_mib: f64,
}

/// What each start said, in their order.
pub(crate) struct Starts(Vec<f64>);

impl Results {
    /// None yet, of these contenders.
    pub(crate) fn of(contenders: &[Contender]) -> Self {
        let none = |contender: &Contender| Measured {
            name: contender.name,
            means: contender.means,
            shape: contender.shape,
            starts: BTreeMap::new(),
        };
        Self { measured: contenders.iter().map(none).collect() }
    }

    /// Takes down what one start has shown.
    pub(crate) fn add(&mut self, start: usize, stood: &[Runner]) -> Result<()> {
        for runner in stood {
            let own = self.measured.iter_mut().find(|own| (own.name, own.shape) == (runner.name, runner.shape));
            let own = own.with_context(|| format!("{} was not expected", runner.name))?;
            own.starts.insert(start, Start::of(runner)?);
        }
        Ok(())
    }

    /// What was measured of a contender with one shape of requests.
    pub(crate) fn find(&self, name: &str, shape: Shape) -> Result<&Measured> {
        let found = self.measured.iter().find(|own| own.name == name && own.shape == shape);
        found.with_context(|| format!("{name} was not sent {}", shape.name()))
    }

    /// The same with the shape that contenders are compared by.
    pub(crate) fn page(&self, name: &str) -> Result<&Measured> {
        self.find(name, Shape::Page)
    }

    /// Those of the table of contenders: each once, with the requests that it is compared by.
    pub(crate) fn contenders(&self) -> impl Iterator<Item = &Measured> {
        let mut seen = BTreeSet::new();
        self.measured.iter().filter(move |own| seen.insert(own.name))
    }

    /// How long the largest configuration takes to load.
    pub(crate) fn configuration_ms(&self) -> Result<f64> {
        Ok(self.page(EVERYTHING)?.each(|start| start.configuration_ms).median())
    }

    /// What each worker beyond the first two takes, everything being on.
    pub(crate) fn worker_mib(&self) -> Result<f64> {
        let rss = |name| self.page(name).map(|own| own.each(|start| start.rss_mib).median());
        Ok((rss(FOUR_WORKERS)? - rss(TWO_WORKERS)?) / 2.0)
    }

    /// What one adds to the bare Envoy, in microseconds.
    pub(crate) fn added(&self, own: &Measured) -> Result<Starts> {
        Ok(compare([own, self.find(BARE, own.shape)?], |[own, bare]| own - bare))
    }

    /// What it takes, as a multiple of what the bare Envoy takes.
    pub(crate) fn to_bare(&self, own: &Measured) -> Result<Starts> {
        Ok(compare([own, self.find(BARE, own.shape)?], |[own, bare]| own / bare))
    }

    /// What one adds to the bare Envoy, as a multiple of what another one adds.
    pub(crate) fn added_ratio(&self, own: &Measured, other: &Measured) -> Result<Starts> {
        let bare = self.find(BARE, own.shape)?;
        Ok(compare([own, other, bare], |[own, other, bare]| (own - bare) / (other - bare)))
    }

    /// The same, of what Envoy's own filters add.
    pub(crate) fn to_native_cached(&self, own: &Measured) -> Result<Starts> {
        self.added_ratio(own, self.find(NATIVE_CACHED, own.shape)?)
    }
}

impl Measured {
    /// Its name as a key of the machine-readable summary.
    pub(crate) fn key(&self) -> String {
        self.name.replace(", ", "_").replace(' ', "_").replace('+', "with").to_lowercase()
    }

    /// Envoy's CPU time for a request, in microseconds.
    pub(crate) fn cpu_us(&self) -> Starts {
        compare([self], |[own]| own)
    }

    /// Something else that each start says.
    pub(crate) fn each(&self, says: fn(&Start) -> f64) -> Starts {
        Starts(self.starts.values().map(says).collect())
    }
}

/// Compares CPU times for a request within each round: the median of the rounds, for each start that all of these stood in.
pub(crate) fn compare<const N: usize>(all: [&Measured; N], compare: fn([f64; N]) -> f64) -> Starts {
    let said = all[0].starts.keys().filter_map(|number| {
        let stood: Vec<&Start> = all.iter().map(|own| own.starts.get(number)).collect::<Option<_>>()?;
        let in_round = |round: usize| compare(std::array::from_fn(|at| stood[at].rounds[round].cpu_us));
        Some(median((0..stood[0].rounds.len()).map(in_round)))
    });
    Starts(said.collect())
}

impl Start {
    fn of(runner: &Runner) -> Result<Self> {
        let rounds = runner.rounds.clone();
        Ok(Self {
            requests: (runner.requests * rounds.len()) as f64,
            requests_per_second: median(rounds.iter().map(|round| round.requests_per_second)),
            rounds,
            live_ms: runner.live.as_secs_f64() * 1e3,
            live_cpu_ms: runner.live_cpu.as_secs_f64() * 1e3,
            configuration_ms: loaded(&runner.envoy.log()).unwrap_or(f64::NAN),
            rss_mib: runner.envoy.rss_bytes()? as f64 / MIB,
        })
    }
}

/// How long the configuration took to load, as the filter says in Envoy's log: the longest of all threads.
fn loaded(log: &str) -> Option<f64> {
    let said = log.lines().filter_map(|line| line.split_once(" loaded in ")?.1.split(' ').next()?.parse().ok());
    said.max_by(f64::total_cmp)
}

impl Starts {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn median(&self) -> f64 {
        median(self.0.iter().copied())
    }

    /// The least, which says with the greatest how sure the median is.
    pub(crate) fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::min)
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::max)
    }

    pub(crate) fn sum(&self) -> f64 {
        self.0.iter().sum()
    }

    pub(crate) fn last(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }
}

impl Display for Starts {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        write!(to, "{:.2} ({:.2} to {:.2})", self.median(), self.min(), self.max())
    }
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let last = sorted.len().saturating_sub(1);
    (at(last / 2) + at(last.div_ceil(2))) / 2.0
}
