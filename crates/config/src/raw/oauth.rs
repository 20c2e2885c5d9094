//! The `oauth` section as it is written.

use crate::reading::Written;

/// Good practice for OAuth 2.1 (RFC 9700).
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Oauth {
    /// Whether tokens in a query are refused.
    #[serde(default = "enabled")]
    pub(crate) no_query_tokens: bool,
    /// Parameters that are tokens, or secrets like them.
    #[serde(default = "default_query_token_names")]
    pub(crate) query_token_names: Vec<String>,
    /// Where authorization is asked for.
    #[serde(default)]
    pub(crate) authorization_endpoints: Vec<AuthorizationEndpoint>,
    /// Where tokens are asked for.
    #[serde(default)]
    pub(crate) token_endpoints: Vec<TokenEndpoint>,
}

/// Where authorization is asked for.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthorizationEndpoint {
    /// Names of routes without `methods`, so that none escapes.
    pub(crate) routes: Vec<String>,
    /// Where such requests are pushed beforehand (RFC 9126); with them the endpoint takes references to pushed
    /// requests.
    #[serde(default)]
    pub(crate) pushed_routes: Vec<String>,
    /// `code`, or `code id_token` too; nothing with `token`.
    #[serde(default = "default_response_types")]
    pub(crate) response_types: Vec<String>,
    /// Every client; any unless given.
    pub(crate) clients: Option<Vec<OauthClient>>,
}

/// A client of the authorization endpoint.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct OauthClient {
    /// The `client_id`.
    pub(crate) id: String,
    /// Its exact redirect URIs; the port of `http://127.0.0.1` and `http://[::1]` is free.
    pub(crate) redirect_uris: Vec<String>,
}

/// Where tokens are asked for.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenEndpoint {
    /// Names of routes without `methods`.
    pub(crate) routes: Vec<String>,
    /// Grants that may be presented, compared exactly, never `password`.
    #[serde(default = "default_grant_types")]
    pub(crate) grant_types: Vec<String>,
}

const fn enabled() -> bool {
    true
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Tokens, and what stands in for one: RFC 6750 §2.3, RFC 6749 §2.3.1, RFC 7521 §4.2, RFC 7636 §4.5.
fn default_query_token_names() -> Vec<String> {
    owned(&[
        "access_token",
        "refresh_token",
        "id_token",
        "token",
        "client_secret",
        "client_assertion",
        "code_verifier",
    ])
}

fn default_response_types() -> Vec<String> {
    owned(&["code"])
}

/// RFC 6749 §4.1.3, §4.4.2 and §6; RFC 8628, RFC 8693, RFC 7523, RFC 7522; OpenID Connect CIBA 1.0 §10.1.
fn default_grant_types() -> Vec<String> {
    owned(&[
        "authorization_code",
        "client_credentials",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:saml2-bearer",
        "urn:openid:params:grant-type:ciba",
    ])
}
