//! Signatures that the host checks: Envoy's own cryptography is many times faster than ours in wasm.
//!
//! The host is asked for what it can do (RSASSA-PKCS1-v1_5 and ECDSA), and jwt-simple checks the rest and whatever the host
//! will not answer. Both have to come to the same conclusion, so a token that the host verifies is read by jwt-simple's
//! rules too ([`reads_header`], [`reads_claims`]): they refuse some header fields and claims of the wrong type.

use super::{Algorithm, Token};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use jwt_simple::claims::{JWTClaims, NoCustomClaims};
use std::fmt;

/// The host's signature check.
pub trait Native: fmt::Debug {
    /// Whether a signature of a text is a key's. `None` if the host cannot tell, or does not check signatures at all.
    fn verify(&self, signed: &Signed<'_>) -> Option<bool>;
}

/// What the host needs to know of a signature.
#[derive(Debug, Copy, Clone)]
pub struct Signed<'a> {
    /// The hash function, as `sha256`.
    pub hash: &'static str,
    /// The public key: a DER-encoded SubjectPublicKeyInfo (RFC 5280 §4.1).
    pub key: &'a [u8],
    /// The signature: for ECDSA in DER (RFC 3279 §2.2.3).
    pub signature: &'a [u8],
    /// What was signed.
    pub text: &'a [u8],
}

/// A host that checks no signatures.
#[derive(Debug)]
pub struct NoNative;

impl Native for NoNative {
    fn verify(&self, _: &Signed<'_>) -> Option<bool> {
        None
    }
}

/// Whether the signature of a token is a key's, by the host. `None` where the host cannot tell.
pub(super) fn verify(token: &Token<'_>, key: &[u8], native: &dyn Native) -> Option<bool> {
    let hash = match token.algorithm {
        Algorithm::Rs256 | Algorithm::Es256 => "sha256",
        Algorithm::Rs384 | Algorithm::Es384 => "sha384",
        Algorithm::Rs512 => "sha512",
        _ => return None,
    };
    let (text, signature) = token.text.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    // A signature of the wrong length, or with a number out of range, is nobody's.
    let Some(signature) = in_der(token.algorithm, signature) else { return Some(false) };
    native.verify(&Signed { hash, key, signature: &signature, text: text.as_bytes() })
}

/// JOSE writes the two numbers of ECDSA one after the other (RFC 7518 §3.4), X.509 as a sequence.
fn in_der(algorithm: Algorithm, signature: Vec<u8>) -> Option<Vec<u8>> {
    match algorithm {
        Algorithm::Es256 => {
            let signature = p256::ecdsa::Signature::from_slice(&signature).ok()?;
            Some(signature.to_der().as_bytes().to_vec())
        }
        Algorithm::Es384 => {
            let signature = p384::ecdsa::Signature::from_slice(&signature).ok()?;
            Some(signature.to_der().as_bytes().to_vec())
        }
        _ => Some(signature),
    }
}

/// Whether jwt-simple would read the header.
pub(super) fn reads_header(token: &Token<'_>) -> bool {
    jwt_simple::token::Token::decode_metadata(token.text).is_ok()
}

/// Whether jwt-simple would read the claims.
pub(super) fn reads_claims(token: &Token<'_>) -> bool {
    let claims = token.text.split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    claims.is_some_and(|claims| serde_json::from_slice::<JWTClaims<NoCustomClaims>>(&claims).is_ok())
}
