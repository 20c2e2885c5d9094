//! The steps of one request until its answer is there, and what the answer makes of them.

use super::instance::{self, End, Instance};
use super::{find, stored, token};
use crate::config::workflows::{Step, Workflow};
use crate::memory::{Contended, Hashed, Trace};
use crate::stages::limits::Ground;
use crate::time::Millis;

/// Answers by somebody on the way who did not hear the service out (RFC 9110 §15.5.9, §15.6.3, §15.6.5), and how some write down that
/// there was none.
const UNCERTAIN: [u16; 4] = [408, 499, 502, 504];

/// The steps that a request does, until its answer says whether they are done.
#[derive(Debug, Default)]
pub struct Progress {
    taken: Vec<Taken>,
    /// Whether the service may have had a part of the request.
    sent: bool,
    /// Header fields with what the client is to carry.
    issued: Vec<(String, String)>,
}

/// A step that is under way.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) workflow: usize,
    pub(super) step: usize,
    /// Whether it is certain that the request does it, and no other.
    pub(super) is_certain: bool,
    pub(super) kept: Kept,
}

/// Where its state is.
#[derive(Debug)]
pub(super) enum Kept {
    /// In a record.
    Record {
        place: Hashed,
        /// When the instance began in which it is reserved; `None` for a step that may be repeated.
        reserved: Option<Millis>,
    },
    /// In the client's hands.
    Token {
        instance: Instance,
        actor: Vec<u8>,
        /// What it is reserved as, and until when.
        reserved: Option<(Vec<u8>, Millis)>,
    },
}

impl Progress {
    /// Whether the status of the answer is to be known.
    pub fn is_under_way(&self) -> bool {
        !self.taken.is_empty()
    }

    /// The request goes on to the service, which may act on a part of it.
    pub const fn send(&mut self) {
        self.sent = true;
    }

    /// It did not go on after all.
    pub const fn withdraw(&mut self) {
        self.sent = false;
    }

    /// The answer is there, or there will be none. `passed` is whether the status is the service's. What cannot be written for
    /// contention is left for the next call, so the last one is when the request is over.
    pub fn settle(&mut self, status: Option<u16>, passed: bool, trace: &mut Trace, ground: &Ground<'_>) {
        for taken in std::mem::take(&mut self.taken) {
            let Some((workflow, step)) = find(&ground.config.flows.workflows, (taken.workflow, taken.step)) else {
                continue;
            };
            let end = match status.filter(|_| passed) {
                Some(status) if step.is_completed_by(status) && taken.is_certain => End::Done,
                Some(status) if step.is_completed_by(status) => End::Unknown,
                Some(status) if !UNCERTAIN.contains(&status) => End::Failed,
                _ if self.sent => End::Unknown,
                _ => End::Failed,
            };
            if settle(&taken.kept, (workflow, step), end, &mut self.issued, trace, ground) == Err(Contended) {
                self.taken.push(taken);
            }
        }
    }

    /// Header fields that tell the client how far it has come. Once.
    pub fn issued(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.issued)
    }

    pub(super) fn take(&mut self, taken: Taken) {
        self.taken.push(taken);
    }
}

fn settle(
    kept: &Kept,
    (workflow, step): (&Workflow, &Step),
    end: End,
    issued: &mut Vec<(String, String)>,
    trace: &mut Trace,
    ground: &Ground<'_>,
) -> Result<(), Contended> {
    let Ground { memory, shared, once, now, .. } = *ground;
    match (kept, end) {
        (_, End::Unknown) | (Kept::Record { reserved: None, .. }, End::Failed) => Ok(()),
        (Kept::Record { place, reserved }, _) => memory.change(shared, *place, now, trace, |record| {
            let after = instance::settled(Instance::of(&record), workflow, step, *reserved, end, now);
            ((), after.map(|after| stored(record, after, workflow, now)))
        }),
        (Kept::Token { instance, actor, .. }, End::Done) => {
            let after = instance::settled(Some(*instance), workflow, step, None, end, now);
            let token = workflow.token.as_ref().zip(after);
            issued.extend(token.map(|(carried, after)| token::write(carried, workflow, actor, after)));
            Ok(())
        }
        (Kept::Token { reserved, .. }, End::Failed) => {
            // Under contention it stays reserved.
            let _ = reserved.as_ref().is_some_and(|(key, until)| once.forget(shared, token::ONCE, key, *until));
            Ok(())
        }
    }
}
