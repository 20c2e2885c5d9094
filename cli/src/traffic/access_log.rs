//! Envoy's access log in JSON, one object a line: the format that `envoy/` ships, and the names of Istio's default one.
//!
//! A line needs a method and a path. With the source, the host and `request_headers` (an object) more can be judged.

use super::{lines, object, time, Each, Exchange, Line};
use anyhow::Result;
use portcullis::request::source_address;
use serde_json::Value;
use std::io::BufRead;

const TIME: &[&str] = &["time", "start_time", "timestamp", "@timestamp"];
const METHOD: &[&str] = &["method", ":method", "http.request.method"];
const PATH: &[&str] = &["path", ":path", "url.path"];
const AUTHORITY: &[&str] = &["authority", ":authority", "host"];
const SOURCE: &[&str] = &[
    "source",
    "downstream_remote_address",
    "downstream_remote_address_without_port",
    "client_ip",
    "source.address",
];
const STATUS: &[&str] = &["response_code", "status", "http.response.status_code"];
const RECEIVED: &[&str] = &["bytes_received", "http.request.body.bytes"];
const SENT: &[&str] = &["bytes_sent", "http.response.body.bytes"];
const FIELDS: &[&str] = &["request_headers", "headers"];

/// Fields of the log that are header fields of the request.
const SINGLE: [(&str, &str); 4] = [
    ("user_agent", "user-agent"),
    ("request_id", "x-request-id"),
    ("content_type", "content-type"),
    ("referer", "referer"),
];

pub(super) fn read(reader: impl BufRead, each: &mut Each<'_>) -> Result<u64> {
    lines(reader, &mut |line| match object(line).as_ref().and_then(exchange) {
        Some(exchange) => each(exchange).map(|()| Line::Read),
        None => Ok(Line::Useless),
    })
}

fn exchange(line: &Value) -> Option<Exchange> {
    let (method, path) = (text(line, METHOD)?, text(line, PATH)?);
    let mut fields = Vec::new();
    for (name, value) in member(line, FIELDS).and_then(Value::as_object).into_iter().flatten() {
        fields.extend(
            value.as_str().filter(|value| *value != "-").map(|value| (name.to_ascii_lowercase(), value.into())),
        );
    }
    let has_fields = !fields.is_empty();
    for (name, field) in SINGLE {
        let value = text(line, &[name]).filter(|_| !fields.iter().any(|(known, _)| known == field));
        fields.extend(value.map(|value| (field.to_owned(), value.into_bytes())));
    }
    let mut exchange = Exchange {
        at: text(line, TIME).as_deref().and_then(time),
        source: text(line, SOURCE).as_deref().and_then(source_address),
        fields,
        lacks_body: number(line, RECEIVED).is_some_and(|bytes| bytes > 0),
        has_fields,
        status: number(line, STATUS).and_then(|status| u16::try_from(status).ok()).filter(|status| *status > 0),
        answer_bytes: number(line, SENT).unwrap_or_default(),
        ..Exchange::default()
    };
    let authority = text(line, AUTHORITY).unwrap_or_else(|| "unknown.invalid".to_owned());
    exchange.head(&method, "https", &authority, &path);
    Some(exchange)
}

fn member<'a>(line: &'a Value, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| line.get(*name)).filter(|value| !value.is_null())
}

/// Envoy writes a hyphen for what is not there.
fn text(line: &Value, names: &[&str]) -> Option<String> {
    let text = names.iter().find_map(|name| line.get(*name)?.as_str())?;
    (text != "-" && !text.is_empty()).then(|| text.to_owned())
}

fn number(line: &Value, names: &[&str]) -> Option<u64> {
    let value = member(line, names)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
