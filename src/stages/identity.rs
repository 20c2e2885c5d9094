//! Who is calling, and is the token really theirs?
//!
//! A bearer token (RFC 6750) is found, read, judged by its claims and then by its signature. Claims come first
//! because they are cheap: an expired token, or one from a stranger, costs no signature. Until the signature has
//! been checked nothing of the token is used for anything but a refusal. A check that is held back holds back nothing
//! else, and a token whose signature was not verified is no token.
//!
//! Exactly one token may be present, whatever its place: a second one is a sign that somebody hopes for two readers.
//! A token that is optional must still be valid when it is there.
//!
//! A token that was in order is remembered ([`cache`]).
//!
//! Bounds: the token's length, the JSON within ([`crate::jose::token`]), one signature a request.
//! Not covered: keys that are fetched, tokens bound by a certificate or proof of possession, replay, revocation.

pub mod binding;
pub mod cache;
pub mod checks;
mod source;

use self::cache::TokenCache;
use self::checks::{
    CLAIM_REFUSED, SCOPE_INSUFFICIENT, TOKEN_ALGORITHM, TOKEN_AUDIENCE, TOKEN_CLAIM_MISSING, TOKEN_CRITICAL,
    TOKEN_EXPIRED, TOKEN_ISSUER, TOKEN_KEY_UNKNOWN, TOKEN_LIFETIME, TOKEN_MALFORMED, TOKEN_MISSING,
    TOKEN_NOT_YET_VALID, TOKEN_SIGNATURE, TOKEN_TOO_LARGE, TOKEN_TYPE,
};
use crate::config::identity::{Identity, Issuer, Requirement};
use crate::config::{Config, Demand, Mode, Route};
use crate::finding::{quoted, Family, Finding, Findings, Weight};
use crate::jose::claims::WrongType;
use crate::jose::keys::{By, KeyFault};
use crate::jose::native::{Native, NoNative};
use crate::jose::{Claims, Token, TokenFault};
use crate::request::Request;
use crate::time::Millis;
use std::cell::RefCell;
use std::rc::Rc;

/// Who the caller turned out to be.
#[derive(Debug, Default, Clone, PartialEq)]
pub enum Caller {
    /// Nobody has proved anything.
    #[default]
    Anonymous,
    /// The holder of a valid token.
    Verified(Rc<Verified>),
}

/// What a valid token proves.
#[derive(Debug, PartialEq)]
pub struct Verified {
    issuer: usize,
    issuer_name: String,
    claims: Claims,
}

impl Verified {
    /// The claims of a token whose signature, dates and purpose were in order, by an issuer of the configuration.
    pub const fn new(issuer: usize, issuer_name: String, claims: Claims) -> Self {
        Self { issuer, issuer_name, claims }
    }
}

impl Caller {
    /// What a valid token says of the caller.
    pub fn claims(&self) -> Option<&Claims> {
        match self {
            Self::Anonymous => None,
            Self::Verified(verified) => Some(&verified.claims),
        }
    }

    /// Who vouches for the caller; empty if nobody does.
    pub fn issuer(&self) -> &str {
        match self {
            Self::Anonymous => "",
            Self::Verified(verified) => &verified.issuer_name,
        }
    }
}

/// What is needed to establish a caller.
#[derive(Debug, Copy, Clone)]
pub struct Scene<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The route.
    pub route: &'a Route,
    /// The request.
    pub request: &'a Request,
    /// Tokens verified before.
    pub cache: &'a RefCell<TokenCache>,
    /// The host's signature check.
    pub native: &'a dyn Native,
    /// When.
    pub now: Millis,
}

/// How a token was found to be good.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// It was verified before.
    Remembered,
    /// Its signature was checked.
    Signature(By),
}

impl Proof {
    /// Every way, in a fixed order.
    pub const ALL: [Self; 3] = [Self::Remembered, Self::Signature(By::Host), Self::Signature(By::Filter)];

    /// Its name in the statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Remembered => "remembered",
            Self::Signature(By::Host) => "host",
            Self::Signature(By::Filter) => "filter",
        }
    }
}

/// Establishes the caller of a request, and how.
pub fn check(scene: &Scene<'_>, findings: &mut Findings) -> (Caller, Option<Proof>) {
    let Scene { config, route, request, .. } = *scene;
    let Some(identity) = config.identity.as_ref().filter(|_| route.requirement.token != Demand::Ignored) else {
        return (Caller::Anonymous, None);
    };
    let present = match source::token(&identity.sources, request) {
        Ok(None) => None,
        Ok(Some(text)) => Some(recall(identity, text, scene, findings)),
        Err(finding) => {
            findings.add(finding);
            Some(None)
        }
    };
    if let Some(Some((verified, proof))) = present {
        authorize(&route.requirement, &verified.claims, findings);
        binding::check(&identity.bindings, &verified.claims, request, findings);
        return (Caller::Verified(verified), Some(proof));
    }
    // A check that is held back lets a token pass that proves nothing; that is then the same as none.
    let refused = findings.iter().any(|finding| finding.check.family == Family::Token && config.refuses(finding));
    if route.requirement.token == Demand::Required && !refused {
        let reason =
            if present.is_some() { "the token proves nothing" } else { "no token in any configured place" };
        findings.add(Finding::new(&TOKEN_MISSING, reason));
    }
    (Caller::Anonymous, None)
}

/// What a token proves: by memory, if it was verified before and is still in date, or else by its signature.
fn recall(
    identity: &Identity,
    text: &[u8],
    scene: &Scene<'_>,
    findings: &mut Findings,
) -> Option<(Rc<Verified>, Proof)> {
    let known = scene.cache.borrow().get(text);
    let in_date = |verified: &Rc<Verified>| {
        let issuer = identity.issuers.get(verified.issuer);
        issuer.is_some_and(|issuer| check_dates(issuer, &verified.claims, scene.now).is_ok())
    };
    if let Some(verified) = known.filter(in_date) {
        return Some((verified, Proof::Remembered));
    }
    let before = findings.len();
    let (verified, by) = verify(identity, text, scene, findings)?;
    let verified = Rc::new(verified);
    // What was only let pass is judged anew each time.
    if findings.len() == before {
        scene.cache.borrow_mut().insert(text, &verified);
    }
    Some((verified, Proof::Signature(by)))
}

/// Judges a token. What is wrong with its claims is added and, unless it refuses, does not end the work: a check that is
/// held back must not hold back the signature with it.
fn verify(identity: &Identity, text: &[u8], scene: &Scene<'_>, findings: &mut Findings) -> Option<(Verified, By)> {
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
fn check_dates(issuer: &Issuer, claims: &Claims, now: Millis) -> Result<(), Finding> {
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

fn authorize(requirement: &Requirement, claims: &Claims, findings: &mut Findings) {
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

#[cfg(test)]
mod tests;
