//! Requests that wait, and answers: what each waits for, how long, and what comes of it.
//!
//! A wait ends when what it is for has come, or on a tick when its time is up (`stream.rs`), since Envoy's own time-outs may not fire.

use super::clock::now;
use super::{Exchange, State};
use crate::engine::waiting::{Held, Wait};
use crate::engine::{Body, Step};
use crate::host::callout;
use crate::host::calls::{self, Buffer};
use crate::host::contexts::Action;
use crate::request::body::Unread;
use crate::stages::identity::introspection;
use crate::time::Millis;

impl Exchange {
    /// Whether the request waits, or its answer.
    pub(crate) const fn waits(&self) -> bool {
        matches!(self.state, State::Wait(_) | State::Hold(_))
    }

    /// Whether it has waited long enough.
    pub(crate) fn is_due(&self, now: Millis) -> bool {
        match &self.state {
            State::Wait(wait) => wait.deadline() <= now,
            State::Hold(held) => held.deadline() <= now,
            _ => false,
        }
    }

    /// Whether it has waited for documents that have come.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(&self.state, State::Wait(Wait::Identity(unidentified)) if unidentified.is_ready())
    }

    /// Judges its token with what has come.
    pub(crate) fn retry(&mut self, now: Millis) {
        match self.take() {
            State::Wait(Wait::Identity(unidentified)) => self.resume(unidentified.retry(now)),
            other => self.state = other,
        }
    }

    /// Ends the wait, whatever has come.
    pub(crate) fn expire(&mut self, now: Millis) {
        match self.take() {
            State::Wait(Wait::Body(held)) => {
                let beginning = calls::buffer(Buffer::RequestBody, held.bytes_max()).unwrap_or_default();
                self.judged_bytes = self.held_bytes;
                self.resume(held.judge_unread(Unread::Late, &beginning, self.held_bytes, now));
            }
            State::Wait(wait) => {
                self.token = None;
                self.resume(wait.expire(now));
            }
            State::Hold(held) => self.give_up(*held),
            other => self.state = other,
        }
    }

    /// Whether it waits for the answer to that callout.
    pub(crate) fn awaits(&self, token: u32) -> bool {
        self.token == Some(token)
    }

    /// What came of a callout, if this stream waits for it. The answer is read in the context whose callback this is.
    pub(crate) fn answered(&mut self, token: u32) -> Option<Step<Body>> {
        if !self.awaits(token) {
            return None;
        }
        self.token = None;
        match self.take() {
            State::Wait(Wait::Fleet(asking)) => {
                let answer = callout::counts(asking.question());
                Some(asking.judge(answer, now()))
            }
            State::Wait(Wait::Identity(unidentified)) => {
                let answer = callout::answer(introspection::ANSWER_BYTES_MAX);
                Some(unidentified.answer(answer, now()))
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    /// More of the body is there while the request waits. `size` is all that is held back.
    pub(super) fn wait_on(&mut self, wait: Wait, size: usize) -> Action {
        self.held_bytes = self.held_bytes.max(size);
        self.obey(Step::Wait(wait))
    }

    /// Reads the body, if all of it is there that is waited for.
    pub(super) fn read(&mut self, held: Held) -> Step<Body> {
        let size = self.held_bytes;
        let is_long = size > held.bytes_max();
        if !self.ended && !is_long {
            return Step::Wait(Wait::Body(held));
        }
        self.judged_bytes = size;
        match calls::buffer(Buffer::RequestBody, held.bytes_max().saturating_add(1)) {
            bytes if is_long => held.judge_unread(Unread::TooLong, &bytes.unwrap_or_default(), size, now()),
            Some(bytes) => held.judge(&bytes, now()),
            None if size == 0 => held.judge(b"", now()),
            None => held.judge_unread(Unread::Unavailable, b"", size, now()),
        }
    }
}
