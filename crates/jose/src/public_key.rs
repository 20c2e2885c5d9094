//! One public key as jwt-simple uses it, for one algorithm.

use super::keys::{member, Algorithm};
use super::Token;
use ct_codecs::{Base64UrlSafeNoPadding, Decoder};
use jwt_simple::prelude::*;
use serde_json::Value;

pub(super) enum PublicKey {
    Hs256(HS256Key),
    Hs384(HS384Key),
    Hs512(HS512Key),
    Rs256(RS256PublicKey),
    Rs384(RS384PublicKey),
    Rs512(RS512PublicKey),
    Ps256(PS256PublicKey),
    Ps384(PS384PublicKey),
    Ps512(PS512PublicKey),
    Es256(ES256PublicKey),
    Es384(ES384PublicKey),
    EdDsa(Ed25519PublicKey),
}

impl PublicKey {
    pub(super) fn from_jwk(algorithm: Algorithm, jwk: &Value, text: &str) -> Result<Self, String> {
        let verifier = match algorithm {
            Algorithm::Hs256 => Ok(Self::Hs256(HS256Key::from_bytes(&secret(jwk, algorithm)?))),
            Algorithm::Hs384 => Ok(Self::Hs384(HS384Key::from_bytes(&secret(jwk, algorithm)?))),
            Algorithm::Hs512 => Ok(Self::Hs512(HS512Key::from_bytes(&secret(jwk, algorithm)?))),
            Algorithm::Rs256 => RS256PublicKey::from_jwk(text).map(Self::Rs256),
            Algorithm::Rs384 => RS384PublicKey::from_jwk(text).map(Self::Rs384),
            Algorithm::Rs512 => RS512PublicKey::from_jwk(text).map(Self::Rs512),
            Algorithm::Ps256 => PS256PublicKey::from_jwk(text).map(Self::Ps256),
            Algorithm::Ps384 => PS384PublicKey::from_jwk(text).map(Self::Ps384),
            Algorithm::Ps512 => PS512PublicKey::from_jwk(text).map(Self::Ps512),
            Algorithm::Es256 => ES256PublicKey::from_jwk(text).map(Self::Es256),
            Algorithm::Es384 => ES384PublicKey::from_jwk(text).map(Self::Es384),
            Algorithm::EdDsa => Ed25519PublicKey::from_jwk(text).map(Self::EdDsa),
        };
        verifier.map_err(|fault| format!("not a usable {} key: {fault}", algorithm.name()))
    }

    /// Its DER-encoded SubjectPublicKeyInfo, for the algorithms that a host can check.
    pub(super) fn spki(&self) -> Option<Vec<u8>> {
        match self {
            Self::Rs256(key) => key.to_der().ok(),
            Self::Rs384(key) => key.to_der().ok(),
            Self::Rs512(key) => key.to_der().ok(),
            Self::Es256(key) => key.to_der().ok(),
            Self::Es384(key) => key.to_der().ok(),
            _ => None,
        }
    }

    pub(super) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Hs256(_) => Algorithm::Hs256,
            Self::Hs384(_) => Algorithm::Hs384,
            Self::Hs512(_) => Algorithm::Hs512,
            Self::Rs256(_) => Algorithm::Rs256,
            Self::Rs384(_) => Algorithm::Rs384,
            Self::Rs512(_) => Algorithm::Rs512,
            Self::Ps256(_) => Algorithm::Ps256,
            Self::Ps384(_) => Algorithm::Ps384,
            Self::Ps512(_) => Algorithm::Ps512,
            Self::Es256(_) => Algorithm::Es256,
            Self::Es384(_) => Algorithm::Es384,
            Self::EdDsa(_) => Algorithm::EdDsa,
        }
    }

    /// Whether a secret that it shares with the issuer is the token's. `None` for a key that signs: see
    /// [`PublicKey::has_signed`].
    pub(super) fn authenticates(&self, token: &Token<'_>) -> Option<Result<(), jwt_simple::Error>> {
        let options = Some(signature_only(token));
        let checked = match self {
            Self::Hs256(key) => key.verify_token::<NoCustomClaims>(token.text, options),
            Self::Hs384(key) => key.verify_token::<NoCustomClaims>(token.text, options),
            Self::Hs512(key) => key.verify_token::<NoCustomClaims>(token.text, options),
            _ => return None,
        };
        Some(checked.map(|_| ()))
    }
}

/// Options that leave jwt-simple the signature alone. The claims are judged in `stages/identity`, where every
/// refusal has its own code and the clock is an argument; at the epoch no token has expired.
fn signature_only(token: &Token<'_>) -> VerificationOptions {
    VerificationOptions {
        accept_future: true,
        artificial_time: Some(UnixTimeStamp::from_secs(0)),
        time_tolerance: Some(Duration::from_secs(0)),
        max_token_length: Some(token.text.len()),
        // Whatever it is: which types are accepted is the issuer's matter.
        required_signature_type: token.written_kind.clone(),
        ..VerificationOptions::default()
    }
}

fn secret(jwk: &Value, algorithm: Algorithm) -> Result<Vec<u8>, String> {
    let may_verify = |operations: &Vec<Value>| operations.iter().any(|operation| operation == "verify");
    if jwk.get("key_ops").and_then(Value::as_array).is_some_and(|operations| !may_verify(operations)) {
        return Err("its `key_ops` do not permit to verify".to_owned());
    }
    let encoded = member(jwk, "k").ok_or("member `k` is missing")?;
    let secret =
        Base64UrlSafeNoPadding::decode_to_vec(encoded, None).map_err(|_| "member `k` is not base64url")?;
    if secret.len() < algorithm.secret_bytes_min() {
        let (name, min) = (algorithm.name(), algorithm.secret_bytes_min());
        return Err(format!("the secret has {} bytes, {name} needs at least {min}", secret.len()));
    }
    Ok(secret)
}
