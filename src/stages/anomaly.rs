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
//! records tell; how odd a step is, two more ([`steps`]). Those are looked at with each request and changed rarely: an actor teaches
//! at times that become rarer the more requests it makes, so who sends more has hardly more to say.
//!
//! **No opinion** before the actor has made `requests`, and before a baseline has had `lessons` and its route has been known for
//! `learning`.
//!
//! **Poisoning is bounded**: see [`baseline`]. Routes learn nothing from requests that were refused, or of which anything was found,
//! so what is unusual does not become usual by being repeated. An actor's own past learns from everything, but excuses nothing
//! that is unusual on the route; it can only accuse, by at most [`OWN_PULL`] deviations more.
//!
//! Each finding is a score by the distance in deviations, from 0.2 at [`UNUSUAL`] to 0.35 at six, with what is usual and what was
//! seen in plain words. The family's cap keeps all together from denying alone.
//!
//! Not covered: actors that do as others do, and abuse that most callers of a route take part in while it is learned; statuses of
//! gRPC; lengths of requests that do not declare them.

mod actor;
mod baseline;
mod steps;

use self::actor::{Leaning, Present, Rhythm};
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
const SCORES: [Score; 4] =
    [Score::constant(0.2), Score::constant(0.25), Score::constant(0.3), Score::constant(0.35)];

/// Deviations by which an actor's own past can make a rate more unusual than it is on the route.
const OWN_PULL: f32 = 1.5;

/// Intervals of an actor from which its own past is known.
const OWN_LESSONS: u16 = 16;

/// What counts as a deviation at least: of counts and gaps, as logarithms; of lengths; of averages of them; of bits of surprise; of
/// shares of faults.
const LEAST_PACE: f32 = 0.5;
const LEAST_SPREAD: f32 = 0.25;
const LEAST_LENGTH: f32 = 0.25;
const LEAST_LEAN: f32 = 0.4;
const LEAST_ODDNESS: f32 = 0.4;
const LEAST_FAULTS: f32 = 0.1;

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
    /// See [`ROUTE`]: of this one, and of all.
    routes: [[Hashed; 9]; 2],
    /// All steps from the last route, and this one.
    steps: [Hashed; 2],
    hash: u16,
    length: u64,
    usual: Usual,
    /// Bits of surprise of the step.
    oddness: f32,
    spread: Option<f32>,
}

/// The records of a route: since when it is known; the lengths of its answers and requests; and what its callers do at present,
/// each as [`Present`], [`Rhythm`] and [`Leaning`] have it.
const ROUTE: [&str; 9] =
    ["known", "answer", "request", "pace", "spread", "answers", "requests", "oddness", "faults"];

/// What is usual on a route.
#[derive(Debug, Default)]
struct Usual {
    is_known: bool,
    answer: Baseline,
    request: Baseline,
    pace: Baseline,
    spread: Baseline,
    leaning: [Baseline; 4],
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
    let [route, everywhere] = [hash, 0]
        .map(|hash| ROUTE.map(|what| memory.locate(&hash.to_le_bytes(), &format!("anomaly.route.{what}"))));
    let doing = Doing::of(&memory.read(shared, &actor, now));
    let read = |places: &[Hashed]| Usual::of(&memory.read(shared, places, now), settings, now);
    let usual = read(&route).or(read(&everywhere), settings);
    // Who comes back after a pause begins anew.
    let from = if doing.rhythm.is_paused(now) { 0 } else { doing.present.route };
    let steps = step_places(memory, from, hash);
    let oddness = oddness(&memory.read(shared, &steps, now), now);
    let rhythm = doing.rhythm.with(now);
    if usual.is_known && doing.present.total >= settings.requests {
        judge_rate(&doing, &usual, settings, now, findings);
        judge_rhythm(&rhythm, &usual, settings, findings);
        judge_leaning(&doing.leaning, &usual, settings, findings);
    }
    let (length, spread) = (scene.request.content_length().unwrap_or_default(), rhythm.spread());
    watch.0 =
        Some(Seen { at: now, actor, routes: [route, everywhere], steps, hash, length, usual, oddness, spread });
}

fn actor_places(settings: &Anomaly, scene: &Scene<'_>) -> [Hashed; 4] {
    let source = || fields::source(scene.request.source.as_ref(), settings.prefix_v4, settings.prefix_v6);
    let actor = fields::subject(scene).unwrap_or_else(source);
    // Intervals of another length have other numbers.
    let length = settings.interval.as_u64();
    ["present", "rhythm", "leaning", "pace"]
        .map(|what| scene.memory.locate(&actor, &format!("anomaly.actor.{what}.{length}")))
}

fn step_places(memory: &Memory, from: u16, to: u16) -> [Hashed; 2] {
    let key = [b"steps", from.to_le_bytes().as_slice()].concat();
    [memory.locate(&key, "anomaly.steps.all"), memory.locate(&key, &format!("anomaly.steps.{to}"))]
}

/// A route and method by 16 bits, never zero. Two routes with the same are taken for one.
fn hash(scene: &Scene<'_>) -> u16 {
    let method = fields::method(scene.request.method());
    let name = [scene.route.name.as_bytes(), method.as_bytes()].join(&0);
    u16::try_from(scene.memory.digest("route", &name) & 0xffff).unwrap_or_default().max(1)
}

/// Bits of surprise of a step.
fn oddness(records: &[Record], now: Millis) -> f32 {
    let [all, pair] = records else { return 0.0 };
    Steps::of(all, now).oddness(Steps::of(pair, now))
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
        let [known, answer, request, pace, spread, leaning @ ..] = records else { return Self::default() };
        let leaning = leaning.iter().map(Baseline::of).collect::<Vec<_>>().try_into().unwrap_or_default();
        Self {
            is_known: Present::of(known).is_known_for(settings.learning, now),
            answer: Baseline::of(answer),
            request: Baseline::of(request),
            pace: Baseline::of(pace),
            spread: Baseline::of(spread),
            leaning,
        }
    }

    /// What callers do, or where too little is known of those of the route, what all do.
    fn or(self, everywhere: Self, settings: &Anomaly) -> Self {
        let [pace, spread] = [(self.pace, everywhere.pace), (self.spread, everywhere.spread)];
        let chosen = |(own, other): (Baseline, Baseline)| {
            if self.is_known && own.has(settings.lessons) {
                own
            } else {
                other
            }
        };
        let mut leaning = everywhere.leaning;
        for (slot, own) in leaning.iter_mut().zip(self.leaning) {
            *slot = chosen((own, *slot));
        }
        let is_known = everywhere.is_known;
        Self { is_known, pace: chosen(pace), spread: chosen(spread), leaning, ..self }
    }
}

fn judge_rate(doing: &Doing, usual: &Usual, settings: &Anomaly, now: Millis, findings: &mut Findings) {
    let requests = doing.present.requests_at(interval(now, settings.interval));
    let pace = log2(requests.into());
    let Some(on_route) = usual.pace.distance(pace, LEAST_PACE, settings.lessons) else { return };
    let own = doing.pace.distance(pace, LEAST_PACE, OWN_LESSONS).unwrap_or(on_route);
    let away = on_route.max(own.min(on_route + OWN_PULL));
    let (here, self_) = (told(usual.pace.median()), told(doing.pace.median()));
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
        let (own, here) = (spread.exp2(), usual.spread.median().exp2());
        format!("gaps between requests differ by a factor of {own:.2}; usual here is {here:.1}")
    });
}

fn judge_leaning(leaning: &Leaning, usual: &Usual, settings: &Anomaly, findings: &mut Findings) {
    let [on_answers, on_requests, on_oddness, on_faults] = &usual.leaning;
    let away = |baseline: &Baseline, number: f32, least: f32| {
        baseline.distance(number, least, settings.lessons).unwrap_or_default()
    };
    let answers = (away(on_answers, leaning.answers, LEAST_LEAN), "answers", leaning.answers);
    let requests = (away(on_requests, leaning.requests, LEAST_LEAN), "requests", leaning.requests);
    let (distance, what, lean) = if answers.0.abs() >= requests.0.abs() { answers } else { requests };
    add(&SIZE, distance.abs(), findings, || {
        let (by, how) = (lean.abs(), if distance > 0.0 { "longer" } else { "shorter" });
        format!(
            "{what} lately are {by:.1} deviations off what is usual on their routes, {how} than those of others"
        )
    });
    let (own, here) = (leaning.oddness, on_oddness.median());
    add(&TRANSITION, away(on_oddness, own, LEAST_ODDNESS), findings, || {
        format!(
            "a step between routes is one of {:.0} on average; usual here is one of {:.0}",
            own.exp2(),
            here.exp2()
        )
    });
    let (own, here) = (leaning.faults, on_faults.median());
    add(&ERRORS, away(on_faults, own, LEAST_FAULTS), findings, || {
        format!("{:.0} % of the last answers were faults; usual here are {:.0} %", own * 100.0, here * 100.0)
    });
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
    /// What the actor does at present.
    leaning: Leaning,
    /// The logarithm of the answer's length, where there was one.
    answer: Option<f32>,
    request: f32,
    /// The logarithm of the requests of the interval that ended with it.
    pace: Option<f32>,
    interval: u32,
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

    /// Remembers what became of the request. Call it once.
    pub fn close(&mut self, outcome: &Outcome<'_>, response: Response, trace: &mut Trace, ground: &Ground<'_>) {
        let (Some(seen), Some(settings)) = (self.0.take(), &ground.config.anomaly) else { return };
        let status = outcome.status.filter(|_| outcome.passed);
        let mut lesson = Lesson {
            // The service's own trouble says nothing about its callers.
            fault: status.filter(|status| *status < 500).map(|status| status >= 400),
            answer: status.filter(|status| *status < 400).map(|_| log2(response.bytes)),
            request: log2(seen.length),
            leaning: Leaning::default(),
            pace: None,
            interval: interval(seen.at, settings.interval),
            is_due: false,
            is_pace_due: false,
            is_step_due: false,
        };
        seen.remember(&mut lesson, settings, trace, ground);
        let is_usual = outcome.passed && outcome.findings.iter().all(|(_, weight)| *weight == Weight::Note);
        if is_usual && (lesson.is_due || lesson.is_pace_due) {
            seen.teach(&lesson, trace, ground);
        }
        if is_usual && lesson.is_step_due {
            seen.teach_step(trace, ground);
        }
    }
}

impl Seen {
    /// Writes the actor's own records. The lesson learns what they tell.
    fn remember(&self, lesson: &mut Lesson, settings: &Anomaly, trace: &mut Trace, ground: &Ground<'_>) {
        let away = |baseline: &Baseline, number: f32| {
            baseline.distance(number, LEAST_LENGTH, settings.lessons).filter(|_| self.usual.is_known)
        };
        let added = [
            lesson.answer.and_then(|answer| away(&self.usual.answer, answer)),
            away(&self.usual.request, lesson.request),
            Some(self.oddness),
            lesson.fault.map(|fault| f32::from(u8::from(fault))),
        ];
        let mut total = 0;
        let (places, now) = (&self.actor, ground.now);
        // Under contention it is forgotten; the retries are counted.
        let _ = ground.memory.change_all(ground.shared, places, now, trace, |at, record| {
            let state = match at {
                0 => {
                    let (present, ended) = Present::of(&record).with(self.hash, lesson.interval, self.at);
                    lesson.pace = ended.map(|requests| log2(requests.into()));
                    total = present.total;
                    lesson.is_due = present.is_due();
                    lesson.is_step_due = present.requests.is_power_of_two();
                    lesson.is_pace_due = ended.is_some() && present.ended.is_power_of_two();
                    present.state()
                }
                1 => Rhythm::of(&record).with(self.at).state(),
                2 => {
                    lesson.leaning = Leaning::of(&record).with(added, total);
                    lesson.leaning.state()
                }
                _ => Baseline::of(&record).with(lesson.pace?, LEAST_PACE, MEMORY_ACTOR, lesson.interval).state(),
            };
            Some(settled(record, state, now, KEEP_ACTOR))
        });
    }

    /// Teaches what is usual on the route, and everywhere.
    fn teach(&self, lesson: &Lesson, trace: &mut Trace, ground: &Ground<'_>) {
        let now = ground.now;
        let Leaning { answers, requests, oddness, faults } = lesson.leaning;
        let places = self.routes.as_flattened();
        let _ = ground.memory.change_all(ground.shared, places, now, trace, |at, record| {
            let (number, least) = match at.checked_rem(ROUTE.len())? {
                0 => {
                    let (known, _) = Present::of(&record).with(self.hash, lesson.interval, self.at);
                    return Some(settled(record, known.state(), now, KEEP_ROUTE));
                }
                3 => (lesson.pace.filter(|_| lesson.is_pace_due)?, LEAST_PACE),
                _ if !lesson.is_due => return None,
                1 => (lesson.answer?, LEAST_LENGTH),
                2 => (lesson.request, LEAST_LENGTH),
                4 => (self.spread?, LEAST_SPREAD),
                5 => (answers, LEAST_LEAN),
                6 => (requests, LEAST_LEAN),
                7 => (oddness, LEAST_ODDNESS),
                _ => (faults, LEAST_FAULTS),
            };
            learned(record, number, least, lesson.interval, now)
        });
    }

    /// Teaches which steps are usual.
    fn teach_step(&self, trace: &mut Trace, ground: &Ground<'_>) {
        let now = ground.now;
        let _ = ground.memory.change_all(ground.shared, &self.steps, now, trace, |_, record| {
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
