//! What a rule's field says of a request, and the key that a request is counted under.

use super::encoding::encoded;
use super::view::View;
use super::Scene;
use crate::config::field::Field;
use crate::config::keys::{Computed, KeyPart};
use crate::config::limits::Limit;
use crate::expression::Value as Computable;
use crate::request::graphql;
use ipnet::IpNet;
use serde_json::{Number, Value};
use std::borrow::Cow;
use std::net::IpAddr;

/// Every value of a field as text: a header field, cookie or parameter may be repeated.
pub(in crate::stages) fn values(field: &Field, scene: &Scene<'_>) -> Vec<Vec<u8>> {
    let headers = &scene.request.headers;
    match field {
        Field::Claim(name) => {
            scene.caller.claims().and_then(|claims| plain(claims.get(name)?)).into_iter().collect()
        }
        Field::Header(name) => headers.all(name).map(<[u8]>::to_vec).collect(),
        Field::Cookie(name) => headers.cookies(name).map(<[u8]>::to_vec).collect(),
        Field::Query(name) => scene.request.parameters(name).collect(),
        Field::Body(path) => scene.body.and_then(|body| plain(body.get(path)?)).into_iter().collect(),
        Field::GraphqlOperation => graphql_operations(scene),
    }
}

/// The one value of a field. `None` where the request has none, or several: services differ in which of them they take.
pub(in crate::stages) fn text(field: &Field, scene: &Scene<'_>) -> Option<Vec<u8>> {
    one(field, scene).map(Cow::into_owned)
}

/// The same, not copied where it stands in the request or in a claim.
fn one<'a>(field: &'a Field, scene: &Scene<'a>) -> Option<Cow<'a, [u8]>> {
    let headers = &scene.request.headers;
    match field {
        Field::Claim(name) => plain_text(scene.caller.claims()?.get(name)?),
        Field::Header(name) => only(headers.all(name)).map(Cow::Borrowed),
        Field::Cookie(name) => only(headers.cookies(name)).map(Cow::Borrowed),
        _ => only(values(field, scene).into_iter()).map(Cow::Owned),
    }
}

fn only<T>(mut values: impl Iterator<Item = T>) -> Option<T> {
    values.next().filter(|_| values.next().is_none())
}

/// Whether a field is there more than once.
pub(in crate::stages) fn is_repeated(field: &Field, scene: &Scene<'_>) -> bool {
    values(field, scene).len() > 1
}

/// Whether a field has one of the allowed values. A body that could not be read may have any: nobody escapes a condition by
/// making it unreadable.
pub(super) fn matches(field: &Field, allowed: &[String], scene: &Scene<'_>) -> bool {
    if field.needs_body() && scene.body.is_some_and(|body| body.fault().is_some()) {
        return true;
    }
    match field {
        // A claim may be a list of values.
        Field::Claim(name) => scene.caller.claims().is_some_and(|claims| claims.matches(name, allowed)),
        _ => values(field, scene).iter().any(|value| allowed.iter().any(|one| one.as_bytes() == value)),
    }
}

/// The text of a value that has one.
pub(in crate::stages) fn plain(value: &Value) -> Option<Vec<u8>> {
    plain_text(value).map(Cow::into_owned)
}

fn plain_text(value: &Value) -> Option<Cow<'_, [u8]>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text.as_bytes())),
        Value::Number(number) => Some(Cow::Owned(number_text(number).into_bytes())),
        Value::Bool(flag) => Some(Cow::Borrowed(if *flag { b"true" } else { b"false" })),
        _ => None,
    }
}

/// `7`, `7.0` and `7e0` are one number to services, so they are one name here.
pub(in crate::stages) fn number_text(number: &Number) -> String {
    let whole =
        number.as_f64().filter(|_| number.is_f64()).filter(|value| value.fract() == 0.0 && value.abs() < 9e15);
    whole.map_or_else(|| number.to_string(), |value| format!("{value:.0}"))
}

/// The operation of the request, or of each request of a batch.
fn graphql_operations(scene: &Scene<'_>) -> Vec<Vec<u8>> {
    let document = scene.body.and_then(|body| body.get::<&str>(&[]));
    let in_body: Vec<Option<&Value>> = match document {
        Some(Value::Array(batch)) => batch.iter().map(Some).collect(),
        document => vec![document],
    };
    in_body.into_iter().filter_map(|document| graphql_operation(document, scene)).map(String::into_bytes).collect()
}

fn graphql_operation(document: Option<&Value>, scene: &Scene<'_>) -> Option<String> {
    let sent = |name: &str| match document.and_then(|document| document.get(name)) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => String::from_utf8(scene.request.parameters(name).next()?).ok(),
    };
    let named = sent("operationName").filter(|name| !name.is_empty());
    named.or_else(|| graphql::first_operation(&sent("query")?).map(str::to_owned))
}

/// Writes the parts of the key, each with its length before it, so that no two lists of parts look the same.
pub(super) fn write_key(limit: &Limit, scene: &Scene<'_>, key: &mut Vec<u8>) {
    key.clear();
    // Most keys fit, so that they do not grow step by step.
    key.reserve(64);
    let mut push = |tag: u8, value: &[u8]| {
        key.push(tag);
        key.extend(value.len().to_le_bytes());
        key.extend_from_slice(value);
    };
    for part in &limit.key {
        match value(part, scene) {
            Some(value) => push(1, &value),
            None => push(0, Network::of(scene.request.source.as_ref(), limit.prefix_v4, limit.prefix_v6).bytes()),
        }
    }
}

/// Whom a part names, if the request says so. One subscriber has a whole IPv6 /64.
pub(in crate::stages) fn actor(part: &KeyPart, scene: &Scene<'_>) -> Option<Vec<u8>> {
    match part {
        KeyPart::Source => scene.request.source.as_ref().map(|address| source(Some(address), 32, 64)),
        part => value(part, scene).filter(|value| !value.is_empty()).map(Cow::into_owned),
    }
}

/// `None` where the request has no such part.
fn value<'a>(part: &'a KeyPart, scene: &Scene<'a>) -> Option<Cow<'a, [u8]>> {
    match part {
        KeyPart::Source => None,
        KeyPart::Subject => subject(scene).map(Cow::Owned),
        KeyPart::Client => {
            let claims = scene.caller.claims()?;
            ["client_id", "azp"].iter().find_map(|name| plain_text(claims.get(name)?))
        }
        KeyPart::Any(fields) => fields.iter().find_map(|field| one(field, scene)),
        KeyPart::Field(field) => one(field, scene),
        KeyPart::Computed(own) => computed(own, scene).map(Cow::Owned),
        KeyPart::Route => Some(Cow::Borrowed(scene.route.name.as_bytes())),
        KeyPart::Method => Some(Cow::Borrowed(method(scene.request.method()).as_bytes())),
    }
}

/// What has no value, null and an empty text are as good as absent.
fn computed(own: &Computed, scene: &Scene<'_>) -> Option<Vec<u8>> {
    match own.expression.evaluate(&View::of_keys(scene)).ok()? {
        Computable::Null => None,
        Computable::Text(text) if text.is_empty() => None,
        value => Some(encoded(&value)),
    }
}

/// A method as it is counted: `HEAD` with `GET`, and all that are not of HTTP (RFC 9110 §9, RFC 5789) as one, or whoever
/// invents methods would have a count for each.
pub(in crate::stages) fn method(method: &str) -> &str {
    match method {
        "HEAD" => "GET",
        "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "TRACE" | "CONNECT" => method,
        _ => "other",
    }
}

/// Issuer and subject of a verified token: a subject is only unique with its issuer (RFC 7519 §4.1.2).
pub(in crate::stages) fn subject(scene: &Scene<'_>) -> Option<Vec<u8>> {
    let subject = plain(scene.caller.claims()?.get("sub")?)?;
    Some([scene.caller.issuer().as_bytes(), b"\0", &subject].concat())
}

/// The network that a source belongs to: one subscriber has a whole IPv6 /64.
pub(in crate::stages) fn source(address: Option<&IpAddr>, prefix_v4: u8, prefix_v6: u8) -> Vec<u8> {
    Network::of(address, prefix_v4, prefix_v6).bytes().to_vec()
}

/// The same as bytes that need no room of their own.
enum Network {
    Unknown,
    V4([u8; 4]),
    V6([u8; 16]),
}

impl Network {
    fn of(address: Option<&IpAddr>, prefix_v4: u8, prefix_v6: u8) -> Self {
        let Some(address) = address else { return Self::Unknown };
        let prefix = if address.is_ipv4() { prefix_v4 } else { prefix_v6 };
        let network = IpNet::new(*address, prefix).map(|network| network.network());
        match network.unwrap_or(*address) {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => Self::V6(address.octets()),
        }
    }

    const fn bytes(&self) -> &[u8] {
        match self {
            Self::Unknown => b"unknown",
            Self::V4(octets) => octets,
            Self::V6(octets) => octets,
        }
    }
}
