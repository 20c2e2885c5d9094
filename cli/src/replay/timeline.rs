//! Verdicts over time, in a bounded number of spans: when there are too many, two and two become one.

use super::tally::Counts;
use portcullis::time::Millis;
use std::collections::BTreeMap;

/// Spans at most.
const SPANS_MAX: usize = 120;

/// Counts by span.
#[derive(Debug)]
pub(super) struct Timeline {
    /// Length of a span, a second times a power of two.
    pub(super) span_millis: u64,
    pub(super) spans: BTreeMap<u64, Counts>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { span_millis: 1000, spans: BTreeMap::new() }
    }
}

impl Timeline {
    pub(super) fn add(&mut self, at: Millis, outcome: usize) {
        self.spans.entry(at.as_u64() / self.span_millis).or_default()[outcome] += 1;
        while self.length() > SPANS_MAX {
            self.coarsen();
        }
    }

    /// From the first span to the last, empty ones included.
    fn length(&self) -> usize {
        let (first, last) = (self.spans.keys().next(), self.spans.keys().next_back());
        let length = first.zip(last).map_or(0, |(first, last)| last.saturating_sub(*first).saturating_add(1));
        usize::try_from(length).unwrap_or(usize::MAX)
    }

    fn coarsen(&mut self) {
        self.span_millis = self.span_millis.saturating_mul(2);
        let mut spans: BTreeMap<u64, Counts> = BTreeMap::new();
        for (span, counts) in std::mem::take(&mut self.spans) {
            let sum = spans.entry(span / 2).or_default();
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        self.spans = spans;
    }

    /// Every span from the first to the last, with its beginning.
    pub(super) fn dense(&self) -> Vec<(u64, Counts)> {
        let (Some(first), Some(last)) = (self.spans.keys().next(), self.spans.keys().next_back()) else {
            return Vec::new();
        };
        let span = |span| (span * self.span_millis, self.spans.get(&span).copied().unwrap_or_default());
        (*first..=*last).map(span).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_bounded_and_nothing_is_lost() {
        let mut timeline = Timeline::default();
        for second in 0..10_000_u64 {
            timeline.add(Millis::new(second * 7000), 0);
        }
        let dense = timeline.dense();
        assert!(dense.len() <= SPANS_MAX && dense.len() > SPANS_MAX / 4, "{}", dense.len());
        assert_eq!(dense.iter().map(|(_, counts)| counts[0]).sum::<u64>(), 10_000);
    }
}
