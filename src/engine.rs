//! A request's life: Head → Body → Answer → Done.
//!
//! ```text
//! Head ──► shape ─► identity ─► limits ─► risk ─┬─► Permit, Body ──► Answer ──► Done
//!                                               └─► Reply ────────────────────► Done
//! ```
//!
//! Each state is its own type and each transition consumes it, so a wrong order does not compile. This is the only
//! file that knows the order of the stages. Every exit passes through `settle`, where findings become a verdict.

use crate::config::{Config, FailurePolicy, RouteId};
use crate::finding::{Finding, Findings, Weight};
use crate::memory::{Memory, Shared};
use crate::receipt::{self, Subject};
use crate::reply::Reply;
use crate::request::headers::Headers;
use crate::request::{Request, INTERNAL_PREFIX};
use crate::response::Response;
use crate::stages::identity::{self, Caller};
use crate::stages::limits::{self, Ledger, Scene};
use crate::stages::risk::{self, Judgement, Permit, Ruling, Weighed};
use crate::stages::{shape, INTERNAL};
use crate::time::Millis;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;

/// The stages under one configuration, with the memory of all requests. Cheap to clone: one for each request.
#[derive(Debug, Clone)]
pub struct Engine {
    world: Rc<World>,
}

/// What does not change from request to request.
#[derive(Debug)]
struct World {
    config: Config,
    memory: Memory,
    shared: Box<dyn Shared>,
}

/// A request whose head has been read and not yet judged.
#[derive(Debug)]
pub struct Head {
    case: Case,
    request: Request,
    now: Millis,
}

/// A permitted request whose body is passing.
#[derive(Debug)]
pub struct Body {
    case: Case,
    bytes: u64,
}

/// A permitted request that has been sent completely; the upstream's answer is awaited or passing.
#[derive(Debug)]
pub struct Answer {
    case: Case,
}

/// A request that is over, refused or answered.
#[derive(Debug)]
pub struct Done {
    case: Case,
    response: Response,
}

/// Where a judgement leads.
#[derive(Debug)]
pub enum Step<Next> {
    /// On, with proof that it may.
    Forward(Permit, Next),
    /// Out, with what to tell the client.
    Refuse(Reply, Box<Done>),
}

/// What is remembered of a request until it is over.
#[derive(Debug)]
struct Case {
    world: Rc<World>,
    route: RouteId,
    request_id: String,
    method: String,
    grpc: bool,
    caller: Caller,
    findings: Findings,
    ledger: Ledger,
    judgement: Judgement,
}

impl Engine {
    /// An engine for a configuration, on the memory that the workers of this process share. `random` is used as their
    /// common secret if they have none yet. All memory that will ever be needed is taken here.
    pub fn new(config: Config, shared: Box<dyn Shared>, random: [u8; 16]) -> Self {
        let memory = Memory::open(shared.as_ref(), config.memory.budget_bytes, random);
        if !config.limits.is_empty() {
            memory.seed(shared.as_ref());
        }
        Self { world: Rc::new(World { config, memory, shared }) }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.world.config
    }

    /// Takes a request in. `now` is wall-clock time; `fallback_id` names the request if Envoy did not.
    pub fn open(&self, request: Request, now: Millis, fallback_id: impl FnOnce() -> String) -> Head {
        let routes = &self.config().routes;
        let host = routes.use_hosts().then(|| request.host()).flatten().unwrap_or_default();
        let route = match &request.path {
            Ok(path) => routes.find(&host, request.method(), &path.normal),
            Err(_) => RouteId::Ambiguous,
        };
        let case = Case {
            route,
            method: request.method().to_owned(),
            grpc: request.is_grpc(),
            ..Case::new(&self.world, request.id.clone().unwrap_or_else(fallback_id))
        };
        Head { case, request, now }
    }

    /// Judges a request that the host could not show us: the failure policy decides, and it is counted.
    pub fn judge_unreadable(&self, reason: &'static str, request_id: String) -> Step<Body> {
        let policy = self.config().identity.as_ref().map(|identity| identity.on_internal_error);
        let weight = policy.map_or(Weight::Note, FailurePolicy::weight);
        let mut case = Case::new(&self.world, request_id);
        case.findings.add(Finding::new(&INTERNAL, reason).weighing(weight));
        case.settle(|case| Body { case, bytes: 0 })
    }
}

impl Head {
    /// Runs the stages that need the head alone.
    pub fn judge(self) -> Step<Body> {
        let Self { mut case, request, now } = self;
        let world = Rc::clone(&case.world);
        let World { config, memory, shared } = world.as_ref();
        let route = config.routes.get(case.route);
        shape::check_head(&config.request, route, &request, &mut case.findings);
        // What is refused already needs no signature checked, and is charged to nobody.
        if !risk::is_refused(config, route, &case.findings) {
            case.caller = identity::check(config, route, &request, now, &mut case.findings);
        }
        if !risk::is_refused(config, route, &case.findings) {
            let shared = shared.as_ref();
            let scene = Scene { config, memory, shared, route, request: &request, caller: &case.caller, now };
            limits::check(&scene, &mut case.findings, &mut case.ledger);
        }
        let ours = internal_fields(&request.headers);
        match case.settle(|case| Body { case, bytes: 0 }) {
            Step::Forward(mut permit, body) => {
                permit.remove = ours;
                permit.add = body.case.upstream_headers();
                Step::Forward(permit, body)
            }
            refuse @ Step::Refuse(..) => refuse,
        }
    }
}

impl Body {
    /// Counts a piece of the body that passes.
    pub fn judge(self, piece_bytes: usize) -> Step<Self> {
        let Self { mut case, bytes } = self;
        let bytes = bytes.saturating_add(u64::try_from(piece_bytes).unwrap_or(u64::MAX));
        let world = Rc::clone(&case.world);
        shape::check_body(world.config.routes.get(case.route), bytes, &mut case.findings);
        case.settle(|case| Self { case, bytes })
    }

    /// Which trailers must not reach the upstream: trailers are merged into the header fields by some (RFC 9110 §6.5).
    pub fn judge_trailers(&self, trailers: &Headers) -> Vec<String> {
        internal_fields(trailers)
    }

    /// The whole request has been sent, or the upstream answered before it was.
    pub fn finish(self) -> Answer {
        Answer { case: self.case }
    }
}

impl Answer {
    /// The exchange is over.
    pub fn finish(self, response: Response) -> Done {
        Done { case: self.case, response }
    }
}

impl Done {
    /// The route, for the statistics.
    pub fn route(&self) -> RouteId {
        self.case.route
    }

    /// One of [`Judgement::OUTCOMES`].
    pub fn outcome(&self) -> &'static str {
        self.case.judgement.outcome()
    }

    /// Gives back what the request held while it was in flight. Once, when it is over.
    pub fn release(&mut self, now: Millis) {
        let World { config, memory, shared } = self.case.world.as_ref();
        self.case.ledger.release(config, memory, shared.as_ref(), now);
    }

    /// What the limits said, and what the memory met.
    pub fn ledger(&self) -> &Ledger {
        &self.case.ledger
    }

    /// What was found, as it was judged.
    pub fn findings(&self) -> &[Weighed] {
        &self.case.judgement.weighed
    }

    /// The verdict in one word, with the public code behind a colon: `allow`, `deny:token_expired`.
    pub fn summary(&self) -> String {
        match self.case.judgement.code {
            Some(code) => format!("{}:{code}", self.outcome()),
            None => self.outcome().to_owned(),
        }
    }

    /// Whether a receipt is to be written: whenever something was found, and for the configured share of the rest.
    pub fn wants_receipt(&self) -> bool {
        if !self.findings().is_empty() {
            return true;
        }
        let share = self.case.world.config.telemetry.allow_sample.value();
        // The same request is sampled wherever it passes; the seeds are of no importance.
        share > 0.0
            && share >= fraction(ahash::RandomState::with_seeds(1, 2, 3, 4).hash_one(&self.case.request_id))
    }

    /// The receipt, given what the host knows of the answer and the peer, and how long the filter worked.
    pub fn receipt(&self, response: Response, source: Option<IpAddr>, spent_nanos: u64) -> String {
        let case = &self.case;
        receipt::write(&Subject {
            config: &case.world.config,
            route: case.world.config.routes.get(case.route),
            request_id: &case.request_id,
            method: &case.method,
            caller: &case.caller,
            source,
            judgement: &case.judgement,
            response: Response { status: response.status.or(self.response.status) },
            spent_nanos,
        })
    }
}

impl Case {
    /// A request of which nothing is known but its name.
    fn new(world: &Rc<World>, request_id: String) -> Self {
        Self {
            world: Rc::clone(world),
            route: RouteId::Ambiguous,
            request_id,
            method: String::new(),
            grpc: false,
            caller: Caller::Anonymous,
            findings: Findings::default(),
            ledger: Ledger::default(),
            judgement: Judgement::default(),
        }
    }

    /// Where findings become a verdict: the way out of every state that can refuse.
    fn settle<Next>(mut self, next: impl FnOnce(Self) -> Next) -> Step<Next> {
        let world = Rc::clone(&self.world);
        let route = world.config.routes.get(self.route);
        let (judgement, ruling) = risk::judge(&world.config, route, &self.findings);
        self.judgement = judgement;
        match ruling {
            Ruling::Forward(permit) => Step::Forward(permit, next(self)),
            Ruling::Refuse(refusal) => {
                let reply = Reply::new(&refusal, route, &self.request_id, self.grpc);
                let response = Response { status: Some(reply.status) };
                Step::Refuse(reply, Box::new(Done { case: self, response }))
            }
        }
    }

    fn upstream_headers(&self) -> Vec<(&'static str, String)> {
        if !self.world.config.telemetry.upstream_headers {
            return Vec::new();
        }
        let risk = format!("{:.3}", self.judgement.risk);
        vec![("x-portcullis-verdict", self.judgement.outcome().to_owned()), ("x-portcullis-risk", risk)]
    }
}

/// Fields that only we may write, found in what a client sent. Services that make variables of fields (CGI, WSGI) take an
/// underscore for a hyphen.
fn internal_fields(fields: &Headers) -> Vec<String> {
    let names = fields.iter().map(|(name, _)| String::from_utf8_lossy(name));
    let ours = names.filter(|name| name.replace('_', "-").starts_with(INTERNAL_PREFIX));
    ours.map(Cow::into_owned).collect::<BTreeSet<String>>().into_iter().collect()
}

/// A hash as a number from 0 to 1.
fn fraction(hash: u64) -> f64 {
    f64::from(u32::try_from(hash >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests;
