//! What an actor does at present: three records that share a bucket with its own [`super::baseline`].
//!
//! ```text
//! Present   interval 4   requests 2   route 2   since 4   total 2   ended 2
//! Rhythm    last 4       gaps 2       (0) 2     mean 4    variance 4
//! Leaning   answers 4    requests 4   oddness 4   faults 4
//! ```
//!
//! *Present* counts the requests of the interval that runs, knows the last route by 16 bits of a keyed hash, and since when and how
//! many requests and intervals the actor is known. *Rhythm* is mean and variance of the logarithms of the gaps between requests, of the last
//! [`GAPS`]; a gap of more than [`PAUSE`] is a pause and no gap. *Leaning* is the average over the last [`RECENT`] requests of how far
//! the lengths of answers and requests were from what is usual on their routes, in deviations; how odd the steps from route to
//! route were, in bits of surprise; and the share of faults. A pause halves it.

use super::baseline::log2;
use crate::memory::record::{Record, State};
use crate::time::Millis;

/// From here on a gap is a pause between two sittings.
const PAUSE: u64 = 120_000;

/// Gaps that count.
const GAPS: u16 = 24;

/// Requests that count: older ones fade.
pub(super) const RECENT: u16 = 16;

/// Deviations, or bits, of one request at most, so that one alone means little.
const LEAN_MAX: f32 = 8.0;

/// How often, and since when.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub(super) struct Present {
    interval: u32,
    /// Requests of the interval.
    pub(super) requests: u16,
    /// The last route.
    pub(super) route: u16,
    since: u32,
    /// Requests ever.
    pub(super) total: u16,
    /// Intervals with requests ever, but for the one that runs.
    pub(super) ended: u16,
}

/// In which rhythm.
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub(super) struct Rhythm {
    last: u32,
    gaps: u16,
    mean: f32,
    variance: f32,
}

/// How far from what is usual.
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub(super) struct Leaning {
    pub(super) answers: f32,
    pub(super) requests: f32,
    pub(super) oddness: f32,
    pub(super) faults: f32,
}

impl Present {
    pub(super) fn of(record: &Record) -> Self {
        let [i0, i1, i2, i3, q0, q1, r0, r1, s0, s1, s2, s3, t0, t1, e0, e1] = record.state;
        Self {
            interval: u32::from_le_bytes([i0, i1, i2, i3]),
            requests: u16::from_le_bytes([q0, q1]),
            route: u16::from_le_bytes([r0, r1]),
            since: u32::from_le_bytes([s0, s1, s2, s3]),
            total: u16::from_le_bytes([t0, t1]),
            ended: u16::from_le_bytes([e0, e1]),
        }
    }

    /// Whether the last request was one that teaches others: the 16th, 24th, 32nd, 48th … of the actor. Before, little can be said
    /// of it; and who makes a thousand times as many teaches twenty times more.
    pub(super) const fn is_due(&self) -> bool {
        self.total >= RECENT
            && (self.total.is_power_of_two()
                || (self.total.is_multiple_of(3) && (self.total / 3).is_power_of_two()))
    }

    /// With one request more, and how many the interval had that ended with it.
    pub(super) fn with(self, route: u16, interval: u32, now: Millis) -> (Self, Option<u16>) {
        let seconds = u32::try_from(now.as_u64() / 1000).unwrap_or(u32::MAX).max(1);
        let is_later = interval > self.interval;
        let ended = (is_later && self.requests > 0).then_some(self.requests);
        let next = Self {
            interval: interval.max(self.interval),
            requests: if is_later { 1 } else { self.requests.saturating_add(1) },
            route,
            since: if self.since == 0 { seconds } else { self.since },
            total: self.total.saturating_add(1),
            ended: self.ended.saturating_add(u16::from(ended.is_some())),
        };
        (next, ended)
    }

    /// Requests of an interval, with the one that is asked about.
    pub(super) const fn requests_at(&self, interval: u32) -> u16 {
        if interval > self.interval {
            1
        } else {
            self.requests.saturating_add(1)
        }
    }

    /// Whether it has been there for so long.
    pub(super) fn is_known_for(&self, time: Millis, now: Millis) -> bool {
        self.since > 0 && now.saturating_sub(Millis::from_secs(self.since.into())) >= time
    }

    pub(super) const fn state(self) -> State {
        let ([i0, i1, i2, i3], [q0, q1]) = (self.interval.to_le_bytes(), self.requests.to_le_bytes());
        let ([r0, r1], [s0, s1, s2, s3]) = (self.route.to_le_bytes(), self.since.to_le_bytes());
        let ([t0, t1], [e0, e1]) = (self.total.to_le_bytes(), self.ended.to_le_bytes());
        [i0, i1, i2, i3, q0, q1, r0, r1, s0, s1, s2, s3, t0, t1, e0, e1]
    }
}

impl Rhythm {
    pub(super) fn of(record: &Record) -> Self {
        let [l0, l1, l2, l3, g0, g1, _, _, m0, m1, m2, m3, v0, v1, v2, v3] = record.state;
        let (mean, variance) = (f32::from_le_bytes([m0, m1, m2, m3]), f32::from_le_bytes([v0, v1, v2, v3]));
        if record.is_new() || !mean.is_finite() || !variance.is_finite() || variance < 0.0 {
            return Self::default();
        }
        let (last, gaps) = (u32::from_le_bytes([l0, l1, l2, l3]), u16::from_le_bytes([g0, g1]));
        Self { last, gaps, mean, variance }
    }

    /// Whether who arrives now has made a pause, or comes for the first time.
    pub(super) fn is_paused(&self, now: Millis) -> bool {
        self.last == 0 || self.gap(now) > PAUSE
    }

    /// Since the last arrival. Requests that are under way together are remembered in any order.
    fn gap(&self, now: Millis) -> u64 {
        let gap = u64::from(lower(now).wrapping_sub(self.last));
        if gap > u64::from(u32::MAX / 2) {
            0
        } else {
            gap
        }
    }

    /// With one arrival more. Times are told by their lower 32 bits, so a return after exactly 50 days is a gap.
    pub(super) fn with(self, now: Millis) -> Self {
        let last = lower(now);
        if self.is_paused(now) {
            return Self { last, ..self };
        }
        let away = log2(self.gap(now)) - self.mean;
        let gaps = self.gaps.saturating_add(1).min(GAPS);
        let weight = 1.0 / f32::from(gaps);
        let (mean, variance) =
            (self.mean + away * weight, (1.0 - weight) * (self.variance + away * away * weight));
        Self { last, gaps, mean, variance }
    }

    /// How far the logarithms of the gaps spread. `None` before there are enough.
    pub(super) fn spread(&self) -> Option<f32> {
        (self.gaps >= GAPS).then(|| self.variance.sqrt())
    }

    pub(super) const fn state(self) -> State {
        let ([l0, l1, l2, l3], [g0, g1]) = (self.last.to_le_bytes(), self.gaps.to_le_bytes());
        let ([m0, m1, m2, m3], [v0, v1, v2, v3]) = (self.mean.to_le_bytes(), self.variance.to_le_bytes());
        [l0, l1, l2, l3, g0, g1, 0, 0, m0, m1, m2, m3, v0, v1, v2, v3]
    }
}

/// The lower 32 bits of a time, never zero.
fn lower(now: Millis) -> u32 {
    u32::try_from(now.as_u64() & u64::from(u32::MAX)).unwrap_or_default().max(1)
}

impl Leaning {
    pub(super) fn of(record: &Record) -> Self {
        let mut parts = record.state.chunks_exact(4).map(|bytes| {
            let number = bytes.try_into().map_or(0.0, f32::from_le_bytes);
            if number.is_finite() {
                number.clamp(-LEAN_MAX, LEAN_MAX)
            } else {
                0.0
            }
        });
        let mut next = || parts.next().unwrap_or_default();
        Self { answers: next(), requests: next(), oddness: next(), faults: next() }
    }

    /// After a pause: half of it is forgotten, or who is refused for it could never make it good.
    pub(super) fn rested(self) -> Self {
        let Self { answers, requests, oddness, faults } = self;
        Self { answers: answers / 2.0, requests: requests / 2.0, oddness: oddness / 2.0, faults: faults / 2.0 }
    }

    /// With what one request adds, the last of so many. What is not known of it changes nothing.
    pub(super) fn with(self, added: [Option<f32>; 4], total: u16) -> Self {
        let weight = 1.0 / f32::from(total.clamp(1, RECENT));
        let moved = |from: f32, to: Option<f32>| {
            to.map_or(from, |to| from + (to.clamp(-LEAN_MAX, LEAN_MAX) - from) * weight)
        };
        let [answers, requests, oddness, faults] = added;
        Self {
            answers: moved(self.answers, answers),
            requests: moved(self.requests, requests),
            oddness: moved(self.oddness, oddness),
            faults: moved(self.faults, faults),
        }
    }

    pub(super) fn state(self) -> State {
        let mut state = State::default();
        let parts = [self.answers, self.requests, self.oddness, self.faults];
        for (bytes, part) in state.chunks_exact_mut(4).zip(parts) {
            bytes.copy_from_slice(&part.to_le_bytes());
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::record::Debt;
    use proptest::prelude::*;

    fn record(state: State) -> Record {
        let mut record = Record::new(1, Debt::default());
        record.settle(state, Debt::default());
        record
    }

    fn beaten(gaps: impl IntoIterator<Item = u64>) -> Rhythm {
        let mut now = 1_800_000_000_000;
        gaps.into_iter().fold(Rhythm::default().with(Millis::new(now)), |rhythm, gap| {
            now += gap;
            rhythm.with(Millis::new(now))
        })
    }

    #[test]
    fn an_interval_ends_with_the_first_request_of_another() {
        let now = Millis::from_secs(1_800_000_000);
        let (one, ended) = Present::default().with(7, 5, now);
        assert_eq!((one.requests, one.total, ended), (1, 1, None));
        let (two, ended) = one.with(7, 5, now);
        assert_eq!((two.requests, ended, two.requests_at(5), two.requests_at(6)), (2, None, 3, 1));
        let (next, ended) = two.with(8, 9, now);
        assert_eq!((next.requests, next.total, next.ended, ended), (1, 3, 1, Some(2)));
        assert_eq!(next.with(8, 5, now).0.requests, 2, "a clock that is late changes nothing");
        assert_eq!(Present::of(&record(next.state())), next);
    }

    #[test]
    fn machines_have_a_small_spread_and_people_a_large_one() {
        let machine = beaten([1000; 40]).spread().unwrap();
        let person =
            beaten([800, 9000, 2500, 30_000, 4000, 1200, 15_000].into_iter().cycle().take(40)).spread().unwrap();
        assert!(machine < 0.01 && person > 1.0, "{machine} {person}");
        assert_eq!(beaten([1000; 10]).spread(), None, "too few");
        assert_eq!(beaten([300_000; 60]).spread(), None, "pauses are no gaps");
        assert_eq!(Rhythm::of(&record(beaten([9; 30]).state())), beaten([9; 30]));
    }

    #[test]
    fn leanings_follow_the_last_requests() {
        let added = [Some(99.0), None, Some(-1.0), Some(1.0)];
        let leaning = (1..64).fold(Leaning::default(), |leaning, total| leaning.with(added, total));
        assert_eq!(leaning, Leaning { answers: LEAN_MAX, requests: 0.0, oddness: -1.0, faults: 1.0 });
        assert_eq!(Leaning::of(&record(leaning.state())), leaning);
        let after = leaning.with([None, None, None, Some(0.0)], 64);
        assert_eq!(after.faults, 1.0 - 1.0 / 16.0);
    }

    #[test]
    fn who_makes_more_requests_hardly_teaches_more() {
        let lessons = |requests: u16| {
            (1..=requests).filter(|total| Present { total: *total, ..Present::default() }.is_due())
        };
        assert_eq!(lessons(64).collect::<Vec<_>>(), [16, 24, 32, 48, 64]);
        assert_eq!((lessons(100).count(), lessons(60_000).count()), (6, 24));
    }

    proptest! {
        #[test]
        fn no_record_breaks_it(state in any::<State>(), now in any::<u64>(), lean in any::<f32>()) {
            let record = record(state);
            let _ = Present::of(&record).with(1, 2, Millis::new(now));
            let rhythm = Rhythm::of(&record).with(Millis::new(now));
            prop_assert!(rhythm.spread().is_none_or(|spread| !spread.is_nan()) || !rhythm.variance.is_finite());
            let lean = Some(lean).filter(|lean| lean.is_finite());
            let leaning = Leaning::of(&record).with([lean; 4], 20);
            prop_assert!(leaning.answers.abs() <= LEAN_MAX && leaning.faults.abs() <= LEAN_MAX);
        }
    }
}
