//! What Portcullis costs Envoy: CPU time per request, beside an Envoy without it and Envoy's own filters.
//!
//! Latency on a shared machine says more about the machine than about the filter, so what is measured is the CPU
//! time of the Envoy process, user and system, for a fixed number of requests whose answers are all checked. Every
//! contender is an Envoy of its own, and all of them live through the same rounds (`measure`).
//!
//! `BENCH_ROUNDS` (7) and `BENCH_SECONDS` (1, CPU seconds for each contender and round) make it longer or shorter.
//! Everything happens on the loopback interface, and no process outlives it.
//! Not covered: latency, several workers, HTTP/2, TLS, bodies.

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

mod contenders;
mod load;
mod measure;
mod report;
mod tokens;
mod traffic;

use anyhow::{ensure, Context, Result};
use measure::Runner;
use portcullis_lab::upstream::Upstream;
use portcullis_lab::workspace;
use report::Setup;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

fn main() -> Result<()> {
    let directory = workspace().join("target/bench");
    std::fs::create_dir_all(&directory)?;
    let setup = setup()?;
    let empty_filter = directory.join("empty.wasm");
    std::fs::write(&empty_filter, wat::parse_str(contenders::EMPTY_FILTER)?)?;
    let upstream = Upstream::start();
    let mut runners = Vec::new();
    for contender in contenders::all(&empty_filter, upstream.address())? {
        eprintln!("starting {}", contender.name);
        runners.push(Runner::start(contender, setup.round)?);
    }
    measure::rounds(&mut runners, setup.rounds)?;
    report::print(&setup, &runners)?;
    report::write(&setup, &runners, &directory.join("summary.json"))
}

fn setup() -> Result<Setup> {
    let rounds = setting("BENCH_ROUNDS", 7)?;
    let seconds: f64 = setting("BENCH_SECONDS", 1.0)?;
    ensure!(rounds > 0 && (0.1..=60.0).contains(&seconds), "BENCH_ROUNDS is 1 or more, BENCH_SECONDS 0.1 to 60");
    let wasm = std::env::var_os("PORTCULLIS_WASM").map(PathBuf::from);
    let wasm = wasm.unwrap_or_else(|| workspace().join("target/portcullis.wasm"));
    let wasm_bytes = std::fs::metadata(&wasm).with_context(|| format!("no {}", wasm.display()))?.len();
    Ok(Setup { rounds, round: Duration::from_secs_f64(seconds), wasm_bytes })
}

fn setting<T: FromStr>(name: &str, default: T) -> Result<T> {
    match std::env::var(name) {
        Ok(text) => text.parse().ok().with_context(|| format!("{name}: not a number: {text}")),
        Err(_) => Ok(default),
    }
}
