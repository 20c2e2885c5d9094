//! The tokens of a scenario: as written, and minted when they are sent.
//!
//! `{}` is a good token. Every key makes it different, most of them worse.

use crate::tokens::{now, Algorithm, Issuer, Spec, Tamper};
use anyhow::{Context, Result};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use serde::{Deserialize, Deserializer};
use serde_json::{json, Map, Value};
use std::sync::atomic::{AtomicU64, Ordering};

/// One token as a scenario writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Written {
    /// The algorithm, and with it the key: `ES256` (the default), `RS256`, …
    pub algorithm: String,
    /// The key id to name: the one of the algorithm unless given; `null` names none.
    #[serde(deserialize_with = "nullable")]
    pub kid: Option<Option<String>>,
    /// Whose token it is: `ada` unless given.
    pub subject: String,
    /// Claims that are added to, or replace, those of a good token ([`Issuer::claims`]); `null` removes one. The
    /// texts `now`, `now+300` and `now-60` stand for that second.
    pub claims: Map<String, Value>,
    /// The payload as text, in place of all claims.
    pub raw_claims: Option<String>,
    /// Header fields that are added or replaced, such as `typ` and `crit`.
    pub header: Map<String, Value>,
    /// What is wrong with it.
    pub tamper: Damage,
    /// Adds a claim of so many bytes.
    pub padding_bytes: usize,
    /// Where it is sent: in `authorization` unless given.
    pub place: Place,
    /// Sends it by the scheme `DPoP` with this proof (RFC 9449).
    pub proof: Option<Proof>,
}

/// A proof of possession: a good one for its request, with changes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Proof {
    /// The algorithm, and with it the key: `ES256` (the default), `ES384` or `EdDSA`.
    pub algorithm: String,
    /// Claims that are added or replaced; `null` removes one. `htu` begins with `https://api.example`, `jti` is new.
    pub claims: Map<String, Value>,
}

impl Default for Proof {
    fn default() -> Self {
        Proof { algorithm: Algorithm::ES256.name().to_owned(), claims: Map::new() }
    }
}

/// Where the client of a proof believes to be.
const ORIGIN: &str = "https://api.example";

impl Proof {
    fn make(&self, issuer: &Issuer, token: &str, method: &str, path: &str) -> Result<String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let jti = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        let ath = URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, token.as_bytes()));
        let place = path.split('?').next().unwrap_or_default();
        let mut claims =
            json!({"jti": jti, "htm": method, "htu": format!("{ORIGIN}{place}"), "iat": now(), "ath": ath});
        if let Some(members) = claims.as_object_mut() {
            change(members, &self.claims)?;
        }
        Ok(issuer.proof(algorithm(&self.algorithm)?, Map::new(), &claims))
    }
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// Nothing.
    #[default]
    None,
    /// One bit of the signature is flipped.
    Signature,
    /// The claims were changed after it was signed.
    Payload,
    /// `alg` is `none` and there is no signature.
    AlgNone,
    /// HS256 with the RSA public key as the secret.
    HmacWithPublicKey,
    /// The signature is empty.
    StripSignature,
}

/// Where a token is sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// `authorization: Bearer …`
    #[default]
    Authorization,
    /// A header field of this name, without a scheme.
    Header(String),
    /// A cookie of this name.
    Cookie(String),
}

impl Default for Written {
    fn default() -> Self {
        Written {
            algorithm: Algorithm::ES256.name().to_owned(),
            kid: None,
            subject: "ada".to_owned(),
            claims: Map::new(),
            raw_claims: None,
            header: Map::new(),
            tamper: Damage::None,
            padding_bytes: 0,
            place: Place::default(),
            proof: None,
        }
    }
}

impl Written {
    /// Makes the token.
    pub fn mint(&self, issuer: &Issuer) -> Result<String> {
        let mut spec = Spec::new(algorithm(&self.algorithm)?, self.claims(issuer)?).tamper(self.tamper.into());
        spec.raw_claims = self.raw_claims.clone();
        spec.header = self.header.clone();
        if let Some(kid) = &self.kid {
            spec.kid = kid.clone();
        }
        Ok(issuer.mint(&spec))
    }

    /// The proof that goes with this token in a request, if there is one.
    pub(super) fn proof(&self, issuer: &Issuer, token: &str, method: &str, path: &str) -> Result<Option<String>> {
        self.proof.as_ref().map(|proof| proof.make(issuer, token, method, path)).transpose()
    }

    /// The header field that carries this token.
    pub(super) fn field(&self, token: &str) -> (String, Vec<u8>) {
        let scheme = if self.proof.is_some() { "DPoP" } else { "Bearer" };
        let (name, value) = match &self.place {
            Place::Authorization => ("authorization", format!("{scheme} {token}")),
            Place::Header(name) => (name.as_str(), token.to_owned()),
            Place::Cookie(name) => ("cookie", format!("{name}={token}")),
        };
        (name.to_owned(), value.into_bytes())
    }

    fn claims(&self, issuer: &Issuer) -> Result<Map<String, Value>> {
        let mut claims = issuer.claims(&self.subject);
        change(&mut claims, &self.claims)?;
        if self.padding_bytes > 0 {
            claims.insert("padding".into(), json!("x".repeat(self.padding_bytes)));
        }
        Ok(claims)
    }
}

fn algorithm(name: &str) -> Result<Algorithm> {
    let named = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name);
    named.with_context(|| format!("`{name}` is no algorithm"))
}

fn change(claims: &mut Map<String, Value>, changes: &Map<String, Value>) -> Result<()> {
    for (name, value) in changes {
        match value {
            Value::Null => drop(claims.remove(name)),
            Value::String(text) => drop(claims.insert(name.clone(), resolve(text)?)),
            other => drop(claims.insert(name.clone(), other.clone())),
        }
    }
    Ok(())
}

/// `now`, `now+300` and `now-60` as seconds since 1970; any other text as it is.
fn resolve(text: &str) -> Result<Value> {
    let seconds = |digits: &str| digits.parse::<u64>().with_context(|| format!("`{text}` is no time"));
    Ok(match (text, text.strip_prefix("now+"), text.strip_prefix("now-")) {
        ("now", ..) => json!(now()),
        (_, Some(digits), _) => json!(now().saturating_add(seconds(digits)?)),
        (_, _, Some(digits)) => json!(now().saturating_sub(seconds(digits)?)),
        _ => json!(text),
    })
}

/// A key that may be absent (`None`), `null` (`Some(None)`) or have a value.
fn nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl From<Damage> for Tamper {
    fn from(damage: Damage) -> Self {
        match damage {
            Damage::None => Tamper::None,
            Damage::Signature => Tamper::Signature,
            Damage::Payload => Tamper::Payload,
            Damage::AlgNone => Tamper::AlgNone,
            Damage::HmacWithPublicKey => Tamper::HmacWithPublicKey,
            Damage::StripSignature => Tamper::StripSignature,
        }
    }
}
