//! The report: a table to read, and `target/bench/summary.json` for machines, with the same figures.

use crate::contenders::{BARE, NATIVE_CACHED, PORTCULLIS};
use crate::measure::{named, Runner, Summary};
use anyhow::{Context, Result};
use serde_json::{json, Map, Value};
use std::path::Path;
use std::time::Duration;

const MIB: f64 = 1_048_576.0;

/// How the run was set up, and the module it was about.
pub(crate) struct Setup {
    pub(crate) rounds: usize,
    pub(crate) round: Duration,
    pub(crate) wasm_bytes: u64,
}

/// Prints the table with its legend.
pub(crate) fn print(setup: &Setup, runners: &[Runner]) -> Result<()> {
    println!(
        "\nEnvoy's own CPU time for one request, in microseconds: the median of {} rounds, each of about {} s of CPU;\n\
         one worker, {} connections, HTTP/1.1\n",
        setup.rounds,
        setup.round.as_secs_f64(),
        crate::traffic::CLIENTS
    );
    println!(
        "{:<23} {:>8} {:>8} {:>8} {:>8} {:>7} {:>9} {:>8} {:>8} {:>9}",
        "", "median", "min", "max", "added", "x bare", "x native,", "RSS", "start", "requests"
    );
    println!("{:<23} {:>52} {:>8} {:>8} {:>9}", "", "cached", "MiB", "ms", "per s");
    for runner in runners {
        let Summary { cpu_us, added_us, to_bare, to_native_cached, requests_per_second } =
            Summary::of(runner, runners)?;
        println!(
            "{:<23} {:>8.1} {:>8.1} {:>8.1} {:>8.1} {:>7.2} {:>9.2} {:>8.0} {:>8} {:>9.0}",
            runner.contender.name,
            cpu_us.median,
            cpu_us.min,
            cpu_us.max,
            added_us.median,
            to_bare.median,
            to_native_cached.median,
            rss_mib(runner)?,
            runner.start.as_millis(),
            requests_per_second.median,
        );
    }
    println!();
    for runner in runners {
        println!("{:<23} {}", runner.contender.name, runner.contender.means);
    }
    println!(
        "\nadded: beyond `{BARE}`; it and both ratios are medians of what each round says. x native, cached: beside\n\
         `{NATIVE_CACHED}`. RSS: after the load. start: until Envoy is live. requests per s: a side note, with the\n\
         sender on the same machine."
    );
    let start = |name| named(runners, name).map(|runner| runner.start_cpu.as_millis());
    println!(
        "\nportcullis.wasm: {} bytes; Envoy's CPU time until it is live: {} ms bare, {} ms with it",
        setup.wasm_bytes,
        start(BARE)?,
        start(PORTCULLIS)?
    );
    Ok(())
}

/// Writes the summary.
pub(crate) fn write(setup: &Setup, runners: &[Runner], path: &Path) -> Result<()> {
    let mut contenders = Map::new();
    for runner in runners {
        contenders.insert(runner.contender.key(), entry(runner, runners)?);
    }
    let summary = json!({
        "rounds": setup.rounds,
        "round_seconds": setup.round.as_secs_f64(),
        "wasm_bytes": setup.wasm_bytes,
        "contenders": contenders,
    });
    std::fs::write(path, format!("{summary:#}\n")).with_context(|| format!("cannot write {}", path.display()))
}

fn entry(runner: &Runner, runners: &[Runner]) -> Result<Value> {
    let summary = Summary::of(runner, runners)?;
    Ok(json!({
        "cpu_us_median": rounded(summary.cpu_us.median),
        "cpu_us_min": rounded(summary.cpu_us.min),
        "cpu_us_max": rounded(summary.cpu_us.max),
        "added_us": rounded(summary.added_us.median),
        "ratio_to_bare": rounded(summary.to_bare.median),
        "ratio_to_native_cached": rounded(summary.to_native_cached.median),
        "rss_mb": rounded(rss_mib(runner)?),
        "start_ms": u64::try_from(runner.start.as_millis())?,
        "start_cpu_ms": u64::try_from(runner.start_cpu.as_millis())?,
        "requests": runner.requests * runner.rounds.len(),
        "requests_per_second": rounded(summary.requests_per_second.median),
    }))
}

fn rss_mib(runner: &Runner) -> Result<f64> {
    Ok(runner.envoy.rss_bytes()? as f64 / MIB)
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
