//! Shared window: a fixed window whose units several Envoys count together, each deciding at once.
//!
//! An Envoy knows what the fleet's service told it last (`known`) and what it has let through itself since
//! (`unsettled`); a request passes if both together leave room. On a tick the unsettled units are reported ([`settle`])
//! and the service answers with the fleet's total ([`learn`]); a report that fails is taken back ([`restore`]). From the
//! report on the units count as known, so that nothing is forgotten while the answer is awaited.
//!
//! One Envoy alone lets exactly `limit` units pass in every window. E Envoys together let at most
//! `limit + (E − 1) × u` pass, where `u` is what one of them lets through between two answers of the service (the
//! interval of the ticks and one round trip, with the units on their way meanwhile), at most `limit` itself. Units whose key
//! is not reported before the window ends (a full outbox, a worker's VM that was lost) are missing in that sum. The state is the window's number, and known and
//! unsettled units of 32 bits each.

use super::fixed_window::number;
use super::{is_alien, pack, unpack, Rate, Taken};
use crate::memory::record::{Debt, Share, State};
use crate::time::Millis;

#[derive(Debug, Copy, Clone)]
struct Counts {
    window: u64,
    known: u64,
    unsettled: u64,
}

pub(super) fn begin(rate: &Rate, now: Millis, inherited: Share) -> State {
    store(Counts { window: number(rate, now), known: inherited.times(rate.limit), unsettled: 0 })
}

pub(super) fn take(state: State, rate: &Rate, now: Millis, cost: u64) -> Taken {
    let counts = at(load(state), rate, now);
    let used = counts.known.saturating_add(counts.unsettled);
    let allowed = used.saturating_add(cost) <= rate.limit;
    let unsettled = if allowed { counts.unsettled.saturating_add(cost) } else { counts.unsettled };
    let counts = Counts { unsettled, ..counts };
    let left = ends(counts.window, rate).saturating_sub(now);
    Taken {
        allowed,
        remaining: rate.limit.saturating_sub(counts.known.saturating_add(unsettled)),
        reset: left,
        retry_after: (cost <= rate.limit).then_some(if allowed { Millis::default() } else { left }),
        state: store(counts),
        debt: debt(counts, rate),
    }
}

/// Takes the units that are to be reported now, with the window they belong to.
pub fn settle(state: State, rate: &Rate, now: Millis) -> (State, Debt, Reported) {
    let counts = at(load(state), rate, now);
    let known = counts.known.saturating_add(counts.unsettled);
    let after = Counts { known, unsettled: 0, ..counts };
    (store(after), debt(after, rate), Reported { window: counts.window, units: counts.unsettled })
}

/// The service has answered: the fleet has used `total` units of the reported window.
pub fn learn(state: State, rate: &Rate, now: Millis, reported: Reported, total: u64) -> (State, Debt) {
    let mut counts = at(load(state), rate, now);
    if counts.window == reported.window {
        counts.known = counts.known.max(total);
    }
    (store(counts), debt(counts, rate))
}

/// The report did not arrive: its units are to be reported again.
pub fn restore(state: State, rate: &Rate, now: Millis, reported: Reported) -> (State, Debt) {
    let mut counts = at(load(state), rate, now);
    if counts.window == reported.window {
        counts.known = counts.known.saturating_sub(reported.units);
        counts.unsettled = counts.unsettled.saturating_add(reported.units);
    }
    (store(counts), debt(counts, rate))
}

/// Time until the window that is now ends.
pub fn left(rate: &Rate, now: Millis) -> Millis {
    ends(number(rate, now), rate).saturating_sub(now)
}

/// Units on their way to the service.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The window they were taken in.
    pub window: u64,
    /// How many.
    pub units: u64,
}

fn debt(counts: Counts, rate: &Rate) -> Debt {
    let used = counts.known.saturating_add(counts.unsettled);
    let ends = ends(counts.window, rate);
    Debt { share: Share::of(used, rate.limit), since: ends, settled: ends }
}

fn ends(window: u64, rate: &Rate) -> Millis {
    Millis::new(window.saturating_add(1).saturating_mul(rate.window.as_u64()))
}

/// The counts as of now; a window in the future is one that a worker with a later clock has begun. Units of a window that
/// is over are dropped unreported: the service does not count them any more either.
fn at(counts: Counts, rate: &Rate, now: Millis) -> Counts {
    let begins = counts.window.saturating_mul(rate.window.as_u64());
    match number(rate, now) {
        window if window > counts.window || is_alien(begins, now) => Counts { window, known: 0, unsettled: 0 },
        _ => counts,
    }
}

fn store(counts: Counts) -> State {
    let half = |units: u64| units.min(u64::from(u32::MAX));
    pack(counts.window, half(counts.known) << 32 | half(counts.unsettled))
}

fn load(state: State) -> Counts {
    let (window, both) = unpack(state);
    Counts { window, known: both >> 32, unsettled: both & u64::from(u32::MAX) }
}
