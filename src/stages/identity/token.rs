//! Is the token in order: its form, its claims, its signature?
//!
//! Claims come first because they are cheap: an expired token, or one from a stranger, costs no signature.

use super::checks::{
    TOKEN_ALGORITHM, TOKEN_AUDIENCE, TOKEN_CLAIM_MISSING, TOKEN_CRITICAL, TOKEN_EXPIRED, TOKEN_ISSUER,
    TOKEN_KEY_UNKNOWN, TOKEN_LIFETIME, TOKEN_MALFORMED, TOKEN_NOT_YET_VALID, TOKEN_SIGNATURE, TOKEN_TOO_LARGE,
    TOKEN_TYPE,
};
use super::{Scene, Verified};
use crate::config::identity::{Identity, Issuer};
use crate::config::Mode;
use crate::finding::{quoted, Finding, Findings, Weight};
use crate::jose::claims::WrongType;
use crate::jose::keys::{By, KeyFault};
use crate::jose::native::NoNative;
use crate::jose::{Claims, Token, TokenFault};
use crate::time::Millis;

/// Judges a token. What is wrong with its claims is added and, unless it refuses, does not end the work: a check that is
/// held back must not hold back the signature with it.
pub(super) fn verify(
    identity: &Identity,
    text: &[u8],
    scene: &Scene<'_>,
    findings: &mut Findings,
) -> Option<(Verified, By)> {
    let Scene { config, route, native, now, .. } = *scene;
    let read = read(identity, text).and_then(|token| Ok((issuer_of(identity, &token)?, token)));
    let ((place, issuer), token) = match read {
        Ok(read) => read,
        Err(finding) => {
            findings.add(finding);
            return None;
        }
    };
    let claims = &token.claims;
    let faults = [
        check_type(issuer, &token),
        check_audience(issuer, claims),
        check_required(issuer, claims),
        check_dates(issuer, claims, now),
    ];
    faults.into_iter().filter_map(Result::err).for_each(|finding| findings.add(finding));
    let in_force = |finding| config.weigh(finding, route.mode) == Some((Weight::Refuse, Mode::Enforce));
    if findings.iter().any(in_force) {
        return None;
    }
    match issuer.keys.verify(&token, if identity.native_signatures { native } else { &NoNative }) {
        Ok(by) => Some((Verified::new(place, issuer.name.clone(), token.claims), by)),
        Err(fault) => {
            findings.add(key_finding(&token, fault));
            None
        }
    }
}

fn read<'t>(identity: &Identity, text: &'t [u8]) -> Result<Token<'t>, Finding> {
    if text.len() > identity.token_bytes_max {
        return Err(Finding::new(&TOKEN_TOO_LARGE, format!("{} bytes", text.len())));
    }
    let text = std::str::from_utf8(text).map_err(|_| Finding::new(&TOKEN_MALFORMED, "not UTF-8"))?;
    Token::parse(text).map_err(|fault| match fault {
        TokenFault::Malformed(why) => Finding::new(&TOKEN_MALFORMED, why),
        TokenFault::Algorithm(name) => Finding::new(&TOKEN_ALGORITHM, name),
        TokenFault::Critical => Finding::new(&TOKEN_CRITICAL, "the header has `crit`"),
    })
}

fn issuer_of<'c>(identity: &'c Identity, token: &Token<'_>) -> Result<(usize, &'c Issuer), Finding> {
    let name = token.claims.text("iss").ok_or_else(|| Finding::new(&TOKEN_ISSUER, "no `iss`"))?;
    let known = identity.issuers.iter().enumerate().find(|(_, issuer)| issuer.name == name);
    known.ok_or_else(|| Finding::new(&TOKEN_ISSUER, quoted(name)))
}

fn check_type(issuer: &Issuer, token: &Token<'_>) -> Result<(), Finding> {
    let kind = token.kind.as_deref().unwrap_or("jwt");
    let accepted = issuer.types.iter().any(|accepted| accepted == kind);
    if accepted {
        Ok(())
    } else {
        Err(Finding::new(&TOKEN_TYPE, quoted(kind)))
    }
}

fn check_audience(issuer: &Issuer, claims: &Claims) -> Result<(), Finding> {
    let audiences = claims.audiences().map_err(wrong_type)?;
    if !audiences.iter().any(|audience| issuer.audiences.iter().any(|wanted| wanted == audience)) {
        return Err(Finding::new(
            &TOKEN_AUDIENCE,
            audiences.first().map_or("no `aud`".to_owned(), |first| quoted(first)),
        ));
    }
    Ok(())
}

fn check_required(issuer: &Issuer, claims: &Claims) -> Result<(), Finding> {
    match issuer.required_claims.iter().find(|name| claims.get(name).is_none()) {
        Some(name) => Err(Finding::new(&TOKEN_CLAIM_MISSING, format!("no `{name}`"))),
        None => Ok(()),
    }
}

/// Seconds are compared with seconds, so that a token is valid for exactly the seconds it names, plus the skew.
pub(super) fn check_dates(issuer: &Issuer, claims: &Claims, now: Millis) -> Result<(), Finding> {
    let expires = claims.date("exp").map_err(wrong_type)?;
    let not_before = claims.date("nbf").map_err(wrong_type)?;
    let issued = claims.date("iat").map_err(wrong_type)?;
    let expires = expires.map(Millis::from_secs).ok_or_else(|| Finding::new(&TOKEN_CLAIM_MISSING, "no `exp`"))?;
    if now >= expires.saturating_add(issuer.clock_skew) {
        let ago = now.saturating_sub(expires).as_u64() / 1000;
        return Err(Finding::new(&TOKEN_EXPIRED, format!("{ago} s ago")));
    }
    let begins = [not_before, issued].into_iter().flatten().map(Millis::from_secs);
    if let Some(begins) = begins.max().filter(|begins| *begins > now.saturating_add(issuer.clock_skew)) {
        let ahead = begins.saturating_sub(now).as_u64() / 1000;
        return Err(Finding::new(&TOKEN_NOT_YET_VALID, format!("in {ahead} s")));
    }
    // A token that does not say when it was issued has lived at least since now.
    let issued = issued.or(not_before).map_or(now, Millis::from_secs);
    let lifetime = expires.saturating_sub(issued);
    if lifetime > issuer.lifetime_max {
        let (lives, most) = (lifetime.as_u64() / 1000, issuer.lifetime_max.as_u64() / 1000);
        return Err(Finding::new(&TOKEN_LIFETIME, format!("{lives} s, {most} s allowed")));
    }
    Ok(())
}

fn wrong_type(WrongType(name): WrongType) -> Finding {
    Finding::new(&TOKEN_MALFORMED, format!("`{name}` has the wrong type"))
}

fn key_finding(token: &Token<'_>, fault: KeyFault) -> Finding {
    let kid = token.key_id.as_deref().map_or("no kid".to_owned(), quoted);
    match fault {
        KeyFault::Unknown => Finding::new(&TOKEN_KEY_UNKNOWN, kid),
        KeyFault::Algorithm => {
            Finding::new(&TOKEN_ALGORITHM, format!("{} with key {kid}", token.algorithm.name()))
        }
        KeyFault::Form => Finding::new(&TOKEN_MALFORMED, "header or claims of the wrong type"),
        KeyFault::Signature => {
            Finding::new(&TOKEN_SIGNATURE, format!("{} with key {kid}", token.algorithm.name()))
        }
    }
}
