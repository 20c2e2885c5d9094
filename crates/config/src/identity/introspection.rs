//! Where opaque tokens are looked up, validated.

use crate::raw;
use crate::{ConfigError, FailurePolicy, Path};
use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use portcullis_base::remote::location::Location;
use portcullis_base::time::Millis;
use std::fmt;

/// A request that waits longer for an answer has been lost.
const TIMEOUT_MAX: Millis = Millis::from_secs(30);

/// How long an answer may be believed at most: a revocation at the issuer is not seen before.
const CACHE_LIMIT: Millis = Millis::from_secs(3600);

/// A service that says what an opaque token is worth (RFC 7662).
pub struct Introspection {
    /// Envoy's cluster with the service.
    pub cluster: String,
    /// Where it is there.
    pub location: Location,
    /// The value of `Authorization` to ask with.
    pub authorization: Option<String>,
    /// Who vouches for the tokens, and the `iss` that they may have.
    pub issuer: String,
    /// A token must be meant for one of these, if there are any.
    pub audiences: Vec<String>,
    /// How far its clock may be from ours.
    pub clock_skew: Millis,
    /// Longest wait for an answer.
    pub timeout: Millis,
    /// How long an answer is believed, unless the token expires before.
    pub cache_max: Millis,
    /// When there is no answer in time.
    pub on_unavailable: FailurePolicy,
}

impl Introspection {
    pub(super) fn new(written: &raw::Introspection) -> Result<Self, ConfigError> {
        let path = Path::new("identity.introspection");
        for (name, value) in [("cluster", &written.cluster), ("issuer", &written.issuer)] {
            if value.is_empty() {
                return Err(ConfigError::new(path.member(name), "is empty"));
            }
        }
        let location = Location::parse(&written.uri)
            .map_err(|fault| ConfigError::new(path.member("uri"), fault.to_string()))?;
        let (timeout, cache_max) = (written.timeout.0, written.cache_max.0);
        // Envoy takes a time-out of zero for none at all.
        if timeout == Millis::default() || timeout > TIMEOUT_MAX {
            return Err(ConfigError::new(path.member("timeout"), "expected more than zero and at most 30s"));
        }
        if cache_max > CACHE_LIMIT {
            return Err(ConfigError::new(
                path.member("cache_max"),
                "is more than 1h: what the issuer revokes would go on that long",
            ));
        }
        Ok(Self {
            cluster: written.cluster.clone(),
            location,
            authorization: authorization(written, &path.member("client_secret"))?,
            issuer: written.issuer.clone(),
            audiences: written.audiences.clone(),
            clock_skew: written.clock_skew.0,
            timeout,
            cache_max,
            on_unavailable: written.on_error,
        })
    }
}

/// The client's credentials, encoded as forms are before they are joined (RFC 6749 §2.3.1), or a token of its own.
fn authorization(written: &raw::Introspection, path: &Path<'_>) -> Result<Option<String>, ConfigError> {
    let encoded =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    match (&written.client_id, &written.client_secret, &written.bearer) {
        (Some(id), Some(secret), None) => {
            let credentials = format!("{}:{}", encoded(id), encoded(&secret.0));
            Ok(Some(format!("Basic {}", STANDARD.encode(credentials))))
        }
        (None, None, Some(token)) if plain(&token.0) => Ok(Some(format!("Bearer {}", token.0))),
        (None, None, None) => Ok(None),
        _ => Err(ConfigError::new(
            path,
            "expected `client_id` with `client_secret`, or `bearer` alone, or none of them",
        )),
    }
}

impl fmt::Debug for Introspection {
    /// Without the credentials.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Introspection").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}
