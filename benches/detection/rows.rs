//! The rows of the data set, and each as the request that would carry it.

use anyhow::{Context, Result};
use portcullis::request::headers::Headers;
use portcullis::request::Request;
use serde::Deserialize;
use serde_json::{json, Value};
use std::fs;
use std::path::Path;

/// One value that a client might send, or one whole request.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    pub id: String,
    pub class: String,
    pub label: String,
    pub place: String,
    pub payload: String,
    pub request: Option<Sent>,
}

/// A request as it is sent.
#[derive(Debug, Clone, Deserialize)]
pub struct Sent {
    pub method: String,
    pub uri: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Row {
    pub fn is_attack(&self) -> bool {
        self.label == "attack"
    }

    /// Whether the cross-check may be fitted to it: four rows of five, by a hash of the id.
    pub fn is_for_training(&self) -> bool {
        !self.hash().is_multiple_of(5)
    }

    /// FNV-1a: the same on every machine.
    pub fn hash(&self) -> u64 {
        self.id
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }

    /// The request that carries it: its own, or one that has the value where it belongs.
    pub fn sent(&self) -> Sent {
        if let Some(request) = &self.request {
            return request.clone();
        }
        let sent = |method: &str, uri: String, kind: &str, body: String| Sent {
            method: method.to_owned(),
            uri,
            headers: if kind.is_empty() { Vec::new() } else { vec![("content-type".into(), kind.into())] },
            body,
        };
        let payload = self.payload.as_str();
        match self.place.as_str() {
            "path" => sent("GET", target(payload), "", String::new()),
            "header" => {
                let mut sent = sent("GET", "/".into(), "", String::new());
                sent.headers.push(("x-value".into(), payload.into()));
                sent
            }
            "json" | "graphql" => sent("POST", "/".into(), "application/json", document(payload)),
            "body" if payload.trim_start().starts_with("<?xml") || payload.trim_start().starts_with("<xsl") => {
                sent("POST", "/".into(), "application/xml", payload.into())
            }
            "body" if payload.trim_start().starts_with('{') => {
                sent("POST", "/".into(), "application/json", document(payload))
            }
            "body" => sent(
                "POST",
                "/".into(),
                "application/x-www-form-urlencoded",
                format!("value={}", escaped(payload)),
            ),
            _ => sent("GET", format!("/?value={}", escaped(payload)), "", String::new()),
        }
    }
}

impl Sent {
    pub fn request(&self) -> Request {
        let pseudo = [
            (":method", self.method.as_str()),
            (":path", &self.uri),
            (":authority", "shop.example"),
            (":scheme", "https"),
        ];
        let fields = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fields: Vec<(String, &str)> =
            pseudo.into_iter().chain(fields).map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        Request::new(Headers::from_pairs(fields.iter().map(|(name, value)| (name.as_str(), *value))), || None)
    }
}

/// A payload that is a JSON document is the body; any other is a member's value.
fn document(payload: &str) -> String {
    match serde_json::from_str::<Value>(payload) {
        Ok(Value::Object(_) | Value::Array(_)) => payload.to_owned(),
        // What broken or duplicated documents there are is sent as it is.
        _ if payload.trim_start().starts_with('{') && payload.contains("\":") => payload.to_owned(),
        _ => json!({ "value": payload }).to_string(),
    }
}

fn escaped(payload: &str) -> String {
    payload
        .bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

/// A path with its query, without the bytes that no client can send.
fn target(payload: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic();
    let target: String = payload
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    if target.starts_with('/') {
        target
    } else {
        format!("/{target}")
    }
}

/// Reads a `.jsonl` file.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| line.chars().take(80).collect::<String>()))
        .collect()
}
