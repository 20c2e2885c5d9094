//! What can be set about a run, by variables of the environment, and the module that it is about.

use anyhow::{ensure, Context, Result};
use portcullis_lab::workspace;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub(crate) struct Setup {
    /// How often Envoys are started anew.
    pub(crate) starts: usize,
    /// Rounds of each start.
    pub(crate) rounds: usize,
    /// CPU time of each contender in a round.
    pub(crate) round: Duration,
    /// Whether nothing is measured but what the ratios are about.
    pub(crate) only_ratios: bool,
    pub(crate) with_tokens: bool,
    pub(crate) wasm_bytes: u64,
    /// Another build of the module, to be compared with.
    pub(crate) other: Option<PathBuf>,
}

impl Setup {
    pub(crate) fn from_environment() -> Result<Self> {
        let (starts, rounds) = (number("BENCH_STARTS", 10)?, number("BENCH_ROUNDS", 12)?);
        ensure!(starts > 0 && rounds > 0, "BENCH_STARTS and BENCH_ROUNDS are 1 or more");
        let seconds: f64 = number("BENCH_SECONDS", 0.1)?;
        ensure!((0.02..=60.0).contains(&seconds), "BENCH_SECONDS is 0.02 to 60");
        let only_ratios = match std::env::var("BENCH_ONLY") {
            Ok(only) => {
                ensure!(only == "ratios", "BENCH_ONLY: {only} cannot be measured alone, `ratios` can");
                true
            }
            Err(_) => false,
        };
        let wasm = std::env::var_os("PORTCULLIS_WASM").map(PathBuf::from);
        let wasm = wasm.unwrap_or_else(|| workspace().join("target/portcullis.wasm"));
        Ok(Self {
            starts,
            rounds,
            round: Duration::from_secs_f64(seconds),
            only_ratios,
            with_tokens: std::env::var_os("BENCH_TOKENS").is_some(),
            wasm_bytes: std::fs::metadata(&wasm).with_context(|| format!("no {}", wasm.display()))?.len(),
            other: std::env::var_os("BENCH_OTHER").map(PathBuf::from),
        })
    }
}

fn number<T: FromStr>(name: &str, default: T) -> Result<T> {
    match std::env::var(name) {
        Ok(text) => text.parse().ok().with_context(|| format!("{name}: not a number: {text}")),
        Err(_) => Ok(default),
    }
}
