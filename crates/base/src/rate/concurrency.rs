//! Concurrency: at most `limit` units in flight at a time.
//!
//! A request takes its units when it begins and gives them back when it is over. One that never comes back (its worker's
//! VM was lost) is forgotten after the window, so a leak heals by itself. Units are kept in four slices of the time they
//! were taken in, each a third of the window long: a slice that is four behind is dropped, so units are held for at
//! least the window and at most four thirds of it. The state is the latest slice's number and four counts of 16 bits.

use super::{is_alien, pack, unpack, Rate, Taken};
use crate::memory::record::{Debt, Share, State};
use crate::time::Millis;

const SLICES: usize = 4;
const SLICES_PER_WINDOW: u64 = 3;
const SLICE_MAX: u64 = 0xffff;

struct Flight {
    latest: u64,
    /// The latest first.
    slices: [u64; SLICES],
}

pub(super) fn begin(rate: &Rate, now: Millis, inherited: Share) -> State {
    store(&Flight { latest: number(rate, now), slices: [inherited.times(rate.limit), 0, 0, 0] })
}

pub(super) fn take(state: State, rate: &Rate, now: Millis, cost: u64) -> Taken {
    let mut flight = at(load(state), rate, now);
    let used = total(&flight);
    let allowed = used.saturating_add(cost) <= rate.limit.min(SLICE_MAX);
    let taken = if allowed { cost } else { 0 };
    // A worker whose clock is behind at a slice's border takes them in its own slice: there it will give them back.
    let age = age(&flight, rate, now).min(SLICES.saturating_sub(1));
    if let Some(slice) = flight.slices.get_mut(age) {
        *slice = slice.saturating_add(taken);
    }
    decided(&flight, rate, now, allowed, cost)
}

/// Gives back units that were taken at `since`. Units that have been forgotten meanwhile are not given back twice.
pub fn give(state: State, rate: &Rate, since: Millis, now: Millis, cost: u64) -> Taken {
    let mut flight = at(load(state), rate, now);
    let age = age(&flight, rate, since);
    if let Some(slice) = flight.slices.get_mut(age) {
        *slice = slice.saturating_sub(cost);
    }
    decided(&flight, rate, now, true, 0)
}

fn decided(flight: &Flight, rate: &Rate, now: Millis, allowed: bool, cost: u64) -> Taken {
    let used = total(flight);
    let slice = slice_millis(rate);
    let slices = |count: usize| u64::try_from(count).unwrap_or_default();
    // When the slice that holds anything and lives longest is dropped.
    let longest = flight.slices.iter().position(|units| *units > 0);
    let settled = longest.map_or(now, |at| {
        let dropped = flight.latest.saturating_sub(slices(at)).saturating_add(slices(SLICES));
        Millis::new(dropped.saturating_mul(slice))
    });
    Taken {
        allowed,
        remaining: rate.limit.saturating_sub(used),
        reset: settled.saturating_sub(now),
        // Nobody can say when a request in flight will be over; a second is a polite guess.
        retry_after: (cost <= rate.limit).then_some(Millis::from_secs(u64::from(!allowed))),
        state: store(flight),
        debt: Debt { share: Share::of(used, rate.limit), since: settled, settled },
    }
}

/// How many slices ago a time was.
fn age(flight: &Flight, rate: &Rate, time: Millis) -> usize {
    usize::try_from(flight.latest.saturating_sub(number(rate, time))).unwrap_or(usize::MAX)
}

fn total(flight: &Flight) -> u64 {
    flight.slices.iter().fold(0, |sum, units| sum.saturating_add(*units))
}

fn at(flight: Flight, rate: &Rate, now: Millis) -> Flight {
    let slice = number(rate, now);
    if is_alien(flight.latest.saturating_mul(slice_millis(rate)), now) {
        return Flight { latest: slice, slices: [0; SLICES] };
    }
    let steps = usize::try_from(slice.saturating_sub(flight.latest)).unwrap_or(usize::MAX);
    let mut moved = [0; SLICES];
    moved.iter_mut().skip(steps).zip(flight.slices).for_each(|(to, from)| *to = from);
    Flight { latest: flight.latest.max(slice), slices: moved }
}

fn slice_millis(rate: &Rate) -> u64 {
    rate.window.as_u64().div_ceil(SLICES_PER_WINDOW).max(1)
}

fn number(rate: &Rate, now: Millis) -> u64 {
    now.as_u64().checked_div(slice_millis(rate)).unwrap_or_default()
}

fn store(flight: &Flight) -> State {
    let units = flight.slices.iter().rev().fold(0, |all, units| all << 16 | (*units).min(SLICE_MAX));
    pack(flight.latest, units)
}

fn load(state: State) -> Flight {
    let (latest, units) = unpack(state);
    Flight { latest, slices: [0, 16, 32, 48].map(|shift| units >> shift & SLICE_MAX) }
}
