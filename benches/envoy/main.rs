//! What Portcullis costs Envoy: CPU time per request, beside an Envoy without it and Envoy's own filters.
//!
//! Latency on a shared machine says more about the machine than about the filter, so what is measured is the CPU
//! time of the Envoy process, user and system, for a fixed number of requests whose answers are all checked. Every
//! contender is an Envoy of its own. Those that the ratios are about are started anew several times, everybody else stands beside
//! them in one of these starts; all that stand together live through the same rounds (`measure`), and what is told is the median of the starts (`results`).
//!
//! `BENCH_STARTS` (10), `BENCH_ROUNDS` (12 for each start) and `BENCH_SECONDS` (0.1, CPU seconds of each contender in a round) make it longer or
//! shorter, `BENCH_ONLY=ratios` leaves out what the ratios are not about, and `BENCH_TOKENS=1` adds what tokens cost that are not merely
//! remembered. `BENCH_OTHER` (a path) compares the module with another build of it and measures nothing else ([`beside`]).
//! Everything happens on the loopback interface, and no process outlives it. It fails where a ratio is worse than what has been
//! reached (`ratios`). Not covered: HTTP/2, TLS, large answers.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "runs on a developer's machine and may stop with a message"
)]

mod beside;
mod contenders;
mod latency;
mod load;
mod measure;
mod modules;
mod ratios;
mod report;
mod results;
mod rules;
mod setup;
mod shapes;
mod summary;
mod tokens;
mod traffic;

use anyhow::Result;
use contenders::Contender;
use latency::Latencies;
use portcullis_lab::upstream::Upstream;
use portcullis_lab::workspace;
use report::Report;
use results::Results;
use setup::Setup;
use std::time::Instant;

fn main() -> Result<()> {
    let directory = workspace().join("target/bench");
    std::fs::create_dir_all(&directory)?;
    let setup = Setup::from_environment()?;
    if let Some(other) = &setup.other {
        return beside::measure(&setup, other);
    }
    let modules = modules::Modules::write(&directory)?;
    let upstream = Upstream::start();
    let contenders = || -> Result<Vec<Contender>> {
        let mut all = contenders::all(&modules, upstream.address(), setup.with_tokens)?;
        all.retain(|contender| contender.compared() || !setup.only_ratios);
        Ok(all)
    };
    let mut results = Results::of(&contenders()?);
    let mut latencies = Latencies::default();
    let began = Instant::now();
    for start in 0..setup.starts {
        let stood = measure::side_by_side(measure::dealt(contenders()?, start, setup.starts), &setup)?;
        results.add(start, &stood)?;
        if !setup.only_ratios {
            latencies.measure(&stood, &results)?;
        }
        let seconds = began.elapsed().as_secs();
        eprintln!("start {} of {}, {seconds} s: {}", start + 1, setup.starts, ratios::last(&results)?);
    }
    let report = Report { setup: &setup, results: &results, latencies: &latencies };
    report.print()?;
    println!("\nmeasured in {} s", began.elapsed().as_secs());
    if !setup.only_ratios {
        summary::write(&report, &directory.join("summary.json"))?;
    }
    ratios::guard(&results)
}
