//! A document of another service, as it is written.

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
