//! The upstream's answer as the stages see it: its head, and as much of its body as was asked for.
//!
//! [`Head::form`] says what can be read at all. Never looked into are streams whose end nobody knows (server-sent events,
//! gRPC, upgrades) and types that are not text. [`Head::obstacle`] says why a body cannot be read. [`Content`] is the body, read once for all who ask: as bytes, and as one JSON
//! document ([`Content::document`]), which is parsed when the first one asks for it.
//!
//! Bounds: those of who asks for the body, [`BOUNDS`]. Not covered: compressed bodies and other character sets, which are told as such.

use crate::json::{self, Bounds};
use crate::request::headers::Headers;
use serde_json::Value;
use std::cell::OnceCell;

/// What a document may contain. Lists of answers are longer than requests are.
pub const BOUNDS: Bounds = Bounds { depth: 64, values: 200_000 };

/// How the types begin of what is shown or played: never looked into, and expected where no data are.
const MEDIA: &[&str] = &["image/", "audio/", "video/", "font/", "model/", "application/wasm"];

/// How the types begin of data that are not text.
const OPAQUE: &[&str] = &[
    "multipart/",
    "application/octet-stream",
    "application/pdf",
    "application/zip",
    "application/gzip",
    "application/x-gzip",
    "application/x-tar",
    "application/x-7z",
    "application/x-bzip",
    "application/zstd",
    "application/java-archive",
    "application/x-java-serialized",
    "application/protobuf",
    "application/x-protobuf",
    "application/vnd.google.protobuf",
    "application/cbor",
    "application/msgpack",
    "application/x-msgpack",
    "application/vnd.msgpack",
    "application/bson",
    "application/avro",
    "avro/",
    "application/x-thrift",
    "application/vnd.apache.",
    "application/vnd.openxmlformats",
    "application/vnd.ms-",
    "application/msword",
    "application/vnd.oasis.opendocument",
    "application/x-amf",
    "application/fastinfoset",
];

/// How their types end.
const OPAQUE_ENDS: &[&str] =
    &["+protobuf", "+cbor", "+cbor-seq", "+msgpack", "+zip", "+gzip", "+fastinfoset", "+der"];

/// How the character sets begin in which ASCII is ASCII.
const CHARSETS: &[&str] =
    &["utf-8", "utf8", "us-ascii", "ascii", "iso-8859-", "iso8859-", "latin1", "windows-125", "cp125"];

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
    form: Form,
    /// Whether it is not the service's: the connection broke when that had the request.
    pub broke_off: bool,
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
    /// An image, sound, a font: no data.
    Media,
    /// Data that are no text: an archive, a document, protocol buffers.
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
    /// A part of something (206), or what is different in it (226).
    Partial,
    /// In a character set whose bytes are not those of ASCII.
    Charset,
    /// No text.
    Opaque,
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
        let form = form(status, &media_type(&fields), has_body);
        Some(Self { status, fields, form, broke_off: false })
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
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Why its body cannot be read. `None` where there is none.
    pub fn obstacle(&self) -> Option<Unread> {
        match self.form() {
            Form::None => return None,
            Form::Media | Form::Opaque | Form::Stream => return Some(Unread::Opaque),
            Form::Json | Form::Lines | Form::Text => {}
        }
        let is_plain = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"identity");
        let codings = self.fields.all("content-encoding").flat_map(|line| line.split(|byte| *byte == b','));
        if codings.into_iter().any(|coding| !is_plain(coding)) {
            Some(Unread::Coded)
        } else if matches!(self.status, 206 | 226) {
            Some(Unread::Partial)
        } else {
            (!self.is_like_ascii()).then_some(Unread::Charset)
        }
    }

    /// Whether the character set is one in which ASCII is ASCII. All that are named count, since readers differ.
    fn is_like_ascii(&self) -> bool {
        let lines = || self.fields.all("content-type");
        if lines().all(|line| !line.contains(&b'=')) {
            return true;
        }
        let written = lines().flat_map(|line| line.split(|byte| *byte == b';'));
        let parameters: Vec<Vec<u8>> = written.map(|part| part.trim_ascii().to_ascii_lowercase()).collect();
        let named = parameters.iter().filter_map(|part| {
            let value = part.strip_prefix(b"charset")?.trim_ascii_start().strip_prefix(b"=")?;
            let value = value.trim_ascii_start();
            Some(value.strip_prefix(b"\"").unwrap_or(value))
        });
        named.into_iter().all(|name| CHARSETS.iter().any(|known| name.starts_with(known.as_bytes())))
    }

    /// Whether its body is a table, one record a line (RFC 4180).
    pub fn is_table(&self) -> bool {
        matches!(&*media_type(&self.fields), b"text/csv" | b"text/tab-separated-values")
    }

    /// The length that it announces.
    pub fn announced_bytes(&self) -> Option<u64> {
        std::str::from_utf8(self.fields.first("content-length")?).ok()?.trim().parse().ok()
    }
}

/// What the body of an answer is.
fn form(status: u16, kind: &[u8], has_body: bool) -> Form {
    let begins = |starts: &[&str]| starts.iter().any(|start| kind.starts_with(start.as_bytes()));
    if status == 101 || begins(STREAMS) {
        Form::Stream
    } else if !has_body {
        Form::None
    } else if LINES.iter().any(|line| kind == line.as_bytes()) {
        Form::Lines
    } else if kind == b"application/json" || kind == b"text/json" || kind.ends_with(b"+json") {
        Form::Json
    } else if kind.ends_with(b"+xml") {
        Form::Text
    } else if begins(MEDIA) {
        Form::Media
    } else if begins(OPAQUE) || OPAQUE_ENDS.iter().any(|end| kind.ends_with(end.as_bytes())) {
        Form::Opaque
    } else {
        Form::Text
    }
}

/// Lower case and without parameters (RFC 9110 §8.3.1).
fn media_type(fields: &Headers) -> Vec<u8> {
    let written = fields.first("content-type").unwrap_or_default();
    let kind = written.split(|byte| *byte == b';').next().unwrap_or_default();
    kind.trim_ascii().to_ascii_lowercase()
}

impl Unread {
    /// Its name in receipts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too long",
            Self::Late => "not there in time",
            Self::Coded => "compressed",
            Self::Partial => "partial",
            Self::Charset => "in another character set",
            Self::Opaque => "not text",
            Self::Unavailable => "not handed over",
        }
    }
}

impl<'a> Content<'a> {
    /// A body, all of it or its beginning.
    pub fn new(head: &'a Head, bytes: &'a [u8], unread: Option<Unread>) -> Self {
        let unread = unread.or_else(|| is_wide(bytes).then_some(Unread::Charset));
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

/// Whether a text begins as in UTF-16 and UTF-32, whatever it says that it is (RFC 4627 §3).
const fn is_wide(bytes: &[u8]) -> bool {
    matches!(bytes, [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [0, ..] | [_, 0, ..])
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
            ("200", "image/png", Form::Media),
            ("200", "image/svg+xml", Form::Text),
            ("200", "application/octet-stream", Form::Opaque),
            ("200", "multipart/byteranges; boundary=a", Form::Opaque),
            ("200", "application/x-protobuf", Form::Opaque),
            ("200", "application/vnd.shop+cbor", Form::Opaque),
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
        assert_eq!(head(&[(":status", "226")]).obstacle(), Some(Unread::Partial));
        assert_eq!(
            head(&[(":status", "206"), ("content-type", "multipart/byteranges")]).obstacle(),
            Some(Unread::Opaque)
        );
    }

    #[test]
    fn what_is_not_like_ascii_cannot_be_read() {
        for (kind, obstacle) in [
            ("application/json", None),
            ("application/json; charset=UTF-8", None),
            ("application/json;charset=\"utf-8\"", None),
            ("text/html; charset=ISO-8859-1", None),
            ("application/vnd.x+json; charset=utf-16", Some(Unread::Charset)),
            ("application/json; charset = \"UTF-16LE\"", Some(Unread::Charset)),
            ("text/plain; charset=utf-8; charset=utf-7", Some(Unread::Charset)),
            ("text/plain; charset=", Some(Unread::Charset)),
        ] {
            assert_eq!(head(&[(":status", "200"), ("content-type", kind)]).obstacle(), obstacle, "{kind}");
        }
        let json = head(&[(":status", "200"), ("content-type", "application/json")]);
        for wide in [&b"\xff\xfe{\0"[..], b"\xfe\xff\0{", b"{\0}\0", b"\0{\0}", b"\0\0\0{"] {
            assert_eq!(Content::new(&json, wide, None).unread, Some(Unread::Charset), "{wide:?}");
        }
        assert_eq!(Content::new(&json, b"\xef\xbb\xbf{}", None).unread, None);
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
