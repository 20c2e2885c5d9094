//! Is a one-time token used once?
//!
//! Routes may take a token once only. It is recorded by its issuer and `jti` until it has expired, for all workers of the process
//! ([`crate::memory::once`]), and last of all: a request that identity refuses for anything else does not use it up. One that is
//! refused later, by a limit or for its risk, does: whoever may try again gets another token.
//!
//! Bounds: see [`crate::memory::once`]; what finds no room there is not let pass unless `identity.replay.on_full` says so.

use super::checks::{TOKEN_CLAIM_MISSING, TOKEN_REPLAYED, TOKEN_REPLAY_UNKNOWN};
use super::{Origin, Scene, Verified};
use crate::config::identity::Identity;
use crate::finding::Finding;
use crate::memory::once::Seen;
use crate::time::Millis;

/// Records the use of a token.
///
/// # Errors
/// It was used before, or cannot be recorded.
#[inline(never)]
pub(super) fn check(identity: &Identity, verified: &Verified, scene: &Scene<'_>) -> Result<(), Finding> {
    if verified.origin == Origin::Key {
        return Err(Finding::new(
            &TOKEN_CLAIM_MISSING,
            "a key is the same each time: its uses cannot be told apart",
        ));
    }
    let claims = &verified.claims;
    let missing =
        |name: &str| Finding::new(&TOKEN_CLAIM_MISSING, format!("no `{name}` to tell its uses apart by"));
    let jti = claims.text("jti").ok_or_else(|| missing("jti"))?;
    let expires = claims.date("exp").ok().flatten().ok_or_else(|| missing("exp"))?;
    // A second more, so that none is forgotten while a worker that read the clock before still takes it.
    let until = Millis::from_secs(expires.saturating_add(1)).saturating_add(verified.clock_skew(identity));
    let name = scene.memory.keyed_hash(&[&verified.issuer_name, jti]).to_le_bytes();
    let unknown =
        |why: &'static str| Finding::new(&TOKEN_REPLAY_UNKNOWN, why).weighing(identity.replay.on_full.weight());
    match scene.once.see(scene.shared, "token", &name, scene.now, until) {
        Seen::First => Ok(()),
        Seen::Again => Err(Finding::new(&TOKEN_REPLAYED, "its `jti` was used before")),
        Seen::Full => Err(unknown("the memory of tokens is full")),
        Seen::Contended => Err(unknown("too many workers changed the memory of tokens at once")),
    }
}

#[cfg(test)]
mod tests;
