//! The configuration as it is written: names, defaults and units, one struct a section.
//!
//! Every struct refuses unknown keys. An absent section is the same as an empty one, and both mean the defaults that
//! stand here; a test holds that. What the values mean together is checked in `config.rs` and its other files.

mod anomaly;
mod api_keys;
mod behaviour;
mod bindings;
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
pub(crate) use self::bindings::Bindings;
pub(crate) use self::exposure::{Exposure, ExposureOnError, ExposureRule, FieldRule, HeaderRule, Volume};
pub use self::exposure::{Mask, Treatment, Unchecked};
pub use self::holder::{Bound, Element};
pub(crate) use self::holder::{Certificate, Dpop, Forwarded, Holder, Nonce};
pub use self::identity::Demand;
pub(crate) use self::identity::{
    Failures, Identity, Issuer, Profile, Replay, Revocation, RevocationEndpoint, StepUp, TokenSource,
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
use crate::reading::{Fault, Node, Written};
use crate::ByName;
use portcullis_base::finding::Weight;
use serde::de::Error;

/// The whole document.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    /// The version of this document's shape; 1.
    pub(crate) version: u32,
    /// Whether verdicts are carried out; routes may differ.
    #[serde(default)]
    pub(crate) mode: Mode,
    /// Limits on the form of requests.
    #[serde(default)]
    pub(crate) request: RequestLimits,
    /// How much of responses is read.
    #[serde(default)]
    pub(crate) response: ResponseLimits,
    /// Where requests go, at most 500. Other sections refer to them by their names.
    #[serde(default)]
    pub(crate) routes: Vec<Route>,
    /// Who is believed. Without it nobody is asked for a token; with it every request needs one unless a
    /// requirement says otherwise.
    pub(crate) identity: Option<Identity>,
    /// The tokens that the filter issues itself. Without it, it issues none.
    pub(crate) minting: Option<Minting>,
    /// How payloads are inspected. Without it none are; `{}` inspects heads and bodies on every route.
    pub(crate) inspect: Option<Inspect>,
    /// Good practice for OAuth 2.1. Without it nothing is asked; `{}` keeps tokens out of queries on every
    /// route.
    pub(crate) oauth: Option<Oauth>,
    /// The memory that all workers share.
    #[serde(default)]
    pub(crate) memory: Memory,
    /// How often: limits, applied in the order they are written.
    #[serde(default)]
    pub(crate) limits: Vec<Limit>,
    /// What the business allows, one sentence each, at most 1024.
    #[serde(default)]
    pub(crate) rules: Vec<Rule>,
    /// What is done in which order, at most 64.
    #[serde(default)]
    pub(crate) workflows: Vec<Workflow>,
    /// What the service has told clients, and they have to keep to.
    #[serde(default)]
    pub(crate) quotes: Vec<Quote>,
    /// Who plays with prices, carts, discounts and stock. Without it nobody looks.
    pub(crate) manipulation: Option<Manipulation>,
    /// Ready-made rules and workflows for what most sites have.
    #[serde(default)]
    pub(crate) packs: Packs,
    /// How an actor's past is weighed, where a limit adapts to it.
    #[serde(default)]
    pub(crate) reputation: Reputation,
    /// Whose things may be asked for, and how many. Without it, anything.
    pub(crate) objects: Option<Objects>,
    /// When something unusual is told. Without it nothing is learned; `{}` learns with the defaults.
    pub(crate) anomaly: Option<Anomaly>,
    /// What actors are watched for over several requests. Without it, nothing; `{}` watches with the defaults.
    pub(crate) behaviour: Option<Behaviour>,
    /// What responses may say. Without it nobody looks; `{}` flags every kind on every route.
    pub(crate) exposure: Option<Exposure>,
    /// The service by which several Envoys share limits.
    pub(crate) fleet: Option<Fleet>,
    /// Where risk turns into a verdict.
    #[serde(default)]
    pub(crate) risk: Risk,
    /// Single checks, adjusted.
    #[serde(default)]
    pub(crate) checks: Vec<Tuning>,
    /// What is reported.
    #[serde(default)]
    pub(crate) telemetry: Telemetry,
}

/// Whether verdicts are carried out.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
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

/// Limits on the form of requests.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RequestLimits {
    /// Longest path with its query.
    pub(crate) path_bytes_max: ByteSize,
    /// Most header fields.
    pub(crate) headers_max: u32,
    /// Most bytes of header names and values.
    pub(crate) header_bytes_max: ByteSize,
    /// Longest body, counted while it passes. None unless given.
    pub(crate) body_bytes_max: Option<ByteSize>,
    /// Most of a body that is held back and read, where a rule needs it; below
    /// `per_connection_buffer_limit_bytes` of Envoy's listener.
    pub(crate) body_read_max: ByteSize,
    /// Longest wait for it.
    pub(crate) body_wait_max: Duration,
    /// What a request gets that could not be judged. Always counted.
    pub(crate) on_error: RequestOnError,
}

/// What a request gets that could not be judged.
#[derive(Debug, Default, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RequestOnError {
    /// When Envoy does not show us the request.
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

/// How much of responses is read.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ResponseLimits {
    /// Most of a response's body that is held back or copied, where a rule needs it; well below Envoy's limits.
    pub(crate) body_read_max: ByteSize,
    /// Longest wait for it.
    pub(crate) body_wait_max: Duration,
}

impl Default for ResponseLimits {
    fn default() -> Self {
        Self { body_read_max: ByteSize::kib(512), body_wait_max: Duration::from_secs(10) }
    }
}

/// Where requests go: a path, narrowed by methods and hosts.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// Its name in statistics, receipts and other sections: `a-z 0-9 - _`.
    pub(crate) name: String,
    /// Template of the path: `/orders/{id}`, `/static/{*rest}` (and `/static`). The most specific wins, whatever
    /// the order.
    pub(crate) path: String,
    /// Methods in upper case; all if empty.
    #[serde(default)]
    pub(crate) methods: Vec<String>,
    /// Hosts: `shop.example` or `*.example`; an exact name wins. All if empty.
    #[serde(default)]
    pub(crate) hosts: Vec<String>,
    /// Whether verdicts are carried out on this route; the document's `mode` unless given.
    pub(crate) mode: Option<Mode>,
    /// Thresholds of this route; `risk.thresholds` unless given.
    pub(crate) risk: Option<Thresholds>,
    /// Longest body on this route; `request.body_bytes_max` unless given.
    pub(crate) body_bytes_max: Option<ByteSize>,
    /// How much depends on the route, 0 to 1: limits may adapt to it.
    #[serde(default)]
    pub(crate) sensitivity: f64,
}

/// What a request gets that could not be judged. Every such decision is counted.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
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

/// Where risk turns into a verdict.
#[derive(Debug, Default, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Risk {
    /// Where risk turns into a challenge and into a denial.
    pub(crate) thresholds: Thresholds,
    /// Most that a family of checks adds to the risk, 0 to 1, by the family's name. 0.65 unless given, 0.9 for
    /// `payload` and `business`.
    pub(crate) family_caps: ByName<f64>,
}

/// Where risk turns into a challenge and into a denial: 0 < challenge <= deny <= 1.
#[derive(Debug, Copy, Clone, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Thresholds {
    /// Risk from which a request is challenged: above 0, at most `deny`.
    pub(crate) challenge: f64,
    /// Risk from which it is denied, at most 1.
    pub(crate) deny: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { challenge: 0.3, deny: 0.7 }
    }
}

/// One check, adjusted.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Tuning {
    /// The check, by its id in the reference of checks.
    pub(crate) id: String,
    /// `off`, or `monitor`: judged and reported, not carried out. The route's mode unless given.
    pub(crate) mode: Option<TunedMode>,
    /// The effect instead of the check's own; not together with `score`.
    pub(crate) effect: Option<Effect>,
    /// A score from 0 to 1 instead of the check's own effect.
    pub(crate) score: Option<f64>,
}

/// Whether a check is in force.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(crate) enum TunedMode {
    /// The check is not made part of the verdict, nor reported.
    Off,
    /// It is judged and reported, not carried out.
    Monitor,
}

/// What a finding does to the verdict.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Effect {
    /// It is counted and reported, without effect.
    Note,
    /// The verdict is at least a challenge.
    Challenge,
    /// The request is refused.
    Refuse,
}

/// Whose verdict the access log can print.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum AccessLog {
    /// Every request's.
    #[default]
    All,
    /// Those of requests that have a receipt.
    Receipts,
}

/// What is reported.
#[derive(Debug, Default, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Telemetry {
    /// Share of allowed requests that get a receipt, 0 to 1.
    pub(crate) allow_sample: f64,
    /// Which requests leave their verdict for the access log. With `receipts` one that was allowed without a finding leaves none,
    /// and costs less.
    pub(crate) access_log: AccessLog,
    /// Secret mixed into `user.hash`; without it, guessable names can be guessed from their hash.
    pub(crate) actor_salt: Secret,
    /// Whether the service is told `x-portcullis-verdict` and `x-portcullis-risk`.
    pub(crate) upstream_headers: bool,
    /// Whether the client is told in every response what is left of its limits, in `RateLimit` and
    /// `RateLimit-Policy`.
    pub(crate) limit_headers: bool,
}

/// A text that no error message repeats.
#[derive(Default)]
pub(crate) struct Secret(pub(crate) String);

impl Written for Secret {
    fn read(node: &Node<'_>) -> Self {
        let text = node.value.as_str();
        if text.is_none() {
            node.refuse(Fault::custom("expected a string"));
        }
        Self(text.unwrap_or_default().to_owned())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("(secret)")
    }
}
