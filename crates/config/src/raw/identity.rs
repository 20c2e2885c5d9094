//! The `identity` section as it is written.

use super::{ApiKeys, Bindings, Bound, FailurePolicy, Holder, Introspection, Secret, Served, Usage};
use crate::reading::Written;
use crate::units::{ByteSize, Duration};
use crate::ByName;
use portcullis_jose::Algorithm;
use serde_json::Value;

/// Who is believed.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    /// Who is believed, and with which keys.
    #[serde(default)]
    pub(crate) issuers: Vec<Issuer>,
    /// API keys. Without it there are none.
    pub(crate) api_keys: Option<ApiKeys>,
    /// Where tokens stand in a request; exactly one token may be present.
    #[serde(default = "default_sources")]
    pub(crate) sources: Vec<TokenSource>,
    /// Longest token, at most 48 KiB.
    #[serde(default = "default_token_bytes_max")]
    pub(crate) token_bytes_max: ByteSize,
    /// Memory of one worker for tokens that were verified: seen again they cost no signature. `0B` remembers
    /// none.
    #[serde(default = "default_cache_budget")]
    pub(crate) cache_budget: ByteSize,
    /// Whether Envoy checks the signatures that it can (RS and ES), which takes a fraction of the time.
    #[serde(default = "enabled")]
    pub(crate) native_signatures: bool,
    /// Longest wait of a request for keys (or revocations) that are being fetched.
    #[serde(default = "default_wait_max")]
    pub(crate) wait_max: Duration,
    /// What a request gets whose token nobody can judge. Always counted.
    #[serde(default)]
    pub(crate) on_error: IdentityOnError,
    /// How tokens are bound to who holds them.
    #[serde(default)]
    pub(crate) holder: Holder,
    /// How many tokens of one source may fail.
    #[serde(default)]
    pub(crate) failures: Failures,
    /// The memory of what may be seen once.
    #[serde(default)]
    pub(crate) replay: Replay,
    /// How the uses of one token are compared with each other. Not at all unless given; `{}` compares with the
    /// defaults.
    pub(crate) usage: Option<Usage>,
    /// The service that says what opaque tokens are worth (RFC 7662).
    pub(crate) introspection: Option<Introspection>,
    /// What is revoked.
    pub(crate) revocation: Option<Revocation>,
    /// Whether routes that no requirement names, and requests on no route, ask for a token.
    #[serde(default)]
    pub(crate) default: Demand,
    /// What routes ask of their callers.
    #[serde(default)]
    pub(crate) requirements: Vec<Requirement>,
    /// What satisfies a challenge (RFC 9470). Without it nothing does.
    pub(crate) step_up: Option<StepUp>,
    /// Claims of a token that are compared with the request. A binding compares only what a token carries.
    #[serde(default)]
    pub(crate) bindings: Bindings,
}

/// What satisfies a challenge: one of these, or both.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct StepUp {
    /// The token's `acr` must be one of these, if any.
    #[serde(default)]
    pub(crate) acr_values: Vec<String>,
    /// Longest time since the token's `auth_time`.
    pub(crate) max_age: Option<Duration>,
}

/// What a request gets whose token nobody can judge.
#[derive(Debug, Default, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct IdentityOnError {
    /// When there are no keys in time.
    pub(crate) keys: FailurePolicy,
}

/// How many tokens of one source may fail.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Failures {
    /// Tokens and keys of one address (IPv6: /64) that may fail at once, and in each `window` again, before no
    /// other is checked. 0: no limit.
    pub(crate) per_source: u32,
    /// The window, at most 1 h.
    pub(crate) window: Duration,
}

impl Default for Failures {
    fn default() -> Self {
        Self { per_source: 100, window: Duration::from_secs(60) }
    }
}

/// The memory of what may be seen once.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Replay {
    /// Memory of all workers for what may be seen once: about 66,000 live uses per MiB.
    pub(crate) budget: ByteSize,
    /// What a request gets whose use cannot be recorded. Always counted.
    pub(crate) on_full: FailurePolicy,
}

impl Default for Replay {
    fn default() -> Self {
        Self { budget: ByteSize::kib(4 << 10), on_full: FailurePolicy::Deny }
    }
}

/// What is revoked.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Revocation {
    /// A list of revocations that a service serves.
    pub(crate) list: Option<Served>,
    /// Without a list in time. Always counted.
    #[serde(default)]
    pub(crate) on_error: FailurePolicy,
    /// Where tokens are revoked by request (RFC 7009).
    pub(crate) endpoint: Option<RevocationEndpoint>,
}

/// Where tokens are revoked by request (RFC 7009).
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct RevocationEndpoint {
    /// Its exact path.
    #[serde(default = "default_revocation_path")]
    pub(crate) path: String,
    /// Hexadecimal SHA-256 of the secret of those who may revoke.
    pub(crate) secret_sha256: Secret,
    /// Networks that may call; for all others it is not there.
    pub(crate) networks: Vec<String>,
    /// Revocations that can be live at a time, at most 16384; a full table answers 503.
    #[serde(default = "default_records_max")]
    pub(crate) records_max: u32,
    /// How long a revocation of opaque tokens and keys is kept, at most 30 d.
    #[serde(default = "default_keep")]
    pub(crate) keep: Duration,
}

/// Who is believed, and with which keys.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Issuer {
    /// The exact `iss`.
    pub(crate) issuer: String,
    /// The token's `aud` must have one of them.
    pub(crate) audiences: Vec<String>,
    /// The issuer's keys, as a JWK Set. Exactly one of `jwks`, `jwks_from` and `minted` is given.
    pub(crate) jwks: Option<Value>,
    /// Where the issuer serves its keys.
    pub(crate) jwks_from: Option<Served>,
    /// The filter's own tokens: `issuer` is that of `minting`, whose keys verify them.
    #[serde(default)]
    pub(crate) minted: bool,
    /// Algorithms that may sign; all asymmetric ones unless given. `HS256` to `HS512` only if named here.
    pub(crate) algorithms: Option<Vec<Algorithm>>,
    /// What kind of tokens they are; any unless given. Not together with `types`.
    pub(crate) profile: Option<Profile>,
    /// Accepted `typ`; `jwt` and `at+jwt` unless given. A token without one counts as `jwt`.
    pub(crate) types: Option<Vec<String>>,
    /// How far clocks may differ.
    #[serde(default = "default_clock_skew")]
    pub(crate) clock_skew: Duration,
    /// Longest time from `iat` to `exp`.
    #[serde(default = "default_lifetime_max")]
    pub(crate) lifetime_max: Duration,
    /// Claims every token must have, besides `exp`.
    #[serde(default)]
    pub(crate) required_claims: Vec<String>,
}

/// What kind of tokens an issuer's are.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
pub(crate) enum Profile {
    /// Access tokens (RFC 9068).
    #[serde(rename = "at+jwt")]
    AccessToken,
}

/// Where a token may stand in a request.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenSource {
    /// The header field with the token; either this or `cookie`.
    pub(crate) header: Option<String>,
    /// The scheme before the token, such as `Bearer`.
    pub(crate) scheme: Option<String>,
    /// The cookie with the token.
    pub(crate) cookie: Option<String>,
}

/// Whether a route asks for a token.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
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

/// What routes ask of their callers.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Requirement {
    /// Names of routes.
    pub(crate) routes: Vec<String>,
    /// Whether they ask for a token.
    #[serde(default)]
    pub(crate) token: Demand,
    /// A token is accepted once on these routes, over all workers, by issuer and `jti`.
    #[serde(default)]
    pub(crate) one_time: bool,
    /// Only tokens that are bound so are taken. Any unless given.
    pub(crate) binding: Option<Bound>,
    /// All must be granted, in `scope` or `scp`.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// Claims and allowed values; an empty list asks for presence.
    #[serde(default)]
    pub(crate) claims: ByName<Vec<String>>,
    /// The token's `acr` must be one of these; any if empty.
    #[serde(default)]
    pub(crate) acr_values: Vec<String>,
    /// Longest time since the token's `auth_time`, plus the issuer's `clock_skew`.
    pub(crate) max_age: Option<Duration>,
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
