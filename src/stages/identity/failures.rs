//! Has this source sent too many tokens that turned out to be worthless?
//!
//! A junk token costs its sender nothing and us a signature check, or its issuer a question. So each source has a bucket of
//! failures (a token bucket, as limits have), in the memory that all workers share. When it is empty no token of that source is
//! checked that would cost something; tokens that are remembered go on, so neighbours behind one address who are at work
//! are not locked out by one who fails.
//!
//! Proofs of possession are counted apart, for each key that they name: `holder/possession.rs` says why.
//!
//! Bounds: one record for each source, and one for each key of a valid token that a source fails to prove; IPv6 sources are told apart by their /64. Where memory is short a source may begin with
//! the debt of one that was forgotten ([`crate::memory::bucket`]). A change that meets too many others counts nothing.

use super::checks::TOKEN_FAILURES;
use super::Scene;
use crate::config::identity::Failures;
use crate::finding::Finding;
use crate::memory::record::{Record, State};
use crate::memory::{Hashed, Trace};
use crate::rate::{Algorithm, Rate, Taken};
use ipnet::IpNet;
use std::borrow::Cow;
use std::net::IpAddr;

/// What was tried. By its name its records are told apart from those of limits, whose names have no dot: who sends junk
/// tokens does not keep his neighbours from revoking some.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Tried<'a> {
    /// To be let in with a token or key.
    Token,
    /// To prove the possession of a key, by its thumbprint.
    Proof(&'a str),
    /// To revoke.
    Revocation,
}

impl Tried<'_> {
    fn owner(self) -> Cow<'static, str> {
        match self {
            Self::Token => Cow::Borrowed("token.failures"),
            Self::Proof(thumbprint) => Cow::Owned(format!("token.failures/{thumbprint}")),
            Self::Revocation => Cow::Borrowed("revocation.failures"),
        }
    }
}

const COUNT: Algorithm = Algorithm::TokenBucket;

/// Leading bits by which IPv6 sources are told apart: a subscriber's network.
const PREFIX_V6: u8 = 64;

/// Whether what this source tries may still cost something.
///
/// # Errors
/// It may not.
pub(super) fn check(scene: &Scene<'_>, tried: Tried<'_>) -> Result<(), Finding> {
    let Some(seconds) = pause(scene, tried) else { return Ok(()) };
    let mut finding = Finding::new(&TOKEN_FAILURES, "too many tokens of this source have failed");
    finding.advice.push(("retry-after", seconds.to_string()));
    Err(finding)
}

/// Seconds until this source may try again, if it may not now.
pub fn pause(scene: &Scene<'_>, tried: Tried<'_>) -> Option<u64> {
    let (rate, place) = bucket(scene, tried)?;
    let taken = scene.memory.change(scene.shared, place, scene.now, &mut Trace::default(), |record| {
        (take(&record, &rate, scene, 1), None)
    });
    match taken {
        Ok(Taken { allowed: false, retry_after, .. }) => {
            Some(retry_after.unwrap_or(rate.window).as_u64().div_ceil(1000).max(1))
        }
        _ => None,
    }
}

/// Counts what cost something and was worthless.
pub fn charge(scene: &Scene<'_>, tried: Tried<'_>) {
    let Some((rate, place)) = bucket(scene, tried) else { return };
    let _ = scene.memory.change(scene.shared, place, scene.now, &mut Trace::default(), |mut record| {
        let state = begun(&record, &rate, scene);
        let Some(charged) = COUNT.charge(state, &rate, scene.now, 1) else { return ((), None) };
        record.settle(charged.state, charged.debt);
        ((), Some(record))
    });
}

fn bucket(scene: &Scene<'_>, tried: Tried<'_>) -> Option<(Rate, Hashed)> {
    let Failures { per_source, window } = scene.config.identity.as_ref()?.failures?;
    let source = match *scene.request.source {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(address) => {
            IpNet::new(address, PREFIX_V6).map_or_else(|_| String::new(), |net| net.trunc().to_string())
        }
        None => String::new(),
    };
    let place = scene.memory.locate(source.as_bytes(), &tried.owner());
    Some((Rate { limit: per_source, window, burst: per_source }, place))
}

fn take(record: &Record, rate: &Rate, scene: &Scene<'_>, cost: u64) -> Taken {
    COUNT.take(begun(record, rate, scene), rate, scene.now, cost)
}

/// The state of a record, which begins with what it inherited if it is new.
fn begun(record: &Record, rate: &Rate, scene: &Scene<'_>) -> State {
    if record.is_new() {
        let inherited = COUNT.inherit(rate, scene.now, record.inherited, record.debt.settled);
        COUNT.begin(rate, scene.now, inherited)
    } else {
        record.state
    }
}
