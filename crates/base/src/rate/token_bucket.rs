//! Token bucket: bursts up to `burst`, and `limit` per window in the long run.
//!
//! Kept as one number, the *theoretical arrival time* (GCRA, ITU-T I.371): the moment at which the bucket would be full
//! again. Taking one unit moves it `window / limit` further; a request is allowed if it then lies at most
//! `burst × window / limit` ahead. From a full bucket exactly `burst` units pass at once, and in any span of time `t` at
//! most `burst + t × limit / window`.
//!
//! Resolution: a nanosecond for the interval, a millisecond for the clock. The state uses 8 of its 16 bytes.

use super::{pack, times, unpack, Rate, Taken};
use crate::memory::record::{Debt, Share, State};
use crate::time::Millis;

const NANOS_PER_MILLI: u64 = 1_000_000;

pub(super) fn begin(rate: &Rate, now: Millis, inherited: Share) -> State {
    let (now, capacity) = (nanos(now), capacity(rate));
    pack(now.saturating_add(inherited.times(capacity)), 0)
}

pub(super) fn take(state: State, rate: &Rate, now: Millis, cost: u64, owed: bool) -> Taken {
    let clock = nanos(now);
    let (arrival, _) = unpack(state);
    let arrival = arrival.max(clock);
    let next = arrival.saturating_add(times(interval(rate), cost));
    let latest = clock.saturating_add(capacity(rate));
    let allowed = owed || next <= latest;
    let arrival = if allowed { next } else { arrival };
    let ahead = arrival.saturating_sub(clock);
    let possible = cost <= rate.burst;
    Taken {
        allowed,
        remaining: latest.saturating_sub(arrival).checked_div(interval(rate)).unwrap_or_default(),
        reset: millis(ahead),
        retry_after: possible.then(|| millis(if allowed { 0 } else { next.saturating_sub(latest) })),
        state: pack(arrival, 0),
        debt: Debt {
            share: Share::of(ahead, capacity(rate)),
            since: now,
            settled: now.saturating_add(millis(ahead)),
        },
    }
}

/// From when on the bucket would have been full without them they have come back by themselves, and do not come back once
/// more.
pub(super) fn give_back(state: State, rate: &Rate, taken: State, now: Millis, units: u64) -> State {
    let ((arrival, _), (arrival_then, _)) = (unpack(state), unpack(taken));
    let owed = times(interval(rate), units);
    let elapsed = nanos(now).saturating_sub(arrival_then.saturating_sub(owed));
    pack(arrival.saturating_sub(owed.saturating_sub(elapsed)), 0)
}

/// How long a bucket takes from empty to full.
pub(super) fn lasts(rate: &Rate) -> Millis {
    millis(capacity(rate))
}

fn interval(rate: &Rate) -> u64 {
    nanos(rate.window).checked_div(rate.limit).unwrap_or_default().max(1)
}

fn capacity(rate: &Rate) -> u64 {
    times(interval(rate), rate.burst)
}

fn nanos(time: Millis) -> u64 {
    times(time.as_u64(), NANOS_PER_MILLI)
}

/// Rounded up: who waits that long has waited long enough.
fn millis(nanos: u64) -> Millis {
    Millis::new(nanos.div_ceil(NANOS_PER_MILLI))
}
