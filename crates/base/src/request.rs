//! The request as the stages see it: bounded, decoded once, owned by us.
//!
//! Envoy's own view of the request disappears when the headers are let through, so everything needed later is
//! taken here, in one host call. The source address is Envoy's; what a client writes into `x-forwarded-for` is
//! Envoy's to judge (`use_remote_address`), never ours.

pub mod agent;
pub mod body;
pub mod decode;
pub mod form;
pub mod graphql;
pub mod headers;
pub mod multipart;
pub mod path;
pub mod place;
pub mod values;

use self::headers::Headers;
use self::path::{Ambiguity, Path};
use crate::bytes::Alphabet;
use std::borrow::Cow;
use std::cell::LazyCell;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// Header fields of this prefix are ours: from a client they are removed.
pub const INTERNAL_PREFIX: &str = "x-portcullis-";

/// Header fields by which services let a client replace the method.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Longest request id that is passed on.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// The peer's address as Envoy determined it, asked for when somebody needs it. `None` where Envoy could not say (a
/// Unix socket, an unknown peer).
pub type Source = LazyCell<Option<IpAddr>, Box<dyn FnOnce() -> Option<IpAddr>>>;

/// See [`Request::certificate`].
pub type Certificate = LazyCell<Option<String>, Box<dyn FnOnce() -> Option<String>>>;

/// The head of one request.
#[derive(Debug)]
pub struct Request {
    /// All header fields, pseudo-header fields included.
    pub headers: Headers,
    /// The path's one meaning, or why it has several.
    pub path: Result<Path, Ambiguity>,
    /// The peer's address.
    pub source: Source,
    /// The address at the other end of the connection, whatever `x-forwarded-for` says, asked for when somebody needs it. `None`
    /// where nobody has told ([`Request::reached_by`]).
    pub peer: Source,
    /// The SHA-256 of the client certificate, in hexadecimal, asked for when somebody needs it. `None` without one.
    pub certificate: Certificate,
    /// A name for this request, safe to print. `None` when Envoy gave none.
    pub id: Option<String>,
    method: Cow<'static, str>,
    /// Where the value of `:path` lies.
    target: Range<usize>,
    /// Where the query begins in it, its question mark included.
    path_bytes: usize,
    host: Option<String>,
    method_override: Option<&'static str>,
}

impl Request {
    /// The view of a request. `source` asks for the peer's address, at most once; see [`source_address`].
    pub fn new(headers: Headers, source: impl FnOnce() -> Option<IpAddr> + 'static) -> Self {
        let target = headers.place(":path");
        let written = path::without_query(headers.at(target.clone()));
        let (path, path_bytes) = (path::normalize(written), written.len());
        let id = headers.first("x-request-id").and_then(request_id);
        let method = headers.first(":method").map(method).unwrap_or_default();
        let host = headers.first(":authority").and_then(host);
        let method_override = METHOD_OVERRIDES.into_iter().find(|name| headers.alike(name).next().is_some());
        let certificate: Certificate = LazyCell::new(Box::new(|| None));
        let peer: Source = LazyCell::new(Box::new(|| None));
        let source: Source = LazyCell::new(Box::new(source));
        Self { path, source, peer, certificate, id, method, target, path_bytes, host, method_override, headers }
    }

    /// The same request over a connection whose other end `peer` asks for, at most once.
    pub fn reached_by(self, peer: impl FnOnce() -> Option<IpAddr> + 'static) -> Self {
        Self { peer: LazyCell::new(Box::new(peer)), ..self }
    }

    /// The same request on a connection whose client certificate `digest` asks for, at most once.
    pub fn certified(self, digest: impl FnOnce() -> Option<String> + 'static) -> Self {
        Self { certificate: LazyCell::new(Box::new(digest)), ..self }
    }

    /// The method, upper or lower case as sent (methods are case-sensitive, RFC 9110 §9.1).
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The same, to keep.
    pub fn owned_method(&self) -> Cow<'static, str> {
        self.method.clone()
    }

    /// Whether the method is of upper-case letters and hyphens, and nothing asks the service to take another one: some
    /// servers take `get` for `GET`, and some services obey a header field (see [`Request::method_override`]).
    #[inline]
    pub fn has_one_method(&self) -> bool {
        let method = self.method();
        !method.is_empty()
            && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
            && self.method_override().is_none()
    }

    /// The header field by which a client asks for another method. Services that make variables of fields (CGI, WSGI) take
    /// an underscore for a hyphen.
    pub const fn method_override(&self) -> Option<&'static str> {
        self.method_override
    }

    /// The method that rules are about: one for `GET` is also for `HEAD`, which servers answer with the same code (RFC 9110
    /// §9.3.2).
    pub fn is_method(&self, method: &str) -> bool {
        self.method() == method || (self.method() == "HEAD" && method == "GET")
    }

    /// The host without its port, lower case. `None` for an authority that is not `host` or `host:port` (RFC 9110 §7.2):
    /// servers disagree about what such a thing names.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Whether the client speaks gRPC and wants a gRPC answer.
    pub fn is_grpc(&self) -> bool {
        // `application/grpc`, `application/grpc+proto`, but not `application/grpc-web`, which is HTTP to Envoy.
        self.headers
            .first("content-type")
            .and_then(|value| value.strip_prefix(b"application/grpc"))
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
    }

    /// The query, without its question mark (RFC 3986 §3.4).
    pub fn query(&self) -> &[u8] {
        self.target().get(self.path_bytes.saturating_add(1)..).unwrap_or_default()
    }

    /// The path and the query as they were sent.
    pub fn target(&self) -> &[u8] {
        self.headers.at(self.target.clone())
    }

    /// The path as it was sent.
    pub fn written_path(&self) -> &[u8] {
        self.target().get(..self.path_bytes).unwrap_or_default()
    }

    /// The parameters of that name in the query, decoded as forms are (WHATWG URL §5.1).
    pub fn parameters<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Vec<u8>> + 'a {
        self.query().split(|byte| *byte == b'&').filter_map(move |pair| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let (key, value) = (halves.next()?, halves.next().unwrap_or_default());
            (*form_decoded(key) == *name.as_bytes()).then(|| form_decoded(value).into_owned())
        })
    }

    /// The names of all parameters in the query, decoded in the same way.
    pub fn parameter_names(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let pairs = self.query().split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| form_decoded(pair.split(|byte| *byte == b'=').next().unwrap_or_default()).into_owned())
    }

    /// Whether the connection is to become another one (RFC 9110 §7.8, §9.3.6; RFC 8441): its body never ends.
    pub fn is_upgrade(&self) -> bool {
        self.method() == "CONNECT" || self.headers.first("upgrade").is_some()
    }

    /// Whether its body may be a JSON document: what is said to be a form or compressed is none to the service, whatever it looks
    /// like.
    pub fn may_be_json(&self) -> bool {
        let kind = self.text("content-type").unwrap_or_default().to_ascii_lowercase();
        let is_form = kind.trim_start().starts_with("multipart/") || kind.contains("x-www-form-urlencoded");
        let is_plain = |coding: &str| coding.trim().eq_ignore_ascii_case("identity");
        !is_form
            && self.headers.all("content-type").count() < 2
            && self.text("content-encoding").is_none_or(is_plain)
    }

    /// The declared length of the body, where there is one (RFC 9110 §8.6).
    pub fn content_length(&self) -> Option<u64> {
        self.text("content-length")?.parse().ok()
    }

    /// A header field's first value, if it is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.headers.first(name)?).ok()
    }
}

/// See [`Request::method`]. Of the usual ones nothing is copied.
fn method(written: &[u8]) -> Cow<'static, str> {
    const USUAL: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"];
    let usual = USUAL.into_iter().find(|usual| usual.as_bytes() == written).map(Cow::Borrowed);
    usual.unwrap_or_else(|| Cow::Owned(std::str::from_utf8(written).unwrap_or_default().to_owned()))
}

/// See [`Request::host`].
fn host(authority: &[u8]) -> Option<String> {
    // `shop.example.` is the same name, written absolutely.
    let name = authority.strip_suffix(b".").unwrap_or(authority);
    let name = if is_name(name) { name } else { host_of_address(authority)? };
    String::from_utf8(name.iter().map(u8::to_ascii_lowercase).collect()).ok()
}

/// The same for what is more than a name.
#[inline(never)]
fn host_of_address(authority: &[u8]) -> Option<&[u8]> {
    let (host, port) = match authority.iter().rposition(|byte| *byte == b':') {
        // In `[::1]` the last colon is not a port's.
        Some(colon) if authority.last() != Some(&b']') => authority.split_at_checked(colon)?,
        _ => (authority, &[][..]),
    };
    let name = host.strip_suffix(b".").unwrap_or(host);
    let in_address = |byte: &u8| byte.is_ascii_hexdigit() || b":.".contains(byte);
    let is_plain = match host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")) {
        Some(address) => !address.is_empty() && address.iter().all(in_address),
        None => is_name(name),
    };
    (is_plain && port.iter().skip(1).all(u8::is_ascii_digit)).then_some(name)
}

/// Labels with full stops between them.
fn is_name(name: &[u8]) -> bool {
    static LABELS: Alphabet = Alphabet::new(b"-_.", b'.', b".");
    name.last().is_some_and(|last| *last != b'.') && LABELS.spells(name)
}

/// Envoy writes a UUID; a client may be allowed to bring its own, so only harmless characters pass.
fn request_id(value: &[u8]) -> Option<String> {
    static ID: Alphabet = Alphabet::new(b"-_.", 0, b"");
    let fits = (1..=REQUEST_ID_BYTES_MAX).contains(&value.len()) && ID.spells(value);
    std::str::from_utf8(value).ok().filter(|_| fits).map(str::to_owned)
}

/// Reads Envoy's `source.address` attribute: `ip:port` or `[ip]:port`.
pub fn source_address(text: &str) -> Option<IpAddr> {
    let address = text.parse::<SocketAddr>().map(|socket| socket.ip()).or_else(|_| text.parse::<IpAddr>()).ok()?;
    // `::ffff:192.0.2.1` is the IPv4 client that a dual-stack listener accepted.
    Some(address.to_canonical())
}

fn form_decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(text);
    }
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    Cow::Owned(percent_encoding::percent_decode(&spaced).collect())
}

/// Bytes as a text: what is no UTF-8 in them is replaced.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    // Looking first is faster: nearly all are.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(pairs: &[(&str, &str)]) -> Request {
        Request::new(Headers::from_pairs(pairs.iter().copied()), || None)
    }

    #[test]
    fn source_addresses_of_every_form() {
        assert_eq!(source_address("192.0.2.1:80"), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(source_address("[2001:db8::1]:80"), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(source_address("[::ffff:192.0.2.1]:80"), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(source_address("/run/socket"), None);
    }

    #[test]
    fn the_host_has_no_port_and_one_case() {
        for (authority, host) in [
            ("Shop.Example:8443", "shop.example"),
            ("shop.example", "shop.example"),
            ("shop.example.:80", "shop.example"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(request(&[(":authority", authority)]).host(), Some(host));
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let sent = request(&[(":path", "/search?a%20b=c+d%26&limit=50&limit=7&flag")]);
        for (name, values) in [("a b", &["c d&"][..]), ("limit", &["50", "7"]), ("flag", &[""]), ("x", &[])] {
            let values: Vec<_> = values.iter().map(|value| value.as_bytes().to_vec()).collect();
            assert_eq!(sent.parameters(name).collect::<Vec<_>>(), values, "{name}");
        }
    }

    #[test]
    fn an_authority_that_is_no_host_names_nobody() {
        for odd in [
            "",
            "u@shop.example",
            "shop.example:443:443",
            "shop.example:+80",
            "shop.example%20",
            "shop.example,a",
            "[::1",
            "[]",
            "[x]:80",
            "a b",
            ":80",
            "shop.example..",
            ".shop.example",
            ".",
        ] {
            assert_eq!(request(&[(":authority", odd)]).host(), None, "{odd}");
        }
        assert_eq!(request(&[]).host(), None);
    }

    #[test]
    fn grpc_is_told_by_its_content_type() {
        for (kind, grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;x=1", false),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            assert_eq!(request(&[("content-type", kind)]).is_grpc(), grpc, "{kind}");
        }
    }

    #[test]
    fn only_harmless_request_ids_are_kept() {
        assert_eq!(request(&[("x-request-id", "a-1_b.2")]).id.as_deref(), Some("a-1_b.2"));
        for hostile in ["", "a b", "a\nb", "é", "<script>", &"x".repeat(65)] {
            assert_eq!(request(&[("x-request-id", hostile)]).id, None);
        }
    }
}
