//! The `exposure` section as it is written.

use super::Secret;
use crate::reading::Written;
use crate::units::{ByteSize, Duration};
use crate::ByName;
use serde_json::{Map, Value};

/// What responses may say.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Exposure {
    /// What is done with what is found, tried in their order: the first one for the response and the kind
    /// decides.
    pub(crate) rules: Vec<ExposureRule>,
    /// Which fields may pass.
    pub(crate) fields: Vec<FieldRule>,
    /// Schemas of responses by name, as OpenAPI writes them under `components.schemas`.
    pub(crate) schemas: Map<String, Value>,
    /// A document of OpenAPI 3, as JSON, that `schema` points into.
    pub(crate) openapi: Option<Value>,
    /// Header fields that tell of programs.
    pub(crate) headers: HeaderRule,
    /// How much an actor may take.
    pub(crate) volume: Vec<Volume>,
    /// The key of hashes that take the place of values, 16 characters or more; required for `hash`.
    pub(crate) hash_key: Option<Secret>,
    /// Takes `accept-encoding` out of requests on routes where a rule may change responses, so that services do
    /// not compress them.
    pub(crate) plain_responses: bool,
    /// What becomes of a response that cannot be checked. Always counted.
    pub(crate) on_error: ExposureOnError,
}

impl Default for Exposure {
    fn default() -> Self {
        Self {
            rules: vec![ExposureRule::default()],
            fields: Vec::new(),
            schemas: Map::new(),
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
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
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
#[derive(Debug, Copy, Clone, PartialEq, Eq, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
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
#[derive(Debug, Default, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExposureRule {
    /// Names of routes, or `unmatched`; all if empty.
    pub(crate) routes: Vec<String>,
    /// Statuses like `200` or `5xx`; all if empty.
    pub(crate) statuses: Vec<String>,
    /// Scopes that the caller must all have.
    pub(crate) scopes: Vec<String>,
    /// For each claim the values of which the caller must have one.
    pub(crate) claims: ByName<Vec<String>>,
    /// Kinds of things; all if empty.
    pub(crate) kinds: Vec<String>,
    /// From how many in one response on; 10 for `email` and `phone`, 1 for others, unless given.
    pub(crate) at_least: Option<u32>,
    /// What is done.
    pub(crate) action: Treatment,
    /// How it is made unreadable; by kind unless given.
    pub(crate) mask: Option<Mask>,
}

/// Which fields may pass.
#[derive(Debug, Default, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FieldRule {
    /// Names of routes, or `unmatched`; all if empty.
    pub(crate) routes: Vec<String>,
    /// Statuses like `200` or `5xx`; all if empty.
    pub(crate) statuses: Vec<String>,
    /// Scopes that the caller must all have.
    pub(crate) scopes: Vec<String>,
    /// For each claim the values of which the caller must have one.
    pub(crate) claims: ByName<Vec<String>>,
    /// The fields that may pass: `id`, `items[].sku`, `owner.*`.
    pub(crate) allow: Vec<String>,
    /// The schema that names them instead.
    pub(crate) schema: Option<String>,
    /// What becomes of others.
    pub(crate) action: Treatment,
    /// How they are made unreadable.
    pub(crate) mask: Option<Mask>,
}

/// Header fields that tell of programs.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HeaderRule {
    /// Their names; `server` counts only with a version.
    pub(crate) names: Vec<String>,
    /// `pass`, `flag` or `remove`.
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
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Volume {
    /// Its name in receipts.
    pub(crate) name: String,
    /// What an actor takes is counted on these routes together.
    pub(crate) routes: Vec<String>,
    /// Path of the list whose items are counted: `data.items`; the document unless given.
    #[serde(default)]
    pub(crate) records: Option<String>,
    /// Most records in a window.
    pub(crate) records_max: Option<u32>,
    /// Most bytes in a window.
    pub(crate) bytes_max: Option<ByteSize>,
    /// The window, 10 s to 30 d.
    #[serde(default = "hour")]
    pub(crate) window: Duration,
    /// How many times what the actor usually takes is told.
    pub(crate) baseline_factor: Option<f64>,
    /// Records below which nothing is unusual.
    #[serde(default = "baseline_min")]
    pub(crate) baseline_min: u32,
}

/// What becomes of a response that cannot be checked.
#[derive(Debug, Default, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExposureOnError {
    /// Longer than is read.
    pub(crate) too_long: Unchecked,
    /// Not there in time.
    pub(crate) late: Unchecked,
    /// Compressed.
    pub(crate) compressed: Unchecked,
    /// A part of something (206).
    pub(crate) partial: Unchecked,
    /// Not what its type says.
    pub(crate) broken: Unchecked,
    /// Nested too deeply, or of too many values.
    pub(crate) too_complex: Unchecked,
    /// In another character set, or no text.
    pub(crate) unreadable: Unchecked,
}

/// What becomes of a response that cannot be checked. Every such decision is counted.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
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
