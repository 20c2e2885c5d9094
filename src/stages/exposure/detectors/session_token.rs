//! Signed tokens (JWS compact form, RFC 7515 §7.1: three parts, the first of which is JSON with an `alg`), and the values of
//! members that are named after tokens and sessions.

use super::check;
use crate::stages::exposure::scan::{variety, Detector, Openings, Text, Where};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use std::ops::Range;

/// Longest part of a token.
const PART_MAX: usize = 8 << 10;

/// Longest header that is decoded.
const HEADER_MAX: usize = 1024;

/// Shortest value of a member that is a token.
const VALUE_MIN: usize = 16;

/// The detector.
pub static DETECTOR: Detector = Detector {
    check: check(
        "exposure.session_token",
        "session_token_exposed",
        0.2,
        "The response has a signed token (JWT), or a value under a name of tokens or sessions.",
    ),
    openings,
    find,
    at_least: 1,
    shows_end: false,
    takes_lines: false,
};

/// Names of members, without underscores.
const NAMES: &[&[u8]] = &[
    b"accesstoken",
    b"refreshtoken",
    b"idtoken",
    b"sessiontoken",
    b"sessionid",
    b"sessid",
    b"authtoken",
    b"apikey",
    b"apitoken",
];

fn openings(all: &mut Openings) {
    all.texts(Where::Word, &[b"eyJ"]);
    all.names(NAMES);
}

fn find(text: Text<'_>, at: usize, _floor: usize) -> Option<Range<usize>> {
    if text.has(at, b"eyJ") {
        return signed(text, at);
    }
    member(text, at)
}

fn signed(text: Text<'_>, at: usize) -> Option<Range<usize>> {
    if matches!(text.before(at), b'-' | b'.') {
        return None;
    }
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let header = text.run(at, PART_MAX, is_part);
    let payload = text.run(header.saturating_add(1), PART_MAX, is_part);
    let signature = text.run(payload.saturating_add(1), PART_MAX, is_part);
    let parts = text.at(header) == b'.' && text.at(payload) == b'.' && text.has(header.saturating_add(1), b"eyJ");
    if !parts || signature.saturating_sub(payload) < 16 || header.saturating_sub(at) > HEADER_MAX {
        return None;
    }
    let decoded = URL_SAFE_NO_PAD.decode(text.slice(at..header)).ok()?;
    decoded.windows(5).any(|window| window == b"\"alg\"").then_some(at..signature)
}

/// `"session_token": "…"`, in one case or the other.
fn member(text: Text<'_>, at: usize) -> Option<Range<usize>> {
    if text.before(at) != b'"' {
        return None;
    }
    let end = text.run(at, 24, |byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-'));
    let from = text_of_member(text, at..end, NAMES)?;
    let end = text.run(from, PART_MAX, |byte| byte.is_ascii_alphanumeric() || b"-._~+/=:%".contains(&byte));
    let value = text.slice(from..end);
    (text.at(end) == b'"' && value.len() >= VALUE_MIN && variety(value) >= 8).then_some(from..end)
}

/// Where the text of a member begins whose name stands at a place, if it is one of these names and its value is a text.
pub(super) fn text_of_member(text: Text<'_>, written: Range<usize>, names: &[&[u8]]) -> Option<usize> {
    if text.at(written.end) != b'"' || !names.iter().any(|name| is_named(text.slice(written.clone()), name)) {
        return None;
    }
    let colon = text.blanks(written.end.saturating_add(1));
    let quote = text.blanks(colon.saturating_add(1));
    (text.at(colon) == b':' && text.at(quote) == b'"').then_some(quote.saturating_add(1))
}

/// Whether a member has a name, whatever its case and its separators.
fn is_named(written: &[u8], name: &[u8]) -> bool {
    written.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).eq(name.iter().copied())
}
