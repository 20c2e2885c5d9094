//! The configuration as it is written: names, defaults and units, one struct a section.
//!
//! Every struct refuses unknown keys. An absent section is the same as an empty one, and both mean the defaults that
//! stand here; a test holds that. What the values mean together is checked in `config.rs` and its other files.

mod anomaly;
mod api_keys;
mod behaviour;
mod exposure;
mod holder;
mod identity;
mod inspect;
mod limits;
mod manipulation;
mod minting;
mod oauth;
mod objects;
mod packs;
mod quotes;
mod remote;
mod rules;
mod usage;
mod workflows;

pub(crate) use self::anomaly::Anomaly;
pub(crate) use self::api_keys::{ApiKey, ApiKeys};
pub(crate) use self::behaviour::{Behaviour, LoginRoute};
pub(crate) use self::exposure::{Exposure, ExposureOnError, ExposureRule, FieldRule, HeaderRule, Volume};
pub use self::exposure::{Mask, Treatment, Unchecked};
pub use self::holder::{Bound, Element};
pub(crate) use self::holder::{Certificate, Dpop, Forwarded, Holder, Nonce};
pub use self::identity::Demand;
pub(crate) use self::identity::{
    Bindings, Failures, Identity, Issuer, Profile, Replay, Revocation, RevocationEndpoint, StepUp, TokenSource,
};
pub(crate) use self::inspect::{Exclusion, Graphql, Inspect};
pub use self::limits::FleetMode;
pub(crate) use self::limits::{Adapt, Day, Fleet, Geo, Hours, Limit, Memory, Reputation, When, WhenValues};
pub(crate) use self::manipulation::{Indicator, Manipulation};
pub use self::minting::SoftBinding;
pub(crate) use self::minting::{Login, Minting, MintingKey, Moment, PrivateKey};
pub(crate) use self::oauth::{AuthorizationEndpoint, Oauth, OauthClient};
pub(crate) use self::objects::{Enumeration, Kind, Objects, Privilege, Unless};
pub(crate) use self::packs::{CheckoutPack, GiftCardsPack, LoginPack, Packs, PasswordResetPack, SignupPack};
pub use self::quotes::Compare;
pub(crate) use self::quotes::{Assert, Capture, Quantity, Quote, Tolerance};
pub(crate) use self::remote::{Introspection, Served};
pub(crate) use self::rules::Rule;
pub(crate) use self::usage::Usage;
pub(crate) use self::workflows::{Step, StepToken, Workflow};

use super::units::{ByteSize, Duration};
use crate::finding::Weight;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
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
    pub(crate) response: ResponseLimits,
    #[serde(default)]
    pub(crate) routes: Vec<Route>,
    pub(crate) identity: Option<Identity>,
    pub(crate) minting: Option<Minting>,
    pub(crate) inspect: Option<Inspect>,
    pub(crate) oauth: Option<Oauth>,
    #[serde(default)]
    pub(crate) memory: Memory,
    #[serde(default)]
    pub(crate) limits: Vec<Limit>,
    #[serde(default)]
    pub(crate) rules: Vec<Rule>,
    #[serde(default)]
    pub(crate) workflows: Vec<Workflow>,
    #[serde(default)]
    pub(crate) quotes: Vec<Quote>,
    pub(crate) manipulation: Option<Manipulation>,
    #[serde(default)]
    pub(crate) packs: Packs,
    #[serde(default)]
    pub(crate) reputation: Reputation,
    pub(crate) objects: Option<Objects>,
    pub(crate) anomaly: Option<Anomaly>,
    pub(crate) behaviour: Option<Behaviour>,
    pub(crate) exposure: Option<Exposure>,
    pub(crate) fleet: Option<Fleet>,
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
    pub(crate) body_read_max: ByteSize,
    pub(crate) body_wait_max: Duration,
    pub(crate) on_error: RequestOnError,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RequestOnError {
    pub(crate) internal: FailurePolicy,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            path_bytes_max: ByteSize::kib(8),
            headers_max: 100,
            header_bytes_max: ByteSize::kib(60),
            body_bytes_max: None,
            body_read_max: ByteSize::kib(32),
            body_wait_max: Duration::from_secs(10),
            on_error: RequestOnError::default(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ResponseLimits {
    pub(crate) body_read_max: ByteSize,
    pub(crate) body_wait_max: Duration,
}

impl Default for ResponseLimits {
    fn default() -> Self {
        Self { body_read_max: ByteSize::kib(512), body_wait_max: Duration::from_secs(10) }
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
    #[serde(default)]
    pub(crate) sensitivity: f64,
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

impl FailurePolicy {
    /// What a finding about the failure weighs.
    pub const fn weight(self) -> Weight {
        match self {
            Self::Allow => Weight::Note,
            Self::Challenge => Weight::Challenge,
            Self::Deny => Weight::Refuse,
        }
    }
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
    pub(crate) actor_salt: Secret,
    pub(crate) upstream_headers: bool,
    pub(crate) limit_headers: bool,
}

/// A text that no error message repeats.
#[derive(Default)]
pub(crate) struct Secret(pub(crate) String);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            _ => Err(D::Error::custom("expected a string")),
        }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("(secret)")
    }
}
