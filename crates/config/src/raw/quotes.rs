//! The `quotes` section as it is written.

use super::{Effect, FailurePolicy, Mode};
use crate::reading::Written;
use crate::units::Duration;
use serde_json::Value;

/// What the service has said, and clients have to keep to.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Quote {
    /// Its name in findings.
    pub(crate) name: String,
    /// Who has been told: as for workflows, but not in the body; `anyone` for what the service tells everybody.
    pub(crate) per: String,
    /// How long a quote counts, 2 s to 30 d.
    #[serde(default = "a_quarter_of_an_hour")]
    pub(crate) lifetime: Duration,
    /// Where the service tells it.
    pub(crate) capture: Capture,
    /// Where clients have to keep to it.
    pub(crate) assert: Assert,
    /// What its findings weigh instead; not together with `score`.
    pub(crate) effect: Option<Effect>,
    /// A score from 0 to 1 instead.
    pub(crate) score: Option<f64>,
    /// `monitor`: judged and told, without effect. The route's mode unless given.
    pub(crate) mode: Option<Mode>,
}

/// Where the service tells a quote.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Capture {
    /// Names of routes.
    pub(crate) routes: Vec<String>,
    /// The list to go through: `items[*]`, `orders[*].lines[*]`; the document unless given.
    #[serde(default)]
    pub(crate) each: String,
    /// What an item is known by; one value unless given.
    pub(crate) key: Option<String>,
    /// The value, a number or a text that is one.
    pub(crate) value: String,
    /// Its currency.
    pub(crate) currency: Option<String>,
}

/// Where clients have to keep to a quote.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Assert {
    /// Names of routes.
    pub(crate) routes: Vec<String>,
    /// The list to go through; the document unless given.
    #[serde(default)]
    pub(crate) each: String,
    /// What an item is known by.
    pub(crate) key: Option<String>,
    /// What the client says the value is; what it leaves out is not compared.
    pub(crate) value: Option<String>,
    /// How it has to compare with what was quoted.
    #[serde(default)]
    pub(crate) compare: Compare,
    /// What the client says the currency is.
    pub(crate) currency: Option<String>,
    /// How many; 1 if it is left out.
    pub(crate) quantity: Option<Quantity>,
    /// Where in the document the total is; the items count with what was quoted.
    pub(crate) total: Option<String>,
    /// How far a value may be off.
    #[serde(default)]
    pub(crate) tolerance: Tolerance,
    /// What a request gets for which there is no quote. Always counted.
    #[serde(default = "let_pass")]
    pub(crate) missing: FailurePolicy,
    /// What a request gets that cannot be compared. Always counted.
    #[serde(default)]
    pub(crate) on_error: FailurePolicy,
}

/// How what a client sends has to compare with what was quoted.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
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

/// How many of an item.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Quantity {
    /// Where the quantity is.
    pub(crate) value: String,
    /// Its least.
    #[serde(default = "one")]
    pub(crate) min: Value,
    /// Its most; any unless given.
    pub(crate) max: Option<Value>,
    /// Whether it has to be whole.
    #[serde(default = "yes")]
    pub(crate) whole: bool,
}

/// How far a value may be off.
#[derive(Debug, Default, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tolerance {
    /// An amount: `"0.01"`; 0 unless given.
    pub(crate) absolute: Value,
    /// A share of the quoted value; 0 unless given.
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
