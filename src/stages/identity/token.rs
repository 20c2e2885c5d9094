//! Is the token in order: its form, its claims, its signature?
//!
//! Claims come first because they are cheap: an expired token, or one from a stranger, costs no signature.

use super::checks::{
    TOKEN_ALGORITHM, TOKEN_AUDIENCE, TOKEN_CLAIM_MISSING, TOKEN_CRITICAL, TOKEN_EXPIRED, TOKEN_ISSUER,
    TOKEN_KEYS_UNAVAILABLE, TOKEN_KEY_UNKNOWN, TOKEN_LIFETIME, TOKEN_MALFORMED, TOKEN_NOT_YET_VALID,
    TOKEN_SIGNATURE, TOKEN_TOO_LARGE, TOKEN_TYPE,
};
use super::failures::{self, Tried};
use super::keys::NoKeys;
use super::{Need, Patience, Scene, Verified};
use crate::config::identity::{Identity, Issuer};
use crate::finding::{quoted, Finding, Findings};
use crate::jose::claims::WrongType;
use crate::jose::keys::{By, KeyFault, KeyPrint};
use crate::jose::native::{Native, NoNative};
use crate::jose::{Claims, Token, TokenFault};
use crate::time::Millis;

/// Judges a token. What is wrong with its claims is added and, unless it refuses, does not end the work: a check that is
/// held back must not hold back the signature with it.
///
/// # Errors
/// Keys that may come, if the request may wait for them.
#[inline(never)]
pub(super) fn verify(
    identity: &Identity,
    text: &[u8],
    scene: &Scene<'_>,
    findings: &mut Findings,
) -> Result<Option<(Verified, By)>, Need> {
    let Scene { config, route, now, .. } = *scene;
    let read = read(identity, text).and_then(|token| Ok((issuer_of(identity, &token)?, token)));
    let ((place, issuer), token) = match read {
        Ok(read) => read,
        Err(finding) => {
            findings.add(finding);
            return Ok(None);
        }
    };
    let claims = &token.claims;
    let faults = [
        check_type(issuer, &token),
        check_audience(issuer, claims),
        check_required(issuer, claims),
        check_dates(issuer, claims, now).map(|_| ()),
    ];
    faults.into_iter().filter_map(Result::err).for_each(|finding| findings.add(finding));
    let stops = |finding: &Finding| config.stops(finding, route.mode);
    if findings.iter().any(stops) {
        return Ok(None);
    }
    if let Err(finding) = failures::check(scene, Tried::Token) {
        let is_stopped = stops(&finding);
        findings.add(finding);
        if is_stopped {
            return Ok(None);
        }
    }
    match signer(identity, place, &token, scene)? {
        Ok((key, by)) => Ok(Some((Verified::new(place, issuer.name.clone(), token.claims).by(key), by))),
        Err(finding) => {
            findings.add(finding);
            Ok(None)
        }
    }
}

/// Which of its issuer's keys signed a token. An unknown one is sought once.
fn signer(
    identity: &Identity,
    issuer: usize,
    token: &Token<'_>,
    scene: &Scene<'_>,
) -> Result<Result<(KeyPrint, By), Finding>, Need> {
    let native: &dyn Native = if identity.native_signatures { scene.native } else { &NoNative };
    let verify = || match scene.keys.borrow().keys(identity, issuer, scene.now) {
        Some(keys) => keys.verify(token, native),
        None => Err(KeyFault::Unknown),
    };
    let verified = verify();
    if verified != Err(KeyFault::Unknown) {
        if verified.is_err_and(|fault| fault != KeyFault::Algorithm) {
            failures::charge(scene, Tried::Token);
        }
        return Ok(verified.map_err(|fault| key_finding(token, fault)));
    }
    let sought = scene.keys.borrow_mut().seek(identity, issuer, token, scene.shared, scene.now);
    match (sought, scene.patience) {
        (Ok(None), _) => Ok(verify().map_err(|fault| key_finding(token, fault))),
        (Ok(Some(missing)), Patience::Fresh) => Err(Need::Keys(missing)),
        (Ok(Some(missing)), patience) => {
            if matches!(patience, Patience::Waited(Need::Keys(waited)) if scene.keys.borrow().is_settled(&waited))
            {
                failures::charge(scene, Tried::Token);
                scene.keys.borrow_mut().give_up(identity, issuer, token, scene.now);
            }
            Ok(Err(if missing.is_key() { key_finding(token, KeyFault::Unknown) } else { unavailable(identity) }))
        }
        (Err(NoKeys::Unknown), _) => Ok(Err(key_finding(token, KeyFault::Unknown))),
        (Err(NoKeys::Unavailable), _) => Ok(Err(unavailable(identity))),
    }
}

fn unavailable(identity: &Identity) -> Finding {
    let reason = "the issuer's keys could not be fetched, or are too old";
    Finding::new(&TOKEN_KEYS_UNAVAILABLE, reason).weighing(identity.on_keys_unavailable.weight())
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
        // RFC 9068 §2.2.3, RFC 6749 §3.3: words with spaces between them.
        None if issuer.scoped && claims.text("scope").is_none_or(|scope| scope.trim().is_empty()) => {
            Err(Finding::new(&TOKEN_CLAIM_MISSING, "`scope` is empty"))
        }
        None => Ok(()),
    }
}

/// When a token will have expired that is in date now. Seconds are compared with seconds, so that a token is valid for exactly the
/// seconds it names, plus the skew.
pub(super) fn check_dates(issuer: &Issuer, claims: &Claims, now: Millis) -> Result<Millis, Finding> {
    let expires = claims.date("exp").map_err(wrong_type)?;
    let not_before = claims.date("nbf").map_err(wrong_type)?;
    let issued = claims.date("iat").map_err(wrong_type)?;
    let expires = expires.map(Millis::from_secs).ok_or_else(|| Finding::new(&TOKEN_CLAIM_MISSING, "no `exp`"))?;
    let until = expires.saturating_add(issuer.clock_skew);
    if now >= until {
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
    Ok(until)
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
