//! Numbers that a proof must contain so that it cannot have been made before (RFC 9449 §8, §9).
//!
//! Whoever had a client's key for a moment could make proofs for all the future: `iat` is the client's own word. A nonce is ours,
//! and nobody knows it before its time. Nothing is remembered: time is divided into steps as long as the configured lifetime, and
//! the nonce of a step is a keyed hash of its number. The key is the one that the workers of this Envoy share
//! ([`Memory::keyed_hash`]), or a configured secret, so that a fleet agrees. One nonce serves all clients: it proves when a
//! proof was made and not by whom.
//!
//! The nonces of this step and of those beside it count: the last one's, since a client has it still, and the next one's, since the
//! clock of another worker or Envoy may be ahead. So a nonce counts for one lifetime at least and for two at most, by one
//! clock. Answers to holders of bound tokens bring the current one, so that who comes regularly is never sent back.

use crate::config::identity::{Identity, Nonce};
use crate::memory::Memory;
use crate::stages::identity::{Caller, Scene};
use crate::time::Millis;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;

/// Where a client is told the nonce.
pub(super) const FIELD: &str = "dpop-nonce";

/// What the keys are used for here; they have other uses.
const PURPOSE: &str = "portcullis dpop nonce";

/// The bytes of a nonce.
const BYTES: usize = 16;

/// The nonce to use now.
pub(super) fn current(nonce: &Nonce, memory: &Memory, now: Millis) -> String {
    of_step(nonce, memory, step(nonce, now))
}

/// Whether a nonce counts.
pub(super) fn is_good(nonce: &Nonce, memory: &Memory, now: Millis, sent: &str) -> bool {
    let step = step(nonce, now);
    let is_of = |step: u64| ct_codecs::verify(of_step(nonce, memory, step).as_bytes(), sent.as_bytes());
    is_of(step) || is_of(step.saturating_sub(1)) || is_of(step.saturating_add(1))
}

/// The field that tells the holder of a bound token the nonce of its next proof.
pub(in crate::stages::identity) fn next(
    identity: &Identity,
    caller: &Caller,
    scene: &Scene<'_>,
) -> Option<(&'static str, String)> {
    let nonce = identity.holder.dpop.as_ref()?.nonce.as_ref()?;
    caller.claims()?.get("cnf")?.get("jkt")?;
    Some((FIELD, current(nonce, scene.memory, scene.now)))
}

fn step(nonce: &Nonce, now: Millis) -> u64 {
    now.as_u64().checked_div(nonce.lifetime.as_u64()).unwrap_or_default()
}

fn of_step(nonce: &Nonce, memory: &Memory, step: u64) -> String {
    let step = step.to_string();
    let bytes = match &nonce.secret {
        None => memory.keyed_hash(&[PURPOSE, &step]).to_be_bytes().to_vec(),
        Some(secret) => {
            let hash = hmac_sha256::HMAC::mac(format!("{PURPOSE} {step}"), secret);
            hash.iter().copied().take(BYTES).collect()
        }
    };
    URL_SAFE_NO_PAD.encode(bytes)
}
