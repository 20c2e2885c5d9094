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
//! Bounds: the token's length, the JSON within ([`crate::jose::token`]), one signature a request.
//! Not covered: keys that are fetched, tokens bound by a certificate or proof of possession, replay, revocation.

pub mod binding;
mod source;

use crate::config::identity::{Identity, Issuer, Requirement};
use crate::config::{Config, Demand, Mode, Route};
use crate::finding::{quoted, Check, Class, Family, Finding, Findings, Weight};
use crate::jose::claims::WrongType;
use crate::jose::keys::KeyFault;
use crate::jose::{Claims, Token, TokenFault};
use crate::request::Request;
use crate::time::Millis;

/// No token where one is required.
pub static TOKEN_MISSING: Check =
    token("token.missing", "token_missing", None, "The route requires a token and the request has none.");

/// More than one token.
pub static TOKEN_AMBIGUOUS: Check = Check {
    class: Class::Invalid,
    ..token(
        "token.ambiguous",
        "token_ambiguous",
        Some("invalid_request"),
        "The request has more than one token (RFC 6750 §2).",
    )
};

/// A token over its limit.
pub static TOKEN_TOO_LARGE: Check =
    token("token.too_large", "token_too_large", INVALID, "The token is longer than `identity.token_bytes_max`.");

/// A token that cannot be read in exactly one way.
pub static TOKEN_MALFORMED: Check = token(
    "token.malformed",
    "token_malformed",
    INVALID,
    "The token is not three base64url parts of strict JSON: duplicate claims, wrong types and deep nesting included.",
);

/// A token made for something else.
pub static TOKEN_TYPE: Check = token(
    "token.type",
    "token_type",
    INVALID,
    "The `typ` of the token is not among the issuer's `types` (RFC 8725 §3.11).",
);

/// `none`, unknown, or not for this key.
pub static TOKEN_ALGORITHM: Check = token(
    "token.algorithm",
    "token_algorithm",
    INVALID,
    "The algorithm is `none`, unknown, not allowed, or not one that the named key may be used with (RFC 8725 §3.1).",
);

/// Extensions that must be understood.
pub static TOKEN_CRITICAL: Check = token(
    "token.critical",
    "token_critical",
    INVALID,
    "The token demands an extension (`crit`, RFC 7515 §4.1.11).",
);

/// An issuer that is not configured.
pub static TOKEN_ISSUER: Check =
    token("token.issuer", "token_issuer", INVALID, "The issuer is missing or not configured.");

/// A token for somebody else.
pub static TOKEN_AUDIENCE: Check =
    token("token.audience", "token_audience", INVALID, "The token is meant for another audience, or for none.");

/// A claim that must be there.
pub static TOKEN_CLAIM_MISSING: Check = token(
    "token.claim_missing",
    "token_claim_missing",
    INVALID,
    "The token lacks `exp` or a claim of `required_claims`.",
);

/// Too late.
pub static TOKEN_EXPIRED: Check = token("token.expired", "token_expired", INVALID, "The token has expired.");

/// Too early.
pub static TOKEN_NOT_YET_VALID: Check =
    token("token.not_yet_valid", "token_not_yet_valid", INVALID, "The token's `nbf` or `iat` lies in the future.");

/// A token that lives longer than allowed.
pub static TOKEN_LIFETIME: Check =
    token("token.lifetime", "token_lifetime", INVALID, "The token lives longer than the issuer's `lifetime_max`.");

/// A key that the issuer does not have.
pub static TOKEN_KEY_UNKNOWN: Check = token(
    "token.key_unknown",
    "token_key_unknown",
    INVALID,
    "The issuer has no key of that `kid`, or several could be meant.",
);

/// A signature that is not the key's.
pub static TOKEN_SIGNATURE: Check =
    token("token.signature", "token_signature", INVALID, "The signature does not verify: altered or forged.");

/// A scope that was not granted.
pub static SCOPE_INSUFFICIENT: Check = Check {
    class: Class::Forbidden,
    ..token(
        "token.scope",
        "scope_insufficient",
        Some("insufficient_scope"),
        "The token lacks a scope that the route requires.",
    )
};

/// A claim that the route refuses.
pub static CLAIM_REFUSED: Check = Check {
    class: Class::Forbidden,
    ..token(
        "token.claim",
        "claim_refused",
        None,
        "A claim is missing or has none of the values that the route requires.",
    )
};

const INVALID: Option<&str> = Some("invalid_token");

const fn token(
    id: &'static str,
    code: &'static str,
    bearer_error: Option<&'static str>,
    means: &'static str,
) -> Check {
    let (family, class, weight) = (Family::Token, Class::Unauthenticated, Weight::Refuse);
    Check { id, family, code, class, weight, tunable: true, bearer_error, means }
}

/// Who the caller turned out to be.
#[derive(Debug, Default, Clone, PartialEq)]
pub enum Caller {
    /// Nobody has proved anything.
    #[default]
    Anonymous,
    /// The holder of a valid token.
    Verified {
        /// Its `iss`.
        issuer: String,
        /// All that it says.
        claims: Claims,
    },
}

impl Caller {
    /// What a valid token says of the caller.
    pub const fn claims(&self) -> Option<&Claims> {
        match self {
            Self::Anonymous => None,
            Self::Verified { claims, .. } => Some(claims),
        }
    }

    /// Who vouches for the caller; empty if nobody does.
    pub fn issuer(&self) -> &str {
        match self {
            Self::Anonymous => "",
            Self::Verified { issuer, .. } => issuer,
        }
    }
}

/// Establishes the caller of a request.
pub fn check(config: &Config, route: &Route, request: &Request, now: Millis, findings: &mut Findings) -> Caller {
    let Some(identity) = config.identity.as_ref().filter(|_| route.requirement.token != Demand::Ignored) else {
        return Caller::Anonymous;
    };
    let present = match source::token(&identity.sources, request) {
        Ok(None) => None,
        Ok(Some(text)) => Some(verify(identity, text, now, &Bar { config, route }, findings)),
        Err(finding) => {
            findings.add(finding);
            Some(None)
        }
    };
    if let Some(Some((issuer, claims))) = present {
        authorize(&route.requirement, &claims, findings);
        binding::check(&identity.bindings, &claims, request, findings);
        return Caller::Verified { issuer: issuer.name.clone(), claims };
    }
    // A check that is held back lets a token pass that proves nothing; that is then the same as none.
    let refused = findings.iter().any(|finding| finding.check.family == Family::Token && config.refuses(finding));
    if route.requirement.token == Demand::Required && !refused {
        let reason =
            if present.is_some() { "the token proves nothing" } else { "no token in any configured place" };
        findings.add(Finding::new(&TOKEN_MISSING, reason));
    }
    Caller::Anonymous
}

/// What a finding has to reach to make further work pointless.
struct Bar<'a> {
    config: &'a Config,
    route: &'a Route,
}

impl Bar<'_> {
    fn is_reached(&self, findings: &Findings) -> bool {
        let in_force =
            |finding| self.config.weigh(finding, self.route.mode) == Some((Weight::Refuse, Mode::Enforce));
        findings.iter().any(in_force)
    }
}

/// Judges a token. What is wrong with its claims is added and, unless it refuses, does not end the work: a check that is
/// held back must not hold back the signature with it.
fn verify<'c>(
    identity: &'c Identity,
    text: &[u8],
    now: Millis,
    bar: &Bar<'_>,
    findings: &mut Findings,
) -> Option<(&'c Issuer, Claims)> {
    let read = read(identity, text).and_then(|token| Ok((issuer_of(identity, &token)?, token)));
    let (issuer, token) = match read {
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
    if bar.is_reached(findings) {
        return None;
    }
    match issuer.keys.verify(&token) {
        Ok(()) => Some((issuer, token.claims)),
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

fn issuer_of<'c>(identity: &'c Identity, token: &Token<'_>) -> Result<&'c Issuer, Finding> {
    let name = token.claims.text("iss").ok_or_else(|| Finding::new(&TOKEN_ISSUER, "no `iss`"))?;
    let known = identity.issuers.iter().find(|issuer| issuer.name == name);
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
