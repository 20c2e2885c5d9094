//! What one stream does: the state that its request is in, and what Envoy is to do about it.
//!
//! The one state is owned here. A callback that comes when the state has no use for it (Envoy calls response callbacks for
//! our own replies, and may end a stream at any time) changes nothing. A request that waits is held back in Envoy, so
//! nothing of it goes on until the engine has judged.

mod answer;
mod clock;
mod facts;
mod wait;

use self::clock::{millis, now, Clock};
use self::facts::{certificate, fallback_id, peer, response_bytes, response_status, source};
use super::callout;
use super::calls::{self, Map};
use super::contexts::Action;
use super::report::Report;
use crate::engine::answer::{HeldAnswer, WatchedAnswer};
use crate::engine::waiting::Wait;
use crate::engine::{Answer, Body, Done, Engine, Step};
use crate::reply::Reply;
use crate::request::headers::Headers;
use crate::request::Request;
use crate::response::Response;
use crate::stages::risk::Permit;
use log::Level;
use std::rc::Rc;

/// What a stream does.
pub(crate) struct Exchange {
    engine: Engine,
    report: Rc<Report>,
    state: State,
    /// The callout whose answer is awaited.
    token: Option<u32>,
    /// Bytes of the body that have arrived while the request waited, and those of them that were judged.
    held_bytes: usize,
    judged_bytes: usize,
    /// Bytes of the answer's body that are held back.
    answer_bytes: usize,
    /// Whether the request has arrived completely.
    ended: bool,
    clock: Clock,
}

enum State {
    New,
    Wait(Wait),
    Body(Body),
    Answer(Answer),
    Hold(Box<HeldAnswer>),
    Watch(Box<WatchedAnswer>),
    Done(Box<Done>),
    /// Reported, or never begun.
    Over,
}

impl Exchange {
    pub(crate) fn new(engine: Engine, report: Rc<Report>) -> Self {
        Self {
            engine,
            report,
            state: State::New,
            token: None,
            held_bytes: 0,
            judged_bytes: 0,
            answer_bytes: 0,
            ended: false,
            clock: Clock::default(),
        }
    }

    /// The head is there.
    pub(crate) fn head(&mut self, end_of_stream: bool) -> Action {
        let began = self.clock.begin();
        let measures = self.report.measures();
        self.ended = end_of_stream;
        let step = self.judge_head(began, !end_of_stream);
        let action = self.obey(step);
        if measures || self.is_remarkable() {
            self.clock.measure(began);
        }
        action
    }

    /// Whether there is more to tell of it than that it was allowed, and so how long that took.
    fn is_remarkable(&self) -> bool {
        match &self.state {
            State::Answer(answer) => answer.wants_receipt(),
            _ => true,
        }
    }

    fn take(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Over)
    }

    fn judge_head(&self, now_nanos: u64, has_body: bool) -> Step<Body> {
        let Some(headers) = calls::header_pairs(Map::RequestHeaders).and_then(Headers::from_wire) else {
            return self.engine.judge_unreadable("the host gave no header fields", fallback_id(now_nanos));
        };
        // An empty list is what the host makes of one that is too large for it.
        if headers.is_empty() {
            return self.engine.judge_unreadable("the host gave an empty header section", fallback_id(now_nanos));
        }
        let request = Request::new(headers, source).reached_by(peer).certified(certificate);
        let head = self.engine.open(request, millis(now_nanos), || fallback_id(now_nanos));
        head.judge(has_body)
    }

    /// Carries out what the engine says, from within a callback of the request.
    fn obey(&mut self, step: Step<Body>) -> Action {
        let step = self.advance(step);
        self.report.limit_leases(&self.engine);
        match step {
            Step::Forward(permit, body) => {
                carry_out(&permit);
                self.state = State::Body(body);
                self.finish_if_ended();
                Action::Continue
            }
            Step::Refuse(reply, done) | Step::Serve(reply, done) => {
                send(&reply);
                self.state = State::Done(done);
                Action::Pause
            }
            Step::Wait(wait) => {
                self.state = State::Wait(wait);
                Action::Pause
            }
        }
    }

    /// The same from anywhere else: Envoy waits to be told.
    pub(crate) fn resume(&mut self, step: Step<Body>) {
        // A stream that cannot go on stays paused until it times out; nothing gets through.
        if self.obey(step) == Action::Continue && calls::continue_request().is_err() {
            calls::log(Level::Error, "portcullis: Envoy did not take up a request that was held back");
        }
    }

    /// Reads the body and asks the fleet where that is what a request waits for, and judges what has arrived meanwhile of one
    /// that goes on.
    fn advance(&mut self, mut step: Step<Body>) -> Step<Body> {
        loop {
            step = match step {
                Step::Wait(Wait::Body(held)) => match self.read(held) {
                    Step::Wait(Wait::Body(held)) => return Step::Wait(Wait::Body(held)),
                    next => next,
                },
                Step::Wait(Wait::Fleet(asking)) if self.token.is_none() => {
                    match callout::ask(asking.question(), asking.cluster(), asking.timeout()) {
                        Ok(token) => {
                            self.token = Some(token);
                            return Step::Wait(Wait::Fleet(asking));
                        }
                        Err(fault) => asking.judge(Err(fault), now()),
                    }
                }
                Step::Wait(Wait::Identity(unidentified)) if self.token.is_none() => match unidentified.call() {
                    Some(call) => match callout::call(&call) {
                        Ok(token) => {
                            self.token = Some(token);
                            return Step::Wait(Wait::Identity(unidentified));
                        }
                        Err(fault) => unidentified.answer(Err(fault), now()),
                    },
                    None => return Step::Wait(Wait::Identity(unidentified)),
                },
                step => return self.catch_up(step),
            }
        }
    }

    /// Judges what has arrived of the body while the request was held back.
    fn catch_up(&mut self, step: Step<Body>) -> Step<Body> {
        match step {
            Step::Forward(permit, body) if self.held_bytes > self.judged_bytes => {
                let unjudged = self.held_bytes.saturating_sub(self.judged_bytes);
                self.judged_bytes = self.held_bytes;
                match body.judge_held(unjudged) {
                    Step::Forward(_, body) => Step::Forward(permit, body),
                    refused => refused,
                }
            }
            step => step,
        }
    }

    /// A piece of the body is there; while the request is held back `size` is that of all pieces.
    pub(crate) fn body(&mut self, size: usize, end_of_stream: bool) -> Action {
        // A request with trailers never ends here but in the trailers' callback.
        self.ended |= end_of_stream;
        match self.take() {
            State::Body(body) => {
                let step = body.judge(size);
                self.obey(step)
            }
            State::Wait(wait) => self.wait_on(wait, size),
            // The answer has begun before the request was complete.
            State::Answer(answer) => self.late(answer.judge(size), State::Answer),
            State::Hold(held) => self.late(held.judge_request(size), State::Hold),
            State::Watch(watched) => self.late(watched.judge_request(size), State::Watch),
            State::Done(done) => {
                self.state = State::Done(done);
                Action::Pause
            }
            other => {
                self.state = other;
                Action::Continue
            }
        }
    }

    /// A piece has come of a request whose answer has begun.
    fn late<Next>(&mut self, step: Step<Next>, state: impl FnOnce(Next) -> State) -> Action {
        match step {
            Step::Forward(_permit, next) => {
                self.state = state(next);
                Action::Continue
            }
            Step::Refuse(reply, done) | Step::Serve(reply, done) => {
                send(&reply);
                self.state = State::Done(done);
                Action::Pause
            }
            // Nothing that has been forwarded waits again.
            Step::Wait(_) => Action::Pause,
        }
    }

    /// The trailers are there, and with them the end.
    pub(crate) fn trailers(&mut self) -> Action {
        self.ended = true;
        let trailers = calls::header_pairs(Map::RequestTrailers).and_then(Headers::from_wire).unwrap_or_default();
        let ours = self.engine.internal_trailers(&trailers);
        match self.take() {
            State::Wait(wait) => {
                remove(Map::RequestTrailers, &ours);
                let size = self.held_bytes;
                self.wait_on(wait, size)
            }
            State::Body(body) => {
                remove(Map::RequestTrailers, &ours);
                self.state = State::Answer(body.finish());
                Action::Continue
            }
            other => {
                self.state = other;
                Action::Continue
            }
        }
    }

    /// The body has passed, or nobody will see more of it.
    fn finish_if_ended(&mut self) {
        if self.ended {
            self.state = match self.take() {
                State::Body(body) => State::Answer(body.finish()),
                other => other,
            };
        }
    }

    /// The exchange is over.
    pub(crate) fn log(&mut self) {
        let mut done = match self.take() {
            State::Body(body) => body.finish().finish(Response::default()),
            State::Answer(answer) => answer.finish(Response::default()),
            State::Hold(held) => *held.abandon(),
            State::Watch(watched) => watched.end(now()).finish(Response::default()),
            State::Done(done) => *done,
            State::Wait(wait) => *wait.abandon(),
            // The codec refused the request before any filter saw it.
            State::New | State::Over => return,
        };
        let mut bytes = 0;
        if done.is_open() {
            if done.wants_response_bytes() {
                bytes = response_bytes();
            }
            let status = if done.wants_response_status() { response_status() } else { None };
            done.close(Response { status, bytes }, self.clock.look());
        }
        self.report.count(&done, self.clock.spent_nanos, self.clock.seen());
        if done.is_told() {
            // Outside a stream Envoy refuses filter state; the verdict is then in the statistics alone.
            let _ = calls::set_filter_state("portcullis_verdict", &done.summary());
        }
        if let Some(act) = done.act() {
            calls::log(Level::Info, &done.audit(&act, source()));
        }
        if done.wants_receipt() {
            let receipt =
                done.receipt(Response { status: response_status(), bytes }, source(), self.clock.spent_nanos);
            let _ = calls::set_filter_state("portcullis_receipt", &receipt);
            calls::log(Level::Info, &receipt);
        }
    }
}

/// Every change of a header field makes Envoy look up its route again, so none is made without need.
fn remove(map: Map, names: &[String]) {
    for name in names {
        let _ = calls::remove_header(map, name);
    }
}

fn carry_out(permit: &Permit) {
    remove(Map::RequestHeaders, &permit.remove);
    for (name, value) in &permit.add {
        let _ = calls::add_header(Map::RequestHeaders, name, value);
    }
}

fn send(reply: &Reply) {
    let Reply { status, grpc_status, headers, body, details } = reply;
    if calls::send_local_response(*status, details, headers, body, *grpc_status).is_err() {
        // The caller pauses the stream whatever happens here, so the request does not get through.
        calls::log(
            Level::Error,
            "portcullis: Envoy did not accept a reply; the stream stays paused until it times out",
        );
    }
}
