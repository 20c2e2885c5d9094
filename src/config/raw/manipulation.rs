//! The `manipulation` section as it is written.

use super::Mode;
use crate::config::units::Duration;
use serde::Deserialize;

/// Who plays with prices, carts, discounts and stock.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manipulation {
    #[serde(default = "subject")]
    pub(crate) per: String,
    #[serde(default = "ten_minutes")]
    pub(crate) window: Duration,
    #[serde(default = "threshold")]
    pub(crate) threshold: f64,
    #[serde(default)]
    pub(crate) routes: Vec<String>,
    pub(crate) rapid_price_checks: Option<Indicator>,
    pub(crate) cart_manipulation: Option<Indicator>,
    pub(crate) discount_abuse: Option<Indicator>,
    pub(crate) inventory_probing: Option<Indicator>,
    pub(crate) mode: Option<Mode>,
}

/// One indicator.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Indicator {
    pub(crate) routes: Vec<String>,
    pub(crate) from: Option<u32>,
    pub(crate) to: Option<u32>,
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
