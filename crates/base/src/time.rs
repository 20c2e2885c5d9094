//! The one clock type of the core.
//!
//! Time is always an argument: the host reads the clock once per callback and passes it on, tests and the
//! simulation pass what they like. Arithmetic saturates, so no client-written date can overflow.
//! Not covered: calendars and time zones.

/// A point in time since the Unix epoch, or a span of time, in milliseconds.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(u64);

impl Millis {
    /// `millis` milliseconds.
    pub const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// `secs` seconds, saturating.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// The number of milliseconds.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// `self + other`, at most the largest representable time.
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// `self - other`, at least zero.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let end = Millis::new(u64::MAX);
        assert_eq!(end.saturating_add(Millis::new(1)), end);
        assert_eq!(Millis::new(1).saturating_sub(Millis::new(2)), Millis::default());
        assert_eq!(Millis::from_secs(u64::MAX), end);
    }
}
