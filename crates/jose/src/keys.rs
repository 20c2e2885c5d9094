//! The keys of an issuer (JWK Sets, RFC 7517), and which algorithms each of them may be used with.
//!
//! A key verifies with an algorithm only if its type can (RFC 7518), its own `alg` does not say otherwise, and the
//! configuration allows the algorithm. Symmetric algorithms need the key to be a symmetric key and to be allowed
//! by name, so a public key can never be taken for a shared secret.
//!
//! jwt-simple's JWK reader is strict: RSA of 2048 to 4096 bits with exponent 65537, points on their curve, `use`
//! and `key_ops` that permit verification. Not covered: ES512, which it does not offer, and ES256K.

use super::native::{self, Native};
use super::public_key::PublicKey;
use super::Token;
use jwt_simple::JWTError;
use serde_json::Value;
use std::fmt;

/// Keys of one set at most; more is a mistake, or an attack on whoever serves the set.
pub const KEYS_MAX: usize = 64;

/// A signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Copy, Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[cfg_attr(feature = "schema", schemars(rename = "SignatureAlgorithm"))]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// Every algorithm that needs no shared secret: what an issuer's keys may use unless told otherwise.
    pub const ASYMMETRIC: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The algorithm of that exact name.
    pub fn from_name(name: &str) -> Option<Self> {
        // RFC 9864 calls Ed25519 by its own name.
        let every = Self::ASYMMETRIC.into_iter().chain([Self::Hs256, Self::Hs384, Self::Hs512]);
        every.into_iter().find(|algorithm| algorithm.name() == name).or((name == "Ed25519").then_some(Self::EdDsa))
    }

    /// Its name in a JOSE header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The key type (`kty`) and, where it matters, the curve.
    const fn key_type(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => ("oct", None),
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => ("RSA", None),
            Self::Es256 => ("EC", Some("P-256")),
            Self::Es384 => ("EC", Some("P-384")),
            Self::EdDsa => ("OKP", Some("Ed25519")),
        }
    }

    /// Shortest shared secret, in bytes: as long as the hash (RFC 7518 §3.2).
    pub(super) const fn secret_bytes_min(self) -> usize {
        match self {
            Self::Hs384 => 48,
            Self::Hs512 => 64,
            _ => 32,
        }
    }
}

/// The keys of one issuer.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// Which key it was: a digest of its JWK, so the same key is recognised in a later set, whatever it is called.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct KeyPrint([u8; 32]);

struct Key {
    id: Option<String>,
    print: KeyPrint,
    verifiers: Vec<Verifier>,
}

/// Why a JWK Set is refused: where in it, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwksError {
    /// The place within the set, such as `keys[2].kty`; empty for the set itself.
    pub path: String,
    /// What is wrong there.
    pub fault: String,
}

/// Why no key vouches for a token.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum KeyFault {
    /// No key has the token's `kid`, or the token has none and several keys could be meant.
    Unknown,
    /// The key is not for the token's algorithm.
    Algorithm,
    /// The signature is not the key's.
    Signature,
    /// jwt-simple, which reads header and claims itself, finds fault with them.
    Form,
}

/// Who has checked a signature.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// The host.
    Host,
    /// jwt-simple, in the filter.
    Filter,
}

impl KeySet {
    /// Compiles a JWK Set that somebody wrote for us. Keys for encryption (`use: enc`) are passed over; every other key must
    /// be usable with at least one of the `allowed` algorithms.
    ///
    /// # Errors
    /// [`JwksError`] for the first key that is not, for a shared secret that is too short, for an empty set.
    pub fn from_jwks(jwks: &Value, allowed: &[Algorithm]) -> Result<Self, JwksError> {
        let keys = for_signatures(jwks)?.map(|(index, jwk)| Key::at(index, jwk, allowed));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        for (index, key) in keys.iter().enumerate() {
            if let Some(other) = keys.iter().take(index).find(|other| other.is_taken_for(key)) {
                let fault = format!(
                    "two keys are called `{}`, and tokens would not say which of them signed",
                    other.id.as_deref().unwrap_or_default()
                );
                return Err(JwksError::new("keys", fault));
            }
        }
        Self::of(keys)
    }

    /// Compiles a JWK Set that an issuer serves, for the world and not for us: keys that we cannot use are passed over (RFC
    /// 7517 §5), and of keys of one name the first counts. Shared secrets are none where everybody can read them.
    ///
    /// # Errors
    /// [`JwksError`] if no usable key is left.
    pub fn from_served(jwks: &Value, allowed: &[Algorithm]) -> Result<Self, JwksError> {
        let public: Vec<Algorithm> =
            allowed.iter().copied().filter(|algorithm| Algorithm::ASYMMETRIC.contains(algorithm)).collect();
        let mut keys: Vec<Key> = Vec::new();
        for key in for_signatures(jwks)?.filter_map(|(index, jwk)| Key::at(index, jwk, &public).ok()) {
            if !keys.iter().any(|other| other.is_taken_for(&key)) {
                keys.push(key);
            }
        }
        Self::of(keys)
    }

    fn of(keys: Vec<Key>) -> Result<Self, JwksError> {
        if keys.is_empty() {
            return Err(JwksError::new("keys", "has no key for signatures"));
        }
        Ok(Self { keys })
    }

    /// Whether a key is in this set.
    #[inline]
    pub fn holds(&self, print: KeyPrint) -> bool {
        self.keys.iter().any(|key| key.print == print)
    }

    /// Which of these keys signed the token, with an algorithm it is allowed for, and who found that out. Says nothing about
    /// claims.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn verify(&self, token: &Token<'_>, native: &dyn Native) -> Result<(KeyPrint, By), KeyFault> {
        let (print, verifier) = self.select(token)?;
        if let Some(checked) = verifier.key.authenticates(token) {
            return checked.map(|()| (print, By::Filter)).map_err(|error| fault(&error));
        }
        // In jwt-simple's order: the header, the signature, the claims.
        if !native::reads_header(token) {
            return Err(KeyFault::Form);
        }
        let by_host = verifier.spki.as_ref().and_then(|key| native::verify(token, key, native));
        let by = if by_host.is_some() { By::Host } else { By::Filter };
        if !by_host.unwrap_or_else(|| verifier.key.has_signed(token.text)) {
            return Err(KeyFault::Signature);
        }
        if !native::reads_claims(token) {
            return Err(KeyFault::Form);
        }
        Ok((print, by))
    }

    fn select(&self, token: &Token<'_>) -> Result<(KeyPrint, &Verifier), KeyFault> {
        let of_algorithm =
            |key: &'_ Key| key.verifiers.iter().any(|verifier| verifier.key.algorithm() == token.algorithm);
        let mut candidates = self.keys.iter().filter(|key| match &token.key_id {
            Some(id) => key.id.as_ref() == Some(id),
            None => of_algorithm(key),
        });
        let key = match (candidates.next(), &token.key_id) {
            (None, _) => return Err(KeyFault::Unknown),
            // Without a name, trying one key after the other would sell signatures to whoever asks.
            (Some(_), None) if candidates.next().is_some() => return Err(KeyFault::Unknown),
            // One name may stand for keys of several types.
            (Some(first), Some(_)) => [first].into_iter().chain(candidates).find(|key| of_algorithm(key)),
            (Some(only), None) => Some(only),
        };
        let key = key.ok_or(KeyFault::Algorithm)?;
        let verifier = key.verifiers.iter().find(|verifier| verifier.key.algorithm() == token.algorithm);
        verifier.map(|verifier| (key.print, verifier)).ok_or(KeyFault::Algorithm)
    }
}

fn fault(error: &jwt_simple::Error) -> KeyFault {
    let unsigned =
        |fault: &JWTError| matches!(fault, JWTError::InvalidSignature | JWTError::InvalidAuthenticationTag);
    let of_form = error.downcast_ref::<JWTError>().is_some_and(|fault| !unsigned(fault));
    if of_form || error.is::<serde_json::Error>() {
        KeyFault::Form
    } else {
        KeyFault::Signature
    }
}

/// The keys of a set that are not for encryption, with their places.
fn for_signatures(jwks: &Value) -> Result<impl Iterator<Item = (usize, &Value)>, JwksError> {
    let listed = jwks.get("keys").and_then(Value::as_array);
    let listed = listed.ok_or_else(|| JwksError::new("", "expected a JWK Set: an object with an array `keys`"))?;
    if listed.len() > KEYS_MAX {
        let fault = format!("has {} keys, at most {KEYS_MAX} are allowed", listed.len());
        return Err(JwksError::new("keys", fault));
    }
    Ok(listed.iter().enumerate().filter(|(_, jwk)| member(jwk, "use") != Some("enc")))
}

impl Key {
    /// Whether a token that names one of two keys may mean the other.
    fn is_taken_for(&self, other: &Self) -> bool {
        let shares_algorithm = || {
            let of_other =
                |one: &Verifier| other.verifiers.iter().any(|two| one.key.algorithm() == two.key.algorithm());
            self.verifiers.iter().any(of_other)
        };
        self.id.is_some() && self.id == other.id && shares_algorithm()
    }

    fn at(index: usize, jwk: &Value, allowed: &[Algorithm]) -> Result<Self, JwksError> {
        Self::from_jwk(jwk, allowed).map_err(|(name, fault)| JwksError::new(format!("keys[{index}]{name}"), fault))
    }

    fn from_jwk(jwk: &Value, allowed: &[Algorithm]) -> Result<Self, (&'static str, String)> {
        let kty = member(jwk, "kty").ok_or((".kty", "missing".to_owned()))?;
        let curve = member(jwk, "crv");
        let named = match member(jwk, "alg") {
            None => None,
            Some(name) => {
                Some(Algorithm::from_name(name).ok_or((".alg", format!("unsupported algorithm `{name}`")))?)
            }
        };
        let fits = |algorithm: &&Algorithm| {
            let (its_kty, its_curve) = algorithm.key_type();
            its_kty == kty
                && (its_curve.is_none() || its_curve == curve)
                && named.is_none_or(|named| named == **algorithm)
        };
        let text = jwk.to_string();
        let verifiers = allowed.iter().filter(fits).map(|algorithm| Verifier::from_jwk(*algorithm, jwk, &text));
        let verifiers = verifiers.collect::<Result<Vec<_>, _>>().map_err(|fault| ("", fault))?;
        if verifiers.is_empty() {
            let what = format!(
                "kty `{kty}`, crv `{}`, alg `{}`",
                curve.unwrap_or("-"),
                named.map_or("-", Algorithm::name)
            );
            return Err(("", format!("no allowed algorithm can use this key ({what}); `algorithms` names those allowed, and symmetric ones must be named")));
        }
        let print = KeyPrint(hmac_sha256::Hash::hash(text.as_bytes()));
        Ok(Self { id: member(jwk, "kid").map(str::to_owned), print, verifiers })
    }
}

/// A member that is a string.
pub(super) fn member<'a>(jwk: &'a Value, name: &str) -> Option<&'a str> {
    jwk.get(name)?.as_str()
}

/// One way to use a key.
struct Verifier {
    key: PublicKey,
    /// The same key as the host wants it, where the host can use it.
    spki: Option<Vec<u8>>,
}

impl Verifier {
    fn from_jwk(algorithm: Algorithm, jwk: &Value, text: &str) -> Result<Self, String> {
        let key = PublicKey::from_jwk(algorithm, jwk, text)?;
        Ok(Self { spki: key.spki(), key })
    }
}

impl JwksError {
    fn new(path: impl Into<String>, fault: impl Into<String>) -> Self {
        Self { path: path.into(), fault: fault.into() }
    }
}

impl fmt::Debug for Key {
    /// Names the key and its algorithms; key material stays out of logs.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<_> = self.verifiers.iter().map(|verifier| verifier.key.algorithm().name()).collect();
        formatter.debug_struct("Key").field("id", &self.id).field("algorithms", &algorithms).finish()
    }
}
