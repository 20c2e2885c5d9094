//! The `anomaly` section as it is written.

use crate::reading::Written;
use crate::units::Duration;

/// When something unusual is told.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Anomaly {
    /// What requests are counted in, 10 s to 1 h.
    pub(crate) interval: Duration,
    /// Requests of an actor before there is an opinion on it, 10 or more.
    pub(crate) requests: u16,
    /// Lessons of a baseline before anything is compared with it, 10 or more.
    pub(crate) lessons: u16,
    /// How long anything must have been learned before there is an opinion, at most 30 d.
    pub(crate) learning: Duration,
    /// Leading bits of an IPv4 source that are one actor.
    pub(crate) prefix_v4: u8,
    /// Leading bits of an IPv6 source that are one actor.
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
