//! Two builds of the filter side by side: is the other one cheaper?
//!
//! What one change to the code saves is less than what two runs differ by. So both modules stand in the same starts, beside a bare Envoy and
//! Envoy's own chain, and differences are taken within each round. Which build stands before the other alternates from start to
//! start; in brackets stand the least and the greatest that a start says.

use crate::contenders::{self, NATIVE_CACHED, PAIRS};
use crate::measure;
use crate::results::{compare, Measured, Results};
use crate::setup::Setup;
use anyhow::Result;
use std::path::Path;

/// Measures the module that is built, and another one.
pub(crate) fn measure(setup: &Setup, other: &Path) -> Result<()> {
    let mut results = Results::of(&contenders::beside(other, false)?);
    for start in 0..setup.starts {
        let contenders = contenders::beside(other, !start.is_multiple_of(2))?;
        results.add(start, &measure::side_by_side(contenders, setup)?)?;
        let said = PAIRS.into_iter().map(|(own, other)| {
            let less = compare([results.page(own)?, results.page(other)?], less);
            Ok(format!("{own} less the other {:.2} us", less.last()))
        });
        eprintln!("start {} of {}: {}", start + 1, setup.starts, said.collect::<Result<Vec<_>>>()?.join(", "));
    }
    println!("\nmedians of {} starts, the least and the greatest of them\n", setup.starts);
    println!("{:<24} {:>8} {:>28} {:>28}", "", "added us", "x native, cached", "less the other, us");
    for (own, other) in PAIRS {
        let (own, other) = (results.page(own)?, results.page(other)?);
        println!("{}", line(&results, own, &compare([own, other], less).to_string())?);
        println!("{}", line(&results, other, "")?);
    }
    println!("{}", line(&results, results.page(NATIVE_CACHED)?, "")?);
    Ok(())
}

fn less([own, other]: [f64; 2]) -> f64 {
    own - other
}

fn line(results: &Results, own: &Measured, less: &str) -> Result<String> {
    let (added, ratio) = (results.added(own)?.median(), results.to_native_cached(own)?.to_string());
    Ok(format!("{:<24} {added:>8.2} {ratio:>28} {less:>28}", own.name))
}
