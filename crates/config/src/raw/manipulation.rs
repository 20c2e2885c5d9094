//! The `manipulation` section as it is written.

use super::Mode;
use crate::reading::Written;
use crate::units::Duration;

/// Who plays with prices, carts, discounts and stock.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Manipulation {
    /// Who is watched: as for workflows.
    #[serde(default = "subject")]
    pub(crate) per: String,
    /// The window of the indicators, 10 s to 1 d.
    #[serde(default = "ten_minutes")]
    pub(crate) window: Duration,
    /// Mean of the indicators above which a request is refused.
    #[serde(default = "threshold")]
    pub(crate) threshold: f64,
    /// Routes that are judged besides those of the indicators.
    #[serde(default)]
    pub(crate) routes: Vec<String>,
    /// Who looks at prices all the time; 60 to 240 requests unless given.
    pub(crate) rapid_price_checks: Option<Indicator>,
    /// Who fills and empties carts; 20 to 80 requests unless given.
    pub(crate) cart_manipulation: Option<Indicator>,
    /// Who tries discounts; 3 to 10 requests unless given.
    pub(crate) discount_abuse: Option<Indicator>,
    /// Who asks for what is in stock; 30 to 120 requests unless given.
    pub(crate) inventory_probing: Option<Indicator>,
    /// `monitor`: judged and told, without effect. The route's mode unless given.
    pub(crate) mode: Option<Mode>,
}

/// One indicator.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Indicator {
    /// The routes whose requests are counted.
    pub(crate) routes: Vec<String>,
    /// The count at which it leaves 0.
    pub(crate) from: Option<u32>,
    /// The count at which it is 1; at most 60 with `distinct`.
    pub(crate) to: Option<u32>,
    /// The expression of what is counted in place of requests, each different value once.
    pub(crate) distinct: Option<String>,
}

fn subject() -> String {
    "subject".to_owned()
}

const fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}

const fn threshold() -> f64 {
    0.7
}
