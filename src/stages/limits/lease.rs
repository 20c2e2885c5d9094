//! Leases: units of a limit that a worker takes from the shared memory in advance, and spends without asking it again.
//!
//! A key that one worker counts many times in a moment (a route, a tenant, a busy client) would be read from the memory
//! of all workers and written back with each request, which is most of what such a limit costs. Who is asked for again
//! within [`LASTS`] gets more units than it needs, twice as many each time, and what it has not spent in that time goes
//! back: with the next request that a limit counts, or on a tick. So a key that is not busy never has any.
//!
//! What is leased has been taken, so all workers together never let more pass than the limit allows. What it costs:
//!
//! - A worker may refuse while others still hold units: at most one in [`PART`] of what was left when each of them took
//!   its own, and not for longer than [`LASTS`] and the time to the next request or tick (100 ms: who holds units makes ticks
//!   quick). Where less than [`PART`] units are left nothing is leased, and every unit is decided by the memory alone.
//! - A unit counts from the moment it was leased, as though the worker's clock were late by up to [`LASTS`]. Under windows no
//!   lease outlives the window it was taken in.
//! - Of a bucket that would have been full meanwhile, what came in while units were held does not come back.
//! - Who spends leased units is told what would be left if nobody else had taken any since.
//!
//! Bounds: [`SEATS`] keys of a worker at a time. A key that finds its seat taken is counted without a lease.
//!
//! Not leased: limits that adapt, are shared with other Envoys, or count what is in flight. Lost, until the memory forgets
//! them as units that were spent: what a worker holds when its VM dies, what cannot be given back under contention, and
//! what was leased of a record that was evicted meanwhile.

use super::{begun, Call, Ground};
use crate::config::limits::Limit;
use crate::memory::record::State;
use crate::memory::{Contended, Hashed, Trace};
use crate::rate::{Algorithm, Rate, Taken};
use crate::time::Millis;
use std::cell::RefCell;

/// How long a lease may be spent.
pub const LASTS: Millis = Millis::new(20);

/// Of what is left of a limit one lease is at most one in so many.
pub const PART: u64 = 64;

/// Units of a lease at most.
pub const UNITS_MAX: u64 = 64;

/// Leases of a worker at most: one for each value of a byte.
pub const SEATS: usize = 256;

/// The leases of a worker under one configuration.
#[derive(Debug, Default)]
pub struct Leases {
    /// None until the first lease begins. A key has one seat, which a byte of its hash names.
    seats: Vec<Option<Lease>>,
    /// When to look for leases that are over.
    next_look: Millis,
    /// Whether there may be units here that must go back if they are not spent.
    holds_units: bool,
}

/// Units that one key holds here. None: its requests are watched, in case it is busy.
#[derive(Debug, Copy, Clone)]
struct Lease {
    limit: usize,
    place: Hashed,
    /// What the memory would know if nothing had been leased, and nobody else had taken anything since.
    state: State,
    /// What the memory knew right after the units were leased.
    record: State,
    since: Millis,
    until: Millis,
    size: u64,
    left: u64,
}

/// What goes back to the memory, and what is to be leased, with one change of a key's record.
#[derive(Debug, Default, Copy, Clone)]
struct Renewal {
    /// Units that were not spent.
    returned: u64,
    /// The record right after they were leased.
    record: State,
    /// Units to lease, or fewer.
    wanted: u64,
}

/// What was leased with one change of a key's record.
#[derive(Debug, Copy, Clone)]
struct Leased {
    units: u64,
    /// The record with them.
    record: State,
}

/// Takes the units of a request: from what this worker has leased, or from the memory.
///
/// # Errors
/// [`Contended`] if the memory could not be changed; nothing was taken then.
pub(super) fn take(
    call: &Call<'_>,
    rate: &Rate,
    leases: &RefCell<Leases>,
    ground: &Ground<'_>,
    trace: &mut Trace,
) -> Result<Taken, Contended> {
    if !is_leasable(call.limit) {
        return Ok(change(call, rate, Renewal::default(), ground, trace)?.0);
    }
    let mut leases = leases.borrow_mut();
    if let Some(taken) = leases.spend(call, ground.now) {
        return Ok(taken);
    }
    let renewal = leases.renewal(call, ground.now);
    let (taken, leased) = change(call, rate, renewal.unwrap_or_default(), ground, trace)?;
    if renewal.is_some() {
        leases.begin(call, leased, taken.state, ground.now);
    }
    Ok(taken)
}

/// Takes the units of a request from the memory, and tells what its worker has leased with them. Once in some dozens of requests
/// of a busy key.
#[inline(never)]
fn change(
    call: &Call<'_>,
    rate: &Rate,
    renewal: Renewal,
    ground: &Ground<'_>,
    trace: &mut Trace,
) -> Result<(Taken, Leased), Contended> {
    let (Call { limit, place, cost, .. }, now) = (*call, ground.now);
    ground.memory.change(ground.shared, place, now, trace, |mut record| {
        let begun = begun(limit, rate, &record, now);
        // Evicted meanwhile: what was leased is part of the bucket's debt.
        let state = if record.is_new() { begun } else { renewal.give_back(limit, begun, now) };
        let taken = limit.algorithm.take(state, rate, now, cost);
        // A refusal costs nothing. A newcomer that begins with a debt is remembered all the same: as nobody's debt it would
        // be settled at another limit's pace.
        if !taken.allowed && !record.is_new() && renewal.returned == 0 {
            return ((taken, Leased { units: 0, record: taken.state }), None);
        }
        let (leased, stored) = renewal.lease(limit, taken, now, cost);
        record.settle(stored.state, stored.debt);
        ((taken, leased), Some(record))
    })
}

/// Whether units of a limit may be leased.
fn is_leasable(limit: &Limit) -> bool {
    let counts_alone = limit.adapt.is_none() && limit.fleet.is_none();
    counts_alone && !matches!(limit.algorithm, Algorithm::Concurrency | Algorithm::SharedWindow)
}

impl Leases {
    /// Whether there may be something to give back.
    pub const fn holds_units(&self) -> bool {
        self.holds_units
    }

    /// Spends units that are here. `None` if there are not enough, or not any more.
    fn spend(&mut self, call: &Call<'_>, now: Millis) -> Option<Taken> {
        let lease = self.seat(call.place)?.as_mut().filter(|lease| lease.place == call.place)?;
        let left = lease.left.checked_sub(call.cost).filter(|_| lease.is_live(now))?;
        let taken = call.limit.algorithm.take(lease.state, &call.limit.rate, now, call.cost);
        if taken.allowed {
            (lease.left, lease.state) = (left, taken.state);
        }
        taken.allowed.then_some(taken)
    }

    /// What is to be done for a key whose record is changed now. `None` if another key has its seat.
    fn renewal(&mut self, call: &Call<'_>, now: Millis) -> Option<Renewal> {
        match self.seat(call.place).and_then(|seat| *seat) {
            Some(lease) if lease.place == call.place => Some(lease.renewal(call.cost, now)),
            Some(lease) if lease.left > 0 || lease.is_live(now) => None,
            _ => Some(Renewal::default()),
        }
    }

    /// The record has been changed: this is leased now, beyond the state that its request left.
    fn begin(&mut self, call: &Call<'_>, Leased { units, record }: Leased, state: State, now: Millis) {
        if self.seats.is_empty() {
            self.seats.resize(SEATS, None);
        }
        let until = now.saturating_add(LASTS);
        let until = call.limit.algorithm.window_ends(&call.limit.rate, now).map_or(until, |ends| until.min(ends));
        let (limit, place, since) = (call.index, call.place, now);
        let lease = Lease { limit, place, state, record, since, until, size: units, left: units };
        self.holds_units |= units > 0;
        if let Some(seat) = self.seat(call.place) {
            *seat = Some(lease);
        }
    }

    /// Whether [`Self::end`] was not done within the time that a lease lasts.
    pub(super) fn is_due(&self, now: Millis) -> bool {
        now >= self.next_look
    }

    /// Gives back what is left of the leases that are over.
    pub fn end(&mut self, ground: &Ground<'_>, trace: &mut Trace) {
        self.next_look = ground.now.saturating_add(LASTS);
        self.end_where(|lease| !lease.is_live(ground.now), ground, trace);
    }

    /// Gives back what is left of all leases.
    pub fn end_all(&mut self, ground: &Ground<'_>, trace: &mut Trace) {
        self.end_where(|_| true, ground, trace);
    }

    fn end_where(&mut self, is_over: impl Fn(&Lease) -> bool, ground: &Ground<'_>, trace: &mut Trace) {
        for lease in self.seats.iter_mut().flatten() {
            if lease.left > 0 && is_over(lease) {
                lease.give_back(ground, trace);
                lease.size = lease.size.saturating_sub(lease.left);
                lease.left = 0;
            }
        }
        self.holds_units = self.seats.iter().flatten().any(|lease| lease.left > 0);
    }

    fn seat(&mut self, place: Hashed) -> Option<&mut Option<Lease>> {
        let [seat, ..] = place.fingerprint().to_le_bytes();
        self.seats.get_mut(usize::from(seat))
    }
}

impl Lease {
    /// A clock that was set back ends it: it would last for longer than it may.
    fn is_live(&self, now: Millis) -> bool {
        (self.since..self.until).contains(&now)
    }

    /// Twice as much for who needs more before its time is up; as much as it has spent in its time for who is there again
    /// soon after; none for anybody else.
    fn renewal(&self, cost: u64, now: Millis) -> Renewal {
        let spent = self.size.saturating_sub(self.left);
        let wanted = if self.is_live(now) {
            spent.saturating_mul(2).max(cost)
        } else if now < self.until.saturating_add(LASTS) {
            spent
        } else {
            0
        };
        Renewal { returned: self.left, record: self.record, wanted: wanted.min(UNITS_MAX) }
    }

    fn give_back(&self, ground: &Ground<'_>, trace: &mut Trace) {
        let Ground { config, memory, shared, now, .. } = *ground;
        let Some(limit) = config.limits.get(self.limit) else { return };
        let renewal = Renewal { returned: self.left, record: self.record, wanted: 0 };
        // What cannot be given back under contention is taken for spent.
        let _ = memory.change(shared, self.place, now, trace, |mut record| {
            // Evicted meanwhile: its debt is the bucket's.
            if record.is_new() {
                return ((), None);
            }
            let state = renewal.give_back(limit, record.state, now);
            let settled = limit.algorithm.take(state, &limit.rate, now, 0);
            record.settle(settled.state, settled.debt);
            ((), Some(record))
        });
    }
}

impl Renewal {
    /// A record's state without the units that go back.
    fn give_back(&self, limit: &Limit, state: State, now: Millis) -> State {
        limit.algorithm.give_back(state, &limit.rate, self.record, now, self.returned)
    }

    /// What is leased after a request of that cost, and what is to be stored then. Fewer units than the next one like it
    /// would take are of no use here, and may be elsewhere.
    fn lease(&self, limit: &Limit, taken: Taken, now: Millis, cost: u64) -> (Leased, Taken) {
        let units = self.wanted.min(taken.remaining / PART);
        let stored = limit.algorithm.take(taken.state, &limit.rate, now, units);
        let (units, stored) =
            if taken.allowed && stored.allowed && units >= cost { (units, stored) } else { (0, taken) };
        (Leased { units, record: stored.state }, stored)
    }
}

#[cfg(test)]
mod tests;
