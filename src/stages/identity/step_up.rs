//! Has the caller logged in well enough, and lately enough (RFC 9470)?
//!
//! Asked twice: a route may demand it of every token, and a request that is challenged for its risk may already carry the
//! proof that the challenge would ask for. Only what a verified token says counts: `acr`, a string that is equal to one of
//! those configured, and `auth_time`, which may be ahead of our clock, or late, by the issuer's skew. What is missing or of
//! another type satisfies nothing, and neither does a key, whatever its claims. Not covered: an order among `acr` values; list all that are good enough.

use super::checks::LOGIN_INSUFFICIENT;
use super::{Caller, Origin, Verified};
use crate::config::identity::{Identity, Login, Requirement};
use crate::finding::{Finding, Findings};
use crate::time::Millis;

/// Adds what a login lacks of what the route demands.
pub(super) fn check(
    identity: &Identity,
    requirement: &Requirement,
    verified: &Verified,
    now: Millis,
    findings: &mut Findings,
) {
    let login = Some(&requirement.login).filter(|login| !login.is_empty());
    if let Some(lacking) = login.and_then(|login| lacking(login, identity, verified, now)) {
        findings.add(Finding::new(&LOGIN_INSUFFICIENT, lacking));
    }
}

/// Whether a caller has proved what a challenge would ask for. Never where nothing is configured that could prove it.
pub fn is_proved(identity: &Identity, caller: &Caller, now: Millis) -> bool {
    match caller {
        Caller::Anonymous => false,
        Caller::Verified(verified) => {
            !identity.step_up.is_empty() && lacking(&identity.step_up, identity, verified, now).is_none()
        }
    }
}

/// Which claim is not enough.
fn lacking(login: &Login, identity: &Identity, verified: &Verified, now: Millis) -> Option<&'static str> {
    if verified.origin == Origin::Key && !login.is_empty() {
        return Some("nobody has logged in with a key");
    }
    let claims = &verified.claims;
    let is_one_of = |acr: &str| login.acr_values.iter().any(|value| value == acr);
    if !login.acr_values.is_empty() && !claims.text("acr").is_some_and(is_one_of) {
        return Some("`acr` is none of `acr_values`");
    }
    let max_age = login.max_age?;
    // Seconds are compared with seconds.
    let seconds = |time: Millis| time.as_u64().checked_div(1000).unwrap_or_default();
    let skew = seconds(verified.clock_skew(identity));
    let (now, max_age) = (seconds(now), seconds(max_age));
    let is_recent =
        |at: u64| at <= now.saturating_add(skew) && now.saturating_sub(at) <= max_age.saturating_add(skew);
    let recent = claims.date("auth_time").ok().flatten().is_some_and(is_recent);
    (!recent).then_some("`auth_time` is missing, or longer ago than `max_age`")
}
