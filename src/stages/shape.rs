//! The form of the request: has it one meaning, within bounds?
//!
//! What two servers would read differently is refused before anything is matched against it, and so is what is
//! larger than configured. Bodies are counted while they pass. Not covered: what the values say.

use crate::config::{RequestLimits, Route};
use crate::finding::{quoted, Check, Class, Family, Finding, Findings, Weight};
use crate::request::body::Body;
use crate::request::headers::Headers;
use crate::request::path::Ambiguity;
use crate::request::Request;

/// A method in lower case, or none at all.
pub static METHOD_UNKNOWN: Check = fixed(
    "request.method.unknown",
    "method_unknown",
    Class::Invalid,
    "The method is not of upper-case letters and hyphens; some servers take `get` for `GET`, rules do not.",
);

/// A method that is to be replaced behind us.
pub static METHOD_OVERRIDE: Check = fixed(
    "request.method.override",
    "method_override",
    Class::Invalid,
    "`x-http-method-override`, `x-http-method` or `x-method-override`, with hyphens or underscores, asks the service for another method.",
);

/// An authority that is no host.
pub static HOST_AMBIGUOUS: Check = fixed(
    "request.host.ambiguous",
    "host_ambiguous",
    Class::Invalid,
    "The host is not a name or address with an optional port, so servers disagree about whom it names.",
);

/// See [`crate::request::path`].
pub static PATH_AMBIGUOUS: Check = fixed(
    "request.path.ambiguous",
    "path_ambiguous",
    Class::Invalid,
    "Servers disagree about what the path means: encoded slashes, double encoding, control characters, broken UTF-8.",
);

/// A `;` in the path.
pub static PATH_PARAMETER: Check = fixed(
    "request.path.parameter",
    "path_parameter",
    Class::Invalid,
    "The path has a parameter (`;`), which some servers cut off before they match and others keep.",
);

/// Dot segments that resolve.
pub static PATH_DOT_SEGMENTS: Check = refusal(
    "request.path.dot_segments",
    "path_dot_segments",
    Class::Invalid,
    "The path has `.` or `..` segments. Clients resolve them before they send; where it passes, the resolved path is matched.",
);

/// A path over its limit.
pub static PATH_TOO_LONG: Check = refusal(
    "request.path.too_long",
    "path_too_long",
    Class::TooLarge,
    "The path with its query is longer than `request.path_bytes_max`.",
);

/// Header fields over a limit.
pub static HEADERS_TOO_LARGE: Check = refusal(
    "request.headers.too_large",
    "headers_too_large",
    Class::TooLarge,
    "More header fields than `request.headers_max`, or more bytes than `request.header_bytes_max`.",
);

/// A header value of bytes that are no text.
pub static HEADER_NOT_UTF8: Check = refusal(
    "request.header.not_utf8",
    "header_not_utf8",
    Class::Invalid,
    "A header value is not UTF-8, so services behind disagree about its characters.",
);

/// A body of two lengths (CWE-444).
pub static FRAMING_AMBIGUOUS: Check = refusal(
    "request.framing.ambiguous",
    "framing_ambiguous",
    Class::Invalid,
    "Servers could disagree about where the body ends (request smuggling): `transfer_encoding` or `content_length` with an underscore, several lengths, a length beside `transfer-encoding`, another encoding than `chunked`.",
);

/// A body over its limit.
pub static BODY_TOO_LARGE: Check = refusal(
    "request.body.too_large",
    "body_too_large",
    Class::TooLarge,
    "The body is larger than `body_bytes_max` of its route.",
);

/// A body that a rule needs and that could not be read.
pub static BODY_UNREAD: Check = Check {
    weight: Weight::Note,
    ..refusal(
        "request.body.unread",
        "body_unread",
        Class::Invalid,
        "A rule needs the body, which is not one JSON document, is longer than `request.body_read_max`, or came too late.",
    )
};

const fn refusal(id: &'static str, code: &'static str, class: Class, means: &'static str) -> Check {
    Check {
        id,
        family: Family::Request,
        code,
        class,
        weight: Weight::Refuse,
        tunable: true,
        bearer_error: None,
        means: crate::finding::documented(means),
    }
}

/// A refusal that the configuration cannot take back: a request without one meaning could be meant for any route, and would
/// be guarded by none.
const fn fixed(id: &'static str, code: &'static str, class: Class, means: &'static str) -> Check {
    Check { tunable: false, ..refusal(id, code, class, means) }
}

/// Judges the head.
pub fn check_head(limits: &RequestLimits, route: &Route, request: &Request, findings: &mut Findings) {
    check_target(request, findings);
    check_path(limits, request, findings);
    let headers = &request.headers;
    if headers.len() > limits.headers_max || headers.bytes() > limits.header_bytes_max {
        findings
            .add(Finding::new(&HEADERS_TOO_LARGE, format!("{} fields, {} bytes", headers.len(), headers.bytes())));
    }
    if let Some(name) = headers.not_utf8() {
        findings.add(Finding::new(&HEADER_NOT_UTF8, format!("field {}", quoted(&String::from_utf8_lossy(name)))));
    }
    if let Some(why) = two_framings(headers) {
        findings.add(Finding::new(&FRAMING_AMBIGUOUS, why));
    }
    if let Some(length) = request.content_length() {
        check_body(route, length, findings);
    }
}

/// Why two servers could read two bodies. Envoy refuses most of it itself, unless it was told not to; an underscore it lets
/// pass, and services that make variables of fields (CGI, WSGI) take it for a hyphen (RFC 9112 §6.3, §11.2).
fn two_framings(headers: &Headers) -> Option<&'static str> {
    let mut lengths = 0_u32;
    for (name, value) in headers.alike("content-length") {
        lengths = lengths.saturating_add(1);
        if name.contains(&b'_') {
            return Some("field `content_length`");
        }
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Some("a length that is no number");
        }
    }
    let mut encoded = false;
    for (name, value) in headers.alike("transfer-encoding") {
        if encoded || name.contains(&b'_') || !value.eq_ignore_ascii_case(b"chunked") {
            return Some("a transfer encoding that is not `chunked` once");
        }
        encoded = true;
    }
    match (lengths, encoded) {
        (0 | 1, false) | (0, true) => None,
        (_, false) => Some("several lengths"),
        (_, true) => Some("a length and a transfer encoding"),
    }
}

/// Judges the body by the bytes seen or announced so far. Too large is too large once, not with every piece.
pub fn check_body(route: &Route, bytes: u64, findings: &mut Findings) {
    let exceeded = route.body_bytes_max.filter(|limit| bytes > *limit);
    if let Some(limit) = exceeded.filter(|_| !findings.has(&BODY_TOO_LARGE)) {
        findings.add(Finding::new(&BODY_TOO_LARGE, format!("at least {bytes} bytes, {limit} allowed")));
    }
}

/// Reports a body that could not be read though a rule needs it.
pub fn check_read(body: &Body, findings: &mut Findings) {
    if let Some(why) = body.fault() {
        findings.add(Finding::new(&BODY_UNREAD, why.reason()));
    }
}

fn check_target(request: &Request, findings: &mut Findings) {
    match request.method_override() {
        Some(name) => findings.add(Finding::new(&METHOD_OVERRIDE, format!("field `{name}`"))),
        None if !request.has_one_method() => findings.add(Finding::new(&METHOD_UNKNOWN, quoted(request.method()))),
        None => {}
    }
    if request.host().is_none() {
        let authority = request.headers.first(":authority").unwrap_or_default();
        findings.add(Finding::new(&HOST_AMBIGUOUS, quoted(&String::from_utf8_lossy(authority))));
    }
}

fn check_path(limits: &RequestLimits, request: &Request, findings: &mut Findings) {
    let length = request.target().len();
    if length > limits.path_bytes_max {
        findings.add(Finding::new(&PATH_TOO_LONG, format!("{length} bytes")));
    }
    match &request.path {
        Ok(path) if path.had_dot_segments => {
            findings.add(Finding::new(&PATH_DOT_SEGMENTS, "resolved before matching"))
        }
        Ok(_) => {}
        Err(why @ Ambiguity::PathParameter) => findings.add(Finding::new(&PATH_PARAMETER, why.to_string())),
        Err(why) => findings.add(Finding::new(&PATH_AMBIGUOUS, why.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_ends_where_every_server_says_it_does() {
        let framing = |fields: &[(&str, &str)]| two_framings(&Headers::from_pairs(fields.iter().copied()));
        let (length, encoding) = (("content-length", "5"), ("transfer-encoding", "chunked"));
        for fine in [&[][..], &[length], &[encoding], &[("transfer-encoding", "Chunked")], &[("te", "trailers")]] {
            assert_eq!(framing(fine), None, "{fine:?}");
        }
        for ambiguous in [
            &[length, length][..],
            &[length, encoding],
            &[encoding, encoding],
            &[("content_length", "5")],
            &[length, ("content_length", "0")],
            &[("transfer_encoding", "chunked")],
            &[length, ("transfer_encoding", "chunked")],
            &[("transfer-encoding", "gzip, chunked")],
            &[("transfer-encoding", "identity")],
            &[("transfer-encoding", "chunked ")],
            &[("content-length", "+5")],
            &[("content-length", "5, 5")],
            &[("content-length", "0x5")],
            &[("content-length", "")],
        ] {
            assert!(framing(ambiguous).is_some(), "{ambiguous:?}");
        }
    }
}
