//! The `identity.holder` section as it is written.

use crate::config::units::Duration;
use serde::Deserialize;

/// How tokens are bound to who holds them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Holder {
    pub(crate) certificate: bool,
    pub(crate) dpop: Option<Dpop>,
}

/// Proofs of possession.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Dpop {
    pub(crate) past: Duration,
    pub(crate) future: Duration,
    pub(crate) origins: Vec<String>,
}

impl Default for Dpop {
    fn default() -> Self {
        Self { past: Duration::from_secs(60), future: Duration::from_secs(5), origins: Vec::new() }
    }
}

/// Which binding a route demands.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// By one of the ways that are configured.
    Any,
    /// To the client certificate of the connection.
    Certificate,
    /// To a key that the client proves to have.
    Dpop,
}
