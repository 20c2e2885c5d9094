//! Limits that several Envoys share, through a service of the protocol in [`crate::rls`].
//!
//! *Strict*: what the limits here let pass is put to the service, all strict limits of a request in one question, and the
//! request waits for the answer, at most `fleet.timeout`. *Synced*: the request is decided here at once
//! ([`crate::rate::shared_window`]); its key goes into an [`Outbox`], and on a tick everything unsettled is reported.
//!
//! When no answer comes the decision made here stands, and the failure policy says whether that is enough. A key never
//! leaves this Envoy: what stands for it is an HMAC with the fleet's secret.
//!
//! Bounds: [`OUTBOX_KEYS_MAX`] keys of a worker between two reports, [`REPORT_KEYS_MAX`] in one report. A key for which
//! there is no place in the outbox goes in with the next of its requests that passes.

use super::advice::exceeded;
use super::{Applied, Call, Decision, Ground, Ledger, Scene};
use crate::config::limits::Limit;
use crate::config::{Config, Fleet, FleetMode};
use crate::finding::{Check, Class, Family, Finding, Findings, Weight};
use crate::memory::{Hashed, Trace};
use crate::rate::shared_window::{self, Reported};
use crate::rate::Rate;
use crate::rls::{Count, Fault, Question, Reply};
use crate::time::Millis;
use std::collections::{BTreeMap, VecDeque};

/// Keys that a worker remembers between two reports.
pub const OUTBOX_KEYS_MAX: usize = 10_000;

/// Keys of one report.
pub const REPORT_KEYS_MAX: usize = 500;

/// The fleet could not be asked.
pub static UNAVAILABLE: Check = Check {
    id: "limits.fleet_unavailable",
    family: Family::Failure,
    code: "fleet_unavailable",
    class: Class::Unavailable,
    weight: Weight::Note,
    tunable: false,
    bearer_error: None,
    means: crate::finding::documented(
        "The fleet's rate limit service did not answer in time or at all; `fleet.on_error` decided.",
    ),
};

/// A request's question to the fleet, and which limits it is about.
#[derive(Debug)]
pub struct Asked {
    question: Question,
    limits: Vec<usize>,
}

/// Keys with units that the fleet does not know of yet.
#[derive(Debug, Default)]
pub struct Outbox {
    keys: BTreeMap<Hashed, Entry>,
    /// The same keys, the longest waiting first.
    order: VecDeque<Hashed>,
}

#[derive(Debug, Clone)]
struct Entry {
    limit: usize,
    key: String,
}

/// Units on their way to the fleet.
#[derive(Debug)]
pub struct Report {
    question: Question,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    limit: usize,
    place: Hashed,
    reported: Reported,
}

impl Asked {
    /// What to send.
    pub const fn question(&self) -> &Question {
        &self.question
    }
}

impl Report {
    /// What to send.
    pub const fn question(&self) -> &Question {
        &self.question
    }
}

impl Outbox {
    /// Remembers a key.
    pub(super) fn add(&mut self, place: Hashed, limit: usize, key: impl FnOnce() -> String) {
        if self.keys.len() < OUTBOX_KEYS_MAX && !self.keys.contains_key(&place) {
            self.keys.insert(place, Entry { limit, key: key() });
            self.order.push_back(place);
        }
    }

    /// Takes over what was noted under another configuration, for the limits that are still there.
    pub(crate) fn take_over(&mut self, former: &mut Self, former_config: &Config, config: &Config) {
        let secret = |config: &Config| config.fleet.as_ref().map(|fleet| fleet.secret.clone());
        if secret(former_config) != secret(config) {
            return;
        }
        for (place, Entry { limit, key }) in std::mem::take(former).keys {
            let owner = former_config.limits.get(limit).map(|limit| &limit.owner);
            let same = |limit: &Limit| limit.fleet == Some(FleetMode::Synced) && Some(&limit.owner) == owner;
            if let Some(limit) = config.limits.iter().position(same) {
                self.add(place, limit, || key);
            }
        }
    }

    /// Takes the next report out; `None` once there is nothing to report.
    pub fn report(&mut self, ground: &Ground<'_>, trace: &mut Trace) -> Option<Report> {
        let Ground { config, memory, shared, now, .. } = *ground;
        let fleet = config.fleet.as_ref()?;
        let mut report =
            Report { question: Question { domain: fleet.domain.clone(), counts: Vec::new() }, lines: Vec::new() };
        while report.lines.len() < REPORT_KEYS_MAX {
            let Some(place) = self.order.pop_front() else { break };
            let Some(Entry { limit, key }) = self.keys.remove(&place) else { continue };
            let Some(rules) = config.limits.get(limit) else { continue };
            let settled = memory.change(shared, place, now, trace, |mut record| {
                if record.is_new() {
                    return (None, None);
                }
                let (state, debt, reported) = shared_window::settle(record.state, &rules.rate, now);
                record.settle(state, debt);
                let any = reported.units > 0;
                (any.then_some(reported), any.then_some(record))
            });
            // Under contention the key goes in again with its next request.
            if let Ok(Some(reported)) = settled {
                report.question.counts.push(count(rules, key, reported.units));
                report.lines.push(Line { limit, place, reported });
            }
        }
        (!report.lines.is_empty()).then_some(report)
    }

    /// Takes in what came of a report. After a definite failure its units are to be reported again; after a time-out they
    /// may have been counted, so they are taken for known: to report them again could count them many times.
    pub fn settle(
        &mut self,
        report: Report,
        answer: Result<Vec<Reply>, Fault>,
        ground: &Ground<'_>,
        trace: &mut Trace,
    ) {
        let Ground { config, memory, shared, now, .. } = *ground;
        let lost = matches!(answer, Err(Fault::Unavailable(_)));
        let replies = answer.unwrap_or_default();
        for (at, (line, count)) in report.lines.into_iter().zip(report.question.counts).enumerate() {
            let Some(rules) = config.limits.get(line.limit) else { continue };
            let total = replies.get(at).and_then(|reply| total(reply, &rules.rate, now));
            if total.is_none() && !lost {
                continue;
            }
            // Under contention the units stay known, and the next answer has them.
            let _ = memory.change(shared, line.place, now, trace, |mut record| {
                if record.is_new() {
                    return ((), None);
                }
                let (state, debt) = match total {
                    Some(total) => shared_window::learn(record.state, &rules.rate, now, line.reported, total),
                    None => shared_window::restore(record.state, &rules.rate, now, line.reported),
                };
                record.settle(state, debt);
                ((), Some(record))
            });
            if lost {
                self.add(line.place, line.limit, || count.key);
            }
        }
    }
}

/// What the fleet has used of the window that is now. `None` if the service, whose clock is behind, speaks of the one
/// before: its total would count against this one.
fn total(reply: &Reply, rate: &Rate, now: Millis) -> Option<u64> {
    let left = shared_window::left(rate, now);
    let speaks_of_now = reply.reset.saturating_add(CLOCKS_APART_MAX) >= left;
    speaks_of_now.then(|| rate.limit.saturating_sub(reply.remaining))
}

/// How far the service's clock may be from ours; its times are whole seconds.
const CLOCKS_APART_MAX: Millis = Millis::from_secs(2);

/// What a limit that let a request pass means for the fleet.
pub(super) fn note(call: &Call<'_>, key: &[u8], scene: &Scene<'_>, ledger: &mut Ledger) {
    let Call { index, limit, place, cost } = *call;
    let Some(fleet) = &scene.config.fleet else { return };
    match limit.fleet {
        Some(FleetMode::Strict) => ledger.asked.push((index, count(limit, stand_in(fleet, limit, key), cost))),
        Some(FleetMode::Synced) => {
            scene.outbox.borrow_mut().add(place, index, || stand_in(fleet, limit, key));
        }
        None => {}
    }
}

/// The question that a request has to wait for, if any.
pub(crate) fn question(fleet: &Fleet, ledger: &mut Ledger) -> Option<Asked> {
    let (limits, counts): (Vec<usize>, Vec<Count>) = std::mem::take(&mut ledger.asked).into_iter().unzip();
    let question = Question { domain: fleet.domain.clone(), counts };
    (!limits.is_empty()).then_some(Asked { question, limits })
}

/// Takes in what came of the question.
pub(crate) fn take_in(
    asked: &Asked,
    answer: Result<Vec<Reply>, Fault>,
    scene: &Scene<'_>,
    findings: &mut Findings,
    ledger: &mut Ledger,
) {
    let replies = match answer {
        Ok(replies) => replies,
        Err(fault) => {
            findings.add(unavailable(fault, scene.config));
            ledger.applied.iter_mut().filter(|applied| asked.limits.contains(&applied.limit)).for_each(
                |applied| {
                    applied.decision = Decision::Unknown;
                },
            );
            return;
        }
    };
    for (index, reply) in asked.limits.iter().zip(replies) {
        let Some(limit) = scene.config.limits.get(*index) else { continue };
        let Some(applied) = ledger.applied.iter_mut().find(|applied| applied.limit == *index) else { continue };
        *applied = Applied { remaining: reply.remaining, reset: reply.reset, ..*applied };
        if reply.over {
            let retry_after = Some(reply.reset);
            applied.decision = super::refuse(exceeded(limit, applied, retry_after), scene, findings);
        }
    }
}

fn unavailable(fault: Fault, config: &Config) -> Finding {
    let fleet = config.fleet.as_ref();
    let (policy, reason) = match fault {
        Fault::Timeout => (fleet.map(|fleet| fleet.on_timeout), "no answer in time"),
        Fault::Unavailable(reason) => (fleet.map(|fleet| fleet.on_unavailable), reason),
    };
    Finding::new(&UNAVAILABLE, reason).weighing(policy.map_or(Weight::Note, |policy| policy.weight()))
}

fn count(limit: &Limit, key: String, units: u64) -> Count {
    Count {
        limit: limit.name.clone(),
        key,
        allowed: u32::try_from(limit.rate.limit).unwrap_or(u32::MAX),
        window: limit.rate.window,
        units,
    }
}

/// What stands for a key in the service: 32 hex digits that all Envoys of the fleet compute alike.
fn stand_in(fleet: &Fleet, limit: &Limit, key: &[u8]) -> String {
    let named = [limit.name.as_bytes(), b"\0", key].concat();
    let mac = hmac_sha256::HMAC::mac(&named, fleet.secret.as_bytes());
    mac.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
