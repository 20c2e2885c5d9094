//! An issuer of test tokens: good ones in every algorithm, and the bad ones that verifiers have fallen for.
//!
//! It signs whatever bytes it is given, since the interesting claims (a name twice, a nesting of thousands, no
//! JSON at all) cannot be written by a library that builds tokens.
//!
//! The private keys lie beside this code, marked as TEST keys, so that a token or key set in a test or an example
//! stays valid for ever: nothing outside of tests may trust this issuer. Not covered: encrypted tokens, ES512,
//! opaque tokens.

mod keys;

pub(crate) use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use base64::Engine;
pub(crate) use keys::elliptic_jwk;
use keys::Keys;
use serde_json::{json, Map, Value};
use std::time::{SystemTime, UNIX_EPOCH};

/// The signature algorithms of RFC 7518 and 8037 that the filter knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names are those of the RFCs")]
pub enum Algorithm {
    #[default]
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
    HS256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 10] = [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
        Algorithm::HS256,
    ];

    /// The name as it stands in the `alg` of a token.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::RS256 => "RS256",
            Algorithm::RS384 => "RS384",
            Algorithm::RS512 => "RS512",
            Algorithm::PS256 => "PS256",
            Algorithm::PS384 => "PS384",
            Algorithm::PS512 => "PS512",
            Algorithm::ES256 => "ES256",
            Algorithm::ES384 => "ES384",
            Algorithm::EdDSA => "EdDSA",
            Algorithm::HS256 => "HS256",
        }
    }

    /// The id of the demo issuer's key for this algorithm, for instance `demo-rs256`.
    pub fn kid(self) -> String {
        format!("demo-{}", self.name().to_ascii_lowercase())
    }
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tamper {
    /// Nothing.
    #[default]
    None,
    /// One bit of the signature is flipped.
    Signature,
    /// The holder made himself an admin after the token was signed.
    Payload,
    /// `alg` is `none`, and there is no signature.
    AlgNone,
    /// `alg` is `HS256`, and the key is the text of the RSA public key, which everybody knows.
    HmacWithPublicKey,
    /// The header is honest, but the signature is empty.
    StripSignature,
}

/// What a token is to look like. `Spec::new(alg, claims)` is a good token.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spec {
    /// The algorithm, and with it the key.
    pub alg: Algorithm,
    /// The key id to name; `None` leaves it out.
    pub kid: Option<String>,
    /// Further header fields (`crit`, `jku`, …), also in place of `alg`, `typ` and `kid`.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Value,
    /// The payload as text in place of `claims`, for what a `Value` cannot express.
    pub raw_claims: Option<String>,
    /// What is wrong with it.
    pub tamper: Tamper,
}

impl Spec {
    /// A good token: signed with this algorithm, naming its key.
    pub fn new(alg: Algorithm, claims: impl Into<Value>) -> Self {
        Spec { alg, kid: Some(alg.kid()), claims: claims.into(), ..Spec::default() }
    }

    /// Uses this text as the payload, whatever it says.
    pub fn raw_claims(mut self, text: impl Into<String>) -> Self {
        self.raw_claims = Some(text.into());
        self
    }

    /// Adds or replaces a header field.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    /// Names this key, or none.
    pub fn kid(mut self, kid: Option<&str>) -> Self {
        self.kid = kid.map(str::to_owned);
        self
    }

    /// Makes the token bad.
    pub fn tamper(mut self, tamper: Tamper) -> Self {
        self.tamper = tamper;
        self
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// An issuer with one key per algorithm.
#[derive(Debug)]
pub struct Issuer {
    url: &'static str,
    audience: &'static str,
    keys: Keys,
}

impl Issuer {
    /// The issuer of all tests and examples.
    ///
    /// # Panics
    /// If the key files in `envoy/lab/keys` have been damaged.
    pub fn demo() -> Self {
        let keys = Keys::committed().expect("the TEST keys in envoy/lab/keys are whole");
        Issuer { url: "https://id.demo.portcullis", audience: "orders-api", keys }
    }

    /// The value of `iss`.
    pub fn url(&self) -> &'static str {
        self.url
    }

    /// The value of `aud`.
    pub fn audience(&self) -> &'static str {
        self.audience
    }

    /// The public keys as a JWK set, one per asymmetric algorithm. The RSA key appears once for each of its six.
    pub fn jwks(&self) -> Value {
        let public = Algorithm::ALL.iter().filter_map(|algorithm| {
            let mut key = self.keys.public_jwk(*algorithm)?;
            key.extend([
                ("kid".to_owned(), json!(algorithm.kid())),
                ("alg".to_owned(), json!(algorithm.name())),
                ("use".to_owned(), json!("sig")),
            ]);
            Some(Value::Object(key))
        });
        json!({"keys": public.collect::<Vec<_>>()})
    }

    /// The secret behind HS256, 32 bytes. It has no place in a public key set.
    pub fn hmac_secret(&self) -> &'static [u8] {
        keys::HMAC_SECRET
    }

    /// The RSA public key as PEM text, exactly the bytes that [`Tamper::HmacWithPublicKey`] signs with.
    pub fn rsa_public_pem(&self) -> &'static str {
        keys::RSA_PUBLIC_PEM
    }

    /// The claims of a good token for this subject: issued now, valid for five minutes. Each has another `jti`.
    pub fn claims(&self, sub: &str) -> Map<String, Value> {
        let now = now();
        let claims = [
            ("iss", json!(self.url)),
            ("aud", json!(self.audience)),
            ("sub", json!(sub)),
            ("iat", json!(now)),
            ("nbf", json!(now)),
            ("exp", json!(now + 300)),
            ("jti", json!(self.keys.random_id())),
            ("scope", json!("orders:read orders:write")),
        ];
        claims.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// A good token for this subject, with the commonest algorithm.
    pub fn token(&self, sub: &str) -> String {
        self.mint(&Spec::new(Algorithm::RS256, self.claims(sub)))
    }

    /// A signature over anything, for what no [`Spec`] describes.
    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        self.keys.sign(algorithm, message)
    }

    /// A proof of possession (DPoP, RFC 9449 §4.2) with this issuer's key of an algorithm; `header` replaces fields of its header.
    pub fn proof(&self, algorithm: Algorithm, header: Map<String, Value>, claims: &Value) -> String {
        let kid = algorithm.kid();
        let jwks = self.jwks();
        let keys = jwks["keys"].as_array();
        let jwk = keys.and_then(|keys| keys.iter().find(|key| key["kid"] == kid.as_str())).cloned();
        let mut spec = Spec::new(algorithm, claims.clone()).kid(None).header("typ", "dpop+jwt");
        spec.header.extend(jwk.map(|jwk| ("jwk".to_owned(), jwk)));
        spec.header.extend(header);
        self.mint(&spec)
    }

    /// The thumbprint (RFC 7638) of this issuer's key of an algorithm, base64url.
    pub fn thumbprint(&self, algorithm: Algorithm) -> String {
        let members = self.keys.public_jwk(algorithm).unwrap_or_default();
        let named = ["crv", "e", "kty", "n", "x", "y"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), members.get(*name)?.clone())));
        let canonical = Value::Object(named.collect()).to_string();
        BASE64URL.encode(ring::digest::digest(&ring::digest::SHA256, canonical.as_bytes()))
    }

    /// The token that the specification describes.
    pub fn mint(&self, spec: &Spec) -> String {
        let mut header =
            Map::from_iter([("alg".to_owned(), json!(claimed_algorithm(spec))), ("typ".to_owned(), json!("JWT"))]);
        if let Some(kid) = &spec.kid {
            header.insert("kid".into(), json!(kid));
        }
        header.extend(spec.header.clone());
        let payload = spec.raw_claims.clone().unwrap_or_else(|| spec.claims.to_string());
        let header = BASE64URL.encode(Value::Object(header).to_string());
        let signed = format!("{header}.{}", BASE64URL.encode(&payload));
        let mut signature = match spec.tamper {
            Tamper::AlgNone | Tamper::StripSignature => Vec::new(),
            Tamper::HmacWithPublicKey => keys::hmac_sha256(keys::RSA_PUBLIC_PEM.as_bytes(), signed.as_bytes()),
            Tamper::None | Tamper::Signature | Tamper::Payload => self.keys.sign(spec.alg, signed.as_bytes()),
        };
        if let (Tamper::Signature, Some(byte)) = (spec.tamper, signature.last_mut()) {
            *byte ^= 1;
        }
        let signed = match spec.tamper {
            Tamper::Payload => format!("{header}.{}", BASE64URL.encode(promoted(&payload))),
            _ => signed,
        };
        format!("{signed}.{}", BASE64URL.encode(signature))
    }
}

fn claimed_algorithm(spec: &Spec) -> &'static str {
    match spec.tamper {
        Tamper::AlgNone => "none",
        Tamper::HmacWithPublicKey => Algorithm::HS256.name(),
        _ => spec.alg.name(),
    }
}

/// The payload with more rights in it; one that is no JSON object gets a space instead, so that it differs too.
fn promoted(payload: &str) -> String {
    match serde_json::from_str::<Map<String, Value>>(payload) {
        Ok(mut claims) => {
            claims.insert("scope".into(), json!("admin"));
            Value::Object(claims).to_string()
        }
        Err(_) => format!("{payload} "),
    }
}

#[cfg(test)]
mod tests;
