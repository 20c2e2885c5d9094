//! The configuration as it is written: names, defaults and units, one struct a section.
//!
//! Every struct refuses unknown keys. An absent section is the same as an empty one, and both mean the defaults that
//! stand here; a test holds that. What the values mean together is checked in `config.rs` and its other files.

use super::units::{ByteSize, Duration};
use crate::jose::Algorithm;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The whole document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) version: u32,
    #[serde(default)]
    pub(crate) mode: Mode,
    #[serde(default)]
    pub(crate) request: RequestLimits,
    #[serde(default)]
    pub(crate) routes: Vec<Route>,
    pub(crate) identity: Option<Identity>,
    #[serde(default)]
    pub(crate) risk: Risk,
    #[serde(default)]
    pub(crate) checks: Vec<Tuning>,
    #[serde(default)]
    pub(crate) telemetry: Telemetry,
}

/// Whether verdicts are carried out.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Everything is judged and reported as `would_…`, no request is stopped.
    #[default]
    Monitor,
    /// Verdicts are carried out.
    Enforce,
}

impl Mode {
    /// Its name in the configuration, statistics and receipts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Enforce => "enforce",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RequestLimits {
    pub(crate) path_bytes_max: ByteSize,
    pub(crate) headers_max: u32,
    pub(crate) header_bytes_max: ByteSize,
    pub(crate) body_bytes_max: Option<ByteSize>,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            path_bytes_max: ByteSize::kib(8),
            headers_max: 100,
            header_bytes_max: ByteSize::kib(60),
            body_bytes_max: None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) methods: Vec<String>,
    #[serde(default)]
    pub(crate) hosts: Vec<String>,
    pub(crate) mode: Option<Mode>,
    pub(crate) risk: Option<Thresholds>,
    pub(crate) body_bytes_max: Option<ByteSize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) issuers: Vec<Issuer>,
    #[serde(default = "default_sources")]
    pub(crate) sources: Vec<TokenSource>,
    #[serde(default = "default_token_bytes_max")]
    pub(crate) token_bytes_max: ByteSize,
    #[serde(default)]
    pub(crate) default: Demand,
    #[serde(default)]
    pub(crate) requirements: Vec<Requirement>,
    #[serde(default)]
    pub(crate) bindings: Bindings,
    #[serde(default)]
    pub(crate) on_error: OnError,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issuer {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) jwks: Value,
    pub(crate) algorithms: Option<Vec<Algorithm>>,
    #[serde(default = "default_types")]
    pub(crate) types: Vec<String>,
    #[serde(default = "default_clock_skew")]
    pub(crate) clock_skew: Duration,
    #[serde(default = "default_lifetime_max")]
    pub(crate) lifetime_max: Duration,
    #[serde(default)]
    pub(crate) required_claims: Vec<String>,
}

/// Where a token may stand in a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenSource {
    pub(crate) header: Option<String>,
    pub(crate) scheme: Option<String>,
    pub(crate) cookie: Option<String>,
}

/// Whether a route asks for a token.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Demand {
    /// No request passes without a valid token.
    #[default]
    Required,
    /// A request without a token passes; one with a bad token does not.
    Optional,
    /// Tokens are not looked at.
    Ignored,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Requirement {
    pub(crate) routes: Vec<String>,
    #[serde(default)]
    pub(crate) token: Demand,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    #[serde(default)]
    pub(crate) claims: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Bindings {
    pub(crate) ip_binding: IpBinding,
    pub(crate) device_id: DeviceBinding,
    pub(crate) user_agent_hash: UserAgentBinding,
    pub(crate) geo_location: GeoBinding,
    pub(crate) session_id: SessionBinding,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct IpBinding {
    pub(crate) enabled: bool,
    pub(crate) claim: String,
    pub(crate) prefix_v4: u8,
    pub(crate) prefix_v6: u8,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DeviceBinding {
    pub(crate) enabled: bool,
    pub(crate) claim: String,
    pub(crate) header: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UserAgentBinding {
    pub(crate) enabled: bool,
    pub(crate) claim: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GeoBinding {
    pub(crate) enabled: bool,
    pub(crate) claim: String,
    pub(crate) header: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SessionBinding {
    pub(crate) enabled: bool,
    pub(crate) claim: String,
    pub(crate) cookie: String,
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

/// What happens, by cause, when a feature cannot do its work.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OnError {
    pub(crate) internal: FailurePolicy,
}

/// What a request gets that could not be judged. Every such decision is counted.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailurePolicy {
    /// It passes.
    Allow,
    /// It is challenged.
    Challenge,
    /// It is refused with 503.
    #[default]
    Deny,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Risk {
    pub(crate) thresholds: Thresholds,
    pub(crate) family_caps: BTreeMap<String, f64>,
}

#[derive(Debug, Copy, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Thresholds {
    pub(crate) challenge: f64,
    pub(crate) deny: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { challenge: 0.3, deny: 0.7 }
    }
}

/// One check, adjusted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tuning {
    pub(crate) id: String,
    pub(crate) mode: Option<TunedMode>,
    pub(crate) effect: Option<Effect>,
    pub(crate) score: Option<f64>,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TunedMode {
    Off,
    Monitor,
    Enforce,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Effect {
    Note,
    Challenge,
    Refuse,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Telemetry {
    pub(crate) allow_sample: f64,
    pub(crate) actor_salt: String,
    pub(crate) upstream_headers: bool,
}

fn default_sources() -> Vec<TokenSource> {
    vec![TokenSource { header: Some("authorization".to_owned()), scheme: Some("Bearer".to_owned()), cookie: None }]
}

fn default_token_bytes_max() -> ByteSize {
    ByteSize::kib(8)
}

fn default_types() -> Vec<String> {
    vec!["jwt".to_owned(), "at+jwt".to_owned()]
}

fn default_clock_skew() -> Duration {
    Duration::from_secs(30)
}

fn default_lifetime_max() -> Duration {
    Duration::from_secs(3600)
}
