//! The sections `memory`, `limits`, `reputation` and `fleet` as they are written.

use super::super::units::{ByteSize, Duration};
use super::{FailurePolicy, Mode, Secret};
use crate::rate::Algorithm;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;

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
    pub(crate) adapt: Option<Adapt>,
    pub(crate) fleet: Option<FleetMode>,
    #[serde(default = "default_prefix_v4")]
    pub(crate) prefix_v4: u8,
    #[serde(default = "default_prefix_v6")]
    pub(crate) prefix_v6: u8,
    pub(crate) mode: Option<Mode>,
}

/// Which requests a limit is for.
#[derive(Debug)]
pub(crate) enum When {
    /// A condition as in `rules`.
    Condition(String),
    /// Values that all have to be there.
    Values(WhenValues),
}

impl Default for When {
    fn default() -> Self {
        Self::Values(WhenValues::default())
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherWhen)
    }
}

/// Tells by its type which of the two is written.
struct EitherWhen;

impl<'de> Visitor<'de> for EitherWhen {
    type Value = When;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a condition, or an object with values")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<When, E> {
        Ok(When::Condition(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<When, A::Error> {
        WhenValues::deserialize(MapAccessDeserializer::new(members)).map(When::Values)
    }
}

/// Conditions that must all hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WhenValues {
    pub(crate) methods: Vec<String>,
    pub(crate) claims: BTreeMap<String, Vec<String>>,
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    pub(crate) query: BTreeMap<String, Vec<String>>,
    pub(crate) body: BTreeMap<String, Vec<String>>,
    pub(crate) graphql_operations: Vec<String>,
    pub(crate) anonymous: Option<bool>,
}

/// How many units a request takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Cost {
    pub(crate) default: u64,
    pub(crate) methods: BTreeMap<String, u64>,
    pub(crate) field: Option<String>,
    pub(crate) field_max: u64,
    pub(crate) response_unit: Option<ByteSize>,
}

impl Default for Cost {
    fn default() -> Self {
        Self { default: 1, methods: BTreeMap::new(), field: None, field_max: 1000, response_unit: None }
    }
}

/// What a limit is multiplied by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Adapt {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) reputation: Option<AdaptReputation>,
    pub(crate) risk: f64,
    pub(crate) sensitivity: f64,
    pub(crate) hours: Vec<Hours>,
    pub(crate) geo: Option<Geo>,
}

impl Default for Adapt {
    fn default() -> Self {
        Self { min: 0.1, max: 2.0, reputation: None, risk: 0.0, sensitivity: 0.0, hours: Vec::new(), geo: None }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AdaptReputation {
    pub(crate) bonus: f64,
    pub(crate) malus: f64,
}

impl Default for AdaptReputation {
    fn default() -> Self {
        Self { bonus: 0.5, malus: 0.9 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hours {
    pub(crate) zone: Option<String>,
    #[serde(default)]
    pub(crate) days: Vec<Day>,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) factor: f64,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Geo {
    #[serde(default = "default_geo_header")]
    pub(crate) header: String,
    pub(crate) factors: BTreeMap<String, f64>,
    #[serde(default = "one")]
    pub(crate) others: f64,
}

/// How an actor's past is weighed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Reputation {
    pub(crate) half_life: Duration,
    pub(crate) matures: Duration,
}

impl Default for Reputation {
    fn default() -> Self {
        Self { half_life: Duration::from_secs(3600), matures: Duration::from_secs(86_400) }
    }
}

/// How a limit is shared by several Envoys.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FleetMode {
    /// Every request asks the fleet's service and waits for it.
    Strict,
    /// Requests are decided here at once; hits are settled with the service on a tick.
    Synced,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fleet {
    pub(crate) cluster: String,
    #[serde(default = "default_domain")]
    pub(crate) domain: String,
    #[serde(default)]
    pub(crate) secret: Secret,
    #[serde(default = "default_timeout")]
    pub(crate) timeout: Duration,
    #[serde(default = "default_sync_interval")]
    pub(crate) sync_interval: Duration,
    #[serde(default)]
    pub(crate) on_error: FleetOnError,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FleetOnError {
    pub(crate) timeout: FailurePolicy,
    pub(crate) unavailable: FailurePolicy,
}

impl Default for FleetOnError {
    fn default() -> Self {
        Self { timeout: FailurePolicy::Allow, unavailable: FailurePolicy::Allow }
    }
}

const fn default_prefix_v4() -> u8 {
    32
}

const fn default_prefix_v6() -> u8 {
    64
}

const fn one() -> f64 {
    1.0
}

fn default_geo_header() -> String {
    "x-geo-country".to_owned()
}

fn default_domain() -> String {
    "portcullis".to_owned()
}

const fn default_timeout() -> Duration {
    Duration(crate::time::Millis::new(50))
}

const fn default_sync_interval() -> Duration {
    Duration::from_secs(1)
}
