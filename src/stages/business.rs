//! What does the business allow?
//!
//! Rules are expressions over the request, its body, its caller and what was counted before ([`crate::config::rules`],
//! [`crate::expression`]). Those of the request's route are judged in the order they are written, those that need the body
//! once it is there, all others before. What is refused already is not judged, and counted nowhere.
//!
//! **What has no value** is decided so that leaving something out, spoiling it or hiding it never helps:
//!
//! | | is absent | has the wrong type, overflows, … | cannot be read, or has several meanings |
//! |---|---|---|---|
//! | `when` | the rule does not apply | it applies | it applies |
//! | `require` | is violated | is violated | `on_error` decides |
//! | `forbid` | is not violated | is violated | `on_error` decides |
//!
//! **Counters** ([`counters`]) of all rules whose `when` holds are changed together, one bucket an actor, before any of these
//! rules is judged: the present request is counted, and so is one that is refused for it.
//!
//! **Spelling** ([`spelling`]). What other rules, workflows, quotes and objects read in a body has to be written as they read it.
//!
//! Bounds: each expression has its own ([`crate::expression`]); rules and counters are bounded by the configuration. A count
//! that cannot be kept is a finding, whose weight `memory.on_error` decides. Values never get into a reason.
//!
//! Not covered: endpoints of ours, which no rule is about; bodies that are not JSON; what several requests amount to, beyond
//! their number ([`super::behaviour`]).

mod counters;
pub(in crate::stages) mod recent;
mod spelling;

pub use self::spelling::SPELLING;

use self::counters::{Counts, Tallied};
use crate::config::{FailurePolicy, Rule};
use crate::expression::{Cause, Failure};
use crate::finding::{Check, Class, Family, Finding, Findings, Weight};
use crate::memory::Trace;
use crate::stages::limits::view::View;
use crate::stages::limits::Scene;
use std::sync::Arc;

/// A rule of the configuration is violated.
pub static RULE: Check = Check {
    id: "business.rule",
    family: Family::Business,
    code: "rule_violated",
    class: Class::Forbidden,
    weight: Weight::Refuse,
    tunable: true,
    bearer_error: None,
    means: crate::finding::documented(
        "A rule of `rules` is violated; its own code, message and effect take the place of these.",
    ),
};

/// A rule of the configuration could not be judged.
pub static UNDECIDED: Check = Check {
    id: "business.undecided",
    family: Family::Business,
    code: "rule_undecided",
    class: Class::Invalid,
    weight: Weight::Note,
    tunable: false,
    bearer_error: None,
    means: crate::finding::documented(
        "A value that a rule needs cannot be read or has several meanings; the rule's `on_error` decided.",
    ),
};

/// A counter of a rule could not be kept.
pub static CONTENDED: Check = Check {
    id: "business.contended",
    family: Family::Failure,
    code: "rule_unavailable",
    class: Class::Unavailable,
    weight: Weight::Note,
    tunable: false,
    bearer_error: None,
    means: crate::finding::documented("A counter of a rule could not be kept, since too many workers changed its memory at once; `memory.on_error` decided."),
};

/// Judges those rules of the route that can be judged now: those that need the body once it is there, all others before.
pub fn check(scene: &Scene<'_>, findings: &mut Findings, trace: &mut Trace) {
    if let Some(finding) = spelling::find(scene) {
        let is_stopped = scene.config.stops(&finding, scene.route.mode);
        findings.add(finding);
        if is_stopped {
            return;
        }
    }
    let rules = scene.route.rules.iter().filter_map(|index| scene.config.rules.get(*index));
    let head = View::new(scene, &[]);
    let applying: Vec<&Rule> =
        rules.filter(|rule| rule.needs_body == scene.body.is_some() && applies(rule, &head)).collect();
    let tallied = counters::count(&applying, scene, trace);
    for (rule, tallied) in applying.into_iter().zip(tallied) {
        let found = match &tallied {
            Tallied::Contended => Some(contended(rule, scene)),
            Tallied::Counts(counts) => judge(rule, counts, scene),
        };
        let Some(finding) = found else { continue };
        let is_stopped = scene.config.stops(&finding, scene.route.mode);
        findings.add(finding);
        if is_stopped {
            return;
        }
    }
}

/// What is not known to be another request is one that the rule is for.
fn applies(rule: &Rule, view: &View<'_>) -> bool {
    match rule.when.as_ref().map(|when| when.holds(view)) {
        None | Some(Ok(true)) => true,
        Some(Ok(false)) => false,
        Some(Err(failure)) => failure.cause != Cause::Absent,
    }
}

fn judge(rule: &Rule, counts: &Counts, scene: &Scene<'_>) -> Option<Finding> {
    let view = View::new(scene, counts);
    match rule.condition.holds(&view) {
        Ok(holds) if holds != rule.forbids => None,
        Ok(_) => Some(violated(rule, counts, None)),
        Err(failure) if failure.cause == Cause::Unavailable => {
            let finding = Finding::new(&UNDECIDED, format!("`{}`: {failure}", rule.about.name));
            Some(undecided(finding, rule.on_error, rule))
        }
        Err(failure) if failure.cause == Cause::Absent && rule.forbids => None,
        Err(failure) => Some(violated(rule, counts, Some(failure))),
    }
}

/// What was counted is told: an operator who sets a threshold needs it.
fn violated(rule: &Rule, counts: &Counts, failure: Option<Failure>) -> Finding {
    let mut reason = format!("`{}`", rule.about.name);
    if let Some(failure) = failure {
        reason.push_str(&format!(": {failure}"));
    }
    for (counter, count) in rule.counters.iter().zip(counts) {
        reason.push_str(&counters::told(counter, count));
    }
    let finding = Finding::new(&RULE, reason).weighing(rule.weight);
    Finding { rule: Some(Arc::clone(&rule.about)), held_back: rule.monitor, ..finding }
}

fn contended(rule: &Rule, scene: &Scene<'_>) -> Finding {
    let finding = Finding::new(&CONTENDED, format!("`{}`", rule.about.name));
    undecided(finding, scene.config.memory.on_contention, rule)
}

/// What a failure policy decides. The rule has not been violated, so it does not speak.
fn undecided(finding: Finding, policy: FailurePolicy, rule: &Rule) -> Finding {
    Finding { held_back: rule.monitor, ..finding.weighing(policy.weight()) }
}

#[cfg(test)]
mod tests;
