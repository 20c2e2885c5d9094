//! The token endpoint: a token of another issuer becomes a short-lived one of ours (RFC 8693), with errors as in RFC 6749 §5.2.
//!
//! The subject's token is the only proof; clients are not authenticated. It is judged by the identity stage's own code
//! ([`crate::stages::identity::subject`]). What comes out of it is never more than what went in: its scopes are among the
//! subject's, it does not outlive it, and a binding that the subject's token has, soft or by a key, is kept. A token that is not
//! bound yet is bound to the key that the client proves to have (`DPoP`, RFC 9449 §5) and to its certificate (RFC 8705 §3).
//!
//! The answer to a token that is not in order is `invalid_request` (RFC 8693 §2.2.2), whatever was wrong: the operator finds that
//! in the receipt. Not covered: actor tokens, several audiences or resources of one kind (a parameter is sent once, RFC 6749
//! §3.2), other grants, authentication of clients.

mod claims;
pub(super) mod login;

use self::claims::{Bound, Terms};
use super::audit::{Act, Issued};
use super::{error, read_form, Asked, JSON};
use crate::config::Minting;
use crate::finding::{Finding, Findings, Weight};
use crate::jose::Claims;
use crate::reply::Reply;
use crate::request::form::Form;
use crate::stages::identity::subject::{self, Subject};
use crate::stages::identity::{Caller, Need, Proof, Scene, Verified};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use serde::Serialize;
use serde_json::Value;
use std::rc::Rc;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Why there is no token.
#[derive(Debug)]
pub struct Denied {
    status: u16,
    error: &'static str,
    description: &'static str,
    /// Header fields of the answer.
    fields: Vec<(&'static str, String)>,
}

/// What is to be issued, once the request was judged.
#[derive(Debug)]
pub struct Grant {
    subject: Rc<Verified>,
    proof: Proof,
    scopes: Vec<String>,
    audiences: Vec<String>,
    issued_type: &'static str,
    /// What the token is bound to (RFC 7800).
    confirmation: Option<Value>,
}

/// The answer (RFC 8693 §2.2.1).
#[derive(Serialize)]
struct Answer<'a> {
    access_token: &'a str,
    issued_token_type: &'static str,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    /// Claims that bind the token.
    bindings: &'a [String],
    /// A session that is new: it is to be shown with every request, so the client must know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
}

impl Denied {
    const fn new(status: u16, error: &'static str, description: &'static str) -> Self {
        Self { status, error, description, fields: Vec::new() }
    }

    const fn invalid(description: &'static str) -> Self {
        Self::new(400, "invalid_request", description)
    }

    const fn because(error: &'static str, description: &'static str) -> Self {
        Self::new(400, error, description)
    }

    /// What is wrong with how the client proves its key (RFC 9449 §5, §8), or that nobody can tell now.
    fn holder(finding: &Finding) -> Self {
        let Some(error) = finding.check.bearer_error else {
            return Self::new(503, "temporarily_unavailable", "the proof of possession cannot be judged now");
        };
        let advice = finding.advice.iter().cloned();
        Self {
            fields: advice.collect(),
            ..Self::because(error, "the proof of possession is not accepted, or needs a nonce")
        }
    }

    pub(super) fn answer(&self) -> (Reply, Act) {
        let mut reply = error(self.status, self.error, self.description);
        reply.headers.extend(self.fields.iter().cloned());
        (reply, Act::Refused { error: self.error })
    }
}

impl Grant {
    pub(super) fn caller(&self) -> (Caller, Proof) {
        (Caller::Verified(Rc::clone(&self.subject)), self.proof)
    }
}

/// Reads a request.
///
/// # Errors
/// What must be there first, if the request may wait.
pub(super) fn examine(
    asked: &Asked<'_>,
    minting: &Minting,
    body: &[u8],
    findings: &mut Findings,
) -> Result<Result<Grant, Denied>, Need> {
    let form = read_form(asked.scene.request, body)
        .map_err(|(status, description)| Denied::new(status, "invalid_request", description));
    let form = match form.and_then(|form| check_form(&form).map(|()| form)) {
        Ok(form) => form,
        Err(denied) => return Ok(Err(denied)),
    };
    let text = form.get("subject_token").unwrap_or_default();
    Ok(match subject::examine(&asked.scene, text.as_bytes(), findings)? {
        Subject::Good(subject, proof) => {
            grant(minting, &form, subject, proof).and_then(|grant| bind(grant, &asked.scene, findings))
        }
        Subject::Bad => Err(Denied::invalid("the subject token is not accepted")),
        Subject::Unknown => {
            Err(Denied::new(503, "temporarily_unavailable", "the subject token cannot be judged now"))
        }
    })
}

/// What can be said without looking at the token.
fn check_form(form: &Form) -> Result<(), Denied> {
    match form.get("grant_type") {
        Some(EXCHANGE) => {}
        Some(_) => return Err(Denied::because("unsupported_grant_type", "only token exchange is served here")),
        None => return Err(Denied::invalid("`grant_type` is missing")),
    }
    if ["client_secret", "client_assertion"].iter().any(|name| form.get(name).is_some()) {
        return Err(Denied::new(401, "invalid_client", "clients are not authenticated here"));
    }
    if ["actor_token", "actor_token_type"].iter().any(|name| form.get(name).is_some()) {
        return Err(Denied::invalid("`actor_token` is not supported"));
    }
    if form.get("subject_token").is_none() {
        return Err(Denied::invalid("`subject_token` is missing"));
    }
    match form.get("subject_token_type") {
        Some(ACCESS_TOKEN | ID_TOKEN | JWT) => {}
        Some(_) => return Err(Denied::invalid("this `subject_token_type` is not supported")),
        None => return Err(Denied::invalid("`subject_token_type` is missing")),
    }
    match form.get("requested_token_type") {
        None | Some(ACCESS_TOKEN | JWT) => Ok(()),
        Some(_) => Err(Denied::invalid("this `requested_token_type` is not supported")),
    }
}

/// What is asked for, if the subject's token and the configuration allow it.
fn grant(minting: &Minting, form: &Form, subject: Rc<Verified>, proof: Proof) -> Result<Grant, Denied> {
    let claims = subject.claims();
    let is_ours = subject.issuer() == minting.issuer;
    if !is_ours && !minting.subjects.iter().any(|issuer| issuer == subject.issuer()) {
        return Err(Denied::invalid("tokens of this issuer are not exchanged"));
    }
    if claims.text("sub").is_none_or(str::is_empty) {
        return Err(Denied::invalid("the subject token names no subject"));
    }
    if claims.get("cnf").is_some_and(|confirmation| !confirmation.is_object()) {
        return Err(Denied::invalid("the subject token is bound in a way that cannot be kept"));
    }
    let scopes = scopes(&claims.scopes(), form.get("scope"))?;
    let wanted: Vec<&str> = ["audience", "resource"].iter().filter_map(|name| form.get(name)).collect();
    let audiences = match (wanted.as_slice(), minting.audiences.as_slice()) {
        ([], [only]) => vec![only.clone()],
        ([], _) => return Err(Denied::because("invalid_target", "`audience` or `resource` must say for whom")),
        (wanted, allowed) if wanted.iter().all(|name| allowed.iter().any(|other| other == name)) => {
            let mut audiences: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
            audiences.dedup();
            audiences
        }
        _ => return Err(Denied::because("invalid_target", "no tokens are issued for this audience")),
    };
    let issued_type = if form.get("requested_token_type") == Some(JWT) { JWT } else { ACCESS_TOKEN };
    Ok(Grant { subject, proof, scopes, audiences, issued_type, confirmation: None })
}

/// Binds what is to be issued to the key or certificate that the client has shown, or keeps what the subject's token is bound to.
/// Last of all, since it uses up the proof.
fn bind(grant: Grant, scene: &Scene<'_>, findings: &mut Findings) -> Result<Grant, Denied> {
    match subject::confirmation(scene, &grant.subject) {
        Ok(confirmation) => Ok(Grant { confirmation, ..grant }),
        Err(finding) => {
            let denied = Denied::holder(&finding);
            findings.add(finding.weighing(Weight::Note));
            Err(denied)
        }
    }
}

/// The scopes asked for, all of which must be the subject's; those of the subject if none is asked for.
fn scopes(granted: &[&str], wanted: Option<&str>) -> Result<Vec<String>, Denied> {
    let Some(wanted) = wanted else { return Ok(granted.iter().map(|scope| (*scope).to_owned()).collect()) };
    let mut scopes: Vec<String> = Vec::new();
    for scope in wanted.split(' ').filter(|scope| !scope.is_empty()) {
        if !granted.contains(&scope) {
            return Err(Denied::because("invalid_scope", "the subject token does not have this scope"));
        }
        if !scopes.iter().any(|other| other == scope) {
            scopes.push(scope.to_owned());
        }
    }
    Ok(scopes)
}

/// What a token is issued for.
struct Basis<'a> {
    claims: &'a Claims,
    /// Whether we take its word for more than a stranger's.
    is_own: bool,
    scopes: &'a [String],
    audiences: &'a [String],
    issued_type: &'static str,
    confirmation: Option<&'a Value>,
}

/// Issues the token of an exchange. `risk` is what was found about the request, 0 to 1.
pub(super) fn exchange(grant: &Grant, asked: &Asked<'_>, minting: &Minting, risk: f64) -> (Reply, Act) {
    let basis = Basis {
        claims: grant.subject.claims(),
        is_own: grant.subject.issuer() == minting.issuer,
        scopes: &grant.scopes,
        audiences: &grant.audiences,
        issued_type: grant.issued_type,
        confirmation: grant.confirmation.as_ref(),
    };
    issue(&basis, asked, minting, risk)
}

fn issue(basis: &Basis<'_>, asked: &Asked<'_>, minting: &Minting, risk: f64) -> (Reply, Act) {
    let unavailable = || {
        let description = "no token can be signed now";
        Denied::new(503, "temporarily_unavailable", description).answer()
    };
    let scene = &asked.scene;
    let now_secs = scene.now.as_u64() / 1000;
    let signer = minting.signer(scene.now);
    let (Some(signer), Some(jti), Some(session)) = (signer, fresh(asked), fresh(asked)) else {
        return unavailable();
    };
    let claims = basis.claims;
    let ends = claims.date("exp").ok().flatten().unwrap_or(u64::MAX);
    let lifetime_secs = (minting.lifetime.as_u64() / 1000).min(ends.saturating_sub(now_secs));
    if lifetime_secs == 0 {
        return Denied::invalid("the subject token is about to expire").answer();
    }
    let bound = Bound::new(minting, scene, claims, &session);
    let terms = Terms {
        minting,
        subject: claims,
        scopes: basis.scopes,
        audiences: basis.audiences,
        bound: &bound,
        is_own: basis.is_own,
        level: claims::level(risk, scene.route.thresholds),
        jti: &jti,
        now_secs,
        lifetime_secs,
    };
    let Ok(token) = signer.sign(terms.claims(basis.confirmation)) else { return unavailable() };
    let mut bindings: Vec<String> = bound.names();
    bindings.extend(basis.confirmation.map(|_| "cnf".to_owned()));
    let scope = basis.scopes.join(" ");
    let answer = Answer {
        access_token: &token,
        issued_token_type: basis.issued_type,
        token_type: token_type(basis.confirmation),
        expires_in: lifetime_secs,
        scope: Some(scope.as_str()).filter(|scope| !scope.is_empty()),
        bindings: &bindings,
        session_id: Some(session.as_str()).filter(|_| bound.has_new_session()),
    };
    let answer = serde_json::to_string(&answer).unwrap_or_default();
    let issued = Issued {
        jti,
        audiences: basis.audiences.to_vec(),
        scope,
        key_id: signer.key_id().to_owned(),
        bindings,
        lifetime_secs,
    };
    (Reply::served(200, JSON, "no-store", answer), Act::Issued(Box::new(issued)))
}

/// A token bound to a key by its thumbprint is used with a proof of that key (RFC 9449 §5).
fn token_type(confirmation: Option<&Value>) -> &'static str {
    if confirmation.is_some_and(|confirmation| confirmation.get("jkt").is_some()) {
        "DPoP"
    } else {
        "Bearer"
    }
}

/// 128 random bits as text.
fn fresh(asked: &Asked<'_>) -> Option<String> {
    asked.entropy.fresh().map(|bits| URL_SAFE_NO_PAD.encode(bits))
}

#[cfg(test)]
mod tests;
