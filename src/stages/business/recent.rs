//! What a counter remembers, in the 16 bytes of a record.
//!
//! Time comes in periods, parts of the window. What happened is remembered for the window at least and for one period more at
//! most, so a counter errs to one side: it never forgets too early. Clocks of workers may be apart: time does not go back.
//!
//! ```text
//! requests     0       4                                16
//!              period  6 numbers of 16 bits, the newest first: periods of a fifth of the window
//!
//! things       0       4                                16
//!              period  6 × (14 bits of a thing's hash, 2 bits of its age)         up to six things
//!              + mode  3 × 32 bits, the newest first                              beyond: periods of half the window
//!
//! last         0       8
//!              milliseconds since the Unix epoch
//! ```
//!
//! **Different things** are exact up to six: each is kept as a fingerprint of a keyed hash, which nobody can aim at; two of
//! seven have the same one with a chance of one in 800. The seventh turns the fingerprints into bits, and from then on they are
//! estimated by linear counting (Whang, Vander-Zanden, Taylor 1990: `32 ln(32 / zeros)`), with a standard error of about 15 % up
//! to 30 things; from some 110 on the estimate stays at its highest, 133. It is seven at least as long as the things of the
//! change count, so nobody gets below a threshold of up to six by trying more; fewer than seven are told apart again once all
//! bits are forgotten.

use crate::memory::record::{Debt, Record, Share, State};
use crate::time::Millis;

/// Periods of a window for requests.
const FIFTHS: u64 = 5;

/// Periods of a window for things.
const HALVES: u64 = 2;

/// The oldest period of things that counts.
const AGE_MAX: u8 = 2;

/// Most things that are told apart.
const EXACT_MAX: u32 = 6;

/// Bits of a set.
const BITS: u16 = 32;

/// The mode in which things are told apart; the others are one more than the periods since the change to bits.
const EXACT: u8 = 0;

/// See [`crate::stages::business::recent`]: `32 ln(32 / zeros)` by the number of bits that are set, rounded.
const ESTIMATES: [u32; 33] = [
    0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 15, 17, 18, 20, 22, 24, 26, 29, 31, 34, 37, 41, 44, 49, 54, 59, 67, 76,
    89, 111, 133,
];

/// The number of the period that a moment is in; never zero, by which a record is told from a new one. Periods of windows of ten
/// seconds have 29 bits until the year 2055.
fn period(now: Millis, window: Millis, parts: u64) -> u32 {
    let length = window.as_u64().checked_div(parts).unwrap_or_default().max(1);
    let number = now.as_u64().checked_div(length).unwrap_or_default();
    u32::try_from(number).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 3)
}

/// What a counter's record is worth: no debt, or strangers would start their limits with it. Among those without debt it stays
/// until it no longer counts.
pub(in crate::stages) fn worth(now: Millis, window: Millis) -> Debt {
    let kept = window.saturating_add(window);
    Debt { share: Share::NONE, since: now, settled: now.saturating_add(kept) }
}

/// Requests.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(in crate::stages) struct Requests {
    period: u32,
    numbers: [u16; 6],
}

impl Requests {
    /// What a record holds, as of now.
    pub(in crate::stages) fn of(record: &Record, now: Millis, window: Millis) -> Self {
        let current = period(now, window, FIFTHS);
        let [p0, p1, p2, p3, rest @ ..] = record.state;
        let [a0, a1, b0, b1, c0, c1, d0, d1, e0, e1, f0, f1] = rest;
        let numbers = [[a0, a1], [b0, b1], [c0, c1], [d0, d1], [e0, e1], [f0, f1]].map(u16::from_le_bytes);
        let stored = u32::from_le_bytes([p0, p1, p2, p3]);
        let passed = usize::try_from(current.saturating_sub(stored)).unwrap_or(usize::MAX);
        let mut aged = [0; 6];
        for (to, from) in aged.iter_mut().skip(passed).zip(numbers) {
            *to = from;
        }
        Self { period: stored.max(current), numbers: aged }
    }

    /// With one more.
    pub(in crate::stages) fn with_one(self) -> Self {
        let [newest, older @ ..] = self.numbers;
        let [a, b, c, d, e] = older;
        Self { numbers: [newest.saturating_add(1), a, b, c, d, e], ..self }
    }

    /// How many there were.
    pub(in crate::stages) fn total(self) -> i64 {
        self.numbers.into_iter().map(i64::from).sum()
    }

    /// What a record is to hold.
    pub(in crate::stages) fn state(self) -> State {
        let mut state = [0; 16];
        let bytes = self.period.to_le_bytes().into_iter();
        let bytes = bytes.chain(self.numbers.into_iter().flat_map(u16::to_le_bytes));
        state.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        state
    }
}

/// Different things.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(in crate::stages) struct Things {
    period: u32,
    mode: u8,
    content: Content,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Content {
    /// A fingerprint and the age of what it stands for; zero is an empty place.
    Told([(u16, u8); 6]),
    /// Bits by age.
    Bits([u32; 3]),
}

impl Things {
    /// What a record holds, as of now.
    pub(in crate::stages) fn of(record: &Record, now: Millis, window: Millis) -> Self {
        let current = period(now, window, HALVES);
        let [p0, p1, p2, p3, rest @ ..] = record.state;
        let first = u32::from_le_bytes([p0, p1, p2, p3]);
        let (stored, mode) = (first >> 3, u8::try_from(first & 7).unwrap_or(EXACT));
        let [a0, a1, b0, b1, c0, c1, d0, d1, e0, e1, f0, f1] = rest;
        let content = if mode == EXACT {
            let places = [[a0, a1], [b0, b1], [c0, c1], [d0, d1], [e0, e1], [f0, f1]].map(u16::from_le_bytes);
            Content::Told(places.map(|place| (place >> 2, u8::try_from(place & 3).unwrap_or(AGE_MAX))))
        } else {
            let sets = [[a0, a1, b0, b1], [c0, c1, d0, d1], [e0, e1, f0, f1]];
            Content::Bits(sets.map(u32::from_le_bytes))
        };
        let passed = u8::try_from(current.saturating_sub(stored)).unwrap_or(u8::MAX);
        Self { period: stored.max(current), mode, content }.aged(passed)
    }

    fn aged(self, passed: u8) -> Self {
        let content = match self.content {
            Content::Told(places) => Content::Told(places.map(|(print, age)| {
                let age = age.saturating_add(passed);
                if age > AGE_MAX {
                    (0, 0)
                } else {
                    (print, age)
                }
            })),
            Content::Bits([newest, older, oldest]) => match passed {
                0 => Content::Bits([newest, older, oldest]),
                1 => Content::Bits([0, newest, older]),
                2 => Content::Bits([0, 0, newest]),
                _ => Content::Told([(0, 0); 6]),
            },
        };
        let mode = match content {
            Content::Told(_) => EXACT,
            // What lies further back than anything counts has no number of its own.
            Content::Bits(_) => self.mode.saturating_add(passed).min(AGE_MAX.saturating_add(2)),
        };
        Self { mode, content, ..self }
    }

    /// With a thing, by its hash.
    pub(in crate::stages) fn with(self, hash: u64) -> Self {
        let print = u16::try_from(hash & 0x3fff).unwrap_or(0).max(1);
        match self.content {
            Content::Bits(sets) => Self { content: Content::Bits(set(sets, print, 0)), ..self },
            Content::Told(mut places) => {
                let known = places.iter().position(|(known, _)| *known == print);
                let free = known.or_else(|| places.iter().position(|(known, _)| *known == 0));
                if let Some(place) = free.and_then(|at| places.get_mut(at)) {
                    *place = (print, 0);
                    return Self { content: Content::Told(places), ..self };
                }
                let bits = places.iter().fold([0; 3], |sets, (print, age)| set(sets, *print, *age));
                Self { mode: EXACT.saturating_add(1), content: Content::Bits(set(bits, print, 0)), ..self }
            }
        }
    }

    /// How many different ones there were, about.
    pub(in crate::stages) fn total(self) -> i64 {
        let number = match self.content {
            Content::Told(places) => places.iter().map(|(print, _)| u32::from(*print != 0)).sum(),
            Content::Bits([newest, older, oldest]) => {
                let set = usize::try_from((newest | older | oldest).count_ones()).unwrap_or_default();
                let estimate = ESTIMATES.get(set).copied().unwrap_or_default();
                let changed_lately = self.mode <= AGE_MAX.saturating_add(1);
                estimate.max(if changed_lately { EXACT_MAX.saturating_add(1) } else { 0 })
            }
        };
        i64::from(number)
    }

    /// What a record is to hold.
    pub(in crate::stages) fn state(self) -> State {
        let first = (self.period << 3) | u32::from(self.mode & 7);
        let content: Vec<u8> = match self.content {
            Content::Told(places) => places
                .into_iter()
                .flat_map(|(print, age)| ((print << 2) | u16::from(age & 3)).to_le_bytes())
                .collect(),
            Content::Bits(sets) => sets.into_iter().flat_map(u32::to_le_bytes).collect(),
        };
        let mut state = [0; 16];
        let bytes = first.to_le_bytes().into_iter().chain(content);
        state.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        state
    }
}

/// The sets with the bit of a fingerprint in that of an age.
fn set(mut sets: [u32; 3], print: u16, age: u8) -> [u32; 3] {
    let bit = 1_u32.checked_shl(u32::from(print.checked_rem(BITS).unwrap_or_default())).unwrap_or_default();
    if let Some(set) = sets.get_mut(usize::from(age)) {
        *set |= bit;
    }
    sets
}

/// When something was there for the last time.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) struct Last(u64);

impl Last {
    /// What a record holds.
    pub(super) fn of(record: &Record) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = record.state;
        Self(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }

    /// Whether that was within the window. A worker whose clock is late has it in the future.
    pub(super) fn is_within(self, now: Millis, window: Millis) -> bool {
        self.0 != 0 && now.as_u64().saturating_sub(self.0) < window.as_u64()
    }

    /// What a record is to hold now.
    pub(super) fn state(self, now: Millis) -> State {
        let mut state = [0; 16];
        let bytes = self.0.max(now.as_u64()).max(1).to_le_bytes();
        state.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        state
    }
}

#[cfg(test)]
mod tests;
