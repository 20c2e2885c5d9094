//! Whose tokens are accepted, validated.

use crate::raw;
use crate::remote::Document;
use crate::{ConfigError, Minting, Path};
use portcullis_base::time::Millis;
use portcullis_jose::token::media_type;
use portcullis_jose::{Algorithm, KeySet};

/// Issuers of one configuration at most.
const ISSUERS_MAX: usize = 32;

/// A clock that is further off is broken, and an expired token would live on.
const CLOCK_SKEW_MAX: Millis = Millis::from_secs(600);

/// `typ` of the tokens of an issuer that says nothing else.
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// `typ` of an access token (RFC 9068 §2.1).
const ACCESS_TOKEN: [&str; 1] = ["at+jwt"];

/// What an access token must say besides issuer, audience and end (RFC 9068 §2.2), and of its scope.
const ACCESS_TOKEN_CLAIMS: [&str; 5] = ["sub", "client_id", "iat", "jti", "scope"];

/// Where the keys of an issuer are.
#[derive(Debug)]
pub enum Keys {
    /// In the configuration.
    Written(KeySet),
    /// At the issuer.
    Served(Document),
    /// The filter's own: sets with the moments until which each is the right one.
    Minted(Vec<(Option<Millis>, KeySet)>),
}

/// One issuer of tokens.
#[derive(Debug)]
pub struct Issuer {
    /// The exact `iss` of its tokens.
    pub name: String,
    /// A token must be meant for one of these.
    pub audiences: Vec<String>,
    /// Its keys.
    pub keys: Keys,
    /// Algorithms that its keys may be used with.
    pub algorithms: Vec<Algorithm>,
    /// Accepted `typ` values, lower case and without `application/`. A token without `typ` is accepted if `jwt` is among them.
    pub types: Vec<String>,
    /// How far its clock may be from ours.
    pub clock_skew: Millis,
    /// Longest time between `iat` and `exp`.
    pub lifetime_max: Millis,
    /// Claims that each of its tokens must have.
    pub required_claims: Vec<String>,
    /// Whether `scope` must have a value too.
    pub scoped: bool,
}

/// Without issuers nobody could have a token, and without `has_keys` nobody could be known.
pub(super) fn all(
    written: &[raw::Issuer],
    has_keys: bool,
    minting: Option<&Minting>,
) -> Result<Vec<Issuer>, ConfigError> {
    if (written.is_empty() && !has_keys) || written.len() > ISSUERS_MAX {
        let fault = format!("has {} issuers, expected 1 to {ISSUERS_MAX}", written.len());
        return Err(ConfigError::new("identity.issuers", fault));
    }
    let mut issuers: Vec<Issuer> = Vec::with_capacity(written.len());
    for (index, raw) in written.iter().enumerate() {
        let path = Path::entry_of("identity.issuers", index);
        if issuers.iter().any(|other| other.name == raw.issuer) {
            return Err(ConfigError::new(path.member("issuer"), format!("`{}` is configured twice", raw.issuer)));
        }
        issuers.push(issuer(raw, minting, &path)?);
    }
    Ok(issuers)
}

fn issuer(written: &raw::Issuer, minting: Option<&Minting>, path: &Path<'_>) -> Result<Issuer, ConfigError> {
    if written.issuer.is_empty() {
        return Err(ConfigError::new(path.member("issuer"), "is empty"));
    }
    if written.audiences.is_empty() {
        return Err(ConfigError::new(
            path.member("audiences"),
            "is empty: a token must be meant for somebody (RFC 8725 §3.9)",
        ));
    }
    if written.clock_skew.0 > CLOCK_SKEW_MAX {
        return Err(ConfigError::new(path.member("clock_skew"), "is more than 10 minutes"));
    }
    let (types, claims): (Vec<&str>, &[&str]) = match (written.profile, &written.types) {
        (Some(_), Some(_)) => {
            return Err(ConfigError::new(path.member("types"), "is what `profile` decides; one of them"))
        }
        (Some(raw::Profile::AccessToken), None) => (ACCESS_TOKEN.to_vec(), &ACCESS_TOKEN_CLAIMS),
        (None, Some(types)) => (types.iter().map(String::as_str).collect(), &[]),
        (None, None) => (TYPES.to_vec(), &[]),
    };
    let claims = claims.iter().map(|claim| (*claim).to_owned());
    let allowed = written.algorithms.as_deref().unwrap_or(&Algorithm::ASYMMETRIC);
    Ok(Issuer {
        name: written.issuer.clone(),
        audiences: written.audiences.clone(),
        keys: keys(written, minting, allowed, path)?,
        algorithms: allowed.to_vec(),
        types: types.into_iter().map(media_type).collect(),
        clock_skew: written.clock_skew.0,
        lifetime_max: written.lifetime_max.0,
        required_claims: claims.chain(written.required_claims.iter().cloned()).collect(),
        scoped: written.profile == Some(raw::Profile::AccessToken),
    })
}

fn keys(
    written: &raw::Issuer,
    minting: Option<&Minting>,
    allowed: &[Algorithm],
    path: &Path<'_>,
) -> Result<Keys, ConfigError> {
    match (&written.jwks, &written.jwks_from, written.minted) {
        (None, None, true) => minted(written, minting, path),
        (Some(jwks), None, false) => KeySet::from_jwks(jwks, allowed).map(Keys::Written).map_err(|error| {
            let place = if error.path.is_empty() { String::new() } else { format!(".{}", error.path) };
            ConfigError::new(format!("{path}.jwks{place}"), error.fault)
        }),
        (None, Some(served), false) => {
            if let Some(symmetric) = allowed.iter().find(|algorithm| !Algorithm::ASYMMETRIC.contains(algorithm)) {
                return Err(ConfigError::new(
                    path.member("algorithms"),
                    format!("has {}: a secret that an issuer serves is none", symmetric.name()),
                ));
            }
            Document::new(served, "keys", &written.issuer, &path.member("jwks_from")).map(Keys::Served)
        }
        _ => Err(ConfigError::new(path, "expected one of `jwks`, `jwks_from` and `minted`")),
    }
}

/// The keys of the tokens that we issue ourselves: what is no longer configured verifies nothing.
fn minted(written: &raw::Issuer, minting: Option<&Minting>, path: &Path<'_>) -> Result<Keys, ConfigError> {
    let minting =
        minting.ok_or_else(|| ConfigError::new(path.member("minted"), "there is no `minting` section"))?;
    if written.issuer != minting.issuer {
        let fault = format!("`minting` issues in the name of `{}`", minting.issuer);
        return Err(ConfigError::new(path.member("issuer"), fault));
    }
    minting.key_sets().map(Keys::Minted)
}
