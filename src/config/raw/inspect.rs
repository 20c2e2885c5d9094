//! The `inspect` section as it is written.

use super::FailurePolicy;
use serde::Deserialize;

/// How payloads are inspected.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Inspect {
    pub(crate) bodies: bool,
    pub(crate) exclusions: Vec<Exclusion>,
    pub(crate) on_error: InspectOnError,
}

impl Default for Inspect {
    fn default() -> Self {
        Self { bodies: true, exclusions: Vec::new(), on_error: InspectOnError::default() }
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
