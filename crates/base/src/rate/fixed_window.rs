//! Fixed window: `limit` units in each window of the clock, all windows beginning at multiples of their length since the
//! Unix epoch.
//!
//! Exactly `limit` units pass in every window. Around the border of two windows twice as many can pass within one
//! window's length; where that matters, use the sliding window. The state is the window's number and the units taken.

use super::{is_alien, pack, unpack, Rate, Taken};
use crate::memory::record::{Debt, Share, State};
use crate::time::Millis;

pub(super) fn begin(rate: &Rate, now: Millis, inherited: Share) -> State {
    pack(number(rate, now), inherited.times(rate.limit))
}

pub(super) fn take(state: State, rate: &Rate, now: Millis, cost: u64, owed: bool) -> Taken {
    let (window, taken) = unpack(state);
    let current = number(rate, now);
    // A window in the future is one that a worker with a later clock has begun.
    let known = window >= current && !is_alien(window.saturating_mul(rate.window.as_u64()), now);
    let (window, taken) = if known { (window, taken) } else { (current, 0) };
    let ends = Millis::new(window.saturating_add(1).saturating_mul(rate.window.as_u64()));
    let after = taken.saturating_add(cost);
    let allowed = owed || after <= rate.limit;
    let taken = if allowed { after } else { taken };
    let left = ends.saturating_sub(now);
    Taken {
        allowed,
        remaining: rate.limit.saturating_sub(taken),
        reset: if taken == 0 { Millis::default() } else { left },
        retry_after: (cost <= rate.limit).then_some(if allowed { Millis::default() } else { left }),
        state: pack(window, taken),
        debt: Debt { share: Share::of(taken, rate.limit), since: ends, settled: ends },
    }
}

pub(super) fn give_back(state: State, taken: State, units: u64) -> State {
    let ((window, count), (window_then, _)) = (unpack(state), unpack(taken));
    if window == window_then {
        pack(window, count.saturating_sub(units))
    } else {
        state
    }
}

/// Which window of the clock it is.
pub(super) fn number(rate: &Rate, now: Millis) -> u64 {
    now.as_u64().checked_div(rate.window.as_u64()).unwrap_or_default()
}
