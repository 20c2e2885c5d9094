//! What is known of one request, whatever state it is in, and the way out of every state: the verdict.

use super::watches::Watches;
use super::{Done, Step, World};
use crate::config::RouteId;
use crate::endpoints::audit::Act;
use crate::endpoints::Endpoint;
use crate::finding::Findings;
use crate::reply::Reply;
use crate::request::body::Body;
use crate::request::Request;
use crate::response::Response;
use crate::stages::anomaly;
use crate::stages::behaviour;
use crate::stages::business;
use crate::stages::exposure::volume;
use crate::stages::identity::{Caller, Proof};
use crate::stages::inspect;
use crate::stages::limits::{self, Ledger};
use crate::stages::manipulation;
use crate::stages::objects;
use crate::stages::quotes;
use crate::stages::risk::{self, Judgement, Refusal, Ruling};
use crate::stages::shape;
use crate::stages::workflow;
use crate::time::Millis;
use std::borrow::Cow;
use std::rc::Rc;

/// What is remembered of a request until it is over.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) world: Rc<World>,
    pub(super) route: RouteId,
    pub(super) request_id: String,
    pub(super) method: Cow<'static, str>,
    pub(super) grpc: bool,
    /// Whether it has a receipt though nothing is found.
    pub(super) sampled: bool,
    pub(super) caller: Caller,
    pub(super) proof: Option<Proof>,
    /// Whether the caller has proved what a challenge would ask for.
    pub(super) proved: bool,
    /// The nonce of the caller's next proof of possession.
    pub(super) nonce: Option<(&'static str, String)>,
    pub(super) findings: Findings,
    pub(super) ledger: Ledger,
    /// What it is watched for, if it is. In a box, as there is much of it.
    pub(super) watches: Option<Box<Watches>>,
    pub(super) judgement: Judgement,
    /// The endpoint of ours that it is for.
    pub(super) endpoint: Option<Endpoint>,
    /// What became of a request for a token.
    pub(super) act: Option<Act>,
    /// Bytes of its body so far.
    pub(super) request_bytes: u64,
    /// The request, where its answer may grant a token.
    pub(super) request: Option<Box<Request>>,
}

impl Case {
    /// A request of which nothing is known but its name. In a box, as it goes through many hands.
    pub(super) fn new(world: &Rc<World>, request_id: String) -> Box<Self> {
        Box::new(Self {
            world: Rc::clone(world),
            route: RouteId::Ambiguous,
            request_id,
            method: Cow::Borrowed(""),
            grpc: false,
            sampled: false,
            caller: Caller::Anonymous,
            proof: None,
            proved: false,
            nonce: None,
            findings: Findings::default(),
            ledger: Ledger::default(),
            watches: None,
            judgement: Judgement::default(),
            endpoint: None,
            act: None,
            request_bytes: 0,
            request: None,
        })
    }

    /// Applies the limits that can be applied now. What is refused already is charged to nobody.
    pub(super) fn limit(&mut self, request: &Request, body: Option<&Body>, now: Millis) {
        let world = &self.world;
        let config = &world.config;
        let route = config.routes.get(self.route);
        let risk = risk::so_far(config, route, &self.findings);
        let scene = world.scene(route, request, body, &self.caller, risk, now);
        limits::recognise(&scene, &mut self.ledger);
        if config.behaviour.is_some() || config.exposure.is_some() {
            let watches = self.watches.get_or_insert_default();
            behaviour::recognise(&scene, &mut watches.behaviour);
            volume::recognise(&scene, &mut watches.tab);
        }
        if !risk::is_refused(config, route, &self.findings) {
            limits::check(&scene, &mut self.findings, &mut self.ledger);
        }
    }

    /// Looks at what the head says. What is refused already is not looked at.
    pub(super) fn inspect_head(&mut self, request: &Request) {
        let world = &self.world;
        let (Some(inspector), Some(inspect)) = (&world.inspector, &world.config.inspect) else { return };
        let route = world.config.routes.get(self.route);
        if !risk::is_refused(&world.config, route, &self.findings) {
            inspect::check_head(inspector, inspect, route, request, &mut self.findings);
        }
    }

    /// Whether the body is to be looked at, and so to be waited for.
    pub(super) fn inspects_body(&self, request: &Request) -> bool {
        let config = &self.world.config;
        inspect::wants_body(config.inspect.as_ref(), config.routes.get(self.route), request)
    }

    /// Looks at what the body says.
    pub(super) fn inspect_body(&mut self, request: &Request, body: &Body, bytes: &[u8]) {
        let world = &self.world;
        let (Some(inspector), Some(inspect)) = (&world.inspector, &world.config.inspect) else { return };
        let route = world.config.routes.get(self.route);
        if !risk::is_refused(&world.config, route, &self.findings) {
            inspect::check_body(inspector, inspect, route, request, (body, bytes), &mut self.findings);
        }
    }

    /// Judges it by all that is said about its route beyond tokens, limits and payloads, as far as that can be done now.
    pub(super) fn follow(&mut self, request: &Request, body: Option<&Body>, now: Millis) {
        if self.world.config.routes.get(self.route).is_followed {
            self.apply_rules(request, body, now);
            self.follow_steps(request, body, now);
            self.weigh_objects(request, body, now);
        }
    }

    /// Judges it by the rules of its route that can be judged now. What is refused already is counted nowhere, and what is for
    /// an endpoint of ours is no business of theirs.
    fn apply_rules(&mut self, request: &Request, body: Option<&Body>, now: Millis) {
        let world = &self.world;
        let config = &world.config;
        let route = config.routes.get(self.route);
        let names = if body.is_some() { &route.watched.body } else { &route.watched.query };
        let is_free = route.rules.is_empty() && names.is_empty();
        if is_free || self.endpoint.is_some() || risk::is_refused(config, route, &self.findings) {
            return;
        }
        let risk = risk::so_far(config, route, &self.findings);
        let scene = world.scene(route, request, body, &self.caller, risk, now);
        business::check(&scene, &mut self.findings, &mut self.ledger.trace);
    }

    /// Looks at the steps that it does, the quotes that it has to keep to and what its actor plays with, as far as that can be
    /// done now. What is refused already has no part in these, nor has what is for an endpoint of ours.
    fn follow_steps(&mut self, request: &Request, body: Option<&Body>, now: Millis) {
        let world = &self.world;
        let config = &world.config;
        let route = config.routes.get(self.route);
        let is_watched = config.flows.manipulation.as_ref().is_some_and(|own| own.judges(&route.name));
        let has_part =
            is_watched || !(route.steps.is_empty() && route.captured.is_empty() && route.asserted.is_empty());
        if !has_part || self.endpoint.is_some() || risk::is_refused(config, route, &self.findings) {
            return;
        }
        let risk = risk::so_far(config, route, &self.findings);
        let scene = world.scene(route, request, body, &self.caller, risk, now);
        let watches = self.watches.get_or_insert_default();
        workflow::check_steps(&scene, &mut watches.progress, &mut self.findings, &mut self.ledger.trace);
        match body {
            None => watches.heard.listen(&scene),
            Some(_) => quotes::check_request(&scene, &mut self.findings),
        }
        manipulation::check(&scene, &mut self.findings, &mut self.ledger.trace);
    }

    /// The head of the service's answer is there, and the client has not seen it yet: what it did is done, or is not.
    pub(super) fn settle_steps(&mut self, status: Option<u16>, passed: bool, now: Millis) {
        if let Some(watches) = &mut self.watches {
            watches.progress.settle(status, passed, &mut self.ledger.trace, &self.world.ground(now));
        }
    }

    /// It was permitted, and did not go on after all.
    pub(super) fn withdraw(&mut self) {
        if let Some(watches) = &mut self.watches {
            watches.progress.withdraw();
        }
    }

    /// Counts a piece of the body that passes.
    pub(super) fn count<Next>(
        mut self: Box<Self>,
        piece_bytes: usize,
        next: impl FnOnce(Box<Self>) -> Next,
    ) -> Step<Next> {
        self.request_bytes = self.request_bytes.saturating_add(u64::try_from(piece_bytes).unwrap_or(u64::MAX));
        let world = &self.world;
        shape::check_body(world.config.routes.get(self.route), self.request_bytes, &mut self.findings);
        self.settle(next)
    }

    /// Looks at whose things it asks for: what the head names before the body is there, the rest afterwards.
    fn weigh_objects(&mut self, request: &Request, body: Option<&Body>, now: Millis) {
        let world = &self.world;
        let config = &world.config;
        let route = config.routes.get(self.route);
        if config.objects.is_none() || risk::is_refused(config, route, &self.findings) {
            return;
        }
        let scene = world.scene(route, request, body, &self.caller, 0, now);
        objects::check(&scene, &mut self.watches.get_or_insert_default().objects, &mut self.findings);
    }

    /// Adds what is known of the actors it belongs to. Once.
    pub(super) fn recall(&mut self, request: &Request, now: Millis) {
        let config = &self.world.config;
        if config.anomaly.is_some() || config.behaviour.is_some() || config.exposure.is_some() {
            self.recall_actors(request, now);
        }
    }

    #[inline(never)]
    fn recall_actors(&mut self, request: &Request, now: Millis) {
        let world = &self.world;
        let config = &world.config;
        let route = config.routes.get(self.route);
        let scene = world.scene(route, request, None, &self.caller, 0, now);
        let watches = self.watches.get_or_insert_default();
        if config.anomaly.is_some() {
            anomaly::check(&scene, &world.usual, watches.anomaly.get_or_insert_default(), &mut self.findings);
        }
        behaviour::check(&world.ground(now), &world.programs, &mut watches.behaviour, &mut self.findings);
        volume::check(&world.ground(now), &watches.tab, &mut self.findings);
    }

    /// See [`Done::wants_receipt`].
    pub(super) fn wants_receipt(&self) -> bool {
        self.sampled || !self.judgement.weighed.is_empty()
    }

    /// Where findings become a verdict: the way out of every state that can refuse.
    pub(super) fn settle<Next>(mut self: Box<Self>, next: impl FnOnce(Box<Self>) -> Next) -> Step<Next> {
        let permit = match risk::acquit(&self.findings) {
            Some(permit) => permit,
            None => match self.judge() {
                Ruling::Forward(permit) => permit,
                Ruling::Refuse(refusal) => return self.refuse(&refusal),
            },
        };
        if let Some(watches) = &mut self.watches {
            watches.progress.send();
        }
        Step::Forward(permit, next(self))
    }

    /// Judges it by what was found.
    pub(super) fn judge(&mut self) -> Ruling {
        let route = self.world.config.routes.get(self.route);
        let (judgement, ruling) = risk::judge(&self.world.config, route, &self.findings, self.proved);
        self.judgement = judgement;
        ruling
    }

    /// The way out of a request that was judged and does not go on.
    pub(super) fn refuse<Next>(self: Box<Self>, refusal: &Refusal) -> Step<Next> {
        let route = self.world.config.routes.get(self.route);
        let reply = Reply::new(refusal, route, &self.caller, &self.request_id, self.grpc);
        let response = Response { status: Some(reply.status), bytes: 0 };
        Step::Refuse(reply, Box::new(Done { case: self, response }))
    }

    pub(super) fn response_headers(&self) -> Vec<(&'static str, String)> {
        let config = &self.world.config;
        let mut headers = if config.telemetry.limit_headers {
            limits::headers(&self.ledger.applied, |index| config.limits.get(index))
        } else {
            Vec::new()
        };
        headers.extend(self.nonce.clone());
        headers
    }

    pub(super) fn upstream_headers(&self) -> Vec<(&'static str, String)> {
        if !self.world.config.telemetry.upstream_headers {
            return Vec::new();
        }
        let risk = format!("{:.3}", self.judgement.risk);
        vec![("x-portcullis-verdict", self.judgement.outcome().to_owned()), ("x-portcullis-risk", risk)]
    }
}
