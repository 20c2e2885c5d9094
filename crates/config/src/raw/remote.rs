//! What other services are asked for, as it is written: documents, and what opaque tokens are worth.

use super::{FailurePolicy, Secret};
use crate::reading::Written;
use crate::units::{ByteSize, Duration};

/// Keys that an issuer serves.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Served {
    /// Envoy's cluster that serves it.
    pub(crate) cluster: String,
    /// Where it is: `https://id.example/jwks.json`; required without `discovery`.
    pub(crate) uri: Option<String>,
    /// Whether `uri` (or `<issuer>/.well-known/openid-configuration`) is the issuer's metadata, whose `jwks_uri`
    /// says where the keys are.
    #[serde(default)]
    pub(crate) discovery: bool,
    /// Age at which it is fetched anew.
    #[serde(default = "default_refresh")]
    pub(crate) refresh: Duration,
    /// Age from which it no longer counts, where none could be fetched since.
    #[serde(default = "default_max_age")]
    pub(crate) max_age: Duration,
    /// Least time between two fetches for the sake of unknown keys.
    #[serde(default = "default_refetch_interval")]
    pub(crate) refetch_interval: Duration,
    /// Longest wait for an answer.
    #[serde(default = "default_timeout")]
    pub(crate) timeout: Duration,
    /// Longest document, at most 4 MiB.
    #[serde(default = "default_bytes_max")]
    pub(crate) bytes_max: ByteSize,
}

/// A service that says what an opaque token is worth.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Introspection {
    /// Envoy's cluster of the service.
    pub(crate) cluster: String,
    /// Where opaque tokens are looked up.
    pub(crate) uri: String,
    /// Who vouches for opaque tokens, in limits and receipts; an `iss` in the answer must be the same.
    pub(crate) issuer: String,
    /// The token's `aud` must have one of them; any if empty.
    #[serde(default)]
    pub(crate) audiences: Vec<String>,
    /// The name to ask with (HTTP Basic).
    pub(crate) client_id: Option<String>,
    /// The secret to ask with.
    pub(crate) client_secret: Option<Secret>,
    /// A token to ask with instead.
    pub(crate) bearer: Option<Secret>,
    /// How far clocks may differ.
    #[serde(default = "default_clock_skew")]
    pub(crate) clock_skew: Duration,
    /// Longest wait for an answer.
    #[serde(default = "default_timeout")]
    pub(crate) timeout: Duration,
    /// How long an answer is believed, at most 1 h, never beyond `exp`.
    #[serde(default = "default_cache_max")]
    pub(crate) cache_max: Duration,
    /// Without an answer: `allow` (as if there were no token), `challenge`, `deny`. Always counted.
    #[serde(default)]
    pub(crate) on_error: FailurePolicy,
}

const fn default_clock_skew() -> Duration {
    Duration::from_secs(30)
}

const fn default_cache_max() -> Duration {
    Duration::from_secs(60)
}

const fn default_refresh() -> Duration {
    Duration::from_secs(300)
}

const fn default_max_age() -> Duration {
    Duration::from_secs(24 * 3600)
}

const fn default_refetch_interval() -> Duration {
    Duration::from_secs(1)
}

const fn default_timeout() -> Duration {
    Duration::from_secs(2)
}

const fn default_bytes_max() -> ByteSize {
    ByteSize::kib(256)
}
