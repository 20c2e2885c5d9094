//! The compact serialisation (RFC 7515 §7.1), read strictly.
//!
//! Nothing here is trusted: a [`Token`] is what a client claims, until [`super::KeySet::verify`] agreed.
//! Bounds: the caller limits the token's length; the header is at most [`HEADER_BYTES_MAX`], the payload's JSON
//! within [`PAYLOAD_BOUNDS`].

use super::{Algorithm, Claims};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use portcullis_base::json::{self, Bounds};
use serde_json::Value;

/// Longest encoded JOSE header.
pub const HEADER_BYTES_MAX: usize = 2048;

/// What the payload may contain. Real tokens nest three deep and have some dozens of values.
pub const PAYLOAD_BOUNDS: Bounds = Bounds { depth: 16, values: 1024 };

const HEADER_BOUNDS: Bounds = Bounds { depth: 8, values: 128 };

/// A well-formed token whose signature nobody has checked yet.
#[derive(Debug)]
pub struct Token<'a> {
    /// The three parts as received.
    pub text: &'a str,
    /// The algorithm named by the header.
    pub algorithm: Algorithm,
    /// The key named by the header.
    pub key_id: Option<String>,
    /// The `typ` of the header, as [`media_type`].
    pub kind: Option<String>,
    /// The `typ` as it stands there.
    pub(super) written_kind: Option<String>,
    /// A key that the header carries (`jwk`): a proof of possession has one, and a token's is not looked at.
    pub(super) embedded_key: Option<Value>,
    /// The payload.
    pub claims: Claims,
}

/// Why a text is no token that we would verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFault {
    /// Not three base64url parts with JSON objects in the first two. Names the part and the fault.
    Malformed(String),
    /// `alg` is `none`, unknown or missing.
    Algorithm(String),
    /// The header has `crit`: it demands that we understand an extension, and we know none (RFC 7515 §4.1.11).
    Critical,
}

impl<'a> Token<'a> {
    /// Reads the compact form.
    ///
    /// # Errors
    /// [`TokenFault`], with text that is safe to log.
    pub fn parse(text: &'a str) -> Result<Self, TokenFault> {
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenFault::Malformed("not three parts".to_owned()));
        };
        if header.len() > HEADER_BYTES_MAX {
            return Err(TokenFault::Malformed("header is too long".to_owned()));
        }
        let header = object(header, "header", HEADER_BOUNDS)?;
        if header.get("crit").is_some() {
            return Err(TokenFault::Critical);
        }
        let algorithm = algorithm(header.get("alg"))?;
        let claims = Claims::new(object(payload, "payload", PAYLOAD_BOUNDS)?);
        base64url(signature, "signature")?;
        let written_kind = string(header.get("typ"), "typ")?;
        let kind = written_kind.as_deref().map(media_type);
        let embedded_key = header.get("jwk").cloned();
        let key_id = string(header.get("kid"), "kid")?;
        Ok(Self { text, algorithm, key_id, kind, written_kind, embedded_key, claims })
    }
}

/// A `typ` in the form that is compared: lower case, and without `application/` where no other slash follows (RFC 7515
/// §4.1.9).
pub fn media_type(kind: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    let short = kind.strip_prefix("application/").filter(|rest| !rest.contains('/')).map(str::to_owned);
    short.unwrap_or(kind)
}

fn algorithm(alg: Option<&Value>) -> Result<Algorithm, TokenFault> {
    let name = alg.and_then(Value::as_str).ok_or_else(|| TokenFault::Algorithm("missing".to_owned()))?;
    Algorithm::from_name(name).ok_or_else(|| TokenFault::Algorithm(portcullis_base::finding::quoted(name)))
}

fn string(value: Option<&Value>, name: &str) -> Result<Option<String>, TokenFault> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(TokenFault::Malformed(format!("{name} is not a string"))),
    }
}

fn object(part: &str, name: &str, bounds: Bounds) -> Result<serde_json::Map<String, Value>, TokenFault> {
    let bytes = base64url(part, name)?;
    match json::parse(&bytes, bounds) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(TokenFault::Malformed(format!("{name} is not a JSON object"))),
        Err(fault) => Err(TokenFault::Malformed(format!("{name}: {fault}"))),
    }
}

/// Without padding, and with no second spelling of the same bytes (RFC 7515 §2): the engine refuses stray bits.
fn base64url(part: &str, name: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Malformed(format!("{name} is not base64url")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compact(header: &str, payload: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", encode(header), encode(payload), encode("signature"))
    }

    fn malformed(text: &str) -> String {
        match Token::parse(text) {
            Err(TokenFault::Malformed(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_is_read() {
        let text = compact(r#"{"alg":"RS256","kid":"k1","typ":"application/at+JWT"}"#, r#"{"sub":"alice"}"#);
        let token = Token::parse(&text).unwrap();
        assert_eq!(
            (token.algorithm, token.key_id.as_deref(), token.kind.as_deref()),
            (Algorithm::Rs256, Some("k1"), Some("at+jwt"))
        );
        assert_eq!(token.claims.text("sub"), Some("alice"));
    }

    #[test]
    fn its_form_is_exact() {
        let good = compact(r#"{"alg":"RS256"}"#, "{}");
        assert!(Token::parse(&good).is_ok());
        for bad in
            ["", ".", "..", "a.b", "a.b.c.d", &format!("{good}="), &format!("{good} "), &good.replace('.', "..")]
        {
            malformed(bad);
        }
        assert_eq!(malformed(&compact("[]", "{}")), "header is not a JSON object");
        assert_eq!(malformed(&compact(r#"{"alg":"RS256","kid":7}"#, "{}")), "kid is not a string");
        assert!(
            malformed(&compact(r#"{"alg":"RS256"}"#, r#"{"sub":"a","sub":"b"}"#)).contains("duplicate key `sub`")
        );
        assert!(malformed(&compact(
            r#"{"alg":"RS256"}"#,
            &format!(r#"{{"a":{}1{}}}"#, "[".repeat(60), "]".repeat(60))
        ))
        .contains("nested too deeply"));
        assert!(malformed(&compact(&format!(r#"{{"alg":"RS256","x":"{}"}}"#, "x".repeat(3000)), "{}"))
            .contains("too long"));
    }

    #[test]
    fn unknown_algorithms_and_critical_extensions_are_refused() {
        for alg in [r#"{"alg":"none"}"#, r#"{"alg":"None"}"#, r#"{"alg":"rs256"}"#, r#"{"alg":1}"#, "{}"] {
            assert!(matches!(Token::parse(&compact(alg, "{}")), Err(TokenFault::Algorithm(_))), "{alg}");
        }
        for crit in [r#"{"alg":"RS256","crit":["b64"],"b64":false}"#, r#"{"alg":"RS256","crit":[]}"#] {
            assert_eq!(Token::parse(&compact(crit, "{}")).unwrap_err(), TokenFault::Critical);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r"[A-Za-z0-9_.-]{0,80}") {
            let _ = Token::parse(&text);
        }
    }
}
