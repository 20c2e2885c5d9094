//! Where a document is: the parts of a URI that go into a request. Which host is asked is decided by a cluster of Envoy, never
//! by the URI, so a URI from elsewhere can lead nowhere new.

use std::fmt;

/// Longest URI that is taken, in bytes.
const URI_BYTES_MAX: usize = 2048;

/// A place at a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Whether it was an `https` URI.
    pub secure: bool,
    /// Host, and port where one is named (`:authority`, RFC 9113 §8.3.1).
    pub authority: String,
    /// Path and query (`:path`).
    pub path: String,
}

/// Not such a URI.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct NoLocation;

impl Location {
    /// Reads `https://host[:port]/path[?query]`, or `http`. A path is needed, user information and a fragment are refused.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(uri: &str) -> Result<Self, NoLocation> {
        let plain = uri.len() <= URI_BYTES_MAX && uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        let (secure, rest) = match uri.split_once("://").filter(|_| plain) {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(NoLocation),
        };
        let at = rest.find('/').ok_or(NoLocation)?;
        let (authority, path) = rest.split_at_checked(at).ok_or(NoLocation)?;
        let in_authority = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        if authority.is_empty() || !authority.bytes().all(in_authority) {
            return Err(NoLocation);
        }
        Ok(Self { secure, authority: authority.to_owned(), path: path.to_owned() })
    }

    /// A name for it in statistics, where many characters have a meaning: `id.example_jwks.json`.
    pub fn plain(&self) -> String {
        let place = [self.authority.as_str(), self.path.as_str()].concat();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        place.bytes().map(|byte| if is_plain(byte) { char::from(byte) } else { '_' }).collect()
    }
}

impl fmt::Display for NoLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("expected https://host/path (or http), without user information and fragment")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_uri() {
        let location = Location::parse("https://id.example:8443/a/jwks.json?v=1").unwrap();
        assert_eq!((location.authority.as_str(), location.path.as_str()), ("id.example:8443", "/a/jwks.json?v=1"));
        assert_eq!(location.plain(), "id.example_8443_a_jwks.json_v_1");
        assert!(location.secure && !Location::parse("http://[::1]/").unwrap().secure);
    }

    #[test]
    fn what_is_no_such_uri() {
        for odd in [
            "",
            "/jwks",
            "id.example/jwks",
            "ftp://a/b",
            "https://",
            "https:///x",
            "https://a",
            "https://u@a/b",
            "https://a/b#c",
            "https://a /b",
            "https://a/b\r\nx: y",
            "HTTPS://a/b",
            "https://a\\b/c",
        ] {
            assert_eq!(Location::parse(odd), Err(NoLocation), "{odd:?}");
        }
        assert_eq!(Location::parse(&format!("https://a/{}", "x".repeat(3000))), Err(NoLocation));
    }
}
