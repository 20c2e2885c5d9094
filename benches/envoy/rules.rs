//! Under which rules: the same four routes each time, and what a contender adds to them.
//!
//! Nothing that is sent breaks a rule, so that what is measured is the price of the good request: limits are never reached,
//! owners own, budgets suffice. Each function says in a line what it stands for; `docs/cost.md` has the figures.

use crate::traffic::{self, Token};
use portcullis_lab::tokens::{Algorithm, Issuer};
use serde_json::{json, Value};

/// More than any run sends.
const PLENTY: u64 = 1_000_000_000;

/// Sections of a configuration, to be laid over the routes.
pub(crate) type Sections = Value;

/// Routes and the form of requests, with these sections.
pub(crate) fn plain(sections: &Sections) -> String {
    laid_over(&traffic::rules(&Issuer::demo(), None), sections)
}

/// The same with identity (RS256, as Envoy's own filters have it), which compares no soft bindings.
pub(crate) fn identified(sections: &Sections) -> String {
    let off = json!({"enabled": false});
    let bindings = ["ip_binding", "device_id", "user_agent_hash", "geo_location", "session_id"];
    let bindings: serde_json::Map<_, _> = bindings.iter().map(|name| ((*name).to_owned(), off.clone())).collect();
    let mut rules: Value = serde_json::from_str(&bound(&json!({}))).unwrap_or_default();
    rules["identity"]["bindings"] = bindings.into();
    laid_over(&rules.to_string(), sections)
}

/// The same with the soft bindings, which are on unless they are turned off.
pub(crate) fn bound(sections: &Sections) -> String {
    laid_over(&traffic::rules(&Issuer::demo(), Some(Algorithm::RS256)), sections)
}

/// What Envoy's own chain does: a token, a scope, one bucket for all that come. Of a request that passes that chain leaves nothing for the access log.
pub(crate) fn like_for_like() -> String {
    identified(&json!({
        "limits": [limit("all", json!({"key": ["route"]}))],
        "telemetry": {"access_log": "receipts"},
    }))
}

/// What a service of some importance turns on: the holder's bindings, three limits, every value looked at, receipts of a share.
pub(crate) fn everything() -> Sections {
    json!({
        "limits": three_limits(),
        "inspect": {},
        "request": {"body_read_max": "256KiB"},
        "telemetry": {"allow_sample": 0.01},
    })
}

/// All that remembers too, with rules of the business and a look at what leaks.
pub(crate) fn every_stage() -> Sections {
    let mut sections = everything();
    for stage in [rules(), workflows(), objects(), json!({"anomaly": {}}), json!({"behaviour": {}}), exposure()] {
        for (name, section) in stage.as_object().cloned().unwrap_or_default() {
            sections[name] = section;
        }
    }
    sections
}

/// One limit under one key.
pub(crate) fn one_limit() -> Sections {
    json!({"limits": [limit("source", json!({"key": ["source"]}))]})
}

/// Three limits of three kinds, under three keys.
pub(crate) fn three_limits() -> Value {
    json!([
        limit("source", json!({"key": ["source"]})),
        limit("session", json!({"key": ["session"], "algorithm": "sliding_window"})),
        limit("device", json!({"key": ["device", "route"]})),
    ])
}

/// The same under keys that are new with each request, so that no worker can count ahead.
pub(crate) fn three_limits_of_strangers() -> Value {
    json!([
        limit("note", json!({"key": ["query:note"]})),
        limit("window", json!({"key": ["query:note", "method"], "algorithm": "sliding_window"})),
        limit("route", json!({"key": ["query:note", "route"]})),
    ])
}

/// A rule that holds, and one that counts.
pub(crate) fn rules() -> Sections {
    json!({"rules": [
        {"name": "reads", "require": "request.method != 'DELETE' && !request.path.startsWith('/admin')"},
        {"name": "often", "require": format!("count(actor.source, duration('10s')) < {PLENTY}")},
    ]})
}

/// A step that may be done again and again.
pub(crate) fn workflows() -> Sections {
    json!({"workflows": [{
        "name": "look", "per": "source", "steps": [{"name": "order", "routes": ["order"]}],
    }]})
}

/// A quote that other routes capture and keep to.
pub(crate) fn quotes() -> Sections {
    json!({"quotes": [{
        "name": "price", "per": "source",
        "capture": {"routes": ["order"], "value": "total"},
        "assert": {"routes": ["orders"], "value": "total"},
    }]})
}

/// Whose order it is, and how many different ones the caller asks for.
pub(crate) fn objects() -> Sections {
    json!({"objects": {"kinds": [{"name": "orders", "routes": ["order"], "id": "path:id"}]}})
}

/// What an answer gives away.
pub(crate) fn exposure() -> Sections {
    json!({"exposure": {}})
}

/// A token of the client that the rules above accept.
pub(crate) fn token(client: usize) -> String {
    traffic::token(&Issuer::demo(), Algorithm::RS256, Token::Good, client)
}

fn limit(name: &str, more: Value) -> Value {
    let mut limit = json!({"name": name, "limit": PLENTY, "window": "1h"});
    for (key, value) in more.as_object().cloned().unwrap_or_default() {
        limit[key] = value;
    }
    limit
}

fn laid_over(rules: &str, sections: &Sections) -> String {
    let mut rules: Value = serde_json::from_str(rules).unwrap_or_default();
    for (name, section) in sections.as_object().cloned().unwrap_or_default() {
        rules[name] = section;
    }
    rules.to_string()
}
