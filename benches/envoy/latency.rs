//! Latency at half load: how much later answers come.
//!
//! Requests are sent at moments that are fixed before, whatever becomes of those under way, and each counts from its moment
//! on: a stall is paid by everybody who waits behind it. All contenders get the same load, half of what the slowest of them
//! can do with one worker. Short passes alternate in every start, and what is reported is the median of the starts: one stall of 6 ms, which
//! this kind of machine has now and then whoever is asked, is already the 99th percentile of its pass.

use crate::contenders::{EVERYTHING, SHAPED};
use crate::load::Connection;
use crate::measure::Runner;
use crate::results::{median, Results};
use crate::shapes::Shape;
use anyhow::{anyhow, Context, Result};
use std::time::{Duration, Instant};

const PASS: Duration = Duration::from_millis(600);

/// How long answers took, in each start.
#[derive(Default)]
pub(crate) struct Latencies {
    passes: usize,
    /// Requests in a second: half of what the slowest did in its first start.
    pub(crate) rate: f64,
    by_contender: [Vec<Percentiles>; SHAPED.len()],
}

/// How long the answers of one pass took, in microseconds: of half of them, of nine in ten, of 99 in a hundred.
type Percentiles = [f64; 3];

/// How long the answers of one contender took, in microseconds: medians of the starts.
pub(crate) struct Latency {
    pub(crate) name: &'static str,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
}

impl Latencies {
    /// A pass with each of those that are compared.
    pub(crate) fn measure(&mut self, stood: &[Runner], results: &Results) -> Result<()> {
        if self.passes == 0 {
            self.rate = 0.5 * 1e6 / results.page(EVERYTHING)?.cpu_us().last();
        }
        for turn in 0..SHAPED.len() {
            let at = (self.passes + turn) % SHAPED.len();
            let page = |runner: &&Runner| runner.name == SHAPED[at] && runner.shape == Shape::Page;
            let runner = stood.iter().find(page).with_context(|| format!("{} does not stand", SHAPED[at]))?;
            self.by_contender[at].push(percentiles(run(runner.envoy.address(), self.rate)?));
        }
        self.passes += 1;
        Ok(())
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = Latency> + '_ {
        SHAPED.into_iter().zip(&self.by_contender).map(|(name, passes)| {
            let [p50, p90, p99] = std::array::from_fn(|at| median(passes.iter().map(|pass| pass[at])));
            Latency { name, p50, p90, p99 }
        })
    }
}

fn percentiles(mut micros: Vec<f64>) -> Percentiles {
    micros.sort_by(f64::total_cmp);
    [0.5, 0.9, 0.99].map(|share| micros.get((micros.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN))
}

fn run(server: std::net::SocketAddr, rate: f64) -> Result<Vec<f64>> {
    let requests = Shape::Page.requests();
    let clients = requests.len();
    let mut connections = Vec::new();
    for request in requests {
        connections.push((Connection::open(server)?, request));
    }
    let gap = Duration::from_secs_f64(clients as f64 / rate);
    let began = Instant::now() + Duration::from_millis(20);
    let client = |number: usize, mut connection: Connection, request: Vec<u8>| -> Result<Vec<f64>> {
        let mut micros = Vec::new();
        let mut moment = began + gap.mul_f64(number as f64 / clients as f64);
        while moment < began + PASS {
            std::thread::sleep(moment.saturating_duration_since(Instant::now()));
            connection.write(&request)?;
            connection.receive(200)?;
            micros.push(moment.elapsed().as_secs_f64() * 1e6);
            moment += gap;
        }
        Ok(micros)
    };
    std::thread::scope(|scope| {
        let client = &client;
        let threads: Vec<_> = connections
            .into_iter()
            .enumerate()
            .map(|(number, (connection, request))| scope.spawn(move || client(number, connection, request)))
            .collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| anyhow!("a client panicked"))??);
        }
        Ok(all)
    })
}
