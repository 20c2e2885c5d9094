//! A token that is handed over to be exchanged, and not to be let in with (RFC 8693 §2.1).
//!
//! It is judged as any token is: form, issuer, type, audience, dates, required claims, signature, revocation. But what the
//! filter signs must rest on nothing doubtful, so a check that is held back, tuned or in monitor mode counts here all the same:
//! a token of which anything was found proves nothing. What was found is noted; the endpoint says no itself.
//!
//! Opaque tokens are not exchanged. Soft bindings raise the risk as everywhere: a token in wrong hands is challenged, not exchanged.

use super::checks::TOKEN_MALFORMED;
use super::{binding, holder, introspection, recall, revocation, Proof, Scene, Verified};
use crate::finding::{Family, Finding, Findings, Weight};
use serde_json::Value;
use std::rc::Rc;

/// What became of a token.
#[derive(Debug)]
pub enum Subject {
    /// It is in order; and how that was found.
    Good(Rc<Verified>, Proof),
    /// It is not.
    Bad,
    /// Nobody can tell now, through no fault of the client.
    Unknown,
}

/// Judges a token.
///
/// # Errors
/// What must be there first, if the request may wait. What was found until then is to be thrown away.
pub fn examine(scene: &Scene<'_>, text: &[u8], findings: &mut Findings) -> Result<Subject, super::Need> {
    let Some(identity) = &scene.config.identity else { return Ok(Subject::Bad) };
    // Its issuer is asked about the token that a request is let in with, and about no other.
    if introspection::is_opaque(text) {
        findings.add(Finding::new(&TOKEN_MALFORMED, "opaque tokens are not exchanged").weighing(Weight::Note));
        return Ok(Subject::Bad);
    }
    let mut doubts = Findings::default();
    let recalled = recall(identity, text, scene, &mut doubts)?;
    if let Some((verified, _)) = &recalled {
        revocation::check(identity, verified, scene, &mut doubts)?;
    }
    // Where a failure policy lets tokens pass, it lets them pass here too.
    let counts =
        |finding: &&Finding| finding.check.family != Family::Failure || finding.weight != Some(Weight::Note);
    let decisive: Vec<Family> = doubts.iter().filter(counts).map(|finding| finding.check.family).collect();
    doubts.iter().for_each(|doubt| findings.add(doubt.clone().weighing(Weight::Note)));
    match recalled {
        Some((verified, proof)) if decisive.is_empty() => {
            binding::check(&identity.bindings, &verified.claims, scene.request, findings);
            Ok(Subject::Good(verified, proof))
        }
        _ if decisive.iter().all(|family| *family == Family::Failure) => Ok(Subject::Unknown),
        _ => Ok(Subject::Bad),
    }
}

/// What a token that is issued for a subject is bound to (`cnf`, RFC 7800): what the subject's token is bound to, or else the key
/// that the request proves to have and the client certificate that it shows, if both ways are configured. `None` for nothing.
///
/// # Errors
/// The request has a proof of possession that is not good, or is another key's than the subject's token is bound to.
pub fn confirmation(scene: &Scene<'_>, subject: &Verified) -> Result<Option<Value>, Finding> {
    match &scene.config.identity {
        None => Ok(subject.claims.get("cnf").cloned()),
        Some(identity) => holder::offered(identity, subject.claims.get("cnf"), scene),
    }
}
