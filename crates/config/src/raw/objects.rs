//! The `objects` section as it is written.

use crate::reading::Written;
use crate::units::Duration;
use crate::ByName;

/// Whose things may be asked for, and how many.
#[derive(Debug, Default, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Objects {
    /// Kinds of objects, at most 64.
    pub(crate) kinds: Vec<Kind>,
    /// What roles usually do. Not learned unless given.
    pub(crate) privilege: Option<Privilege>,
}

/// A kind of objects.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Kind {
    /// `a-z 0-9 - _`.
    pub(crate) name: String,
    /// The routes whose requests name such objects.
    pub(crate) routes: Vec<String>,
    /// Where: `path:<parameter>` of the route's template, `query:…`, `body:…` (one id or a list), `header:…`,
    /// `cookie:…`.
    pub(crate) id: String,
    /// The claim that has the caller's objects: `claim:sub`; each id must be in it. Not compared unless given.
    pub(crate) owner: Option<String>,
    /// Who may ask for all objects.
    #[serde(default)]
    pub(crate) unless: Unless,
    /// How many different objects an actor may ask for.
    #[serde(default)]
    pub(crate) enumeration: Enumeration,
}

/// Who may ask for all objects.
#[derive(Debug, Default, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Unless {
    /// Scopes, one of which opens all objects.
    pub(crate) scopes: Vec<String>,
    /// Values of claims, one of which opens all objects.
    pub(crate) claims: ByName<Vec<String>>,
}

/// How many different objects an actor may ask for.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Enumeration {
    /// Whether objects are counted.
    pub(crate) enabled: bool,
    /// Different objects of one actor, 1 to 60.
    pub(crate) distinct: u32,
    /// How long objects are remembered, 10 s to 1 d; half of it at least.
    pub(crate) window: Duration,
    /// Objects in a row, 1 to 16.
    pub(crate) sequential: u32,
    /// Share of 403 and 404 among the answers.
    pub(crate) refused_share: f64,
}

/// What roles usually do.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Privilege {
    /// The claim with the role: `claim:role`.
    pub(crate) role: String,
    /// Requests of a role before there is an opinion.
    #[serde(default = "requests")]
    pub(crate) requests: u32,
    /// Different subjects that make a use usual, 1 to 20.
    #[serde(default = "subjects")]
    pub(crate) subjects: u32,
    /// How long a role must be known before there is an opinion.
    #[serde(default = "learning")]
    pub(crate) learning: Duration,
    /// How long a use is remembered; half of it at least.
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
