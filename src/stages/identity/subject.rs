//! A token that is handed over to be exchanged or revoked, and not to be let in with (RFC 8693 §2.1, RFC 7009 §2.1).
//!
//! It is judged as any token is: form, issuer, type, audience, dates, required claims, signature, revocation. But what the
//! filter signs must rest on nothing doubtful, so a check that is held back, tuned or in monitor mode counts here all the same:
//! a token of which anything was found proves nothing. What was found is noted; the endpoint says no itself.
//!
//! Opaque tokens are neither exchanged nor revoked. Where a token is exchanged, soft bindings raise the risk as everywhere: a token in wrong hands is challenged, not exchanged.

use super::checks::TOKEN_MALFORMED;
use super::{binding, holder, introspection, recall, revocation, Need, Proof, Scene, Verified};
use crate::config::identity::Identity;
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

/// Whether a token has the form of a signed one. Others are opaque.
pub fn is_signed(text: &[u8]) -> bool {
    !introspection::is_opaque(text)
}

/// Judges a token, and whether it is in the hands that it was issued to.
///
/// # Errors
/// What must be there first, if the request may wait. What was found until then is to be thrown away.
pub fn examine(scene: &Scene<'_>, text: &[u8], findings: &mut Findings) -> Result<Subject, Need> {
    let subject = judge(scene, text, findings, |identity, verified, doubts| {
        revocation::check(identity, verified, scene, doubts)
    })?;
    if let (Subject::Good(verified, _), Some(identity)) = (&subject, &scene.config.identity) {
        binding::check(&identity.bindings, verified, scene.request, findings);
    }
    Ok(subject)
}

/// Judges a token that is to be revoked: whoever has it, and whether or not it is revoked already. Who revokes is not to
/// wait for a list of revocations.
///
/// # Errors
/// See [`examine`].
pub fn identify(scene: &Scene<'_>, text: &[u8], findings: &mut Findings) -> Result<Subject, Need> {
    judge(scene, text, findings, |_, _, _| Ok(()))
}

/// Judges a token by all that it says, and by what else there is.
fn judge(
    scene: &Scene<'_>,
    text: &[u8],
    findings: &mut Findings,
    further: impl FnOnce(&Identity, &Verified, &mut Findings) -> Result<(), Need>,
) -> Result<Subject, Need> {
    let Some(identity) = &scene.config.identity else { return Ok(Subject::Bad) };
    // Its issuer is asked about the token that a request is let in with, and about no other.
    if introspection::is_opaque(text) {
        findings.add(Finding::new(&TOKEN_MALFORMED, "opaque tokens are not taken here").weighing(Weight::Note));
        return Ok(Subject::Bad);
    }
    let mut doubts = Findings::default();
    let recalled = recall(identity, text, scene, &mut doubts)?;
    if let Some((verified, _)) = &recalled {
        further(identity, verified, &mut doubts)?;
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
