//! The `identity.holder` section as it is written.

use crate::reading::{Node, Written};
use crate::units::Duration;
use serde_json::Value;
use std::fmt;

/// How tokens are bound to who holds them.
#[derive(Debug, Default, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Holder {
    /// Whether tokens with `cnf.x5t#S256` are checked against the client certificate of the connection (RFC
    /// 8705): `true`, `false` or a section.
    #[serde(deserialize_with = "switched")]
    #[cfg_attr(feature = "schema", schemars(with = "Switch"))]
    pub(crate) certificate: Option<Certificate>,
    /// Proofs of possession (RFC 9449). Without it, tokens with `cnf.jkt` are refused.
    pub(crate) dpop: Option<Dpop>,
}

/// Client certificates. `true` stands for one without keys.
#[derive(Debug, Default, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Certificate {
    /// Proxies before Envoy whose word counts for connections without a certificate.
    pub(crate) forwarded: Option<Forwarded>,
}

/// What a proxy before Envoy says of client certificates.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Forwarded {
    /// Addresses and networks of these proxies: `10.1.2.3`, `10.1.0.0/16`.
    pub(crate) trusted_peers: Vec<String>,
    /// Of several proxies in a row the one whose word counts.
    #[serde(default)]
    pub(crate) element: Element,
}

/// Whose word counts, of several proxies in a row.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum Element {
    /// That of the first, which is the client's own neighbour.
    First,
    /// That of the last, which is ours.
    #[default]
    Last,
}

/// How a section is written that can be switched on.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "its form is told, it is never made")]
enum Switch {
    /// `true` stands for a section without keys.
    On(bool),
    /// A section.
    Section(Certificate),
}

/// A section, `true` for one of defaults, or `false` for none.
fn switched(node: &Node<'_>) -> Option<Certificate> {
    match node.value {
        Value::Bool(on) => on.then(Certificate::default),
        Value::Object(_) => Some(Certificate::read(node)),
        _ => {
            node.is_not(&"true, false or a section");
            None
        }
    }
}

/// Proofs of possession.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Dpop {
    /// How old a proof may be.
    pub(crate) past: Duration,
    /// How far ahead a proof may be.
    pub(crate) future: Duration,
    /// Where clients believe to be: `https://api.example`; the request's own if empty.
    pub(crate) origins: Vec<String>,
    /// Whether a proof must contain a nonce of ours.
    pub(crate) nonce: Option<Nonce>,
}

impl Default for Dpop {
    fn default() -> Self {
        Self { past: Duration::from_secs(60), future: Duration::from_secs(5), origins: Vec::new(), nonce: None }
    }
}

/// Nonces of ours that proofs must contain.
#[derive(Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Nonce {
    /// A nonce counts for so long at least and twice as long at most; 10 s to 1 h.
    pub(crate) lifetime: Duration,
    /// At least 32 bytes, for all Envoys of a fleet that are to take each other's nonces; each Envoy's own
    /// unless given.
    #[cfg_attr(feature = "schema", serde(serialize_with = "super::super::written::conceal"))]
    pub(crate) secret: Option<String>,
}

impl Default for Nonce {
    fn default() -> Self {
        Self { lifetime: Duration::from_secs(300), secret: None }
    }
}

/// Without the secret.
impl fmt::Debug for Nonce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Nonce").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// Which binding a route demands.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// By one of the ways that are configured.
    Any,
    /// To the client certificate of the connection.
    Certificate,
    /// To a key that the client proves to have.
    Dpop,
}
