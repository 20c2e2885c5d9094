//! Latency at half load: how much later answers come.
//!
//! Requests are sent at moments that are fixed before, whatever becomes of those under way, and each counts from its moment
//! on: a stall is paid by everybody who waits behind it. All contenders get the same load, half of what the slowest of them
//! can do with one worker. Short passes alternate, so that a busy machine disturbs all of them. On a machine that does other
//! things the 99th percentile is about these; what is added to the median is about the filter.

use crate::contenders::{BARE, EVERYTHING, LIKE_FOR_LIKE, NATIVE_CACHED};
use crate::load::Connection;
use crate::measure::{load, named, Runner, Spread};
use crate::shapes::Shape;
use anyhow::{anyhow, Result};
use std::time::{Duration, Instant};

/// Who is compared.
const COMPARED: [&str; 4] = [BARE, NATIVE_CACHED, LIKE_FOR_LIKE, EVERYTHING];

const PASSES: usize = 6;
const PASS: Duration = Duration::from_secs(1);

/// How long answers took, in microseconds.
pub(crate) struct Latency {
    pub(crate) name: &'static str,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
}

/// Measures all of them; returns the rate and the percentiles.
pub(crate) fn measure(runners: &[Runner]) -> Result<(f64, Vec<Latency>)> {
    let slowest = Spread::of(load(runners, EVERYTHING, Shape::Page)?.rounds.iter().map(|round| round.cpu_us));
    let rate = 0.5 * 1e6 / slowest.median;
    let mut all: Vec<Vec<f64>> = vec![Vec::new(); COMPARED.len()];
    for pass in 0..PASSES {
        for turn in 0..COMPARED.len() {
            let at = (pass + turn) % COMPARED.len();
            let server = named(runners, COMPARED[at])?.envoy.address();
            all[at].extend(run(server, rate)?);
        }
    }
    let latencies = COMPARED.into_iter().zip(all).map(|(name, mut micros)| {
        micros.sort_by(f64::total_cmp);
        let at = |share: f64| micros.get((micros.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
        Latency { name, p50: at(0.5), p90: at(0.9), p99: at(0.99) }
    });
    Ok((rate, latencies.collect()))
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
