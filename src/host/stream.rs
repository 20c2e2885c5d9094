//! One HTTP stream: Envoy's callbacks drive the engine's states, and the states' answers drive Envoy.
//!
//! The stream owns the one state its request is in. A callback that comes when the state has no use for it (Envoy
//! calls response callbacks for our own replies, and may end a stream at any time) changes nothing.

use super::calls::{self, Level, Map};
use super::report::Report;
use crate::engine::{Answer, Body, Done, Engine, Step};
use crate::reply::Reply;
use crate::request::headers::Headers;
use crate::request::{self, Request};
use crate::response::Response;
use crate::stages::risk::Permit;
use crate::time::Millis;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::net::IpAddr;
use std::rc::Rc;

const NANOS_PER_MILLI: u64 = 1_000_000;

/// The state of one stream.
pub(crate) struct Stream {
    engine: Engine,
    report: Rc<Report>,
    state: State,
    spent_nanos: u64,
}

enum State {
    New,
    Body(Body),
    Answer(Answer),
    Done(Box<Done>),
    /// Reported, or never begun.
    Over,
}

impl Stream {
    pub(crate) fn new(engine: Engine, report: Rc<Report>) -> Self {
        Self { engine, report, state: State::New, spent_nanos: 0 }
    }

    fn judge_head(&self, now_nanos: u64) -> Step<Body> {
        let Some(headers) = calls::header_pairs(Map::RequestHeaders).and_then(Headers::from_wire) else {
            return self.engine.judge_unreadable("the host gave no header fields", fallback_id(now_nanos));
        };
        // An empty list is what the host makes of one that is too large for it.
        if headers.is_empty() {
            return self.engine.judge_unreadable("the host gave an empty header section", fallback_id(now_nanos));
        }
        let now = Millis::new(now_nanos / NANOS_PER_MILLI);
        self.engine.open(Request::new(headers, source), now, || fallback_id(now_nanos)).judge()
    }

    fn obey(&mut self, step: Step<Body>) -> Action {
        match step {
            Step::Forward(permit, body) => {
                carry_out(&permit);
                self.state = State::Body(body);
                Action::Continue
            }
            Step::Refuse(reply, done) => {
                send(&reply);
                self.state = State::Done(done);
                Action::Pause
            }
        }
    }

    /// The body has passed, or nobody will see more of it.
    fn finish_request(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Over) {
            State::Body(body) => State::Answer(body.finish()),
            other => other,
        };
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        let began = calls::now_nanos();
        let step = self.judge_head(began);
        let action = self.obey(step);
        if end_of_stream {
            self.finish_request();
        }
        self.spent_nanos = calls::now_nanos().saturating_sub(began);
        action
    }

    fn on_http_request_body(&mut self, piece_bytes: usize, end_of_stream: bool) -> Action {
        let action = match std::mem::replace(&mut self.state, State::Over) {
            State::Body(body) => self.obey(body.judge(piece_bytes)),
            State::Done(done) => {
                self.state = State::Done(done);
                Action::Pause
            }
            other => {
                self.state = other;
                Action::Continue
            }
        };
        // A request with trailers never ends here but in the trailers' callback.
        if end_of_stream {
            self.finish_request();
        }
        action
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        if let State::Body(body) = &self.state {
            let trailers =
                calls::header_pairs(Map::RequestTrailers).and_then(Headers::from_wire).unwrap_or_default();
            remove(Map::RequestTrailers, &body.judge_trailers(&trailers));
        }
        self.finish_request();
        Action::Continue
    }

    fn on_log(&mut self) {
        self.finish_request();
        let mut done = match std::mem::replace(&mut self.state, State::Over) {
            State::Answer(answer) => Box::new(answer.finish(Response::default())),
            State::Done(done) => done,
            // The codec refused the request before any filter saw it.
            State::New | State::Body(_) | State::Over => return,
        };
        done.release(Millis::new(calls::now_nanos() / NANOS_PER_MILLI));
        self.report.count(&done, self.spent_nanos);
        // Outside a stream Envoy refuses filter state; the verdict is then in the statistics alone.
        let _ = calls::set_filter_state("portcullis_verdict", &done.summary());
        if done.wants_receipt() {
            let receipt = done.receipt(Response { status: response_status() }, source(), self.spent_nanos);
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

/// Costs as much as a look at all header fields, so it is asked for only when needed.
fn source() -> Option<IpAddr> {
    request::source_address(std::str::from_utf8(&calls::property("source\0address")?).ok()?)
}

fn response_status() -> Option<u16> {
    let code = calls::property("response\0code")?;
    let code = u64::from_le_bytes(code.try_into().ok()?);
    u16::try_from(code).ok().filter(|code| *code != 0)
}

/// A name for a request that Envoy did not name (`generate_request_id: false`). Unique enough to find it again.
fn fallback_id(now_nanos: u64) -> String {
    format!("{:016x}", ahash::RandomState::new().hash_one(now_nanos))
}
