//! How often?
//!
//! Each limit counts the requests that it is for, under a key made of parts of the request, in the memory that all
//! workers share ([`crate::memory`]), by one of four algorithms ([`crate::rate`]). Limits are applied in the order they
//! are written, those that need the body after all others; after one that refuses no further one is charged. The fleet is
//! asked last, about all its strict limits at once: what it refuses has been charged to the limits before. A limit in monitor mode is charged as if it were in force and refuses nothing. What a limit allows may depend on the request
//! ([`Factors`]) and on what other Envoys have let pass ([`fleet`]).
//!
//! Of busy keys a worker takes several units at once ([`lease`]).
//!
//! Keys are hashed with a secret before they leave this file, so an API key that is counted is stored nowhere.
//!
//! Bounds: as many changes of the memory as the route has limits, each with bounded repeats. When a count cannot be kept
//! the failure policy decides.

mod adapt;
mod advice;
mod charge;
pub(in crate::stages) mod encoding;
pub(in crate::stages) mod fields;
pub mod fleet;
pub mod lease;
mod reputation;
pub(in crate::stages) mod view;

pub use self::adapt::Factors;
pub use self::advice::headers;
pub use self::fleet::Outbox;
pub use self::lease::Leases;
pub use self::reputation::Deed;

use self::advice::exceeded;
use self::charge::{applies, cost};
use self::reputation::Past;
use crate::config::adapt::Adapt;
use crate::config::limits::Limit;
use crate::config::{Config, FailurePolicy, Route};
use crate::finding::{Check, Class, Family, Finding, Findings, Weight};
use crate::memory::once::Once;
use crate::memory::record::{Record, State};
use crate::memory::{Contended, Hashed, Memory, Owner, Shared, Trace};
use crate::rate::{concurrency, Algorithm, Rate};
use crate::request::body::Body;
use crate::request::Request;
use crate::rls::Count;
use crate::stages::identity::Caller;
use crate::time::Millis;
use std::cell::RefCell;

/// The owner of the records of actors' pasts. The owner's name of a limit has two slashes.
const REPUTATION: &str = "actor/reputation";

/// Room for most keys; longer ones are written as well.
const KEY_BYTES: usize = 64;

/// A limit is used up.
pub static EXCEEDED: Check = Check {
    id: "limits.exceeded",
    family: Family::Limits,
    code: "rate_limited",
    class: Class::RateLimited,
    weight: Weight::Refuse,
    tunable: true,
    bearer_error: None,
    means: crate::finding::documented("A limit of the route is used up under the request's key."),
};

/// A count could not be kept.
pub static CONTENDED: Check = Check {
    id: "limits.contended",
    family: Family::Failure,
    code: "limit_unavailable",
    class: Class::Unavailable,
    weight: Weight::Note,
    tunable: false,
    bearer_error: None,
    means: crate::finding::documented("A limit could not be counted, since too many workers changed its memory at once; `memory.on_error` decided."),
};

/// What is needed to apply limits.
#[derive(Debug, Copy, Clone)]
pub struct Scene<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The shared memory, and how it is laid out.
    pub memory: &'a Memory,
    /// The owners of the limits' records in it, by the limits' places in the configuration.
    pub owners: &'a [Owner],
    /// Where it is.
    pub shared: &'a dyn Shared,
    /// What may be seen once, in the same place.
    pub once: &'a Once,
    /// What is to be reported to the fleet.
    pub outbox: &'a RefCell<Outbox>,
    /// What this worker has taken in advance.
    pub leases: &'a RefCell<Leases>,
    /// The route.
    pub route: &'a Route,
    /// The request.
    pub request: &'a Request,
    /// Its body, once that is there.
    pub body: Option<&'a Body>,
    /// Who sent it.
    pub caller: &'a Caller,
    /// The risk of what was found so far, in thousandths.
    pub risk: u32,
    /// When.
    pub now: Millis,
}

/// What outlasts a request.
#[derive(Debug, Copy, Clone)]
pub struct Ground<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The shared memory, and how it is laid out.
    pub memory: &'a Memory,
    /// Where it is.
    pub shared: &'a dyn Shared,
    /// What may be seen once, in the same place.
    pub once: &'a Once,
    /// When.
    pub now: Millis,
}

/// What the limits did for one request.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Each limit that was applied.
    pub applied: Vec<Applied>,
    /// What the memory met.
    pub trace: Trace,
    held: Vec<Held>,
    owing: Vec<(usize, Hashed)>,
    asked: Vec<(usize, Count)>,
    actor: Option<Hashed>,
    past: Option<Past>,
}

/// What one limit did.
#[derive(Debug, Copy, Clone, PartialEq)]
pub struct Applied {
    /// Its place in the configuration.
    pub limit: usize,
    /// What it said.
    pub decision: Decision,
    /// What it allowed this request, per window, after its factors.
    pub rate: Rate,
    /// Its factors, where it has any.
    pub factors: Option<Factors>,
    /// Units left.
    pub remaining: u64,
    /// Time until all units are there again.
    pub reset: Millis,
}

/// What one limit said.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// There was enough.
    Allow,
    /// There was not.
    Refuse,
    /// There was not, and the limit, its check or its route is in monitor mode.
    WouldRefuse,
    /// It could not be counted.
    Unknown,
}

/// One limit called upon by one request.
#[derive(Debug, Copy, Clone)]
struct Call<'a> {
    index: usize,
    limit: &'a Limit,
    place: Hashed,
    cost: u64,
}

/// Units of a concurrency limit that a request holds until it is over.
#[derive(Debug)]
struct Held {
    limit: usize,
    place: Hashed,
    cost: u64,
    since: Millis,
}

impl<'a> Scene<'a> {
    const fn ground(&self) -> Ground<'a> {
        let Self { config, memory, shared, once, now, .. } = *self;
        Ground { config, memory, shared, once, now }
    }
}

impl Decision {
    /// Every decision, in a fixed order.
    pub const ALL: [Self; 4] = [Self::Allow, Self::Refuse, Self::WouldRefuse, Self::Unknown];

    /// Its name in the statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Refuse => "refuse",
            Self::WouldRefuse => "would_refuse",
            Self::Unknown => "unknown",
        }
    }
}

/// Applies those limits of the route that can be applied now: those that need the body once it is there, all others
/// before.
pub fn check(scene: &Scene<'_>, findings: &mut Findings, ledger: &mut Ledger) {
    let mut key = Vec::with_capacity(KEY_BYTES);
    if ledger.applied.is_empty() {
        ledger.applied = Vec::with_capacity(scene.route.limits.len());
    }
    for index in &scene.route.limits {
        if apply(*index, &mut key, scene, findings, ledger) == Some(Decision::Refuse) {
            break;
        }
    }
    // The leases of the request's own keys have been renewed: each with the change of its record.
    let mut leases = scene.leases.borrow_mut();
    if leases.is_due(scene.now) {
        leases.end(&scene.ground(), &mut ledger.trace);
    }
}

/// What a limit says, if it can be applied now. Not inlined: most routes have few, and a loop would prepare for many.
#[inline(never)]
fn apply(
    index: usize,
    key: &mut Vec<u8>,
    scene: &Scene<'_>,
    findings: &mut Findings,
    ledger: &mut Ledger,
) -> Option<Decision> {
    let limit = scene.config.limits.get(index)?;
    if limit.needs_body != scene.body.is_some() || !applies(limit, scene) {
        return None;
    }
    let cost = cost(limit, scene);
    if cost == 0 {
        return None;
    }
    fields::write_key(limit, scene, key);
    let owner = scene.owners.get(index).copied().unwrap_or_else(|| scene.memory.owner(&limit.owner));
    let call = Call { index, limit, place: scene.memory.locate_of(key, owner), cost };
    let factors = limit.adapt.as_ref().map(|adapt| factors(adapt, scene, ledger));
    let rate = factors.map_or(limit.rate, |factors| limit.rate.scaled(factors.product));
    let (remaining, reset) = (0, Millis::default());
    let mut applied = Applied { limit: index, decision: Decision::Allow, rate, factors, remaining, reset };
    match lease::take(&call, &rate, scene.leases, &scene.ground(), &mut ledger.trace) {
        Ok(taken) => {
            applied = Applied { remaining: taken.remaining, reset: taken.reset, ..applied };
            if taken.allowed {
                passed(&call, scene, ledger);
                fleet::note(&call, key, scene, ledger);
            } else {
                applied.decision = refuse(exceeded(limit, &applied, taken.retry_after), scene, findings);
            }
        }
        Err(Contended) => {
            findings.add(contended(limit, scene.config.memory.on_contention));
            applied.decision = Decision::Unknown;
        }
    }
    ledger.applied.push(applied);
    Some(applied.decision)
}

// Few limits have any.
#[inline(never)]
fn factors(adapt: &Adapt, scene: &Scene<'_>, ledger: &mut Ledger) -> Factors {
    Factors::new(adapt, scene, || past(scene, ledger))
}

/// What has to be done when the request is over.
fn passed(call: &Call<'_>, scene: &Scene<'_>, ledger: &mut Ledger) {
    let Call { index, limit, place, cost } = *call;
    if limit.algorithm == Algorithm::Concurrency {
        ledger.held.push(Held { limit: index, place, cost, since: scene.now });
    }
    if limit.cost.response_unit.is_some() {
        ledger.owing.push((index, place));
    }
}

/// Notes whose past this request belongs to, where a limit of the route depends on it. A request that is refused before
/// any limit is applied belongs to it too.
pub fn recognise(scene: &Scene<'_>, ledger: &mut Ledger) {
    let limits = scene.route.limits.iter().filter_map(|index| scene.config.limits.get(*index));
    if limits.into_iter().any(Limit::uses_reputation) {
        let actor =
            fields::subject(scene).unwrap_or_else(|| fields::source(scene.request.source.as_ref(), 32, 64));
        ledger.actor = Some(scene.memory.locate(&actor, REPUTATION));
    }
}

/// The actor's past, read once a request.
fn past(scene: &Scene<'_>, ledger: &mut Ledger) -> Past {
    let Some(place) = ledger.actor else { return Past::default() };
    *ledger.past.get_or_insert_with(|| {
        let settings = &scene.config.reputation;
        let read = scene.memory.change(scene.shared, place, scene.now, &mut ledger.trace, |record| {
            (Past::of(&record, scene.now, settings), None)
        });
        read.unwrap_or_default()
    })
}

impl Ledger {
    /// Whether the length of the response is charged.
    pub fn charges_responses(&self) -> bool {
        !self.owing.is_empty()
    }

    /// Whether units are to be given back.
    pub fn holds_units(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether the actor's past is to be written.
    pub fn remembers_actors(&self) -> bool {
        self.actor.is_some()
    }

    /// Settles what is left when the request is over: gives back what it held, charges what its response cost, and
    /// remembers how the actor behaved, if that can be told. Call it once.
    pub fn close(&mut self, deed: Option<Deed>, response_bytes: u64, ground: &Ground<'_>) {
        let Ground { config, memory, shared, now, .. } = *ground;
        self.give_back(ground);
        for (index, place) in std::mem::take(&mut self.owing) {
            let Some(limit) = config.limits.get(index) else { continue };
            let units = limit.cost.response_unit.map_or(0, |unit| response_bytes / unit);
            if units == 0 {
                continue;
            }
            // What cannot be charged under contention is forgiven; the retries are counted.
            let _ = memory.change(shared, place, now, &mut self.trace, |mut record| {
                let state = begun(limit, &limit.rate, &record, now);
                let Some(charged) = limit.algorithm.charge(state, &limit.rate, now, units) else {
                    return ((), None);
                };
                record.settle(charged.state, charged.debt);
                ((), Some(record))
            });
        }
        let (Some(place), Some(deed)) = (self.actor.take(), deed) else { return };
        let _ = memory.change(shared, place, now, &mut self.trace, |mut record| {
            let (state, debt) = Past::of(&record, now, &config.reputation).with(deed).store(&config.reputation);
            record.settle(state, debt);
            ((), Some(record))
        });
    }

    fn give_back(&mut self, ground: &Ground<'_>) {
        let Ground { config, memory, shared, now, .. } = *ground;
        for held in std::mem::take(&mut self.held) {
            let Some(limit) = config.limits.get(held.limit) else { continue };
            // A unit that cannot be given back is forgotten after the limit's window.
            let _ = memory.change(shared, held.place, now, &mut self.trace, |mut record| {
                // Evicted meanwhile: its debt is the bucket's.
                if record.is_new() {
                    return ((), None);
                }
                let given = concurrency::give(record.state, &limit.rate, held.since, now, held.cost);
                record.settle(given.state, given.debt);
                ((), Some(record))
            });
        }
    }
}

/// The state of a record, which begins with what the record inherited if it is new.
fn begun(limit: &Limit, rate: &Rate, record: &Record, now: Millis) -> State {
    if record.is_new() {
        let inherited = limit.algorithm.inherit(rate, now, record.inherited, record.debt.settled);
        limit.algorithm.begin(rate, now, inherited)
    } else {
        record.state
    }
}

fn refuse(finding: Finding, scene: &Scene<'_>, findings: &mut Findings) -> Decision {
    let is_stopped = scene.config.stops(&finding, scene.route.mode);
    findings.add(finding);
    if is_stopped {
        Decision::Refuse
    } else {
        Decision::WouldRefuse
    }
}

#[cold]
fn contended(limit: &Limit, policy: FailurePolicy) -> Finding {
    let weight = policy.weight();
    Finding::new(&CONTENDED, format!("limit `{}`", limit.name)).weighing(weight)
}

#[cfg(test)]
mod tests;
