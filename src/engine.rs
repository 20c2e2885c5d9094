//! A request's life: Head → Body → Answer → Done.
//!
//! ```text
//! Head ──► shape ─► oauth ─► identity [documents] ─► limits ─► inspect ─► business ─► workflow ─► quotes ─► manipulation ─► objects
//!      ──► [body: the same, where they need it] ─► [fleet] ─► anomaly ─► behaviour ─► risk ─┬─► Permit, Body ──► Answer ──► Done
//!                                                                                                      └─► Reply ────────────────────► Done
//! ```
//!
//! How the answer is held, changed or replaced: [`answer`]. A request for an endpoint of ours has no identity stage of its own; it is answered after the judgement ([`serving`]).
//!
//! In brackets stands what the request waits for, where a rule needs it ([`waiting`]).
//!
//! Each state is its own type and each transition consumes it, so a wrong order does not compile. This is the only
//! file that knows the order of the stages. Every exit passes through `settle`, where findings become a verdict.

pub mod answer;
mod case;
mod chores;
mod documents;
mod done;
mod login;
mod serving;
pub mod waiting;
mod watches;
mod world;

pub use self::chores::Former;
pub use self::documents::{documents, Fetch, Fetched, Purpose};
pub use self::world::Ports;

use self::case::Case;
use self::serving::Service;
use self::waiting::Wait;
use self::world::World;
use crate::config::{Config, Route, RouteId};
use crate::endpoints::Endpoint;
use crate::finding::{Finding, Findings};
use crate::gather;
use crate::memory::kept::Keeping;
use crate::memory::once::Once;
use crate::memory::Memory;
use crate::receipt;
use crate::remote::answer::{Answer as Told, Fault};
use crate::reply::Reply;
use crate::request::body::Unread;
use crate::request::headers::Headers;
use crate::request::{self, Request, INTERNAL_PREFIX};
use crate::response::Response;
use crate::stages::identity::cache::TokenCache;
use crate::stages::identity::{self, revocation, Patience};
use crate::stages::inspect::inspector::Inspector;
use crate::stages::limits;
use crate::stages::risk::{self, Permit};
use crate::stages::{oauth, shape, INTERNAL};
use crate::time::Millis;
use std::cell::RefCell;
use std::rc::Rc;

/// Requests of one worker that may wait for something of identity at a time.
const WAITING_MAX: usize = 1024;

/// The stages under one configuration, with the memory of all requests. Cheap to clone: one for each request.
#[derive(Debug, Clone)]
pub struct Engine {
    world: Rc<World>,
}

/// A request whose head has been read and not yet judged.
#[derive(Debug)]
pub struct Head {
    open: Box<Open>,
}

/// A permitted request whose body is passing.
#[derive(Debug)]
pub struct Body {
    case: Box<Case>,
}

/// A permitted request that has been sent completely; the upstream's answer is awaited or passing.
#[derive(Debug)]
pub struct Answer {
    case: Box<Case>,
}

/// A request that is over, refused or answered.
#[derive(Debug)]
pub struct Done {
    case: Box<Case>,
    response: Response,
}

/// Where a judgement leads.
#[derive(Debug)]
pub enum Step<Next> {
    /// On, with proof that it may.
    Forward(Permit, Next),
    /// Out, with what to tell the client.
    Refuse(Reply, Box<Done>),
    /// Out, with the answer of an endpoint of ours.
    Serve(Reply, Box<Done>),
    /// Not yet: nothing of it may go on before what it waits for is there.
    Wait(Wait),
}

impl Engine {
    /// An engine for a configuration. All memory that will ever be needed is taken here.
    pub fn new(config: Config, ports: Ports) -> Self {
        let Ports { shared, native, random, entropy } = ports;
        let shared = Box::new(Keeping::new(shared));
        let memory = Memory::open(shared.as_ref(), config.memory_budget_bytes(), random);
        if config.needs_memory() {
            memory.seed(shared.as_ref());
        }
        let owners = config.limits.iter().map(|limit| memory.owner(&limit.owner)).collect();
        let once = Once::open(&memory, config.once_budget_bytes());
        if config.needs_once() {
            once.seed(shared.as_ref());
        }
        if let Some(endpoint) = config.revocation_endpoint() {
            revocation::seed(endpoint, shared.as_ref());
        }
        let budget = config.identity.as_ref().map_or(0, |identity| identity.cache_budget_bytes);
        let tokens = RefCell::new(TokenCache::new(budget, random));
        // A test holds that the built-in one has no fault.
        let inspector = config.inspect.as_ref().and_then(|_| Inspector::built_in(random).ok());
        let (outbox, leases, keys, revocations, usual, programs, seats) = Default::default();
        let engine = Self {
            world: Rc::new(World {
                config,
                inspector,
                memory,
                owners,
                once,
                shared,
                native,
                entropy,
                outbox,
                leases,
                tokens,
                keys,
                revocations,
                usual,
                programs,
                seats,
            }),
        };
        // What was fetched under the configuration before is there already.
        engine.look();
        engine
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.world.config
    }

    /// Which trailers must not reach the upstream: trailers are merged into the header fields by some (RFC 9110 §6.5).
    pub fn internal_trailers(&self, trailers: &Headers) -> Vec<String> {
        internal_fields(self.config(), trailers)
    }

    /// Takes a request in. `now` is wall-clock time; `fallback_id` names the request if Envoy did not.
    pub fn open(&self, mut request: Request, now: Millis, fallback_id: impl FnOnce() -> String) -> Head {
        let routes = &self.config().routes;
        let route = match (&request.path, request.host()) {
            (Ok(path), Some(host)) if request.has_one_method() => {
                routes.find(host, request.method(), &path.normal)
            }
            _ => RouteId::Ambiguous,
        };
        let mut case = Case::new(&self.world, request.id.take().unwrap_or_else(fallback_id));
        case.route = route;
        case.method = request.owned_method();
        case.grpc = request.is_grpc();
        case.sampled = receipt::is_sampled(self.config(), &case.request_id);
        Head { open: Box::new(Open { case, request, has_body: false, told: None, service: None, now }) }
    }

    /// Judges a request that the host could not show us: the failure policy decides, and it is counted.
    pub fn judge_unreadable(&self, reason: &'static str, request_id: String) -> Step<Body> {
        let weight = self.config().request.on_internal_error.weight();
        let mut case = Case::new(&self.world, request_id);
        case.findings.add(Finding::new(&INTERNAL, reason).weighing(weight));
        case.settle(|case| Body { case })
    }
}

impl Head {
    /// Runs the stages that need the head alone, and the others too if there is nothing to wait for.
    pub fn judge(self, has_body: bool) -> Step<Body> {
        let mut open = self.open;
        let world = Rc::clone(&open.case.world);
        let _sight = world.shared.sight();
        let (config, case, request) = (&world.config, &mut open.case, &open.request);
        let route = config.routes.get(case.route);
        shape::check_head(&config.request, route, request, &mut case.findings);
        oauth::check_head(config.oauth.as_ref(), route, request, &mut case.findings);
        case.endpoint = Endpoint::of(config, request);
        open.service = case.endpoint.map(Service::new);
        open.has_body = has_body;
        match &open.service {
            Some(_) => open.approach(),
            None => open.identify(world.patience()),
        }
    }
}

/// A request whose form has been judged. In a box, as it goes through many hands.
#[derive(Debug)]
struct Open {
    case: Box<Case>,
    request: Request,
    has_body: bool,
    /// What the issuer of its opaque token has said of it.
    told: Option<Result<Told, Fault>>,
    /// What is asked of us, if it is for an endpoint of ours.
    service: Option<Service>,
    now: Millis,
}

impl Open {
    /// Establishes the caller, and applies the limits.
    fn identify(mut self: Box<Self>, patience: Patience) -> Step<Body> {
        let world = &self.case.world;
        let route = world.config.routes.get(self.case.route);
        // What is refused already needs no signature checked, and is charged to nobody.
        if !risk::is_refused(&world.config, route, &self.case.findings) {
            let scene = world.identity_scene(route, &self.request, self.told.as_ref(), patience, self.now);
            let mut findings = Findings::default();
            match identity::check(&scene, &mut findings) {
                Ok((caller, proof)) => {
                    self.case.nonce = identity::next_nonce(&caller, &scene);
                    (self.case.caller, self.case.proof) = (caller, proof);
                }
                Err(need) => return Step::Wait(Wait::Identity(waiting::Unidentified::new(self, need))),
            }
            let identity = world.config.identity.as_ref();
            self.case.proved = identity
                .is_some_and(|identity| identity::step_up::is_proved(identity, &self.case.caller, self.now));
            self.case.findings.append(findings);
        }
        self.case.limit(&self.request, None, self.now);
        self.case.inspect_head(&self.request);
        self.case.follow(&self.request, None, self.now);
        self.proceed()
    }

    /// Goes on to the body, if a rule needs it and the head has not decided already.
    fn proceed(mut self: Box<Self>) -> Step<Body> {
        let wants = self.service.as_ref().is_some_and(|service| service.wants_body(&self.request));
        let inspects = self.has_body && self.inspects_body();
        if !(wants || self.route().needs_body() || inspects) || self.is_decided() {
            return self.ask(0);
        }
        if self.has_body && !self.request.is_upgrade() {
            return Step::Wait(Wait::Body(waiting::Held::new(self)));
        }
        // What is upgraded may send anything later on, which is not for a rule about a body to pass.
        let content = if self.request.is_upgrade() { Err(Unread::Unavailable) } else { Ok(&[][..]) };
        let document = content.map_or_else(request::body::Body::unread, |_| request::body::Body::default());
        self.weigh_body(content, b"", &document);
        self.ask(0)
    }

    /// Applies the rules that look into a body, of which the beginning may be there where the whole is not. What they refuse is
    /// charged to nobody.
    fn weigh_body(&mut self, content: Result<&[u8], Unread>, beginning: &[u8], document: &request::body::Body) {
        let route = self.case.world.config.routes.get(self.case.route);
        oauth::check_body(route, &self.request, content, &mut self.case.findings);
        self.case.limit(&self.request, Some(document), self.now);
        if self.inspects_body() {
            self.case.inspect_body(&self.request, document, content.unwrap_or(beginning));
        }
        self.case.follow(&self.request, Some(document), self.now);
    }

    /// Whether the body is to be looked at. Endpoints of ours judge theirs by themselves.
    fn inspects_body(&self) -> bool {
        self.service.is_none() && self.case.inspects_body(&self.request)
    }

    /// Asks the fleet, if a limit needs it and nothing has decided already.
    fn ask(mut self: Box<Self>, body_bytes: u64) -> Step<Body> {
        let fleet = self.case.world.config.fleet.as_ref();
        if let Some(fleet) = fleet.filter(|_| !self.is_decided()) {
            if let Some(asked) = limits::fleet::question(fleet, &mut self.case.ledger) {
                return Step::Wait(Wait::Fleet(waiting::Asking::new(self, asked, body_bytes)));
            }
        }
        self.conclude(body_bytes)
    }

    /// Nothing more is awaited: a request for an endpoint is answered, every other is judged.
    fn conclude(mut self: Box<Self>, body_bytes: u64) -> Step<Body> {
        self.case.recall(&self.request, self.now);
        match &self.service {
            Some(_) => self.serve(None),
            None => self.settle(body_bytes),
        }
    }

    fn settle(self: Box<Self>, body_bytes: u64) -> Step<Body> {
        let mut case = self.case;
        let mut ours = internal_fields(&case.world.config, &self.request.headers);
        identity::add_disbelieved(&case.world.config, &self.request, &mut ours);
        case.add_evasive_fields(&self.request, &mut ours);
        case.request_bytes = body_bytes;
        match case.settle(|case| Body { case }) {
            Step::Forward(mut permit, mut body) => {
                if body.case.login_field().is_some() {
                    body.case.keep_for_login(self.request);
                }
                permit.remove = ours;
                permit.add = body.case.upstream_headers();
                Step::Forward(permit, body)
            }
            other => other,
        }
    }

    fn route(&self) -> &Route {
        self.case.world.config.routes.get(self.case.route)
    }

    fn is_decided(&self) -> bool {
        risk::is_decided(&self.case.world.config, self.route(), &self.case.findings, self.case.proved)
    }
}

impl Body {
    /// Counts a piece of the body that passes.
    pub fn judge(self, piece_bytes: usize) -> Step<Self> {
        self.case.count(piece_bytes, |case| Self { case })
    }

    /// The same for what has arrived of the body before the head went on.
    pub fn judge_held(self, piece_bytes: usize) -> Step<Self> {
        match self.judge(piece_bytes) {
            Step::Refuse(reply, mut done) => {
                done.case.withdraw();
                Step::Refuse(reply, done)
            }
            other => other,
        }
    }

    /// It was permitted, and did not go on after all.
    fn unsent(mut self) -> Self {
        self.case.withdraw();
        self
    }

    /// Header fields for the client: what is left of the limits, where that is asked for, and the nonce of its next proof.
    pub fn response_headers(&self) -> Vec<(&'static str, String)> {
        self.case.response_headers()
    }

    /// The whole request has been sent, or the upstream answered before it was.
    pub fn finish(self) -> Answer {
        Answer { case: self.case }
    }
}

impl Answer {
    /// See [`Body::response_headers`].
    pub fn response_headers(&self) -> Vec<(&'static str, String)> {
        self.case.response_headers()
    }

    /// The exchange is over.
    pub fn finish(self, response: Response) -> Done {
        Done { case: self.case, response }
    }
}

/// Fields that only we may write, or that are for us alone, found in what a client sent. Services that make variables of
/// fields (CGI, WSGI) take an underscore for a hyphen.
fn internal_fields(config: &Config, fields: &Headers) -> Vec<String> {
    let keys = config.identity.as_ref().and_then(|identity| identity.api_keys.as_ref());
    let withheld = keys.filter(|keys| !keys.forward).map(|keys| keys.header.as_str());
    let mut ours: Vec<&[u8]> = fields.beginning(INTERNAL_PREFIX.as_bytes()).collect();
    if let Some(name) = withheld {
        ours.extend(fields.alike(name).map(|(name, _)| name));
    }
    // Almost always.
    if ours.is_empty() {
        return Vec::new();
    }
    gather::set(ours).into_iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

#[cfg(test)]
mod tests;
