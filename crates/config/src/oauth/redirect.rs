//! Where an authorization server may send a browser with a code (RFC 6749 §3.1.2, RFC 9700 §2.1, RFC 8252).
//!
//! URIs are compared as strings: whoever compares their parts has, again and again, been led to another host. The one
//! exception is the port of a loopback address, which an app on the desktop learns when it starts (RFC 8252 §7.3).

/// A place that may be named. Its text is the URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUri(String);

/// Why a text is no such place.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// A character that no URI has, or a fragment.
    Characters,
    /// No scheme that is safe: `https`, `http` to the loopback address, or a name that somebody has to own.
    Scheme,
    /// No host, or one with a user before it.
    Host,
}

impl Unfit {
    /// For the operator.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Characters => "expected a URI without fragment, in visible ASCII (RFC 6749 §3.1.2)",
            Self::Scheme => {
                "expected https, http to 127.0.0.1 or [::1], or a private scheme with a dot (RFC 8252 §7)"
            }
            Self::Host => "expected a host, without a user before it",
        }
    }
}

impl RedirectUri {
    /// A place by its text.
    ///
    /// # Errors
    /// Why it may not be one.
    pub fn new(text: &str) -> Result<Self, Unfit> {
        let fits = |byte: u8| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte);
        if !text.bytes().all(fits) {
            return Err(Unfit::Characters);
        }
        let (scheme, rest) = text.split_once(':').ok_or(Unfit::Scheme)?;
        match scheme {
            "https" => {
                let rest = rest.strip_prefix("//").ok_or(Unfit::Host)?;
                let host = rest.split(['/', '?']).next().unwrap_or_default();
                if host.is_empty() || host.contains('@') || host.starts_with(':') {
                    return Err(Unfit::Host);
                }
            }
            "http" if loopback(text).is_some() => {}
            _ if scheme.contains('.') && is_scheme(scheme) => {}
            _ => return Err(Unfit::Scheme),
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether a request names this place.
    pub fn is(&self, sent: &str) -> bool {
        let without_port = || loopback(sent).zip(loopback(&self.0)).is_some_and(|(sent, own)| sent == own);
        self.0 == sent || without_port()
    }
}

/// The loopback address and what follows the port, of a URI that begins with one. `localhost` is none: it is what the
/// machine's resolver makes of it (RFC 8252 §8.3).
fn loopback(uri: &str) -> Option<(&'static str, &str)> {
    let (host, rest) = ["http://127.0.0.1", "http://[::1]"]
        .into_iter()
        .find_map(|host| uri.strip_prefix(host).map(|rest| (host, rest)))?;
    let rest = match rest.strip_prefix(':') {
        Some(ported) => {
            let digits = ported.bytes().take_while(u8::is_ascii_digit).count();
            let (port, rest) = ported.split_at_checked(digits)?;
            port.parse::<u16>().ok().filter(|port| *port > 0)?;
            rest
        }
        None => rest,
    };
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest))
}

/// RFC 3986 §3.1, in lower case.
fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_are_safe_ones() {
        for good in [
            "https://app.example/cb",
            "https://app.example:8443/cb?tenant=a",
            "https://app.example",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:49152/cb",
            "http://[::1]:1?x",
            "com.example.app:/cb",
        ] {
            assert!(RedirectUri::new(good).is_ok(), "{good}");
        }
        for (bad, fault) in [
            ("", Unfit::Scheme),
            ("/cb", Unfit::Scheme),
            ("app:/cb", Unfit::Scheme),
            ("javascript:alert(1)", Unfit::Scheme),
            ("data:text/html,x", Unfit::Scheme),
            ("HTTPS://app.example/cb", Unfit::Scheme),
            ("http://app.example/cb", Unfit::Scheme),
            ("http://localhost/cb", Unfit::Scheme),
            ("http://127.0.0.1.evil.example/cb", Unfit::Scheme),
            ("http://127.0.0.1:1@evil.example/cb", Unfit::Scheme),
            ("http://127.0.0.1:0/cb", Unfit::Scheme),
            ("http://127.0.0.1:99999/cb", Unfit::Scheme),
            ("https:/app.example/cb", Unfit::Host),
            ("https:///cb", Unfit::Host),
            ("https://:443/cb", Unfit::Host),
            ("https://app.example@evil.example/cb", Unfit::Host),
            ("https://app.example/cb#x", Unfit::Characters),
            ("https://app.example\\@evil.example/cb", Unfit::Characters),
            ("https://app.example/a b", Unfit::Characters),
            ("https://app.example/é", Unfit::Characters),
        ] {
            assert_eq!(RedirectUri::new(bad), Err(fault), "{bad}");
        }
    }

    #[test]
    fn only_the_port_of_a_loopback_address_is_free() {
        let desktop = RedirectUri::new("http://127.0.0.1/cb").unwrap();
        for same in ["http://127.0.0.1/cb", "http://127.0.0.1:49152/cb"] {
            assert!(desktop.is(same), "{same}");
        }
        for other in [
            "http://127.0.0.1:49152/other",
            "http://127.0.0.1:49152/cb/",
            "http://127.0.0.1:49152/cb?x",
            "http://[::1]/cb",
            "https://127.0.0.1/cb",
            "http://localhost/cb",
            "http://127.0.0.1:1:2/cb",
            "http://127.0.0.1:/cb",
        ] {
            assert!(!desktop.is(other), "{other}");
        }
        assert!(!RedirectUri::new("https://app.example/cb").unwrap().is("https://app.example:443/cb"));
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_leads_to_the_registered_host(
            port in prop::option::of(0u32..70_000),
            junk in "[a-z:@/?#.\\\\\\[\\] %0-9]{0,12}",
        ) {
            let desktop = RedirectUri::new("http://127.0.0.1/cb").unwrap();
            let port = port.map_or_else(String::new, |port| format!(":{port}"));
            let sent = format!("http://127.0.0.1{port}{junk}/cb");
            if desktop.is(&sent) {
                // What is left after the host and before the path can only be a port.
                let between = format!("{port}{junk}");
                let digits = between.strip_prefix(':').unwrap_or("1");
                prop_assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{}", sent);
                prop_assert!(between.is_empty() || (1..=65_535).contains(&digits.parse::<u32>().unwrap()), "{}", sent);
            }
        }
    }
}
