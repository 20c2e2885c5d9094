//! Statistics that have been counted and not handed over to the host yet.
//!
//! Each statistic costs a call into the host, and at the end of every request those calls cost more than all counting. So
//! they are added up here and handed over together: at once where requests are few, so that an operator sees each of them,
//! and once in [`INTERVAL`] where they are many. Nothing is lost by that: counts are sums. A value of the histogram costs
//! a call of its own, and a look at the clock to measure it. So where requests are many it is of one in [`SAMPLE`], which says as
//! much of how they are spread, and of each where they are few.
//!
//! The time is that of requests, so it may be old, or go backwards with the host's clock. The worst that comes of it is a
//! hand-over too many, or one that is left to the host's tick, which also sets the time right.
//!
//! Bounds: a number for each counter and [`VALUES_MAX`] values. All memory is taken at the beginning. Not covered: what a VM has not
//! handed over when it dies.

use crate::time::Millis;

/// Time between two hand-overs by requests.
pub const INTERVAL: Millis = Millis::new(20);

/// Values that are kept. With the last of them a hand-over is due, whatever the time.
pub const VALUES_MAX: usize = 256;

/// Of so many requests between two hand-overs one has a value in the histogram, the first of them always.
pub const SAMPLE: usize = 16;

/// Counters, found by their place, and the values of one histogram.
#[derive(Debug)]
pub struct Batch {
    /// What is to be added to each counter.
    counts: Vec<u64>,
    /// The places of those that are not zero, each once.
    counted: Vec<usize>,
    values: Vec<u64>,
    /// Since the last hand-over.
    requests: usize,
    handed_over: Millis,
}

impl Batch {
    /// Nothing, of so many counters.
    pub fn new(counters: usize) -> Self {
        Self {
            counts: vec![0; counters],
            counted: Vec::with_capacity(counters),
            values: Vec::with_capacity(VALUES_MAX),
            requests: 0,
            handed_over: Millis::default(),
        }
    }

    /// Adds to the counter at a place; there may be none.
    #[inline]
    pub fn count(&mut self, place: usize, times: u32) {
        let Some(count) = self.counts.get_mut(place).filter(|_| times > 0) else { return };
        if *count == 0 {
            self.counted.push(place);
        }
        *count = count.saturating_add(times.into());
    }

    /// Whether the request that begins now is one that a value is wanted of.
    #[inline]
    pub const fn wants_value(&self) -> bool {
        self.requests.is_multiple_of(SAMPLE)
    }

    /// A request is over, with its value if it was measured. Who does not hand over when it is due keeps more than is meant to be.
    #[inline]
    pub fn end_request(&mut self, value: Option<u64>) {
        self.requests = self.requests.wrapping_add(1);
        if let Some(value) = value {
            self.values.push(value);
        }
    }

    /// Whether there is nothing to hand over.
    pub fn is_empty(&self) -> bool {
        self.counted.is_empty() && self.values.is_empty()
    }

    /// Whether a request that is over, of which the last that is known was at `now`, is to hand over.
    pub fn is_due(&self, now: Millis) -> bool {
        self.values.len() >= VALUES_MAX || now >= self.handed_over.saturating_add(INTERVAL)
    }

    /// Hands over everything: to `count` each counter's place and what is to be added, never zero; to `record` each value. Where there is
    /// nothing it is no hand-over, so that a request after a tick need not wait for the next.
    pub fn hand_over(&mut self, now: Millis, mut count: impl FnMut(usize, u64), record: impl FnMut(u64)) {
        if self.is_empty() {
            return;
        }
        for place in self.counted.drain(..) {
            if let Some(times) = self.counts.get_mut(place) {
                count(place, std::mem::take(times));
            }
        }
        self.values.drain(..).for_each(record);
        self.requests = 0;
        self.handed_over = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOON: Millis = Millis::new(1_000_000);

    fn after(millis: u64) -> Millis {
        NOON.saturating_add(Millis::new(millis))
    }

    /// What the host is told.
    fn told(batch: &mut Batch, now: Millis) -> (Vec<(usize, u64)>, Vec<u64>) {
        let (mut counts, mut values) = (Vec::new(), Vec::new());
        batch.hand_over(now, |place, times| counts.push((place, times)), |value| values.push(value));
        (counts, values)
    }

    #[test]
    fn counts_are_added_up_and_values_are_kept() {
        let mut batch = Batch::new(4);
        for (place, times) in [(2, 1), (0, 3), (2, 1), (3, 0), (2, 5)] {
            batch.count(place, times);
        }
        [Some(7), None, Some(7), Some(1)].into_iter().for_each(|value| batch.end_request(value));
        assert_eq!(told(&mut batch, NOON), (vec![(2, 7), (0, 3)], vec![7, 7, 1]));
        assert!(batch.is_empty());
        assert_eq!(told(&mut batch, NOON), (vec![], vec![]), "once");
        batch.count(2, 1);
        assert_eq!(told(&mut batch, NOON), (vec![(2, 1)], vec![]));
    }

    #[test]
    fn what_was_never_declared_and_what_did_not_happen_is_nothing() {
        let mut batch = Batch::new(1);
        batch.count(1, 1);
        batch.count(usize::MAX, 1);
        batch.count(0, 0);
        assert!(batch.is_empty());
        (0..3).for_each(|_| batch.count(0, u32::MAX));
        assert_eq!(told(&mut batch, NOON).0, [(0, 3 * u64::from(u32::MAX))], "and large numbers are exact");
    }

    #[test]
    fn a_request_after_a_pause_is_due_and_one_right_after_another_is_not() {
        let mut batch = Batch::new(1);
        assert!(batch.is_due(NOON), "the first");
        batch.count(0, 1);
        told(&mut batch, NOON);
        for (millis, due) in [(0, false), (19, false), (20, true), (5000, true)] {
            assert_eq!(batch.is_due(after(millis)), due, "{millis}");
        }
    }

    #[test]
    fn as_many_values_as_are_kept_are_due_at_once() {
        let mut batch = Batch::new(1);
        batch.count(0, 1);
        told(&mut batch, NOON);
        let room = batch.values.capacity();
        (1..VALUES_MAX).for_each(|_| batch.end_request(Some(1)));
        assert!(!batch.is_due(NOON));
        batch.end_request(Some(1));
        assert!(batch.is_due(NOON));
        assert_eq!(told(&mut batch, NOON).1.len(), VALUES_MAX);
        assert_eq!(batch.values.capacity(), room, "nothing is allocated");
    }

    #[test]
    fn each_is_measured_where_few_come_and_some_where_many_do() {
        let mut batch = Batch::new(1);
        let measured = |batch: &mut Batch, requests: usize| {
            let wanted = |_: &usize| {
                let wants = batch.wants_value();
                batch.end_request(wants.then_some(1));
                wants
            };
            (0..requests).filter(wanted).count()
        };
        for _ in 0..5 {
            assert_eq!(measured(&mut batch, 1), 1);
            told(&mut batch, NOON);
        }
        assert_eq!(measured(&mut batch, 10 * SAMPLE), 10);
        told(&mut batch, NOON);
        assert_eq!(measured(&mut batch, SAMPLE - 1), 1, "the first after a hand-over");
    }

    #[test]
    fn a_tick_that_finds_nothing_puts_nothing_off() {
        let mut batch = Batch::new(1);
        told(&mut batch, after(15));
        assert!(batch.is_due(after(20)));
    }

    #[test]
    fn a_clock_that_goes_back_leaves_it_to_the_tick_which_sets_it_right() {
        let mut batch = Batch::new(1);
        batch.count(0, 1);
        told(&mut batch, after(3_600_000));
        batch.count(0, 1);
        assert!(!batch.is_due(NOON));
        assert_eq!(told(&mut batch, NOON).0, [(0, 1)]);
        assert!(batch.is_due(after(20)));
    }

    proptest! {
        /// Whoever hands over when, the host has heard everything in the end, and the memory is what it was.
        #[test]
        fn nothing_is_lost_or_told_twice(
            requests in prop::collection::vec((0_usize..5, 0_u32..4, 0_u64..100, 0_u64..40, any::<bool>()), 0..2000)
        ) {
            let mut batch = Batch::new(5);
            let (mut sent, mut heard) = (([0_u64; 5], Vec::new()), ([0_u64; 5], Vec::new()));
            let mut hear = |(counts, values): (Vec<(usize, u64)>, Vec<u64>)| {
                counts.into_iter().for_each(|(place, times)| heard.0[place] += times);
                heard.1.extend(values);
            };
            for (place, times, value, millis, ticks) in requests {
                batch.count(place, times);
                let value = batch.wants_value().then_some(value);
                batch.end_request(value);
                sent.0[place] += u64::from(times);
                sent.1.extend(value);
                if batch.is_due(after(millis)) || ticks {
                    hear(told(&mut batch, after(millis)));
                }
                prop_assert!(batch.values.len() < VALUES_MAX && batch.counted.len() <= 5);
            }
            hear(told(&mut batch, NOON));
            prop_assert_eq!(sent, heard);
        }
    }
}
