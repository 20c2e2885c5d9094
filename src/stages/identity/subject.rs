//! A token that is handed over to be exchanged or revoked, and not to be let in with (RFC 8693 §2.1, RFC 7009 §2.1).
//!
//! It is judged as any token is: form, issuer, type, audience, dates, required claims, signature, revocation. But what the
//! filter signs must rest on nothing doubtful, so a check that is held back, tuned or in monitor mode counts here all the same:
//! a token of which anything was found proves nothing. What was found is noted; the endpoint says no itself.
//!
//! Opaque tokens are neither exchanged nor revoked. Where a token is exchanged, soft bindings raise the risk as everywhere: a token in wrong hands is challenged, not exchanged.

use super::checks::TOKEN_MALFORMED;
use super::{binding, introspection, recall, revocation, Proof, Scene, Verified};
use crate::finding::{Family, Finding, Findings, Weight};
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

/// Whether a token has the form of a signed one. Others are opaque.
pub fn is_signed(text: &[u8]) -> bool {
    !introspection::is_opaque(text)
}

/// Judges a token, and whether it is in the hands that it was issued to.
///
/// # Errors
/// What must be there first, if the request may wait. What was found until then is to be thrown away.
pub fn examine(scene: &Scene<'_>, text: &[u8], findings: &mut Findings) -> Result<Subject, super::Need> {
    let subject = identify(scene, text, findings)?;
    if let (Subject::Good(verified, _), Some(identity)) = (&subject, &scene.config.identity) {
        binding::check(&identity.bindings, &verified.claims, scene.request, findings);
    }
    Ok(subject)
}

/// Judges a token, whoever has it.
///
/// # Errors
/// See [`examine`].
pub fn identify(scene: &Scene<'_>, text: &[u8], findings: &mut Findings) -> Result<Subject, super::Need> {
    let Some(identity) = &scene.config.identity else { return Ok(Subject::Bad) };
    // Its issuer is asked about the token that a request is let in with, and about no other.
    if introspection::is_opaque(text) {
        findings.add(Finding::new(&TOKEN_MALFORMED, "opaque tokens are not taken here").weighing(Weight::Note));
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
        Some((verified, proof)) if decisive.is_empty() => Ok(Subject::Good(verified, proof)),
        _ if decisive.iter().all(|family| *family == Family::Failure) => Ok(Subject::Unknown),
        _ => Ok(Subject::Bad),
    }
}
