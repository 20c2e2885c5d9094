//! The `rules` section as it is written.

use super::{Effect, FailurePolicy, Mode};
use serde::Deserialize;

/// What the business allows, in one sentence.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) routes: Vec<String>,
    pub(crate) when: Option<String>,
    pub(crate) require: Option<String>,
    pub(crate) forbid: Option<String>,
    pub(crate) score: Option<f64>,
    pub(crate) effect: Option<Effect>,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) mode: Option<Mode>,
    #[serde(default)]
    pub(crate) on_error: FailurePolicy,
}
