//! The `identity.holder` section as it is written.

use crate::config::units::Duration;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::Deserialize;
use std::fmt;

/// How tokens are bound to who holds them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Holder {
    #[serde(deserialize_with = "switched")]
    pub(crate) certificate: Option<Certificate>,
    pub(crate) dpop: Option<Dpop>,
}

/// Client certificates. `true` stands for one without keys.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Certificate {
    pub(crate) forwarded: Option<Forwarded>,
}

/// What a proxy before Envoy says of client certificates.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Forwarded {
    pub(crate) trusted_peers: Vec<String>,
    #[serde(default)]
    pub(crate) element: Element,
}

/// Whose word counts, of several proxies in a row.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    /// That of the first, which is the client's own neighbour.
    First,
    /// That of the last, which is ours.
    #[default]
    Last,
}

/// A section, `true` for one of defaults, or `false` for none.
fn switched<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Certificate>, D::Error> {
    struct Switch;

    impl<'de> Visitor<'de> for Switch {
        type Value = Option<Certificate>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("true, false or a section")
        }

        fn visit_bool<E: Error>(self, on: bool) -> Result<Self::Value, E> {
            Ok(on.then(Certificate::default))
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Certificate::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }

    deserializer.deserialize_any(Switch)
}

/// Proofs of possession.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Dpop {
    pub(crate) past: Duration,
    pub(crate) future: Duration,
    pub(crate) origins: Vec<String>,
    pub(crate) nonce: Option<Nonce>,
}

impl Default for Dpop {
    fn default() -> Self {
        Self { past: Duration::from_secs(60), future: Duration::from_secs(5), origins: Vec::new(), nonce: None }
    }
}

/// Nonces of ours that proofs must contain.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Nonce {
    pub(crate) lifetime: Duration,
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
