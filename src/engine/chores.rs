//! What no request does: reports to the fleet, a look at the memory, passing things on to the next configuration.

use super::{Engine, World};
use crate::memory::{Survey, Trace};
use crate::rls::{Fault, Reply};
use crate::stages::limits::fleet::Report;
use crate::time::Millis;
use std::rc::{Rc, Weak};

/// Time between two looks at how full the memory is.
const SURVEY_INTERVAL: Millis = Millis::from_secs(4);

/// The engine of the configuration before, as long as anybody has it.
#[derive(Debug, Clone)]
pub struct Former {
    world: Weak<World>,
}

impl Engine {
    /// What the next configuration needs to know of this one.
    pub fn former(&self) -> Former {
        Former { world: Rc::downgrade(&self.world) }
    }

    /// Takes over what this worker has not reported to the fleet yet under the configuration before, whose leases end.
    pub fn take_over(&self, former: &Former, now: Millis, trace: &mut Trace) {
        let Some(former) = former.world.upgrade().filter(|former| !Rc::ptr_eq(former, &self.world)) else {
            return;
        };
        former.end_all_leases(now, trace);
        let (mut from, mut to) = (former.outbox.borrow_mut(), self.world.outbox.borrow_mut());
        to.take_over(&mut from, &former.config, &self.world.config);
    }

    /// Takes out what this worker has to report to the fleet; `None` once there is nothing left.
    pub fn report(&self, now: Millis, trace: &mut Trace) -> Option<Report> {
        self.world.outbox.borrow_mut().report(&self.world.ground(now), trace)
    }

    /// Takes in what the fleet answered to a report.
    pub fn settle(&self, report: Report, answer: Result<Vec<Reply>, Fault>, now: Millis, trace: &mut Trace) {
        self.world.outbox.borrow_mut().settle(report, answer, &self.world.ground(now), trace);
    }

    /// Gives back what of this worker's leases was not spent in their time.
    pub fn end_leases(&self, now: Millis, trace: &mut Trace) {
        self.world.leases.borrow_mut().end(&self.world.ground(now), trace);
    }

    /// Gives back all of this worker's leases: no tick will come.
    pub fn end_all_leases(&self, now: Millis, trace: &mut Trace) {
        self.world.end_all_leases(now, trace);
    }

    /// Whether this worker may have something to give back on a tick.
    pub fn holds_leases(&self) -> bool {
        self.world.leases.borrow().holds_units()
    }

    /// Looks how full the memory is, in a sample that begins at this bucket. `None` if there is no memory, or another
    /// worker does it.
    pub fn survey(&self, first: u64, now: Millis) -> Option<Survey> {
        let World { config, memory, shared, .. } = self.world.as_ref();
        let chosen = !config.limits.is_empty() && memory.lease(shared.as_ref(), "survey", now, SURVEY_INTERVAL);
        chosen.then(|| memory.survey(shared.as_ref(), first))
    }
}

impl World {
    fn end_all_leases(&self, now: Millis, trace: &mut Trace) {
        self.leases.borrow_mut().end_all(&self.ground(now), trace);
    }
}
