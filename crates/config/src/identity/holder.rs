//! How tokens are bound to who holds them, validated.

use crate::raw;
use crate::raw::Element;
use crate::{ConfigError, Path};
use ipnet::IpNet;
use portcullis_base::time::Millis;
use std::fmt;
use std::net::IpAddr;

/// A proof that is older proves little, and would have to be remembered for long.
const WINDOW_MAX: Millis = Millis::from_secs(600);

/// Shorter, and clients would be sent back all the time.
const NONCE_MIN: Millis = Millis::from_secs(10);

/// Longer, and a nonce would say little of when a proof was made.
const NONCE_MAX: Millis = Millis::from_secs(3600);

/// Of SHA-256: RFC 2104 §3 advises no shorter key.
const SECRET_BYTES_MIN: usize = 32;

/// What can be checked of a token's `cnf`.
#[derive(Debug, Default)]
pub struct Holder {
    /// The client certificate (RFC 8705).
    pub certificate: Option<Certificate>,
    /// Proofs of possession (RFC 9449).
    pub dpop: Option<Dpop>,
}

/// Client certificates.
#[derive(Debug)]
pub struct Certificate {
    /// Whose word counts of connections that have none. Otherwise nobody's does.
    pub forwarded: Option<Forwarded>,
}

/// What proxies before Envoy say of client certificates.
#[derive(Debug)]
pub struct Forwarded {
    /// Where they are: the other end of the connection.
    pub peers: Vec<IpNet>,
    /// Which of them has seen the client.
    pub element: Element,
}

/// Proofs of possession.
#[derive(Debug)]
pub struct Dpop {
    /// Oldest proof.
    pub past: Millis,
    /// How far a proof may lie ahead.
    pub future: Millis,
    /// Where clients believe to be (`https://api.example`); where they are, if empty.
    pub origins: Vec<String>,
    /// Nonces that they must contain.
    pub nonce: Option<Nonce>,
}

/// Nonces of ours that proofs must contain (RFC 9449 §9).
pub struct Nonce {
    /// How long one counts at least.
    pub lifetime: Millis,
    /// What they are made with: shared by a fleet. Otherwise each Envoy has its own.
    pub secret: Option<Vec<u8>>,
}

impl Holder {
    pub(super) fn new(written: &raw::Holder) -> Result<Self, ConfigError> {
        let certificate = written.certificate.as_ref().map(Certificate::new).transpose()?;
        Ok(Self { certificate, dpop: written.dpop.as_ref().map(Dpop::new).transpose()? })
    }
}

impl Certificate {
    fn new(written: &raw::Certificate) -> Result<Self, ConfigError> {
        Ok(Self { forwarded: written.forwarded.as_ref().map(Forwarded::new).transpose()? })
    }
}

impl Forwarded {
    fn new(written: &raw::Forwarded) -> Result<Self, ConfigError> {
        let place = Path::new("identity.holder.certificate.forwarded.trusted_peers");
        if written.trusted_peers.is_empty() {
            return Err(ConfigError::new(place, "is empty: then nobody is trusted"));
        }
        let mut peers = Vec::new();
        for (index, text) in written.trusted_peers.iter().enumerate() {
            let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok();
            // Who trusts every address trusts every client.
            let net = net.filter(|net| net.prefix_len() > 0).ok_or_else(|| {
                let fault = format!("`{text}` is not `10.1.2.3`, `10.1.0.0/16` or the like");
                ConfigError::new(place.item(index), fault)
            })?;
            peers.push(net);
        }
        Ok(Self { peers, element: written.element })
    }
}

impl Dpop {
    fn new(written: &raw::Dpop) -> Result<Self, ConfigError> {
        let (past, future) = (written.past.0, written.future.0);
        for (name, window) in [("past", past), ("future", future)] {
            if window > WINDOW_MAX {
                return Err(ConfigError::new(
                    Path::new("identity.holder.dpop").member(name),
                    "is more than 10 minutes",
                ));
            }
        }
        let mut origins = Vec::new();
        for (index, origin) in written.origins.iter().enumerate() {
            let is_origin = origin.split_once("://").is_some_and(|(scheme, host)| {
                matches!(scheme, "https" | "http") && !host.is_empty() && !host.contains(['/', '?', '#', '@'])
            });
            if !is_origin {
                let path = Path::entry_of("identity.holder.dpop.origins", index);
                return Err(ConfigError::new(path, "expected `https://host` or `https://host:port`"));
            }
            origins.push(origin.to_ascii_lowercase());
        }
        let nonce = written.nonce.as_ref().map(Nonce::new).transpose()?;
        Ok(Self { past, future, origins, nonce })
    }
}

impl Nonce {
    fn new(written: &raw::Nonce) -> Result<Self, ConfigError> {
        let path = Path::new("identity.holder.dpop.nonce");
        let lifetime = written.lifetime.0;
        if !(NONCE_MIN..=NONCE_MAX).contains(&lifetime) {
            return Err(ConfigError::new(path.member("lifetime"), "expected 10s to 1h"));
        }
        if written.secret.as_ref().is_some_and(|secret| secret.len() < SECRET_BYTES_MIN) {
            return Err(ConfigError::new(path.member("secret"), "is shorter than 32 bytes: it could be guessed"));
        }
        Ok(Self { lifetime, secret: written.secret.as_ref().map(|secret| secret.clone().into_bytes()) })
    }
}

/// Without the secret.
impl fmt::Debug for Nonce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Nonce").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}
