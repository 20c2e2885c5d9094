//! Is the token in the hands of who it was issued to?
//!
//! A token may name its holder (`cnf`, RFC 7800): by the client certificate of the connection (RFC 8705) or by a key that the
//! client proves to have with each request (DPoP, RFC 9449). A token that says it is bound is never accepted unbound: what
//! of its `cnf` cannot be checked is refused, remembered or not. A route can demand a binding.
//!
//! A proof is recorded last, for all workers ([`crate::memory::once`]), and only if nothing else refuses: so it is accepted
//! once.
//!
//! Bounds: one comparison of certificates, one proof ([`possession`]).

mod certificate;
mod forwarded;
mod nonce;
mod possession;

pub(super) use self::certificate::disbelieved;
pub(super) use self::nonce::next as next_nonce;

use super::checks::{TOKEN_PROOF_REPLAYED, TOKEN_REPLAY_UNKNOWN, TOKEN_UNBOUND, TOKEN_UNKNOWN_BINDING};
use super::source::{Kind, Presented};
use super::{Scene, Verified};
use crate::config::identity::Identity;
use crate::config::Bound;
use crate::finding::{Finding, Weight};
use crate::memory::once::Seen;
use crate::time::Millis;
use serde_json::{Map, Value};

/// How much a check may cost.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Effort {
    /// Nothing refuses yet: all that is needed.
    Whole,
    /// Something refuses already: no signature, and nothing is recorded.
    Cheap,
}

/// A proof that is good and still to be recorded.
#[derive(Debug)]
pub(super) struct Unrecorded {
    name: [u8; 16],
    until: Millis,
}

/// Compares what a valid token says of its holder with who holds it. Returns the proof to record, if there is one.
///
/// # Errors
/// The holder is another one, or cannot be told.
pub(super) fn check(
    identity: &Identity,
    verified: &Verified,
    presented: &Presented<'_>,
    effort: Effort,
    scene: &Scene<'_>,
) -> Result<Option<Unrecorded>, Finding> {
    let is_bound = verified.names_holder || presented.kind == Kind::Proven;
    if !is_bound && scene.route.requirement.binding.is_none() {
        return Ok(None);
    }
    check_bound(identity, verified, presented, effort, scene)
}

/// The same for a token that is bound, or has to be.
#[inline(never)]
fn check_bound(
    identity: &Identity,
    verified: &Verified,
    presented: &Presented<'_>,
    effort: Effort,
    scene: &Scene<'_>,
) -> Result<Option<Unrecorded>, Finding> {
    let none = Map::new();
    let confirmation = match verified.claims.get("cnf") {
        None => &none,
        Some(Value::Object(members)) if !members.is_empty() => members,
        Some(_) => return Err(Finding::new(&TOKEN_UNKNOWN_BINDING, "its `cnf` names nothing")),
    };
    let has = |name: &str| confirmation.contains_key(name);
    let is_bound = match scene.route.requirement.binding {
        None => true,
        Some(Bound::Any) => !confirmation.is_empty(),
        Some(Bound::Certificate) => has("x5t#S256"),
        Some(Bound::Dpop) => has("jkt"),
    };
    if !is_bound {
        return Err(Finding::new(&TOKEN_UNBOUND, "the route demands a token that is bound to its holder"));
    }
    if presented.kind == Kind::Proven && !has("jkt") {
        return Err(Finding::new(&TOKEN_UNBOUND, "the scheme is `DPoP` and the token has no `cnf.jkt`"));
    }
    let mut unrecorded = None;
    for (member, value) in confirmation {
        match (member.as_str(), value.as_str(), &identity.holder.certificate, &identity.holder.dpop) {
            ("x5t#S256", Some(digest), Some(configured), _) => {
                certificate::check(digest, configured.forwarded.as_ref(), scene.request)?;
            }
            ("jkt", Some(thumbprint), _, Some(dpop)) => {
                unrecorded = possession::of_token(identity, dpop, thumbprint, presented, effort, scene)?;
            }
            _ => {
                return Err(Finding::new(
                    &TOKEN_UNKNOWN_BINDING,
                    "its `cnf` has a member that is not checked here",
                ))
            }
        }
    }
    Ok(unrecorded)
}

/// What a new token is to be bound to: what the `known` one is, or else what the request shows. A proof that it brings is
/// judged and recorded in any case.
///
/// # Errors
/// The proof is not good, or of another key than the known one.
pub(super) fn offered(
    identity: &Identity,
    known: Option<&Value>,
    scene: &Scene<'_>,
) -> Result<Option<Value>, Finding> {
    let mut members = Map::new();
    if let Some(digest) = certificate::shown(identity, scene.request) {
        members.insert("x5t#S256".to_owned(), digest.into());
    }
    if let Some(dpop) = identity.holder.dpop.as_ref().filter(|_| possession::has_proof(scene.request)) {
        let expected = known.map(|known| known.get("jkt").and_then(Value::as_str).unwrap_or_default());
        let (thumbprint, unrecorded) = possession::of_request(identity, dpop, expected, scene)?;
        // A policy that lets tokens pass when nothing can be recorded lets them pass here too.
        record(identity, &unrecorded, scene).or_else(|finding| match finding.weight {
            Some(Weight::Note) => Ok(()),
            _ => Err(finding),
        })?;
        members.insert("jkt".to_owned(), thumbprint.into());
    }
    let shown = (!members.is_empty()).then_some(Value::Object(members));
    Ok(known.cloned().or(shown))
}

/// Records the use of a proof.
///
/// # Errors
/// It was used before, or cannot be recorded.
pub(super) fn record(identity: &Identity, proof: &Unrecorded, scene: &Scene<'_>) -> Result<(), Finding> {
    let unknown =
        |why: &'static str| Finding::new(&TOKEN_REPLAY_UNKNOWN, why).weighing(identity.replay.on_full.weight());
    match scene.once.see(scene.shared, "proof", &proof.name, scene.now, proof.until) {
        Seen::First => Ok(()),
        Seen::Again => Err(Finding::new(&TOKEN_PROOF_REPLAYED, "its `jti` was used before")),
        Seen::Full => Err(unknown("the memory of proofs is full")),
        Seen::Contended => Err(unknown("too many workers changed the memory of proofs at once")),
    }
}

#[cfg(test)]
mod tests;
