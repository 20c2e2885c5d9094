//! Who is compared: the same listener, router and requests, and one difference in what stands before the router.
//!
//! The router answers by itself (`direct_response`). What a service behind Envoy costs is the same for all and would
//! only add noise to it; the price is that the ratios look worse than in production, where a request costs Envoy
//! more. `bare, forwarded` says how much more. The access log is off for the same reason.

use crate::tokens;
use crate::traffic::{self, Token, CLIENTS, PREFIX, SCOPE, TARGET, TOKEN_TARGET};
use anyhow::Result;
use portcullis_lab::bootstrap::Bootstrap;
use portcullis_lab::service::Service;
use portcullis_lab::tokens::{Algorithm, Issuer};
use serde_json::{json, Value};
use std::net::SocketAddr;
use std::path::Path;

/// The contender that everything is compared with.
pub(crate) const BARE: &str = "bare";

/// The contender that does with Envoy's own filters what Portcullis does.
pub(crate) const NATIVE_CACHED: &str = "native, cached";

/// The contender whose start shows what loading the module takes.
pub(crate) const PORTCULLIS: &str = "portcullis ES256";

/// A proxy-wasm filter that is called at every point of a request's life and does nothing.
pub(crate) const EMPTY_FILTER: &str = r#"(module
    (memory (export "memory") 2)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_context_create") (param i32 i32))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_request_trailers") (param i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_response_trailers") (param i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
    (func (export "proxy_on_log") (param i32))
    (func (export "proxy_on_delete") (param i32)))"#;

const RSA_KEY: &str = include_str!("../../envoy/lab/keys/test-rsa.pem");
const P256_KEY: &str = include_str!("../../envoy/lab/keys/test-p256.pem");
/// A TEST key, made for this file: it protects nothing.
const ED25519_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIFRFU1QtcG9ydGN1bGxpcy1taW50aW5nLWtleS0zMmIh
-----END PRIVATE KEY-----
";

const ROUTE: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes/0";
const ACCESS_LOG: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/access_log/0";

/// One Envoy configuration, and what is sent to it.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// What it is, for the legend.
    pub(crate) means: &'static str,
    pub(crate) bootstrap: Bootstrap,
    pub(crate) requests: Vec<Sent>,
    pub(crate) expects: u16,
    /// What it asks, for as long as it is measured.
    pub(crate) _service: Option<Service>,
}

/// What is sent on one connection, made anew for each request: its sender's time is not what is measured.
pub(crate) type Sent = Box<dyn Fn() -> Vec<u8>>;

/// All of them, in the order of the report.
pub(crate) fn all(empty_filter: &Path, upstream: SocketAddr) -> Result<Vec<Contender>> {
    use Algorithm::{EdDSA, ES256, RS256};
    let issuer = Issuer::demo();
    let shipped = || Bootstrap::shipped().map(|shipped| shipped.edit(silence));
    let answering = || shipped().map(|shipped| shipped.edit(answer_directly));
    let portcullis = |algorithm| answering().map(|base| base.filter_config(&traffic::rules(&issuer, algorithm)));
    let limited =
        |limits: &[Value]| answering().map(|base| base.filter_config(&traffic::limited(&issuer, limits)));
    let one = json!({"key": ["source"]});
    let three = [
        one.clone(),
        json!({"key": ["session"], "algorithm": "sliding_window"}),
        json!({"key": ["device", "route"]}),
    ];
    let adaptive = json!({"key": ["session"], "adapt": {"reputation": {}, "risk": 0.5}});
    let native = |cached| answering().map(|base| base.http_filters(native_chain(&issuer, cached)));
    let good = |name, means, bootstrap: Result<Bootstrap>, algorithm| {
        let requests = requests(&issuer, algorithm, Token::Good);
        bootstrap.map(|bootstrap| Contender { name, means, bootstrap, requests, expects: 200, _service: None })
    };
    let refused = |name, means, bootstrap: Result<Bootstrap>| {
        let requests = requests(&issuer, RS256, Token::Expired);
        bootstrap.map(|bootstrap| Contender { name, means, bootstrap, requests, expects: 401, _service: None })
    };
    let minting = |name, means, (algorithm, key): (Algorithm, &str)| {
        let bootstrap = answering()?.filter_config(&traffic::minting(&issuer, algorithm, key));
        Ok(Contender { name, means, bootstrap, requests: exchanges(&issuer), expects: 200, _service: None })
    };
    let inspecting = answering().map(|base| base.filter_config(&traffic::inspecting(&issuer)));
    let bare = answering().map(Bootstrap::without_filter);
    let forwarded = shipped().map(|base| base.without_filter().upstream(upstream));
    let empty = answering().map(|base| base.wasm(empty_filter));
    let base = [
        good(BARE, "Envoy without a filter: the router answers", bare, RS256),
        good("bare, forwarded", "the same, but a service behind Envoy answers", forwarded, RS256),
        good("empty wasm", "a wasm filter that is called and does nothing", empty, RS256),
        good("native", "jwt_authn (RS256), rbac, local_ratelimit", native(false), RS256),
        good(NATIVE_CACHED, "the same, jwt_authn remembering verified tokens", native(true), RS256),
        refused("native, refused", "the same, the tokens expired", native(true)),
        good("portcullis, no identity", "routes and the form of requests alone", portcullis(None), RS256),
        good("portcullis, 1 limit", "the same and a token bucket for each source", limited(&[one]), RS256),
        good("portcullis, 3 limits", "the same and three limits with three keys", limited(&three), RS256),
        good(
            "portcullis, adaptive",
            "the same and one limit that adapts to reputation",
            limited(&[adaptive]),
            RS256,
        ),
        good("portcullis, inspected", "routes, and every value of the head inspected", inspecting, RS256),
        good("portcullis RS256", "bearer token, scope, soft bindings", portcullis(Some(RS256)), RS256),
        good(PORTCULLIS, "the same with ES256", portcullis(Some(ES256)), ES256),
        good("portcullis EdDSA", "the same with EdDSA", portcullis(Some(EdDSA)), EdDSA),
        refused("portcullis, refused", "RS256, the tokens expired", portcullis(Some(RS256))),
        minting("minting RS256", "token exchange, the new token signed with RS256", (RS256, RSA_KEY)),
        minting("minting ES256", "the same with ES256", (ES256, P256_KEY)),
        minting("minting EdDSA", "the same with EdDSA", (EdDSA, ED25519_KEY)),
    ];
    base.into_iter().chain(tokens::all(&answering)).collect()
}

impl Contender {
    /// Its name as a key of the machine-readable summary.
    pub(crate) fn key(&self) -> String {
        self.name.replace(", ", "_").replace(' ', "_").to_lowercase()
    }
}

fn requests(issuer: &Issuer, algorithm: Algorithm, kind: Token) -> Vec<Sent> {
    let request = |client| {
        let token = traffic::token(issuer, algorithm, kind, client);
        same(get(&traffic::fields(&token, client)))
    };
    (0..CLIENTS).map(request).collect()
}

/// A request with these header fields.
pub(crate) fn get(fields: &[(&str, String)]) -> Vec<u8> {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET {TARGET} HTTP/1.1\r\nhost: shop.example\r\n{fields}\r\n").into_bytes()
}

/// The same every time.
pub(crate) fn same(request: Vec<u8>) -> Sent {
    Box::new(move || request.clone())
}

/// Each client exchanges its token, which the worker has verified before: what is left is the form, the claims, the signature.
fn exchanges(issuer: &Issuer) -> Vec<Sent> {
    let request = |client| {
        let token = traffic::token(issuer, Algorithm::ES256, Token::Good, client);
        let form = traffic::exchange(&token);
        let fields = traffic::fields("", client).into_iter().filter(|(name, _)| *name != "authorization");
        let fields: String = fields.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let kind = "content-type: application/x-www-form-urlencoded";
        let length = form.len();
        let head = format!("POST {TOKEN_TARGET} HTTP/1.1\r\nhost: shop.example\r\n{fields}{kind}");
        same(format!("{head}\r\ncontent-length: {length}\r\n\r\n{form}").into_bytes())
    };
    (0..CLIENTS).map(request).collect()
}

/// No line is written, while everything else about the log stays as it is shipped.
fn silence(document: &mut Value) {
    let never = json!({"duration_filter": {"comparison": {
        "op": "GE", "value": {"default_value": u32::MAX, "runtime_key": "portcullis.bench.never"},
    }}});
    if let Some(log) = document.pointer_mut(ACCESS_LOG) {
        log["filter"] = never;
    }
}

fn answer_directly(document: &mut Value) {
    if let Some(route) = document.pointer_mut(ROUTE) {
        *route = json!({
            "name": "direct",
            "match": {"prefix": "/"},
            "direct_response": {"status": 200, "body": {"inline_string": "{\"order\":\"o-1001\"}\n"}},
        });
    }
}

/// Envoy's own filters for the same questions: is the token good, may it do this, how often.
fn native_chain(issuer: &Issuer, cached: bool) -> Vec<Value> {
    let mut provider = json!({
        "issuer": issuer.url(),
        "audiences": [issuer.audience()],
        "forward": true,
        "payload_in_metadata": "claims",
        "local_jwks": {"inline_string": traffic::jwks(issuer, Algorithm::RS256).to_string()},
    });
    if cached {
        provider["jwt_cache_config"] = json!({"jwt_cache_size": 1000});
    }
    let jwt_authn = json!({
        "providers": {"demo": provider},
        "rules": [{"match": {"prefix": PREFIX}, "requires": {"provider_name": "demo"}}],
    });
    let rbac = json!({"rules": {"action": "ALLOW", "policies": {"readers": {
        "permissions": [{"and_rules": {"rules": [
            {"header": {"name": ":method", "string_match": {"exact": "GET"}}},
            {"url_path": {"path": {"prefix": PREFIX}}},
        ]}}],
        "principals": [{"metadata": {
            "filter": "envoy.filters.http.jwt_authn",
            "path": [{"key": "claims"}, {"key": "scope"}],
            "value": {"string_match": {"contains": SCOPE}},
        }}],
    }}}});
    let whole = json!({"default_value": {"numerator": 100, "denominator": "HUNDRED"}});
    let local_ratelimit = json!({
        "stat_prefix": "bench",
        "token_bucket": {"max_tokens": 1_000_000_000, "tokens_per_fill": 1_000_000_000, "fill_interval": "1s"},
        "filter_enabled": whole,
        "filter_enforced": whole,
    });
    vec![
        filter("jwt_authn", "JwtAuthentication", jwt_authn),
        filter("rbac", "RBAC", rbac),
        filter("local_ratelimit", "LocalRateLimit", local_ratelimit),
    ]
}

fn filter(name: &str, message: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.http.{name}.v3.{message}"));
    json!({"name": format!("envoy.filters.http.{name}"), "typed_config": config})
}
