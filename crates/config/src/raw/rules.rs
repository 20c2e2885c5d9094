//! The `rules` section as it is written.

use super::{Effect, FailurePolicy, Mode};
use crate::reading::Written;

/// What the business allows, in one sentence.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// `a-z 0-9 - _`; a rule that keeps its name keeps its counts when the configuration changes.
    pub(crate) name: String,
    /// Names of routes, or `unmatched`; all if empty.
    #[serde(default)]
    pub(crate) routes: Vec<String>,
    /// Which requests it is for: an expression; all unless given.
    pub(crate) when: Option<String>,
    /// What must hold for them; either this or `forbid`.
    pub(crate) require: Option<String>,
    /// What must not hold for them.
    pub(crate) forbid: Option<String>,
    /// A score from 0 to 1 instead of a refusal.
    pub(crate) score: Option<f64>,
    /// The effect of a violation; `refuse` unless this or `score` is given.
    pub(crate) effect: Option<Effect>,
    /// The public code of a refusal, lower snake case; `rule_violated` unless given.
    pub(crate) code: Option<String>,
    /// The `detail` of a refusal, for people (RFC 9457).
    pub(crate) message: Option<String>,
    /// `monitor`: judged and counted, refuses nothing. The route's mode unless given.
    pub(crate) mode: Option<Mode>,
    /// When a value cannot be read or has several meanings. Always counted.
    #[serde(default)]
    pub(crate) on_error: FailurePolicy,
}
