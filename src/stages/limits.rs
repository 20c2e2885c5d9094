//! How often?
//!
//! Each limit counts the requests that it is for, under a key made of parts of the request, in the memory that all
//! workers share ([`crate::memory`]), by one of four algorithms ([`crate::rate`]). Limits are applied in the order they
//! are written; after one that refuses no further one is charged. A limit in monitor mode is charged as if it were in
//! force and refuses nothing.
//!
//! Keys are hashed with a secret before they leave this file, so an API key that is counted is stored nowhere.
//!
//! Bounds: as many changes of the memory as the route has limits, each with bounded repeats. When a count cannot be kept
//! the failure policy decides. Not covered: limits shared between several Envoys.

use crate::config::limits::{KeyPart, Limit};
use crate::config::{Config, FailurePolicy, Mode, Route};
use crate::finding::{Check, Class, Family, Finding, Findings, Weight};
use crate::memory::{Contended, Hashed, Memory, Shared, Trace};
use crate::rate::{concurrency, Algorithm, Taken};
use crate::request::Request;
use crate::stages::identity::Caller;
use crate::time::Millis;
use ipnet::IpNet;
use std::net::IpAddr;

/// A limit is used up.
pub static EXCEEDED: Check = Check {
    id: "limits.exceeded",
    family: Family::Limits,
    code: "rate_limited",
    class: Class::RateLimited,
    weight: Weight::Refuse,
    tunable: true,
    bearer_error: None,
    means: "A limit of the route is used up under the request's key.",
};

/// A count could not be kept.
pub static CONTENDED: Check = Check {
    id: "limits.contended",
    family: Family::Failure,
    code: "limit_unavailable",
    class: Class::Unavailable,
    weight: Weight::Note,
    tunable: false,
    bearer_error: None,
    means: "A limit could not be counted, since too many workers changed its memory at once; `memory.on_error` decided.",
};

/// What is needed to apply limits.
#[derive(Debug, Copy, Clone)]
pub struct Scene<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The shared memory, and how it is laid out.
    pub memory: &'a Memory,
    /// Where it is.
    pub shared: &'a dyn Shared,
    /// The route.
    pub route: &'a Route,
    /// The request.
    pub request: &'a Request,
    /// Who sent it.
    pub caller: &'a Caller,
    /// When.
    pub now: Millis,
}

/// What the limits did for one request.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Each limit that was applied: its place in the configuration, and what it said.
    pub decisions: Vec<(usize, Decision)>,
    /// What the memory met.
    pub trace: Trace,
    held: Vec<Held>,
}

/// What one limit said.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// There was enough.
    Allow,
    /// There was not.
    Refuse,
    /// There was not, and the limit, its check or its route is in monitor mode.
    WouldRefuse,
    /// It could not be counted.
    Unknown,
}

/// Units of a concurrency limit that a request holds until it is over.
#[derive(Debug)]
struct Held {
    limit: usize,
    place: Hashed,
    cost: u64,
    since: Millis,
}

impl Decision {
    /// Every decision, in a fixed order.
    pub const ALL: [Self; 4] = [Self::Allow, Self::Refuse, Self::WouldRefuse, Self::Unknown];

    /// Its name in the statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Refuse => "refuse",
            Self::WouldRefuse => "would_refuse",
            Self::Unknown => "unknown",
        }
    }
}

/// Applies the limits of the route.
pub fn check(scene: &Scene<'_>, findings: &mut Findings, ledger: &mut Ledger) {
    for index in &scene.route.limits {
        let limit = scene.config.limits.get(*index).filter(|limit| applies(limit, scene));
        let Some((limit, cost)) = limit.map(|limit| (limit, cost(limit, scene))).filter(|(_, cost)| *cost > 0)
        else {
            continue;
        };
        let place = scene.memory.locate(&key(limit, scene), &limit.name);
        let decision = match take(limit, place, cost, scene, &mut ledger.trace) {
            Ok(taken) if taken.allowed => {
                if limit.algorithm == Algorithm::Concurrency {
                    ledger.held.push(Held { limit: *index, place, cost, since: scene.now });
                }
                Decision::Allow
            }
            Ok(taken) => refuse(exceeded(limit, &taken), scene, findings),
            Err(Contended) => {
                findings.add(contended(limit, scene.config.memory.on_contention));
                Decision::Unknown
            }
        };
        ledger.decisions.push((*index, decision));
        if decision == Decision::Refuse {
            return;
        }
    }
}

impl Ledger {
    /// Gives back what the request held. Call it once, when the request is over.
    pub fn release(&mut self, config: &Config, memory: &Memory, shared: &dyn Shared, now: Millis) {
        for held in std::mem::take(&mut self.held) {
            let Some(limit) = config.limits.get(held.limit) else { continue };
            // A unit that cannot be given back is forgotten after the limit's window.
            let _ = memory.change(shared, held.place, now, &mut self.trace, |mut record| {
                // Evicted meanwhile: its debt is the bucket's.
                if record.is_new() {
                    return ((), None);
                }
                let given = concurrency::give(record.state, &limit.rate, held.since, now, held.cost);
                record.settle(given.state, given.debt);
                ((), Some(record))
            });
        }
    }
}

fn take(
    limit: &Limit,
    place: Hashed,
    cost: u64,
    scene: &Scene<'_>,
    trace: &mut Trace,
) -> Result<Taken, Contended> {
    scene.memory.change(scene.shared, place, scene.now, trace, |mut record| {
        let state = match record.is_new() {
            true => limit.algorithm.begin(&limit.rate, scene.now, record.inherited),
            false => record.state,
        };
        let taken = limit.algorithm.take(state, &limit.rate, scene.now, cost);
        if !taken.allowed {
            return (taken, None);
        }
        record.settle(taken.state, taken.debt);
        (taken, Some(record))
    })
}

fn refuse(finding: Finding, scene: &Scene<'_>, findings: &mut Findings) -> Decision {
    let in_force = scene.config.weigh(&finding, scene.route.mode) == Some((Weight::Refuse, Mode::Enforce));
    findings.add(finding);
    if in_force {
        Decision::Refuse
    } else {
        Decision::WouldRefuse
    }
}

/// `RateLimit` and `RateLimit-Policy` as in draft-ietf-httpapi-ratelimit-headers-10, `Retry-After` as in RFC 9110 §10.2.3.
fn exceeded(limit: &Limit, taken: &Taken) -> Finding {
    let Limit { name, rate, .. } = limit;
    let window = match limit.algorithm {
        Algorithm::Concurrency => String::new(),
        _ => format!(";w={}", seconds(rate.window)),
    };
    let mut advice = vec![
        ("ratelimit-policy", format!("\"{name}\";q={}{window}", rate.limit)),
        ("ratelimit", format!("\"{name}\";r={};t={}", taken.remaining, seconds(taken.reset))),
    ];
    advice.extend(taken.retry_after.map(|wait| ("retry-after", seconds(wait).to_string())));
    let finding =
        Finding::new(&EXCEEDED, format!("limit `{name}`: {}{window}, {} left", rate.limit, taken.remaining));
    Finding { advice, held_back: limit.monitor, ..finding }
}

fn contended(limit: &Limit, policy: FailurePolicy) -> Finding {
    let weight = policy.weight();
    Finding::new(&CONTENDED, format!("limit `{}`", limit.name)).weighing(weight)
}

/// Whole seconds, rounded up: waiting that long is enough.
fn seconds(time: Millis) -> u64 {
    time.as_u64().div_ceil(1000)
}

fn applies(limit: &Limit, scene: &Scene<'_>) -> bool {
    let when = &limit.when;
    let method = when.methods.is_empty() || when.methods.iter().any(|method| method == scene.request.method());
    let anonymous = when.anonymous.is_none_or(|wanted| wanted == scene.caller.claims().is_none());
    let claims = || {
        let claims = scene.caller.claims();
        when.claims.iter().all(|(name, allowed)| claims.is_some_and(|claims| claims.matches(name, allowed)))
    };
    let headers = || {
        let sent = |name: &str, allowed: &[String]| {
            scene.request.text(name).is_some_and(|value| allowed.iter().any(|one| one == value))
        };
        when.headers.iter().all(|(name, allowed)| sent(name, allowed))
    };
    method && anonymous && claims() && headers()
}

fn cost(limit: &Limit, scene: &Scene<'_>) -> u64 {
    limit.cost.methods.get(scene.request.method()).copied().unwrap_or(limit.cost.default)
}

/// The parts of the key, each with its length before it, so that no two lists of parts look the same.
fn key(limit: &Limit, scene: &Scene<'_>) -> Vec<u8> {
    let mut key = Vec::new();
    for part in &limit.key {
        let (tag, value) = match value(part, scene) {
            Some(value) => (1, value),
            None => (0, source(limit, scene)),
        };
        key.push(tag);
        key.extend(value.len().to_le_bytes());
        key.extend(value);
    }
    key
}

/// `None` where the request has no such part.
fn value(part: &KeyPart, scene: &Scene<'_>) -> Option<Vec<u8>> {
    let claims = scene.caller.claims();
    let claim =
        |name: &str| claims.and_then(|claims| claims.get(name)).map(|value| value.to_string().into_bytes());
    match part {
        KeyPart::Source => None,
        KeyPart::Subject => {
            claim("sub").map(|subject| [scene.caller.issuer().as_bytes(), b"\0", &subject].concat())
        }
        KeyPart::Client => claim("client_id").or_else(|| claim("azp")),
        KeyPart::Claim(name) => claim(name),
        KeyPart::Header(name) => scene.request.headers.first(name).map(<[u8]>::to_vec),
        KeyPart::Cookie(name) => scene.request.headers.cookies(name).next().map(<[u8]>::to_vec),
        KeyPart::Route => Some(scene.route.name.as_bytes().to_vec()),
        KeyPart::Method => Some(scene.request.method().as_bytes().to_vec()),
    }
}

/// The network that the source belongs to: one subscriber has a whole IPv6 /64.
fn source(limit: &Limit, scene: &Scene<'_>) -> Vec<u8> {
    let Some(address) = *scene.request.source else { return b"unknown".to_vec() };
    let prefix = if address.is_ipv4() { limit.prefix_v4 } else { limit.prefix_v6 };
    let network = IpNet::new(address, prefix).map(|network| network.network());
    match network.unwrap_or(address) {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests;
