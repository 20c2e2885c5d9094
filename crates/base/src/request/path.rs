//! The path, normalised once, before anything matches it.
//!
//! A filter that reads a path differently from the service behind it guards the wrong door. So the path is
//! brought to one form — percent-encoding decoded once, `.` and `..` resolved, empty segments and the trailing
//! slash dropped (RFC 3986 §6.2.2, §6.2.3) — and whatever servers are known to read in two ways is [`Ambiguity`]:
//! encoded slashes and backslashes, double encoding, control characters, bytes that are not UTF-8 (overlong forms
//! among them), path parameters, dot segments beside empty ones or above the root, two slashes at the start (a host
//! name follows, RFC 3986 §4.2), fragments, dot segments in disguise.
//!
//! The request itself is not rewritten: what goes upstream is what the client sent, or nothing.
//! Cost is linear in the path's length. Not covered: letter case and Unicode look-alikes of `/` and `.`, which
//! only some file systems fold.

use crate::bytes::Alphabet;
use std::fmt;

/// A path that has one meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Decoded, absolute, without dot segments, empty segments and trailing slash.
    pub normal: String,
    /// Whether `.` or `..` segments were resolved. Browsers resolve them before they send; tools that probe do not.
    pub had_dot_segments: bool,
}

/// Why a path has more than one meaning.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Ambiguity {
    /// Does not begin with a slash.
    NotAbsolute,
    /// A `%` that is not followed by two hex digits.
    BrokenEscape,
    /// `%2F` or `%5C`: some servers split there, some do not.
    EncodedSlash,
    /// A backslash, which some servers take for a slash.
    Backslash,
    /// A percent sign that decodes to the start of another escape.
    DoubleEncoding,
    /// NUL or another control character.
    ControlCharacter,
    /// Not UTF-8 once decoded; overlong forms of `/` and `.` are of this kind.
    NotUtf8,
    /// A `;` in a segment: Java servers cut it off, others keep it.
    PathParameter,
    /// More `..` than segments.
    AboveRoot,
    /// Two slashes at the start: to a reader of URI references a host name follows.
    NetworkPath,
    /// Dot segments beside empty ones: `a//../b` is `a/b` to one reader and `b` to another.
    EmptyAndDotSegments,
    /// Dots that become a dot segment once a parameter or white space behind them is cut off.
    DisguisedDotSegment,
    /// A `#`, which belongs to clients alone.
    Fragment,
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotAbsolute => "does not begin with a slash",
            Self::BrokenEscape => "broken percent-escape",
            Self::EncodedSlash => "encoded slash or backslash",
            Self::Backslash => "backslash",
            Self::DoubleEncoding => "encoded twice",
            Self::ControlCharacter => "control character",
            Self::NotUtf8 => "not UTF-8 once decoded",
            Self::PathParameter => "path parameter",
            Self::AboveRoot => "dot segments climb above the root",
            Self::NetworkPath => "begins with two slashes",
            Self::EmptyAndDotSegments => "dot segments beside empty ones",
            Self::DisguisedDotSegment => "a dot segment in disguise",
            Self::Fragment => "fragment",
        })
    }
}

/// The path without its query (RFC 3986 §3.4).
#[inline]
pub fn without_query(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    target.get(..end).unwrap_or_default()
}

/// Brings a path (without query) to its one form.
///
/// # Errors
/// The first [`Ambiguity`] found.
pub fn normalize(raw: &[u8]) -> Result<Path, Ambiguity> {
    if raw.first() != Some(&b'/') {
        return Err(Ambiguity::NotAbsolute);
    }
    if raw.starts_with(b"//") {
        return Err(Ambiguity::NetworkPath);
    }
    match normal_already(raw) {
        Some(normal) => Ok(Path { normal: normal.to_owned(), had_dot_segments: false }),
        None => resolve(&String::from_utf8(decode(raw)?).map_err(|_| Ambiguity::NotUtf8)?),
    }
}

/// A path that is in its one form already, but for a trailing slash; most are. `None` for any other, and for some that are too.
fn normal_already(raw: &[u8]) -> Option<&str> {
    static SEGMENTS: Alphabet = Alphabet::new(b"-_.~/", b'/', b"/.");
    if !SEGMENTS.spells(raw.strip_prefix(b"/")?) {
        return None;
    }
    let shorter = raw.strip_suffix(b"/").filter(|shorter| !shorter.is_empty());
    std::str::from_utf8(shorter.unwrap_or(raw)).ok()
}

fn decode(raw: &[u8]) -> Result<Vec<u8>, Ambiguity> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'%' => {
                let (escaped, tail) = escape(rest).ok_or(Ambiguity::BrokenEscape)?;
                rest = tail;
                decoded.push(decoded_byte(escaped, rest)?);
            }
            b'\\' => return Err(Ambiguity::Backslash),
            b'#' => return Err(Ambiguity::Fragment),
            // An encoded semicolon is data; only a bare one starts a parameter (RFC 3986 §3.3).
            b';' => return Err(Ambiguity::PathParameter),
            0..=0x20 | 0x7f => return Err(Ambiguity::ControlCharacter),
            _ => decoded.push(*byte),
        }
    }
    Ok(decoded)
}

/// What a decoded escape stands for, given what follows it.
fn decoded_byte(byte: u8, rest: &[u8]) -> Result<u8, Ambiguity> {
    match byte {
        b'/' | b'\\' => Err(Ambiguity::EncodedSlash),
        b'%' if escape(rest).is_some() => Err(Ambiguity::DoubleEncoding),
        0..=0x1f | 0x7f => Err(Ambiguity::ControlCharacter),
        _ => Ok(byte),
    }
}

fn escape(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(2)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some((byte, rest))
}

fn resolve(decoded: &str) -> Result<Path, Ambiguity> {
    let mut segments: Vec<&str> = Vec::new();
    let mut had_dot_segments = false;
    // The first slash begins the path and the last one may end it.
    let inner = decoded.strip_prefix('/').unwrap_or(decoded);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    for segment in inner.split('/') {
        match segment {
            "" => {}
            "." => had_dot_segments = true,
            ".." => {
                had_dot_segments = true;
                segments.pop().ok_or(Ambiguity::AboveRoot)?;
            }
            _ if is_disguised(segment) => return Err(Ambiguity::DisguisedDotSegment),
            _ => segments.push(segment),
        }
    }
    if had_dot_segments && inner.contains("//") {
        return Err(Ambiguity::EmptyAndDotSegments);
    }
    let mut normal = String::with_capacity(decoded.len());
    for segment in &segments {
        normal.push('/');
        normal.push_str(segment);
    }
    if normal.is_empty() {
        normal.push('/');
    }
    Ok(Path { normal, had_dot_segments })
}

/// Dots that become a dot segment once somebody cuts off a parameter or white space.
fn is_disguised(segment: &str) -> bool {
    let cut = segment.split(';').next().unwrap_or(segment).trim();
    cut.len() < segment.len() && matches!(cut, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(raw: &str) -> String {
        normalize(raw.as_bytes()).unwrap().normal
    }

    #[test]
    fn every_spelling_of_a_path_has_one_form() {
        for raw in [
            "/api/orders",
            "/api///orders//",
            "/api/./orders",
            "/x/../api/orders",
            "/%61pi/%6Frders",
            "/api/%2e/orders",
            "/x/%2E%2e/api/orders/.",
        ] {
            assert_eq!(normal(raw), "/api/orders", "{raw}");
        }
        assert_eq!(normal("/"), "/");
        assert_eq!(normal("/caf%C3%A9"), "/café");
        assert_eq!(normal("/100%25"), "/100%");
        assert_eq!(normal("/a%3Bb"), "/a;b");
        assert_eq!(normal("/a%20b"), "/a b");
    }

    #[test]
    fn dot_segments_leave_a_sign() {
        assert!(normalize(b"/a/../b").unwrap().had_dot_segments);
        assert!(!normalize(b"/a..b/...").unwrap().had_dot_segments);
    }

    #[test]
    fn what_servers_read_in_two_ways_is_ambiguous() {
        use Ambiguity::*;
        for (raw, why) in [
            (b"api".as_slice(), NotAbsolute),
            (b"", NotAbsolute),
            (b"*", NotAbsolute),
            (b"/a%2Fb", EncodedSlash),
            (b"/a%5cb", EncodedSlash),
            (b"/a\\b", Backslash),
            (b"/a%252e", DoubleEncoding),
            (b"/a%00", ControlCharacter),
            (b"/a%0d%0a", ControlCharacter),
            (b"/a\x00", ControlCharacter),
            (b"/a b", ControlCharacter),
            (b"/%c0%af", NotUtf8),
            (b"/%c0%ae%c0%ae/x", NotUtf8),
            (b"/\xff", NotUtf8),
            (b"/a;x=1/b", PathParameter),
            (b"/a/..;/b", PathParameter),
            (b"/../etc", AboveRoot),
            (b"/a/%2e%2e/..", AboveRoot),
            (b"/a%2", BrokenEscape),
            (b"/a%zz", BrokenEscape),
            (b"/a%+1", BrokenEscape),
            (b"/a#b", Fragment),
            (b"/a/..%3bx/b", DisguisedDotSegment),
            (b"/a/..%20/b", DisguisedDotSegment),
            (b"/a/%20.%3b/b", DisguisedDotSegment),
            (b"//a/b", NetworkPath),
            (b"/a//../b", EmptyAndDotSegments),
            (b"/a/.//b", EmptyAndDotSegments),
        ] {
            assert_eq!(normalize(raw), Err(why), "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn the_query_is_not_part_of_the_path() {
        assert_eq!(without_query(b"/a?b=/../?c"), b"/a");
        assert_eq!(without_query(b"/a"), b"/a");
    }

    proptest! {
        #[test]
        fn a_normal_path_is_its_own_normal_form(raw in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(path) = normalize(&[b"/".as_slice(), &raw].concat()) {
                prop_assert!(path.normal.starts_with('/') && !path.normal.contains("//"));
                prop_assert!(path.normal.split('/').all(|segment| segment != "." && segment != ".."));
                let again = resolve(&path.normal).unwrap();
                prop_assert_eq!(again.normal, path.normal);
            }
        }

        #[test]
        fn what_is_normal_already_needs_no_more(raw in "/[a-b/.~%;]{0,12}") {
            if let Some(normal) = normal_already(raw.as_bytes()) {
                let resolved = decode(raw.as_bytes()).map(|decoded| resolve(&String::from_utf8(decoded).unwrap()));
                prop_assert_eq!(resolved, Ok(Ok(Path { normal: normal.to_owned(), had_dot_segments: false })));
            }
        }

        #[test]
        fn escaping_any_letter_changes_nothing(path in "(/[a-z]{1,6}){1,4}", at in any::<prop::sample::Index>()) {
            let at = at.index(path.len());
            let byte = path.as_bytes()[at];
            prop_assume!(byte != b'/');
            let (before, from) = path.split_at(at);
            let escaped = format!("{before}%{byte:02x}{}", from.split_at(1).1);
            prop_assert_eq!(normal(&escaped), path);
        }
    }
}
