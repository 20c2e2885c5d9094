//! The service's answer on its way to the client: what is meant for us is taken out of it, what is left of the limits is told,
//! and where it grants a token, the token takes its place.
//!
//! A reply in the response phase ends the exchange: Envoy drops what the service sends, and does not call this filter about the
//! reply. Where a rule wants the body, the head is held back with it, so that both can still be changed or replaced
//! (`engine/answer.rs`). Bounds: what the engine asks for; a wait ends with a tick at the latest.

use super::clock::{millis, now};
use super::facts::broke_off;
use super::{remove, send, Exchange, State};
use crate::engine::answer::{Changes, Course, HeldAnswer, WatchedAnswer};
use crate::host::calls::{self, Buffer, Failed, Map};
use crate::host::contexts::Action;
use crate::request::headers::Headers;
use crate::response::{Head, Unread};
use log::Level;

/// What Envoy answers where the connection to the service broke.
const BROKEN: u16 = 503;

/// What trailers may say of a body that is not the same any more.
const DIGESTS: [&str; 4] = ["digest", "content-digest", "repr-digest", "content-md5"];

impl Exchange {
    /// The response's head is there. What is meant for us goes no further; where it grants a token, that is the answer.
    pub(crate) fn answer_head(&mut self, end_of_stream: bool) -> Action {
        match &self.state {
            // Almost always, where no answer is looked at.
            State::Answer(answer) if !answer.is_touched() => Action::Continue,
            _ => self.touch_head(end_of_stream),
        }
    }

    #[inline(never)]
    fn touch_head(&mut self, end_of_stream: bool) -> Action {
        let withheld = self.withhold(Map::ResponseHeaders);
        let is_good = || response_status_field().is_some_and(|status| (200..300).contains(&status));
        let grants = |field: Option<&str>| {
            let field = field?;
            let values: Vec<Vec<u8>> =
                withheld.iter().filter(|(name, _)| name == field).map(|(_, value)| value.clone()).collect();
            (!values.is_empty() && is_good()).then_some(values)
        };
        let values = match &self.state {
            State::Body(body) => grants(body.login_field()),
            State::Answer(answer) => grants(answer.login_field()),
            _ => None,
        };
        let answer = match (values, self.take()) {
            (Some(values), State::Body(body)) => Some((body.finish(), values)),
            (Some(values), State::Answer(answer)) => Some((answer, values)),
            (_, other) => {
                self.state = other;
                None
            }
        };
        let Some((answer, values)) = answer else {
            self.tell_limits();
            return self.meet(!end_of_stream);
        };
        let (reply, done) = answer.grant(&values, now());
        send(&reply);
        self.state = State::Done(done);
        Action::Pause
    }

    /// Asks what becomes of the answer, if anybody wants it.
    fn meet(&mut self, has_body: bool) -> Action {
        let is_wanted = match &self.state {
            State::Body(body) => body.wants_answer(),
            State::Answer(answer) => answer.wants_answer(),
            _ => false,
        };
        if !is_wanted {
            return Action::Continue;
        }
        let began = calls::now_nanos();
        let now = millis(began);
        let fields = calls::header_pairs(Map::ResponseHeaders).and_then(Headers::from_wire).unwrap_or_default();
        let Some(mut head) = Head::new(fields, has_body) else { return Action::Continue };
        head.broke_off = head.status() == BROKEN && broke_off();
        let action = match self.take() {
            State::Body(body) => {
                let course = body.answer(head, now);
                self.follow(course, State::Body)
            }
            State::Answer(answer) => {
                let course = answer.answer(head, now);
                self.follow(course, State::Answer)
            }
            other => {
                self.state = other;
                Action::Continue
            }
        };
        self.clock.spend(began);
        action
    }

    /// A piece of the response's body is there; while it is held back `size` is that of all pieces.
    pub(crate) fn answer_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        // Almost always.
        if !matches!(self.state, State::Hold(_) | State::Watch(_)) {
            return Action::Continue;
        }
        self.look_at_body(size, end_of_stream)
    }

    #[inline(never)]
    fn look_at_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match self.take() {
            State::Hold(held) => {
                self.answer_bytes = self.answer_bytes.max(size);
                let is_long = self.answer_bytes > held.bytes_max();
                if is_long || end_of_stream {
                    return self.judge_answer(*held, is_long.then_some(Unread::TooLong));
                }
                self.state = State::Hold(held);
                Action::Pause
            }
            State::Watch(watched) => {
                self.watch(watched, size, end_of_stream);
                Action::Continue
            }
            other => {
                self.state = other;
                Action::Continue
            }
        }
    }

    /// The response's trailers are there, and with them its end.
    pub(crate) fn answer_trailers(&mut self) -> Action {
        self.withhold(Map::ResponseTrailers);
        match self.take() {
            State::Hold(held) => self.judge_answer(*held, None),
            State::Watch(watched) => {
                self.watch(watched, 0, true);
                Action::Continue
            }
            other => {
                self.state = other;
                Action::Continue
            }
        }
    }

    /// Ends the wait for a body that does not come.
    pub(super) fn give_up(&mut self, held: HeldAnswer) {
        let course = held.judge(&[], Some(Unread::Late), now());
        // A stream that cannot go on stays paused until it times out; nothing gets through.
        if self.follow(course, State::Answer) == Action::Continue && calls::continue_response().is_err() {
            calls::log(Level::Error, "portcullis: Envoy did not take up a response that was held back");
        }
    }

    fn judge_answer(&mut self, held: HeldAnswer, unread: Option<Unread>) -> Action {
        let began = calls::now_nanos();
        let bytes = match self.answer_bytes {
            0 => Some(Vec::new()),
            _ => calls::buffer(Buffer::ResponseBody, held.bytes_max()),
        };
        let unread = unread.or_else(|| bytes.is_none().then_some(Unread::Unavailable));
        let course = held.judge(&bytes.unwrap_or_default(), unread, millis(began));
        let action = self.follow(course, State::Answer);
        self.clock.spend(began);
        action
    }

    fn watch(&mut self, mut watched: Box<WatchedAnswer>, size: usize, end_of_stream: bool) {
        // A piece that is only copied costs less than to look how long that took.
        let began = if end_of_stream { calls::now_nanos() } else { 0 };
        let wanted = size.min(watched.room());
        if size > 0 {
            let bytes = if wanted > 0 { calls::buffer(Buffer::ResponseBody, wanted) } else { None };
            watched.piece(&bytes.unwrap_or_default(), size);
        }
        if end_of_stream {
            self.state = State::Answer(watched.end(millis(began)));
            self.clock.spend(began);
        } else {
            self.state = State::Watch(watched);
        }
    }

    /// Carries out what the engine says of an answer.
    fn follow<Next>(&mut self, course: Course<Next>, state: impl FnOnce(Next) -> State) -> Action {
        match course {
            Course::Pass(changes, next) => {
                self.state = state(next);
                // What should have been changed and was not stays where it is until the stream times out.
                match self.change(&changes) {
                    Ok(()) => Action::Continue,
                    Err(_) => Action::Pause,
                }
            }
            Course::Watch(changes, watched) => {
                self.state = State::Watch(watched);
                match self.change(&changes) {
                    Ok(()) => Action::Continue,
                    Err(_) => Action::Pause,
                }
            }
            Course::Hold(held) => {
                self.state = State::Hold(held);
                Action::Pause
            }
            Course::Replace(reply, done) => {
                send(&reply);
                self.state = State::Done(done);
                Action::Pause
            }
        }
    }

    fn change(&self, changes: &Changes) -> Result<(), Failed> {
        remove(Map::ResponseHeaders, &changes.remove);
        for (name, value) in &changes.set {
            let _ = calls::replace_header(Map::ResponseHeaders, name, value);
        }
        for (name, value) in &changes.add {
            let _ = calls::add_header(Map::ResponseHeaders, name, value);
        }
        let Some(body) = &changes.body else { return Ok(()) };
        DIGESTS.iter().for_each(|name| {
            let _ = calls::remove_header(Map::ResponseTrailers, name);
        });
        calls::replace_buffer(Buffer::ResponseBody, self.answer_bytes, body)
            .inspect_err(|_| calls::log(Level::Error, "portcullis: Envoy did not take a changed response"))
    }

    /// Takes away what is meant for us and not for the client, and returns it.
    fn withhold(&self, map: Map) -> Vec<(String, Vec<u8>)> {
        let withheld = self.engine.withheld();
        if withheld.is_empty() {
            return Vec::new();
        }
        let fields = calls::header_pairs(map).and_then(Headers::from_wire).unwrap_or_default();
        let mut found = Vec::new();
        for name in withheld {
            let before = found.len();
            found.extend(fields.all(name).map(|value| (name.to_owned(), value.to_vec())));
            if found.len() > before {
                let _ = calls::remove_header(map, name);
            }
        }
        found
    }

    /// Tells the client what is left of its limits.
    fn tell_limits(&self) {
        let headers = match &self.state {
            State::Body(body) => body.response_headers(),
            State::Answer(answer) => answer.response_headers(),
            _ => Vec::new(),
        };
        for (name, value) in headers {
            let _ = calls::add_header(Map::ResponseHeaders, name, &value);
        }
    }
}

/// The status that the service answered with.
fn response_status_field() -> Option<u16> {
    let fields = calls::header_pairs(Map::ResponseHeaders).and_then(Headers::from_wire)?;
    std::str::from_utf8(fields.first(":status")?).ok()?.parse().ok()
}
