//! The `exposure` section as it is written.

use super::Secret;
use crate::config::units::{ByteSize, Duration};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What responses may say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Exposure {
    pub(crate) rules: Vec<ExposureRule>,
    pub(crate) fields: Vec<FieldRule>,
    pub(crate) schemas: BTreeMap<String, Value>,
    pub(crate) openapi: Option<Value>,
    pub(crate) headers: HeaderRule,
    pub(crate) volume: Vec<Volume>,
    pub(crate) hash_key: Option<Secret>,
    pub(crate) plain_responses: bool,
    pub(crate) on_error: ExposureOnError,
}

impl Default for Exposure {
    fn default() -> Self {
        Self {
            rules: vec![ExposureRule::default()],
            fields: Vec::new(),
            schemas: BTreeMap::new(),
            openapi: None,
            headers: HeaderRule::default(),
            volume: Vec::new(),
            hash_key: None,
            plain_responses: true,
            on_error: ExposureOnError::default(),
        }
    }
}

/// What is done with what, from least to most.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// Nothing, and nothing is reported.
    Pass,
    /// It is reported.
    #[default]
    Flag,
    /// It is made unreadable.
    Mask,
    /// It is taken out.
    Remove,
    /// The whole response is replaced.
    Block,
}

/// How something is made unreadable.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// All but the last four characters are asterisks.
    Last4,
    /// A keyed hash: the same for the same value.
    Hash,
    /// `[redacted]`.
    Redact,
}

/// Whose response, and which.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExposureRule {
    pub(crate) routes: Vec<String>,
    pub(crate) statuses: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) claims: BTreeMap<String, Vec<String>>,
    pub(crate) kinds: Vec<String>,
    pub(crate) at_least: Option<u32>,
    pub(crate) action: Treatment,
    pub(crate) mask: Option<Mask>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FieldRule {
    pub(crate) routes: Vec<String>,
    pub(crate) statuses: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) claims: BTreeMap<String, Vec<String>>,
    pub(crate) allow: Vec<String>,
    pub(crate) schema: Option<String>,
    pub(crate) action: Treatment,
    pub(crate) mask: Option<Mask>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HeaderRule {
    pub(crate) names: Vec<String>,
    pub(crate) action: Treatment,
}

impl Default for HeaderRule {
    fn default() -> Self {
        let names =
            ["x-powered-by", "x-aspnet-version", "x-aspnetmvc-version", "x-generator", "x-runtime", "server"];
        Self { names: names.map(str::to_owned).to_vec(), action: Treatment::Flag }
    }
}

/// How much an actor may take.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) routes: Vec<String>,
    #[serde(default)]
    pub(crate) records: Option<String>,
    pub(crate) records_max: Option<u32>,
    pub(crate) bytes_max: Option<ByteSize>,
    #[serde(default = "hour")]
    pub(crate) window: Duration,
    pub(crate) baseline_factor: Option<f64>,
    #[serde(default = "baseline_min")]
    pub(crate) baseline_min: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExposureOnError {
    pub(crate) too_long: Unchecked,
    pub(crate) late: Unchecked,
    pub(crate) compressed: Unchecked,
    pub(crate) partial: Unchecked,
    pub(crate) broken: Unchecked,
    pub(crate) too_complex: Unchecked,
    pub(crate) unreadable: Unchecked,
}

/// What becomes of a response that cannot be checked. Every such decision is counted.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unchecked {
    /// It passes as it is.
    #[default]
    Allow,
    /// It is replaced.
    Block,
}

fn hour() -> Duration {
    Duration::from_secs(3600)
}

const fn baseline_min() -> u32 {
    100
}
