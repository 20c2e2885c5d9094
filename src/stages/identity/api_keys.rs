//! Is the key one of the configuration's, and in date?
//!
//! For clients that hold an opaque key and no token. The configuration has SHA-256 of each key: keys are random and long, so
//! nobody can find one by its digest, and a slow hash, as passwords need, would only cost every request.
//!
//! The digest is looked up by its first bytes and then compared whole, in constant time. How long the look-up takes may tell
//! somebody how far a digest agrees with another one; but nobody can choose a key by its digest, and a digest that is known is
//! no key. A key that is good is never held up by the failures of its neighbours ([`failures`]), as a remembered token is not.
//! Nothing is remembered of keys: hashing one again costs less than a look-up in the cache, and none lies in memory.
//!
//! Bounds: a key of [`KEY_BYTES_MAX`], one hash a request. Not covered: proof that the sender is the one whom the key was given
//! to; a key is worth what its secrecy is worth.

use super::checks::{KEY_EXPIRED, KEY_UNKNOWN};
use super::failures::{self, Tried};
use super::{Scene, Verified};
use crate::config::identity::ApiKeys;
use crate::finding::{Finding, Findings};
use hmac_sha256::Hash;
use std::rc::Rc;

/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 512;

/// What a key proves; `None` if that is nothing. What is wrong with it is added.
#[inline(never)]
pub(super) fn verify(
    keys: &ApiKeys,
    text: &[u8],
    scene: &Scene<'_>,
    findings: &mut Findings,
) -> Option<Rc<Verified>> {
    let digest = (text.len() <= KEY_BYTES_MAX).then(|| Hash::hash(text));
    let known =
        digest.and_then(|digest| keys.like(&digest).iter().find(|key| ct_codecs::verify(&key.digest, &digest)));
    let Some(key) = known else {
        let why = if digest.is_some() { "it is none of the configuration's" } else { "it is longer than any key" };
        fail(scene, why, findings);
        return None;
    };
    let fault = if scene.now < key.not_before {
        Some("is not valid yet")
    } else {
        key.expires.filter(|expires| *expires <= scene.now).map(|_| "has expired")
    };
    if let Some(fault) = fault {
        findings.add(Finding::new(&KEY_EXPIRED, format!("`{}` {fault}", key.id)));
        return None;
    }
    Some(Rc::new(Verified::by_key(keys, key)))
}

/// Counts a key that nobody has, unless its source may send no more of them.
fn fail(scene: &Scene<'_>, why: &'static str, findings: &mut Findings) {
    if let Err(finding) = failures::check(scene, Tried::Token) {
        let is_stopped = scene.config.stops(&finding, scene.route.mode);
        findings.add(finding);
        if is_stopped {
            return;
        }
    }
    failures::charge(scene, Tried::Token);
    findings.add(Finding::new(&KEY_UNKNOWN, why));
}

#[cfg(test)]
mod tests;
