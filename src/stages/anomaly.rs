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
//! What is usual is learned online, as [`baseline`]s: nobody configures it. What an actor does is in four records of one bucket
//! ([`actor`]): one look and one change a request. Of a route there are six records and of the steps from it one for each pair
//! ([`steps`]); they are looked at with each request and changed rarely: an actor teaches with the 1st, 2nd, 4th, 8th … request of an
//! interval, so who sends more has hardly more to say.
//!
//! **No opinion** before the actor has made `requests`, and before a baseline has had `lessons` and its route has been known for
//! `learning`.
//!
//! **Poisoning is bounded**: see [`baseline`]. Routes learn nothing from requests that were refused, or of which anything was found,
//! so what is unusual does not become usual by being repeated. An actor's own past learns from everything, but excuses nothing
//! that is unusual on the route; it can only accuse, by at most [`OWN_PULL`] deviations more.
//!
//! Each finding is a score by the distance in deviations, from 0.1 at [`UNUSUAL`] to 0.35 at eight, with what is usual and what was
//! seen in plain words. The family's cap keeps all together from denying alone.
//!
//! Not covered: actors that do as others do, and abuse that most callers of a route take part in while it is learned; statuses of
//! gRPC; lengths of requests that do not declare them.

mod actor;
mod baseline;
mod steps;

use self::actor::{Leaning, Present, Rhythm, RECENT};
use self::baseline::{interval, log2, Baseline, MEMORY_ACTOR, MEMORY_ROUTE};
use self::steps::Steps;
use crate::config::anomaly::Anomaly;
use crate::finding::{Check, Class, Family, Finding, Findings, Outcome, Score, Weight};
use crate::memory::record::{Record, State};
use crate::memory::tally::worth;
use crate::memory::{Hashed, Memory, Trace};
use crate::response::Response;
use crate::stages::limits::{fields, Ground, Scene};
use crate::time::Millis;

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
    Check { id, family, code, class, weight, tunable: true, bearer_error: None, means }
}

/// Deviations from which something is unusual.
const UNUSUAL: f32 = 3.0;

/// The scores from there on, one for each deviation more.
const SCORES: [Score; 6] = [
    Score::constant(0.1),
    Score::constant(0.15),
    Score::constant(0.2),
    Score::constant(0.25),
    Score::constant(0.3),
    Score::constant(0.35),
];

/// Deviations by which an actor's own past can make a rate more unusual than it is on the route.
const OWN_PULL: f32 = 1.5;

/// A lean of one deviation over many requests is as unusual as three of a single one.
const LEAN: f32 = 3.0;

/// What counts as spread at least: of counts and gaps, as logarithms; of lengths; of oddness, in bits; of faults.
const LEAST_PACE: f32 = 0.5;
const LEAST_SPREAD: f32 = 0.25;
const LEAST_LENGTH: f32 = 0.25;
const LEAST_ODD: f32 = 0.5;
const LEAST_FAULT: f32 = 0.35;

/// The variance of a fault at least.
const FAULT_VARIANCE: f32 = 0.02;

/// How long what is known of a route, and of an actor, is kept where room is short.
const KEEP_ROUTE: Millis = Millis::from_secs(30 * 86_400);
const KEEP_ACTOR: Millis = Millis::from_secs(86_400);

/// What a request is compared with, until it is over.
#[derive(Debug, Default)]
pub struct Watch(Option<Seen>);

#[derive(Debug)]
struct Seen {
    at: Millis,
    /// Present, rhythm, leaning, pace.
    actor: [Hashed; 4],
    /// Present, pace, spread, answers, requests, faults.
    route: [Hashed; 6],
    /// All steps from the last route, this one, and how odd they are.
    steps: [Hashed; 3],
    hash: u16,
    length: u64,
    usual: Usual,
    /// Bits of surprise of the step.
    oddness: f32,
    odd: Option<f32>,
    spread: Option<f32>,
}

/// What is usual on a route.
#[derive(Debug, Default)]
struct Usual {
    is_known: bool,
    pace: Baseline,
    spread: Baseline,
    answers: Baseline,
    requests: Baseline,
    faults: Baseline,
}

/// What an actor does.
struct Doing {
    present: Present,
    rhythm: Rhythm,
    leaning: Leaning,
    pace: Baseline,
}

/// Compares a request, and what the actor did before it, with what is usual. Once a request.
pub fn check(scene: &Scene<'_>, watch: &mut Watch, findings: &mut Findings) {
    let Some(settings) = &scene.config.anomaly else { return };
    let Scene { memory, shared, now, .. } = *scene;
    let actor = actor_places(settings, scene);
    let hash = hash(scene);
    let route = ["known", "pace", "spread", "answers", "requests", "faults"]
        .map(|what| memory.locate(&hash.to_le_bytes(), &format!("anomaly.route.{what}")));
    let doing = Doing::of(&memory.read(shared, &actor, now));
    let usual = Usual::of(&memory.read(shared, &route, now), settings, now);
    // Who comes back after a pause begins anew.
    let from = if doing.rhythm.is_paused(now) { 0 } else { doing.present.route };
    let steps = step_places(memory, from, hash);
    let (oddness, odd) = oddness(&memory.read(shared, &steps, now), settings, now);
    let rhythm = doing.rhythm.with(now);
    if usual.is_known && doing.present.total >= settings.requests {
        judge_rate(&doing, &usual, settings, now, findings);
        judge_rhythm(&rhythm, &usual, settings, findings);
        judge_leaning(&doing.leaning, &usual, settings, findings);
    }
    let (length, spread) = (scene.request.content_length().unwrap_or_default(), rhythm.spread());
    watch.0 = Some(Seen { at: now, actor, route, steps, hash, length, usual, oddness, odd, spread });
}

fn actor_places(settings: &Anomaly, scene: &Scene<'_>) -> [Hashed; 4] {
    let source = || fields::source(scene.request.source.as_ref(), settings.prefix_v4, settings.prefix_v6);
    let actor = fields::subject(scene).unwrap_or_else(source);
    // Intervals of another length have other numbers.
    let length = settings.interval.as_u64();
    ["present", "rhythm", "leaning", "pace"]
        .map(|what| scene.memory.locate(&actor, &format!("anomaly.actor.{what}.{length}")))
}

fn step_places(memory: &Memory, from: u16, to: u16) -> [Hashed; 3] {
    let key = [b"steps", from.to_le_bytes().as_slice()].concat();
    [
        memory.locate(&key, "anomaly.steps.all"),
        memory.locate(&key, &format!("anomaly.steps.{to}")),
        memory.locate(&key, "anomaly.steps.odd"),
    ]
}

/// A route and method by 16 bits, never zero. Two routes with the same are taken for one.
fn hash(scene: &Scene<'_>) -> u16 {
    let method = fields::method(scene.request.method());
    let name = [scene.route.name.as_bytes(), method.as_bytes()].join(&0);
    u16::try_from(scene.memory.digest("route", &name) & 0xffff).unwrap_or_default().max(1)
}

/// Bits of surprise of a step, and how far that is from what is usual for steps from there.
fn oddness(records: &[Record], settings: &Anomaly, now: Millis) -> (f32, Option<f32>) {
    let [all, pair, odd] = records else { return (0.0, None) };
    let bits = Steps::of(all, now).oddness(Steps::of(pair, now));
    (bits, Baseline::of(odd).distance(bits, LEAST_ODD, settings.lessons))
}

impl Doing {
    fn of(records: &[Record]) -> Self {
        let [present, rhythm, leaning, pace] = records else {
            let (present, rhythm, leaning, pace) = Default::default();
            return Self { present, rhythm, leaning, pace };
        };
        Self {
            present: Present::of(present),
            rhythm: Rhythm::of(rhythm),
            leaning: Leaning::of(leaning),
            pace: Baseline::of(pace),
        }
    }
}

impl Usual {
    fn of(records: &[Record], settings: &Anomaly, now: Millis) -> Self {
        let [known, pace, spread, answers, requests, faults] = records else { return Self::default() };
        Self {
            is_known: Present::of(known).is_known_for(settings.learning, now),
            pace: Baseline::of(pace),
            spread: Baseline::of(spread),
            answers: Baseline::of(answers),
            requests: Baseline::of(requests),
            faults: Baseline::of(faults),
        }
    }
}

fn judge_rate(doing: &Doing, usual: &Usual, settings: &Anomaly, now: Millis, findings: &mut Findings) {
    let requests = doing.present.requests_at(interval(now, settings.interval));
    let pace = log2(requests.into());
    let Some(on_route) = usual.pace.distance(pace, LEAST_PACE, settings.lessons) else { return };
    let own = doing.pace.distance(pace, LEAST_PACE, MEMORY_ACTOR / 2).unwrap_or(on_route);
    let away = on_route.max(own.min(on_route + OWN_PULL));
    let (here, self_) = (told(usual.pace.mean()), told(doing.pace.mean()));
    add(&RATE, away, findings, || {
        format!(
            "{requests} requests in an interval; callers of the route make about {here:.0}, this one {self_:.0}"
        )
    });
}

fn judge_rhythm(rhythm: &Rhythm, usual: &Usual, settings: &Anomaly, findings: &mut Findings) {
    let Some(spread) = rhythm.spread() else { return };
    let Some(away) = usual.spread.distance(spread, LEAST_SPREAD, settings.lessons) else { return };
    add(&RHYTHM, -away, findings, || {
        let (own, here) = (spread.exp2(), usual.spread.mean().exp2());
        format!("gaps between requests differ by a factor of {own:.2}; usual here is {here:.1}")
    });
}

fn judge_leaning(leaning: &Leaning, usual: &Usual, settings: &Anomaly, findings: &mut Findings) {
    let Leaning { larger, longer, odd, faults } = *leaning;
    let (what, lean) = if larger.abs() >= longer.abs() { ("answers", larger) } else { ("requests", longer) };
    add(&SIZE, LEAN * lean.abs(), findings, || {
        let how = if lean > 0.0 { "longer" } else { "shorter" };
        format!("{what} are {:.1} deviations {how} than is usual on their routes, on average", lean.abs())
    });
    add(&TRANSITION, LEAN * odd, findings, || {
        format!("steps between routes are {odd:.1} deviations odder than those of others, on average")
    });
    if usual.faults.distance(faults, LEAST_FAULT, settings.lessons).is_some() {
        let share = usual.faults.mean().clamp(0.0, 1.0);
        let deviation = ((share * (1.0 - share)).max(FAULT_VARIANCE) / RECENT).sqrt();
        let (own, here) = (faults * 100.0, share * 100.0);
        add(&ERRORS, (faults - share) / deviation, findings, || {
            format!("{own:.0} % of the last answers were faults; usual here are {here:.0} %")
        });
    }
}

/// A count by the logarithm that it was learned as.
fn told(pace: f32) -> f32 {
    (pace.exp2() - 1.0).max(0.0)
}

fn add(check: &'static Check, away: f32, findings: &mut Findings, reason: impl FnOnce() -> String) {
    let steps = (0_u16..).zip(SCORES).take_while(|(step, _)| away >= UNUSUAL + f32::from(*step));
    if let Some((_, score)) = steps.last() {
        findings.add(Finding::new(check, reason()).weighing(Weight::Score(score)));
    }
}

/// What one request teaches.
struct Lesson {
    fault: Option<bool>,
    /// The logarithm of the answer's length, where there was one.
    answer: Option<f32>,
    request: f32,
    /// The logarithm of the requests of the interval that ended with it.
    pace: Option<f32>,
    interval: u32,
}

impl Watch {
    /// Whether status and length of the answer are to be known.
    pub const fn wants_answer(&self) -> bool {
        self.0.is_some()
    }

    /// Remembers what became of the request. Call it once.
    pub fn close(&mut self, outcome: &Outcome<'_>, response: Response, trace: &mut Trace, ground: &Ground<'_>) {
        let (Some(seen), Some(settings)) = (self.0.take(), &ground.config.anomaly) else { return };
        let status = outcome.status.filter(|_| outcome.passed);
        let mut lesson = Lesson {
            // The service's own trouble says nothing about its callers.
            fault: status.filter(|status| *status < 500).map(|status| status >= 400),
            answer: status.filter(|status| *status < 400).map(|_| log2(response.bytes)),
            request: log2(seen.length),
            pace: None,
            interval: interval(seen.at, settings.interval),
        };
        let requests = seen.remember(&mut lesson, settings, trace, ground);
        let is_usual = outcome.passed && outcome.findings.iter().all(|(_, weight)| *weight == Weight::Note);
        if is_usual && requests.is_power_of_two() {
            seen.teach(&lesson, trace, ground);
        }
    }
}

impl Seen {
    /// Writes the actor's own records. Returns its requests of the interval; the lesson learns what the last one had.
    fn remember(&self, lesson: &mut Lesson, settings: &Anomaly, trace: &mut Trace, ground: &Ground<'_>) -> u16 {
        let away = |baseline: &Baseline, number: f32| {
            baseline.distance(number, LEAST_LENGTH, settings.lessons).filter(|_| self.usual.is_known)
        };
        let larger = lesson.answer.and_then(|answer| away(&self.usual.answers, answer));
        let longer = away(&self.usual.requests, lesson.request);
        let odd = self.odd.filter(|_| self.usual.is_known);
        let mut requests = 0;
        let (places, now) = (&self.actor, ground.now);
        // Under contention it is forgotten; the retries are counted.
        let _ = ground.memory.change_all(ground.shared, places, now, trace, |at, record| {
            let state = match at {
                0 => {
                    let (present, ended) = Present::of(&record).with(self.hash, lesson.interval, self.at);
                    lesson.pace = ended.map(|requests| log2(requests.into()));
                    requests = present.requests;
                    present.state()
                }
                1 => Rhythm::of(&record).with(self.at).state(),
                2 => Leaning::of(&record).with(larger, longer, odd, lesson.fault).state(),
                _ => Baseline::of(&record).with(lesson.pace?, LEAST_PACE, MEMORY_ACTOR, lesson.interval).state(),
            };
            Some(settled(record, state, now, KEEP_ACTOR))
        });
        requests
    }

    /// Teaches what is usual on the route, and which steps are.
    fn teach(&self, lesson: &Lesson, trace: &mut Trace, ground: &Ground<'_>) {
        let now = ground.now;
        let _ = ground.memory.change_all(ground.shared, &self.route, now, trace, |at, record| {
            let (number, least) = match at {
                0 => {
                    let (known, _) = Present::of(&record).with(self.hash, lesson.interval, self.at);
                    return Some(settled(record, known.state(), now, KEEP_ROUTE));
                }
                1 => (lesson.pace?, LEAST_PACE),
                2 => (self.spread.filter(|_| lesson.pace.is_some())?, LEAST_SPREAD),
                3 => (lesson.answer?, LEAST_LENGTH),
                4 => (lesson.request, LEAST_LENGTH),
                _ => (f32::from(u8::from(lesson.fault?)), LEAST_FAULT),
            };
            learned(record, number, least, lesson.interval, now)
        });
        let _ = ground.memory.change_all(ground.shared, &self.steps, now, trace, |at, record| match at {
            0 | 1 => Some(settled(record, Steps::of(&record, now).more().state(), now, KEEP_ROUTE)),
            _ => learned(record, self.oddness, LEAST_ODD, lesson.interval, now),
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
