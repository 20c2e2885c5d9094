//! What does not change from request to request, and what the core needs of its host.

use super::WAITING_MAX;
use crate::config::{Config, Route};
use crate::entropy::{Entropy, Seeded};
use crate::jose::native::{Native, NoNative};
use crate::memory::in_process::InProcess;
use crate::memory::kept::Keeping;
use crate::memory::once::Once;
use crate::memory::{Memory, Owner, Shared};
use crate::remote::answer::{Answer as Told, Fault};
use crate::request::body::Body;
use crate::request::Request;
use crate::stages::anomaly;
use crate::stages::behaviour;
use crate::stages::identity::cache::TokenCache;
use crate::stages::identity::keys::KeyRing;
use crate::stages::identity::revocation::Revocations;
use crate::stages::identity::{self, Caller, Patience};
use crate::stages::inspect::inspector::Inspector;
use crate::stages::limits::{self, Ground, Leases, Outbox};
use crate::time::Millis;
use std::cell::RefCell;
use std::rc::Rc;

/// What the core needs of its host.
#[derive(Debug)]
pub struct Ports {
    /// The memory that the workers of a process share.
    pub shared: Box<dyn Shared>,
    /// Its signature check.
    pub native: Box<dyn Native>,
    /// Random bytes of this worker. They key what it alone hashes, and what all workers hash if they have no key yet.
    pub random: [u8; 16],
    /// Random numbers that are new each time.
    pub entropy: Box<dyn Entropy>,
}

impl Ports {
    /// A host of one worker that checks no signatures: for tests, replays and tools.
    pub fn in_process(random: [u8; 16]) -> Self {
        Self {
            shared: Box::<InProcess>::default(),
            native: Box::new(NoNative),
            random,
            entropy: Box::new(Seeded::new(random)),
        }
    }
}

/// What does not change from request to request.
#[derive(Debug)]
pub(super) struct World {
    pub(super) config: Config,
    /// What payloads are inspected with, if they are.
    pub(super) inspector: Option<Inspector>,
    pub(super) memory: Memory,
    /// The owners of the limits' records, by the limits' places in the configuration.
    pub(super) owners: Vec<Owner>,
    pub(super) once: Once,
    pub(super) shared: Box<Keeping>,
    pub(super) native: Box<dyn Native>,
    pub(super) entropy: Box<dyn Entropy>,
    pub(super) outbox: RefCell<Outbox>,
    pub(super) leases: RefCell<Leases>,
    pub(super) tokens: RefCell<TokenCache>,
    pub(super) keys: RefCell<KeyRing>,
    pub(super) revocations: RefCell<Revocations>,
    /// What it has read lately of what all callers do.
    pub(super) usual: RefCell<anomaly::Known>,
    pub(super) programs: RefCell<behaviour::Programs>,
    /// Taken by each request that waits for something of identity.
    pub(super) seats: Rc<()>,
}

impl World {
    pub(super) fn identity_scene<'a>(
        &'a self,
        route: &'a Route,
        request: &'a Request,
        told: Option<&'a Result<Told, Fault>>,
        patience: Patience,
        now: Millis,
    ) -> identity::Scene<'a> {
        let Self { config, tokens: cache, native, memory, once, shared, keys, revocations, .. } = self;
        let (native, shared) = (native.as_ref(), shared.as_ref());
        identity::Scene {
            config,
            route,
            request,
            cache,
            native,
            memory,
            once,
            shared,
            keys,
            revocations,
            told,
            patience,
            now,
        }
    }

    /// Whether a request may wait for something of identity: many may, not all, since what is held back costs memory.
    pub(super) fn patience(&self) -> Patience {
        if Rc::strong_count(&self.seats) > WAITING_MAX {
            Patience::None
        } else {
            Patience::Fresh
        }
    }

    /// What the stages that count see of a request. `risk` is that of what was found so far, in thousandths.
    pub(super) fn scene<'a>(
        &'a self,
        route: &'a Route,
        request: &'a Request,
        body: Option<&'a Body>,
        caller: &'a Caller,
        risk: u32,
        now: Millis,
    ) -> limits::Scene<'a> {
        let Self { config, memory, owners, once, outbox, leases, .. } = self;
        let shared = self.shared.as_ref();
        limits::Scene {
            config,
            memory,
            owners,
            shared,
            once,
            outbox,
            leases,
            route,
            request,
            body,
            caller,
            risk,
            now,
        }
    }

    pub(super) fn ground(&self, now: Millis) -> Ground<'_> {
        let Self { config, memory, once, shared, .. } = self;
        Ground { config, memory, shared: shared.as_ref(), once, now }
    }
}
