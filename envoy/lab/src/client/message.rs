//! What a test sends and what it gets back: plain lists, in order, as bytes.
//!
//! Header values are bytes, not text, because what a filter does with bytes that are not text is worth a test.

use anyhow::{Context, Result};
use serde_json::Value;
use std::num::NonZeroUsize;

/// One request. Start with [`Request::get`] or [`Request::new`] and add to it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query, as they are to be sent.
    pub path: String,
    /// Headers in order; repeated names are allowed. `host` becomes `:authority` on HTTP/2.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// Trailers after the body; with HTTP/1.1 they are announced in a `trailer` header.
    pub trailers: Vec<(String, String)>,
    /// Send the body in pieces of this size and without a content-length; `None` sends it whole, with one.
    pub piece_bytes: Option<NonZeroUsize>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, path: &str) -> Self {
        Request { method: method.into(), path: path.into(), ..Request::default() }
    }

    /// A `GET`.
    pub fn get(path: &str) -> Self {
        Request::new("GET", path)
    }

    /// A `POST`.
    pub fn post(path: &str) -> Self {
        Request::new("POST", path)
    }

    /// Adds a header; values may hold any byte HTTP can carry.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// Adds `authorization: Bearer <token>`.
    pub fn bearer(self, token: impl AsRef<str>) -> Self {
        self.header("authorization", format!("Bearer {}", token.as_ref()))
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a JSON body and its content type.
    pub fn json(self, value: &Value) -> Self {
        self.header("content-type", "application/json").body(value.to_string())
    }

    /// Adds a trailer.
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.into(), value.into()));
        self
    }

    /// Sends the body in pieces of so many bytes (0 counts as 1) and without a content-length.
    pub fn chunked(mut self, piece_bytes: usize) -> Self {
        self.piece_bytes = Some(NonZeroUsize::new(piece_bytes).unwrap_or(NonZeroUsize::MIN));
        self
    }
}

/// One whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, without its framing.
    pub body: Vec<u8>,
    /// Trailers, names in lower case.
    pub trailers: Vec<(String, String)>,
}

impl Response {
    /// The first header of this name, if its value is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The first trailer of this name.
    pub fn trailer(&self, name: &str) -> Option<&str> {
        let (_, value) = self.trailers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// The body as JSON; the error shows the body.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("{} with a body that is no JSON: {}", self.status, self.text()))
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
