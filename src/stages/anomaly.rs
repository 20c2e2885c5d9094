//! Is this usual, for this actor and on this route?
//!
//! | check | unusual is | compared with |
//! |---|---|---|
//! | [`RATE`] | very many requests in an interval | what callers of the route do, and the actor's own past |
//! | [`RHYTHM`] | gaps that are all alike | how gaps spread for callers of the route |
//! | [`SIZE`] | requests or answers of another length, again and again | those of each route |
//! | [`TRANSITION`] | steps from route to route that others hardly take | how odd the steps from each route are for everybody |
//! | [`ERRORS`] | a large share of faults | the share on the route |
//!
//! What is usual is learned online, as [`baseline`]s: nobody configures it. What an actor does at present is in four records of one
//! bucket ([`actor`]): one look and one change a request. It is compared with what callers of the route do at present, of whom nine
//! records tell; how odd a step is, two more ([`steps`]). A worker looks at those a few times a second ([`Known`]), and they are changed rarely: an
//! actor teaches at times that become rarer the more requests it makes, so who sends more has hardly more to say.
//!
//! **No opinion** before the actor has made `requests`, and before a baseline has had `lessons` and its route has been known for
//! `learning`.
//!
//! **Poisoning is bounded**: see [`baseline`]. Routes learn nothing from requests that were refused, or of which anything was found,
//! so what is unusual does not become usual by being repeated. An actor's own past learns from everything, but excuses nothing
//! that is unusual on the route; it can only accuse, by at most [`usual::OWN_PULL`] deviations more.
//!
//! Each finding is a score by the distance in deviations, from 0.2 at [`usual::UNUSUAL`] to 0.35 at six, with what is usual and what was
//! seen in plain words. The family's cap keeps all together from denying alone.
//!
//! Not covered: actors that do as others do, and abuse that most callers of a route take part in while it is learned; statuses of
//! gRPC; lengths of requests that do not declare them.

mod actor;
mod baseline;
mod steps;
mod usual;

use self::actor::{Leaning, Present, Rhythm};
use self::baseline::{interval, log2, Baseline, MEMORY_ACTOR, MEMORY_ROUTE};
use self::steps::Steps;
use self::usual::{Doing, Usual, LEAST_FAULTS, LEAST_LEAN, LEAST_LENGTH, LEAST_ODDNESS, LEAST_PACE, LEAST_SPREAD};
use crate::config::anomaly::Anomaly;
use crate::finding::{Check, Class, Family, Findings, Outcome, Score, Weight};
use crate::memory::lately::Lately;
use crate::memory::record::{Record, State};
use crate::memory::tally::worth;
use crate::memory::together::Part;
use crate::memory::{numbered, Hashed, Memory, Trace};
use crate::response::Response;
use crate::stages::limits::{fields, Ground, Scene};
use crate::time::Millis;
use std::cell::RefCell;

/// Very many.
pub static RATE: Check = soft(
    "anomaly.rate",
    "unusual_rate",
    "The actor makes far more requests in an interval than is usual for callers of the route, and for itself.",
);

/// Very regular.
pub static RHYTHM: Check = soft(
    "anomaly.rhythm",
    "unusual_rhythm",
    "The gaps between the actor's requests are far more alike than is usual for callers of the route.",
);

/// Very large or small.
pub static SIZE: Check = soft(
    "anomaly.size",
    "unusual_size",
    "The actor's requests or answers keep being far longer or shorter than is usual on their routes.",
);

/// In an odd order.
pub static TRANSITION: Check = soft(
    "anomaly.transition",
    "unusual_transition",
    "The actor keeps going from route to route in ways that hardly anybody takes.",
);

/// Mostly faults.
pub static ERRORS: Check = soft(
    "anomaly.errors",
    "unusual_errors",
    "A far larger share of the actor's answers are faults than is usual on the route.",
);

const fn soft(id: &'static str, code: &'static str, means: &'static str) -> Check {
    let weight = Weight::Score(Score::constant(0.35));
    let (family, class) = (Family::Anomaly, Class::Forbidden);
    Check {
        id,
        family,
        code,
        class,
        weight,
        tunable: true,
        bearer_error: None,
        means: crate::finding::documented(means),
    }
}

/// How long what is known of a route, and of an actor, is kept where room is short.
const KEEP_ROUTE: Millis = Millis::from_secs(30 * 86_400);
const KEEP_ACTOR: Millis = Millis::from_secs(86_400);

/// What a request is compared with, until it is over.
#[derive(Debug, Default)]
pub struct Watch(Option<Seen>);

#[derive(Debug)]
struct Seen {
    at: Millis,
    has_paused: bool,
    /// Present, rhythm, leaning, pace.
    actor: [Hashed; 4],
    /// The last route; zero after a pause.
    from: u16,
    /// This one.
    hash: u16,
    length: u64,
    usual: Usual,
    /// Bits of surprise of the step.
    oddness: f32,
    spread: Option<f32>,
}

/// What a worker has read lately of what is usual.
#[derive(Debug, Default)]
pub struct Known {
    /// By the hash of a route.
    usual: Lately<Usual, 64>,
    /// How odd steps are, by both ends.
    oddness: Lately<f32, 256>,
}

/// The records of a route: since when it is known; the lengths of its answers and requests; and what its callers do at present,
/// each as [`Present`], [`Rhythm`] and [`Leaning`] have it.
const ROUTE: [&str; 9] = [
    "anomaly.route.known",
    "anomaly.route.answer",
    "anomaly.route.request",
    "anomaly.route.pace",
    "anomaly.route.spread",
    "anomaly.route.answers",
    "anomaly.route.requests",
    "anomaly.route.oddness",
    "anomaly.route.faults",
];

/// Compares a request, and what the actor did before it, with what is usual. Once a request.
#[inline(never)]
pub fn check(scene: &Scene<'_>, known: &RefCell<Known>, watch: &mut Watch, findings: &mut Findings) {
    let Some(settings) = &scene.config.anomaly else { return };
    let Scene { memory, shared, now, .. } = *scene;
    let actor = actor_places(settings, scene);
    let hash = hash(scene);
    let doing = Doing::of(&memory.read(shared, &actor, now), now);
    // Who comes back after a pause begins anew.
    let has_paused = doing.rhythm.is_paused(now);
    let from = if has_paused { 0 } else { doing.present.route };
    let (usual, oddness) = {
        let mut known = known.borrow_mut();
        (known.usual(scene, settings, hash), known.oddness(scene, (from, hash)))
    };
    let rhythm = doing.rhythm.with(now);
    usual::judge(&doing, &rhythm, &usual, (settings, now), findings);
    let (length, spread) = (scene.request.content_length().unwrap_or_default(), rhythm.spread());
    watch.0 = Some(Seen { at: now, has_paused, actor, from, hash, length, usual, oddness, spread });
}

impl Known {
    /// What is usual on a route.
    fn usual(&mut self, scene: &Scene<'_>, settings: &Anomaly, hash: u16) -> Usual {
        let Scene { memory, shared, now, .. } = *scene;
        let read = |places: [Hashed; 9]| Usual::of(&memory.read(shared, &places, now), settings, now);
        let [route, everywhere] = [hash, 0].map(|hash| move || read(route_places(memory, hash)));
        let lately = self.usual.get(hash.into(), now);
        lately.unwrap_or_else(|| self.usual.put(hash.into(), now, route().or(everywhere, settings)))
    }

    /// How odd a step is.
    fn oddness(&mut self, scene: &Scene<'_>, step: (u16, u16)) -> f32 {
        let Scene { memory, shared, now, .. } = *scene;
        let read = || match memory.read(shared, &step_places(memory, step), now).as_slice() {
            [all, pair] => Steps::of(all, now).oddness(Steps::of(pair, now)),
            _ => 0.0,
        };
        let lately = self.oddness.get(step_key(step), now);
        lately.unwrap_or_else(|| self.oddness.put(step_key(step), now, read()))
    }
}

fn actor_places(settings: &Anomaly, scene: &Scene<'_>) -> [Hashed; 4] {
    let source = || fields::source(scene.request.source.as_ref(), settings.prefix_v4, settings.prefix_v6);
    let actor = fields::subject(scene).unwrap_or_else(source);
    scene.memory.locate_all(&actor, settings.owners.each_ref().map(String::as_str))
}

/// See [`ROUTE`]. All routes together have the hash zero.
fn route_places(memory: &Memory, hash: u16) -> [Hashed; 9] {
    memory.locate_all(&hash.to_le_bytes(), ROUTE)
}

/// Of all steps from a route, and of one.
fn step_places(memory: &Memory, (from, to): (u16, u16)) -> [Hashed; 2] {
    let key = [b"steps", from.to_le_bytes().as_slice()].concat();
    memory.locate_all(&key, ["anomaly.steps.all", &numbered(&["anomaly.steps."], to.into())])
}

fn step_key((from, to): (u16, u16)) -> u64 {
    u64::from(from) << 16 | u64::from(to)
}

/// A route and method by 16 bits, never zero. Two routes with the same are taken for one.
fn hash(scene: &Scene<'_>) -> u16 {
    let method = fields::method(scene.request.method());
    let name = [scene.route.name.as_bytes(), method.as_bytes()].join(&0);
    u16::try_from(scene.memory.digest("route", &name) & 0xffff).unwrap_or_default().max(1)
}

/// What one request teaches.
#[derive(Debug)]
pub struct Lesson<'a> {
    seen: Seen,
    settings: &'a Anomaly,
    now: Millis,
    fault: Option<bool>,
    /// What the actor does at present.
    leaning: Leaning,
    /// The logarithm of the answer's length, where there was one.
    answer: Option<f32>,
    request: f32,
    /// The logarithm of the requests of the interval that ended with it.
    pace: Option<f32>,
    interval: u32,
    /// Requests of the actor.
    total: u16,
    /// Whether anybody may learn from it.
    is_usual: bool,
    /// Whether others learn from it, and whether they learn from the interval that ended with it: the actor's 1st, 2nd, 4th, 8th …
    is_due: bool,
    is_pace_due: bool,
    /// Whether its step counts: that of the 1st, 2nd, 4th, 8th … request of an interval.
    is_step_due: bool,
}

impl Watch {
    /// Whether status and length of the answer are to be known.
    pub const fn wants_answer(&self) -> bool {
        self.0.is_some()
    }

    /// What is to be remembered of the request. Call it once.
    pub fn close<'a>(
        &mut self,
        outcome: &Outcome<'_>,
        response: Response,
        ground: &Ground<'a>,
    ) -> Option<Lesson<'a>> {
        let (seen, settings) = (self.0.take()?, ground.config.anomaly.as_ref()?);
        let status = outcome.status.filter(|_| outcome.passed);
        Some(Lesson {
            // The service's own trouble says nothing about its callers.
            fault: status.filter(|status| *status < 500).map(|status| status >= 400),
            answer: status.filter(|status| *status < 400).map(|_| log2(response.bytes)),
            request: log2(seen.length),
            leaning: Leaning::default(),
            pace: None,
            interval: interval(seen.at, settings.interval),
            total: 0,
            is_usual: outcome.passed && outcome.findings.iter().all(|(_, weight)| *weight == Weight::Note),
            is_due: false,
            is_pace_due: false,
            is_step_due: false,
            seen,
            settings,
            now: ground.now,
        })
    }
}

/// The actor's own records. The lesson learns what they tell. Under contention it is forgotten.
impl Part for Lesson<'_> {
    fn places(&self) -> &[Hashed] {
        &self.seen.actor
    }

    fn step(&mut self, at: usize, record: Record) -> Option<Record> {
        let Seen { at: when, hash, has_paused, .. } = self.seen;
        let state = match at {
            0 => {
                let (present, ended) = Present::of(&record).with(hash, self.interval, when);
                self.pace = ended.map(|requests| log2(requests.into()));
                self.total = present.total;
                self.is_due = present.is_due();
                self.is_step_due = present.requests.is_power_of_two();
                self.is_pace_due = ended.is_some() && present.ended.is_power_of_two();
                present.state()
            }
            1 => Rhythm::of(&record).with(when).state(),
            2 => {
                let before = Leaning::of(&record);
                let before = if has_paused { before.rested() } else { before };
                self.leaning = before.with(self.added(), self.total);
                self.leaning.state()
            }
            _ => Baseline::of(&record).with(self.pace?, LEAST_PACE, MEMORY_ACTOR, self.interval).state(),
        };
        Some(settled(record, state, self.now, KEEP_ACTOR))
    }
}

impl Lesson<'_> {
    /// How far the request was from what is usual.
    fn added(&self) -> [Option<f32>; 4] {
        let usual = &self.seen.usual;
        let away = |baseline: &Baseline, number: f32| {
            baseline.distance(number, LEAST_LENGTH, self.settings.lessons).filter(|_| usual.is_known)
        };
        [
            self.answer.and_then(|answer| away(&usual.answer, answer)),
            away(&usual.request, self.request),
            Some(self.seen.oddness),
            self.fault.map(|fault| f32::from(u8::from(fault))),
        ]
    }

    /// Teaches others, once the actor's own records are written.
    pub fn teach(&self, known: &RefCell<Known>, trace: &mut Trace, ground: &Ground<'_>) {
        if self.is_usual && (self.is_due || self.is_pace_due) {
            self.teach_usual(trace, ground);
            known.borrow_mut().usual.forget(self.seen.hash.into());
        }
        if self.is_usual && self.is_step_due {
            self.teach_step(trace, ground);
            known.borrow_mut().oddness.forget(step_key((self.seen.from, self.seen.hash)));
        }
    }

    /// Teaches what is usual on the route, and everywhere.
    fn teach_usual(&self, trace: &mut Trace, ground: &Ground<'_>) {
        let now = ground.now;
        let Leaning { answers, requests, oddness, faults } = self.leaning;
        let places = [self.seen.hash, 0].map(|hash| route_places(ground.memory, hash));
        let _ = ground.memory.change_all(ground.shared, places.as_flattened(), now, trace, |at, record| {
            let (number, least) = match at.checked_rem(ROUTE.len())? {
                0 => {
                    let (known, _) = Present::of(&record).with(self.seen.hash, self.interval, self.seen.at);
                    return Some(settled(record, known.state(), now, KEEP_ROUTE));
                }
                3 => (self.pace.filter(|_| self.is_pace_due)?, LEAST_PACE),
                _ if !self.is_due => return None,
                1 => (self.answer?, LEAST_LENGTH),
                2 => (self.request, LEAST_LENGTH),
                4 => (self.seen.spread?, LEAST_SPREAD),
                5 => (answers, LEAST_LEAN),
                6 => (requests, LEAST_LEAN),
                7 => (oddness, LEAST_ODDNESS),
                _ => (faults, LEAST_FAULTS),
            };
            learned(record, number, least, self.interval, now)
        });
    }

    /// Teaches which steps are usual.
    fn teach_step(&self, trace: &mut Trace, ground: &Ground<'_>) {
        let now = ground.now;
        let places = step_places(ground.memory, (self.seen.from, self.seen.hash));
        let _ = ground.memory.change_all(ground.shared, &places, now, trace, |_, record| {
            Some(settled(record, Steps::of(&record, now).more().state(), now, KEEP_ROUTE))
        });
    }
}

fn learned(record: Record, number: f32, least: f32, interval: u32, now: Millis) -> Option<Record> {
    let (before, after) =
        (Baseline::of(&record), Baseline::of(&record).with(number, least, MEMORY_ROUTE, interval));
    (before != after).then(|| settled(record, after.state(), now, KEEP_ROUTE))
}

fn settled(mut record: Record, state: State, now: Millis, keep: Millis) -> Record {
    record.settle(state, worth(now, keep));
    record
}

#[cfg(test)]
mod tests;
