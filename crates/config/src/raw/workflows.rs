//! The `workflows` section as it is written.

use super::{Effect, Mode, Secret};
use crate::reading::Written;
use crate::units::Duration;

/// What is done in which order.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Workflow {
    /// Its name in findings.
    pub(crate) name: String,
    /// Who has an instance of his own: `session`, `subject`, `source`, `client`, `device`, or a field such as
    /// `body:order`.
    pub(crate) per: String,
    /// Life of an instance from its first step on, 2 s to 3 d.
    #[serde(default = "half_an_hour")]
    pub(crate) expires: Duration,
    /// Its steps, at most 16.
    pub(crate) steps: Vec<Step>,
    /// Where the state is carried by the client in a signed token; in the memory of this Envoy unless given.
    pub(crate) token: Option<StepToken>,
    /// What its findings weigh instead; not together with `score`.
    pub(crate) effect: Option<Effect>,
    /// A score from 0 to 1 instead.
    pub(crate) score: Option<f64>,
    /// `monitor`: judged and told, without effect. The route's mode unless given.
    pub(crate) mode: Option<Mode>,
}

/// One step.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Its name in findings.
    pub(crate) name: String,
    /// Where it is done.
    pub(crate) routes: Vec<String>,
    /// A condition as in `rules`; always unless given. Of the steps on a route a request does the first that
    /// fits.
    pub(crate) when: Option<String>,
    /// Steps that have to be done before, all of them; the step before unless given, `[]` for none.
    pub(crate) after: Option<Vec<String>>,
    /// Least time since the last step that was done.
    pub(crate) min_gap: Option<Duration>,
    /// Most time since it.
    pub(crate) max_gap: Option<Duration>,
    /// May be done once.
    #[serde(default)]
    pub(crate) once: bool,
    /// The service's answers that mean that it is done: `2xx`, `303`.
    #[serde(default = "success")]
    pub(crate) completes: Vec<String>,
}

/// A signed token in place of memory.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct StepToken {
    /// The header field with the token; either this or `cookie`.
    pub(crate) header: Option<String>,
    /// The cookie with the token.
    pub(crate) cookie: Option<String>,
    /// 1 to 4 keys: the first signs, all verify.
    pub(crate) keys: Vec<StepKey>,
}

/// A key that signs such tokens.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct StepKey {
    /// The name of the key.
    pub(crate) kid: String,
    /// A secret of at least 32 bytes.
    pub(crate) secret: Secret,
}

const fn half_an_hour() -> Duration {
    Duration::from_secs(1800)
}

fn success() -> Vec<String> {
    vec!["2xx".to_owned()]
}
