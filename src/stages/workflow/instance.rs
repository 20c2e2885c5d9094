//! How far one actor has come in one workflow, in the sixteen bytes of a record.
//!
//! ```text
//! 0       2         4       10          14      16
//! done    reserved  began   last step   unused
//! 16 bits 16 bits   ms      ms later
//! ```
//!
//! A reservation stands until its answer is there, or the instance has expired: no clock alone gives it back, since a client decides
//! how long its request takes. An instance of a workflow that has expired counts as none, but is told from none. A clock that is
//! behind another worker's measures a gap of zero at least.

use crate::config::workflows::{Step, Workflow};
use crate::memory::record::{Record, State};
use crate::time::Millis;

/// How far somebody has come.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) struct Instance {
    done: u16,
    reserved: u16,
    began: Millis,
    /// Since it began.
    last: u32,
}

/// What is wrong with a step.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Violation {
    /// These steps were not done.
    Order(u16),
    /// Nobody can be told to have done it.
    Nobody,
    /// It is done, or under way.
    Repeated { under_way: bool },
    /// It comes so soon.
    TooFast(Millis),
    /// It comes so late.
    TooLate(Millis),
    /// The instance is so old.
    Expired(Millis),
}

/// What a step meets.
#[derive(Debug)]
pub(super) struct Entered {
    /// The instance that it belongs to: a new one, where there is none that lives.
    pub(super) instance: Instance,
    /// What is wrong with it.
    pub(super) violations: Vec<Violation>,
}

impl Instance {
    /// What a record holds; `None` for a new one.
    pub(super) fn of(record: &Record) -> Option<Self> {
        (!record.is_new()).then(|| Self::read(record.state))
    }

    /// What a state says.
    pub(super) fn read(state: State) -> Self {
        let [d0, d1, r0, r1, b0, b1, b2, b3, b4, b5, l0, l1, l2, l3, _, _] = state;
        Self {
            done: u16::from_le_bytes([d0, d1]),
            reserved: u16::from_le_bytes([r0, r1]),
            began: Millis::new(u64::from_le_bytes([b0, b1, b2, b3, b4, b5, 0, 0])),
            last: u32::from_le_bytes([l0, l1, l2, l3]),
        }
    }

    /// What a record is to hold.
    pub(super) fn state(self) -> State {
        let ([d0, d1], [r0, r1]) = (self.done.to_le_bytes(), self.reserved.to_le_bytes());
        let [b0, b1, b2, b3, b4, b5, _, _] = self.began.as_u64().to_le_bytes();
        let [l0, l1, l2, l3] = self.last.to_le_bytes();
        [d0, d1, r0, r1, b0, b1, b2, b3, b4, b5, l0, l1, l2, l3, 0, 0]
    }

    /// A new one, which is told from the one before by its beginning.
    fn new(before: Option<Self>, now: Millis) -> Self {
        // A record whose state is zero is new.
        let earliest = before.map_or(Millis::default(), |before| before.began).saturating_add(Millis::new(1));
        Self { done: 0, reserved: 0, began: now.max(earliest), last: 0 }
    }

    pub(super) const fn began(&self) -> Millis {
        self.began
    }

    fn age(&self, now: Millis) -> Millis {
        now.saturating_sub(self.began)
    }

    fn is_expired(&self, workflow: &Workflow, now: Millis) -> bool {
        self.age(now) >= workflow.expires
    }

    /// Whether the step begins a new instance although this one lives.
    fn yields(&self, workflow: &Workflow, step: &Step) -> bool {
        step.begins() && !step.once && workflow.is_over(self.done)
    }

    /// Time since the last step that was done.
    fn gap(&self, now: Millis) -> Millis {
        self.age(now).saturating_sub(Millis::new(self.last.into()))
    }

    /// With a reservation more.
    pub(super) const fn reserved(self, step: &Step) -> Self {
        Self { reserved: self.reserved | step.bit, ..self }
    }

    /// With a step more that is done.
    fn with(self, step: &Step, now: Millis) -> Self {
        let last = u32::try_from(self.age(now).as_u64()).unwrap_or(u32::MAX);
        Self { done: self.done | step.bit, last: last.max(self.last), ..self }
    }
}

/// What a step meets: the instance that lives, or a new one, and what is wrong.
pub(super) fn entered(before: Option<Instance>, workflow: &Workflow, step: &Step, now: Millis) -> Entered {
    let (dead, alive) = match before {
        Some(instance) if instance.is_expired(workflow, now) => (before, None),
        _ => (None, before),
    };
    let alive = alive.filter(|instance| !instance.yields(workflow, step));
    let instance = alive.unwrap_or_else(|| Instance::new(before, now));
    let missing = step.after & !instance.done;
    let mut violations = Vec::new();
    if missing != 0 {
        let was_done = dead.filter(|dead| dead.done & step.after == step.after);
        violations.push(was_done.map_or(Violation::Order(missing), |dead| Violation::Expired(dead.age(now))));
    } else if !step.begins() {
        let gap = instance.gap(now);
        if gap < step.min_gap {
            violations.push(Violation::TooFast(gap));
        } else if step.max_gap.is_some_and(|max| gap > max) {
            violations.push(Violation::TooLate(gap));
        }
    }
    let under_way = instance.reserved & step.bit != 0;
    if step.once && (under_way || instance.done & step.bit != 0) {
        violations.push(Violation::Repeated { under_way });
    }
    Entered { instance, violations }
}

/// What became of a step.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The service says that it is done.
    Done,
    /// It is not done: the service says so, or has never heard of it.
    Failed,
    /// The service has heard of it, and nobody knows what it did, or whether that was the step.
    Unknown,
}

/// What is left when a step has come to its end; `None` if nothing changes. `reserved` tells in which instance the step was
/// reserved: a reservation in an instance that is no more needs none to be given back.
pub(super) fn settled(
    before: Option<Instance>,
    workflow: &Workflow,
    step: &Step,
    reserved: Option<Millis>,
    end: End,
    now: Millis,
) -> Option<Instance> {
    if end == End::Unknown {
        return None;
    }
    let alive = before.filter(|instance| !instance.is_expired(workflow, now));
    let given_back = alive.map(|instance| match reserved {
        Some(began) if began == instance.began => Instance { reserved: instance.reserved & !step.bit, ..instance },
        _ => instance,
    });
    if end == End::Done {
        let going_on = given_back.filter(|instance| !instance.yields(workflow, step));
        return Some(going_on.unwrap_or_else(|| Instance::new(before, now)).with(step, now));
    }
    given_back.filter(|instance| alive != Some(*instance))
}
