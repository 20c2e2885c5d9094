//! May the holder of a valid token do this: scopes and claims that a route asks for.

use super::checks::{CLAIM_REFUSED, SCOPE_INSUFFICIENT};
use super::Verified;
use crate::config::identity::Requirement;
use crate::finding::{Finding, Findings};

/// Compares what a route asks for with what a token grants. Neither changes as long as both are there, so a route that is asked
/// for again needs no second look.
pub(super) fn check(requirement: &Requirement, verified: &Verified, findings: &mut Findings) {
    let place: *const Requirement = requirement;
    if verified.met.get() == Some(place) {
        return;
    }
    let (claims, before) = (&verified.claims, findings.len());
    if let Some(scope) = requirement.scopes.iter().find(|scope| !claims.has_scope(scope)) {
        findings.add(Finding::new(&SCOPE_INSUFFICIENT, format!("scope `{scope}` not granted")));
    }
    let refused = |(name, allowed): &(&str, &Vec<String>)| match allowed.as_slice() {
        [] => claims.get(name).is_none(),
        _ => !claims.matches(name, allowed),
    };
    if let Some((name, _)) = requirement.claims.iter().find(refused) {
        findings.add(Finding::new(&CLAIM_REFUSED, format!("claim `{name}`")));
    }
    if findings.len() == before {
        verified.met.set(Some(place));
    }
}
