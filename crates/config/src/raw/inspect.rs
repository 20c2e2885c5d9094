//! The `inspect` section as it is written.

use super::FailurePolicy;
use crate::reading::Written;

/// How payloads are inspected.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Inspect {
    /// Whether bodies are inspected, and so held back until they are complete (`request.body_read_max`).
    pub(crate) bodies: bool,
    /// Where a check is not believed.
    pub(crate) exclusions: Vec<Exclusion>,
    /// Names of fields that a client has no business to set.
    pub(crate) privileged_fields: Vec<String>,
    /// What a GraphQL request may ask for.
    pub(crate) graphql: Graphql,
    /// What a request gets of which something could not be inspected. Always counted.
    pub(crate) on_error: InspectOnError,
}

impl Default for Inspect {
    fn default() -> Self {
        let privileged = [
            "is_admin",
            "is_superuser",
            "is_staff",
            "admin",
            "superuser",
            "role",
            "roles",
            "permissions",
            "privileges",
        ];
        Self {
            bodies: true,
            exclusions: Vec::new(),
            privileged_fields: privileged.map(str::to_owned).to_vec(),
            graphql: Graphql::default(),
            on_error: InspectOnError::default(),
        }
    }
}

/// What a GraphQL request may ask for.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Graphql {
    /// Nesting of selections.
    pub(crate) depth_max: u64,
    /// Aliases of a document.
    pub(crate) aliases_max: u64,
    /// Fields at the root of one operation.
    pub(crate) root_fields_max: u64,
    /// Directives in one place.
    pub(crate) directives_max: u64,
    /// Fields, times the lengths that lists are asked for (`first`, `last`, `limit`).
    pub(crate) cost_max: u64,
    /// Operations in one array.
    pub(crate) batch_max: u64,
}

impl Default for Graphql {
    fn default() -> Self {
        Self {
            depth_max: 15,
            aliases_max: 100,
            root_fields_max: 100,
            directives_max: 20,
            cost_max: 1_000_000,
            batch_max: 10,
        }
    }
}

/// What a request gets of which something could not be inspected.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct InspectOnError {
    /// When something could not be inspected.
    pub(crate) uninspected: FailurePolicy,
}

impl Default for InspectOnError {
    fn default() -> Self {
        Self { uninspected: FailurePolicy::Allow }
    }
}

/// Where a detector is not believed.
#[derive(Debug, Default, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Exclusion {
    /// The name of a route; all unless given.
    pub(crate) route: Option<String>,
    /// The place of the value, such as `json.note` or `query.q`; may end in `*`. All unless given.
    pub(crate) place: Option<String>,
    /// The id of the check; all unless given.
    pub(crate) check: Option<String>,
}
