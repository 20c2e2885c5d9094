//! Two builds of the filter side by side: is the other one cheaper?
//!
//! What one change to the code saves is less than what two runs differ by. So both modules stand in one run, beside a bare Envoy and
//! Envoy's own chain, and differences are taken within each round; half of the rounds lie between the quartiles.

use crate::contenders::{self, BARE, NATIVE_CACHED};
use crate::measure::{self, added_ratio, load, Round, Runner, Spread};
use crate::report::Setup;
use crate::shapes::Shape;
use anyhow::Result;
use std::path::Path;

/// Measures the module that is built, and another one.
pub(crate) fn measure(setup: &Setup, other: &Path) -> Result<()> {
    let mut runners = Vec::new();
    for contender in contenders::beside(other)? {
        runners.push(Runner::start(contender, setup.round)?);
    }
    measure::rounds(&mut runners, setup.rounds)?;
    let rounds = |name: &str| load(&runners, name, Shape::Page).map(|load| load.rounds.as_slice());
    let (bare, native) = (rounds(BARE)?, rounds(NATIVE_CACHED)?);
    println!("{:<24} {:>8} {:>28} {:>28}", "", "added us", "x native, cached", "less the other, us");
    for (own, other) in contenders::PAIRS {
        let (own_rounds, other_rounds) = (rounds(own)?, rounds(other)?);
        println!("{}", line(own, own_rounds, native, bare, Some(other_rounds)));
        println!("{}", line(other, other_rounds, native, bare, None));
    }
    println!("{}", line(NATIVE_CACHED, native, native, bare, None));
    Ok(())
}

fn line(name: &str, own: &[Round], native: &[Round], bare: &[Round], other: Option<&[Round]>) -> String {
    let added = Spread::of(own.iter().zip(bare).map(|(own, bare)| own.cpu_us - bare.cpu_us));
    let ratio = added_ratio(own, native, bare);
    let less = other.map(|other| Spread::of(own.iter().zip(other).map(|(own, other)| own.cpu_us - other.cpu_us)));
    let less = less.map(quartiles).unwrap_or_default();
    format!("{name:<24} {:>8.2} {:>28} {less:>28}", added.median, quartiles(ratio))
}

fn quartiles(spread: Spread) -> String {
    format!("{:.2} ({:.2} to {:.2})", spread.median, spread.quarter, spread.three_quarters)
}
