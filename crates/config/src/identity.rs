//! The `identity` section, validated: issuers with their keys, clients' own keys, what routes demand, soft bindings.

mod api_keys;
mod bindings;
mod digest;
mod guards;
mod holder;
mod introspection;
mod issuer;
mod requirement;
mod revocation;
mod revocation_endpoint;
mod step_up;
mod usage;

pub use self::api_keys::{ApiKey, ApiKeys};
pub use self::bindings::{Bindings, HeaderBinding, IpBinding, SessionBinding};
pub use self::digest::Digest;
pub use self::guards::{Failures, Replay};
pub use self::holder::{Certificate, Dpop, Forwarded, Holder, Nonce};
pub use self::introspection::Introspection;
pub use self::issuer::{Issuer, Keys};
pub use self::requirement::Requirement;
pub use self::revocation::Revocation;
pub use self::revocation_endpoint::RevocationEndpoint;
pub use self::step_up::Login;
pub use self::usage::Usage;
pub use super::raw::Element;

use super::raw;
use super::{each, ConfigError, FailurePolicy, Minting, Path};
use portcullis_base::time::Millis;

/// Largest token that may be allowed, in bytes: Envoy's own limit for a whole header section is 60 KiB.
const TOKEN_BYTES_LIMIT: u64 = 48 << 10;

/// A request that waits longer than this has been lost.
const WAIT_LIMIT: Millis = Millis::from_secs(30);

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
    /// Longest wait of a request for documents that are being fetched.
    pub wait_max: Millis,
    /// When there are none in time.
    pub on_keys_unavailable: FailurePolicy,
    /// Whose tokens are accepted.
    pub issuers: Vec<Issuer>,
    /// Keys of clients that have no tokens.
    pub api_keys: Option<ApiKeys>,
    /// What can be checked of a token that is bound to its holder.
    pub holder: Holder,
    /// How many tokens of one source may fail.
    pub failures: Option<Failures>,
    /// Whether a route takes a token once only.
    pub has_one_time_tokens: bool,
    /// The memory of what may be seen once.
    pub replay: Replay,
    /// How the uses of one token are compared with each other.
    pub usage: Option<Usage>,
    /// Where opaque tokens are looked up.
    pub introspection: Option<Introspection>,
    /// Where revocations come from.
    pub revocation: Option<Revocation>,
    /// What satisfies a challenge.
    pub step_up: Login,
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

impl Identity {
    pub(super) fn new(written: &raw::Identity, minting: Option<&Minting>) -> Result<Self, ConfigError> {
        let limit = written.token_bytes_max.0;
        if limit == 0 || limit > TOKEN_BYTES_LIMIT {
            return Err(ConfigError::new(
                "identity.token_bytes_max",
                format!("is {limit} bytes, expected 1B to {TOKEN_BYTES_LIMIT}B"),
            ));
        }
        if written.wait_max.0 > WAIT_LIMIT {
            return Err(ConfigError::new("identity.wait_max", "is more than 30s"));
        }
        let sources = sources(&written.sources)?;
        let api_keys = written.api_keys.as_ref().map(|keys| ApiKeys::new(keys, &sources)).transpose()?;
        Ok(Self {
            sources,
            token_bytes_max: usize::try_from(limit).unwrap_or(usize::MAX),
            cache_budget_bytes: written.cache_budget.0,
            native_signatures: written.native_signatures,
            wait_max: written.wait_max.0,
            on_keys_unavailable: written.on_error.keys,
            issuers: issuer::all(&written.issuers, api_keys.is_some(), minting)?,
            api_keys,
            holder: Holder::new(&written.holder)?,
            failures: Failures::new(&written.failures)?,
            has_one_time_tokens: written.requirements.iter().any(|requirement| requirement.one_time),
            replay: Replay::new(&written.replay)?,
            usage: written.usage.as_ref().map(|usage| Usage::new(usage, &written.bindings)).transpose()?,
            introspection: written.introspection.as_ref().map(Introspection::new).transpose()?,
            revocation: written.revocation.as_ref().map(|own| Revocation::new(own, minting)).transpose()?,
            step_up: Login::step_up(written.step_up.as_ref())?,
            bindings: Bindings::new(&written.bindings)?,
        })
    }

    /// Whether something may be seen once only.
    pub fn needs_once(&self) -> bool {
        self.has_one_time_tokens || self.holder.dpop.is_some()
    }

    /// Whether something is remembered about sources or tokens.
    pub fn needs_memory(&self) -> bool {
        self.failures.is_some() || self.usage.is_some()
    }

    /// Whether something is asked of other services.
    pub fn asks_others(&self) -> bool {
        let lists = self.revocation.as_ref().is_some_and(|revocation| revocation.list.is_some());
        lists
            || self.introspection.is_some()
            || self.issuers.iter().any(|issuer| matches!(issuer.keys, Keys::Served(_)))
    }
}

fn sources(written: &[raw::TokenSource]) -> Result<Vec<TokenSource>, ConfigError> {
    if written.is_empty() {
        return Err(ConfigError::new("identity.sources", "is empty, so no token could ever be found"));
    }
    let source =
        |source: &raw::TokenSource, path: &Path<'_>| match (&source.header, &source.cookie, &source.scheme) {
            (Some(header), None, scheme) => {
                Ok(TokenSource::Header { name: header.to_ascii_lowercase(), scheme: scheme.clone() })
            }
            (None, Some(cookie), None) => Ok(TokenSource::Cookie(cookie.clone())),
            _ => Err(ConfigError::new(path, "expected `header` (with or without `scheme`) or `cookie`")),
        };
    let sources = each(written, &Path::new("identity.sources"), source)?;
    for (index, source) in sources.iter().enumerate() {
        let (TokenSource::Header { name, .. } | TokenSource::Cookie(name)) = source;
        let scheme = matches!(source, TokenSource::Header { scheme: Some(scheme), .. } if scheme.is_empty());
        let path = Path::entry_of("identity.sources", index);
        if name.is_empty() || scheme {
            return Err(ConfigError::new(path, "has an empty name"));
        }
        if sources.iter().take(index).any(|other| other == source) {
            return Err(ConfigError::new(path, "is listed twice"));
        }
    }
    Ok(sources)
}
