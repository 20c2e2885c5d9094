//! The `identity` section, validated: issuers with their keys, what routes demand, soft bindings.

use super::raw;
use super::{ConfigError, Demand};
use crate::jose::token::media_type;
use crate::jose::{Algorithm, KeySet};
use crate::time::Millis;
use std::collections::BTreeMap;

/// Issuers of one configuration at most.
const ISSUERS_MAX: usize = 32;

/// Largest token that may be allowed, in bytes: Envoy's own limit for a whole header section is 60 KiB.
const TOKEN_BYTES_LIMIT: u64 = 48 << 10;

/// A clock that is further off is broken, and an expired token would live on.
const CLOCK_SKEW_MAX: Millis = Millis::from_secs(600);

/// Who is believed, and how a token is bound to its holder.
#[derive(Debug)]
pub struct Identity {
    /// Where tokens are looked for.
    pub sources: Vec<TokenSource>,
    /// Longest token, in bytes.
    pub token_bytes_max: usize,
    /// Memory of one worker for tokens that were verified, in bytes.
    pub cache_budget_bytes: u64,
    /// Whether the host checks the signatures that it can.
    pub native_signatures: bool,
    /// Whose tokens are accepted.
    pub issuers: Vec<Issuer>,
    /// Claims that tie a token to its holder, where a token carries them.
    pub bindings: Bindings,
}

/// Where a token may stand.
#[derive(Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// A header field, after an authentication scheme where one is named.
    Header {
        /// Lower case.
        name: String,
        /// Compared without regard to case (RFC 9110 §11.1).
        scheme: Option<String>,
    },
    /// A cookie.
    Cookie(String),
}

/// One issuer of tokens.
#[derive(Debug)]
pub struct Issuer {
    /// The exact `iss` of its tokens.
    pub name: String,
    /// A token must be meant for one of these.
    pub audiences: Vec<String>,
    /// Its keys.
    pub keys: KeySet,
    /// Accepted `typ` values, lower case and without `application/`. A token without `typ` is accepted if `jwt` is among them.
    pub types: Vec<String>,
    /// How far its clock may be from ours.
    pub clock_skew: Millis,
    /// Longest time between `iat` and `exp`.
    pub lifetime_max: Millis,
    /// Claims that each of its tokens must have.
    pub required_claims: Vec<String>,
}

/// What the callers of a route must prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Whether a token is asked for.
    pub token: Demand,
    /// Scopes that must all be granted.
    pub scopes: Vec<String>,
    /// Claims, each with its allowed values; an empty list asks for presence alone.
    pub claims: BTreeMap<String, Vec<String>>,
}

/// Soft bindings: claims compared with the request. One that fails raises the risk.
#[derive(Debug, Default)]
pub struct Bindings {
    /// The source address.
    pub ip: Option<IpBinding>,
    /// A device id that the client sends.
    pub device: Option<HeaderBinding>,
    /// A digest of the user agent: the first 16 hex digits of SHA-256. Names the claim.
    pub user_agent: Option<String>,
    /// A location that Envoy's geoip filter writes.
    pub geo: Option<HeaderBinding>,
    /// A session id, in a cookie or a header field.
    pub session: Option<SessionBinding>,
}

/// A claim with an address or network.
#[derive(Debug)]
pub struct IpBinding {
    /// The claim.
    pub claim: String,
    /// Leading bits that an IPv4 source must share with an address claim.
    pub prefix_v4: u8,
    /// The same for IPv6.
    pub prefix_v6: u8,
}

/// A claim compared with a header field.
#[derive(Debug)]
pub struct HeaderBinding {
    /// The claim.
    pub claim: String,
    /// The header field, lower case.
    pub header: String,
}

/// A claim compared with a cookie or a header field.
#[derive(Debug)]
pub struct SessionBinding {
    /// The claim.
    pub claim: String,
    /// The cookie, which is looked at first.
    pub cookie: String,
    /// The header field for clients without cookies, lower case.
    pub header: String,
}

impl Identity {
    pub(super) fn new(written: &raw::Identity) -> Result<Self, ConfigError> {
        let limit = written.token_bytes_max.0;
        if limit == 0 || limit > TOKEN_BYTES_LIMIT {
            return Err(ConfigError::new(
                "identity.token_bytes_max",
                format!("is {limit} bytes, expected 1B to {TOKEN_BYTES_LIMIT}B"),
            ));
        }
        Ok(Self {
            sources: sources(&written.sources)?,
            token_bytes_max: usize::try_from(limit).unwrap_or(usize::MAX),
            cache_budget_bytes: written.cache_budget.0,
            native_signatures: written.native_signatures,
            issuers: issuers(&written.issuers)?,
            bindings: Bindings::new(&written.bindings)?,
        })
    }
}

impl Requirement {
    /// What holds without an `identity` section: nobody can be known, so nobody is asked.
    pub(super) fn none() -> Self {
        Self { token: Demand::Ignored, scopes: Vec::new(), claims: BTreeMap::new() }
    }

    /// What holds on routes that no requirement names.
    pub(super) fn general(written: &raw::Identity) -> Self {
        Self { token: written.default, ..Self::none() }
    }

    /// The requirement of each named route.
    pub(super) fn by_route(
        written: &raw::Identity,
        names: &[&str],
    ) -> Result<BTreeMap<String, Self>, ConfigError> {
        let mut by_route = BTreeMap::new();
        for (index, requirement) in written.requirements.iter().enumerate() {
            let path = format!("identity.requirements[{index}]");
            let asks = !requirement.scopes.is_empty() || !requirement.claims.is_empty();
            if asks && requirement.token != Demand::Required {
                return Err(ConfigError::new(path, "asks for scopes or claims, so `token` must be \"required\""));
            }
            if let Some(scope) = requirement.scopes.iter().find(|scope| !is_scope(scope)) {
                return Err(ConfigError::new(
                    format!("{path}.scopes"),
                    format!("`{}` is no scope (RFC 6749 §3.3)", scope.escape_debug()),
                ));
            }
            if requirement.routes.is_empty() {
                return Err(ConfigError::new(format!("{path}.routes"), "names no route"));
            }
            for (at, name) in requirement.routes.iter().enumerate() {
                let place = format!("{path}.routes[{at}]");
                if !names.contains(&name.as_str()) {
                    return Err(ConfigError::unknown(place, "route", name, names.iter().copied()));
                }
                let own = Self {
                    token: requirement.token,
                    scopes: requirement.scopes.clone(),
                    claims: requirement.claims.clone(),
                };
                if by_route.insert(name.clone(), own).is_some() {
                    return Err(ConfigError::new(place, format!("route `{name}` already has a requirement")));
                }
            }
        }
        Ok(by_route)
    }
}

impl Bindings {
    fn new(written: &raw::Bindings) -> Result<Self, ConfigError> {
        let raw::Bindings {
            ip_binding: ip,
            device_id: device,
            user_agent_hash: agent,
            geo_location: geo,
            session_id: session,
        } = written;
        for (name, prefix, max) in [("prefix_v4", ip.prefix_v4, 32), ("prefix_v6", ip.prefix_v6, 128)] {
            super::check_prefix(prefix, max, &format!("identity.bindings.ip_binding.{name}"))?;
        }
        Ok(Self {
            ip: ip.enabled.then(|| IpBinding {
                claim: ip.claim.clone(),
                prefix_v4: ip.prefix_v4,
                prefix_v6: ip.prefix_v6,
            }),
            device: device.enabled.then(|| HeaderBinding {
                claim: device.claim.clone(),
                header: device.header.to_ascii_lowercase(),
            }),
            user_agent: agent.enabled.then(|| agent.claim.clone()),
            geo: geo
                .enabled
                .then(|| HeaderBinding { claim: geo.claim.clone(), header: geo.header.to_ascii_lowercase() }),
            session: session.enabled.then(|| SessionBinding {
                claim: session.claim.clone(),
                cookie: session.cookie.clone(),
                header: session.header.to_ascii_lowercase(),
            }),
        })
    }
}

fn is_scope(scope: &str) -> bool {
    !scope.is_empty() && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

fn sources(written: &[raw::TokenSource]) -> Result<Vec<TokenSource>, ConfigError> {
    if written.is_empty() {
        return Err(ConfigError::new("identity.sources", "is empty, so no token could ever be found"));
    }
    let source =
        |(index, source): (usize, &raw::TokenSource)| match (&source.header, &source.cookie, &source.scheme) {
            (Some(header), None, scheme) => {
                Ok(TokenSource::Header { name: header.to_ascii_lowercase(), scheme: scheme.clone() })
            }
            (None, Some(cookie), None) => Ok(TokenSource::Cookie(cookie.clone())),
            _ => Err(ConfigError::new(
                format!("identity.sources[{index}]"),
                "expected `header` (with or without `scheme`) or `cookie`",
            )),
        };
    let sources = written.iter().enumerate().map(source).collect::<Result<Vec<_>, _>>()?;
    for (index, source) in sources.iter().enumerate() {
        let (TokenSource::Header { name, .. } | TokenSource::Cookie(name)) = source;
        let scheme = matches!(source, TokenSource::Header { scheme: Some(scheme), .. } if scheme.is_empty());
        let path = format!("identity.sources[{index}]");
        if name.is_empty() || scheme {
            return Err(ConfigError::new(path, "has an empty name"));
        }
        if sources.iter().take(index).any(|other| other == source) {
            return Err(ConfigError::new(path, "is listed twice"));
        }
    }
    Ok(sources)
}

fn issuers(written: &[raw::Issuer]) -> Result<Vec<Issuer>, ConfigError> {
    if written.is_empty() || written.len() > ISSUERS_MAX {
        return Err(ConfigError::new(
            "identity.issuers",
            format!("has {} issuers, expected 1 to {ISSUERS_MAX}", written.len()),
        ));
    }
    let mut issuers: Vec<Issuer> = Vec::with_capacity(written.len());
    for (index, raw) in written.iter().enumerate() {
        let path = format!("identity.issuers[{index}]");
        if issuers.iter().any(|other| other.name == raw.issuer) {
            return Err(ConfigError::new(
                format!("{path}.issuer"),
                format!("`{}` is configured twice", raw.issuer),
            ));
        }
        issuers.push(issuer(raw, &path)?);
    }
    Ok(issuers)
}

fn issuer(written: &raw::Issuer, path: &str) -> Result<Issuer, ConfigError> {
    if written.issuer.is_empty() {
        return Err(ConfigError::new(format!("{path}.issuer"), "is empty"));
    }
    if written.audiences.is_empty() {
        return Err(ConfigError::new(
            format!("{path}.audiences"),
            "is empty: a token must be meant for somebody (RFC 8725 §3.9)",
        ));
    }
    if written.clock_skew.0 > CLOCK_SKEW_MAX {
        return Err(ConfigError::new(format!("{path}.clock_skew"), "is more than 10 minutes"));
    }
    let allowed = written.algorithms.as_deref().unwrap_or(&Algorithm::ASYMMETRIC);
    let keys = KeySet::from_jwks(&written.jwks, allowed).map_err(|error| {
        let place = if error.path.is_empty() { String::new() } else { format!(".{}", error.path) };
        ConfigError::new(format!("{path}.jwks{place}"), error.fault)
    })?;
    Ok(Issuer {
        name: written.issuer.clone(),
        audiences: written.audiences.clone(),
        keys,
        types: written.types.iter().map(|kind| media_type(kind)).collect(),
        clock_skew: written.clock_skew.0,
        lifetime_max: written.lifetime_max.0,
        required_claims: written.required_claims.clone(),
    })
}
