//! Is the token in the hands of who it was issued to?
//!
//! A token may name its holder (`cnf`, RFC 7800): by the client certificate of the connection (RFC 8705) or by a key that the
//! client proves to have with each request (DPoP, RFC 9449). A token that says it is bound is never accepted unbound: what
//! of its `cnf` cannot be checked is refused, remembered or not. A route can demand a binding.
//!
//! A proof is judged by its place, its form, its signature, and what it says of the request and the token. Those that fail are
//! counted as failed tokens of their source are ([`failures`]). Last it is recorded, for all workers ([`crate::memory::once`]), and only if nothing else refuses: so it is accepted
//! once.
//!
//! Bounds: one proof of [`PROOF_BYTES_MAX`], one signature; a `jti` of [`JTI_BYTES_MAX`]. Not covered: nonces of the server (RFC 9449 §8).

mod certificate;
mod forwarded;

pub(super) use self::certificate::disbelieved;

use super::checks::{
    TOKEN_PROOF, TOKEN_PROOF_REPLAYED, TOKEN_REPLAY_UNKNOWN, TOKEN_UNBOUND, TOKEN_UNKNOWN_BINDING,
};
use super::failures;
use super::source::Presented;
use super::{Scene, Verified};
use crate::config::identity::{Dpop, Identity};
use crate::config::Bound;
use crate::finding::Finding;
use crate::jose::native::{Native, NoNative};
use crate::jose::proof::{self, Proof};
use crate::memory::once::Seen;
use crate::request::{path, Request};
use crate::time::Millis;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use serde_json::{Map, Value};

/// Longest proof.
const PROOF_BYTES_MAX: usize = 4096;

/// Longest name of a proof.
const JTI_BYTES_MAX: usize = 256;

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
    if presented.by_proof && !has("jkt") {
        return Err(Finding::new(&TOKEN_UNBOUND, "the scheme is `DPoP` and the token has no `cnf.jkt`"));
    }
    let mut unrecorded = None;
    for (member, value) in confirmation {
        match (member.as_str(), value.as_str(), &identity.holder.certificate, &identity.holder.dpop) {
            ("x5t#S256", Some(digest), Some(configured), _) => {
                certificate::check(digest, configured.forwarded.as_ref(), scene.request)?;
            }
            ("jkt", Some(thumbprint), _, Some(dpop)) => {
                let native: &dyn Native = if identity.native_signatures { scene.native } else { &NoNative };
                unrecorded = Some(possession(thumbprint, dpop, presented, native, scene)?);
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

/// The client must prove to have the key that the token names (RFC 9449 §4.3, §7.1).
fn possession(
    thumbprint: &str,
    dpop: &Dpop,
    presented: &Presented<'_>,
    native: &dyn Native,
    scene: &Scene<'_>,
) -> Result<Unrecorded, Finding> {
    let fault = |why: &'static str| Finding::new(&TOKEN_PROOF, why);
    if !presented.by_proof {
        return Err(fault("the token came as a bearer token, without the scheme `DPoP`"));
    }
    let mut proofs = scene.request.headers.all("dpop");
    let (Some(text), None) = (proofs.next(), proofs.next()) else {
        return Err(fault("there is not exactly one `DPoP`"));
    };
    if text.len() > PROOF_BYTES_MAX {
        return Err(fault("it is too long"));
    }
    let text = std::str::from_utf8(text).map_err(|_| fault("it cannot be read"))?;
    failures::check(scene)?;
    let proof = proof::read(text, native).map_err(|why| {
        failures::charge(scene);
        fault(why)
    })?;
    if !ct_codecs::verify(proof.thumbprint.as_bytes(), thumbprint.as_bytes()) {
        return Err(fault("its key is not the token's"));
    }
    says(&proof, dpop, presented.text, scene).map_err(fault)
}

/// What a proof says of the request, the token and the time.
fn says(proof: &Proof, dpop: &Dpop, token: &[u8], scene: &Scene<'_>) -> Result<Unrecorded, &'static str> {
    let claims = &proof.claims;
    if claims.text("htm") != Some(scene.request.method()) {
        return Err("`htm` is another method");
    }
    if !claims.text("htu").is_some_and(|target| is_target(target, dpop, scene.request)) {
        return Err("`htu` is another place");
    }
    let digest = URL_SAFE_NO_PAD.encode(hmac_sha256::Hash::hash(token));
    if !claims.text("ath").is_some_and(|ath| ct_codecs::verify(ath.as_bytes(), digest.as_bytes())) {
        return Err("`ath` is another token's");
    }
    let issued = claims.date("iat").ok().flatten().map(Millis::from_secs).ok_or("no `iat`")?;
    let until = issued.saturating_add(dpop.past);
    if scene.now > until || issued > scene.now.saturating_add(dpop.future) {
        return Err("`iat` is too long ago, or ahead");
    }
    let named = claims.text("jti").filter(|jti| (1..=JTI_BYTES_MAX).contains(&jti.len())).ok_or("no `jti`")?;
    let name = scene.memory.keyed_hash(&[&proof.thumbprint, named]).to_le_bytes();
    // A second more, so that none is forgotten in the moment in which it is accepted last.
    Ok(Unrecorded { name, until: until.saturating_add(Millis::from_secs(1)) })
}

/// Whether a proof is for this request: the same origin and the same path, whatever the query (RFC 9449 §4.3).
fn is_target(target: &str, dpop: &Dpop, request: &Request) -> bool {
    let without_query = target.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = without_query.split_once("://") else { return false };
    let (authority, place) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len())).unwrap_or((rest, ""));
    let place = if place.is_empty() { "/" } else { place };
    let same_place = match (path::normalize(place.as_bytes()), &request.path) {
        (Ok(named), Ok(here)) => named.normal == here.normal,
        _ => false,
    };
    let named = origin(scheme, authority);
    let is_here = || {
        let (scheme, authority) = (request.text(":scheme").unwrap_or("https"), request.text(":authority"));
        authority.is_some_and(|authority| origin(scheme, authority) == named)
    };
    let configured = dpop.origins.iter().filter_map(|listed| listed.split_once("://"));
    let is_listed = || configured.into_iter().any(|(scheme, authority)| origin(scheme, authority) == named);
    same_place && if dpop.origins.is_empty() { is_here() } else { is_listed() }
}

/// Scheme and authority in lower case, without the scheme's own port (RFC 3986 §6.2.3).
fn origin(scheme: &str, authority: &str) -> String {
    let (scheme, authority) = (scheme.to_ascii_lowercase(), authority.to_ascii_lowercase());
    let port = if scheme == "https" { ":443" } else { ":80" };
    format!("{scheme}://{}", authority.strip_suffix(port).unwrap_or(&authority))
}

#[cfg(test)]
mod tests;
