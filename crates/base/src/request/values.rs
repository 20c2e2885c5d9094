//! Every value that a client controls, with its place: `query.q`, `json.items[2].name`, `header.referer`, `cookie.theme`.
//!
//! A value is decoded once, as its place says: percent-encoding in paths, `+` too in queries and forms, the escapes of JSON. What is
//! still encoded then is not the place's business ([`super::decode`]). Names are values too where they are not plain, since
//! services take `user[$ne]` or `__proto__` apart; their place ends in `#name`.
//!
//! What the filter or Envoy has judged already, or what browsers write, is left out: pseudo-header fields, credentials, content
//! negotiation ([`quiet_headers`]), unless there is something in them that does not belong there. Bounds: [`VALUES_MAX`] values, those of the head and those of the body each; what is longer
//! than [`VALUE_BYTES_MAX`] is cut, and that is reported. A document is walked as deep as it may be ([`super::body::BOUNDS`]).
//! Not covered: compressed bodies, and bodies of types that are not text.

use super::body::Body;
use super::decode::Signs;
use super::multipart;
use super::place::Place;
use super::{lossy, Request};
use crate::bytes;
use serde_json::Value;
use std::borrow::Cow;

/// Values of a head or a body that are looked at.
pub const VALUES_MAX: usize = 2000;

/// Bytes of one value that are looked at.
pub const VALUE_BYTES_MAX: usize = 16 * 1024;

/// Header fields without values of the client's own choice, or that a check of their own judges: those whose names have so many
/// bytes, so that a name is compared with few.
const fn quiet_headers(name_bytes: usize) -> &'static [&'static str] {
    match name_bytes {
        2 => &["te"],
        3 => &["dnt"],
        4 => &["date", "dpop", "host"],
        5 => &["range"],
        6 => &["accept", "cookie", "origin", "pragma"],
        7 => &["upgrade"],
        8 => &["if-match", "if-range", "priority"],
        10 => &["connection", "keep-alive", "tracestate"],
        11 => &["traceparent"],
        12 => &["content-type", "x-request-id"],
        13 => &["authorization", "cache-control", "if-none-match"],
        14 => &["content-length"],
        15 => &["accept-encoding", "accept-language"],
        16 => &["content-encoding"],
        17 => &["if-modified-since", "transfer-encoding", "x-forwarded-proto"],
        19 => &["if-unmodified-since", "proxy-authorization"],
        23 => &["x-forwarded-client-cert"],
        25 => &["upgrade-insecure-requests"],
        _ => &[],
    }
}

/// What nobody has reason to write into a quiet header field, and look-ups for loggers need.
const LOUD: [u8; 5] = *b"$<`{\n";

/// Where a value stands.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Part {
    /// A segment of the path.
    Path,
    /// A parameter of the query.
    Query,
    /// A header field.
    Header,
    /// A cookie.
    Cookie,
    /// A field of a form, multipart or not.
    Form,
    /// A member or an item of a JSON document.
    Json,
    /// A whole text.
    Text,
}

impl Part {
    /// How a place begins.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Form => "form",
            Self::Json => "json",
            Self::Text => "body",
        }
    }

    /// Whether programs write what stands there, and people seldom do.
    pub const fn is_machine_written(self) -> bool {
        matches!(self, Self::Header | Self::Cookie)
    }
}

/// Takes values: the part, the place in it and the text.
pub type Visit<'v> = dyn FnMut(Part, Place<'_>, &str) + 'v;

/// Whether a value of a head needs no look, by its part and its bytes as they were sent. Most need none, and what is not handed on
/// is not decoded either.
pub type Known<'v> = dyn Fn(Part, &[u8]) -> bool + 'v;

/// Hands values on, up to the bound.
struct Walker<'v, 'c> {
    known: &'v Known<'c>,
    visit: &'v mut Visit<'c>,
    left: usize,
    cut: bool,
}

/// The values of the head but those that are known. Returns whether all were looked at.
pub fn of_head(request: &Request, known: &Known<'_>, visit: &mut Visit<'_>) -> bool {
    let mut walker = Walker { known, ..Walker::new(visit) };
    let segments = request.written_path().split(|byte| *byte == b'/').filter(|segment| !segment.is_empty());
    for (index, segment) in segments.enumerate() {
        if !walker.passes(Part::Path, segment) {
            walker.take(Part::Path, Place::Segment(index), &percent_decoded(segment));
        }
    }
    walker.pairs(Part::Query, request.query());
    let is_loud = request.headers.has_one_of(LOUD);
    for (name, value) in request.headers.iter() {
        if name == b"cookie" {
            walker.cookies(value);
        } else if !name.starts_with(b":")
            && (!is_quiet(name) || (is_loud && bytes::has_one_of(value, LOUD)))
            && !walker.passes(Part::Header, value)
        {
            walker.take(Part::Header, Place::named(&lossy(name)), &lossy(value));
        }
    }
    !walker.cut
}

/// The values of a JSON document that was read. Returns whether all were looked at.
pub fn of_document(body: &Body, visit: &mut Visit<'_>) -> bool {
    let mut walker = Walker::new(visit);
    if let Some(document) = body.get::<&str>(&[]) {
        walker.document(Place::Whole, document);
    }
    !walker.cut
}

/// The texts in the beginning of a JSON document, names among them: what is whole of it has no tree to be walked. Returns whether all
/// were looked at.
pub fn of_beginning_of_document(beginning: &[u8], visit: &mut Visit<'_>) -> bool {
    let mut walker = Walker::new(visit);
    let mut rest = beginning;
    while let Some(start) = rest.iter().position(|byte| *byte == b'"') {
        let literal = rest.get(start..).unwrap_or_default();
        let end = end_of_literal(literal);
        let (literal, after) = literal.split_at_checked(end).unwrap_or((literal, &[]));
        match serde_json::from_slice::<String>(literal) {
            Ok(text) => walker.take(Part::Json, Place::Whole, &text),
            // The last one may have no end.
            Err(_) => walker.take(Part::Json, Place::Whole, &String::from_utf8_lossy(literal)),
        }
        rest = after;
    }
    !walker.cut
}

/// Where the text ends that a quote begins, its last quote included.
fn end_of_literal(literal: &[u8]) -> usize {
    let mut is_escaped = false;
    let closing = literal.iter().skip(1).position(|byte| {
        let closes = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        closes
    });
    closing.map_or(literal.len(), |closing| closing.saturating_add(2))
}

/// The values of a form's text. Returns whether all were looked at.
pub fn of_form(text: &[u8], visit: &mut Visit<'_>) -> bool {
    let mut walker = Walker::new(visit);
    walker.pairs(Part::Form, text);
    !walker.cut
}

/// The values of a multipart form: fields, the names of files, and files that are text. Returns whether all were looked at.
pub fn of_parts(parts: &[multipart::Part<'_>], visit: &mut Visit<'_>) -> bool {
    let mut walker = Walker::new(visit);
    for part in parts {
        walker.name(Part::Form, &part.name);
        let place = Place::named(&part.name);
        if let Some(filename) = &part.filename {
            walker.take(Part::Form, Place::FilenameOf(&place), filename);
        }
        // A field is a value whatever its type says; a file is one if it may be text.
        if part.filename.is_none() || may_be_text(part.content_type) {
            walker.take(Part::Form, place, &String::from_utf8_lossy(part.bytes));
        }
    }
    !walker.cut
}

/// A text of no known structure, as one value. Returns whether all of it was looked at.
pub fn of_text(text: &[u8], visit: &mut Visit<'_>) -> bool {
    let mut walker = Walker::new(visit);
    walker.take(Part::Text, Place::Whole, &String::from_utf8_lossy(text));
    !walker.cut
}

impl<'v, 'c> Walker<'v, 'c> {
    /// One that hands on everything.
    fn new(visit: &'v mut Visit<'c>) -> Self {
        Self { known: &|_, _| false, visit, left: VALUES_MAX, cut: false }
    }

    /// Whether nothing is to be done about a value as it was sent. It counts all the same.
    fn passes(&mut self, part: Part, sent: &[u8]) -> bool {
        let is_known = sent.len() <= VALUE_BYTES_MAX && (self.known)(part, sent);
        sent.is_empty() || (is_known && self.count())
    }

    /// Whether there may be one more.
    fn count(&mut self) -> bool {
        let left = self.left.checked_sub(1);
        self.cut |= left.is_none();
        self.left = left.unwrap_or_default();
        left.is_some()
    }

    fn take(&mut self, part: Part, place: Place<'_>, text: &str) {
        if text.is_empty() || !self.count() {
            return;
        }
        self.cut |= text.len() > VALUE_BYTES_MAX;
        let end = (0..=VALUE_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        (self.visit)(part, place, end.and_then(|end| text.get(..end)).unwrap_or_default());
    }

    fn name(&mut self, part: Part, name: &str) {
        if !is_ordinary(name.as_bytes()) {
            self.take(part, Place::NameOf(&Place::named(name)), name);
        }
    }

    fn pairs(&mut self, part: Part, text: &[u8]) {
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let (sent_name, sent) = (halves.next().unwrap_or_default(), halves.next());
            if sent.is_some_and(|sent| is_ordinary(sent_name) && self.passes(part, sent)) {
                continue;
            }
            let name = super::form_decoded(sent_name);
            let name = lossy(&name);
            match sent {
                Some(sent) => {
                    let value = super::form_decoded(sent);
                    self.take(part, Place::named(&name), &lossy(&value));
                    self.name(part, &name);
                }
                // `?text` has a name alone, which is its value.
                None => self.take(part, Place::Whole, &name),
            }
        }
    }

    fn cookies(&mut self, value: &[u8]) {
        for pair in value.split(|byte| *byte == b';') {
            let mut halves = pair.trim_ascii().splitn(2, |byte| *byte == b'=');
            let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
            if !self.passes(Part::Cookie, value) {
                self.take(Part::Cookie, Place::named(&lossy(name)), &percent_decoded(value));
            }
        }
    }

    fn document(&mut self, place: Place<'_>, value: &Value) {
        match value {
            Value::String(text) => self.take(Part::Json, place, text),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.document(Place::Item(&place, index), item);
                }
            }
            Value::Object(members) => {
                members.keys().for_each(|name| self.name(Part::Json, name));
                for (name, member) in members {
                    self.document(Place::Member(&place, name), member);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Whether a header field has no value of the client's own choice, or a check of its own judges it.
fn is_quiet(name: &[u8]) -> bool {
    name.starts_with(b"sec-")
        || quiet_headers(name.len()).iter().any(|quiet| bytes::are_equal(quiet.as_bytes(), name))
}

/// Whether a name is none that a service would take apart. What is ordinary as it was sent is so decoded.
fn is_ordinary(name: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let is_special = name.starts_with(b"__") || matches!(name, b"constructor" | b"prototype");
    // Few have a full stop.
    !is_special && (Signs::of_bytes(name).is_name() || name.iter().all(is_plain))
}

/// Whether a file may be text, by its type: what is none of the well-known others.
fn may_be_text(kind: Option<&[u8]>) -> bool {
    let kind = kind.map(|kind| String::from_utf8_lossy(kind).to_ascii_lowercase()).unwrap_or_default();
    let binary =
        ["image/", "audio/", "video/", "font/", "application/octet-stream", "application/pdf", "application/zip"];
    !binary.iter().any(|start| kind.trim_start().starts_with(start)) || kind.contains("svg")
}

fn percent_decoded(text: &[u8]) -> Cow<'_, str> {
    if !text.contains(&b'%') {
        return lossy(text);
    }
    percent_encoding::percent_decode(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::headers::Headers;
    use proptest::prelude::*;

    fn head(pairs: &[(&str, &str)]) -> Vec<String> {
        let mut seen = Vec::new();
        let request = Request::new(Headers::from_pairs(pairs.iter().copied()), || None);
        of_head(&request, &|_, _| false, &mut |part, place, text| {
            seen.push(format!("{}.{place}={text}", part.name()))
        });
        seen
    }

    fn document(text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        of_document(&Body::read(text.as_bytes()), &mut |_, place, text| seen.push(format!("{place}={text}")));
        seen
    }

    #[test]
    fn a_head_has_values_in_many_places() {
        let seen = head(&[
            (":method", "GET"),
            (":path", "/a%20b/c?q=x+y&flag&user[$ne]=1&r=%2561"),
            ("cookie", "theme=dark%3B; id=7"),
            ("referer", "https://a.example/"),
            ("authorization", "Bearer x"),
            ("sec-fetch-mode", "cors"),
        ]);
        let expected = [
            "path.0=a b",
            "path.1=c",
            "query.q=x y",
            "query.=flag",
            "query.user[$ne]=1",
            "query.user[$ne]#name=user[$ne]",
            "query.r=%61",
            "cookie.theme=dark;",
            "cookie.id=7",
            "header.referer=https://a.example/",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_is_known_as_it_was_sent_is_counted_and_not_handed_on() {
        let pairs = [
            (":path", "/known/%6bnown?q=known&known[$ne]=known&known"),
            ("cookie", "a=known; b=known%20"),
            ("referer", "known"),
        ];
        let request = Request::new(Headers::from_pairs(pairs), || None);
        let is_known = |_: Part, sent: &[u8]| sent == b"known";
        let mut seen = Vec::new();
        let all = of_head(&request, &is_known, &mut |part, place, text| {
            seen.push(format!("{}.{place}={text}", part.name()))
        });
        let expected = [
            "path.1=known",
            "query.known[$ne]=known",
            "query.known[$ne]#name=known[$ne]",
            "query.=known",
            "cookie.b=known ",
        ];
        assert!(all && seen == expected, "{seen:?}");
        let many = format!("/?{}", "a=1&".repeat(VALUES_MAX + 1));
        let request = Request::new(Headers::from_pairs([(":path", many.as_str())]), || None);
        assert!(!of_head(&request, &|_, _| true, &mut |_, _, _| {}));
    }

    #[test]
    fn a_document_is_walked_in_its_order() {
        let seen = document(r#"{"a": {"b": ["x", {"c": "\u0079"}, 1]}, "z": "end", "$where": true}"#);
        assert_eq!(seen, ["$where#name=$where", "a.b[0]=x", "a.b[1].c=y", "z=end"]);
    }

    #[test]
    fn the_beginning_of_a_document_has_its_texts() {
        let mut seen = Vec::new();
        let beginning = br#"{"a": ["x\"y", "\u0041", "\\"], "b": {"c": "no en"#;
        assert!(of_beginning_of_document(beginning, &mut |_, _, text| seen.push(text.to_owned())));
        assert_eq!(seen, ["a", "x\"y", "A", "\\", "b", "c", "\"no en"]);
    }

    #[test]
    fn a_quiet_field_is_found_by_its_length() {
        for length in 0..40 {
            for name in quiet_headers(length) {
                assert!(name.len() == length && is_quiet(name.as_bytes()), "{name}");
            }
        }
        assert!(is_quiet(b"sec-fetch-mode") && !is_quiet(b"referer") && !is_quiet(b"acceqt"));
    }

    #[test]
    fn what_is_too_much_is_cut_and_told() {
        let many = format!("[{}\"x\"]", "\"x\",".repeat(VALUES_MAX));
        assert!(!of_document(&Body::read(many.as_bytes()), &mut |_, _, _| {}));
        assert!(!of_text("é".repeat(VALUE_BYTES_MAX).as_bytes(), &mut |_, _, text| assert!(
            text.len() <= VALUE_BYTES_MAX
        )));
        assert!(of_text(b"short", &mut |_, _, _| {}));
    }

    #[test]
    fn a_quiet_field_is_looked_at_where_something_loud_is_in_it() {
        for loud in LOUD {
            let value = format!("text/html; {}", char::from(loud));
            assert_eq!(head(&[("accept", &value), ("te", "trailers")]), [format!("header.accept={value}")]);
        }
    }

    proptest! {
        #[test]
        fn no_request_panics(path in "/[%a-f0-9&=+;?/\\[\\]]{0,40}", cookie in "[ -~]{0,40}") {
            let _ = head(&[(":path", &path), ("cookie", &cookie)]);
        }
    }
}
