//! The demo issuer's keys: how they are read, how they sign, how they are published.
//!
//! TEST KEYS. They are public, and they are in the repository so that fixtures never expire. `ring` signs for all
//! algorithms; it is not what the filter verifies with, so the two check each other.

use super::{Algorithm, BASE64URL};
use anyhow::{anyhow, Context, Result};
use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{json, Map, Value};

pub(super) const RSA_PUBLIC_PEM: &str = include_str!("../../keys/test-rsa-public.pem");
pub(super) const HMAC_SECRET: &[u8] = b"TEST-portcullis-hmac-secret-32-b";

const RSA_PEM: &str = include_str!("../../keys/test-rsa.pem");
const P256_PEM: &str = include_str!("../../keys/test-p256.pem");
const P384_PEM: &str = include_str!("../../keys/test-p384.pem");
const ED25519_SEED: &[u8; 32] = b"TEST-portcullis-ed25519-seed-32b";

/// One key pair per family.
#[derive(Debug)]
pub(super) struct Keys {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
    random: SystemRandom,
}

impl Keys {
    pub(super) fn committed() -> Result<Self> {
        let random = SystemRandom::new();
        let elliptic = |algorithm, pem| -> Result<EcdsaKeyPair> {
            EcdsaKeyPair::from_pkcs8(algorithm, &der(pem)?, &random).map_err(|error| anyhow!("{error}"))
        };
        Ok(Keys {
            rsa: RsaKeyPair::from_pkcs8(&der(RSA_PEM)?).map_err(|error| anyhow!("{error}"))?,
            p256: elliptic(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, P256_PEM)?,
            p384: elliptic(&signature::ECDSA_P384_SHA384_FIXED_SIGNING, P384_PEM)?,
            ed25519: Ed25519KeyPair::from_seed_unchecked(ED25519_SEED).map_err(|error| anyhow!("{error}"))?,
            random,
        })
    }

    /// A signature as JWS wants it: ECDSA as r and s of fixed length, not DER.
    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        match algorithm {
            Algorithm::RS256 => self.rsa_sign(&signature::RSA_PKCS1_SHA256, message),
            Algorithm::RS384 => self.rsa_sign(&signature::RSA_PKCS1_SHA384, message),
            Algorithm::RS512 => self.rsa_sign(&signature::RSA_PKCS1_SHA512, message),
            Algorithm::PS256 => self.rsa_sign(&signature::RSA_PSS_SHA256, message),
            Algorithm::PS384 => self.rsa_sign(&signature::RSA_PSS_SHA384, message),
            Algorithm::PS512 => self.rsa_sign(&signature::RSA_PSS_SHA512, message),
            Algorithm::ES256 => self.ecdsa_sign(&self.p256, message),
            Algorithm::ES384 => self.ecdsa_sign(&self.p384, message),
            Algorithm::EdDSA => self.ed25519.sign(message).as_ref().to_vec(),
            Algorithm::HS256 => hmac_sha256(HMAC_SECRET, message),
        }
    }

    /// The public half as the fields of a JWK; `None` for HS256, whose key has no public half.
    pub(super) fn public_jwk(&self, algorithm: Algorithm) -> Option<Map<String, Value>> {
        let fields = match algorithm {
            Algorithm::ES256 => elliptic_jwk("P-256", self.p256.public_key().as_ref()),
            Algorithm::ES384 => elliptic_jwk("P-384", self.p384.public_key().as_ref()),
            Algorithm::EdDSA => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": BASE64URL.encode(self.ed25519.public_key())})
            }
            Algorithm::HS256 => return None,
            _ => {
                let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
                json!({"kty": "RSA", "n": BASE64URL.encode(n), "e": BASE64URL.encode(e)})
            }
        };
        fields.as_object().cloned()
    }

    pub(super) fn random_id(&self) -> String {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes).expect("the system has random bytes");
        BASE64URL.encode(bytes)
    }

    fn rsa_sign(&self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.rsa.public().modulus_len()];
        self.rsa
            .sign(encoding, &self.random, message, &mut signature)
            .expect("a 2048-bit key fits every encoding");
        signature
    }

    fn ecdsa_sign(&self, key: &EcdsaKeyPair, message: &[u8]) -> Vec<u8> {
        key.sign(&self.random, message).expect("the system has random bytes").as_ref().to_vec()
    }
}

pub(super) fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    ring::hmac::sign(&key, message).as_ref().to_vec()
}

/// An uncompressed point is a 4 and then both coordinates.
pub(crate) fn elliptic_jwk(curve: &str, point: &[u8]) -> Value {
    let (x, y) = point[1..].split_at(point.len() / 2);
    json!({"kty": "EC", "crv": curve, "x": BASE64URL.encode(x), "y": BASE64URL.encode(y)})
}

/// The bytes between the lines of a PEM file; the warning above them is skipped.
fn der(pem: &str) -> Result<Vec<u8>> {
    let lines = pem.lines().skip_while(|line| !line.starts_with("-----BEGIN")).skip(1);
    let base64: String = lines.take_while(|line| !line.starts_with("-----END")).collect();
    STANDARD.decode(base64).context("broken PEM")
}
