//! How usual a step from one route to another is, for everybody: counts of routes and of pairs, one record each.
//!
//! ```text
//! 0      4      8        12   16
//! half   now    before   (0)
//! ```
//!
//! The chance of a step is the count of the pair by that of the route it starts from, and the oddness of a step its negative
//! logarithm: bits of surprise. Counts are those of the half [`WINDOW`] that runs and the one before. All records of steps from one
//! route share a bucket; a pair that went for want of room counts as one that never was, which is at most a few bits.

use super::baseline::log2;
use crate::memory::record::{Record, State};
use crate::memory::tally::half;
use crate::time::Millis;

/// How long steps are remembered: half of it at least.
pub(super) const WINDOW: Millis = Millis::from_secs(2 * 86_400);

/// A count that forgets.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub(super) struct Steps {
    half: u32,
    now: u32,
    before: u32,
}

impl Steps {
    /// What a record holds, as of a moment.
    pub(super) fn of(record: &Record, now: Millis) -> Self {
        let [h0, h1, h2, h3, n0, n1, n2, n3, b0, b1, b2, b3, ..] = record.state;
        let word = u32::from_le_bytes;
        let (half, stored) = (half(now, WINDOW), word([h0, h1, h2, h3]));
        let (now, before) = (word([n0, n1, n2, n3]), word([b0, b1, b2, b3]));
        match half.saturating_sub(stored) {
            0 => Self { half: stored, now, before },
            1 => Self { half, now: 0, before: now },
            _ => Self { half, now: 0, before: 0 },
        }
    }

    /// One more.
    pub(super) const fn more(self) -> Self {
        Self { now: self.now.saturating_add(1), ..self }
    }

    /// How many.
    pub(super) fn count(&self) -> u64 {
        u64::from(self.now).saturating_add(u64::from(self.before))
    }

    /// Bits of surprise of a pair, of all steps from its route.
    pub(super) fn oddness(&self, pair: Self) -> f32 {
        // `log2` is of one more: a pair that never was counts as one step among one more.
        log2(self.count().max(pair.count())) - log2(pair.count())
    }

    pub(super) const fn state(self) -> State {
        let ([h0, h1, h2, h3], [n0, n1, n2, n3]) = (self.half.to_le_bytes(), self.now.to_le_bytes());
        let [b0, b1, b2, b3] = self.before.to_le_bytes();
        [h0, h1, h2, h3, n0, n1, n2, n3, b0, b1, b2, b3, 0, 0, 0, 0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::record::Debt;

    fn counted(times: u32, now: Millis) -> Steps {
        (0..times).fold(Steps::of(&Record::new(1, Debt::default()), now), |steps, _| steps.more())
    }

    #[test]
    fn a_rare_step_is_odder_than_a_common_one() {
        let now = Millis::from_secs(1_800_000_000);
        let all = counted(1023, now);
        assert_eq!(all.oddness(counted(511, now)), 1.0);
        assert_eq!(all.oddness(counted(0, now)), 10.0);
        assert_eq!(counted(0, now).oddness(counted(9, now)), 0.0, "a route that was forgotten before its steps");
    }

    #[test]
    fn steps_are_forgotten() {
        let now = Millis::from_secs(1_800_000_000);
        let mut record = Record::new(1, Debt::default());
        record.settle(counted(5, now).state(), Debt::default());
        let later = |days: u64| Steps::of(&record, now.saturating_add(Millis::from_secs(days * 86_400))).count();
        assert_eq!((later(0), later(1), later(3)), (5, 5, 0));
    }
}
