//! Tokens that only their issuer can read: what they are worth is asked there (RFC 7662).
//!
//! A token that does not look like a signed one is opaque. Its request waits for the answer; a worker believes an answer for
//! `cache_max`, never beyond the token's `exp`, whether it is good or bad. What is said of an active token are its claims, and
//! everything else that looks at claims applies to them: scopes, bindings, revocations.
//!
//! Bounds: answers of [`ANSWER_BYTES_MAX`]. Not covered: signed answers (RFC 9701), and two requests with one token that come
//! at the same moment, which are asked for twice.

use super::cache::{Kind, Remembered};
use super::checks::{TOKEN_AUDIENCE, TOKEN_INACTIVE, TOKEN_INTROSPECTION_UNAVAILABLE, TOKEN_TOO_LARGE};
use super::failures::{self, Tried};
use super::{Need, Origin, Patience, Proof, Scene, Verified};
use crate::config::identity::{Identity, Introspection};
use crate::finding::{Finding, Findings};
use crate::jose::Claims;
use crate::json::{self, Bounds};
use crate::remote::answer::{Answer, Fault};
use crate::remote::call::Call;
use crate::time::Millis;
use serde_json::Value;
use std::rc::Rc;

/// Longest answer that is read.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What an answer may contain.
const ANSWER_BOUNDS: Bounds = Bounds { depth: 16, values: 1024 };

/// What the service said of a token.
enum Said {
    Active(Claims),
    Inactive(&'static str),
}

/// Whether a token is one that we cannot read: signed ones have three parts and begin with `{"` in base64.
pub(super) fn is_opaque(text: &[u8]) -> bool {
    let dots = text.iter().filter(|byte| **byte == b'.').count();
    dots != 2 || !text.starts_with(b"eyJ")
}

/// The call that asks about a token.
pub fn call(configured: &Introspection, token: &[u8]) -> Call {
    let token = percent_encoding::percent_encode(token, percent_encoding::NON_ALPHANUMERIC);
    let mut headers = vec![
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ("accept", "application/json".to_owned()),
    ];
    headers.extend(configured.authorization.clone().map(|value| ("authorization", value)));
    Call {
        cluster: configured.cluster.clone(),
        method: "POST",
        location: configured.location.clone(),
        headers,
        body: Some(format!("token={token}&token_type_hint=access_token")),
        timeout: configured.timeout,
        bytes_max: ANSWER_BYTES_MAX,
    }
}

/// What an opaque token proves: by memory, or by what the service has said of it.
///
/// # Errors
/// The service must be asked first, and the request may wait for it.
#[inline(never)]
pub(super) fn recall(
    identity: &Identity,
    configured: &Introspection,
    text: &[u8],
    scene: &Scene<'_>,
    findings: &mut Findings,
) -> Result<Option<(Rc<Verified>, Proof)>, Need> {
    if text.len() > identity.token_bytes_max {
        findings.add(Finding::new(&TOKEN_TOO_LARGE, format!("{} bytes", text.len())));
        return Ok(None);
    }
    let known = scene.cache.borrow().get(Kind::Opaque, text);
    match known {
        Some(Remembered::Good(verified)) if verified.is_believed(scene.now) => {
            return Ok(Some((verified, Proof::Remembered)));
        }
        Some(Remembered::Bad { check, until }) if scene.now < until => {
            findings.add(Finding::new(check, "the issuer was asked before"));
            return Ok(None);
        }
        _ => {}
    }
    let Some(told) = scene.told else {
        if let Err(finding) = failures::check(scene, Tried::Token) {
            findings.add(finding);
            return Ok(None);
        }
        if matches!(scene.patience, Patience::None) {
            findings.add(unavailable(configured, "too many requests wait"));
            return Ok(None);
        }
        return Err(Need::Introspection);
    };
    let until = scene.now.saturating_add(configured.cache_max);
    match told.as_ref().map_err(|Fault(why)| why.as_str()).and_then(|answer| read(configured, answer, scene.now)) {
        Err(why) => {
            findings.add(unavailable(configured, why));
            Ok(None)
        }
        Ok(Said::Inactive(why)) => {
            failures::charge(scene, Tried::Token);
            scene.cache.borrow_mut().insert(Kind::Opaque, text, Remembered::Bad { check: &TOKEN_INACTIVE, until });
            findings.add(Finding::new(&TOKEN_INACTIVE, why));
            Ok(None)
        }
        Ok(Said::Active(claims)) => Ok(accept(configured, text, claims, until, scene, findings)),
    }
}

/// Takes an active token, if it is meant for us.
fn accept(
    configured: &Introspection,
    text: &[u8],
    claims: Claims,
    until: Millis,
    scene: &Scene<'_>,
    findings: &mut Findings,
) -> Option<(Rc<Verified>, Proof)> {
    let audiences = claims.audiences().unwrap_or_default();
    let is_ours = configured.audiences.is_empty()
        || audiences.iter().any(|audience| configured.audiences.iter().any(|ours| ours == audience));
    if !is_ours {
        scene.cache.borrow_mut().insert(Kind::Opaque, text, Remembered::Bad { check: &TOKEN_AUDIENCE, until });
        findings.add(Finding::new(&TOKEN_AUDIENCE, "the token is meant for another audience"));
        return None;
    }
    let expires = claims.date("exp").ok().flatten().map(Millis::from_secs);
    let until = expires.map_or(until, |expires| until.min(expires.saturating_add(configured.clock_skew)));
    let verified = Rc::new(Verified::from(Origin::Asked { until }, configured.issuer.clone(), claims));
    scene.cache.borrow_mut().insert(Kind::Opaque, text, Remembered::Good(Rc::clone(&verified)));
    Some((verified, Proof::Asked))
}

fn unavailable(configured: &Introspection, why: impl Into<String>) -> Finding {
    Finding::new(&TOKEN_INTROSPECTION_UNAVAILABLE, why.into()).weighing(configured.on_unavailable.weight())
}

/// Reads an answer. What it says of issuer and dates is held against it, although the service should have.
///
/// # Errors
/// It is no answer to the question.
fn read<'a>(configured: &Introspection, answer: &'a Answer, now: Millis) -> Result<Said, &'a str> {
    let Answer::Document { body, .. } = answer else { return Err("status 304, which nobody asked for") };
    let value = json::parse(body, ANSWER_BOUNDS).map_err(|_| "the answer is no JSON that has one meaning")?;
    let Value::Object(mut said) = value else { return Err("the answer is no JSON object") };
    match said.remove("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Ok(Said::Inactive("the issuer says so")),
        _ => return Err("the answer does not say whether the token is `active`"),
    }
    let claims = Claims::new(said);
    let (Ok(expires), Ok(begins)) = (claims.date("exp"), claims.date("nbf")) else {
        return Err("the answer has a date of the wrong type");
    };
    let is_over = expires.is_some_and(|at| now >= Millis::from_secs(at).saturating_add(configured.clock_skew));
    let is_ahead = begins.is_some_and(|at| Millis::from_secs(at) > now.saturating_add(configured.clock_skew));
    let is_strange = claims.get("iss").is_some_and(|issuer| issuer.as_str() != Some(&configured.issuer));
    Ok(match (is_over, is_ahead, is_strange) {
        (true, _, _) => Said::Inactive("it has expired"),
        (_, true, _) => Said::Inactive("it is not valid yet"),
        (_, _, true) => Said::Inactive("it is another issuer's"),
        _ => Said::Active(claims),
    })
}

#[cfg(test)]
mod tests;
