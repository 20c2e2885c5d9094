//! How tokens are bound to who holds them, validated.

use crate::config::raw;
use crate::config::ConfigError;
use crate::time::Millis;

/// A proof that is older proves little, and would have to be remembered for long.
const WINDOW_MAX: Millis = Millis::from_secs(600);

/// What can be checked of a token's `cnf`.
#[derive(Debug, Default)]
pub struct Holder {
    /// The client certificate of the connection (RFC 8705).
    pub certificate: bool,
    /// Proofs of possession (RFC 9449).
    pub dpop: Option<Dpop>,
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
}

impl Holder {
    pub(super) fn new(written: &raw::Holder) -> Result<Self, ConfigError> {
        Ok(Self { certificate: written.certificate, dpop: written.dpop.as_ref().map(Dpop::new).transpose()? })
    }
}

impl Dpop {
    fn new(written: &raw::Dpop) -> Result<Self, ConfigError> {
        let (past, future) = (written.past.0, written.future.0);
        for (name, window) in [("past", past), ("future", future)] {
            if window > WINDOW_MAX {
                return Err(ConfigError::new(format!("identity.holder.dpop.{name}"), "is more than 10 minutes"));
            }
        }
        let mut origins = Vec::new();
        for (index, origin) in written.origins.iter().enumerate() {
            let is_origin = origin.split_once("://").is_some_and(|(scheme, host)| {
                matches!(scheme, "https" | "http") && !host.is_empty() && !host.contains(['/', '?', '#', '@'])
            });
            if !is_origin {
                let path = format!("identity.holder.dpop.origins[{index}]");
                return Err(ConfigError::new(path, "expected `https://host` or `https://host:port`"));
            }
            origins.push(origin.to_ascii_lowercase());
        }
        Ok(Self { past, future, origins })
    }
}
