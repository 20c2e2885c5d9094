//! How many different things there were lately, and in what share of the requests something went wrong: one record.
//!
//! ```text
//! 0       4          8          12          14         16
//! half    now        before     good        bad
//! number  32 bits    32 bits    now before  now before
//! ```
//!
//! **Distinct things** are counted by linear counting (Whang, Vander-Zanden, Taylor 1990): each is one of 32 bits by a keyed
//! hash, and `32 ln(32 / zeros)` estimates how many there were. The standard error is about 15 % up to 30 things and 20 % at 60;
//! from some 110 on all bits are set and the estimate stays at its highest. It errs one way where it matters: `n` things set at
//! most `n` bits, so a threshold of 20, which takes 15 bits, is never reached by fewer than 15 things, however often repeated.
//!
//! **Decay.** Time comes in halves of the window. There is a set of bits for the half that runs and one for the half before, and
//! both count: what happened is remembered for one half at least and two at most.
//!
//! **The share** is of good and bad in bytes, which are halved together when one of them is full: that keeps their share and
//! loses their sum. Of the two halves the one with more requests then counts too little, by design: what is new matters more.
//!
//! What a *thing* is, and when one counts, is the owner's business: for `stages::behaviour` a thing counts when it went
//! wrong, for `stages::objects` whenever it was asked for. Clocks of workers may be apart: time does not go back.

use super::record::{Debt, Record, Share, State};
use crate::time::Millis;

/// Bits of a set.
const BITS: u64 = 32;

/// `32 ln(32 / zeros)` by the number of bits that are set, rounded; computed beforehand, so that every machine agrees. The last
/// one, where the formula has no value, is that of half a zero.
const ESTIMATES: [u32; 33] = [
    0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 15, 17, 18, 20, 22, 24, 26, 29, 31, 34, 37, 41, 44, 49, 54, 59, 67, 76,
    89, 111, 133,
];

/// What there was lately under one key.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub struct Tally {
    half: u32,
    now: u32,
    before: u32,
    good: [u8; 2],
    bad: [u8; 2],
}

/// The number of the half window that a moment is in; never zero, by which a record is told from a new one.
pub fn half(now: Millis, window: Millis) -> u32 {
    let halves = now.as_u64().checked_div(window.as_u64() / 2).unwrap_or_default();
    u32::try_from(halves).unwrap_or(u32::MAX).max(1)
}

/// What a record with evidence is worth: no debt, or strangers would start their limits with it. Among those without debt it
/// stays until its evidence no longer counts.
pub fn worth(now: Millis, window: Millis) -> Debt {
    Debt { share: Share::NONE, since: now, settled: now.saturating_add(window) }
}

impl Tally {
    /// What a record holds, as of a half.
    pub fn of(record: &Record, half: u32) -> Self {
        if record.is_new() {
            return Self { half, ..Self::default() };
        }
        let [h0, h1, h2, h3, n0, n1, n2, n3, b0, b1, b2, b3, g0, g1, f0, f1] = record.state;
        let word = u32::from_le_bytes;
        let (stored, now, before) = (word([h0, h1, h2, h3]), word([n0, n1, n2, n3]), word([b0, b1, b2, b3]));
        Self { half: stored, now, before, good: [g0, g1], bad: [f0, f1] }.at(half)
    }

    fn at(self, half: u32) -> Self {
        let ([good, _], [bad, _]) = (self.good, self.bad);
        match half.saturating_sub(self.half) {
            0 => self,
            1 => Self { half, now: 0, before: self.now, good: [0, good], bad: [0, bad] },
            _ => Self { half, ..Self::default() },
        }
    }

    /// With one request more, in which something went wrong, or nothing. Only what went wrong is a thing.
    pub fn with(self, wrong: Option<u64>) -> Self {
        wrong.map_or(self, |thing| self.seeing(thing)).counting(wrong.is_some())
    }

    /// With one thing more, by its hash.
    pub fn seeing(self, thing: u64) -> Self {
        let bit = 1_u32.checked_shl(u32::try_from(thing % BITS).unwrap_or_default());
        Self { now: self.now | bit.unwrap_or_default(), ..self }
    }

    /// With one request more in the share.
    pub fn counting(self, is_wrong: bool) -> Self {
        let ([good, good_before], [bad, bad_before]) = (self.good, self.bad);
        let (good, bad) = if good == u8::MAX || bad == u8::MAX { (good / 2, bad / 2) } else { (good, bad) };
        let good = good.saturating_add(u8::from(!is_wrong));
        let bad = bad.saturating_add(u8::from(is_wrong));
        Self { good: [good, good_before], bad: [bad, bad_before], ..self }
    }

    /// What a record is to hold.
    pub fn state(self) -> State {
        let ([h0, h1, h2, h3], [n0, n1, n2, n3]) = (self.half.to_le_bytes(), self.now.to_le_bytes());
        let ([b0, b1, b2, b3], [g0, g1], [f0, f1]) = (self.before.to_le_bytes(), self.good, self.bad);
        [h0, h1, h2, h3, n0, n1, n2, n3, b0, b1, b2, b3, g0, g1, f0, f1]
    }

    /// Whether nothing was seen.
    pub const fn is_clean(&self) -> bool {
        self.now | self.before == 0
    }

    /// About how many different things there were.
    pub fn distinct(&self) -> u32 {
        let set = usize::try_from((self.now | self.before).count_ones()).unwrap_or_default();
        ESTIMATES.get(set).copied().unwrap_or_default()
    }

    /// In how many requests of how many, as far as they were counted.
    pub fn requests(&self) -> (u32, u32) {
        let sum = |[now, before]: [u8; 2]| u32::from(now).saturating_add(u32::from(before));
        let bad = sum(self.bad);
        (bad, bad.saturating_add(sum(self.good)))
    }

    /// Whether something went wrong in so many requests, and in such a share of them (in thousandths).
    pub fn goes_wrong(&self, requests: u32, share: u32) -> bool {
        let (bad, all) = self.requests();
        bad >= requests && bad.saturating_mul(1000) >= share.saturating_mul(all)
    }

    /// Whether there were so many different things, and something went wrong in such a share of the requests (in thousandths).
    pub fn reaches(&self, distinct: u32, share: u32) -> bool {
        self.distinct() >= distinct && self.goes_wrong(0, share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Millis = Millis::from_secs(600);

    fn stored(tally: Tally, half: u32) -> Tally {
        let mut record = Record::new(1, Debt::default());
        record.settle(tally.state(), worth(Millis::new(1), WINDOW));
        Tally::of(&record, half)
    }

    fn wrong(things: impl IntoIterator<Item = u64>, half: u32) -> Tally {
        let empty = Tally { half, ..Tally::default() };
        things.into_iter().fold(empty, |tally, thing| tally.with(Some(thing)))
    }

    #[test]
    fn what_is_repeated_counts_once() {
        let tally = wrong([7; 200], 1);
        assert_eq!((tally.distinct(), tally.requests()), (1, (200, 200)));
        assert!(!tally.reaches(2, 0) && tally.reaches(1, 1000));
    }

    #[test]
    fn a_half_is_remembered_for_one_half_more() {
        let tally = wrong(0..10, 5).with(None);
        assert_eq!(stored(tally, 5), tally);
        assert_eq!((stored(tally, 6).distinct(), stored(tally, 6).requests()), (12, (10, 11)));
        assert!(stored(tally, 7).is_clean());
        assert_eq!(stored(tally, 4), tally, "a clock that is late changes nothing");
        let again = stored(tally, 6).with(Some(3));
        assert_eq!(again.distinct(), 12, "in both halves, and counted once");
    }

    #[test]
    fn shares_survive_full_counts() {
        let mut tally = wrong([1], 1);
        for number in 0..10_000_u64 {
            tally = tally.with((number % 4 == 0).then_some(number / 4));
        }
        let (bad, all) = tally.requests();
        let share = bad * 1000 / all;
        assert!((220..=280).contains(&share), "{bad} of {all}");
        assert!(tally.reaches(100, 200) && !tally.reaches(100, 300));
    }

    #[test]
    fn halves_are_those_of_the_window() {
        let at = |secs| half(Millis::from_secs(secs), WINDOW);
        assert_eq!((at(0), at(300), at(599), at(600)), (1, 1, 1, 2));
        assert_eq!(half(Millis::new(u64::MAX), Millis::new(2)), u32::MAX);
        assert_eq!(half(Millis::new(5), Millis::default()), 1, "no division by zero");
    }

    /// The error that the page states, over many sets of things with bits at random.
    #[test]
    fn the_estimate_is_as_good_as_stated() {
        let mut seed = 1_u64;
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed >> 20
        };
        for (things, error) in [(10_u32, 0.17), (20, 0.17), (30, 0.17), (60, 0.22)] {
            let squares: f64 = (0..2000)
                .map(|_| {
                    let tally = wrong((0..things).map(|_| next()).collect::<Vec<_>>(), 1);
                    (f64::from(tally.distinct()) - f64::from(things)).powi(2)
                })
                .sum();
            let deviation = (squares / 2000.0).sqrt() / f64::from(things);
            assert!(deviation < error, "{things}: {deviation}");
        }
    }

    proptest! {
        #[test]
        fn no_record_panics_and_no_count_is_lost(state in any::<[u8; 16]>(), half in any::<u32>(), thing in any::<u64>()) {
            let mut record = Record::new(1, Debt::default());
            record.settle(state, Debt::default());
            let tally = Tally::of(&record, half).with(Some(thing)).with(None);
            prop_assert!(!tally.is_clean() && tally.distinct() >= 1);
            prop_assert_eq!(stored(tally, tally.half), tally);
        }

        #[test]
        fn fewer_things_than_the_threshold_takes_never_reach_it(things in proptest::collection::vec(any::<u64>(), 0..15)) {
            prop_assert!(!wrong(things, 1).reaches(20, 0));
        }
    }
}
