//! How far somebody has come, in a token that the client carries.
//!
//! ```text
//! 2026-11.AwBfY3Z1jQG4CwAA.<43 characters>
//! kid     state            HMAC-SHA-256 of what the token is for and says
//! ```
//!
//! The state is that of [`Instance`]: the steps that are done, when the first one was and when the last one. Its expiry follows from the
//! first, since the life of an instance is a part of the workflow. What is signed besides, and is not in the token, is what it is for: the
//! workflow in its present form, and the actor. So a token of somebody else, of another workflow or of another form of this one is as good as forged, and
//! tells nothing about anybody.
//!
//! **An older token.** A client may keep a token and come back with it. It has fewer steps than the newest one, so it opens no step that the
//! newest one does not, but two kinds. Those that may be done once are remembered by the instance, of which all tokens are one
//! ([`once_key`]). Those with a `min_gap` come sooner than they should: an older token knows of an earlier last step. A client may also throw its tokens away and begin anew, as often as it does the first step. A first step that may be done
//! once is remembered by the actor, who then has to wait until it has expired.
//!
//! Bounds: [`TOKEN_BYTES_MAX`]; a longer one is not looked at. One hash for a token that names a known key, none for any other.
//! The hash is compared in constant time (RFC 2104; NIST SP 800-107 r1 §5.3.4). Keys are HMAC-SHA-256's alone: a token
//! names a key and no algorithm.
//!
//! Not covered: steps that are done at the same time, of which the client keeps one token; a client that lends both its credentials
//! and its token; one-time steps over several Envoys, of which each remembers its own.

use super::instance::Instance;
use crate::config::workflows::token::{Carrier, StepKey, StepToken};
use crate::config::workflows::{Step, Workflow};
use crate::memory::record::State;
use crate::request::headers::Headers;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use hmac_sha256::HMAC;

/// Longest token that is looked at: twice what the longest of ours has.
const TOKEN_BYTES_MAX: usize = 256;

/// What the keys are used for here; they may have other uses.
const PURPOSE: &[u8] = b"portcullis workflow state 1";

/// What one-time steps are remembered as.
pub(super) const ONCE: &str = "workflow";

/// Bytes of a state; what follows in a record is the reservations' and of no use here.
const STATE_BYTES: usize = 12;

/// The instance that a request carries, if it carries one.
///
/// # Errors
/// What it carries is not a token of ours for this actor and workflow.
pub(super) fn read(
    carried: &StepToken,
    owner: &str,
    actor: &[u8],
    headers: &Headers,
) -> Result<Option<Instance>, &'static str> {
    let sent: Vec<&[u8]> = match &carried.carrier {
        Carrier::Header(name) => headers.all(name).take(2).collect(),
        Carrier::Cookie(name) => headers.cookies(name).take(2).collect(),
    };
    let token = match sent.as_slice() {
        [] => return Ok(None),
        [token] => token,
        _ => return Err("several tokens"),
    };
    if token.len() > TOKEN_BYTES_MAX {
        return Err("a token that is too long");
    }
    let parts = std::str::from_utf8(token).ok().and_then(|token| {
        let (kid, rest) = token.split_once('.')?;
        Some((kid, rest.split_once('.')?))
    });
    let (kid, (state, hash)) = parts.ok_or("no token")?;
    let key = carried.keys.iter().find(|key| key.kid == kid).ok_or("a token with an unknown key")?;
    if !ct_codecs::verify(signature(key, owner, actor, state).as_bytes(), hash.as_bytes()) {
        return Err("a token that is forged, or for another actor or workflow");
    }
    decoded(state).map(Some).ok_or("a token without a state")
}

/// The header field that gives a client its token.
pub(super) fn write(
    carried: &StepToken,
    workflow: &Workflow,
    actor: &[u8],
    instance: Instance,
) -> (String, String) {
    let [d0, d1, _, _, b0, b1, b2, b3, b4, b5, l0, l1, l2, l3, _, _] = instance.state();
    let state = URL_SAFE_NO_PAD.encode([d0, d1, b0, b1, b2, b3, b4, b5, l0, l1, l2, l3]);
    // A test holds that there is a key.
    let token = carried.keys.first().map(|key| {
        let hash = signature(key, &workflow.owner, actor, &state);
        format!("{}.{state}.{hash}", key.kid)
    });
    let token = token.unwrap_or_default();
    match &carried.carrier {
        Carrier::Header(name) => (name.clone(), token),
        Carrier::Cookie(name) => {
            let seconds = workflow.expires.as_u64() / 1000;
            let cookie = format!("{name}={token}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax");
            ("set-cookie".to_owned(), cookie)
        }
    }
}

/// What a one-time step is remembered by: the actor and the beginning of the instance, which all its tokens have in common, or the
/// actor alone where an instance can begin with it.
pub(super) fn once_key(owner: &str, step: &Step, actor: &[u8], instance: Instance) -> Vec<u8> {
    let began = if step.begins() { 0 } else { instance.began().as_u64() };
    let mut key = Vec::new();
    framed(&mut key, owner.as_bytes());
    framed(&mut key, &step.bit.to_le_bytes());
    framed(&mut key, &began.to_le_bytes());
    framed(&mut key, actor);
    key
}

fn decoded(state: &str) -> Option<Instance> {
    let bytes: [u8; STATE_BYTES] = URL_SAFE_NO_PAD.decode(state).ok()?.try_into().ok()?;
    let [d0, d1, b0, b1, b2, b3, b4, b5, l0, l1, l2, l3] = bytes;
    let state: State = [d0, d1, 0, 0, b0, b1, b2, b3, b4, b5, l0, l1, l2, l3, 0, 0];
    Some(Instance::read(state))
}

fn signature(key: &StepKey, owner: &str, actor: &[u8], state: &str) -> String {
    let mut signed = Vec::new();
    for part in [PURPOSE, key.kid.as_bytes(), owner.as_bytes(), actor, state.as_bytes()] {
        framed(&mut signed, part);
    }
    URL_SAFE_NO_PAD.encode(HMAC::mac(signed, &key.secret))
}

/// With its length before it, so that no two lists of parts look the same.
fn framed(out: &mut Vec<u8>, part: &[u8]) {
    let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
    out.extend(length.to_le_bytes());
    out.extend(part);
}

#[cfg(test)]
mod tests;
