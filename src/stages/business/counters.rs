//! The counters of rules: `count`, `distinct` and `seen` over the memory that all workers share.
//!
//! What a counter counts under is a record of the actor that its key names; `seen` has one for each value of an actor. Keys and values
//! are hashed with the workers' secret before they leave this file. A key that is absent is the source address: nobody escapes a
//! count by leaving something out.
//!
//! All counters of a request are changed together, each bucket once: what belongs to one actor shares a bucket.

use super::recent::{worth, Last, Requests, Things};
use crate::config::rules::{Counter, CounterKind};
use crate::config::Rule;
use crate::expression::{Cause, Value};
use crate::memory::record::Record;
use crate::memory::{Hashed, Trace};
use crate::stages::limits::encoding::{encoded, ABSENT};
use crate::stages::limits::view::View;
use crate::stages::limits::{fields, Scene};

/// What the counters of a rule say, in the order of its calls.
pub(super) type Counts = [Result<Value<'static>, Cause>];

/// What came of the counters of a rule.
#[derive(Debug)]
pub(super) enum Tallied {
    Counts(Vec<Result<Value<'static>, Cause>>),
    /// They could not be kept.
    Contended,
}

/// One change of one record.
struct Change<'a> {
    counter: &'a Counter,
    place: Hashed,
    /// What is there, as a hash.
    thing: u64,
    /// Which rule and which of its counters.
    whose: (usize, usize),
}

/// Counts the request wherever these rules do.
pub(super) fn count(rules: &[&Rule], scene: &Scene<'_>, trace: &mut Trace) -> Vec<Tallied> {
    let mut counts: Vec<Vec<Result<Value<'static>, Cause>>> = Vec::with_capacity(rules.len());
    let mut changes = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let mut own = Vec::with_capacity(rule.counters.len());
        for (index, counter) in rule.counters.iter().enumerate() {
            let change = change(rule, counter, (at, index), scene);
            // Until the memory says more.
            own.push(change.as_ref().map_or_else(|cause| Err(*cause), |_| Err(Cause::Unavailable)));
            changes.extend(change.ok());
        }
        counts.push(own);
    }
    // Those of a bucket stand together.
    let mut turns: Vec<(Hashed, usize)> =
        changes.iter().enumerate().map(|(at, change)| (change.place, at)).collect();
    turns.sort_unstable();
    let places: Vec<Hashed> = turns.iter().map(|(place, _)| *place).collect();
    let stored = scene.memory.change_all(scene.shared, &places, scene.now, trace, |at, record| {
        let change = changes.get(turns.get(at)?.1)?;
        let (changed, outcome) = apply(change, record, scene);
        let (rule, index) = change.whose;
        if let Some(place) = counts.get_mut(rule).and_then(|own| own.get_mut(index)) {
            *place = Ok(outcome);
        }
        Some(changed)
    });
    let tallied = |(own, rule): (Vec<_>, &&Rule)| match stored {
        Err(_) if !rule.counters.is_empty() => Tallied::Contended,
        _ => Tallied::Counts(own),
    };
    counts.into_iter().zip(rules).map(tallied).collect()
}

fn change<'a>(
    rule: &Rule,
    counter: &'a Counter,
    whose: (usize, usize),
    scene: &Scene<'_>,
) -> Result<Change<'a>, Cause> {
    let view = View::of_keys(scene);
    let call = rule.condition.calls().get(whose.1).ok_or(Cause::Absent)?;
    let argument = |at: usize| call.argument(at, &view).map_err(|failure| failure.cause);
    let key = |at: usize| match argument(at) {
        Ok(Value::Null) | Err(Cause::Absent) => {
            let source = fields::source(scene.request.source.as_ref(), PREFIX_V4, PREFIX_V6);
            Ok([&[ABSENT][..], &source].concat())
        }
        Ok(value) => Ok(encoded(&value)),
        Err(cause) => Err(cause),
    };
    let value = || match argument(0)? {
        Value::Null => Err(Cause::Absent),
        value => Ok(encoded(&value)),
    };
    let (actor, thing) = match counter.kind {
        CounterKind::Count => (key(0)?, 0),
        CounterKind::Distinct => (key(1)?, scene.memory.digest("thing", &value()?)),
        CounterKind::Seen => ([value()?, key(1)?].concat(), 0),
    };
    Ok(Change { counter, place: scene.memory.locate(&actor, &counter.owner), thing, whose })
}

fn apply(change: &Change<'_>, mut record: Record, scene: &Scene<'_>) -> (Record, Value<'static>) {
    let Counter { kind, window, .. } = change.counter;
    let (now, window) = (scene.now, *window);
    let (state, outcome) = match kind {
        CounterKind::Count => {
            let requests = Requests::of(&record, now, window).with_one();
            (requests.state(), Value::Int(requests.total()))
        }
        CounterKind::Distinct => {
            let things = Things::of(&record, now, window).with(change.thing);
            (things.state(), Value::Int(things.total()))
        }
        CounterKind::Seen => {
            let last = Last::of(&record);
            (last.state(now), Value::Bool(last.is_within(now, window)))
        }
    };
    record.settle(state, worth(now, window));
    (record, outcome)
}

/// A counter and what it says, for a reason.
pub(super) fn told(counter: &Counter, count: &Result<Value<'static>, Cause>) -> String {
    match (counter.kind, count) {
        (CounterKind::Count, Ok(Value::Int(number))) => format!(", count {number}"),
        (CounterKind::Distinct, Ok(Value::Int(number))) => format!(", distinct {number}"),
        (CounterKind::Seen, Ok(Value::Bool(seen))) => format!(", seen {seen}"),
        _ => String::new(),
    }
}

/// Leading bits of a source that are one actor: one subscriber has a whole IPv6 /64.
const PREFIX_V4: u8 = 32;
const PREFIX_V6: u8 = 64;
