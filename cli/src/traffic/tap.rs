//! What Envoy's tap filter writes: `HttpBufferedTrace` messages in JSON, one after the other.

use super::{time, Each, Exchange};
use anyhow::{bail, Context, Result};
use base64::prelude::{Engine as _, BASE64_STANDARD};
use serde_json::Value;
use std::io::BufRead;

pub(super) fn read(reader: impl BufRead, each: &mut Each<'_>) -> Result<u64> {
    let mut skipped = 0_u64;
    for trace in serde_json::Deserializer::from_reader(reader).into_iter::<Value>() {
        let trace = trace.context("is no trace of Envoy's tap filter")?;
        if trace.get("http_streamed_trace_segment").is_some() {
            bail!("has streamed traces; set `streaming: false` in the tap's output");
        }
        match trace.get("http_buffered_trace").or_else(|| trace.get("httpBufferedTrace")).and_then(exchange) {
            Some(exchange) => each(exchange)?,
            None => skipped = skipped.saturating_add(1),
        }
    }
    Ok(skipped)
}

fn exchange(trace: &Value) -> Option<Exchange> {
    let (request, response) = (trace.get("request")?, trace.get("response"));
    let fields = fields(request);
    let named = |name: &str| {
        let value = fields.iter().find(|(field, _)| field == name).map(|(_, value)| value);
        value.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    let (method, path) = (named(":method")?, named(":path")?);
    let (scheme, authority) = (named(":scheme"), named(":authority").unwrap_or_default());
    let body = body(request);
    let mut answer_fields = response.map(self::fields).unwrap_or_default();
    let status = answer_fields.iter().find(|(name, _)| name == ":status");
    let status = status.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
    answer_fields.retain(|(name, _)| !name.starts_with(':'));
    let answer = response.and_then(self::body);
    let received = request.get("headers_received_time").and_then(Value::as_str);
    let remote = trace.pointer("/downstream_connection/remote_address/socket_address/address");
    let truncated = request.pointer("/body/truncated") == Some(&Value::Bool(true));
    let mut exchange = Exchange {
        at: received.and_then(time),
        source: remote.and_then(Value::as_str).and_then(|address| address.parse().ok()),
        lacks_body: truncated,
        has_fields: true,
        status,
        answer_fields,
        answer_bytes: answer.as_ref().and_then(|answer| u64::try_from(answer.len()).ok()).unwrap_or_default(),
        answer,
        body: body.unwrap_or_default(),
        fields,
    };
    exchange.head(&method, scheme.as_deref().unwrap_or("https"), &authority, &path);
    Some(exchange)
}

fn fields(message: &Value) -> Vec<(String, Vec<u8>)> {
    let list = message.get("headers").and_then(Value::as_array).into_iter().flatten();
    let field = |field: &Value| {
        let name = field.get("key")?.as_str()?.to_ascii_lowercase();
        let raw = field.get("raw_value").and_then(Value::as_str).and_then(|raw| BASE64_STANDARD.decode(raw).ok());
        let value = raw.or_else(|| Some(field.get("value")?.as_str()?.as_bytes().to_vec()))?;
        Some((name, value))
    };
    list.filter_map(field).collect()
}

fn body(message: &Value) -> Option<Vec<u8>> {
    let body = message.get("body")?;
    let bytes = body.get("as_bytes").and_then(Value::as_str).and_then(|bytes| BASE64_STANDARD.decode(bytes).ok());
    bytes.or_else(|| Some(body.get("as_string")?.as_str()?.as_bytes().to_vec()))
}
