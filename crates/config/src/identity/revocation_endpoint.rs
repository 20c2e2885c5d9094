//! Where tokens are revoked by request, validated.
//!
//! Who may call must be said: neither is a secret enough for everybody to try, nor is a network enough to end somebody's
//! sessions. The configuration has the digest of the secret; see [`super::api_keys`] for why SHA-256 is enough.

use super::digest::{self, Digest};
use crate::raw;
use crate::{check_path, each, ConfigError, Minting, Path};
use ipnet::IpNet;
use portcullis_base::time::Millis;
use std::net::IpAddr;

/// Most revocations that can be live: they are one value in the memory that all workers share, written anew each time.
const RECORDS_LIMIT: u32 = 16_384;

/// Networks of one configuration at most.
const NETWORKS_MAX: usize = 64;

/// Longest time that a revocation is kept which no token's end bounds.
const KEEP_MAX: Millis = Millis::from_secs(30 * 24 * 3600);

/// The endpoint (RFC 7009).
#[derive(Debug)]
pub struct RevocationEndpoint {
    /// Its path, in normal form.
    pub path: String,
    /// SHA-256 of the secret that callers present.
    pub secret: Digest,
    /// Revocations that can be live at a time.
    pub records_max: usize,
    /// How long one is kept whose tokens have no end that we know.
    pub keep: Millis,
    networks: Vec<IpNet>,
}

impl RevocationEndpoint {
    pub(super) fn new(written: &raw::RevocationEndpoint, minting: Option<&Minting>) -> Result<Self, ConfigError> {
        let path = Path::new("identity.revocation.endpoint");
        check_path(&written.path, &path.member("path"))?;
        if minting.is_some_and(|minting| [&minting.token_path, &minting.jwks_path].contains(&&written.path)) {
            return Err(ConfigError::new(path.member("path"), "is a path of `minting` too"));
        }
        if written.networks.is_empty() || written.networks.len() > NETWORKS_MAX {
            let fault = format!("has {} networks, expected 1 to {NETWORKS_MAX}", written.networks.len());
            return Err(ConfigError::new(path.member("networks"), fault));
        }
        if !(1..=RECORDS_LIMIT).contains(&written.records_max) {
            return Err(ConfigError::new(path.member("records_max"), format!("expected 1 to {RECORDS_LIMIT}")));
        }
        if written.keep.0 < Millis::from_secs(1) || written.keep.0 > KEEP_MAX {
            return Err(ConfigError::new(path.member("keep"), "expected 1s to 30d"));
        }
        let network = |text: &String, path: &Path<'_>| {
            let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            network.map(|network| network.trunc()).map_err(|_| {
                let fault = "expected a network such as \"10.0.0.0/8\", or an address";
                ConfigError::new(path, fault)
            })
        };
        Ok(Self {
            path: written.path.clone(),
            secret: digest::read(&written.secret_sha256.0, &path.member("secret_sha256"))?,
            records_max: usize::try_from(written.records_max).unwrap_or(usize::MAX),
            keep: written.keep.0,
            networks: each(&written.networks, &path.member("networks"), network)?,
        })
    }

    /// Whether somebody there may call. Whose address is not known may not.
    #[inline]
    pub fn serves(&self, source: Option<IpAddr>) -> bool {
        source.is_some_and(|source| self.networks.iter().any(|network| network.contains(&source)))
    }
}
