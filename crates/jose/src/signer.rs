//! A private key that signs our own tokens, for one algorithm.
//!
//! The cryptography is jwt-simple's. ECDSA nonces are derived from the message (RFC 6979), Ed25519 needs none, and RSA is
//! blinded with random numbers of the host. The `rsa` crate is not constant in time (RUSTSEC-2023-0071): whoever can measure
//! many signatures closely may learn something of the key, so ES256 and EdDSA are to be preferred.
//! Nothing here prints key material: neither `Debug` nor a fault repeats a word of it.
//! Not covered: RSA-PSS, P-384, keys in a hardware module.

use super::Algorithm;
use jwt_simple::common::HeaderOptions;
use jwt_simple::prelude::*;
use serde_json::{Map, Value};
use std::fmt;

/// The `typ` of an access token (RFC 9068 §2.1).
const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// A key pair with its name.
pub struct Signer {
    key_id: String,
    pair: Pair,
}

enum Pair {
    Rs256(Box<RS256KeyPair>),
    Es256(Box<ES256KeyPair>),
    EdDsa(Box<Ed25519KeyPair>),
}

impl Signer {
    /// Algorithms that sign.
    pub const ALGORITHMS: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

    /// Reads a private key: PEM text (PKCS #8, for RSA also PKCS #1), or a JWK with its private members.
    ///
    /// # Errors
    /// What was expected, without a word of what stands there.
    pub fn read(key_id: &str, algorithm: Algorithm, text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let is_jwk = text.starts_with('{');
        // Lines before the key, such as a note on whose it is, are passed over (RFC 7468 §2).
        let pem = text.find("-----BEGIN ").and_then(|start| text.get(start..)).unwrap_or(text);
        let pair = match (algorithm, is_jwk) {
            (Algorithm::Rs256, true) => {
                RS256KeyPair::from_jwk(text).map(|pair| pair.with_key_id(key_id)).map(rs256)
            }
            (Algorithm::Rs256, false) => {
                RS256KeyPair::from_pem(pem).map(|pair| pair.with_key_id(key_id)).map(rs256)
            }
            (Algorithm::Es256, true) => {
                ES256KeyPair::from_jwk(text).map(|pair| pair.with_key_id(key_id)).map(es256)
            }
            (Algorithm::Es256, false) => {
                ES256KeyPair::from_pem(pem).map(|pair| pair.with_key_id(key_id)).map(es256)
            }
            (Algorithm::EdDsa, true) => {
                Ed25519KeyPair::from_jwk(text).map(|pair| pair.with_key_id(key_id)).map(eddsa)
            }
            (Algorithm::EdDsa, false) => {
                Ed25519KeyPair::from_pem(pem).map(|pair| pair.with_key_id(key_id)).map(eddsa)
            }
            _ => return Err("expected \"RS256\", \"ES256\" or \"EdDSA\""),
        };
        let expected = match algorithm {
            Algorithm::Rs256 => "expected an RSA private key of 2048 to 4096 bits, as PEM or JWK",
            Algorithm::Es256 => "expected a P-256 private key, as PEM (`BEGIN PRIVATE KEY`, PKCS #8) or JWK",
            _ => "expected an Ed25519 private key, as PEM (`BEGIN PRIVATE KEY`, PKCS #8) or JWK",
        };
        pair.map(|pair| Self { key_id: key_id.to_owned(), pair }).map_err(|_| expected)
    }

    /// The `kid` of its tokens.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Its algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Rs256(_) => Algorithm::Rs256,
            Pair::Es256(_) => Algorithm::Es256,
            Pair::EdDsa(_) => Algorithm::EdDsa,
        }
    }

    /// The public half as a JWK (RFC 7517 §4), with `kid`, `alg` and `use`.
    pub fn public_jwk(&self) -> Value {
        let text = match &self.pair {
            Pair::Rs256(pair) => pair.public_key().to_jwk(),
            Pair::Es256(pair) => pair.public_key().to_jwk(),
            Pair::EdDsa(pair) => pair.public_key().to_jwk(),
        };
        let mut jwk: Map<String, Value> = serde_json::from_str(&text).unwrap_or_default();
        jwk.insert("kid".to_owned(), self.key_id.clone().into());
        jwk.insert("alg".to_owned(), self.algorithm().name().into());
        jwk.insert("use".to_owned(), "sig".into());
        Value::Object(jwk)
    }

    /// Signs claims as an access token (`typ: at+jwt`, RFC 9068 §2.1).
    ///
    /// # Errors
    /// The library refused, which it does only where the host gives it no random numbers.
    pub fn sign(&self, claims: Map<String, Value>) -> Result<String, SigningFault> {
        let claims = JWTClaims {
            issued_at: None,
            expires_at: None,
            invalid_before: None,
            issuer: None,
            subject: None,
            audiences: None,
            jwt_id: None,
            nonce: None,
            custom: claims,
        };
        let options = HeaderOptions { content_type: None, signature_type: Some(ACCESS_TOKEN_TYPE.to_owned()) };
        let signed = match &self.pair {
            Pair::Rs256(pair) => pair.sign_with_options(claims, &options),
            Pair::Es256(pair) => pair.sign_with_options(claims, &options),
            Pair::EdDsa(pair) => pair.sign_with_options(claims, &options),
        };
        signed.map_err(|_| SigningFault)
    }
}

/// A token could not be signed.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct SigningFault;

fn rs256(pair: RS256KeyPair) -> Pair {
    Pair::Rs256(Box::new(pair))
}

fn es256(pair: ES256KeyPair) -> Pair {
    Pair::Es256(Box::new(pair))
}

fn eddsa(pair: Ed25519KeyPair) -> Pair {
    Pair::EdDsa(Box::new(pair))
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = self.algorithm().name();
        formatter.debug_struct("Signer").field("key_id", &self.key_id).field("algorithm", &algorithm).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::NoNative;
    use crate::{KeySet, Token};
    use serde_json::json;

    fn keys() -> [(Algorithm, String); 3] {
        let rsa = include_str!("../../../envoy/lab/keys/test-rsa.pem");
        let p256 = include_str!("../../../envoy/lab/keys/test-p256.pem");
        [
            (Algorithm::Rs256, rsa.to_owned()),
            (Algorithm::Es256, p256.to_owned()),
            (Algorithm::EdDsa, Ed25519KeyPair::generate().to_pem()),
        ]
    }

    #[test]
    fn what_is_signed_verifies_with_the_public_half_alone() {
        for (algorithm, pem) in keys() {
            let signer = Signer::read("k1", algorithm, &pem).unwrap();
            let jwk = signer.public_jwk();
            assert_eq!(
                (&jwk["kid"], &jwk["alg"], &jwk["use"]),
                (&json!("k1"), &json!(algorithm.name()), &json!("sig"))
            );
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert!(jwk.get(private).is_none(), "{jwk}");
            }
            let claims = json!({"sub": "ada", "exp": 7, "deep": {"a": [1]}}).as_object().unwrap().clone();
            let text = signer.sign(claims.clone()).unwrap();
            let token = Token::parse(&text).unwrap();
            assert_eq!(
                (token.algorithm, token.key_id.as_deref(), token.kind.as_deref()),
                (algorithm, Some("k1"), Some("at+jwt"))
            );
            assert_eq!(token.claims, crate::Claims::new(claims));
            let keys = KeySet::from_jwks(&json!({ "keys": [jwk] }), &[algorithm]).unwrap();
            keys.verify(&token, &NoNative).unwrap();
        }
    }

    #[test]
    fn a_jwk_is_as_good_as_pem() {
        for (algorithm, pem) in keys() {
            let jwk = match algorithm {
                Algorithm::Rs256 => RS256KeyPair::from_pem(pem.split_once('\n').unwrap().1).unwrap().to_jwk(),
                Algorithm::Es256 => ES256KeyPair::from_pem(pem.split_once('\n').unwrap().1).unwrap().to_jwk(),
                _ => Ed25519KeyPair::from_pem(&pem).unwrap().to_jwk(),
            };
            let by_jwk = Signer::read("k1", algorithm, &jwk).unwrap();
            assert_eq!(by_jwk.public_jwk(), Signer::read("k1", algorithm, &pem).unwrap().public_jwk());
        }
    }

    #[test]
    fn no_fault_repeats_the_key() {
        for (algorithm, pem) in keys() {
            let (start, end) = pem.split_at(pem.len() / 2);
            for broken in [start, end, "", "{", r#"{"kty":"oct","k":"SECRET"}"#, "-----BEGIN PRIVATE KEY-----"] {
                let fault = Signer::read("k1", algorithm, broken).unwrap_err();
                assert!(fault.starts_with("expected"), "{fault}");
            }
            let shown = format!("{:?}", Signer::read("k1", algorithm, &pem).unwrap());
            assert_eq!(shown, format!("Signer {{ key_id: \"k1\", algorithm: \"{}\" }}", algorithm.name()));
        }
        let [(_, rsa), (_, p256), _] = keys();
        assert!(Signer::read("k1", Algorithm::Es256, &rsa).is_err(), "a key of another type");
        assert!(Signer::read("k1", Algorithm::Rs256, &p256).is_err());
        assert!(Signer::read("k1", Algorithm::Hs256, &rsa).is_err());
    }
}
