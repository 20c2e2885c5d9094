//! The signature of a text in compact form, whatever its header says besides the algorithm.
//!
//! jwt-simple verifies only texts whose header it reads itself, and a header that carries a key as an object is none to it; it
//! also reads a token by code of its own for each algorithm, which together was 40 KiB of the module. So its checks of
//! signatures stand here once more, over the same keys and the same cryptography; how it reads a token is in [`super::native`].
//! Bounds: one signature. Not covered: shared secrets.

use super::public_key::PublicKey;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use jwt_simple::prelude::{ECDSAP256PublicKeyLike, ECDSAP384PublicKeyLike, EdDSAPublicKeyLike, RSAPublicKeyLike};
use p256::ecdsa::signature::Verifier as _;
use superboring::pkey::PKey;
use superboring::sign::Verifier;

impl PublicKey {
    /// Whether this key has signed a text in compact form. Shared secrets sign nothing here.
    pub(super) fn has_signed(&self, text: &str) -> bool {
        let Some((signed, signature)) = text.rsplit_once('.') else { return false };
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        let (signed, signature) = (signed.as_bytes(), signature.as_slice());
        match self {
            Self::Hs256(_) | Self::Hs384(_) | Self::Hs512(_) => false,
            Self::Rs256(key) => rsa(key, signed, signature),
            Self::Rs384(key) => rsa(key, signed, signature),
            Self::Rs512(key) => rsa(key, signed, signature),
            Self::Ps256(key) => rsa(key, signed, signature),
            Self::Ps384(key) => rsa(key, signed, signature),
            Self::Ps512(key) => rsa(key, signed, signature),
            Self::Es256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.public_key().as_ref().verify(signed, &signature).is_ok()),
            Self::Es384(key) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.public_key().as_ref().verify(signed, &signature).is_ok()),
            Self::EdDsa(key) => ed25519_compact::Signature::from_slice(signature)
                .is_ok_and(|signature| key.public_key().as_ref().verify(signed, &signature).is_ok()),
        }
    }
}

fn rsa<K: RSAPublicKeyLike>(key: &K, signed: &[u8], signature: &[u8]) -> bool {
    let verify = || {
        let key_of = PKey::from_rsa(key.public_key().as_ref().clone()).ok()?;
        let mut verifier = Verifier::new(K::hash(), &key_of).ok()?;
        verifier.set_rsa_padding(key.padding_scheme()).ok()?;
        verifier.update(signed).ok()?;
        verifier.verify(signature).ok()
    };
    verify() == Some(true)
}
