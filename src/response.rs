//! The upstream's answer as the stages see it: its head, and as much of its body as was asked for.
//!
//! [`Head::form`] says what can be read at all. Never looked into are streams whose end nobody knows (server-sent events,
//! gRPC, upgrades) and types that are not text. [`Content`] is the body, read once for all who ask: as bytes, and as one JSON
//! document ([`Content::document`]), which is parsed when the first one asks for it.
//!
//! Bounds: those of who asks for the body, [`BOUNDS`]. Not covered: compressed bodies, which are told as such.

use crate::json::{self, Bounds};
use crate::request::headers::Headers;
use serde_json::Value;
use std::cell::OnceCell;

/// What a document may contain. Lists of answers are longer than requests are.
pub const BOUNDS: Bounds = Bounds { depth: 64, values: 200_000 };

/// How the types of bodies begin that are not text.
const OPAQUE: &[&str] = &[
    "image/",
    "audio/",
    "video/",
    "font/",
    "application/octet-stream",
    "application/pdf",
    "application/zip",
    "application/gzip",
    "application/wasm",
    "application/x-protobuf",
    "application/protobuf",
    "multipart/",
];

/// How the types begin of what flows on and on.
const STREAMS: &[&str] = &["text/event-stream", "application/grpc"];

/// Types of one JSON document a line.
const LINES: &[&str] =
    &["application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-seq"];

/// What became of one response.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// The status code the client received. `None` when there was none (the client went away).
    pub status: Option<u16>,
    /// Bytes of its body.
    pub bytes: u64,
}

/// The head of an answer.
#[derive(Debug)]
pub struct Head {
    status: u16,
    fields: Headers,
    has_body: bool,
}

/// What the body of an answer is.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Form {
    /// There is none: `HEAD`, 204, 304, or nothing was sent.
    None,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Lines,
    /// Any other text.
    Text,
    /// No text: an image, an archive, a download.
    Opaque,
    /// It flows on and on, and both sides may write: server-sent events, gRPC, an upgrade.
    Stream,
}

/// Why a body could not be read, or not all of it.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unread {
    /// Longer than may be held back or copied.
    TooLong,
    /// It did not come in time.
    Late,
    /// Compressed, or coded in another way.
    Coded,
    /// A part of something (206).
    Partial,
    /// The host did not hand it over.
    Unavailable,
}

/// The body of an answer, as far as it was read.
#[derive(Debug)]
pub struct Content<'a> {
    /// The head it belongs to.
    pub head: &'a Head,
    /// What was read: all of it, or its beginning.
    pub bytes: &'a [u8],
    /// Why that is not all, or not what it says.
    pub unread: Option<Unread>,
    document: OnceCell<Option<Value>>,
}

impl Head {
    /// A head, by its fields and whether a body follows. `None` without a status.
    pub fn new(fields: Headers, has_body: bool) -> Option<Self> {
        let status = std::str::from_utf8(fields.first(":status")?).ok()?.parse().ok()?;
        Some(Self { status, fields, has_body })
    }

    /// The status code.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Its fields.
    pub const fn fields(&self) -> &Headers {
        &self.fields
    }

    /// What its body is.
    pub fn form(&self) -> Form {
        let kind = self.media_type();
        let begins = |starts: &[&str]| starts.iter().any(|start| kind.starts_with(start.as_bytes()));
        if self.status == 101 || begins(STREAMS) {
            Form::Stream
        } else if !self.has_body {
            Form::None
        } else if LINES.iter().any(|line| kind == line.as_bytes()) {
            Form::Lines
        } else if kind == b"application/json" || kind == b"text/json" || kind.ends_with(b"+json") {
            Form::Json
        } else if begins(OPAQUE) {
            Form::Opaque
        } else {
            Form::Text
        }
    }

    /// Why its body cannot be read, whatever it is.
    pub fn obstacle(&self) -> Option<Unread> {
        let is_plain = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"identity");
        let codings = self.fields.all("content-encoding").flat_map(|line| line.split(|byte| *byte == b','));
        if codings.into_iter().any(|coding| !is_plain(coding)) {
            Some(Unread::Coded)
        } else if self.status == 206 {
            Some(Unread::Partial)
        } else {
            None
        }
    }

    /// The length that it announces.
    pub fn announced_bytes(&self) -> Option<u64> {
        std::str::from_utf8(self.fields.first("content-length")?).ok()?.trim().parse().ok()
    }

    /// Lower case and without parameters (RFC 9110 §8.3.1).
    fn media_type(&self) -> Vec<u8> {
        let written = self.fields.first("content-type").unwrap_or_default();
        let kind = written.split(|byte| *byte == b';').next().unwrap_or_default();
        kind.trim_ascii().to_ascii_lowercase()
    }
}

impl Unread {
    /// Its name in receipts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too long",
            Self::Late => "not there in time",
            Self::Coded => "compressed",
            Self::Partial => "partial",
            Self::Unavailable => "not handed over",
        }
    }
}

impl<'a> Content<'a> {
    /// A body, all of it or its beginning.
    pub const fn new(head: &'a Head, bytes: &'a [u8], unread: Option<Unread>) -> Self {
        Self { head, bytes, unread, document: OnceCell::new() }
    }

    /// The one JSON document that it is, read strictly ([`crate::json`]). `None` for anything else, and for what was not read
    /// whole. Parsed once, whoever asks.
    pub fn document(&self) -> Option<&Value> {
        let is_whole = self.unread.is_none() && self.head.form() == Form::Json;
        let parse = || is_whole.then(|| json::parse(self.bytes, BOUNDS).ok()).flatten();
        self.document.get_or_init(parse).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(pairs: &[(&str, &str)]) -> Head {
        Head::new(Headers::from_pairs(pairs.iter().copied()), true).unwrap()
    }

    #[test]
    fn the_form_follows_from_status_type_and_body() {
        for (status, kind, form) in [
            ("200", "application/json", Form::Json),
            ("500", "Application/Problem+JSON; charset=utf-8", Form::Json),
            ("200", "application/x-ndjson", Form::Lines),
            ("200", "text/html", Form::Text),
            ("200", "application/xml", Form::Text),
            ("200", "image/png", Form::Opaque),
            ("200", "application/octet-stream", Form::Opaque),
            ("200", "text/event-stream;charset=utf-8", Form::Stream),
            ("200", "application/grpc-web+proto", Form::Stream),
            ("101", "text/plain", Form::Stream),
        ] {
            assert_eq!(head(&[(":status", status), ("content-type", kind)]).form(), form, "{status} {kind}");
        }
        assert_eq!(head(&[(":status", "200")]).form(), Form::Text, "what says nothing may be text");
        let bare = Headers::from_pairs([(":status", "200"), ("content-type", "application/json")]);
        assert_eq!(Head::new(bare, false).unwrap().form(), Form::None);
        assert!(Head::new(Headers::from_pairs([("a", "b")]), true).is_none());
        assert!(Head::new(Headers::from_pairs([(":status", "2x")]), true).is_none());
    }

    #[test]
    fn what_is_coded_or_partial_cannot_be_read() {
        let coded = |coding: &str| head(&[(":status", "200"), ("content-encoding", coding)]).obstacle();
        assert_eq!((coded("gzip"), coded("identity, br")), (Some(Unread::Coded), Some(Unread::Coded)));
        assert_eq!((coded("Identity"), head(&[(":status", "200")]).obstacle()), (None, None));
        assert_eq!(head(&[(":status", "206")]).obstacle(), Some(Unread::Partial));
    }

    #[test]
    fn the_document_is_strict_and_whole() {
        let json = head(&[(":status", "200"), ("content-type", "application/json")]);
        let read = |bytes: &[u8], unread| Content::new(&json, bytes, unread).document().cloned();
        assert_eq!(read(br#"{"a": [1]}"#, None), Some(serde_json::json!({"a": [1]})));
        assert_eq!(read(br#"{"a": 1, "a": 2}"#, None), None);
        assert_eq!(read(b"{}", Some(Unread::TooLong)), None);
        let text = head(&[(":status", "200"), ("content-type", "text/plain")]);
        assert_eq!(Content::new(&text, b"{}", None).document(), None);
    }
}
