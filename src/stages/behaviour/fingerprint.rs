//! What all requests of one client program have in common, whatever address, token or name it takes.
//!
//! The names of its header fields in their order, and the values of some of them (`behaviour.rotation.headers`; something
//! before the filter can write the fingerprint of the TLS handshake into one, JA3 or JA4). Left out are fields that come and go
//! with the page, the login or the cache, and those that proxies add: the same program would have many fingerprints.
//!
//! Millions of people share the fingerprint of a popular browser, so it says nothing by itself, and nothing here holds it
//! against anybody. Not covered: programs that shuffle their fields.

use crate::request::headers::Headers;

/// Fields that one program sends on some requests and not on others, or that others add on the way.
const PASSING: &[&str] = &[
    "authorization",
    "b3",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "dpop",
    "expect",
    "forwarded",
    "origin",
    "pragma",
    "priority",
    "range",
    "referer",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "via",
    "x-api-key",
    "x-request-id",
];

/// Beginnings of the names of further ones.
const PASSING_PREFIXES: &[&str] =
    &[":", "if-", "sec-fetch-", "x-b3-", "x-envoy-", "x-forwarded-", "x-portcullis-"];

/// The bytes that stand for a program. `valued` are the fields whose values count.
pub(super) fn fingerprint(headers: &Headers, valued: &[String]) -> Vec<u8> {
    // Most fit, so that they do not grow step by step.
    let mut bytes = Vec::with_capacity(256);
    for (name, value) in headers.iter().filter(|(name, _)| !is_passing(name)) {
        bytes.extend(name);
        if valued.iter().any(|valued| valued.as_bytes() == name) {
            bytes.push(b':');
            bytes.extend(value);
        }
        // In no name and no value (RFC 9110 §5.5).
        bytes.push(0);
    }
    bytes
}

fn is_passing(name: &[u8]) -> bool {
    // Most are told apart by their first letter.
    let begins_alike = |passing: &&&str| passing.as_bytes().first() == name.first();
    PASSING.iter().filter(begins_alike).any(|passing| passing.as_bytes() == name)
        || PASSING_PREFIXES.iter().filter(begins_alike).any(|prefix| name.starts_with(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Vec<u8> {
        fingerprint(&Headers::from_pairs(pairs.iter().copied()), &["accept".to_owned()])
    }

    #[test]
    fn a_program_is_the_same_with_another_name_page_and_login() {
        let one = of(&[(":path", "/a"), ("user-agent", "A"), ("accept", "*/*"), ("cookie", "a=1")]);
        let other = of(&[(":path", "/b"), ("user-agent", "B"), ("accept", "*/*"), ("authorization", "Bearer x")]);
        assert_eq!(one, other);
    }

    #[test]
    fn order_names_and_some_values_tell_programs_apart() {
        let base = of(&[("user-agent", "A"), ("accept", "*/*")]);
        assert_ne!(base, of(&[("accept", "*/*"), ("user-agent", "A")]));
        assert_ne!(base, of(&[("user-agent", "A"), ("accept", "text/html")]));
        assert_ne!(base, of(&[("user-agent", "A"), ("accept", "*/*"), ("dnt", "1")]));
    }
}
