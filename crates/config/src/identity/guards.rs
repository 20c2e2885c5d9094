//! What keeps tokens from being used twice and junk from costing signatures, validated.

use crate::raw;
use crate::{ConfigError, FailurePolicy};
use portcullis_base::time::Millis;

/// Largest memory of what may be seen once, in bytes.
const REPLAY_BUDGET_MAX: u64 = 256 << 20;

/// Longest time over which failures are counted.
const WINDOW_MAX: Millis = Millis::from_secs(3600);

/// Tokens of one source that may fail.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Failures {
    /// So many at once.
    pub per_source: u64,
    /// As many again in this time.
    pub window: Millis,
}

/// The memory of what may be seen once; see [`portcullis_base::memory::once`].
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Its size.
    pub budget_bytes: u64,
    /// When it is full, or too many workers change it at once.
    pub on_full: FailurePolicy,
}

impl Failures {
    /// `None` for no limit.
    pub(super) fn new(written: &raw::Failures) -> Result<Option<Self>, ConfigError> {
        if written.window.0 == Millis::default() || written.window.0 > WINDOW_MAX {
            return Err(ConfigError::new("identity.failures.window", "expected more than zero and at most 1h"));
        }
        let failures = Self { per_source: written.per_source.into(), window: written.window.0 };
        Ok(Some(failures).filter(|failures| failures.per_source > 0))
    }
}

impl Replay {
    pub(super) fn new(written: &raw::Replay) -> Result<Self, ConfigError> {
        let budget_bytes = written.budget.0;
        if budget_bytes == 0 || budget_bytes > REPLAY_BUDGET_MAX {
            return Err(ConfigError::new("identity.replay.budget", "expected 1B to 256MiB"));
        }
        Ok(Self { budget_bytes, on_full: written.on_full })
    }
}
