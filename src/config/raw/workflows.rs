//! The `workflows` section as it is written.

use super::{Effect, Mode, Secret};
use crate::config::units::Duration;
use serde::Deserialize;

/// What is done in which order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Workflow {
    pub(crate) name: String,
    pub(crate) per: String,
    #[serde(default = "half_an_hour")]
    pub(crate) expires: Duration,
    pub(crate) steps: Vec<Step>,
    pub(crate) token: Option<StepToken>,
    pub(crate) effect: Option<Effect>,
    pub(crate) score: Option<f64>,
    pub(crate) mode: Option<Mode>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) routes: Vec<String>,
    pub(crate) when: Option<String>,
    pub(crate) after: Option<Vec<String>>,
    pub(crate) min_gap: Option<Duration>,
    pub(crate) max_gap: Option<Duration>,
    #[serde(default)]
    pub(crate) once: bool,
    #[serde(default = "success")]
    pub(crate) completes: Vec<String>,
}

/// A signed token in place of memory.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepToken {
    pub(crate) header: Option<String>,
    pub(crate) cookie: Option<String>,
    pub(crate) keys: Vec<StepKey>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepKey {
    pub(crate) kid: String,
    pub(crate) secret: Secret,
}

const fn half_an_hour() -> Duration {
    Duration::from_secs(1800)
}

fn success() -> Vec<String> {
    vec!["2xx".to_owned()]
}
