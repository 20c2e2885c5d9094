//! The `identity.bindings` section as it is written.

use crate::reading::Written;

/// Claims of a token that are compared with the request.
#[derive(Debug, Default, Clone, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Bindings {
    /// The source address.
    pub(crate) ip_binding: IpBinding,
    /// The device.
    pub(crate) device_id: DeviceBinding,
    /// The user agent.
    pub(crate) user_agent_hash: UserAgentBinding,
    /// The location.
    pub(crate) geo_location: GeoBinding,
    /// The session.
    pub(crate) session_id: SessionBinding,
}

/// The binding to the source address.
#[derive(Debug, Clone, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct IpBinding {
    /// Whether it is compared.
    pub(crate) enabled: bool,
    /// The claim with the address or network.
    pub(crate) claim: String,
    /// Leading bits that an IPv4 address must share with the claim.
    pub(crate) prefix_v4: u8,
    /// Leading bits that an IPv6 address must share with the claim.
    pub(crate) prefix_v6: u8,
}

/// The binding to the device.
#[derive(Debug, Clone, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DeviceBinding {
    /// Whether it is compared.
    pub(crate) enabled: bool,
    /// The claim with the device id.
    pub(crate) claim: String,
    /// The header field with the device id.
    pub(crate) header: String,
}

/// The binding to the user agent.
#[derive(Debug, Clone, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UserAgentBinding {
    /// Whether it is compared.
    pub(crate) enabled: bool,
    /// The claim with the first 16 hex digits of the user agent's SHA-256.
    pub(crate) claim: String,
}

/// The binding to the location.
#[derive(Debug, Clone, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GeoBinding {
    /// Whether it is compared.
    pub(crate) enabled: bool,
    /// The claim with the location.
    pub(crate) claim: String,
    /// The header field with the location, which Envoy's geoip filter writes; without it there is no opinion.
    pub(crate) header: String,
}

/// The binding to the session.
#[derive(Debug, Clone, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SessionBinding {
    /// Whether it is compared.
    pub(crate) enabled: bool,
    /// The claim with the session.
    pub(crate) claim: String,
    /// The cookie with the session.
    pub(crate) cookie: String,
    /// The header field with the session.
    pub(crate) header: String,
}

impl Default for IpBinding {
    fn default() -> Self {
        Self { enabled: true, claim: "ip_binding".to_owned(), prefix_v4: 32, prefix_v6: 64 }
    }
}

impl Default for DeviceBinding {
    fn default() -> Self {
        Self { enabled: true, claim: "device_id".to_owned(), header: "x-device-id".to_owned() }
    }
}

impl Default for UserAgentBinding {
    fn default() -> Self {
        Self { enabled: true, claim: "user_agent_hash".to_owned() }
    }
}

impl Default for GeoBinding {
    fn default() -> Self {
        Self { enabled: true, claim: "geo_location".to_owned(), header: "x-geo-country".to_owned() }
    }
}

impl Default for SessionBinding {
    fn default() -> Self {
        Self {
            enabled: true,
            claim: "session_id".to_owned(),
            cookie: "session_id".to_owned(),
            header: "x-session-id".to_owned(),
        }
    }
}
