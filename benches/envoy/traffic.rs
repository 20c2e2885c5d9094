//! What is sent and under which rules, the same for every contender: a web shop's page asking for one order.
//!
//! Eight clients, each with a connection, a token, a device and a session of its own, and a dozen header fields as
//! browsers send them. The tokens carry the claims of the soft bindings, so those are compared and hold; the
//! location is left out, as only Envoy's geoip filter could answer it.

use portcullis_lab::tokens::{now, Algorithm, Issuer, Spec};
use serde_json::{json, Map, Value};

/// Clients, and so connections.
pub(crate) const CLIENTS: usize = 8;

/// The request target. The lab's upstream knows the order too.
pub(crate) const TARGET: &str = "/api/orders/o-1001?expand=items&currency=EUR";

/// Where tokens are exchanged.
#[allow(dead_code, reason = "the native benchmark, which shares this file, exchanges none")]
pub(crate) const TOKEN_TARGET: &str = "/oauth/token";

/// How the path is known to rules: without the order.
pub(crate) const PREFIX: &str = "/api/orders/";

/// The scope that the rules ask for; every token has it.
pub(crate) const SCOPE: &str = "orders:read";

const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const MINUTE_SECONDS: u64 = 60;

/// Whether a token has still time to live.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// Valid for the whole benchmark.
    Good,
    /// Expired an hour ago, and otherwise like the good one.
    Expired,
}

/// A token for one client.
pub(crate) fn token(issuer: &Issuer, algorithm: Algorithm, kind: Token, client: usize) -> String {
    issuer.mint(&Spec::new(algorithm, claims(issuer, kind, client)))
}

/// What stands in it.
pub(crate) fn claims(issuer: &Issuer, kind: Token, client: usize) -> Map<String, Value> {
    let issued = match kind {
        Token::Good => now(),
        Token::Expired => now() - 119 * MINUTE_SECONDS,
    };
    let mut claims = issuer.claims(&format!("customer-{client}"));
    let own = [
        ("iat", json!(issued)),
        ("nbf", json!(issued)),
        ("exp", json!(issued + 59 * MINUTE_SECONDS)),
        ("ip_binding", json!("127.0.0.1")),
        ("device_id", json!(device(client))),
        ("session_id", json!(session(client))),
        ("user_agent_hash", json!(user_agent_hash())),
    ];
    claims.extend(own.map(|(name, value)| (name.to_owned(), value)));
    claims
}

/// The header fields of one client's requests, `host` aside.
pub(crate) fn fields(token: &str, client: usize) -> Vec<(&'static str, String)> {
    let text = str::to_owned;
    vec![
        ("user-agent", text(USER_AGENT)),
        ("accept", text("application/json, text/plain, */*")),
        ("accept-language", text("en-GB,en;q=0.8,de;q=0.5")),
        ("accept-encoding", text("gzip, deflate, br, zstd")),
        ("authorization", format!("Bearer {token}")),
        ("x-device-id", device(client)),
        ("referer", text("https://shop.example/account/orders")),
        ("cookie", format!("theme=dark; session_id={}; consent=essential", session(client))),
        ("traceparent", text("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")),
        ("sec-fetch-site", text("same-origin")),
        ("cache-control", text("no-cache")),
    ]
}

/// The public key of one algorithm as a JWK set.
pub(crate) fn jwks(issuer: &Issuer, algorithm: Algorithm) -> Value {
    let mut keys = issuer.jwks();
    if let Some(keys) = keys["keys"].as_array_mut() {
        keys.retain(|key| key["kid"] == algorithm.kid());
    }
    keys
}

/// The rules without identity, and payloads inspected.
#[allow(dead_code, reason = "the native benchmark, which shares this file, inspects elsewhere")]
pub(crate) fn inspecting(issuer: &Issuer) -> String {
    let mut rules: Value = serde_json::from_str(&rules(issuer, None)).unwrap_or_default();
    rules["inspect"] = json!({});
    rules.to_string()
}

/// Portcullis's configuration: routes and the form of requests alone, or tokens of this algorithm too.
pub(crate) fn rules(issuer: &Issuer, algorithm: Option<Algorithm>) -> String {
    let mut rules = json!({
        "version": 1,
        "mode": "enforce",
        "routes": [
            {"name": "order", "path": format!("{PREFIX}{{id}}"), "methods": ["GET"]},
            {"name": "orders", "path": PREFIX.trim_end_matches('/'), "methods": ["GET", "POST"]},
            {"name": "catalog", "path": "/api/catalog/{*rest}"},
            {"name": "health", "path": "/healthz"},
        ],
    });
    if let Some(algorithm) = algorithm {
        rules["identity"] = json!({
            "issuers": [{
                "issuer": issuer.url(),
                "audiences": [issuer.audience()],
                "jwks": jwks(issuer, algorithm),
            }],
            "requirements": [
                {"routes": ["order", "orders"], "token": "required", "scopes": [SCOPE]},
                {"routes": ["catalog", "health"], "token": "ignored"},
            ],
        });
    }
    rules.to_string()
}

/// The rules without identity and with limits, none of which is ever reached.
#[allow(dead_code, reason = "the native benchmark, which shares this file, has limits of its own")]
pub(crate) fn limited(issuer: &Issuer, limits: &[Value]) -> String {
    let plenty = 1_000_000_000;
    let limit = |(number, limit): (usize, &Value)| {
        let mut limit = limit.clone();
        limit["name"] = json!(format!("limit-{number}"));
        limit["limit"] = json!(plenty);
        limit["window"] = json!("1h");
        limit
    };
    let mut rules: Value = serde_json::from_str(&rules(issuer, None)).unwrap_or_default();
    rules["limits"] = limits.iter().enumerate().map(limit).collect();
    rules.to_string()
}

/// The rules with identity (ES256), and tokens that are issued with this key.
#[allow(dead_code, reason = "the native benchmark, which shares this file, exchanges none")]
pub(crate) fn minting(issuer: &Issuer, algorithm: Algorithm, key: &str) -> String {
    let mut rules: Value = serde_json::from_str(&rules(issuer, Some(Algorithm::ES256))).unwrap_or_default();
    rules["minting"] = json!({
        "issuer": "https://shop.example",
        "audiences": ["shop"],
        "keys": [{"kid": "bench", "alg": algorithm.name(), "private_key": key}],
    });
    rules.to_string()
}

/// The form that exchanges a token.
#[allow(dead_code, reason = "the native benchmark, which shares this file, exchanges none")]
pub(crate) fn exchange(token: &str) -> String {
    format!(
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&scope={SCOPE}&subject_token={token}\
         &subject_token_type=urn:ietf:params:oauth:token-type:access_token"
    )
}

fn device(client: usize) -> String {
    format!("7d3f0c52-9a51-4c1e-b0e4-00000000000{client}")
}

fn session(client: usize) -> String {
    format!("s-5f2b8c1e9d7a4036b81{client}")
}

fn user_agent_hash() -> String {
    let digest = hmac_sha256::Hash::hash(USER_AGENT.as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
