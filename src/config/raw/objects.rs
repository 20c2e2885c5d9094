//! The `objects` section as it is written.

use crate::config::units::Duration;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Whose things may be asked for, and how many.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Objects {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) privilege: Option<Privilege>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kind {
    pub(crate) name: String,
    pub(crate) routes: Vec<String>,
    pub(crate) id: String,
    pub(crate) owner: Option<String>,
    #[serde(default)]
    pub(crate) unless: Unless,
    #[serde(default)]
    pub(crate) enumeration: Enumeration,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Unless {
    pub(crate) scopes: Vec<String>,
    pub(crate) claims: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Enumeration {
    pub(crate) enabled: bool,
    pub(crate) distinct: u32,
    pub(crate) window: Duration,
    pub(crate) sequential: u32,
    pub(crate) refused_share: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Privilege {
    pub(crate) role: String,
    #[serde(default = "requests")]
    pub(crate) requests: u32,
    #[serde(default = "subjects")]
    pub(crate) subjects: u32,
    #[serde(default = "learning")]
    pub(crate) learning: Duration,
    #[serde(default = "window")]
    pub(crate) window: Duration,
}

impl Default for Enumeration {
    fn default() -> Self {
        Self { enabled: true, distinct: 20, window: Duration::from_secs(600), sequential: 8, refused_share: 0.5 }
    }
}

const fn requests() -> u32 {
    200
}

const fn subjects() -> u32 {
    3
}

const fn learning() -> Duration {
    Duration::from_secs(86_400)
}

const fn window() -> Duration {
    Duration::from_secs(30 * 86_400)
}
