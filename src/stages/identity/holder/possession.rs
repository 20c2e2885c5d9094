//! Does the client have the key that the token names (DPoP, RFC 9449 §4.3, §7.1)?
//!
//! A proof is judged by its place and form, its key, what it says of the request and the token, its nonce ([`nonce`]), and last by
//! its signature. That costs the most, so it is checked only of a proof that is good in all else, and not at all where something
//! refuses already. To come that far takes a token that is valid and a proof that names its key: whoever sends junk never does.
//!
//! Proofs whose signature fails are counted ([`failures`]), by source and key together. By the source alone one
//! thief would lock out everybody behind a shared address who uses other keys; by the key alone he would lock out the key's
//! owner from anywhere. So he locks out his own address, for the tokens of the key that he does not have.
//!
//! Bounds: one proof of [`PROOF_BYTES_MAX`], one signature; a `jti` of [`JTI_BYTES_MAX`].

use super::{nonce, Effort, Unrecorded};
use crate::config::identity::{Dpop, Identity};
use crate::finding::Finding;
use crate::jose::native::{Native, NoNative};
use crate::jose::proof::{self, Proof};
use crate::request::{path, Request};
use crate::stages::identity::checks::{TOKEN_NONCE, TOKEN_PROOF};
use crate::stages::identity::failures::{self, Tried};
use crate::stages::identity::source::{Kind, Presented};
use crate::stages::identity::Scene;
use crate::time::Millis;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;

/// Longest proof.
pub(super) const PROOF_BYTES_MAX: usize = 4096;

/// Longest name of a proof.
const JTI_BYTES_MAX: usize = 256;

/// Judges the proof that comes with a token that is bound to a key.
///
/// # Errors
/// There is none, or it is not good. `None` if its signature was not to be checked.
pub(super) fn of_token(
    identity: &Identity,
    dpop: &Dpop,
    thumbprint: &str,
    presented: &Presented<'_>,
    effort: Effort,
    scene: &Scene<'_>,
) -> Result<Option<Unrecorded>, Finding> {
    if presented.kind != Kind::Proven {
        return Err(fault("the token came as a bearer token, without the scheme `DPoP`"));
    }
    let proof = read(scene.request)?;
    if !ct_codecs::verify(proof.thumbprint.as_bytes(), thumbprint.as_bytes()) {
        return Err(fault("its key is not the token's"));
    }
    let unrecorded = says(&proof, dpop, Some(&presented.text), scene).map_err(fault)?;
    check_nonce(&proof, dpop, scene)?;
    if effort == Effort::Cheap {
        return Ok(None);
    }
    check_signature(&proof, identity, scene)?;
    Ok(Some(unrecorded))
}

/// Judges the proof of a request that is let in by something else: it proves a key and goes with no token (RFC 9449 §5). Returns the
/// thumbprint of the key, which must be the one that is `expected`, if any is.
///
/// # Errors
/// It is not good.
pub(super) fn of_request(
    identity: &Identity,
    dpop: &Dpop,
    expected: Option<&str>,
    scene: &Scene<'_>,
) -> Result<(String, Unrecorded), Finding> {
    let proof = read(scene.request)?;
    if expected.is_some_and(|expected| !ct_codecs::verify(proof.thumbprint.as_bytes(), expected.as_bytes())) {
        return Err(fault("its key is not the one that the subject's token is bound to"));
    }
    let unrecorded = says(&proof, dpop, None, scene).map_err(fault)?;
    check_nonce(&proof, dpop, scene)?;
    check_signature(&proof, identity, scene)?;
    Ok((proof.thumbprint, unrecorded))
}

/// Whether a request has a proof, good or not.
pub(super) fn has_proof(request: &Request) -> bool {
    request.headers.first("dpop").is_some()
}

fn fault(why: &'static str) -> Finding {
    Finding::new(&TOKEN_PROOF, why)
}

/// The one proof of a request.
fn read(request: &Request) -> Result<Proof<'_>, Finding> {
    let mut proofs = request.headers.all("dpop");
    let (Some(text), None) = (proofs.next(), proofs.next()) else {
        return Err(fault("there is not exactly one `DPoP`"));
    };
    if text.len() > PROOF_BYTES_MAX {
        return Err(fault("it is too long"));
    }
    let text = std::str::from_utf8(text).map_err(|_| fault("it cannot be read"))?;
    proof::read(text).map_err(fault)
}

fn check_nonce(proof: &Proof<'_>, dpop: &Dpop, scene: &Scene<'_>) -> Result<(), Finding> {
    let Some(configured) = &dpop.nonce else { return Ok(()) };
    let why = match proof.claims().text("nonce") {
        None => "it has no nonce",
        Some(sent) if nonce::is_good(configured, scene.memory, scene.now, sent) => return Ok(()),
        Some(_) => "its nonce is not ours, or too old",
    };
    let mut finding = Finding::new(&TOKEN_NONCE, why);
    finding.advice.push((nonce::FIELD, nonce::current(configured, scene.memory, scene.now)));
    Err(finding)
}

fn check_signature(proof: &Proof<'_>, identity: &Identity, scene: &Scene<'_>) -> Result<(), Finding> {
    let native: &dyn Native = if identity.native_signatures { scene.native } else { &NoNative };
    failures::check(scene, Tried::Proof(&proof.thumbprint))?;
    proof.verify(native).map_err(|why| {
        failures::charge(scene, Tried::Proof(&proof.thumbprint));
        fault(why)
    })
}

/// What a proof says of the request, the token (if it comes with one) and the time.
fn says(
    proof: &Proof<'_>,
    dpop: &Dpop,
    token: Option<&[u8]>,
    scene: &Scene<'_>,
) -> Result<Unrecorded, &'static str> {
    let claims = proof.claims();
    if claims.text("htm") != Some(scene.request.method()) {
        return Err("`htm` is another method");
    }
    if !claims.text("htu").is_some_and(|target| is_target(target, dpop, scene.request)) {
        return Err("`htu` is another place");
    }
    let is_of = |token: &[u8]| {
        let digest = URL_SAFE_NO_PAD.encode(hmac_sha256::Hash::hash(token));
        claims.text("ath").is_some_and(|ath| ct_codecs::verify(ath.as_bytes(), digest.as_bytes()))
    };
    if !token.is_none_or(is_of) {
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
