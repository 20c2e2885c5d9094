//! The engine in place of the filter: one exchange after the other, at the time it was recorded.
//!
//! There is one worker with a memory of its own, and no fleet, introspection or other service behind it: what a request would wait
//! for and no file has, is not there in time, and the failure policy decides. Documents can come from files.

use crate::args::Served;
use crate::traffic::Exchange;
use anyhow::{Context, Result};
use portcullis::config::{Config, RouteId};
use portcullis::engine::answer::Course;
use portcullis::engine::waiting::Wait;
use portcullis::engine::{Answer, Body, Done, Engine, Fetch, Ports, Step};
use portcullis::remote::answer::{Answer as Document, Fault};
use portcullis::request::body::Unread;
use portcullis::request::headers::Headers;
use portcullis::request::Request;
use portcullis::response::{Head, Response, Unread as AnswerUnread};
use portcullis::rls;
use portcullis::stages::risk::Weighed;
use portcullis::time::Millis;
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;

/// A configuration at work.
pub(crate) struct Driver {
    engine: Engine,
    documents: BTreeMap<String, Vec<u8>>,
    now: Millis,
}

/// What came of one exchange.
pub(crate) struct Judged {
    pub(crate) route: RouteId,
    /// One of the outcomes: `allow`, `would_deny`, …
    pub(crate) outcome: &'static str,
    /// The outcome and, behind a colon, its public code.
    pub(crate) summary: String,
    pub(crate) findings: Vec<Weighed>,
    pub(crate) receipt: String,
}

impl Driver {
    /// An engine for this configuration, with these documents of other services.
    pub(crate) fn new(config: Config, documents: &[Served]) -> Result<Self> {
        let read = |served: &Served| {
            let bytes =
                fs::read(&served.file).with_context(|| format!("{} cannot be read", served.file.display()))?;
            Ok((served.uri.clone(), bytes))
        };
        let documents = documents.iter().map(read).collect::<Result<_>>()?;
        // Nobody attacks the hashes of a replay, and the same traffic has to give the same result.
        let engine = Engine::new(config, Ports::in_process([7; 16]));
        Ok(Self { engine, documents, now: Millis::default() })
    }

    pub(crate) fn config(&self) -> &Config {
        self.engine.config()
    }

    /// Takes one exchange through the engine. Time never runs backwards.
    pub(crate) fn judge(&mut self, exchange: &Exchange, source: IpAddr, at: Millis) -> Judged {
        self.now = self.now.max(at);
        let now = self.now;
        let fields = exchange.fields.iter().map(|(name, value)| (name, value));
        let request =
            Request::new(Headers::from_pairs(fields), move || Some(source)).reached_by(move || Some(source));
        let is_head = request.method() == "HEAD";
        let head = self.engine.open(request, now, || "-".to_owned());
        let step = self.wait(head.judge(!exchange.body.is_empty()), &exchange.body, now);
        let (mut done, response) = match step {
            Step::Forward(_permit, body) => self.answer(body.finish(), exchange, is_head),
            Step::Refuse(reply, done) | Step::Serve(reply, done) => {
                let bytes = u64::try_from(reply.body.len()).unwrap_or(u64::MAX);
                (done, Response { status: Some(reply.status), bytes })
            }
            Step::Wait(wait) => (wait.abandon(), Response::default()),
        };
        done.close(response, now);
        Judged {
            route: done.route(),
            outcome: done.outcome(),
            summary: done.summary(),
            findings: done.findings().to_vec(),
            receipt: done.receipt(response, Some(source), None),
        }
    }

    /// Ends every wait: with what is there, or without.
    fn wait(&self, mut step: Step<Body>, body: &[u8], now: Millis) -> Step<Body> {
        let mut passed = false;
        // There are three things to wait for, each of them twice at most.
        for _ in 0..6 {
            step = match step {
                Step::Wait(Wait::Identity(unidentified)) => {
                    self.serve(now);
                    if unidentified.is_ready() {
                        unidentified.retry(now)
                    } else {
                        Wait::Identity(unidentified).expire(now)
                    }
                }
                Step::Wait(Wait::Body(held)) => {
                    passed = true;
                    let beginning = body.get(..held.bytes_max()).unwrap_or(body);
                    if beginning.len() == body.len() {
                        held.judge(body, now)
                    } else {
                        held.judge_unread(Unread::TooLong, beginning, body.len(), now)
                    }
                }
                Step::Wait(Wait::Fleet(asking)) => {
                    asking.judge(Err(rls::Fault::Unavailable("there is none")), now)
                }
                Step::Forward(_permit, passing) if !passed && !body.is_empty() => {
                    passed = true;
                    passing.judge(body.len())
                }
                settled => return settled,
            };
        }
        step
    }

    /// Hands out the documents that are to be fetched.
    fn serve(&self, now: Millis) {
        let mut open: Vec<Fetch> = self.engine.fetches(now);
        while let Some(fetch) = open.pop() {
            let body = self.documents.get(&fetch.place()).cloned();
            let answer = body.map(|body| Document::Document { etag: None, body });
            let answer = answer.ok_or_else(|| Fault("there is no file for it".to_owned()));
            open.extend(self.engine.fetched(fetch, answer, now).err());
        }
        self.engine.look();
    }

    /// Takes the recorded answer through the engine.
    fn answer(&self, answer: Answer, exchange: &Exchange, is_head: bool) -> (Box<Done>, Response) {
        let response = Response { status: exchange.status, bytes: exchange.answer_bytes };
        let body = exchange.answer.as_deref().unwrap_or_default();
        let status = exchange.status.map(|status| (":status".to_owned(), status.to_string().into_bytes()));
        let fields = status.into_iter().chain(exchange.answer_fields.clone());
        let Some(head) = Head::new(Headers::from_pairs(fields), !is_head && !body.is_empty()) else {
            return (Box::new(answer.finish(response)), response);
        };
        let answer = match answer.answer(head, self.now) {
            Course::Pass(_, answer) => answer,
            Course::Watch(_, mut watched) => {
                let room = watched.room().min(body.len());
                watched.piece(body.get(..room).unwrap_or(body), body.len());
                watched.end(self.now)
            }
            Course::Hold(held) => {
                let read = body.get(..held.bytes_max()).unwrap_or(body);
                let unread = (read.len() < body.len()).then_some(AnswerUnread::TooLong);
                match held.judge(read, unread, self.now) {
                    Course::Pass(_, answer) => answer,
                    Course::Replace(reply, done) => {
                        return (done, Response { status: Some(reply.status), bytes: 0 });
                    }
                    // What is there is held back once.
                    Course::Watch(_, watched) => watched.end(self.now),
                    Course::Hold(held) => return (held.abandon(), response),
                }
            }
            Course::Replace(reply, done) => return (done, Response { status: Some(reply.status), bytes: 0 }),
        };
        (Box::new(answer.finish(response)), response)
    }
}
