//! What other services are asked for, as it is written: documents, and what opaque tokens are worth.

use super::{FailurePolicy, Secret};
use crate::config::units::{ByteSize, Duration};
use serde::Deserialize;

/// Keys that an issuer serves.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Served {
    pub(crate) cluster: String,
    pub(crate) uri: Option<String>,
    #[serde(default)]
    pub(crate) discovery: bool,
    #[serde(default = "default_refresh")]
    pub(crate) refresh: Duration,
    #[serde(default = "default_max_age")]
    pub(crate) max_age: Duration,
    #[serde(default = "default_refetch_interval")]
    pub(crate) refetch_interval: Duration,
    #[serde(default = "default_timeout")]
    pub(crate) timeout: Duration,
    #[serde(default = "default_bytes_max")]
    pub(crate) bytes_max: ByteSize,
}

/// A service that says what an opaque token is worth.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Introspection {
    pub(crate) cluster: String,
    pub(crate) uri: String,
    pub(crate) issuer: String,
    #[serde(default)]
    pub(crate) audiences: Vec<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<Secret>,
    pub(crate) bearer: Option<Secret>,
    #[serde(default = "default_clock_skew")]
    pub(crate) clock_skew: Duration,
    #[serde(default = "default_timeout")]
    pub(crate) timeout: Duration,
    #[serde(default = "default_cache_max")]
    pub(crate) cache_max: Duration,
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
