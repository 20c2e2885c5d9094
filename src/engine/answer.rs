//! The service's answer on its way to the client.
//!
//! ```text
//!          ┌─ nobody wants the body ─► Pass ──────────────────────────────────────────────► Answer
//! Head ────┼─ somebody wants a copy ─► Watch ─ pieces pass ─► judged when they have passed ► Answer
//!          └─ somebody may change it ► Hold ── judged ──┬─► Pass, perhaps with another body ► Answer
//!                                                       └─► Replace, by a reply ────────────► Done
//! ```
//!
//! What the stages want is asked in one place ([`Case::wants_of_answer`]), and told what came in another
//! ([`Case::weigh_answer`]); all of them share one [`Content`]. Nothing is held for a route that asks nothing, and no stream is
//! ever held. The request may still be arriving: what comes of it is counted all the same.
//!
//! Bounds: of a body at most [`HeldAnswer::bytes_max`] are held back or copied; the rest has passed or follows the policy.

use super::{Answer, Body, Case, Done, Step};
use crate::config::Mode;
use crate::finding::Findings;
use crate::reply::Reply;
use crate::request::Request;
use crate::response::{Content, Form, Head, Response, Unread};
use crate::stages::{exposure, risk};
use crate::time::Millis;
use std::rc::Rc;

/// How a client allows compression (RFC 9110 §12.5.3).
const ACCEPT_ENCODING: &str = "accept-encoding";

/// The field that a service has as many of as it likes (RFC 6265 §3).
const SET_COOKIE: &str = "set-cookie";

/// What makes an answer one that cannot be read: compressed, in another character set, a part (RFC 9110 §12.5, §14.2;
/// `request-range` is an older name of `range`), or what is different in it (RFC 3229). A service need not do any of it.
const EVASIVE: [&str; 6] = [ACCEPT_ENCODING, "accept-charset", "range", "request-range", "if-range", "a-im"];

/// What is wanted of the body of an answer. Of several wishes the greatest counts.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Want {
    /// It may pass unseen.
    #[default]
    Nothing,
    /// To know what it said, once it has passed.
    Copy,
    /// To see it before the client does.
    Hold,
}

/// What becomes of an answer.
#[derive(Debug)]
pub enum Course<Next> {
    /// It goes on, with these changes.
    Pass(Changes, Next),
    /// Nothing of it may go on before its body is there.
    Hold(Box<HeldAnswer>),
    /// It goes on as it comes, with these changes; the pieces of its body are to be shown as they pass.
    Watch(Changes, Box<WatchedAnswer>),
    /// A reply takes its place.
    Replace(Reply, Box<Done>),
}

/// What is changed on an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Header fields to take away.
    pub remove: Vec<String>,
    /// Header fields to write, in place of those of the same name.
    pub set: Vec<(&'static str, String)>,
    /// Header fields to write besides those that there are.
    pub add: Vec<(String, String)>,
    /// The body that takes the place of the one held back.
    pub body: Option<Vec<u8>>,
}

/// What the stages say of an answer.
#[derive(Debug, Default)]
pub(super) struct Opinion {
    pub(super) changes: Changes,
    /// What the client gets in its place.
    pub(super) reply: Option<Reply>,
}

/// An answer that is held back until its body is there.
#[derive(Debug)]
pub struct HeldAnswer {
    case: Box<Case>,
    head: Head,
    bytes_max: usize,
    since: Millis,
}

/// An answer whose body is copied as it passes.
#[derive(Debug)]
pub struct WatchedAnswer {
    case: Box<Case>,
    head: Head,
    bytes_max: usize,
    copy: Vec<u8>,
    unread: Option<Unread>,
}

impl Case {
    /// Decides by the head what becomes of an answer.
    pub(super) fn meet<Next>(
        mut self: Box<Self>,
        head: Head,
        want: Want,
        now: Millis,
        next: impl FnOnce(Box<Self>) -> Next,
    ) -> Course<Next> {
        self.settle_steps(Some(head.status()), !head.broke_off, now);
        let bytes_max = self.world.config.response.body_read_max;
        let obstacle = head.obstacle().filter(|_| want != Want::Nothing);
        match want {
            Want::Hold if obstacle.is_none() && head.form() != Form::None => {
                Course::Hold(Box::new(HeldAnswer { case: self, head, bytes_max, since: now }))
            }
            Want::Copy if obstacle.is_none() && head.form() != Form::None => {
                let opinion = self.weigh_head(&head, None);
                self.carry_on(opinion, |case, changes| {
                    let unread = None;
                    Course::Watch(
                        changes,
                        Box::new(WatchedAnswer { case, head, bytes_max, copy: Vec::new(), unread }),
                    )
                })
            }
            _ => {
                let opinion = self.weigh_head(&head, obstacle);
                self.carry_on(opinion, |case, changes| Course::Pass(changes, next(case)))
            }
        }
    }

    fn carry_on<Next>(
        mut self: Box<Self>,
        opinion: Opinion,
        on: impl FnOnce(Box<Self>, Changes) -> Course<Next>,
    ) -> Course<Next> {
        match opinion.reply {
            None => {
                let mut changes = opinion.changes;
                changes.add = self.watches.as_mut().map(|watches| watches.progress.issued()).unwrap_or_default();
                // Nobody but us tells clients how far they have come. A service may set other cookies.
                let ours = changes.add.iter().map(|(name, _)| name.clone());
                changes.remove.extend(ours.filter(|name| name != SET_COOKIE));
                on(self, changes)
            }
            Some(mut reply) => {
                reply.headers.extend(self.response_headers());
                let response = Response { status: Some(reply.status), bytes: 0 };
                Course::Replace(reply, Box::new(Done { case: self, response }))
            }
        }
    }
}

impl Case {
    /// Whether anybody may ask for the answer: its head is not even read otherwise.
    fn wants_answer(&self) -> bool {
        self.world.config.exposure.is_some() || self.watches.as_ref().is_some_and(|watches| watches.wants_answer())
    }

    /// Whether its answer tells quotes.
    fn is_listening(&self) -> bool {
        self.watches.as_ref().is_some_and(|watches| watches.heard.is_listening())
    }

    /// Whether anything is taken out of the head of an answer, or told in it, or asked of it.
    fn touches_answer(&self) -> bool {
        let config = &self.world.config;
        self.wants_answer() || self.nonce.is_some() || config.telemetry.limit_headers || config.minting.is_some()
    }

    /// What is wanted of the body of an answer with this head. Whoever wants it adds a wish here, and says what it makes of it in
    /// [`Case::weigh_answer`].
    fn wants_of_answer(&self, head: &Head) -> Want {
        // A tunnel has no body.
        let scene = self.disclosure().filter(|_| self.method != "CONNECT");
        let wish = scene.map(|scene| exposure::wish(&scene, head)).unwrap_or_default();
        let tells = self.is_listening() && head.form() == Form::Json && (200..300).contains(&head.status());
        let most = u64::try_from(self.world.config.response.body_read_max).unwrap_or(u64::MAX);
        let is_long = head.announced_bytes().is_some_and(|bytes| bytes > most);
        // What is known to be too long is held for what would stop it, and not for what could not change it anyway.
        let holds = if is_long { wish.stops } else { wish.holds };
        match (holds, wish.reads || tells) {
            (true, _) => Want::Hold,
            (false, true) => Want::Copy,
            (false, false) => Want::Nothing,
        }
    }

    /// What the stages say of a head, and of a body that cannot be read although it is wanted.
    fn weigh_head(&mut self, head: &Head, unread: Option<Unread>) -> Opinion {
        let mut findings = Findings::default();
        let Some(scene) = self.disclosure() else { return Opinion::default() };
        let changes = exposure::check_head(&scene, head, unread, &mut findings);
        self.conclude(head, changes, findings, true)
    }

    /// What they say of a body. What has passed already can only be noted.
    fn weigh_answer(&mut self, content: &Content<'_>, is_held: bool, now: Millis) -> Opinion {
        let world = Rc::clone(&self.world);
        // Nobody else asks for it as a document, which costs as much as all the rest.
        let watches = self.watches.as_mut().filter(|watches| watches.heard.is_listening());
        if let Some((watches, document)) = watches.and_then(|watches| Some((watches, content.document()?))) {
            watches.heard.capture(document, &mut self.ledger.trace, &world.ground(now));
        }
        let mut findings = Findings::default();
        let Some(scene) = self.disclosure() else { return Opinion::default() };
        // What passes as it comes has had its head judged already.
        let mut changes = exposure::Changes::default();
        if is_held {
            changes = exposure::check_head(&scene, content.head, None, &mut findings);
        }
        let own = exposure::check_body(&scene, content, is_held, &mut findings);
        changes.remove.extend(own.remove);
        let changes = exposure::Changes { remove: changes.remove, ..own };
        if let Some(watches) = &mut self.watches {
            watches.tab.records.clone_from(&changes.records);
        }
        self.conclude(content.head, changes, findings, is_held)
    }

    /// Adds the fields by which a client asks for its answer in a form that would hide it from a rule in force.
    pub(super) fn add_evasive_fields(&self, request: &Request, fields: &mut Vec<String>) {
        let exposure = self.world.config.exposure.as_ref();
        let route = self.world.config.routes.get(self.route);
        let reading = exposure.filter(|own| own.may_change(&route.name) || own.counts_records(&route.name));
        let is_heard = !route.captured.is_empty();
        if route.mode == Mode::Monitor || !(is_heard || reading.is_some()) {
            return;
        }
        let is_plain = is_heard || reading.is_some_and(|exposure| exposure.plain_responses);
        let asks = |name: &str| request.headers.first(name).is_some();
        let evasive = EVASIVE.into_iter().filter(|name| asks(name) && (is_plain || *name != ACCEPT_ENCODING));
        fields.extend(evasive.map(str::to_owned));
    }

    /// What a response is judged by, if it is.
    fn disclosure(&self) -> Option<exposure::Scene<'_>> {
        let config = &self.world.config;
        let exposure = config.exposure.as_ref()?;
        Some(exposure::Scene {
            config,
            exposure,
            route: config.routes.get(self.route),
            claims: self.caller.claims(),
        })
    }

    /// Where findings about an answer become its fate, unless it has passed: then nothing that they say is carried out.
    fn conclude(
        &mut self,
        head: &Head,
        changes: exposure::Changes,
        mut findings: Findings,
        is_held: bool,
    ) -> Opinion {
        let world = Rc::clone(&self.world);
        let route = world.config.routes.get(self.route);
        if !is_held {
            findings.hold_back(|finding| world.config.stops(finding, route.mode));
        }
        let withheld = risk::judge_response(&world.config, route, &findings, &mut self.judgement);
        let reply = withheld.then(|| Reply::withheld(head.status(), risk::WITHHELD, &self.request_id));
        let exposure::Changes { remove, length, body, .. } = changes;
        let set = length.map(|length| ("content-length", length.to_string())).into_iter().collect();
        Opinion { changes: Changes { remove, set, add: Vec::new(), body }, reply }
    }
}

impl Body {
    /// Whether anybody asks for the answer.
    pub fn wants_answer(&self) -> bool {
        self.case.wants_answer()
    }

    /// The head of the answer is there, before the request was.
    pub fn answer(self, head: Head, now: Millis) -> Course<Self> {
        let want = self.case.wants_of_answer(&head);
        self.case.meet(head, want, now, |case| Self { case })
    }
}

impl Answer {
    /// Whether it has a receipt, as far as is known now: see [`Done::wants_receipt`].
    pub fn wants_receipt(&self) -> bool {
        self.case.wants_receipt()
    }

    /// Whether the head of the answer has to be looked at, or changed.
    pub fn is_touched(&self) -> bool {
        self.case.touches_answer()
    }

    /// Whether anybody asks for the answer.
    pub fn wants_answer(&self) -> bool {
        self.case.wants_answer()
    }

    /// The head of the answer is there.
    pub fn answer(self, head: Head, now: Millis) -> Course<Self> {
        let want = self.case.wants_of_answer(&head);
        self.case.meet(head, want, now, |case| Self { case })
    }

    /// Counts a piece of the request that comes after its answer has begun.
    pub fn judge(self, piece_bytes: usize) -> Step<Self> {
        self.case.count(piece_bytes, |case| Self { case })
    }
}

impl HeldAnswer {
    /// Bytes of the body after which no more is waited for.
    pub const fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// When the wait is over, whatever came.
    pub fn deadline(&self) -> Millis {
        self.since.saturating_add(self.case.world.config.response.body_wait_max)
    }

    /// The body is there, or as much of it as will be waited for.
    pub fn judge(mut self, bytes: &[u8], unread: Option<Unread>, now: Millis) -> Course<Answer> {
        let content = Content::new(&self.head, bytes, unread);
        let opinion = self.case.weigh_answer(&content, true, now);
        self.case.carry_on(opinion, |case, changes| Course::Pass(changes, Answer { case }))
    }

    /// See [`Answer::judge`].
    pub fn judge_request(self, piece_bytes: usize) -> Step<Box<Self>> {
        let Self { case, head, bytes_max, since } = self;
        case.count(piece_bytes, |case| Box::new(Self { case, head, bytes_max, since }))
    }

    /// The client or the service has left.
    pub fn abandon(self) -> Box<Done> {
        Box::new(Done { case: self.case, response: Response::default() })
    }
}

impl WatchedAnswer {
    /// How much of the next piece is worth copying.
    pub fn room(&self) -> usize {
        self.bytes_max.saturating_sub(self.copy.len())
    }

    /// A piece has passed. `bytes` is as much of it as there was room for.
    pub fn piece(&mut self, bytes: &[u8], size: usize) {
        self.copy.extend_from_slice(bytes.get(..self.room()).unwrap_or(bytes));
        if bytes.len() < size {
            self.unread = Some(Unread::TooLong);
        }
    }

    /// All of it has passed.
    pub fn end(mut self, now: Millis) -> Answer {
        let content = Content::new(&self.head, &self.copy, self.unread);
        // It has passed, so nothing can be changed any more.
        let _too_late = self.case.weigh_answer(&content, false, now);
        Answer { case: self.case }
    }

    /// See [`Answer::judge`].
    pub fn judge_request(self, piece_bytes: usize) -> Step<Box<Self>> {
        let Self { case, head, bytes_max, copy, unread } = self;
        case.count(piece_bytes, |case| Box::new(Self { case, head, bytes_max, copy, unread }))
    }
}

#[cfg(test)]
mod tests;
