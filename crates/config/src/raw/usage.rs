//! The `identity.usage` section as it is written.

use crate::reading::Written;
use crate::units::Duration;

/// How the uses of one token are compared with each other.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Usage {
    /// Most uses of one token; any number unless given.
    pub(crate) uses_max: Option<u32>,
    /// For how long a use that differs counts, 1 s to 12 h.
    pub(crate) window: Duration,
    /// Leading bits by which IPv4 networks are told apart.
    pub(crate) prefix_v4: u8,
    /// Leading bits by which IPv6 networks are told apart.
    pub(crate) prefix_v6: u8,
    /// The header field with the device id; that of the binding unless given.
    pub(crate) device_header: Option<String>,
    /// The header field with the source's country; that of the binding unless given.
    pub(crate) country_header: Option<String>,
    /// The header field with the source's latitude in degrees, which something before Envoy must write.
    pub(crate) latitude_header: String,
    /// The header field with its longitude.
    pub(crate) longitude_header: String,
    /// Fastest journey in km/h.
    pub(crate) speed_max: u32,
    /// Distance in km up to which no journey is too fast.
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
