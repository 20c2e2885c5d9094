//! Sliding window: `limit` units in the window that ends now, counted from two fixed windows.
//!
//! The units of the window before count with the part of it that still lies inside: `previous × (1 − elapsed / window) +
//! current`. From rest exactly `limit` units pass within one window. In steady load the estimate assumes that the window
//! before was filled evenly; it is rounded up. Its error is bounded: no span of one window's length ever sees more than
//! twice the limit, which the fixed window allows at every border and this one only if the window before was filled in
//! its last moments. The state is the window's number and two counts of 32 bits.

use super::{is_alien, pack, times, unpack, Rate, Taken};
use crate::memory::record::{product_over, Debt, Share, State};
use crate::time::Millis;

struct Counts {
    window: u64,
    previous: u64,
    current: u64,
}

pub(super) fn begin(rate: &Rate, now: Millis, inherited: Share) -> State {
    store(&Counts { window: number(rate, now), previous: 0, current: inherited.times(rate.limit) })
}

pub(super) fn take(state: State, rate: &Rate, now: Millis, cost: u64, owed: bool) -> Taken {
    let mut counts = at(load(state), rate, now);
    let begins = times(counts.window, rate.window.as_u64());
    let elapsed = now.as_u64().saturating_sub(begins).min(rate.window.as_u64());
    let used = weighed(counts.previous, rate, elapsed).saturating_add(counts.current);
    let fits =
        used.saturating_add(cost) <= rate.limit && counts.current.saturating_add(cost) <= u64::from(u32::MAX);
    let allowed = owed || fits;
    let taken = if allowed { cost } else { 0 };
    counts.current = counts.current.saturating_add(taken);
    let used = used.saturating_add(taken);
    let ends = Millis::new(begins.saturating_add(rate.window.as_u64()));
    let gone = ends.saturating_add(rate.window);
    Taken {
        allowed,
        remaining: rate.limit.saturating_sub(used),
        reset: if used == 0 { Millis::default() } else { gone.saturating_sub(now) },
        retry_after: (cost <= rate.limit).then(|| {
            if allowed {
                Millis::default()
            } else {
                wait(&counts, rate, elapsed, cost)
            }
        }),
        state: store(&counts),
        debt: Debt { share: Share::of(used, rate.limit), since: ends, settled: gone },
    }
}

pub(super) fn give_back(state: State, taken: State, units: u64) -> State {
    let mut counts = load(state);
    match counts.window.checked_sub(load(taken).window) {
        Some(0) => counts.current = counts.current.saturating_sub(units),
        Some(1) => counts.previous = counts.previous.saturating_sub(units),
        _ => return state,
    }
    store(&counts)
}

/// The part of the window before that lies inside the sliding one, rounded up.
fn weighed(previous: u64, rate: &Rate, elapsed: u64) -> u64 {
    product_over(previous, rate.window.as_u64().saturating_sub(elapsed), rate.window.as_u64())
}

/// How long until `cost` fits, if nobody else takes anything: within this window as the one before slides out, or
/// in the next one as this one does.
fn wait(counts: &Counts, rate: &Rate, elapsed: u64, cost: u64) -> Millis {
    let window = rate.window.as_u64();
    let slides_out = |count: u64, room: u64| {
        // The smallest time at which count × (window − time) / window, rounded up, is at most `room`.
        let keeps = u128::from(room).saturating_mul(u128::from(window)).checked_div(u128::from(count.max(1)));
        window.saturating_sub(u64::try_from(keeps.unwrap_or_default()).unwrap_or(u64::MAX).min(window))
    };
    match rate.limit.checked_sub(counts.current.saturating_add(cost)) {
        Some(room) => Millis::new(slides_out(counts.previous, room).saturating_sub(elapsed)),
        None => {
            let room = rate.limit.saturating_sub(cost);
            Millis::new(window.saturating_sub(elapsed).saturating_add(slides_out(counts.current, room)))
        }
    }
}

/// The counts as the window of this moment sees them. A window in the future is one that a worker with a later clock has begun.
fn at(counts: Counts, rate: &Rate, now: Millis) -> Counts {
    let window = number(rate, now);
    if is_alien(times(counts.window, rate.window.as_u64()), now) {
        return Counts { window, previous: 0, current: 0 };
    }
    match window.saturating_sub(counts.window) {
        0 => counts,
        1 => Counts { window, previous: counts.current, current: 0 },
        _ => Counts { window, previous: 0, current: 0 },
    }
}

fn number(rate: &Rate, now: Millis) -> u64 {
    now.as_u64().checked_div(rate.window.as_u64()).unwrap_or_default()
}

fn store(counts: &Counts) -> State {
    pack(counts.window, counts.previous.min(u64::from(u32::MAX)) << 32 | counts.current.min(u64::from(u32::MAX)))
}

fn load(state: State) -> Counts {
    let (window, both) = unpack(state);
    Counts { window, previous: both >> 32, current: both & u64::from(u32::MAX) }
}
