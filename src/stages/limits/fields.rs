//! What a rule's field says of a request, and the key that a request is counted under.

use super::Scene;
use crate::config::field::Field;
use crate::config::limits::{KeyPart, Limit};
use crate::request::graphql;
use ipnet::IpNet;
use serde_json::Value;
use std::net::IpAddr;

/// The value of a field as text. `None` where the request has none, and for values that are no text, number or flag.
pub(super) fn text(field: &Field, scene: &Scene<'_>) -> Option<Vec<u8>> {
    match field {
        Field::Claim(name) => scene.caller.claims()?.get(name).and_then(plain),
        Field::Header(name) => scene.request.headers.first(name).map(<[u8]>::to_vec),
        Field::Cookie(name) => scene.request.headers.cookies(name).next().map(<[u8]>::to_vec),
        Field::Query(name) => scene.request.parameter(name),
        Field::Body(path) => scene.body?.get(path).and_then(plain),
        Field::GraphqlOperation => graphql_operation(scene),
    }
}

/// Whether a field has one of the allowed values.
pub(super) fn matches(field: &Field, allowed: &[String], scene: &Scene<'_>) -> bool {
    match field {
        // A claim may be a list of values.
        Field::Claim(name) => scene.caller.claims().is_some_and(|claims| claims.matches(name, allowed)),
        _ => text(field, scene).is_some_and(|value| allowed.iter().any(|one| one.as_bytes() == value)),
    }
}

fn plain(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Number(number) => Some(number.to_string().into_bytes()),
        Value::Bool(flag) => Some(flag.to_string().into_bytes()),
        _ => None,
    }
}

fn graphql_operation(scene: &Scene<'_>) -> Option<Vec<u8>> {
    let sent = |name: &str| match scene.body?.get(&[name]) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => String::from_utf8(scene.request.parameter(name)?).ok(),
    };
    let named = sent("operationName").filter(|name| !name.is_empty());
    let name = named.or_else(|| graphql::first_operation(&sent("query")?).map(str::to_owned));
    name.map(String::into_bytes)
}

/// The parts of the key, each with its length before it, so that no two lists of parts look the same.
pub(super) fn key(limit: &Limit, scene: &Scene<'_>) -> Vec<u8> {
    let mut key = Vec::new();
    for part in &limit.key {
        let (tag, value) = match value(part, scene) {
            Some(value) => (1, value),
            None => (0, source(scene.request.source.as_ref(), limit.prefix_v4, limit.prefix_v6)),
        };
        key.push(tag);
        key.extend(value.len().to_le_bytes());
        key.extend(value);
    }
    key
}

/// `None` where the request has no such part.
fn value(part: &KeyPart, scene: &Scene<'_>) -> Option<Vec<u8>> {
    match part {
        KeyPart::Source => None,
        KeyPart::Subject => subject(scene),
        KeyPart::Client => ["client_id", "azp"].iter().find_map(|name| plain(scene.caller.claims()?.get(name)?)),
        KeyPart::Any(fields) => fields.iter().find_map(|field| text(field, scene)),
        KeyPart::Field(field) => text(field, scene),
        KeyPart::Route => Some(scene.route.name.as_bytes().to_vec()),
        KeyPart::Method => Some(scene.request.method().as_bytes().to_vec()),
    }
}

/// Issuer and subject of a verified token: a subject is only unique with its issuer (RFC 7519 §4.1.2).
pub(super) fn subject(scene: &Scene<'_>) -> Option<Vec<u8>> {
    let subject = plain(scene.caller.claims()?.get("sub")?)?;
    Some([scene.caller.issuer().as_bytes(), b"\0", &subject].concat())
}

/// The network that a source belongs to: one subscriber has a whole IPv6 /64.
pub(super) fn source(address: Option<&IpAddr>, prefix_v4: u8, prefix_v6: u8) -> Vec<u8> {
    let Some(address) = address else { return b"unknown".to_vec() };
    let prefix = if address.is_ipv4() { prefix_v4 } else { prefix_v6 };
    let network = IpNet::new(*address, prefix).map(|network| network.network());
    match network.unwrap_or(*address) {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
