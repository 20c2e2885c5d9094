//! What an actor has earned and lost: how many requests, how many of them bad, since when.
//!
//! The actor is the subject of a verified token, or else the source's network. Requests and bad requests are counted and
//! lose half their weight in every `half_life`, in a straight line between. From them come
//!
//! ```text
//! badness  q = bad / (requests + 4)      0 for a newcomer; the 4 keeps a single mistake from being everything
//! standing t = min(1, age / matures) × min(1, requests / 20)
//! ```
//!
//! and a limit that adapts to reputation has the factor `1 + bonus × t × (1 − q) − malus × q`.
//!
//! A refusal of ours counts as one bad request, one by a limit as a quarter (or a client at its limit would sink ever
//! deeper), an answer of 4xx by the service as a half. Requests that were only refused in monitor mode count as bad too:
//! reputation says what an actor did, not what came of it.
//!
//! Kept as one record in the shared memory; 24 bits of the counts are whole requests, 8 are fractions.

use crate::config::Reputation as Settings;
use crate::memory::record::{Debt, Record, Share, State};
use crate::time::Millis;

/// Steps of one request in a count.
const STEPS: u64 = 256;

/// Keeps a newcomer's first mistake from being everything.
const PRIOR_REQUESTS: u64 = 4;

/// So many recent requests make a standing.
const STANDING_REQUESTS: u64 = 20;

/// Half-lives after which nothing is owed.
const SETTLES: u64 = 8;

/// How bad a request was.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Nothing wrong with it.
    Good,
    /// Refused by a limit.
    Limited,
    /// The service found fault with it: 4xx.
    Faulted,
    /// Refused by any other check.
    Refused,
}

/// An actor's past, as of some moment.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub(super) struct Past {
    first_seen: Millis,
    updated: Millis,
    /// In steps.
    requests: u64,
    /// In steps.
    bad: u64,
}

impl Deed {
    const fn steps(self) -> u64 {
        match self {
            Self::Good => 0,
            Self::Limited => STEPS / 4,
            Self::Faulted => STEPS / 2,
            Self::Refused => STEPS,
        }
    }
}

impl Past {
    /// The past that a record holds.
    pub(super) fn of(record: &Record, now: Millis, settings: &Settings) -> Self {
        if record.is_new() {
            // What somebody who was evicted owed is a suspicion against whoever comes after.
            let bad = record.inherited.times(PRIOR_REQUESTS.saturating_mul(STEPS));
            return Self { first_seen: now, updated: now, requests: bad, bad };
        }
        let word = |at: usize| {
            let bytes = record.state.get(at..at.saturating_add(4)).and_then(|bytes| bytes.try_into().ok());
            u64::from(u32::from_le_bytes(bytes.unwrap_or_default()))
        };
        let seconds = |at: usize| Millis::from_secs(word(at));
        Self { first_seen: seconds(0), updated: seconds(4), requests: word(8), bad: word(12) }.aged(now, settings)
    }

    /// The past with one request more.
    pub(super) fn with(self, deed: Deed) -> Self {
        Self { requests: self.requests.saturating_add(STEPS), bad: self.bad.saturating_add(deed.steps()), ..self }
    }

    /// The share of bad requests, in thousandths.
    pub(super) fn badness(&self) -> u32 {
        permille(self.bad, self.requests.saturating_add(PRIOR_REQUESTS.saturating_mul(STEPS)))
    }

    /// How much of a regular the actor is, in thousandths.
    pub(super) fn standing(&self, settings: &Settings) -> u32 {
        let age = self.updated.saturating_sub(self.first_seen).as_u64();
        let by_age = permille(age, settings.matures.as_u64());
        let by_requests = permille(self.requests, STANDING_REQUESTS.saturating_mul(STEPS));
        by_age.saturating_mul(by_requests) / 1000
    }

    /// What the shared memory is to keep, and what it is worth.
    pub(super) fn store(&self, settings: &Settings) -> (State, Debt) {
        let mut state = State::default();
        let words = [self.first_seen.as_u64() / 1000, self.updated.as_u64() / 1000, self.requests, self.bad];
        for (place, word) in state.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&u32::try_from(word).unwrap_or(u32::MAX).to_le_bytes());
        }
        let settled =
            self.updated.saturating_add(Millis::new(settings.half_life.as_u64().saturating_mul(SETTLES)));
        (state, Debt { share: Share::of(self.badness().into(), 1000), since: self.updated, settled })
    }

    /// Whole seconds only: they are what is stored, and a fraction would be counted again with every request.
    fn aged(self, now: Millis, settings: &Settings) -> Self {
        let now = Millis::from_secs(now.as_u64() / 1000);
        let span = now.saturating_sub(self.updated);
        let decayed = |count: u64| halved(count, span, settings.half_life);
        Self { updated: self.updated.max(now), requests: decayed(self.requests), bad: decayed(self.bad), ..self }
    }
}

/// Half of a count for every half-life, and in between on the straight line.
fn halved(count: u64, span: Millis, half_life: Millis) -> u64 {
    let (span, half_life) = (span.as_u64(), half_life.as_u64());
    let (Some(halvings), Some(into)) = (span.checked_div(half_life), span.checked_rem(half_life)) else {
        return 0;
    };
    let at_start = count.checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX)).unwrap_or_default();
    let product = u128::from(at_start).saturating_mul(into.into());
    let lost = product.checked_div(u128::from(half_life).saturating_mul(2)).unwrap_or_default();
    at_start.saturating_sub(u64::try_from(lost).unwrap_or(at_start))
}

fn permille(part: u64, whole: u64) -> u32 {
    let scaled = u128::from(part).saturating_mul(1000).checked_div(u128::from(whole)).unwrap_or(1000);
    u32::try_from(scaled.min(1000)).unwrap_or(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings { half_life: Millis::from_secs(3600), matures: Millis::from_secs(86_400) };
    const NOW: u64 = 1_800_000_000;

    fn live(past: Past, deeds: &[Deed], now: u64) -> Past {
        let mut record = Record::new(1, Debt::default());
        let (state, debt) = deeds.iter().fold(past, |past, deed| past.with(*deed)).store(&SETTINGS);
        record.settle(state, debt);
        Past::of(&record, Millis::from_secs(now), &SETTINGS)
    }

    fn newcomer() -> Past {
        Past::of(&Record::new(1, Debt::default()), Millis::from_secs(NOW), &SETTINGS)
    }

    #[test]
    fn a_newcomer_is_neither_good_nor_bad() {
        assert_eq!((newcomer().badness(), newcomer().standing(&SETTINGS)), (0, 0));
    }

    #[test]
    fn one_mistake_is_not_everything_and_many_are() {
        assert_eq!(newcomer().with(Deed::Refused).badness(), 200);
        let hostile = live(newcomer(), &[Deed::Refused; 40], NOW);
        assert!(hostile.badness() > 900, "{hostile:?}");
        let at_its_limit = live(newcomer(), &[Deed::Limited; 400], NOW);
        assert!(at_its_limit.badness() <= 250, "{at_its_limit:?}");
    }

    #[test]
    fn standing_takes_age_and_requests() {
        let eager = live(newcomer(), &[Deed::Good; 1000], NOW + 60);
        assert_eq!(eager.standing(&SETTINGS), 0, "a minute is no age");
        let regular = live(eager, &[Deed::Good; 100], NOW + 86_460);
        let regular = live(regular, &[Deed::Good; 100], NOW + 86_460);
        assert_eq!(regular.standing(&SETTINGS), 1000);
    }

    #[test]
    fn what_happened_loses_half_its_weight_in_every_half_life() {
        let past = live(newcomer(), &[Deed::Refused; 16], NOW);
        let later = |seconds: u64| live(past, &[], NOW + seconds).bad;
        assert_eq!((later(0), later(1800), later(3600), later(7200)), (4096, 3072, 2048, 1024));
        assert_eq!(later(3600 * 100), 0);
    }

    #[test]
    fn many_requests_in_one_second_lose_nothing() {
        let mut past = live(newcomer(), &[Deed::Refused; 16], NOW);
        for _ in 0..1000 {
            past = live(past, &[], NOW);
        }
        assert_eq!(past.bad, 4096);
    }

    #[test]
    fn counts_saturate() {
        let past = Past { requests: u64::MAX, bad: u64::MAX, ..newcomer() };
        assert!(live(past, &[Deed::Refused; 3], NOW).badness() >= 999);
    }
}
