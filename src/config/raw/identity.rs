//! The `identity` section as it is written.

use super::{ApiKeys, Bound, FailurePolicy, Holder, Introspection, Secret, Served, Usage};
use crate::config::units::{ByteSize, Duration};
use crate::jose::Algorithm;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    #[serde(default)]
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) api_keys: Option<ApiKeys>,
    #[serde(default = "default_sources")]
    pub(crate) sources: Vec<TokenSource>,
    #[serde(default = "default_token_bytes_max")]
    pub(crate) token_bytes_max: ByteSize,
    #[serde(default = "default_cache_budget")]
    pub(crate) cache_budget: ByteSize,
    #[serde(default = "enabled")]
    pub(crate) native_signatures: bool,
    #[serde(default = "default_wait_max")]
    pub(crate) wait_max: Duration,
    #[serde(default)]
    pub(crate) on_error: IdentityOnError,
    #[serde(default)]
    pub(crate) holder: Holder,
    #[serde(default)]
    pub(crate) failures: Failures,
    #[serde(default)]
    pub(crate) replay: Replay,
    pub(crate) usage: Option<Usage>,
    pub(crate) introspection: Option<Introspection>,
    pub(crate) revocation: Option<Revocation>,
    #[serde(default)]
    pub(crate) default: Demand,
    #[serde(default)]
    pub(crate) requirements: Vec<Requirement>,
    pub(crate) step_up: Option<StepUp>,
    #[serde(default)]
    pub(crate) bindings: Bindings,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepUp {
    #[serde(default)]
    pub(crate) acr_values: Vec<String>,
    pub(crate) max_age: Option<Duration>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct IdentityOnError {
    pub(crate) keys: FailurePolicy,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Failures {
    pub(crate) per_source: u32,
    pub(crate) window: Duration,
}

impl Default for Failures {
    fn default() -> Self {
        Self { per_source: 100, window: Duration::from_secs(60) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Replay {
    pub(crate) budget: ByteSize,
    pub(crate) on_full: FailurePolicy,
}

impl Default for Replay {
    fn default() -> Self {
        Self { budget: ByteSize::kib(4 << 10), on_full: FailurePolicy::Deny }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revocation {
    pub(crate) list: Option<Served>,
    #[serde(default)]
    pub(crate) on_error: FailurePolicy,
    pub(crate) endpoint: Option<RevocationEndpoint>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevocationEndpoint {
    #[serde(default = "default_revocation_path")]
    pub(crate) path: String,
    pub(crate) secret_sha256: Secret,
    pub(crate) networks: Vec<String>,
    #[serde(default = "default_records_max")]
    pub(crate) records_max: u32,
    #[serde(default = "default_keep")]
    pub(crate) keep: Duration,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issuer {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) jwks: Option<Value>,
    pub(crate) jwks_from: Option<Served>,
    #[serde(default)]
    pub(crate) minted: bool,
    pub(crate) algorithms: Option<Vec<Algorithm>>,
    pub(crate) profile: Option<Profile>,
    pub(crate) types: Option<Vec<String>>,
    #[serde(default = "default_clock_skew")]
    pub(crate) clock_skew: Duration,
    #[serde(default = "default_lifetime_max")]
    pub(crate) lifetime_max: Duration,
    #[serde(default)]
    pub(crate) required_claims: Vec<String>,
}

/// What kind of tokens an issuer's are.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
pub(crate) enum Profile {
    /// Access tokens (RFC 9068).
    #[serde(rename = "at+jwt")]
    AccessToken,
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
    pub(crate) one_time: bool,
    pub(crate) binding: Option<Bound>,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    #[serde(default)]
    pub(crate) claims: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) acr_values: Vec<String>,
    pub(crate) max_age: Option<Duration>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Bindings {
    pub(crate) ip_binding: IpBinding,
    pub(crate) device_id: DeviceBinding,
    pub(crate) user_agent_hash: UserAgentBinding,
    pub(crate) geo_location: GeoBinding,
    pub(crate) session_id: SessionBinding,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct IpBinding {
    pub(crate) enabled: bool,
    pub(crate) claim: String,
    pub(crate) prefix_v4: u8,
    pub(crate) prefix_v6: u8,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DeviceBinding {
    pub(crate) enabled: bool,
    pub(crate) claim: String,
    pub(crate) header: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UserAgentBinding {
    pub(crate) enabled: bool,
    pub(crate) claim: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GeoBinding {
    pub(crate) enabled: bool,
    pub(crate) claim: String,
    pub(crate) header: String,
}

#[derive(Debug, Clone, Deserialize)]
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

fn default_sources() -> Vec<TokenSource> {
    vec![TokenSource { header: Some("authorization".to_owned()), scheme: Some("Bearer".to_owned()), cookie: None }]
}

fn default_revocation_path() -> String {
    "/oauth/revoke".to_owned()
}

const fn default_records_max() -> u32 {
    4096
}

const fn default_keep() -> Duration {
    Duration::from_secs(24 * 3600)
}

fn default_token_bytes_max() -> ByteSize {
    ByteSize::kib(8)
}

const fn default_wait_max() -> Duration {
    Duration::from_secs(3)
}

const fn enabled() -> bool {
    true
}

const fn default_cache_budget() -> ByteSize {
    ByteSize::kib(4 << 10)
}

fn default_clock_skew() -> Duration {
    Duration::from_secs(30)
}

fn default_lifetime_max() -> Duration {
    Duration::from_secs(3600)
}
