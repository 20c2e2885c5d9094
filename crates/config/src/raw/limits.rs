//! The sections `memory`, `limits`, `reputation` and `fleet` as they are written.

use super::super::units::{ByteSize, Duration};
use super::{FailurePolicy, Mode, Secret};
use crate::reading::{Node, Written};
use crate::ByName;
use portcullis_base::rate::Algorithm;
use serde_json::Value;

/// The memory that all workers share.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Memory {
    /// Memory that all workers share for counts; taken when the configuration loads, never exceeded.
    pub(crate) budget: ByteSize,
    /// What a request gets whose count could not be kept. Always counted.
    pub(crate) on_error: MemoryOnError,
}

impl Default for Memory {
    fn default() -> Self {
        Self { budget: ByteSize::kib(64 << 10), on_error: MemoryOnError::default() }
    }
}

/// What a request gets whose count could not be kept.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MemoryOnError {
    /// When a count cannot be kept after 64 attempts, since too many workers change it at once.
    pub(crate) contention: FailurePolicy,
}

impl Default for MemoryOnError {
    fn default() -> Self {
        Self { contention: FailurePolicy::Allow }
    }
}

/// How often.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Limit {
    /// `a-z 0-9 - _`. A limit that keeps its name, algorithm and window keeps its counts when the configuration
    /// changes.
    pub(crate) name: String,
    /// Names of routes, or `unmatched`; all if empty.
    #[serde(default)]
    pub(crate) routes: Vec<String>,
    /// What is counted together: `source`, `subject`, `client`, `device`, `session`, `api_key`, `route`,
    /// `method`, `graphql_operation`, `claim:…`, `header:…`, `cookie:…`, `query:…`, `body:…`.
    pub(crate) key: Vec<String>,
    /// How requests are counted.
    #[serde(default)]
    pub(crate) algorithm: Algorithm,
    /// Units per window; for concurrency, units in flight.
    pub(crate) limit: u64,
    /// The window; for concurrency, the longest time that a lost request is believed to be in flight.
    pub(crate) window: Duration,
    /// Units at once, for the token bucket; `limit` unless given.
    pub(crate) burst: Option<u64>,
    /// Which requests it is for; all conditions must hold.
    #[serde(default)]
    pub(crate) when: When,
    /// How many units a request takes.
    #[serde(default)]
    pub(crate) cost: Cost,
    /// What the limit is multiplied by. Nothing unless given.
    pub(crate) adapt: Option<Adapt>,
    /// How it is shared with other Envoys; not at all unless given.
    pub(crate) fleet: Option<FleetMode>,
    /// Leading bits of an IPv4 source that are counted together.
    #[serde(default = "default_prefix_v4")]
    pub(crate) prefix_v4: u8,
    /// Leading bits of an IPv6 source that are counted together.
    #[serde(default = "default_prefix_v6")]
    pub(crate) prefix_v6: u8,
    /// `monitor`: counted, refuses nothing. The route's mode unless given.
    pub(crate) mode: Option<Mode>,
}

/// Which requests a limit is for.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize), serde(untagged))]
pub(crate) enum When {
    /// A condition as in `rules`.
    Condition(String),
    /// Values that all have to be there.
    Values(Box<WhenValues>),
}

impl Default for When {
    fn default() -> Self {
        Self::Values(Box::default())
    }
}

/// Its type tells which of the two is written.
impl Written for When {
    fn read(node: &Node<'_>) -> Self {
        match node.value {
            Value::String(text) => Self::Condition(text.clone()),
            Value::Object(_) => Self::Values(Box::new(WhenValues::read(node))),
            _ => {
                node.is_not(&"a condition, or an object with values");
                Self::default()
            }
        }
    }
}

/// Conditions that must all hold.
#[derive(Debug, Default, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WhenValues {
    /// Methods.
    pub(crate) methods: Vec<String>,
    /// Values of claims, by name.
    pub(crate) claims: ByName<Vec<String>>,
    /// Values of header fields, by name.
    pub(crate) headers: ByName<Vec<String>>,
    /// Values of parameters of the query, by name.
    pub(crate) query: ByName<Vec<String>>,
    /// Values in a JSON body, by dotted path.
    pub(crate) body: ByName<Vec<String>>,
    /// Names of GraphQL operations.
    pub(crate) graphql_operations: Vec<String>,
    /// Whether the caller has no token.
    pub(crate) anonymous: Option<bool>,
}

/// How many units a request takes.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Cost {
    /// Units of a request; 0 exempts it.
    pub(crate) default: u64,
    /// Units by method.
    pub(crate) methods: ByName<u64>,
    /// A field with a whole number that takes their place where the request has it, from 1 to `field_max`.
    pub(crate) field: Option<String>,
    /// The most that the field can cost; more, and what is no number, costs so much.
    pub(crate) field_max: u64,
    /// So many bytes of the response cost one unit more, charged when it is over.
    pub(crate) response_unit: Option<ByteSize>,
}

impl Default for Cost {
    fn default() -> Self {
        Self { default: 1, methods: ByName::new(), field: None, field_max: 1000, response_unit: None }
    }
}

/// What a limit is multiplied by.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Adapt {
    /// Least product of the factors.
    pub(crate) min: f64,
    /// Most product of the factors.
    pub(crate) max: f64,
    /// Whether the actor's past counts: `1 + bonus × t × (1 − q) − malus × q`.
    pub(crate) reputation: Option<AdaptReputation>,
    /// Weight of the risk found so far, 0 to 1: `1 − weight × risk`.
    pub(crate) risk: f64,
    /// Weight of the route's sensitivity, 0 to 1: `1 − weight × sensitivity`.
    pub(crate) sensitivity: f64,
    /// Factors by time of day; the first span that holds the moment counts.
    pub(crate) hours: Vec<Hours>,
    /// Factors by location.
    pub(crate) geo: Option<Geo>,
}

impl Default for Adapt {
    fn default() -> Self {
        Self { min: 0.1, max: 2.0, reputation: None, risk: 0.0, sensitivity: 0.0, hours: Vec::new(), geo: None }
    }
}

/// How the actor's past changes a limit.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AdaptReputation {
    /// What a good past adds.
    pub(crate) bonus: f64,
    /// What a bad one takes away.
    pub(crate) malus: f64,
}

impl Default for AdaptReputation {
    fn default() -> Self {
        Self { bonus: 0.5, malus: 0.9 }
    }
}

/// A factor for a span of the day.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Hours {
    /// A POSIX time zone rule, such as `CET-1CEST,M3.5.0,M10.5.0/3`; UTC unless given.
    pub(crate) zone: Option<String>,
    /// Days of the week; all if empty.
    #[serde(default)]
    pub(crate) days: Vec<Day>,
    /// Beginning, `08:00`.
    pub(crate) from: String,
    /// End, `18:00`; before `from` it is on the next day.
    pub(crate) to: String,
    /// The factor in this span.
    pub(crate) factor: f64,
}

/// A day of the week.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// Factors by location.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Geo {
    /// The header field with the location, which Envoy's geoip filter writes.
    #[serde(default = "default_geo_header")]
    pub(crate) header: String,
    /// Factors by location.
    pub(crate) factors: ByName<f64>,
    /// The factor of all others.
    #[serde(default = "one")]
    pub(crate) others: f64,
}

/// How an actor's past is weighed.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Reputation {
    /// Time in which what an actor did loses half its weight.
    pub(crate) half_life: Duration,
    /// Age from which an actor is no newcomer.
    pub(crate) matures: Duration,
}

impl Default for Reputation {
    fn default() -> Self {
        Self { half_life: Duration::from_secs(3600), matures: Duration::from_secs(86_400) }
    }
}

/// How a limit is shared by several Envoys.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum FleetMode {
    /// Every request asks the fleet's service and waits for it.
    Strict,
    /// Requests are decided here at once; hits are settled with the service on a tick.
    Synced,
}

/// The service by which several Envoys share limits.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Fleet {
    /// Envoy's cluster (HTTP/2) with a service of `envoy.service.ratelimit.v3`.
    pub(crate) cluster: String,
    /// The domain that the service has to know.
    #[serde(default = "default_domain")]
    pub(crate) domain: String,
    /// Mixed into the hashes that stand for keys; the same in all Envoys.
    #[serde(default)]
    pub(crate) secret: Secret,
    /// Longest wait of a request for a strict limit.
    #[serde(default = "default_timeout")]
    pub(crate) timeout: Duration,
    /// Time between two reports of synced limits.
    #[serde(default = "default_sync_interval")]
    pub(crate) sync_interval: Duration,
    /// What a request gets without an answer. Always counted.
    #[serde(default)]
    pub(crate) on_error: FleetOnError,
}

/// What a request gets without the fleet's answer.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FleetOnError {
    /// When no answer came in time.
    pub(crate) timeout: FailurePolicy,
    /// When the service cannot be reached or answers with an error.
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
    Duration(portcullis_base::time::Millis::new(50))
}

const fn default_sync_interval() -> Duration {
    Duration::from_secs(1)
}
