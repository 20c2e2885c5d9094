//! Forms: `application/x-www-form-urlencoded`, in a body or in a query (WHATWG URL §5.1; RFC 6749 appendix B).
//!
//! Read for endpoints whose parameters decide something, so only what every reader takes the same way is read: a name that
//! is sent twice has two values, and servers differ in the one that they take (RFC 6749 §3.1 forbids it); a broken escape
//! and bytes that are not UTF-8 are repaired in more than one way. Each is a [`Fault`] of the whole form.
//! Bounds: [`PAIRS_MAX`] pairs, [`BYTES_MAX`] bytes. Not covered: multipart forms, other character sets, `;` between pairs.
//!
//! Services read names more generously than we do; [`spellings`] counts what some of them take for a name.

use super::Request;
use std::collections::BTreeMap;

/// The media type of a form.
const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// Pairs of one form at most. An OAuth request has about a dozen.
pub const PAIRS_MAX: usize = 64;

/// Longest form, in bytes. Assertions and pushed requests are tokens, so there is room for some.
pub const BYTES_MAX: usize = 64 * 1024;

/// A form with one meaning: each name once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Form {
    values: BTreeMap<String, String>,
}

/// Why a text is no form with one meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not said to be a form, said to be two things, compressed, or in another character set than UTF-8.
    Kind,
    /// More than [`BYTES_MAX`].
    TooLong,
    /// More than [`PAIRS_MAX`].
    TooMany,
    /// A name is there twice.
    Repeated,
    /// A percent sign that starts no escape, or bytes that are not UTF-8.
    Encoding,
}

impl Fault {
    /// For the operator.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Kind => "expected application/x-www-form-urlencoded",
            Self::TooLong => "the form is too long",
            Self::TooMany => "the form has too many parameters",
            Self::Repeated => "a parameter is repeated",
            Self::Encoding => "a parameter is not percent-encoded UTF-8",
        }
    }
}

impl Form {
    /// The value of a parameter. One without a value is not there (RFC 6749 §3.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a parameter is there, with a value or without.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }
}

/// The form in the body of a request.
///
/// # Errors
/// What keeps it from having one meaning.
pub fn in_body(request: &Request, body: &[u8]) -> Result<Form, Fault> {
    let headers = &request.headers;
    let mut kinds = headers.all("content-type");
    let kind = kinds.next().unwrap_or_default();
    let (kind, parameters) = match kind.iter().position(|byte| *byte == b';') {
        Some(end) => kind.split_at(end),
        None => (kind, &[][..]),
    };
    // Of two kinds each reader takes another, and so do readers that know another character set or decompress.
    let is_form = kind.trim_ascii().eq_ignore_ascii_case(MEDIA_TYPE.as_bytes()) && kinds.next().is_none();
    let is_coded =
        headers.all("content-encoding").any(|coding| !coding.trim_ascii().eq_ignore_ascii_case(b"identity"));
    if !is_form || !is_utf8(parameters) || is_coded {
        return Err(Fault::Kind);
    }
    pairs(body)
}

/// Whether the parameters of a media type name no other character set.
fn is_utf8(parameters: &[u8]) -> bool {
    let plain = |parameter: &[u8]| {
        let mut halves = parameter.splitn(2, |byte| *byte == b'=');
        let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        let value = value.trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        !name.trim_ascii().eq_ignore_ascii_case(b"charset") || value.eq_ignore_ascii_case(b"utf-8")
    };
    parameters.split(|byte| *byte == b';').all(plain)
}

/// How often a form has a name, in any spelling: some services read `Access.Token` and `access_token[]` as `access_token`
/// (PHP), and take `;` for `&`.
pub fn spellings(text: &[u8], name: &str) -> usize {
    // Decoding makes nothing longer, and what begins the name may be missing ([`is_spelling`]).
    let bytes_min = name.bytes().skip_while(|byte| matches!(byte, b'_' | b'.' | b'+' | b' ')).count();
    names(text)
        .filter(|sent| sent.len() >= bytes_min)
        .filter(|sent| is_spelling(percent_encoding::percent_decode(sent), name))
        .count()
}

/// The first of `wanted` that a form has in another spelling than its own.
pub fn respelled<'w>(text: &[u8], wanted: &[&'w str]) -> Option<&'w str> {
    let decode = percent_encoding::percent_decode;
    names(text).find_map(|sent| {
        let meant = wanted.iter().find(|name| is_spelling(decode(sent), name))?;
        Some(*meant).filter(|name| !decode(sent).eq(name.bytes()))
    })
}

/// The first of `wanted` that a form has in any spelling.
pub fn mentioned<'w>(text: &[u8], wanted: &[&'w str]) -> Option<&'w str> {
    let is_meant = |sent| wanted.iter().find(|name| is_spelling(percent_encoding::percent_decode(sent), name));
    names(text).find_map(is_meant).copied()
}

/// The names as they are written, without those that are empty.
fn names(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let pairs = text.split(|byte| matches!(byte, b'&' | b';'));
    pairs.filter_map(|pair| pair.split(|byte| *byte == b'=').next()).filter(|name| !name.is_empty())
}

/// Whether some service may take a decoded name for this one.
pub fn is_spelling(sent: impl Iterator<Item = u8>, name: &str) -> bool {
    let fold = |byte: u8| match byte.to_ascii_lowercase() {
        b'.' | b'+' | b' ' => b'_',
        other => other,
    };
    let wanted = name.bytes().map(fold).skip_while(|byte| *byte == b'_');
    sent.map(fold).skip_while(|byte| *byte == b'_').take_while(|byte| *byte != b'[').eq(wanted)
}

/// Reads a form. Empty pairs (`a=1&&b=2`) are skipped, as all readers do.
///
/// # Errors
/// What keeps it from having one meaning.
pub fn pairs(bytes: &[u8]) -> Result<Form, Fault> {
    if bytes.len() > BYTES_MAX {
        return Err(Fault::TooLong);
    }
    let mut form = Form::default();
    for (count, pair) in bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).enumerate() {
        if count >= PAIRS_MAX {
            return Err(Fault::TooMany);
        }
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        if form.values.insert(decoded(name)?, decoded(value)?).is_some() {
            return Err(Fault::Repeated);
        }
    }
    Ok(form)
}

fn decoded(text: &[u8]) -> Result<String, Fault> {
    let escapes = text.split(|byte| *byte == b'%').skip(1);
    let is_escape =
        |rest: &[u8]| matches!(rest, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    if !escapes.into_iter().all(is_escape) {
        return Err(Fault::Encoding);
    }
    String::from_utf8(super::form_decoded(text).into_owned()).map_err(|_| Fault::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_decoded_and_found_by_name() {
        let form =
            pairs(b"grant_type=authorization_code&&redirect%5Furi=https%3A%2F%2Fa.example%2F&q=a+b%2B&flag&e=")
                .unwrap();
        for (name, value) in [
            ("grant_type", Some("authorization_code")),
            ("redirect_uri", Some("https://a.example/")),
            ("q", Some("a b+")),
            ("flag", None),
            ("e", None),
            ("GRANT_TYPE", None),
        ] {
            assert_eq!(form.get(name), value, "{name}");
        }
        assert_eq!(pairs(b""), Ok(Form::default()));
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for (text, fault) in [
            (&b"a=1&a=1"[..], Fault::Repeated),
            (b"a=1&%61=2", Fault::Repeated),
            (b"a&a=", Fault::Repeated),
            (b"a=%", Fault::Encoding),
            (b"a=%4", Fault::Encoding),
            (b"a=%4&b=1", Fault::Encoding),
            (b"a=%zz", Fault::Encoding),
            (b"%=1", Fault::Encoding),
            (b"a=%ff", Fault::Encoding),
            (b"a=\xc3", Fault::Encoding),
        ] {
            assert_eq!(pairs(text), Err(fault), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn number_and_length_are_bounded() {
        let many = |count: usize| (0..count).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
        assert!(pairs(many(PAIRS_MAX).as_bytes()).is_ok());
        assert_eq!(pairs(many(PAIRS_MAX + 1).as_bytes()), Err(Fault::TooMany));
        assert!(pairs(&[b'a'; BYTES_MAX]).is_ok());
        assert_eq!(pairs(&[b'a'; BYTES_MAX + 1]), Err(Fault::TooLong));
        assert!(pairs(&[b'&'; BYTES_MAX]).is_ok());
    }

    #[test]
    fn a_body_is_a_form_if_it_is_said_to_be_one_and_nothing_else() {
        let read = |fields: &[(&str, &str)]| {
            let headers = crate::request::headers::Headers::from_pairs(fields.iter().copied());
            in_body(&Request::new(headers, || None), b"a=1").map(|form| form.has("a"))
        };
        let kind = |value: &str| read(&[("content-type", value)]);
        for good in [
            MEDIA_TYPE,
            "Application/X-WWW-Form-Urlencoded ; charset=\"UTF-8\"",
            "application/x-www-form-urlencoded;",
        ] {
            assert_eq!(kind(good), Ok(true), "{good}");
        }
        for bad in ["", "application/json", "application/x-www-form-urlencoded; a=b; CHARSET = utf-16"] {
            assert_eq!(kind(bad), Err(Fault::Kind), "{bad}");
        }
        let own = ("content-type", MEDIA_TYPE);
        assert_eq!(read(&[]), Err(Fault::Kind));
        assert_eq!(read(&[own, own]), Err(Fault::Kind));
        assert_eq!(read(&[own, ("content-encoding", "deflate")]), Err(Fault::Kind));
        assert_eq!(read(&[own, ("content-encoding", "identity")]), Ok(true));
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_read_back(wanted in prop::collection::btree_map("[ -~é&=%+]{1,8}", "[ -~é&=%+]{1,8}", 0..8)) {
            let encode = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
            let text: Vec<_> = wanted.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
            let form = pairs(text.join("&").as_bytes()).unwrap();
            for (name, value) in &wanted {
                prop_assert_eq!(form.get(name), Some(value.as_str()));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = pairs(&bytes);
        }
    }
}
