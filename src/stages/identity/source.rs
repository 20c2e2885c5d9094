//! Where the credential is: exactly one, a token or a key, in one of the configured places.

use super::checks::TOKEN_AMBIGUOUS;
use crate::config::identity::{ApiKeys, Identity, TokenSource};
use crate::finding::Finding;
use crate::request::form::spellings;
use crate::request::headers::{Headers, Repeated};
use crate::request::Request;
use std::borrow::Cow;

/// A credential as it was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Presented<'r> {
    /// Its text.
    pub(super) text: Cow<'r, [u8]>,
    /// What it is, by its place.
    pub(super) kind: Kind,
}

/// What a credential is.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A token that whoever has it may use (RFC 6750).
    Bearer,
    /// A token that came by the scheme `DPoP`, with a proof of possession (RFC 9449 §7.1).
    Proven,
    /// A client's own key.
    Key,
}

impl<'r> Presented<'r> {
    const fn new(text: &'r [u8], kind: Kind) -> Self {
        Self { text: Cow::Borrowed(text), kind }
    }
}

/// The scheme by which tokens come that are bound to a key.
const DPOP: &str = "DPoP";

/// The token or key, or `None` when there is neither.
///
/// # Errors
/// A finding when there is more than one, or a credential field is repeated.
pub(super) fn credential<'r>(
    identity: &'r Identity,
    request: &'r Request,
) -> Result<Option<Presented<'r>>, Finding> {
    let token = token(&identity.sources, identity.holder.dpop.is_some(), request)?;
    let key = identity.api_keys.as_ref().map(|keys| key(keys, request)).transpose()?.flatten();
    match (token, key) {
        (Some(_), Some(_)) => Err(Finding::new(&TOKEN_AMBIGUOUS, "a token and a key")),
        (token, key) => Ok(token.or(key)),
    }
}

/// The key. Services behind us may take other spellings of a name for the same one, so no second one may be there in any
/// of them.
fn key<'r>(keys: &'r ApiKeys, request: &'r Request) -> Result<Option<Presented<'r>>, Finding> {
    let (headers, header) = (&request.headers, keys.header.as_str());
    let value = headers.only(header).map_err(|Repeated| repeated(header))?;
    let alike = headers.alike(header).count();
    if alike > usize::from(value.is_some()) {
        return Err(Finding::new(&TOKEN_AMBIGUOUS, format!("`{header}` is there in another spelling")));
    }
    let in_header = value.map(|value| in_field(value, None, header)).transpose()?.flatten();
    let Some(name) = &keys.query else { return Ok(in_header.map(|text| Presented::new(text, Kind::Key))) };
    let mut values = request.parameters(name);
    let in_query = values.next();
    let alike = spellings(request.query(), name);
    if values.next().is_some() || alike > usize::from(in_query.is_some()) {
        return Err(Finding::new(&TOKEN_AMBIGUOUS, format!("`{name}` is repeated in the query")));
    }
    let key = |text| Presented { text, kind: Kind::Key };
    match (in_header, in_query) {
        (Some(_), Some(_)) => Err(Finding::new(&TOKEN_AMBIGUOUS, "keys in two places")),
        (Some(text), None) => Ok(Some(key(Cow::Borrowed(text)))),
        (None, text) => Ok(text.map(|text| key(Cow::Owned(text)))),
    }
}

/// The token, or `None` when there is none. With `dpop` a place that has a scheme takes `DPoP` too.
///
/// # Errors
/// A finding when there is more than one, or a credential field is repeated.
fn token<'r>(
    sources: &'r [TokenSource],
    dpop: bool,
    request: &'r Request,
) -> Result<Option<Presented<'r>>, Finding> {
    let headers = &request.headers;
    // What RFC 6750 §2.3 allows and RFC 9700 §4.3.2 forbids: we never take it, but a service behind us may.
    if spellings(request.query(), "access_token") > 0 {
        return Err(Finding::new(&TOKEN_AMBIGUOUS, "a token in the query"));
    }
    let mut found = None;
    for source in sources {
        let token = match source {
            TokenSource::Header { name, scheme } => match headers.only(name).map_err(|Repeated| repeated(name))? {
                Some(value) => match in_field(value, scheme.as_deref(), name)? {
                    Some(text) => Some(Presented::new(text, Kind::Bearer)),
                    None if dpop && scheme.is_some() => {
                        in_field(value, Some(DPOP), name)?.map(|text| Presented::new(text, Kind::Proven))
                    }
                    None => None,
                },
                None => None,
            },
            TokenSource::Cookie(name) => in_cookie(headers, name)?.map(|text| Presented::new(text, Kind::Bearer)),
        };
        if token.is_some() && found.is_some() {
            return Err(Finding::new(&TOKEN_AMBIGUOUS, "tokens in two places"));
        }
        found = found.or(token);
    }
    Ok(found)
}

#[cold]
fn repeated(name: &str) -> Finding {
    Finding::new(&TOKEN_AMBIGUOUS, format!("`{name}` is repeated"))
}

/// The one cookie of that name, which must be the only thing in any cookie line that looks like it.
fn in_cookie<'r>(headers: &'r Headers, name: &'r str) -> Result<Option<&'r [u8]>, Finding> {
    let mut cookies = headers.cookies(name);
    let cookie = cookies.next();
    if cookies.next().is_some() {
        return Err(repeated(name));
    }
    if headers.cookie_mentions(name) > usize::from(cookie.is_some()) {
        return Err(Finding::new(&TOKEN_AMBIGUOUS, format!("cookie `{name}` can be read in two ways")));
    }
    Ok(cookie)
}

/// The token of one field. Envoy joins repeated fields with a comma (RFC 9110 §5.3), and no token contains one.
fn in_field<'r>(value: &'r [u8], scheme: Option<&str>, name: &str) -> Result<Option<&'r [u8]>, Finding> {
    let token = |part: &'r [u8]| after_scheme(part.trim_ascii(), scheme);
    if memchr::memchr(b',', value).is_some() && value.split(|byte| *byte == b',').any(|part| token(part).is_some())
    {
        return Err(Finding::new(&TOKEN_AMBIGUOUS, format!("`{name}` has several values")));
    }
    Ok(token(value))
}

/// `Bearer abc` → `abc` (RFC 9110 §11.4). Another scheme is no token of ours.
fn after_scheme<'r>(value: &'r [u8], scheme: Option<&str>) -> Option<&'r [u8]> {
    let Some(scheme) = scheme else { return Some(value) };
    let (word, rest) = value.split_at_checked(scheme.len())?;
    // Nearly all write it as it is configured.
    if word != scheme.as_bytes() && !word.eq_ignore_ascii_case(scheme.as_bytes()) {
        return None;
    }
    match rest.first() {
        // Another scheme whose name begins like ours.
        Some(byte) if *byte != b' ' && is_in_token(*byte) => None,
        // Strictly one space (RFC 9110 §11.4), but services split at any white space.
        _ => Some(rest.trim_ascii()),
    }
}

/// What names of schemes are of (RFC 9110 §5.6.2).
fn is_in_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Vec<TokenSource> {
        let header = |name: &str, scheme: Option<&str>| TokenSource::Header {
            name: name.to_owned(),
            scheme: scheme.map(str::to_owned),
        };
        vec![
            header("authorization", Some("Bearer")),
            header("x-token", None),
            TokenSource::Cookie("token".to_owned()),
        ]
    }

    fn found(pairs: &[(&str, &str)]) -> Result<Option<String>, Finding> {
        let request = Request::new(Headers::from_pairs(pairs.iter().copied()), || None);
        token(&sources(), false, &request)
            .map(|token| token.map(|token| String::from_utf8_lossy(&token.text).into_owned()))
    }

    #[test]
    fn a_token_is_found_in_each_place() {
        for pair in [
            ("authorization", "Bearer abc"),
            ("authorization", "bearer  abc "),
            ("authorization", "Bearer\tabc"),
            ("x-token", "abc"),
            ("cookie", "a=b; token=abc"),
        ] {
            assert_eq!(found(&[pair]).unwrap().as_deref(), Some("abc"), "{pair:?}");
        }
    }

    #[test]
    fn other_schemes_are_not_tokens() {
        for value in ["Basic abc", "Digest a=b, c=d", "Bearerabc", "Bear", ""] {
            assert_eq!(found(&[("authorization", value)]).unwrap(), None, "{value}");
        }
        assert_eq!(found(&[("authorization", "Bearer")]).unwrap().as_deref(), Some(""));
    }

    #[test]
    fn a_token_in_the_query_is_never_taken_and_never_ignored() {
        for query in [
            "access_token=a",
            "a=b&access_token=",
            "a=b;access%5Ftoken=x",
            "access_token",
            "+Access.token=a",
            "access_token[]=a",
        ] {
            assert!(found(&[(":path", &format!("/x?{query}"))]).is_err(), "{query}");
        }
        assert_eq!(found(&[(":path", "/access_token=a?b=access_token")]).unwrap(), None);
    }

    #[test]
    fn two_are_too_many_wherever_they_stand() {
        assert!(found(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]).is_err());
        assert!(found(&[("authorization", "Bearer a"), ("authorization", "Basic b")]).is_err());
        assert!(found(&[("authorization", "Bearer a,Bearer b")]).is_err(), "as Envoy joins them");
        assert!(found(&[("authorization", "Basic a, Bearer b")]).is_err());
        assert!(found(&[("x-token", "a,b")]).is_err());
        assert!(found(&[("authorization", "Bearer a"), ("x-token", "a")]).is_err());
        assert!(found(&[("x-token", "a"), ("cookie", "token=a")]).is_err());
        assert!(found(&[("cookie", "token=a; token=b")]).is_err());
        assert!(found(&[("cookie", "token =a; token=b")]).is_err());
        assert!(found(&[("cookie", "x=y token=a; token=b")]).is_err());
        assert!(found(&[("cookie", "Token=a")]).is_err());
    }
}
