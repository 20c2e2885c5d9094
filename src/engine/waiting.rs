//! Requests that wait: for documents that are being fetched, for their body, where a rule needs it, and for the fleet, where a
//! limit is shared with it.
//!
//! Nothing of a waiting request has reached the upstream. Every wait has an end: the body is there, or as much of it as
//! may be held back; the fleet has answered; or the time is up. Each way leads on to the next step, so nothing that is
//! late can open a door: what was not read or answered is a finding, and its weight is the operator's choice.

use super::{Body, Done, Open, Step};
use crate::remote;
use crate::remote::answer::Answer;
use crate::remote::call::Call;
use crate::request::body::{self, Unread};
use crate::rls::{Fault, Question, Reply as FleetReply};
use crate::stages::identity::{self, Need, Patience};
use crate::stages::limits::fleet::{self, Asked};
use crate::stages::shape;
use crate::time::Millis;
use std::rc::Rc;

/// How much longer than its time-out an answer is waited for: Envoy ends a call at its time-out, but its timers may not fire.
const GRACE: Millis = Millis::new(500);

/// What a request waits for.
#[derive(Debug)]
pub enum Wait {
    /// What its caller cannot be established without.
    Identity(Unidentified),
    /// Its body.
    Body(Held),
    /// The fleet's answer.
    Fleet(Asking),
}

/// A request whose token nobody can judge yet.
#[derive(Debug)]
pub struct Unidentified {
    open: Box<Open>,
    need: Need,
    /// Its place among those that may wait.
    _seat: Rc<()>,
}

/// A request that is held back until its body is there.
#[derive(Debug)]
pub struct Held {
    open: Box<Open>,
}

/// A request that waits for the fleet.
#[derive(Debug)]
pub struct Asking {
    open: Box<Open>,
    asked: Asked,
    body_bytes: u64,
}

impl Wait {
    /// When the wait is over, whatever came.
    pub fn deadline(&self) -> Millis {
        match self {
            Self::Identity(unidentified) => unidentified.deadline(),
            Self::Body(held) => held.open.now.saturating_add(held.open.case.world.config.request.body_wait_max),
            Self::Fleet(asking) => asking.open.now.saturating_add(asking.timeout()),
        }
    }

    /// The time is up.
    pub fn expire(self, now: Millis) -> Step<Body> {
        match self {
            Self::Identity(unidentified) if unidentified.need == Need::Introspection => {
                unidentified.answer(Err(remote::answer::Fault("no answer in time".to_owned())), now)
            }
            Self::Identity(unidentified) => unidentified.retry(now),
            Self::Body(held) => held.judge_unread(Unread::Late, b"", 0, now),
            Self::Fleet(asking) => asking.judge(Err(Fault::Timeout), now),
        }
    }

    /// The client has left.
    pub fn abandon(self) -> Box<Done> {
        let step = match self {
            Self::Identity(unidentified) => unidentified.open.settle(0),
            Self::Body(held) => held.open.settle(0),
            Self::Fleet(asking) => asking.open.settle(asking.body_bytes),
        };
        match step {
            Step::Forward(_unused, body) => Box::new(body.unsent().finish().finish(Default::default())),
            Step::Refuse(_, done) | Step::Serve(_, done) => done,
            Step::Wait(wait) => wait.abandon(),
        }
    }
}

impl Unidentified {
    pub(super) fn new(open: Box<Open>, need: Need) -> Self {
        let seat = Rc::clone(&open.case.world.seats);
        Self { open, need, _seat: seat }
    }

    fn deadline(&self) -> Millis {
        let Some(identity) = &self.open.case.world.config.identity else { return self.open.now };
        let wait_max = match (&self.need, &identity.introspection) {
            (Need::Introspection, Some(introspection)) => introspection.timeout.saturating_add(GRACE),
            _ => identity.wait_max,
        };
        self.open.now.saturating_add(wait_max)
    }

    /// Whether it has come, or will not.
    pub fn is_ready(&self) -> bool {
        let world = &self.open.case.world;
        match &self.need {
            Need::Keys(missing) => world.keys.borrow().is_settled(missing),
            Need::Revocations => world.revocations.borrow().has_list(),
            Need::Introspection => false,
        }
    }

    /// What is to be asked for it, if it is for this request alone.
    pub fn call(&self) -> Option<Call> {
        let asks = self.need == Need::Introspection;
        asks.then(|| identity::question(&self.open.case.world.config, &self.open.request)).flatten()
    }

    /// The answer to [`Unidentified::call`] has come, or will not.
    pub fn answer(mut self, answer: Result<Answer, remote::answer::Fault>, now: Millis) -> Step<Body> {
        self.open.told = Some(answer);
        self.retry(now)
    }

    /// Judges the token with what is there now.
    pub fn retry(self, now: Millis) -> Step<Body> {
        let mut open = self.open;
        let world = Rc::clone(&open.case.world);
        let _sight = world.shared.sight();
        open.now = now;
        match &open.service {
            Some(_) => open.serve(Some(self.need)),
            None => open.identify(Patience::Waited(self.need)),
        }
    }
}

impl Held {
    pub(super) fn new(open: Box<Open>) -> Self {
        Self { open }
    }

    /// Bytes of the body after which no more is waited for.
    pub fn bytes_max(&self) -> usize {
        self.open.case.world.config.request.body_read_max
    }

    /// The whole body is there.
    pub fn judge(self, bytes: &[u8], now: Millis) -> Step<Body> {
        self.judge_read(Ok(bytes), b"", bytes.len(), now)
    }

    /// It could not be read whole. `seen` bytes of it have arrived, of which these are the first.
    pub fn judge_unread(self, why: Unread, beginning: &[u8], seen: usize, now: Millis) -> Step<Body> {
        self.judge_read(Err(why), beginning, seen, now)
    }

    fn judge_read(self, content: Result<&[u8], Unread>, beginning: &[u8], seen: usize, now: Millis) -> Step<Body> {
        let mut open = self.open;
        open.now = now;
        if let Some(service) = &mut open.service {
            service.read(content);
        }
        let seen = u64::try_from(seen).unwrap_or(u64::MAX);
        let world = Rc::clone(&open.case.world);
        let _sight = world.shared.sight();
        let route = world.config.routes.get(open.case.route);
        shape::check_body(route, seen, &mut open.case.findings);
        // Only who asks for a JSON document is told that there is none.
        let mut document = body::Body::default();
        if route.needs_json || open.inspects_body() {
            document = match content {
                Ok(bytes) if open.request.may_be_json() || bytes.trim_ascii().is_empty() => {
                    body::Body::read(bytes)
                }
                Ok(bytes) => body::Body::not_json(bytes),
                Err(why) => body::Body::unread(why),
            };
        }
        if route.needs_json {
            shape::check_read(&document, &mut open.case.findings);
        }
        open.weigh_body(content, beginning, &document);
        open.ask(seen)
    }
}

impl Asking {
    pub(super) fn new(open: Box<Open>, asked: Asked, body_bytes: u64) -> Self {
        Self { open, asked, body_bytes }
    }

    /// What to ask.
    pub const fn question(&self) -> &Question {
        self.asked.question()
    }

    /// Whom to ask: a cluster of Envoy.
    pub fn cluster(&self) -> &str {
        self.open.case.world.config.fleet.as_ref().map_or("", |fleet| &fleet.cluster)
    }

    /// Longest wait.
    pub fn timeout(&self) -> Millis {
        self.open.case.world.config.fleet.as_ref().map_or(Millis::default(), |fleet| fleet.timeout)
    }

    /// The fleet has answered, or will not. What Envoy says of a call that it gave up varies, so the time decides; its timers
    /// may be a little early.
    pub fn judge(self, answer: Result<Vec<FleetReply>, Fault>, now: Millis) -> Step<Body> {
        let waited = now.saturating_sub(self.open.now).as_u64();
        let is_late = waited.saturating_mul(10) >= self.timeout().as_u64().saturating_mul(9);
        let answer = answer.map_err(|fault| if is_late { Fault::Timeout } else { fault });
        let Self { mut open, asked, body_bytes } = self;
        let world = Rc::clone(&open.case.world);
        let _sight = world.shared.sight();
        let case = &mut open.case;
        let route = world.config.routes.get(case.route);
        let scene = world.scene(route, &open.request, None, &case.caller, 0, open.now);
        fleet::take_in(&asked, answer, &scene, &mut case.findings, &mut case.ledger);
        open.conclude(body_bytes)
    }
}
