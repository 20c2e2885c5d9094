//! The `identity.api_keys` section as it is written.

use super::{Moment, Secret};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKeys {
    #[serde(default = "default_header")]
    pub(crate) header: String,
    pub(crate) query: Option<String>,
    #[serde(default = "default_issuer")]
    pub(crate) issuer: String,
    #[serde(default = "forwarded")]
    pub(crate) forward: bool,
    pub(crate) keys: Vec<ApiKey>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKey {
    pub(crate) id: String,
    /// Whoever writes the key itself here by mistake does not find it in a log.
    pub(crate) sha256: Secret,
    #[serde(default)]
    pub(crate) claims: Map<String, Value>,
    pub(crate) not_before: Option<Moment>,
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
