//! In which order?
//!
//! A workflow is a few named steps, each done on its routes. Whoever does one of them has an *instance*: one record of the shared
//! memory that says which steps are done and when ([`instance`]). Four things are found:
//!
//! | check | when |
//! |---|---|
//! | [`ORDER`] | a step that has to come before was not done |
//! | [`REPEATED`] | a step that may be done once is done, or under way |
//! | [`TOO_FAST`] | less than `min_gap` has passed since the last step that was done |
//! | [`TOO_LATE`] | more than `max_gap` has, or the instance has expired |
//!
//! **A step is done** when the service says so: with the head of its answer, before the client sees it, so that the next step
//! cannot come too early for any worker. What is refused, here or by the service, is not done.
//!
//! **Once over many connections.** A step that may be done once is reserved when it is asked for. What comes while it is under way
//! is repeated; the answer settles the reservation, or gives it back. Where the service has had the request and there is no answer
//! of its (the client has left, the connection broke, a time-out: 408, 502, 504), nobody knows whether the step is done, so it stays reserved as long as the
//! instance lives: otherwise whoever hangs up in time could do it again and again.
//!
//! **Again.** An instance is over when the step that is written last is done. The next first step that may be repeated begins a
//! new one; a first step that may be done once may be done again when the instance has expired.
//!
//! **In the client's hands.** With a `token`, an instance is what the client carries, signed ([`token`]), and nothing is remembered of it
//! but which one-time steps were done: in the memory of things seen once, which forgets nothing before its time.
//!
//! Bounds: one record of 40 bytes for each workflow and actor, and for each request one reading and at most two changes for each
//! workflow of its route. A record has no debt: where memory is short those that expire first are forgotten, and whoever is in the
//! middle of a workflow then has to begin again. A change that meets too many others is a finding of its own.
//!
//! Not covered: who changes what names it. An actor that clients choose freely (a cookie that nobody has signed) has to keep the
//! order too, but may do a step once under each name. Answers of gRPC, whose status is in the trailers.

mod instance;
mod progress;
mod token;

pub use self::progress::Progress;

use self::instance::{Instance, Violation};
use self::progress::{Kept, Taken};
use crate::config::workflows::token::StepToken;
use crate::config::workflows::{Step, Workflow};
use crate::config::FailurePolicy;
use crate::expression::Cause;
use crate::finding::{Check, Class, Family, Finding, Findings, Score, Weight};
use crate::memory::once::Seen;
use crate::memory::record::{Debt, Record, Share};
use crate::memory::{Contended, Trace};
use crate::stages::limits::view::View;
use crate::stages::limits::{fields, Scene};
use crate::time::Millis;

/// A step was skipped.
pub static ORDER: Check = Check {
    weight: Weight::Refuse,
    ..check(
        "workflow.order",
        "workflow_order",
        "A step that has to come before was not done, or a step that may be done once is asked for by nobody who can be told from others.",
    )
};

/// A one-time step is repeated.
pub static REPEATED: Check = Check {
    weight: Weight::Refuse,
    ..check("workflow.repeated", "workflow_repeated", "A step that may be done once is done, or under way.")
};

/// A step comes sooner than anybody could do it.
pub static TOO_FAST: Check = check(
    "workflow.too_fast",
    "workflow_too_fast",
    "The step comes sooner after the last one than its `min_gap`.",
);

/// A step comes when it counts no more.
pub static TOO_LATE: Check = Check {
    weight: Weight::Refuse,
    ..check(
        "workflow.too_late",
        "workflow_too_late",
        "The step comes later after the last one than its `max_gap`, or after the workflow has expired.",
    )
};

/// A token that says how far somebody has come is not ours, or not theirs.
pub static TOKEN: Check = Check {
    weight: Weight::Note,
    ..check(
        "workflow.token",
        "workflow_token",
        "The token with the state of a workflow is forged, somebody else's, repeated or too long, so it counts as none.",
    )
};

/// An instance could not be read or changed.
pub static CONTENDED: Check = Check {
    id: "workflow.contended",
    family: Family::Failure,
    code: "workflow_unavailable",
    class: Class::Unavailable,
    weight: Weight::Note,
    tunable: false,
    bearer_error: None,
    means: crate::finding::documented("A one-time step could not be reserved: too many workers changed its memory at once (`memory.on_error` decided), or there is no room for it (`identity.replay.on_full`)."),
};

/// Alone a challenge: some people are quick.
const fn check(id: &'static str, code: &'static str, means: &'static str) -> Check {
    let (family, class) = (Family::Business, Class::Forbidden);
    let weight = Weight::Score(Score::constant(0.4));
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

/// Looks at the steps that a request does, one of each workflow at most: of workflows that need the body once that is there, of
/// all others before.
pub fn check_steps(scene: &Scene<'_>, progress: &mut Progress, findings: &mut Findings, trace: &mut Trace) {
    let view = View::new(scene, &[]);
    let mut judged = None;
    for at in &scene.route.steps {
        let Some((workflow, step)) = find(&scene.config.flows.workflows, *at) else { continue };
        let is_other = judged != Some(at.0) && workflow.needs_body == scene.body.is_some();
        let Some(is_certain) = does(step, &view).filter(|_| is_other) else { continue };
        judged = is_certain.then_some(at.0).or(judged);
        let Some(actor) = fields::actor(&workflow.per, scene) else {
            // Nobody has done anything before, and whoever hides who he is could do everything again.
            if !step.begins() {
                findings.add(told(&Violation::Order(step.after), workflow, step));
            } else if step.once {
                findings.add(told(&Violation::Nobody, workflow, step));
            }
            continue;
        };
        let taken = match &workflow.token {
            None => take(scene, workflow, step, &actor, trace),
            Some(carried) => take_with_token(scene, workflow, carried, step, actor, findings),
        };
        match taken {
            Ok((violations, kept)) => {
                violations.iter().for_each(|violation| findings.add(told(violation, workflow, step)));
                progress.take(Taken { workflow: at.0, step: at.1, is_certain, kept });
            }
            Err(policy) => {
                let reason = format!("{}: `{}`", workflow.name, step.name);
                let finding = Finding::new(&CONTENDED, reason).weighing(policy.weight());
                findings.add(Finding { held_back: workflow.monitor, ..finding });
            }
        }
    }
}

/// What is wrong with a step, and where its state is kept, with the reservation of one that may be done once. What will be refused is not
/// reserved. What cannot be reserved follows a policy.
fn take(
    scene: &Scene<'_>,
    workflow: &Workflow,
    step: &Step,
    actor: &[u8],
    trace: &mut Trace,
) -> Result<(Vec<Violation>, Kept), FailurePolicy> {
    let place = scene.memory.locate(actor, &workflow.owner);
    let taken = scene.memory.change(scene.shared, place, scene.now, trace, |record| {
        let entered = instance::entered(Instance::of(&record), workflow, step, scene.now);
        if !reserves(scene, workflow, step, &entered.violations) {
            return ((entered.violations, None), None);
        }
        let reserved = entered.instance.reserved(step);
        let began = Some(reserved.began());
        ((entered.violations, began), Some(stored(record, reserved, workflow, scene.now)))
    });
    match taken {
        Ok((violations, reserved)) => Ok((violations, Kept::Record { place, reserved })),
        Err(Contended) => Err(scene.config.memory.on_contention),
    }
}

/// The same where the client carries its state. It is ours to remember only which one-time steps were done, since an older token
/// says that they were not.
fn take_with_token(
    scene: &Scene<'_>,
    workflow: &Workflow,
    carried: &StepToken,
    step: &Step,
    actor: Vec<u8>,
    findings: &mut Findings,
) -> Result<(Vec<Violation>, Kept), FailurePolicy> {
    let before = token::read(carried, &workflow.owner, &actor, &scene.request.headers).unwrap_or_else(|why| {
        let finding = Finding::new(&TOKEN, format!("{}: {why}", workflow.name));
        findings.add(Finding { held_back: workflow.monitor, ..finding });
        None
    });
    let entered = instance::entered(before, workflow, step, scene.now);
    let (instance, mut violations) = (entered.instance, entered.violations);
    let mut reserved = None;
    if reserves(scene, workflow, step, &violations) {
        let key = token::once_key(&workflow.owner, step, &actor, instance);
        let until = instance.began().max(scene.now).saturating_add(workflow.expires);
        match scene.once.see(scene.shared, token::ONCE, &key, scene.now, until) {
            Seen::First => reserved = Some((key, until)),
            Seen::Again => violations.push(Violation::Repeated { under_way: false }),
            Seen::Full => return Err(scene.config.on_once_full()),
            Seen::Contended => return Err(scene.config.memory.on_contention),
        }
    }
    Ok((violations, Kept::Token { instance, actor, reserved }))
}

/// Whether a step is to be reserved.
fn reserves(scene: &Scene<'_>, workflow: &Workflow, step: &Step, violations: &[Violation]) -> bool {
    let is_repeated = violations.iter().any(|one| matches!(one, Violation::Repeated { .. }));
    let stops = |violation: &Violation| scene.config.stops(&told(violation, workflow, step), scene.route.mode);
    step.once && !is_repeated && !violations.iter().any(stops)
}

/// Whether a request does a step, and whether that is certain. What is not known to be another request does the step, and perhaps
/// others of the workflow: nobody takes a later step for an earlier one by being unreadable. What it does for uncertain opens no other step.
fn does(step: &Step, view: &View<'_>) -> Option<bool> {
    match step.when.as_ref().map(|when| when.holds(view)) {
        None | Some(Ok(true)) => Some(true),
        Some(Ok(false)) => None,
        Some(Err(failure)) => (failure.cause != Cause::Absent).then_some(false),
    }
}

fn find(workflows: &[Workflow], (workflow, step): (usize, usize)) -> Option<(&Workflow, &Step)> {
    let workflow = workflows.get(workflow)?;
    Some((workflow, workflow.steps.get(step)?))
}

/// Without debt, or strangers would start their limits with it; among those without debt it stays until it has expired.
fn stored(mut record: Record, instance: Instance, workflow: &Workflow, now: Millis) -> Record {
    let settled = instance.began().saturating_add(workflow.expires);
    record.settle(instance.state(), Debt { share: Share::NONE, since: now, settled });
    record
}

fn told(violation: &Violation, workflow: &Workflow, step: &Step) -> Finding {
    let (check, what) = match violation {
        Violation::Order(missing) => (&ORDER, format!("before {}", workflow.names(*missing))),
        Violation::Nobody => (&ORDER, "by nobody who is known".to_owned()),
        Violation::Repeated { under_way: true } => (&REPEATED, "while it is under way".to_owned()),
        Violation::Repeated { under_way: false } => (&REPEATED, "a second time".to_owned()),
        Violation::TooFast(gap) => {
            (&TOO_FAST, format!("{} ms after the last step, expected {}", gap.as_u64(), step.min_gap.as_u64()))
        }
        Violation::TooLate(gap) => {
            let most = step.max_gap.unwrap_or_default();
            (&TOO_LATE, format!("{} ms after the last step, at most {}", gap.as_u64(), most.as_u64()))
        }
        Violation::Expired(age) => {
            let life = workflow.expires.as_u64();
            (&TOO_LATE, format!("{} ms after the first step, expired after {life}", age.as_u64()))
        }
    };
    let finding = Finding::new(check, format!("{}: `{}` {what}", workflow.name, step.name));
    Finding { weight: workflow.weight, held_back: workflow.monitor, ..finding }
}

#[cfg(test)]
mod tests;
