//! What Portcullis costs Envoy: CPU time per request, beside an Envoy without it and Envoy's own filters.
//!
//! Latency on a shared machine says more about the machine than about the filter, so what is measured is the CPU
//! time of the Envoy process, user and system, for a fixed number of requests whose answers are all checked. Every
//! contender is an Envoy of its own, and all of them live through the same rounds (`measure`).
//!
//! `BENCH_ROUNDS` (9) and `BENCH_SECONDS` (0.4, CPU seconds for each load and round) make it longer or shorter, and
//! `BENCH_TOKENS=1` adds what tokens cost that are not merely remembered. `BENCH_OTHER` (a path) compares the module with another build of it
//! and measures nothing else ([`beside`]). Everything happens on the loopback interface, and no
//! process outlives it. It fails where a ratio is worse than what has been reached (`report::LIKE_FOR_LIKE_MAX`).
//! Not covered: HTTP/2, TLS, large answers.

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
mod report;
mod rules;
mod shapes;
mod tokens;
mod traffic;

use anyhow::{ensure, Context, Result};
use measure::Runner;
use portcullis_lab::upstream::Upstream;
use portcullis_lab::workspace;
use report::{Report, Setup};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

fn main() -> Result<()> {
    let directory = workspace().join("target/bench");
    std::fs::create_dir_all(&directory)?;
    let setup = setup()?;
    if let Some(other) = std::env::var_os("BENCH_OTHER").map(PathBuf::from) {
        return beside::measure(&setup, &other);
    }
    let modules = modules::Modules::write(&directory)?;
    let upstream = Upstream::start();
    let mut runners = Vec::new();
    let began = Instant::now();
    for contender in contenders::all(&modules, upstream.address(), setup.with_tokens)? {
        let name = contender.name;
        let runner = Runner::start(contender, setup.round)?;
        eprintln!("{name}: live after {} ms", runner.start.as_millis());
        runners.push(runner);
    }
    measure::rounds(&mut runners, setup.rounds)?;
    eprintln!("latency at half load");
    let (rate, latencies) = latency::measure(&runners)?;
    let report = Report::new(&setup, &runners, rate, &latencies)?;
    report.print()?;
    println!("\nmeasured in {:.0} s", began.elapsed().as_secs_f64());
    report.write(&directory.join("summary.json"))?;
    report.guard()
}

fn setup() -> Result<Setup> {
    let rounds = setting("BENCH_ROUNDS", 9)?;
    let seconds: f64 = setting("BENCH_SECONDS", 0.4)?;
    ensure!(rounds > 0 && (0.1..=60.0).contains(&seconds), "BENCH_ROUNDS is 1 or more, BENCH_SECONDS 0.1 to 60");
    let wasm = std::env::var_os("PORTCULLIS_WASM").map(PathBuf::from);
    let wasm = wasm.unwrap_or_else(|| workspace().join("target/portcullis.wasm"));
    let wasm_bytes = std::fs::metadata(&wasm).with_context(|| format!("no {}", wasm.display()))?.len();
    let with_tokens = std::env::var_os("BENCH_TOKENS").is_some();
    Ok(Setup { rounds, round: Duration::from_secs_f64(seconds), wasm_bytes, with_tokens })
}

fn setting<T: FromStr>(name: &str, default: T) -> Result<T> {
    match std::env::var(name) {
        Ok(text) => text.parse().ok().with_context(|| format!("{name}: not a number: {text}")),
        Err(_) => Ok(default),
    }
}
