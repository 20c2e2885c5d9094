//! Who is compared: the same listener, router and requests, and one difference in what stands before the router.
//!
//! The router answers by itself (`direct_response`). What a service behind Envoy costs is the same for all and would
//! only add noise to it; the price is that the ratios look worse than in production, where a request costs Envoy
//! more. `bare, forwarded` says how much more. The access log is off for the same reason.

use crate::modules::Modules;
use crate::rules;
use crate::shapes::{self, Shape};
use crate::tokens;
use crate::traffic::{self, Token, CLIENTS, PREFIX, SCOPE, TARGET, TOKEN_TARGET};
use anyhow::Result;
use portcullis_lab::bootstrap::Bootstrap;
use portcullis_lab::service::Service;
use portcullis_lab::tokens::{Algorithm, Issuer};
use serde_json::{json, Value};
use std::cell::Cell;
use std::net::SocketAddr;
use std::path::Path;

/// The contender that everything is compared with.
pub(crate) const BARE: &str = "bare";

/// The contender that does with Envoy's own filters what Portcullis does.
pub(crate) const NATIVE_CACHED: &str = "native, cached";

/// The same, verifying every token.
pub(crate) const NATIVE: &str = "native";

/// The one whose answers come from a service.
pub(crate) const FORWARDED: &str = "bare, forwarded";

/// What no filter can do without for the work of [`NATIVE_CACHED`].
pub(crate) const ASKING: &str = "asking alone";

/// The same for [`EVERYTHING`].
const ASKING_MORE: &str = "asking for everything";

/// The filter with the work of [`NATIVE_CACHED`].
pub(crate) const LIKE_FOR_LIKE: &str = "like for like";

/// The filter with all that a service of some importance turns on.
pub(crate) const EVERYTHING: &str = "everything";

/// The same with more workers.
pub(crate) const TWO_WORKERS: &str = "everything, 2 workers";
pub(crate) const FOUR_WORKERS: &str = "everything, 4 workers";

/// Those that the ratios are about.
const COMPARED: [&str; 6] = [BARE, ASKING, NATIVE, NATIVE_CACHED, LIKE_FOR_LIKE, EVERYTHING];

/// Those that are sent every shape of request.
pub(crate) const SHAPED: [&str; 4] = [BARE, NATIVE_CACHED, LIKE_FOR_LIKE, EVERYTHING];

/// With another build of the filter: each kind of work with the one, and with the other.
pub(crate) const PAIRS: [(&str, &str); 2] =
    [(LIKE_FOR_LIKE, "like for like, other"), (EVERYTHING, "everything, other")];

const RSA_KEY: &str = include_str!("../../envoy/lab/keys/test-rsa.pem");
const P256_KEY: &str = include_str!("../../envoy/lab/keys/test-p256.pem");
/// A TEST key, made for this file: it protects nothing.
const ED25519_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIFRFU1QtcG9ydGN1bGxpcy1taW50aW5nLWtleS0zMmIh
-----END PRIVATE KEY-----
";

const ROUTE: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes/0";
const FILTERS: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
const ACCESS_LOG: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/access_log/0";

/// One Envoy configuration, and what is sent to an Envoy that has it.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// What it is, for the legend.
    pub(crate) means: &'static str,
    pub(crate) bootstrap: Bootstrap,
    pub(crate) shape: Shape,
    /// The requests of all clients.
    pub(crate) requests: Vec<Sent>,
    pub(crate) expects: u16,
    /// What it asks, for as long as it is measured.
    pub(crate) _service: Option<Service>,
}

/// What is sent on one connection, made anew for each request: its sender's time is not what is measured.
pub(crate) type Sent = Box<dyn Fn() -> Vec<u8>>;

/// The filter as it is built, and another build of it, for the two kinds of work that are compared with Envoy's own chain. One build stands
/// before the other.
pub(crate) fn beside(other: &Path, other_first: bool) -> Result<Vec<Contender>> {
    let answering = || Bootstrap::shipped().map(|shipped| shipped.edit(silence).edit(answer_directly));
    let native = native_chain(&Issuer::demo(), true).into_iter().chain([buffered()]);
    let one = |name, bootstrap| Contender::new(name, "", bootstrap);
    let mut all = vec![
        one(BARE, answering()?.http_filters(vec![buffered()])),
        one(NATIVE_CACHED, answering()?.http_filters(native.collect())),
    ];
    for ((own, others), rules) in
        PAIRS.into_iter().zip([rules::like_for_like(), rules::bound(&rules::everything())])
    {
        let filtered = || answering().map(|base| base.edit(buffer).filter_config(&rules));
        let mut pair = [one(own, filtered()?), one(others, filtered()?.wasm(other))];
        if other_first {
            pair.reverse();
        }
        all.extend(pair);
    }
    Ok(all)
}

/// All of them, in the order of the report. Tokens that cost more than to be remembered come along where they are asked for.
pub(crate) fn all(modules: &Modules, upstream: SocketAddr, with_tokens: bool) -> Result<Vec<Contender>> {
    let issuer = Issuer::demo();
    let everything = rules::bound(&rules::everything());
    let shipped = || Bootstrap::shipped().map(|shipped| shipped.edit(silence));
    let answering = || shipped().map(|shipped| shipped.edit(answer_directly));
    let native = |cached| {
        let filters = native_chain(&issuer, cached).into_iter().chain([buffered()]);
        answering().map(|base| base.http_filters(filters.collect()))
    };
    let filtered = || answering().map(|base| base.edit(buffer));
    let one = Contender::new;
    let wasm = |name, means, module: &Path| filtered().map(|base| one(name, means, base.wasm(module)));
    let portcullis = |name, means, rules: &str| filtered().map(|base| one(name, means, base.filter_config(rules)));
    let spread = |name, means, workers| -> Result<Contender> {
        let base = filtered()?.edit(spread).concurrency(workers);
        Ok(one(name, means, base.filter_config(&everything)))
    };
    let mut all = vec![
        one(BARE, "Envoy without a filter: the router answers", answering()?.http_filters(vec![buffered()])),
        one(
            FORWARDED,
            "the same, but a service behind Envoy answers",
            shipped()?.without_filter().upstream(upstream),
        ),
        wasm("empty wasm", "a wasm filter that is called and does nothing", &modules.empty)?,
        wasm(ASKING, "one that asks Envoy for as much as `like for like` and computes nothing", &modules.asking)?,
        wasm(ASKING_MORE, "the same for as much as `everything` does", &modules.asking_more)?,
        one(NATIVE, "jwt_authn (RS256), rbac, local_ratelimit", native(false)?),
        one(NATIVE_CACHED, "the same, jwt_authn remembering verified tokens", native(true)?),
        portcullis(
            LIKE_FOR_LIKE,
            "the same work: a remembered token, a scope, one limit",
            &rules::like_for_like(),
        )?,
        portcullis(
            EVERYTHING,
            "token, bindings, three limits, every value inspected, receipts of 1 %",
            &everything,
        )?,
        portcullis("every stage", "the same, with all the stages below", &rules::bound(&rules::every_stage()))?,
    ];
    all.extend(stages(&filtered)?);
    all.extend([
        spread(TWO_WORKERS, "everything, with two workers", 2)?,
        spread(FOUR_WORKERS, "everything, with four workers", 4)?,
    ]);
    if with_tokens {
        all.extend(costly(&issuer, &answering)?);
    }
    let shapes = Shape::ALL.into_iter().filter(|shape| *shape != Shape::Page);
    let shaped = |shape| {
        let shaped = all.iter().filter(|contender| SHAPED.contains(&contender.name));
        shaped.map(move |contender| contender.sent(shape))
    };
    let more: Vec<_> = shapes.flat_map(shaped).collect();
    all.extend(more);
    Ok(all)
}

/// Routes with one thing more at a time.
fn stages(filtered: &dyn Fn() -> Result<Bootstrap>) -> Result<Vec<Contender>> {
    let stage = |name, means, rules: String| {
        filtered().map(|base| Contender::new(name, means, base.filter_config(&rules)))
    };
    let strangers = rules::plain(&json!({"limits": rules::three_limits_of_strangers()}));
    Ok(vec![
        stage("routes", "routes and the form of requests", rules::plain(&json!({})))?,
        stage("+ identity", "routes, a remembered token, a scope", rules::identified(&json!({})))?,
        stage("+ bindings", "routes, token, soft bindings", rules::bound(&json!({})))?,
        stage("+ 1 limit", "routes, one limit for each source", rules::plain(&rules::one_limit()))?,
        stage(
            "+ 3 limits",
            "routes, three limits with three keys",
            rules::plain(&json!({"limits": rules::three_limits()})),
        )?,
        stage("+ 3 limits, new keys", "the same, each key seen for the first time", strangers)?.sent(Shape::Fresh),
        stage("+ inspect", "routes, every value of the request inspected", rules::plain(&json!({"inspect": {}})))?,
        stage("+ rules", "routes, a rule that holds and one that counts", rules::plain(&rules::rules()))?,
        stage("+ workflows", "routes, a step", rules::plain(&rules::workflows()))?,
        stage("+ quotes", "routes, a quote captured from the answer", rules::plain(&rules::quotes()))?,
        stage("+ objects", "routes, objects counted", rules::plain(&rules::objects()))?,
        stage("+ anomaly", "routes, what is usual learned", rules::plain(&json!({"anomaly": {}})))?,
        stage("+ behaviour", "routes, behaviour watched", rules::plain(&json!({"behaviour": {}})))?,
        stage("+ exposure", "routes, the answer inspected", rules::plain(&rules::exposure()))?,
    ])
}

/// Tokens that are signed here, refused, or more than remembered.
fn costly(issuer: &Issuer, answering: &dyn Fn() -> Result<Bootstrap>) -> Result<Vec<Contender>> {
    let mut all = Vec::new();
    for (name, means, algorithm, key) in [
        ("minting RS256", "token exchange, the new token signed with RS256", Algorithm::RS256, RSA_KEY),
        ("minting ES256", "the same with ES256", Algorithm::ES256, P256_KEY),
        ("minting EdDSA", "the same with EdDSA", Algorithm::EdDSA, ED25519_KEY),
    ] {
        let bootstrap = answering()?.filter_config(&traffic::minting(issuer, algorithm, key));
        all.push(Contender::sending(name, means, bootstrap, exchanges(issuer)));
    }
    let refused = requests(issuer, Algorithm::RS256, Token::Expired);
    let bootstrap = answering()?.filter_config(&traffic::rules(issuer, Some(Algorithm::RS256)));
    let refusal = Contender::sending("refused", "RS256, the tokens expired, with receipt", bootstrap, refused);
    all.push(Contender { expects: 401, ..refusal });
    for contender in tokens::all(answering) {
        all.push(contender?);
    }
    Ok(all)
}

impl Contender {
    /// One that is asked for a page.
    fn new(name: &'static str, means: &'static str, bootstrap: Bootstrap) -> Self {
        Self::sending(name, means, bootstrap, usual(Shape::Page))
    }

    /// One that is sent requests of its own.
    pub(crate) fn sending(
        name: &'static str,
        means: &'static str,
        bootstrap: Bootstrap,
        requests: Vec<Sent>,
    ) -> Self {
        Self { name, means, bootstrap, shape: Shape::Page, requests, expects: 200, _service: None }
    }

    /// The same configuration for an Envoy that is sent requests of this shape.
    fn sent(&self, shape: Shape) -> Self {
        Self { shape, ..Self::sending(self.name, self.means, self.bootstrap.clone(), usual(shape)) }
    }

    /// Whether the ratios are about it.
    pub(crate) fn compared(&self) -> bool {
        self.shape == Shape::Page && COMPARED.contains(&self.name)
    }
}

/// What clients usually send of one shape.
fn usual(shape: Shape) -> Vec<Sent> {
    shape.requests().into_iter().map(numbered).collect()
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

/// The same every time, but for a number where there is one ([`shapes::NUMBER`]): a value that was never sent before.
fn numbered(request: Vec<u8>) -> Sent {
    let Some(text) = std::str::from_utf8(&request).ok().filter(|text| text.contains(shapes::NUMBER)) else {
        return same(request);
    };
    let (text, next) = (text.to_owned(), Cell::new(0_u64));
    Box::new(move || {
        let number = next.replace(next.get() + 1);
        text.replace(shapes::NUMBER, &format!("{number:08}")).into_bytes()
    })
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
            "direct_response": {"status": 200, "body": {"inline_string": "{\"order\":\"o-1001\",\"total\":1999}\n"}},
            "response_headers_to_add": [{
                "header": {"key": "content-type", "value": "application/json"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }],
        });
    }
}

/// Waits for the body of a request, which a router that answers by itself does not do.
fn buffered() -> Value {
    json!({"name": "envoy.filters.http.buffer", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
        "max_request_bytes": 1 << 20,
    }})
}

/// The same behind the filter.
fn buffer(document: &mut Value) {
    if let Some(filters) = document.pointer_mut(FILTERS).and_then(Value::as_array_mut) {
        filters.insert(filters.len().saturating_sub(1), buffered());
    }
}

/// Otherwise the kernel deals connections out by their ports, and a worker may get none.
fn spread(document: &mut Value) {
    if let Some(listener) = document.pointer_mut("/static_resources/listeners/0") {
        listener["connection_balance_config"] = json!({"exact_balance": {}});
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
        "rules": [{"match": {"prefix": PREFIX.trim_end_matches('/')}, "requires": {"provider_name": "demo"}}],
    });
    let rbac = json!({"rules": {"action": "ALLOW", "policies": {"readers": {
        "permissions": [{"and_rules": {"rules": [
            {"header": {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|POST"}}}},
            {"url_path": {"path": {"prefix": PREFIX.trim_end_matches('/')}}},
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
