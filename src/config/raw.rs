//! The configuration as it is written: names, defaults and units, one struct a section.
//!
//! Every struct refuses unknown keys. An absent section is the same as an empty one, and both mean the defaults that
//! stand here; a test holds that. What the values mean together is checked in `config.rs` and its other files.

mod identity;

pub use self::identity::Demand;
pub(crate) use self::identity::{Bindings, Identity, Issuer, TokenSource};

use super::units::{ByteSize, Duration};
use crate::finding::Weight;
use crate::rate::Algorithm;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// The whole document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) version: u32,
    #[serde(default)]
    pub(crate) mode: Mode,
    #[serde(default)]
    pub(crate) request: RequestLimits,
    #[serde(default)]
    pub(crate) routes: Vec<Route>,
    pub(crate) identity: Option<Identity>,
    #[serde(default)]
    pub(crate) memory: Memory,
    #[serde(default)]
    pub(crate) limits: Vec<Limit>,
    #[serde(default)]
    pub(crate) risk: Risk,
    #[serde(default)]
    pub(crate) checks: Vec<Tuning>,
    #[serde(default)]
    pub(crate) telemetry: Telemetry,
}

/// Whether verdicts are carried out.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Everything is judged and reported as `would_…`, no request is stopped.
    #[default]
    Monitor,
    /// Verdicts are carried out.
    Enforce,
}

impl Mode {
    /// Its name in the configuration, statistics and receipts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Enforce => "enforce",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RequestLimits {
    pub(crate) path_bytes_max: ByteSize,
    pub(crate) headers_max: u32,
    pub(crate) header_bytes_max: ByteSize,
    pub(crate) body_bytes_max: Option<ByteSize>,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            path_bytes_max: ByteSize::kib(8),
            headers_max: 100,
            header_bytes_max: ByteSize::kib(60),
            body_bytes_max: None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) methods: Vec<String>,
    #[serde(default)]
    pub(crate) hosts: Vec<String>,
    pub(crate) mode: Option<Mode>,
    pub(crate) risk: Option<Thresholds>,
    pub(crate) body_bytes_max: Option<ByteSize>,
}

/// What a request gets that could not be judged. Every such decision is counted.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailurePolicy {
    /// It passes.
    Allow,
    /// It is challenged.
    Challenge,
    /// It is refused with 503.
    #[default]
    Deny,
}

impl FailurePolicy {
    /// What a finding about the failure weighs.
    pub const fn weight(self) -> Weight {
        match self {
            Self::Allow => Weight::Note,
            Self::Challenge => Weight::Challenge,
            Self::Deny => Weight::Refuse,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Memory {
    pub(crate) budget: ByteSize,
    pub(crate) on_error: MemoryOnError,
}

impl Default for Memory {
    fn default() -> Self {
        Self { budget: ByteSize::kib(64 << 10), on_error: MemoryOnError::default() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MemoryOnError {
    pub(crate) contention: FailurePolicy,
}

impl Default for MemoryOnError {
    fn default() -> Self {
        Self { contention: FailurePolicy::Allow }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limit {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) routes: Vec<String>,
    pub(crate) key: Vec<String>,
    #[serde(default)]
    pub(crate) algorithm: Algorithm,
    pub(crate) limit: u64,
    pub(crate) window: Duration,
    pub(crate) burst: Option<u64>,
    #[serde(default)]
    pub(crate) when: When,
    #[serde(default)]
    pub(crate) cost: Cost,
    #[serde(default = "default_prefix_v4")]
    pub(crate) prefix_v4: u8,
    #[serde(default = "default_prefix_v6")]
    pub(crate) prefix_v6: u8,
    pub(crate) mode: Option<Mode>,
}

/// Which requests a limit is for; all conditions must hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct When {
    pub(crate) methods: Vec<String>,
    pub(crate) claims: BTreeMap<String, Vec<String>>,
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    pub(crate) anonymous: Option<bool>,
}

/// How many units a request takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Cost {
    pub(crate) default: u64,
    pub(crate) methods: BTreeMap<String, u64>,
}

impl Default for Cost {
    fn default() -> Self {
        Self { default: 1, methods: BTreeMap::new() }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Risk {
    pub(crate) thresholds: Thresholds,
    pub(crate) family_caps: BTreeMap<String, f64>,
}

#[derive(Debug, Copy, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Thresholds {
    pub(crate) challenge: f64,
    pub(crate) deny: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { challenge: 0.3, deny: 0.7 }
    }
}

/// One check, adjusted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tuning {
    pub(crate) id: String,
    pub(crate) mode: Option<TunedMode>,
    pub(crate) effect: Option<Effect>,
    pub(crate) score: Option<f64>,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TunedMode {
    Off,
    Monitor,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Effect {
    Note,
    Challenge,
    Refuse,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Telemetry {
    pub(crate) allow_sample: f64,
    pub(crate) actor_salt: Secret,
    pub(crate) upstream_headers: bool,
}

/// A text that no error message repeats.
#[derive(Default)]
pub(crate) struct Secret(pub(crate) String);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            _ => Err(D::Error::custom("expected a string")),
        }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("(secret)")
    }
}

const fn default_prefix_v4() -> u8 {
    32
}

const fn default_prefix_v6() -> u8 {
    64
}
