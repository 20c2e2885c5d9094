//! The `identity.api_keys` section as it is written.

use super::{Moment, Secret};
use crate::reading::Written;
use serde_json::{Map, Value};

/// API keys.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKeys {
    /// The header field that keys come in.
    #[serde(default = "default_header")]
    pub(crate) header: String,
    /// A parameter of the query that keys may come in too; queries stand in logs.
    pub(crate) query: Option<String>,
    /// Who vouches for keys, in limits, revocations and receipts.
    #[serde(default = "default_issuer")]
    pub(crate) issuer: String,
    /// Whether the service sees the field.
    #[serde(default = "forwarded")]
    pub(crate) forward: bool,
    /// The keys, at most 4096.
    pub(crate) keys: Vec<ApiKey>,
}

/// One key, by its hash.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKey {
    /// A key's name for people.
    pub(crate) id: String,
    /// The hexadecimal SHA-256 of the key. Whoever writes the key itself here by mistake does not find it in a log.
    pub(crate) sha256: Secret,
    /// What the holder of the key is: `sub` (the id unless given), `scope`, any other but those that only a
    /// token can have.
    #[serde(default)]
    pub(crate) claims: Map<String, Value>,
    /// From when it counts; always unless given.
    pub(crate) not_before: Option<Moment>,
    /// Until when it counts; always unless given.
    pub(crate) expires: Option<Moment>,
}

fn default_header() -> String {
    "x-api-key".to_owned()
}

fn default_issuer() -> String {
    "api-keys".to_owned()
}

const fn forwarded() -> bool {
    true
}
