//! The report for machines, `target/bench/summary.json`, with the figures of the tables.

use crate::contenders::SHAPED;
use crate::latency::Latency;
use crate::ratios::RATIOS;
use crate::report::Report;
use crate::results::{Measured, Results};
use crate::shapes::Shape;
use anyhow::{Context, Result};
use serde_json::{json, Map, Value};
use std::path::Path;

/// Writes the figures of the report.
pub(crate) fn write(report: &Report<'_>, path: &Path) -> Result<()> {
    let Report { setup, results, latencies } = report;
    let contenders = results.contenders().map(|own| Ok((own.key(), contender(results, own)?)));
    let shapes = Shape::ALL.into_iter().map(|asked| Ok((asked.key().to_owned(), shape(results, asked)?)));
    let mut summary = json!({
        "starts": setup.starts,
        "rounds": setup.rounds,
        "round_seconds": setup.round.as_secs_f64(),
        "wasm_bytes": setup.wasm_bytes,
        "configuration_ms": whole(results.configuration_ms()?),
        "worker_mib": rounded(results.worker_mib()?),
        "contenders": contenders.collect::<Result<Map<_, _>>>()?,
        "shapes": shapes.collect::<Result<Map<_, _>>>()?,
        "latency_rate": rounded(latencies.rate),
        "latency_us": latencies.all().map(latency).collect::<Map<_, _>>(),
    });
    for ratio in RATIOS {
        let starts = ratio.starts(results)?;
        summary[ratio.key] = json!(rounded(starts.median()));
        summary[format!("{}_min", ratio.key)] = json!(rounded(starts.min()));
        summary[format!("{}_max", ratio.key)] = json!(rounded(starts.max()));
    }
    std::fs::write(path, format!("{summary:#}\n")).with_context(|| format!("cannot write {}", path.display()))
}

fn contender(results: &Results, own: &Measured) -> Result<Value> {
    let cpu_us = own.cpu_us();
    Ok(json!({
        "starts": cpu_us.count(),
        "cpu_us_median": rounded(cpu_us.median()),
        "cpu_us_min": rounded(cpu_us.min()),
        "cpu_us_max": rounded(cpu_us.max()),
        "added_us": rounded(results.added(own)?.median()),
        "ratio_to_bare": rounded(results.to_bare(own)?.median()),
        "added_to_native_cached": rounded(results.to_native_cached(own)?.median()),
        "rss_mb": rounded(own.each(|start| start.rss_mib).median()),
        "start_ms": whole(own.each(|start| start.live_ms).median()),
        "start_cpu_ms": whole(own.each(|start| start.live_cpu_ms).median()),
        "requests": whole(own.each(|start| start.requests).sum()),
        "requests_per_second": rounded(own.each(|start| start.requests_per_second).median()),
    }))
}

fn shape(results: &Results, shape: Shape) -> Result<Value> {
    let figures = SHAPED.into_iter().map(|name| {
        let own = results.find(name, shape)?;
        let (cpu_us, added_us) = (own.cpu_us().median(), results.added(own)?.median());
        Ok((own.key(), json!({"cpu_us": rounded(cpu_us), "added_us": rounded(added_us)})))
    });
    Ok(Value::Object(figures.collect::<Result<_>>()?))
}

fn latency(own: Latency) -> (String, Value) {
    (own.name.to_owned(), json!({"p50": rounded(own.p50), "p90": rounded(own.p90), "p99": rounded(own.p99)}))
}

/// Nothing where it is not known.
fn whole(value: f64) -> Option<u64> {
    value.is_finite().then_some(value.round() as u64)
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
