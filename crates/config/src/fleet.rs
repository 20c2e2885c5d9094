//! The `fleet` section, validated: the service by which several Envoys share limits.

use super::raw::{self, FailurePolicy};
use super::{ConfigError, Path};
use portcullis_base::time::Millis;

/// A request that waits longer than this for a count has been lost.
const TIMEOUT_MAX: Millis = Millis::from_secs(10);

/// A service of the protocol `envoy.service.ratelimit.v3`.
#[derive(Debug)]
pub struct Fleet {
    /// Envoy's cluster with the service. It must speak HTTP/2.
    pub cluster: String,
    /// The domain that the service knows its limits by.
    pub domain: String,
    /// Mixed into the hashes that stand for keys; equal in all Envoys of the fleet.
    pub secret: String,
    /// Longest wait of one request for an answer.
    pub timeout: Millis,
    /// Time between two reports of synced limits.
    pub sync_interval: Millis,
    /// When no answer came in time.
    pub on_timeout: FailurePolicy,
    /// When the service cannot be reached, or answers with an error.
    pub on_unavailable: FailurePolicy,
}

impl Fleet {
    pub(super) fn new(written: &raw::Fleet) -> Result<Self, ConfigError> {
        for (name, value) in [("cluster", &written.cluster), ("domain", &written.domain)] {
            if value.is_empty() {
                return Err(ConfigError::new(Path::new("fleet").member(name), "is empty"));
            }
        }
        let (timeout, sync_interval) = (written.timeout.0, written.sync_interval.0);
        // Envoy takes a time-out of zero for none at all.
        if timeout == Millis::default() || timeout > TIMEOUT_MAX {
            return Err(ConfigError::new("fleet.timeout", "expected more than zero and at most 10s"));
        }
        if sync_interval < Millis::new(100) || sync_interval > Millis::from_secs(60) {
            return Err(ConfigError::new("fleet.sync_interval", "expected 100ms to 60s"));
        }
        Ok(Self {
            cluster: written.cluster.clone(),
            domain: written.domain.clone(),
            secret: written.secret.0.clone(),
            timeout,
            sync_interval,
            on_timeout: written.on_error.timeout,
            on_unavailable: written.on_error.unavailable,
        })
    }
}
