//! Is one token used by several?
//!
//! Each token has a record of its last use: how many there were, and from which network, by which device, in which country
//! and where on the map. A use that differs from another one within `window` is a sign that the token is in two hands. None
//! of this is proof: people change from one network to another, and applications have several parts. So a finding raises the
//! risk, and all of them together do no more than challenge.
//!
//! What differs is told for the whole window, and not only at the moment it changes: a thief's burst of requests would
//! otherwise be one sign. Both users are under suspicion then, since nothing says which of them is the owner.
//!
//! A token is known by its issuer and `jti`, a key by its id, over all workers. One without is known by what its signature covers, since the
//! signature itself can be written in several ways; an opaque one by its text.
//!
//! Uses that identity refuses are not counted: without its proof a bound token is worth nothing, and nobody is to put a
//! stranger's token under suspicion with it. Neither are tokens that are only exchanged ([`super::subject`]).
//!
//! Bounds: two records of 40 bytes a token ([`hands`], [`place`]), in the memory of all requests, at no debt: they are the
//! first to go where room is short, and an eviction forgets. A new record is no opinion, and neither is a change that meets
//! too many others. Values are kept as 16 bits of a keyed hash, so two of them are taken for one with a chance of 2⁻¹⁶.
//! Not covered: two users who alternate more slowly than `window`, or who share network and device.

mod hands;
mod place;

use super::{Origin, Scene, Verified};
use crate::config::identity::{Identity, Usage};
use crate::finding::{Check, Class, Family, Findings, Score, Weight};
use crate::memory::record::{Debt, Share};
use crate::time::Millis;

/// Too many uses.
pub static COUNT: Check =
    soft("token.usage.count", "usage_count", 0.2, "The token was used more often than `identity.usage.uses_max`.");

/// Two networks.
pub static ADDRESS: Check = soft(
    "token.usage.address",
    "usage_address",
    0.2,
    "The token was used from another network within `identity.usage.window`.",
);

/// Two devices.
pub static DEVICE: Check = soft(
    "token.usage.device",
    "usage_device",
    0.2,
    "The token was used with another device id, or with one and without, within `identity.usage.window`.",
);

/// Two countries.
pub static COUNTRY: Check = soft(
    "token.usage.country",
    "usage_country",
    0.2,
    "The token was used in another country within `identity.usage.window`.",
);

/// A journey that nobody makes.
pub static TRAVEL: Check = soft(
    "token.usage.travel",
    "usage_travel",
    0.4,
    "The token has travelled faster than `identity.usage.speed_max` within `identity.usage.window`.",
);

const fn soft(id: &'static str, code: &'static str, score: f64, means: &'static str) -> Check {
    let weight = Weight::Score(Score::constant(score));
    let (family, class) = (Family::Binding, Class::Forbidden);
    Check {
        id,
        family,
        code,
        class,
        weight,
        tunable: true,
        bearer_error: None,
        means: crate::finding::documented(means),
    }
}

/// Records a use of a token and compares it with those before. `text` is the token as it came.
pub(super) fn check(
    identity: &Identity,
    verified: &Verified,
    text: &[u8],
    scene: &Scene<'_>,
    findings: &mut Findings,
) {
    if let Some(usage) = &identity.usage {
        record(usage, verified, text, scene, findings);
    }
}

#[inline(never)]
fn record(usage: &Usage, verified: &Verified, text: &[u8], scene: &Scene<'_>, findings: &mut Findings) {
    let token = name(verified, text, scene);
    hands::check(usage, &token, scene, findings);
    place::check(usage, &token, scene, findings);
}

/// What all uses of one token have in common, and no two tokens.
fn name(verified: &Verified, text: &[u8], scene: &Scene<'_>) -> [u8; 16] {
    let name = match (verified.name(), verified.origin) {
        (Some(name), _) => scene.memory.keyed_hash(&[&verified.issuer_name, name]),
        (None, Origin::Signed { .. }) => {
            let signed = text.iter().rposition(|byte| *byte == b'.').and_then(|dot| text.get(..dot));
            scene.memory.keyed_hash(&[&String::from_utf8_lossy(signed.unwrap_or(text))])
        }
        (None, Origin::Asked { .. } | Origin::Key) => scene.memory.keyed_hash(&[&String::from_utf8_lossy(text)]),
    };
    name.to_le_bytes()
}

/// How many whole seconds ago something was, up to 18 hours.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
struct Ago(u16);

impl Ago {
    /// Longer ago than can be told, or never.
    const NEVER: Self = Self(u16::MAX);

    fn of(seconds: u32) -> Self {
        u16::try_from(seconds).map_or(Self::NEVER, Self)
    }

    /// The same, so many seconds later.
    fn later(self, seconds: u32) -> Self {
        if self == Self::NEVER {
            self
        } else {
            Self::of(u32::from(self.0).saturating_add(seconds))
        }
    }

    /// How many seconds, if they lie in the window.
    fn within(self, window: Millis) -> Option<u16> {
        let is_within = self != Self::NEVER && u64::from(self.0) <= window.as_u64() / 1000;
        is_within.then_some(self.0)
    }
}

/// What was seen last, as 16 bits of its hash, and how long before something else was.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
struct Mark {
    /// Zero: nothing was seen, and that is compared with nothing.
    seen: u16,
    other: Ago,
}

impl Mark {
    const NONE: Self = Self { seen: 0, other: Ago::NEVER };

    /// The same after another sight, so many seconds later.
    fn then(self, seen: u16, idle: u32) -> Self {
        let other = match (self.seen, seen) {
            (before, now) if before == 0 || now == 0 || before == now => self.other.later(idle),
            _ => Ago::of(idle),
        };
        Self { seen, other }
    }
}

/// What stands for a value: never zero.
fn mark(scene: &Scene<'_>, kind: &str, value: &str) -> u16 {
    let [low, high, ..] = scene.memory.keyed_hash(&["token.usage", kind, value]).to_le_bytes();
    u16::from_le_bytes([low, high]).max(1)
}

/// Whole seconds since 1970, and never zero: by that a record is told from a new one.
fn seconds(now: Millis) -> u32 {
    u32::try_from(now.as_u64() / 1000).unwrap_or(u32::MAX).max(1)
}

/// What the record of a use is worth: nothing, so that no limit makes room for it. Those used last stay longest.
fn worth(now: Millis) -> Debt {
    Debt { share: Share::NONE, since: now, settled: now }
}

#[cfg(test)]
mod tests;
