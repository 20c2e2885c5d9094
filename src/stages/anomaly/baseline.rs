//! What is usual: mean and variance of a number, learned as it comes, in one record.
//!
//! ```text
//! 0        4      6        8      12         16
//! interval count  taught   mean   variance
//! number                   f32    f32
//! ```
//!
//! Until it is full a baseline weighs all its lessons alike; from then on each new one has the weight of one in `memory`, so what is
//! old fades (exponential smoothing of mean and variance; West 1979, Finch 2009). Numbers are logarithms wherever they are spans,
//! counts or lengths, which makes their deviations alike at every scale.
//!
//! **Poisoning is bounded** in three ways. A lesson further than [`REACH`] deviations away counts as if it were so far (winsorised). At most
//! [`LESSONS_MAX`] lessons of an interval are taken. And whoever teaches leaves out what was judged unusual. A full baseline of a
//! route thus moves by at most `LESSONS_MAX × REACH / MEMORY_ROUTE` of its deviation in an interval: 0.05, which is an hour for three
//! deviations with the default interval, if *all* lessons of all that time are the attacker's.
//!
//! Sums are of 32-bit floating point, whose four operations and root are exact to the last bit on every machine (IEEE 754 §5.4);
//! logarithms are our own ([`log2`]). A record that holds anything else than finite numbers reads as new.

use crate::memory::record::{Record, State};
use crate::time::Millis;

/// Lessons of one interval.
const LESSONS_MAX: u16 = 16;

/// Deviations that a lesson may be away.
const REACH: f32 = 3.0;

/// The weight of a lesson in what is learned of a route.
pub(super) const MEMORY_ROUTE: u16 = 1024;

/// The weight of a lesson in what is learned of one actor.
pub(super) const MEMORY_ACTOR: u16 = 32;

/// Lessons that are always taken as they come.
const FIRST: u16 = 8;

/// What is usual.
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub(super) struct Baseline {
    interval: u32,
    count: u16,
    taught: u16,
    mean: f32,
    variance: f32,
}

impl Baseline {
    /// What a record holds.
    pub(super) fn of(record: &Record) -> Self {
        let [i0, i1, i2, i3, c0, c1, t0, t1, m0, m1, m2, m3, v0, v1, v2, v3] = record.state;
        let own = Self {
            interval: u32::from_le_bytes([i0, i1, i2, i3]),
            count: u16::from_le_bytes([c0, c1]),
            taught: u16::from_le_bytes([t0, t1]),
            mean: f32::from_le_bytes([m0, m1, m2, m3]),
            variance: f32::from_le_bytes([v0, v1, v2, v3]),
        };
        if record.is_new() || !own.mean.is_finite() || !own.variance.is_finite() || own.variance < 0.0 {
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
        let reach = REACH * self.deviation(least);
        let away = number - self.mean;
        let away = if self.count < FIRST { away } else { away.clamp(-reach, reach) };
        let count = self.count.saturating_add(1).min(memory);
        let weight = 1.0 / f32::from(count);
        Self {
            interval: interval.max(self.interval).max(1),
            count,
            taught: taught.saturating_add(1),
            mean: self.mean + away * weight,
            variance: (1.0 - weight) * (self.variance + away * away * weight),
        }
    }

    /// What is usual.
    pub(super) const fn mean(&self) -> f32 {
        self.mean
    }

    /// How much is usual around it; `least` at least, since nothing is as regular as a short look makes it seem.
    pub(super) fn deviation(&self, least: f32) -> f32 {
        self.variance.sqrt().max(least)
    }

    /// How many deviations a number is away. `None` before there were so many lessons.
    pub(super) fn distance(&self, number: f32, least: f32, lessons: u16) -> Option<f32> {
        (self.count >= lessons).then(|| (number - self.mean) / self.deviation(least))
    }

    /// What a record is to hold.
    pub(super) fn state(self) -> State {
        let ([i0, i1, i2, i3], [c0, c1]) = (self.interval.to_le_bytes(), self.count.to_le_bytes());
        let ([t0, t1], [m0, m1, m2, m3]) = (self.taught.to_le_bytes(), self.mean.to_le_bytes());
        let [v0, v1, v2, v3] = self.variance.to_le_bytes();
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

    #[test]
    fn mean_and_deviation_are_learned() {
        let baseline = learned((0..400_u16).map(|number| 4.0 + f32::from(number % 5)), MEMORY_ROUTE);
        assert!(
            (baseline.mean() - 6.0).abs() < 0.1 && (baseline.deviation(0.1) - 1.414).abs() < 0.1,
            "{baseline:?}"
        );
        assert_eq!(baseline.distance(6.0, 0.1, 401), None);
        assert!(baseline.distance(10.3, 0.1, 400).is_some_and(|away| (2.8..3.3).contains(&away)));
    }

    /// What the page states: an attacker that teaches all there is to teach needs an hour for three deviations.
    #[test]
    fn a_full_baseline_moves_no_faster_than_stated() {
        let honest = learned((0..2000_u16).map(|number| f32::from(number % 7)), MEMORY_ROUTE);
        let far = honest.mean() + 3.0 * honest.deviation(0.1);
        let taught = |minutes: u32| {
            (1..=minutes)
                .flat_map(|minute| (0..1000).map(move |_| minute))
                .fold(honest, |baseline, minute| baseline.with(1e6, 0.1, MEMORY_ROUTE, 10_000 + minute))
        };
        assert!(taught(40).mean() < far, "{:?} {far}", taught(40));
        assert!(taught(1).mean() - honest.mean() <= 0.05 * honest.deviation(0.1));
    }

    #[test]
    fn one_wild_number_changes_little() {
        let baseline = learned([4.0, 5.0].into_iter().cycle().take(200), MEMORY_ROUTE);
        let after = baseline.with(1e30, 0.1, MEMORY_ROUTE, 999);
        assert!((after.mean() - baseline.mean()).abs() < 0.02 && after.deviation(0.1) < 0.6);
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
