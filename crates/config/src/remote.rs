//! Documents of other services, validated: where they are, how often they are fetched, how old they may become.

use super::raw;
use super::{ConfigError, Path};
use portcullis_base::remote::location::Location;
use portcullis_base::remote::{Remote, Schedule};
use portcullis_base::time::Millis;

/// The shortest time between two fetches. Each Envoy asks by itself, so a fleet asks many times as often.
const REFRESH_MIN: Millis = Millis::from_secs(1);

/// A fetch that lasts longer has been lost.
const TIMEOUT_MAX: Millis = Millis::from_secs(30);

/// Largest document that may be allowed, in bytes: each worker keeps what it makes of one, and shared memory the text.
const BYTES_LIMIT: u64 = 4 << 20;

/// A document of another service.
#[derive(Debug)]
pub struct Document {
    /// What the workers share of it.
    pub remote: Remote,
    /// Envoy's cluster that serves it.
    pub cluster: String,
    /// Where it is there.
    pub location: Location,
    /// Whether that is the issuer's metadata, which says where the document is (OpenID Connect Discovery 1.0 §4).
    pub discovery: bool,
    /// Longest wait for an answer.
    pub timeout: Millis,
    /// When it is fetched.
    pub schedule: Schedule,
    /// Age beyond which it is of no use.
    pub max_age: Millis,
    /// Longest document, in bytes.
    pub bytes_max: usize,
}

impl Document {
    /// `purpose` and the place make the name that the workers share it by: a new configuration finds what the one before has
    /// fetched, if it asks for the same thing.
    pub(super) fn new(
        written: &raw::Served,
        purpose: &str,
        issuer: &str,
        path: &Path<'_>,
    ) -> Result<Self, ConfigError> {
        if written.cluster.is_empty() {
            return Err(ConfigError::new(path.member("cluster"), "is empty"));
        }
        let uri = match (&written.uri, written.discovery) {
            (Some(uri), _) => uri.clone(),
            (None, true) => format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')),
            (None, false) => return Err(ConfigError::new(path, "expected `uri`, or `\"discovery\": true`")),
        };
        let location = Location::parse(&uri).map_err(|fault| {
            ConfigError::new(path.member("uri"), format!("is `{}`: {fault}", uri.escape_debug()))
        })?;
        let (refresh, max_age, timeout) = (written.refresh.0, written.max_age.0, written.timeout.0);
        let refetch_interval = written.refetch_interval.0;
        if refresh < REFRESH_MIN || refetch_interval < REFRESH_MIN {
            let name = if refresh < REFRESH_MIN { "refresh" } else { "refetch_interval" };
            return Err(ConfigError::new(path.member(name), "expected at least 1s"));
        }
        if max_age < refresh {
            return Err(ConfigError::new(path.member("max_age"), "is shorter than `refresh`"));
        }
        // Envoy takes a time-out of zero for none at all.
        if timeout == Millis::default() || timeout > TIMEOUT_MAX {
            return Err(ConfigError::new(path.member("timeout"), "expected more than zero and at most 30s"));
        }
        let bytes_max = written.bytes_max.0;
        if bytes_max == 0 || bytes_max > BYTES_LIMIT {
            return Err(ConfigError::new(path.member("bytes_max"), "expected 1B to 4MiB"));
        }
        let metadata = if written.discovery { timeout } else { Millis::default() };
        let (cluster, discovery) = (written.cluster.clone(), written.discovery);
        let identity = format!("{purpose}\n{issuer}\n{cluster}\n{uri}\n{discovery}");
        Ok(Self {
            remote: Remote::new(&super::digest(identity.as_bytes())),
            cluster,
            location,
            discovery,
            timeout,
            schedule: Schedule { refresh, refetch_interval, lasts_max: timeout.saturating_add(metadata) },
            max_age,
            bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
        })
    }
}
