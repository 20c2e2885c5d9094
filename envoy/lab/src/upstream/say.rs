//! An answer that the request itself describes, in a header field as JSON: for tests of what is done to answers.
//!
//! Bound: what a header field holds; what is longer is a short text many times over.

use crate::body::Frames;
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Response};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The field that describes the answer.
pub const FIELD: &str = "x-answer";

/// What is to be answered.
#[derive(Debug, Clone, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The status; 200 unless given.
    #[serde(default = "ok")]
    pub status: u16,
    /// Header fields. The content type is JSON unless given.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default)]
    pub body: String,
    /// What comes after it, so many times, and then `end`.
    #[serde(default)]
    pub more: String,
    /// How many times.
    #[serde(default)]
    pub times: usize,
    /// The end of the body.
    #[serde(default)]
    pub end: String,
    /// Sends it in pieces of so many bytes, without a content-length.
    pub piece_bytes: Option<usize>,
    /// Time between two pieces, in milliseconds.
    #[serde(default)]
    pub pace_ms: u64,
    /// Trailers; with them there is no content-length.
    #[serde(default)]
    pub trailers: BTreeMap<String, String>,
}

const fn ok() -> u16 {
    200
}

impl Default for Answer {
    fn default() -> Self {
        Self::json("")
    }
}

impl Answer {
    /// A JSON text with status 200.
    pub fn json(body: &str) -> Self {
        Self {
            status: ok(),
            headers: BTreeMap::new(),
            body: body.to_owned(),
            more: String::new(),
            times: 0,
            end: String::new(),
            piece_bytes: None,
            pace_ms: 0,
            trailers: BTreeMap::new(),
        }
    }

    /// With a header field.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The whole body.
    pub fn text(&self) -> String {
        format!("{}{}{}", self.body, self.more.repeat(self.times), self.end)
    }

    /// The value of [`FIELD`]: JSON in ASCII.
    pub fn field(&self) -> String {
        let text = serde_json::to_string(self).expect("an answer is JSON");
        let escaped = |c: char| match c {
            c if c.is_ascii() => c.to_string(),
            c => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
        };
        text.chars().map(escaped).collect()
    }

    /// Its header fields as they are sent.
    pub fn fields(&self) -> BTreeMap<String, String> {
        let mut fields = self.headers.clone();
        fields.entry("content-type".to_owned()).or_insert_with(|| "application/json".to_owned());
        fields
    }
}

/// The answer that a field describes.
pub(super) fn answer(field: &[u8]) -> Result<Response<Frames>, String> {
    response(&serde_json::from_slice(field).map_err(|error| error.to_string())?)
}

/// An answer as it is sent.
pub(super) fn response(answer: &Answer) -> Result<Response<Frames>, String> {
    let text = Bytes::from(answer.text());
    let mut body = match answer.piece_bytes {
        None => Frames::whole(text),
        Some(size) => Frames::pieces(text.chunks(size.max(1)).map(Bytes::copy_from_slice)),
    };
    if !answer.trailers.is_empty() {
        body = body.with_trailers(map(&answer.trailers)?);
    }
    if answer.pace_ms > 0 {
        body = body.paced(Duration::from_millis(answer.pace_ms));
    }
    let mut response = Response::new(body);
    *response.status_mut() = answer.status.try_into().map_err(|_| "no status".to_owned())?;
    *response.headers_mut() = map(&answer.fields())?;
    Ok(response)
}

fn map(fields: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let pair = |(name, value): (&String, &String)| {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
        Ok((name, HeaderValue::from_str(value).map_err(|error| error.to_string())?))
    };
    fields.iter().map(pair).collect()
}
