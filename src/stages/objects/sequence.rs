//! Whether an actor goes through the ids one after the other: one record.
//!
//! ```text
//! 0       4            10        14      15     16
//! half    last number  near      step    run
//! number  48 bits      32 bits   8 bits  steps
//! ```
//!
//! Two things are a sequence. *Neighbours*: ids without a gap between them, in whatever order, as a program over several
//! connections asks for them; `near` has a bit for each of the numbers from 16 below the last one to 15 above it. *Steps*: each id
//! as far from the one before as that was from its own, at any distance; a hash of eight bits tells steps apart.
//!
//! **Decay.** What was not carried on for a half of the window is forgotten: who goes on slowly is still seen.
//!
//! Not covered: who asks for other ids in between. They are still counted.

use crate::memory::record::{Record, State};

/// Bits of a number.
const MASK: u64 = (1 << 48) - 1;

/// The bit of the last number itself.
const MIDDLE: u32 = 16;

/// What an actor asked for last.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub(super) struct Sequence {
    half: u32,
    last: u64,
    near: u32,
    step: u8,
    run: u8,
}

impl Sequence {
    /// What a record holds, as of a half.
    pub(super) fn of(record: &Record, half: u32) -> Self {
        let [h0, h1, h2, h3, l0, l1, l2, l3, l4, l5, n0, n1, n2, n3, step, run] = record.state;
        let stored = Self {
            half: u32::from_le_bytes([h0, h1, h2, h3]),
            last: u64::from_le_bytes([l0, l1, l2, l3, l4, l5, 0, 0]),
            near: u32::from_le_bytes([n0, n1, n2, n3]),
            step,
            run,
        };
        if record.is_new() || half.saturating_sub(stored.half) > 1 {
            return Self { half, ..Self::default() };
        }
        Self { half: half.max(stored.half), ..stored }
    }

    /// With one number more.
    pub(super) fn with(self, number: u64) -> Self {
        let last = number & MASK;
        let begun = Self { last, near: 1 << MIDDLE, step: 0, run: 0, ..self };
        let (up, down) = (last.wrapping_sub(self.last) & MASK, self.last.wrapping_sub(last) & MASK);
        if self.near == 0 {
            return begun;
        }
        if up == 0 {
            return self;
        }
        let shift = u32::try_from(up.min(down)).unwrap_or(u32::MAX);
        let moved = if up <= down { self.near.checked_shr(shift) } else { self.near.checked_shl(shift) };
        let step = hashed(up);
        let run = if self.run > 0 && step == self.step { self.run.saturating_add(1) } else { 1 };
        Self { near: moved.unwrap_or_default() | begun.near, step, run, ..begun }
    }

    /// How many objects in a row there were last.
    pub(super) fn length(&self) -> u32 {
        let mut neighbours = 0_u32;
        let mut rest = self.near;
        while rest != 0 {
            rest &= rest << 1;
            neighbours = neighbours.saturating_add(1);
        }
        neighbours.max(u32::from(self.run).saturating_add(1))
    }

    /// What a record is to hold.
    pub(super) fn state(self) -> State {
        let [h0, h1, h2, h3] = self.half.to_le_bytes();
        let [l0, l1, l2, l3, l4, l5, ..] = self.last.to_le_bytes();
        let [n0, n1, n2, n3] = self.near.to_le_bytes();
        [h0, h1, h2, h3, l0, l1, l2, l3, l4, l5, n0, n1, n2, n3, self.step, self.run]
    }
}

/// The upper bits of a product with the golden ratio (Knuth, TAOCP 3, §6.4): a step and the same step back have other ones.
fn hashed(step: u64) -> u8 {
    u8::try_from(step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::record::Debt;
    use proptest::prelude::*;

    fn after(numbers: impl IntoIterator<Item = u64>) -> Sequence {
        numbers.into_iter().fold(Sequence { half: 1, ..Sequence::default() }, Sequence::with)
    }

    fn stored(sequence: Sequence, half: u32) -> Sequence {
        let mut record = Record::new(1, Debt::default());
        record.settle(sequence.state(), Debt::default());
        Sequence::of(&record, half)
    }

    #[test]
    fn rows_are_seen_up_down_and_out_of_order() {
        assert_eq!(after(100..110).length(), 10);
        assert_eq!(after((100..110).rev()).length(), 10);
        assert_eq!(after([3, 1, 2, 6, 4, 5, 7, 8]).length(), 8);
        assert_eq!(after((0..10).map(|number| number * 1000)).length(), 10, "steps of any length");
        assert_eq!(after((0..10).map(|number| (u64::MAX - 5).wrapping_add(number))).length(), 10);
    }

    #[test]
    fn two_things_in_turn_are_no_row() {
        assert!(after([5, 900, 5, 900, 5, 900, 5, 900]).length() <= 2);
        assert!(after([7; 50]).length() <= 1, "one thing again and again");
        assert!(after([1, 3, 5, 8, 10, 20, 22, 31]).length() <= 3);
    }

    #[test]
    fn it_is_forgotten_when_it_is_not_carried_on() {
        let row = after(1..9);
        assert_eq!(stored(row, 1), row);
        assert_eq!((stored(row, 2).length(), stored(row, 3).length()), (8, 1));
        assert_eq!(stored(row, 2).with(9).length(), 9);
        assert_eq!(stored(row, 0), row, "a clock that is late changes nothing");
    }

    proptest! {
        #[test]
        fn no_record_panics(state in any::<[u8; 16]>(), half in any::<u32>(), number in any::<u64>()) {
            let mut record = Record::new(1, Debt::default());
            record.settle(state, Debt::default());
            let sequence = Sequence::of(&record, half).with(number);
            prop_assert!(sequence.length() >= 1 && stored(sequence, sequence.half) == sequence);
        }

        /// Random ids are no row: fewer than eight among twenty, whatever they are.
        #[test]
        fn random_ids_are_no_row(numbers in prop::collection::vec(any::<u64>(), 20)) {
            prop_assert!(after(numbers).length() < 8);
        }

        /// Every order in which a few connections may bring a row.
        #[test]
        fn a_row_is_seen_in_every_near_order(first in any::<u64>(), swaps in prop::collection::vec(0_usize..15, 0..6)) {
            let mut numbers: Vec<u64> = (0..16).map(|number| first.wrapping_add(number)).collect();
            for at in swaps {
                numbers.swap(at, at + 1);
            }
            prop_assert!(after(numbers).length() >= 8);
        }
    }
}
