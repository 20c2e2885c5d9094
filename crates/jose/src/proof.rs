//! Proofs of possession (DPoP, RFC 9449 §4.2): a signed statement whose header carries the key that signed it.
//!
//! Here the form is judged, and the signature apart from it, since that costs the most; what the proof says is compared with the request in `stages/identity`. The key
//! is the client's own and proves nothing by itself: it counts only if a token names its thumbprint (RFC 7638).
//!
//! Algorithms: [`ALGORITHMS`]. jwt-simple refuses tokens whose header carries a key, so signatures are checked by the
//! host or apart from it (`signature`). Bounds: see [`crate::token`]; RSA keys of [`MODULUS`]. Not covered: the larger hashes
//! with RSA.

use super::native::{self, Native};
use super::public_key::PublicKey;
use super::{Algorithm, Claims, Token};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// The `typ` of a proof, as [`super::token::media_type`].
const KIND: &str = "dpop+jwt";

/// Members of a JWK that only its owner may know (RFC 7518 §6).
const PRIVATE: [&str; 8] = ["d", "k", "p", "q", "dp", "dq", "qi", "oth"];

/// Algorithms that a proof may use.
pub const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Ps256];

/// How long the modulus of an RSA key is in base64url: 2048 to 4096 bits. Whoever chooses a key chooses what its signatures cost.
const MODULUS: RangeInclusive<usize> = 342..=683;

/// How long its exponent is: at most 32 bits.
const EXPONENT: RangeInclusive<usize> = 2..=6;

/// A proof as it is written. Nothing of it counts before its signature has been checked, but whatever is wrong in it is wrong.
#[derive(Debug)]
pub struct Proof<'a> {
    token: Token<'a>,
    key: Value,
    canonical: String,
    /// The thumbprint of the key that it names, base64url.
    pub thumbprint: String,
}

/// Reads a proof. Its signature is not checked: see [`Proof::verify`].
///
/// # Errors
/// What is wrong with it; no text of the client's.
pub fn read(text: &str) -> Result<Proof<'_>, &'static str> {
    let token = Token::parse(text).map_err(|_| "it cannot be read")?;
    if token.kind.as_deref() != Some(KIND) {
        return Err("its `typ` is not `dpop+jwt`");
    }
    if !ALGORITHMS.contains(&token.algorithm) {
        return Err("its `alg` is none that a proof may use");
    }
    let Some(Value::Object(jwk)) = &token.embedded_key else { return Err("its header has no `jwk`") };
    if PRIVATE.iter().any(|member| jwk.contains_key(*member)) {
        return Err("its `jwk` is a private key");
    }
    let public = public_members(jwk, token.algorithm).ok_or("its `jwk` is no key for its `alg`")?;
    let key = Value::Object(public);
    // The members in their order and without white space: what RFC 7638 §3 has hashed.
    let canonical = key.to_string();
    let thumbprint = URL_SAFE_NO_PAD.encode(hmac_sha256::Hash::hash(canonical.as_bytes()));
    Ok(Proof { token, key, canonical, thumbprint })
}

impl Proof<'_> {
    /// What it says.
    pub const fn claims(&self) -> &Claims {
        &self.token.claims
    }

    /// Checks its signature, which costs more than all else.
    ///
    /// # Errors
    /// Its key did not sign it, or is none.
    pub fn verify(&self, native: &dyn Native) -> Result<(), &'static str> {
        let Self { token, key, canonical, .. } = self;
        let verifier =
            PublicKey::from_jwk(token.algorithm, key, canonical).map_err(|_| "its `jwk` is no usable key")?;
        let by_host = verifier.spki().and_then(|spki| native::verify(token, &spki, native));
        if by_host.unwrap_or_else(|| verifier.has_signed(token.text)) {
            Ok(())
        } else {
            Err("its signature is not its key's")
        }
    }
}

/// The members that make a key what it is (RFC 7638 §3.2, RFC 8037 §2), if they are all there.
fn public_members(jwk: &Map<String, Value>, algorithm: Algorithm) -> Option<Map<String, Value>> {
    let (kty, crv, names): (_, _, &[&str]) = match algorithm {
        Algorithm::Es256 => ("EC", "P-256", &["crv", "kty", "x", "y"]),
        Algorithm::Es384 => ("EC", "P-384", &["crv", "kty", "x", "y"]),
        Algorithm::EdDsa => ("OKP", "Ed25519", &["crv", "kty", "x"]),
        Algorithm::Rs256 | Algorithm::Ps256 => ("RSA", "", &["e", "kty", "n"]),
        _ => return None,
    };
    let is = |name: &str, value: &str| jwk.get(name).and_then(Value::as_str) == Some(value);
    let has = |name: &str, characters: RangeInclusive<usize>| {
        jwk.get(name).and_then(Value::as_str).is_some_and(|text| characters.contains(&text.len()))
    };
    let is_curve = || crv.is_empty() && has("n", MODULUS) && has("e", EXPONENT) || is("crv", crv);
    if !is("kty", kty) || !is_curve() {
        return None;
    }
    let mut members = Map::new();
    for name in names {
        members.insert((*name).to_owned(), Value::String(jwk.get(*name)?.as_str()?.to_owned()));
    }
    Some(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::NoNative;
    use proptest::prelude::*;

    /// RFC 9449 §4.1.
    const EXAMPLE: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

    #[test]
    fn the_example_of_the_rfc_is_read() {
        let proof = read(EXAMPLE).unwrap();
        proof.verify(&NoNative).unwrap();
        // RFC 9449 §6.1 has this thumbprint of the same key.
        assert_eq!(proof.thumbprint, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
        assert_eq!(proof.claims().text("htu"), Some("https://server.example.com/token"));
    }

    #[test]
    fn another_signature_or_another_text_is_refused() {
        let (head, signature) = EXAMPLE.rsplit_once('.').unwrap();
        let flipped = format!("{head}.3{}", signature.get(1..).unwrap());
        let moved = EXAMPLE.replacen(".eyJqdGkiOiIt", ".eyJqdGkiOiIu", 1);
        assert_ne!(moved, EXAMPLE);
        for odd in [&flipped, &moved, &format!("{head}."), ""] {
            assert!(!is_good(odd), "{odd}");
        }
    }

    fn is_good(text: &str) -> bool {
        read(text).is_ok_and(|proof| proof.verify(&NoNative).is_ok())
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r"[A-Za-z0-9_.-]{0,120}") {
            let _ = is_good(&text);
        }

        #[test]
        fn no_change_of_a_proof_passes(at in 0usize..EXAMPLE.len(), to in r"[A-Za-z0-9_-]") {
            let changed = format!("{}{to}{}", EXAMPLE.get(..at).unwrap(), EXAMPLE.get(at + 1..).unwrap());
            prop_assert!(changed == EXAMPLE || !is_good(&changed));
        }
    }
}
