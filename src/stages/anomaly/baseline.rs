//! What is usual: the median of a number and how much it deviates from it, learned as it comes, in one record.
//!
//! ```text
//! 0        4      6        8       12      16
//! interval count  taught   median  deviation
//! number                   f32     f32
//! ```
//!
//! Mean and variance would be the textbook's choice, and abusers would be part of both: a few callers that are far away hide each
//! other. The median and the median deviation do not move for how far a number is, but for the side it is on, so half of all
//! lessons would have to be false. Both are found by stochastic approximation (Robbins and Monro 1951; the steps are the best ones
//! for normal numbers): up or down by a share of the deviation, which shrinks with the number of lessons until the baseline is
//! full, and stays from then on, so that what is old fades. Numbers are logarithms wherever they are spans, counts or
//! lengths, which makes their deviations alike at every scale.
//!
//! **Poisoning is bounded** in three ways. However wild, a lesson moves the median by one step. At most [`LESSONS_MAX`] lessons of an interval are
//! taken. And whoever teaches leaves out what was judged unusual. A full baseline of a route thus moves by at most 0.02 of its
//! deviation in an interval, while the deviation grows by at most one in 80: three deviations take longer than an hour with the default
//! interval, if *all* lessons of all that time are the attacker's.
//!
//! Sums are of 32-bit floating point, whose four operations are exact to the last bit on every machine (IEEE 754 §5.4);
//! logarithms are our own ([`log2`]). A record that holds anything else than finite numbers reads as new.

use crate::memory::record::{Record, State};
use crate::time::Millis;

/// Lessons of one interval.
const LESSONS_MAX: u16 = 16;

/// The best steps for the median and for the median deviation, in deviations: half of one over the density there.
const STEP: f32 = 1.25;
const STEP_DEVIATION: f32 = 0.79;

/// A standard deviation by the median one, of normal numbers.
const STANDARD: f32 = 1.4826;

/// Lessons that are counted of a route.
pub(super) const MEMORY_ROUTE: u16 = 4096;

/// Lessons that are counted of one actor.
pub(super) const MEMORY_ACTOR: u16 = 128;

/// How much more a lesson weighs than its share of all: who came first must not decide for long. A full baseline is as one of a
/// fourth of its lessons.
const GAIN: f32 = 4.0;

/// Lessons that are averaged, for a place to begin at.
const FIRST: u16 = 8;

/// What is usual.
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub(super) struct Baseline {
    interval: u32,
    count: u16,
    taught: u16,
    median: f32,
    deviation: f32,
}

impl Baseline {
    /// What a record holds.
    pub(super) fn of(record: &Record) -> Self {
        let [i0, i1, i2, i3, c0, c1, t0, t1, m0, m1, m2, m3, v0, v1, v2, v3] = record.state;
        let own = Self {
            interval: u32::from_le_bytes([i0, i1, i2, i3]),
            count: u16::from_le_bytes([c0, c1]),
            taught: u16::from_le_bytes([t0, t1]),
            median: f32::from_le_bytes([m0, m1, m2, m3]),
            deviation: f32::from_le_bytes([v0, v1, v2, v3]),
        };
        if record.is_new() || !own.median.is_finite() || !own.deviation.is_finite() || own.deviation < 0.0 {
            return Self::default();
        }
        own
    }

    /// With one lesson more; unchanged if the interval has had enough.
    pub(super) fn with(self, number: f32, least: f32, memory: u16, interval: u32) -> Self {
        // Clocks of workers may be apart: time does not go back.
        let is_later = interval > self.interval;
        let taught = if is_later { 0 } else { self.taught };
        if taught >= LESSONS_MAX || !number.is_finite() {
            return self;
        }
        let count = self.count.saturating_add(1).min(memory);
        let away = number - self.median;
        let (step, widening) = if count <= FIRST {
            let weight = 1.0 / f32::from(count);
            (away * weight, (away.abs() / STANDARD - self.deviation) * weight)
        } else {
            let weight = (GAIN / f32::from(count)).min(1.0 / f32::from(FIRST));
            let (length, farther) = (self.deviation(least) * weight, away.abs() - self.deviation);
            (
                away.clamp(-STEP * length, STEP * length),
                farther.clamp(-STEP_DEVIATION * length, STEP_DEVIATION * length),
            )
        };
        Self {
            interval: interval.max(self.interval).max(1),
            count,
            taught: taught.saturating_add(1),
            median: self.median + step,
            deviation: (self.deviation + widening).max(0.0),
        }
    }

    /// What is usual.
    pub(super) const fn median(&self) -> f32 {
        self.median
    }

    /// How much is usual around it, as a standard deviation; `least` at least, since nothing is as regular as a short look makes it
    /// seem.
    pub(super) fn deviation(&self, least: f32) -> f32 {
        (self.deviation * STANDARD).max(least)
    }

    /// Whether there were so many lessons.
    pub(super) const fn has(&self, lessons: u16) -> bool {
        self.count >= lessons
    }

    /// How many deviations a number is away. `None` before there were so many lessons.
    pub(super) fn distance(&self, number: f32, least: f32, lessons: u16) -> Option<f32> {
        self.has(lessons).then(|| (number - self.median) / self.deviation(least))
    }

    /// What a record is to hold.
    pub(super) fn state(self) -> State {
        let ([i0, i1, i2, i3], [c0, c1]) = (self.interval.to_le_bytes(), self.count.to_le_bytes());
        let ([t0, t1], [m0, m1, m2, m3]) = (self.taught.to_le_bytes(), self.median.to_le_bytes());
        let [v0, v1, v2, v3] = self.deviation.to_le_bytes();
        [i0, i1, i2, i3, c0, c1, t0, t1, m0, m1, m2, m3, v0, v1, v2, v3]
    }
}

/// The number of the interval that a moment is in; never zero.
pub(super) fn interval(now: Millis, length: Millis) -> u32 {
    let number = now.as_u64().checked_div(length.as_u64()).unwrap_or_default();
    u32::try_from(number).unwrap_or(u32::MAX).max(1)
}

/// The logarithm to the base 2 of one more than a number, interpolated between powers of two: exact there, at most 0.09 below the
/// true one elsewhere, and the same on every machine.
pub(super) fn log2(number: u64) -> f32 {
    let number = number.saturating_add(1);
    let exponent = number.checked_ilog2().unwrap_or_default();
    let mantissa = number.checked_shl(63_u32.saturating_sub(exponent)).unwrap_or_default();
    let fraction = u16::try_from((mantissa >> 47) & 0xffff).unwrap_or_default();
    f32::from(u16::try_from(exponent).unwrap_or_default()) + f32::from(fraction) / 65_536.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::record::Debt;
    use proptest::prelude::*;

    fn stored(baseline: Baseline) -> Baseline {
        let mut record = Record::new(1, Debt::default());
        record.settle(baseline.state(), Debt::default());
        Baseline::of(&record)
    }

    fn learned(numbers: impl IntoIterator<Item = f32>, memory: u16) -> Baseline {
        numbers
            .into_iter()
            .zip(1..)
            .fold(Baseline::default(), |baseline, (number, at)| baseline.with(number, 0.1, memory, at))
    }

    /// Numbers around 6, spread as the sum of three dice is.
    fn around(number: u16) -> f32 {
        let die = |by: u16| f32::from(number.wrapping_mul(by) % 101) / 101.0;
        4.5 + die(7919) + die(104) + die(31)
    }

    #[test]
    fn what_is_usual_is_learned() {
        let baseline = learned((0..2000_u16).map(around), MEMORY_ROUTE);
        assert!(
            (baseline.median() - 6.0).abs() < 0.1 && (baseline.deviation(0.1) - 0.5).abs() < 0.1,
            "{baseline:?}"
        );
        let few = learned((0..99_u16).map(around), MEMORY_ROUTE);
        assert_eq!(few.distance(6.0, 0.1, 100), None);
        assert!(few.distance(9.0, 0.1, 99).is_some_and(|away| away > 4.0));
    }

    /// Mean and variance would have them 2 deviations away.
    #[test]
    fn a_fifth_of_abusers_does_not_hide_itself() {
        let mixed = |number: u16| if number.is_multiple_of(5) { 12.0 } else { around(number) };
        let baseline = learned((0..1000).map(mixed), MEMORY_ROUTE);
        assert!(baseline.distance(12.0, 0.1, 100).is_some_and(|away| away > 6.0), "{baseline:?}");
    }

    #[test]
    fn a_full_baseline_moves_no_faster_than_stated() {
        let honest = learned((0..5000_u16).map(around), MEMORY_ROUTE);
        let far = honest.median() + 3.0 * honest.deviation(0.1);
        let taught = |minutes: u32| {
            (1..=minutes)
                .flat_map(|minute| (0..1000).map(move |_| minute))
                .fold(honest, |baseline, minute| baseline.with(1e6, 0.1, MEMORY_ROUTE, 10_000 + minute))
        };
        assert!(taught(60).median() < far && taught(200).median() > far, "{:?} {far}", taught(60));
        assert!(taught(1).median() - honest.median() <= 0.021 * honest.deviation(0.1));
    }

    #[test]
    fn logarithms_are_near_the_true_ones() {
        for number in (0..2000).chain([1 << 20, (1 << 20) + 12_345, u64::MAX / 3, u64::MAX]) {
            #[expect(clippy::as_conversions, reason = "the true one is of floating point")]
            let true_one = (number as f64 + 1.0).log2();
            let away = true_one - f64::from(log2(number));
            assert!((-0.001..0.09).contains(&away), "{number}: {away}");
        }
    }

    proptest! {
        #[test]
        fn no_record_and_no_number_break_it(
            state in any::<[u8; 16]>(),
            numbers in prop::collection::vec(any::<f32>(), 0..50),
            interval in any::<u32>(),
        ) {
            let mut record = Record::new(1, Debt::default());
            record.settle(state, Debt::default());
            let mut baseline = Baseline::of(&record);
            for number in numbers {
                baseline = stored(baseline.with(number.clamp(-100.0, 100.0), 0.1, MEMORY_ROUTE, interval));
            }
            prop_assert!(!baseline.deviation(0.1).is_nan());
        }

        #[test]
        fn logarithms_rise(one in any::<u64>(), other in any::<u64>()) {
            prop_assert!(one < other || log2(one) >= log2(other));
        }
    }
}
