//! `demo [--keep] [EXAMPLE...]`: the examples, replayed against a real Envoy before one's eyes (`make demo`).
//!
//! For each example an Envoy with its configuration is started, its requests are sent, and a table shows what was
//! promised and what came of it. The promises are those of `examples/*/scenario.json`, which the tests hold too.
//! The exit status is 0 only if every one was kept. `--keep` then leaves one Envoy running to be tried by hand.
//!
//! Coloured on a terminal and plain elsewhere (`NO_COLOR` is respected); errors are sentences. Not covered:
//! performance, which is what the benchmark is for.

mod counters;
mod keep;
mod table;

use anstream::{eprintln, println};
use anstyle::{AnsiColor, Style};
use anyhow::{bail, ensure, Result};
use counters::Counters;
use portcullis_lab::envoy::Envoy;
use portcullis_lab::scenario::replay::replay;
use portcullis_lab::scenario::Example;
use portcullis_lab::upstream::Upstream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const MIDDLING: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default();

/// Longer than the filter keeps what it has counted to itself.
const HAND_OVER: Duration = Duration::from_millis(300);

const USAGE: &str = "usage: demo [--keep] [EXAMPLE...]";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{BAD}The demo could not be shown:{BAD:#} {error}");
            error.chain().skip(1).for_each(|cause| eprintln!("because: {cause}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether all went as promised.
fn run() -> Result<bool> {
    let (flags, names): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with('-'));
    if flags.iter().any(|flag| flag == "--help") {
        println!("{USAGE}");
        return Ok(true);
    }
    if let Some(unknown) = flags.iter().find(|flag| *flag != "--keep") {
        bail!("there is no option {unknown}; {USAGE}");
    }
    let kept = show(&chosen(&names)?)?;
    if !flags.is_empty() {
        keep::keep(&Upstream::start())?;
    }
    Ok(kept)
}

fn chosen(names: &[String]) -> Result<Vec<Example>> {
    let mut examples = Example::all()?;
    let known: Vec<&str> = examples.iter().map(|example| example.name.as_str()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("there is no example `{unknown}`, only {}", known.join(", "));
    }
    if !names.is_empty() {
        examples.retain(|example| names.contains(&example.name));
    }
    Ok(examples)
}

/// Replays the examples one after the other; whether every promise was kept.
fn show(examples: &[Example]) -> Result<bool> {
    let started = Instant::now();
    let mut counters = Counters::default();
    let (mut sent, mut kept, mut reached) = (0, 0, 0);
    for example in examples {
        // Of its own: what it remembers is no other example's.
        let upstream = Upstream::start();
        let envoy = Envoy::start(&example.bootstrap(upstream.address())?)?;
        let observed = replay(example, &envoy)?;
        ensure!(observed.len() == example.scenario.exchanges.len(), "an exchange was lost");
        kept += table::print(example, &observed);
        sent += observed.len();
        reached += upstream.hits();
        let are_told = |envoy: &Envoy| Counters::of(envoy).requests() >= observed.len() as u64;
        envoy.wait_for(are_told, HAND_OVER);
        counters.add(&envoy.prometheus());
    }
    counters.print(examples.len());
    let verdict = if kept == sent { GOOD } else { BAD };
    println!(
        "{verdict}{kept} of {sent} requests went as promised{verdict:#}, {reached} of them reached the service; \
         {} in {:.1} s.",
        plural(examples.len(), "example"),
        started.elapsed().as_secs_f64()
    );
    Ok(kept == sent)
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
