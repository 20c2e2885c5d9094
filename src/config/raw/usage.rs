//! The `identity.usage` section as it is written.

use crate::config::units::Duration;
use serde::Deserialize;

/// How the uses of one token are compared with each other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Usage {
    pub(crate) uses_max: Option<u32>,
    pub(crate) window: Duration,
    pub(crate) prefix_v4: u8,
    pub(crate) prefix_v6: u8,
    /// That of the binding unless given.
    pub(crate) device_header: Option<String>,
    /// That of the binding unless given.
    pub(crate) country_header: Option<String>,
    pub(crate) latitude_header: String,
    pub(crate) longitude_header: String,
    pub(crate) speed_max: u32,
    pub(crate) distance_min: u32,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            uses_max: None,
            window: Duration::from_secs(300),
            prefix_v4: 24,
            prefix_v6: 48,
            device_header: None,
            country_header: None,
            latitude_header: "x-geo-latitude".to_owned(),
            longitude_header: "x-geo-longitude".to_owned(),
            speed_max: 1000,
            distance_min: 100,
        }
    }
}
