//! The `quotes` section as it is written.

use super::{Effect, FailurePolicy, Mode};
use crate::config::units::Duration;
use serde::Deserialize;
use serde_json::Value;

/// What the service has said, and clients have to keep to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quote {
    pub(crate) name: String,
    pub(crate) per: String,
    #[serde(default = "a_quarter_of_an_hour")]
    pub(crate) lifetime: Duration,
    pub(crate) capture: Capture,
    pub(crate) assert: Assert,
    pub(crate) effect: Option<Effect>,
    pub(crate) score: Option<f64>,
    pub(crate) mode: Option<Mode>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Capture {
    pub(crate) routes: Vec<String>,
    #[serde(default)]
    pub(crate) each: String,
    pub(crate) key: Option<String>,
    pub(crate) value: String,
    pub(crate) currency: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assert {
    pub(crate) routes: Vec<String>,
    #[serde(default)]
    pub(crate) each: String,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    #[serde(default)]
    pub(crate) compare: Compare,
    pub(crate) currency: Option<String>,
    pub(crate) quantity: Option<Quantity>,
    pub(crate) total: Option<String>,
    #[serde(default)]
    pub(crate) tolerance: Tolerance,
    #[serde(default = "let_pass")]
    pub(crate) missing: FailurePolicy,
    #[serde(default)]
    pub(crate) on_error: FailurePolicy,
}

/// How what a client sends has to compare with what was quoted.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// The same.
    #[default]
    Equal,
    /// The same or less.
    AtMost,
    /// The same or more.
    AtLeast,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quantity {
    pub(crate) value: String,
    #[serde(default = "one")]
    pub(crate) min: Value,
    pub(crate) max: Option<Value>,
    #[serde(default = "yes")]
    pub(crate) whole: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tolerance {
    pub(crate) absolute: Value,
    pub(crate) relative: Value,
}

const fn a_quarter_of_an_hour() -> Duration {
    Duration::from_secs(900)
}

const fn let_pass() -> FailurePolicy {
    FailurePolicy::Allow
}

fn one() -> Value {
    Value::from(1)
}

const fn yes() -> bool {
    true
}
