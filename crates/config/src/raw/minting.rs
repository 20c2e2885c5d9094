//! The `minting` section as it is written.

use crate::reading::{Fault, Node, Written};
use crate::units::Duration;
use portcullis_jose::Algorithm;
use serde::de::Error;
use serde_json::Value;
use std::fmt;

/// The tokens that the filter issues itself.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Minting {
    /// The `iss` of its tokens.
    pub(crate) issuer: String,
    /// Where tokens are exchanged (RFC 8693); answered by the filter itself, on every host.
    #[serde(default = "default_token_path")]
    pub(crate) token_path: String,
    /// Where its public keys are.
    #[serde(default = "default_jwks_path")]
    pub(crate) jwks_path: String,
    /// How long a token lives, at most an hour; never longer than the one it was given for.
    #[serde(default = "default_lifetime")]
    pub(crate) lifetime: Duration,
    /// For whom tokens may be meant.
    pub(crate) audiences: Vec<String>,
    /// Issuers whose tokens are exchanged; required where `identity.issuers` has several.
    #[serde(default)]
    pub(crate) subjects: Vec<String>,
    /// Its keys; the newest that has begun signs.
    pub(crate) keys: Vec<MintingKey>,
    /// Soft bindings that are put in.
    #[serde(default = "every_binding")]
    pub(crate) bindings: Vec<SoftBinding>,
    /// Further claims that are taken over from the subject's token.
    #[serde(default)]
    pub(crate) claims: Vec<String>,
    /// Routes whose service grants tokens in its answer.
    #[serde(default)]
    pub(crate) login: Vec<Login>,
}

/// Routes on which the service grants tokens.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// Names of routes.
    pub(crate) routes: Vec<String>,
    /// The field of that answer; it begins with `x-portcullis-` and never reaches a client.
    #[serde(default = "default_header")]
    pub(crate) header: String,
}

/// A key that signs tokens.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct MintingKey {
    /// The name of the key.
    pub(crate) kid: String,
    /// `ES256`, `EdDSA` or `RS256`.
    pub(crate) alg: Algorithm,
    /// PEM text, a JWK, or `{"env": "NAME"}`: a variable that Envoy passes to the VM.
    pub(crate) private_key: PrivateKey,
    /// When it begins to sign; always unless given.
    pub(crate) use_from: Option<Moment>,
    /// When it no longer signs, is published or verifies; never unless given.
    pub(crate) retire_at: Option<Moment>,
}

/// A claim that ties a token to where and by whom it is used.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum SoftBinding {
    /// The source address.
    IpBinding,
    /// The device.
    DeviceId,
    /// The user agent.
    UserAgentHash,
    /// The location.
    GeoLocation,
    /// The session.
    SessionId,
}

/// A private key, or where it is. No error message and no `Debug` repeats it.
pub(crate) enum PrivateKey {
    Text(String),
    Env(String),
}

impl Written for PrivateKey {
    fn read(node: &Node<'_>) -> Self {
        let one = node.value.as_object().filter(|members| members.len() == 1);
        match (node.value, one.and_then(|members| members.get("env"))) {
            (Value::String(text), _) => Self::Text(text.clone()),
            (Value::Object(members), _) if members.contains_key("kty") => Self::Text(node.value.to_string()),
            (_, Some(Value::String(name))) => Self::Env(name.clone()),
            _ => {
                let expected = "expected PEM text, a JWK with its private members, or {\"env\": \"NAME\"}";
                node.refuse(Fault::custom(expected));
                Self::Text(String::new())
            }
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(private key)")
    }
}

/// A moment: RFC 3339 text, or seconds since 1970.
#[derive(Debug, Clone, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
pub(crate) struct Moment(pub(crate) Value);

fn default_token_path() -> String {
    "/oauth/token".to_owned()
}

fn default_jwks_path() -> String {
    "/.well-known/jwks.json".to_owned()
}

fn default_header() -> String {
    "x-portcullis-grant".to_owned()
}

const fn default_lifetime() -> Duration {
    Duration::from_secs(300)
}

fn every_binding() -> Vec<SoftBinding> {
    use SoftBinding::{DeviceId, GeoLocation, IpBinding, SessionId, UserAgentHash};
    vec![IpBinding, DeviceId, UserAgentHash, GeoLocation, SessionId]
}
