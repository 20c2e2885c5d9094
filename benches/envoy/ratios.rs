//! What the run is about: what the filter adds, as a multiple of what others add for the same; and the guard that it stays so.

use crate::contenders::{ASKING, EVERYTHING, LIKE_FOR_LIKE, NATIVE, NATIVE_CACHED};
use crate::results::{Results, Starts};
use anyhow::{ensure, Result};

/// One comparison.
pub(crate) struct Ratio {
    /// Its name in the machine-readable summary.
    pub(crate) key: &'static str,
    pub(crate) own: &'static str,
    other: &'static str,
    /// What the other one is, for the report.
    pub(crate) of: &'static str,
    /// What has been reached, with some room for a machine that does other things: a run that is worse fails.
    max: f64,
}

pub(crate) const RATIOS: [Ratio; 4] = [
    Ratio {
        key: "like_for_like_ratio",
        own: LIKE_FOR_LIKE,
        other: NATIVE_CACHED,
        of: "what the native chain adds with its cache",
        max: 1.2,
    },
    Ratio {
        key: "like_for_like_to_asking_ratio",
        own: LIKE_FOR_LIKE,
        other: ASKING,
        of: "what its calls into Envoy add alone, which it cannot do without",
        max: 2.1,
    },
    Ratio {
        key: "everything_ratio",
        own: EVERYTHING,
        other: NATIVE_CACHED,
        of: "what the native chain adds with its cache",
        max: 2.1,
    },
    Ratio {
        key: "everything_to_native_ratio",
        own: EVERYTHING,
        other: NATIVE,
        of: "what the native chain adds without its cache",
        max: 0.37,
    },
];

impl Ratio {
    /// What each start says of it.
    pub(crate) fn starts(&self, results: &Results) -> Result<Starts> {
        results.added_ratio(results.page(self.own)?, results.page(self.other)?)
    }
}

/// What the last start says of them.
pub(crate) fn last(results: &Results) -> Result<String> {
    let said = RATIOS.into_iter().map(|ratio| {
        let Ratio { own, other, .. } = ratio;
        Ok(format!("{own} {:.2} of {other}", ratio.starts(results)?.last()))
    });
    Ok(said.collect::<Result<Vec<_>>>()?.join("; "))
}

/// Whether all are as good as they have been.
pub(crate) fn guard(results: &Results) -> Result<()> {
    for ratio in RATIOS {
        let reached = ratio.starts(results)?.median();
        let Ratio { own, of, max, .. } = ratio;
        ensure!(reached <= max, "{own} adds {reached:.2} of {of}, where {max} has been reached");
    }
    Ok(())
}
