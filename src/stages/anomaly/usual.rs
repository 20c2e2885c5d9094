//! What an actor does, held against what is usual on the route, and what is told of the difference.
//!
//! Every comparison is of what one caller does at present with what callers do at present, in deviations from their median. Where too
//! little is known of the callers of a route, those of all routes stand in for them; but for the lengths of single requests and
//! answers, which mean something on their own route only.

use super::actor::{Leaning, Present, Rhythm};
use super::baseline::{interval, log2, Baseline};
use super::{ERRORS, RATE, RHYTHM, SIZE, TRANSITION};
use crate::config::anomaly::Anomaly;
use crate::finding::{Check, Finding, Findings, Score, Weight};
use crate::memory::record::Record;
use crate::time::Millis;

/// Deviations from which something is unusual.
pub(super) const UNUSUAL: f32 = 3.0;

/// The scores from there on, one for each deviation more.
const SCORES: [Score; 4] =
    [Score::constant(0.2), Score::constant(0.25), Score::constant(0.3), Score::constant(0.35)];

/// Deviations by which an actor's own past can make a rate more unusual than it is on the route.
pub(super) const OWN_PULL: f32 = 1.5;

/// Intervals of an actor from which its own past is known.
const OWN_LESSONS: u16 = 16;

/// What counts as a deviation at least: of counts and gaps, as logarithms; of lengths; of averages of them; of bits of surprise; of
/// shares of faults.
pub(super) const LEAST_PACE: f32 = 0.5;
pub(super) const LEAST_SPREAD: f32 = 0.25;
pub(super) const LEAST_LENGTH: f32 = 0.25;
pub(super) const LEAST_LEAN: f32 = 0.4;
pub(super) const LEAST_ODDNESS: f32 = 0.4;
pub(super) const LEAST_FAULTS: f32 = 0.1;

/// What is usual on a route.
#[derive(Debug, Default, Copy, Clone)]
pub(super) struct Usual {
    pub(super) is_known: bool,
    pub(super) answer: Baseline,
    pub(super) request: Baseline,
    pub(super) pace: Baseline,
    pub(super) spread: Baseline,
    pub(super) leaning: [Baseline; 4],
}

/// What an actor does.
pub(super) struct Doing {
    pub(super) present: Present,
    pub(super) rhythm: Rhythm,
    pub(super) leaning: Leaning,
    pub(super) pace: Baseline,
}

impl Doing {
    pub(super) fn of(records: &[Record], now: Millis) -> Self {
        let [present, rhythm, leaning, pace] = records else {
            let (present, rhythm, leaning, pace) = Default::default();
            return Self { present, rhythm, leaning, pace };
        };
        let (rhythm, leaning) = (Rhythm::of(rhythm), Leaning::of(leaning));
        let leaning = if rhythm.is_paused(now) { leaning.rested() } else { leaning };
        Self { present: Present::of(present), rhythm, leaning, pace: Baseline::of(pace) }
    }
}

impl Usual {
    pub(super) fn of(records: &[Record], settings: &Anomaly, now: Millis) -> Self {
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
    pub(super) fn or(self, everywhere: impl FnOnce() -> Self, settings: &Anomaly) -> Self {
        let has_lessons = |own: &Baseline| own.has(settings.lessons);
        if self.is_known && [self.pace, self.spread].iter().chain(&self.leaning).all(has_lessons) {
            return self;
        }
        let everywhere = everywhere();
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

/// Adds what is unusual. The rhythm is that with the request itself.
pub(super) fn judge(
    doing: &Doing,
    rhythm: &Rhythm,
    usual: &Usual,
    (settings, now): (&Anomaly, Millis),
    findings: &mut Findings,
) {
    if usual.is_known && doing.present.total >= settings.requests {
        judge_rate(doing, usual, settings, now, findings);
        judge_rhythm(rhythm, usual, settings, findings);
        judge_leaning(&doing.leaning, usual, settings, findings);
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
