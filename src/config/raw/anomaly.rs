//! The `anomaly` section as it is written.

use crate::config::units::Duration;
use serde::Deserialize;

/// When something unusual is told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Anomaly {
    pub(crate) interval: Duration,
    pub(crate) requests: u16,
    pub(crate) lessons: u16,
    pub(crate) learning: Duration,
    pub(crate) prefix_v4: u8,
    pub(crate) prefix_v6: u8,
}

impl Default for Anomaly {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            requests: 20,
            lessons: 50,
            learning: Duration::from_secs(3600),
            prefix_v4: 32,
            prefix_v6: 64,
        }
    }
}
