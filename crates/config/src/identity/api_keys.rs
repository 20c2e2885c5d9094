//! Keys of clients that have no tokens, validated.
//!
//! The configuration has digests alone: who reads it can use no key. SHA-256 is enough, since keys are random and long; a
//! password would need a hash that is slow, because it can be guessed, and is not to be used as a key.
//!
//! Bounds: [`KEYS_MAX`] keys, [`CLAIMS_BYTES_MAX`] of claims each. Claims that say when and how somebody logged in, or how a
//! token is bound, are refused: a key is the same whoever sends it, and whenever.

use super::digest::{self, Digest};
use super::TokenSource;
use crate::moment;
use crate::raw;
use crate::{ByName, ConfigError, Path};
use portcullis_base::time::Millis;
use portcullis_jose::Claims;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Keys of one configuration at most.
const KEYS_MAX: usize = 4096;

/// Longest claims of one key, in bytes of JSON.
const CLAIMS_BYTES_MAX: usize = 4096;

/// Longest name of a key, a header field or a parameter, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Claims that a key cannot have: what it is and when it counts stands beside them, and no key proves a login (`acr`, `amr`,
/// `auth_time`) or a holder (`cnf`).
const REFUSED_CLAIMS: [&str; 9] = ["iss", "exp", "nbf", "iat", "jti", "cnf", "acr", "amr", "auth_time"];

/// Fields of this prefix are taken away from what clients send. `request` has the same.
const INTERNAL_PREFIX: &str = "x-portcullis-";

/// Keys, and where they stand.
#[derive(Debug)]
pub struct ApiKeys {
    /// The header field, lower case.
    pub header: String,
    /// The parameter of the query, if keys are taken from there.
    pub query: Option<String>,
    /// Who vouches for the keys, in limits, revocations and receipts.
    pub issuer: String,
    /// Whether the service sees the field.
    pub forward: bool,
    /// By the first bytes of their digests.
    keys: BTreeMap<Prefix, Vec<ApiKey>>,
}

/// One key.
#[derive(Debug)]
pub struct ApiKey {
    /// Its name, for people.
    pub id: String,
    /// SHA-256 of the key.
    pub digest: Digest,
    /// What its holder is; shared, so that a request copies none of it.
    pub claims: Arc<Claims>,
    /// From when on it counts.
    pub not_before: Millis,
    /// From when on it does not.
    pub expires: Option<Millis>,
}

/// Enough to tell random digests apart.
type Prefix = [u8; 8];

impl ApiKeys {
    pub(super) fn new(written: &raw::ApiKeys, sources: &[TokenSource]) -> Result<Self, ConfigError> {
        let path = Path::new("identity.api_keys");
        let header = written.header.to_ascii_lowercase();
        let fits = |name: &str, more: &[u8]| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
            (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain)
        };
        if !fits(&header, b"-") || header == "cookie" || header.starts_with(INTERNAL_PREFIX) {
            let fault =
                "expected a field of letters, digits and `-` that is neither `cookie` nor the filter's own";
            return Err(ConfigError::new(path.member("header"), fault));
        }
        // One field with two meanings would let a client choose between them.
        if sources.iter().any(|source| matches!(source, TokenSource::Header { name, .. } if *name == header)) {
            return Err(ConfigError::new(path.member("header"), "is a place of tokens too (`identity.sources`)"));
        }
        if written.query.as_ref().is_some_and(|name| !fits(name, b"-_")) {
            return Err(ConfigError::new(path.member("query"), "expected 1 to 64 letters, digits, `-` and `_`"));
        }
        // Whatever comes under that name is refused for a token in the query.
        let is_token = |name: &String| name.trim_start_matches('_').eq_ignore_ascii_case("access_token");
        if written.query.as_ref().is_some_and(is_token) {
            return Err(ConfigError::new(
                path.member("query"),
                "is the parameter of tokens, which are never taken from a query",
            ));
        }
        if written.query.is_some() && !written.forward {
            return Err(ConfigError::new(
                path.member("forward"),
                "is false, but a key in the `query` cannot be taken away",
            ));
        }
        if written.issuer.is_empty() {
            return Err(ConfigError::new(path.member("issuer"), "is empty"));
        }
        Ok(Self {
            header,
            query: written.query.clone(),
            issuer: written.issuer.clone(),
            forward: written.forward,
            keys: keys(&written.keys)?,
        })
    }

    /// Those keys whose digest begins like this one. Hardly ever more than one.
    #[inline]
    pub fn like(&self, digest: &Digest) -> &[ApiKey] {
        self.keys.get(&prefix(digest)).map_or(&[], Vec::as_slice)
    }
}

fn prefix(digest: &Digest) -> Prefix {
    let [a, b, c, d, e, f, g, h, ..] = *digest;
    [a, b, c, d, e, f, g, h]
}

fn keys(written: &[raw::ApiKey]) -> Result<BTreeMap<Prefix, Vec<ApiKey>>, ConfigError> {
    const PATH: &str = "identity.api_keys.keys";
    if written.len() > KEYS_MAX {
        return Err(ConfigError::new(PATH, format!("has {} keys, at most {KEYS_MAX} are allowed", written.len())));
    }
    let mut ids = ByName::new();
    let mut keys: BTreeMap<Prefix, Vec<ApiKey>> = BTreeMap::new();
    for (index, raw) in written.iter().enumerate() {
        let path = Path::entry_of(PATH, index);
        let key = key(raw, &path)?;
        if ids.insert(&raw.id, ()).is_some() {
            return Err(ConfigError::new(path.member("id"), format!("`{}` is the id of another key too", raw.id)));
        }
        let alike = keys.entry(prefix(&key.digest)).or_default();
        if let Some(same) = alike.iter().find(|other| other.digest == key.digest) {
            let fault = format!("is the digest of `{}` too: one key cannot be two", same.id);
            return Err(ConfigError::new(path.member("sha256"), fault));
        }
        alike.push(key);
    }
    Ok(keys)
}

fn key(written: &raw::ApiKey, path: &Path<'_>) -> Result<ApiKey, ConfigError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !(1..=NAME_BYTES_MAX).contains(&written.id.len()) || !written.id.bytes().all(plain) {
        let fault = "expected 1 to 64 letters, digits, `-`, `_` and `.`: it goes into receipts";
        return Err(ConfigError::new(path.member("id"), fault));
    }
    let not_before = written.not_before.as_ref().map(|moment| moment::read(moment, &path.member("not_before")));
    let expires = written.expires.as_ref().map(|moment| moment::read(moment, &path.member("expires")));
    let (not_before, expires) = (not_before.transpose()?.unwrap_or_default(), expires.transpose()?);
    if expires.is_some_and(|end| end <= not_before) {
        return Err(ConfigError::new(path.member("expires"), "is not after `not_before`"));
    }
    Ok(ApiKey {
        id: written.id.clone(),
        digest: digest::read(&written.sha256.0, &path.member("sha256"))?,
        claims: Arc::new(claims(written, path)?),
        not_before,
        expires,
    })
}

/// The claims of a key, with its id for a subject unless they have one.
fn claims(written: &raw::ApiKey, path: &Path<'_>) -> Result<Claims, ConfigError> {
    if let Some(name) = REFUSED_CLAIMS.into_iter().find(|name| written.claims.contains_key(*name)) {
        let fault =
            "no key can say that of itself: dates are `not_before` and `expires`, and no key proves a login";
        return Err(ConfigError::new(path.member("claims").member(name), fault));
    }
    let mut claims: Map<String, Value> = written.claims.clone();
    claims.entry("sub").or_insert_with(|| Value::from(written.id.as_str()));
    if claims.get("sub").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(ConfigError::new(path.member("claims.sub"), "expected text"));
    }
    let bytes = Value::Object(claims.clone()).to_string().len();
    if bytes > CLAIMS_BYTES_MAX {
        let fault = format!("have {bytes} bytes, at most {CLAIMS_BYTES_MAX} are allowed");
        return Err(ConfigError::new(path.member("claims"), fault));
    }
    Ok(Claims::new(claims))
}

#[cfg(test)]
mod tests;
