//! The report: tables to read, `target/bench/summary.json` for machines with the same figures, and the guard.

use crate::contenders::{
    ASKING, BARE, EVERYTHING, FORWARDED, FOUR_WORKERS, LIKE_FOR_LIKE, NATIVE, NATIVE_CACHED, TWO_WORKERS,
};
use crate::latency::Latency;
use crate::measure::{added_ratio, load, named, Runner, Spread, Summary};
use crate::shapes::Shape;
use anyhow::{ensure, Context, Result};
use serde_json::{json, Map, Value};
use std::path::Path;
use std::time::Duration;

/// What has been reached, with some room for a machine that does other things: a run that is worse fails.
const LIKE_FOR_LIKE_MAX: f64 = 1.6;
/// Of what the calls into Envoy add that it cannot do without.
const LIKE_FOR_LIKE_TO_ASKING_MAX: f64 = 2.4;
const EVERYTHING_MAX: f64 = 2.5;
/// Of what Envoy's chain adds without its cache.
const EVERYTHING_TO_NATIVE_MAX: f64 = 0.45;

const MIB: f64 = 1_048_576.0;

/// Who is sent every shape of request.
const SHAPED: [&str; 4] = [BARE, NATIVE_CACHED, LIKE_FOR_LIKE, EVERYTHING];

/// How the run was set up, and the module it was about.
pub(crate) struct Setup {
    pub(crate) rounds: usize,
    pub(crate) round: Duration,
    pub(crate) wasm_bytes: u64,
    pub(crate) with_tokens: bool,
}

/// What a run has shown.
pub(crate) struct Report<'r> {
    setup: &'r Setup,
    runners: &'r [Runner],
    rate: f64,
    latencies: &'r [Latency],
    like_for_like: Spread,
    like_for_like_to_asking: Spread,
    everything: Spread,
    everything_to_native: Spread,
}

impl<'r> Report<'r> {
    pub(crate) fn new(
        setup: &'r Setup,
        runners: &'r [Runner],
        rate: f64,
        latencies: &'r [Latency],
    ) -> Result<Self> {
        let page = |name| load(runners, name, Shape::Page).map(|load| load.rounds.as_slice());
        let ratio = |own, other| Ok::<_, anyhow::Error>(added_ratio(page(own)?, page(other)?, page(BARE)?));
        let like_for_like = ratio(LIKE_FOR_LIKE, NATIVE_CACHED)?;
        let like_for_like_to_asking = ratio(LIKE_FOR_LIKE, ASKING)?;
        let everything = ratio(EVERYTHING, NATIVE_CACHED)?;
        let everything_to_native = ratio(EVERYTHING, NATIVE)?;
        Ok(Self {
            setup,
            runners,
            rate,
            latencies,
            like_for_like,
            like_for_like_to_asking,
            everything,
            everything_to_native,
        })
    }

    /// Prints the tables.
    pub(crate) fn print(&self) -> Result<()> {
        println!(
            "\nEnvoy's own CPU time for one request, in microseconds: medians of {} rounds, each of about {} s of CPU;\n\
             one worker, {} connections, HTTP/1.1\n",
            self.setup.rounds,
            self.setup.round.as_secs_f64(),
            crate::traffic::CLIENTS
        );
        self.print_contenders()?;
        self.print_shapes()?;
        println!("\nLatency at {:.0} requests a second, microseconds\n", self.rate);
        println!("{:<15} {:>8} {:>8} {:>8}", "", "p50", "p90", "p99");
        for Latency { name, p50, p90, p99 } in self.latencies {
            println!("{name:<15} {p50:>8.0} {p90:>8.0} {p99:>8.0}");
        }
        let shown = |spread: Spread| format!("{:.2} ({:.2} to {:.2})", spread.median, spread.min, spread.max);
        println!(
            "\nlike for like adds {} of what the native chain adds with its cache",
            shown(self.like_for_like)
        );
        println!(
            "               and {} of what its calls into Envoy add alone",
            shown(self.like_for_like_to_asking)
        );
        println!("everything adds    {} of what the native chain adds with its cache,", shown(self.everything));
        println!("               and {} of what it adds without", shown(self.everything_to_native));
        println!(
            "\nportcullis.wasm: {} bytes; configuration: {}; memory of a further worker: {:.1} MiB",
            self.setup.wasm_bytes,
            loaded(named(self.runners, EVERYTHING)?).map_or("?".into(), |ms| format!("{ms} ms")),
            self.worker_mib()?
        );
        Ok(())
    }

    fn print_contenders(&self) -> Result<()> {
        println!(
            "{:<24} {:>7} {:>7} {:>7} {:>7} {:>7} {:>8} {:>6} {:>7}",
            "", "median", "min", "max", "added", "x bare", "x native", "RSS", "start"
        );
        println!("{:<24} {:>31} {:>16} {:>6} {:>7}", "", "", "cached", "MiB", "ms");
        for runner in self.runners {
            let Some(own) = runner.loads.first() else { continue };
            let Summary { cpu_us, added_us, to_bare, to_native_cached, .. } = Summary::of(own, self.runners)?;
            println!(
                "{:<24} {:>7.1} {:>7.1} {:>7.1} {:>7.1} {:>7.2} {:>8.2} {:>6.0} {:>7}",
                runner.contender.name,
                cpu_us.median,
                cpu_us.min,
                cpu_us.max,
                added_us.median,
                to_bare.median,
                to_native_cached.median,
                rss_mib(runner)?,
                runner.start.as_millis(),
            );
        }
        println!();
        for runner in self.runners {
            println!("{:<24} {}", runner.contender.name, runner.contender.means);
        }
        println!(
            "\nadded: beyond `{BARE}`. x native, cached: that, as a multiple of what `{NATIVE_CACHED}` adds. Both are\n\
             medians of what each round says. RSS: after the load. start: until Envoy is live.\n\
             With a service behind it Envoy itself takes {:.1} us.",
            Summary::of(load(self.runners, FORWARDED, Shape::Page)?, self.runners)?.cpu_us.median
        );
        Ok(())
    }

    fn print_shapes(&self) -> Result<()> {
        println!("\nRequests of other shapes: CPU time of the bare Envoy, and what is added to it\n");
        println!("{:<30} {:>9} {:>15} {:>14} {:>11}", "", BARE, NATIVE_CACHED, LIKE_FOR_LIKE, EVERYTHING);
        for shape in Shape::ALL {
            let of = |name| Summary::of(load(self.runners, name, shape)?, self.runners);
            println!(
                "{:<30} {:>9.1} {:>15.1} {:>14.1} {:>11.1}",
                shape.name(),
                of(BARE)?.cpu_us.median,
                of(NATIVE_CACHED)?.added_us.median,
                of(LIKE_FOR_LIKE)?.added_us.median,
                of(EVERYTHING)?.added_us.median,
            );
        }
        Ok(())
    }

    /// What each worker beyond the first two takes, everything being on.
    fn worker_mib(&self) -> Result<f64> {
        let rss = |name| rss_mib(named(self.runners, name)?);
        Ok((rss(FOUR_WORKERS)? - rss(TWO_WORKERS)?) / 2.0)
    }

    /// Writes the summary.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let (mut contenders, mut shapes) = (Map::new(), Map::new());
        for runner in self.runners {
            contenders.insert(runner.contender.key(), entry(runner, self.runners)?);
        }
        for shape in Shape::ALL {
            let mut by_contender = Map::new();
            for name in SHAPED {
                let Summary { cpu_us, added_us, .. } =
                    Summary::of(load(self.runners, name, shape)?, self.runners)?;
                let figures = json!({"cpu_us": rounded(cpu_us.median), "added_us": rounded(added_us.median)});
                by_contender.insert(named(self.runners, name)?.contender.key(), figures);
            }
            shapes.insert(shape.key().to_owned(), Value::Object(by_contender));
        }
        let latency = |own: &Latency| {
            let figures = json!({"p50": rounded(own.p50), "p90": rounded(own.p90), "p99": rounded(own.p99)});
            (own.name.to_owned(), figures)
        };
        let summary = json!({
            "like_for_like_ratio": rounded(self.like_for_like.median),
            "like_for_like_to_asking_ratio": rounded(self.like_for_like_to_asking.median),
            "everything_ratio": rounded(self.everything.median),
            "everything_to_native_ratio": rounded(self.everything_to_native.median),
            "rounds": self.setup.rounds,
            "round_seconds": self.setup.round.as_secs_f64(),
            "wasm_bytes": self.setup.wasm_bytes,
            "configuration_ms": loaded(named(self.runners, EVERYTHING)?),
            "worker_mib": rounded(self.worker_mib()?),
            "contenders": contenders,
            "shapes": shapes,
            "latency_rate": rounded(self.rate),
            "latency_us": self.latencies.iter().map(latency).collect::<Map<_, _>>(),
        });
        std::fs::write(path, format!("{summary:#}\n")).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Whether it is as good as it has been.
    pub(crate) fn guard(&self) -> Result<()> {
        for (name, reached, max) in [
            ("like for like", self.like_for_like, LIKE_FOR_LIKE_MAX),
            (
                "like for like, beside its calls into Envoy alone",
                self.like_for_like_to_asking,
                LIKE_FOR_LIKE_TO_ASKING_MAX,
            ),
            ("everything", self.everything, EVERYTHING_MAX),
            (
                "everything, beside the chain without its cache",
                self.everything_to_native,
                EVERYTHING_TO_NATIVE_MAX,
            ),
        ] {
            ensure!(
                reached.median <= max,
                "{name}: a ratio of {:.2}, where {max} has been reached",
                reached.median
            );
        }
        Ok(())
    }
}

/// How long the configuration took to load, as the filter says in Envoy's log: the longest of all threads.
fn loaded(runner: &Runner) -> Option<u64> {
    let log = runner.envoy.log();
    let said = log.lines().filter_map(|line| line.split_once(" loaded in ")?.1.split(' ').next()?.parse().ok());
    said.max()
}

fn entry(runner: &Runner, runners: &[Runner]) -> Result<Value> {
    let own = runner.loads.first().context("a contender without a load")?;
    let summary = Summary::of(own, runners)?;
    Ok(json!({
        "cpu_us_median": rounded(summary.cpu_us.median),
        "cpu_us_min": rounded(summary.cpu_us.min),
        "cpu_us_max": rounded(summary.cpu_us.max),
        "added_us": rounded(summary.added_us.median),
        "ratio_to_bare": rounded(summary.to_bare.median),
        "added_to_native_cached": rounded(summary.to_native_cached.median),
        "rss_mb": rounded(rss_mib(runner)?),
        "start_ms": u64::try_from(runner.start.as_millis())?,
        "start_cpu_ms": u64::try_from(runner.start_cpu.as_millis())?,
        "requests": own.requests * own.rounds.len(),
        "requests_per_second": rounded(summary.requests_per_second.median),
    }))
}

fn rss_mib(runner: &Runner) -> Result<f64> {
    Ok(runner.envoy.rss_bytes()? as f64 / MIB)
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
