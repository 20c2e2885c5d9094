//! May the holder of a valid token do this: scopes and claims that a route asks for.

use super::checks::{CLAIM_REFUSED, SCOPE_INSUFFICIENT};
use crate::config::identity::Requirement;
use crate::finding::{Finding, Findings};
use crate::jose::Claims;

/// Compares what a route asks for with what a token grants.
pub(super) fn check(requirement: &Requirement, claims: &Claims, findings: &mut Findings) {
    if let Some(scope) = requirement.scopes.iter().find(|scope| !claims.has_scope(scope)) {
        findings.add(Finding::new(&SCOPE_INSUFFICIENT, format!("scope `{scope}` not granted")));
    }
    let refused = |(name, allowed): &(&String, &Vec<String>)| match allowed.as_slice() {
        [] => claims.get(name).is_none(),
        _ => !claims.matches(name, allowed),
    };
    if let Some((name, _)) = requirement.claims.iter().find(refused) {
        findings.add(Finding::new(&CLAIM_REFUSED, format!("claim `{name}`")));
    }
}
