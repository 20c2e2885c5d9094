//! The `inspect` section as it is written.

use super::FailurePolicy;
use serde::Deserialize;

/// How payloads are inspected.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Inspect {
    pub(crate) bodies: bool,
    pub(crate) exclusions: Vec<Exclusion>,
    pub(crate) privileged_fields: Vec<String>,
    pub(crate) graphql: Graphql,
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
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Graphql {
    pub(crate) depth_max: u64,
    pub(crate) aliases_max: u64,
    pub(crate) root_fields_max: u64,
    pub(crate) directives_max: u64,
    pub(crate) cost_max: u64,
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
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct InspectOnError {
    pub(crate) uninspected: FailurePolicy,
}

impl Default for InspectOnError {
    fn default() -> Self {
        Self { uninspected: FailurePolicy::Allow }
    }
}

/// Where a detector is not believed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Exclusion {
    pub(crate) route: Option<String>,
    pub(crate) place: Option<String>,
    pub(crate) check: Option<String>,
}
