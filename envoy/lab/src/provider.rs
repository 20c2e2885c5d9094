//! An identity provider whose signing keys rotate, for set-ups that run for longer than a test.
//!
//! A key lives through three periods: in the first it is published and signs nothing, so that verifiers know it before they
//! need it; in the second it signs; in the third it is still published, for the tokens that are still out. Keys are made
//! when they are first needed and exist in this process alone.
//!
//! It answers `/.well-known/openid-configuration`, `/jwks.json` and `POST /token` with the form fields `sub` and `scope`. **A test
//! part**: it gives a token to whoever asks. Bounds: three keys; a token lives for [`LIFETIME_S`] seconds, which a period
//! should outlast. Not covered: TLS, clients, every other endpoint.

use crate::service::{Answer, Call};
use crate::tokens::{elliptic_jwk, now, BASE64URL};
use anyhow::{anyhow, Result};
use base64::Engine;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{EcdsaKeyPair, KeyPair, ECDSA_P256_SHA256_FIXED_SIGNING};
use serde_json::{json, Value};
use std::collections::VecDeque;
use std::time::Duration;

/// How long its tokens live.
pub const LIFETIME_S: u64 = 60;

/// The key that signs, between the one that did and the one that will.
const SIGNING: usize = 1;
const KEYS: usize = 3;

const TOKEN_SCOPES: &str = "orders:read orders:write";

/// An identity provider.
#[derive(Debug)]
pub struct Provider {
    url: String,
    audience: String,
    period_s: u64,
    /// The period that `keys` are those of; numbered from 1970.
    period: u64,
    keys: VecDeque<Key>,
    random: SystemRandom,
}

#[derive(Debug)]
struct Key {
    kid: String,
    pair: EcdsaKeyPair,
}

impl Provider {
    /// A provider of that `iss`, whose tokens are for that `aud`, and whose keys change so often.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn new(url: &str, audience: &str, period: Duration) -> Result<Self> {
        let mut provider = Provider {
            url: url.to_owned(),
            audience: audience.to_owned(),
            period_s: period.as_secs().max(1),
            period: 0,
            keys: VecDeque::new(),
            random: SystemRandom::new(),
        };
        provider.rotate(now())?;
        Ok(provider)
    }

    /// Answers a request.
    pub fn answer(&mut self, call: &Call) -> Answer {
        let path = call.path.split('?').next().unwrap_or_default();
        let answered = match (call.method.as_str(), path) {
            ("GET", "/.well-known/openid-configuration") => Ok(self.metadata()),
            ("GET", "/jwks.json") => self.rotate(now()).map(|()| self.jwks()),
            ("POST", "/token") => self.grant(&call.body),
            _ => return Answer::status(404),
        };
        match answered {
            Ok(value) => Answer::body(value.to_string()).header("content-type", "application/json"),
            Err(error) => {
                Answer::Whole { status: 500, headers: Vec::new(), body: format!("{error:#}").into_bytes() }
            }
        }
    }

    fn metadata(&self) -> Value {
        json!({
            "issuer": self.url,
            "jwks_uri": format!("{}/jwks.json", self.url),
            "token_endpoint": format!("{}/token", self.url),
        })
    }

    fn grant(&mut self, form: &str) -> Result<Value> {
        let field = |name: &str| {
            let fields = form.split('&').filter_map(|field| field.split_once('='));
            fields.into_iter().find(|(found, _)| *found == name).map(|(_, value)| value.replace('+', " "))
        };
        let subject = field("sub").unwrap_or_else(|| "ada".to_owned());
        let scope = field("scope").unwrap_or_else(|| TOKEN_SCOPES.to_owned());
        let token = self.token(&subject, &scope, now())?;
        Ok(json!({"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME_S, "scope": scope}))
    }

    /// A token that is good from now on.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn token(&mut self, subject: &str, scope: &str, now_s: u64) -> Result<String> {
        self.rotate(now_s)?;
        let key = &self.keys[SIGNING];
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": key.kid});
        let claims = json!({
            "iss": self.url, "aud": self.audience, "sub": subject, "scope": scope,
            "iat": now_s, "nbf": now_s, "exp": now_s + LIFETIME_S, "jti": self.random_text()?,
        });
        let signed = format!("{}.{}", BASE64URL.encode(header.to_string()), BASE64URL.encode(claims.to_string()));
        let signature = key.pair.sign(&self.random, signed.as_bytes()).map_err(|error| anyhow!("{error}"))?;
        Ok(format!("{signed}.{}", BASE64URL.encode(signature)))
    }

    /// The public keys, as they were after the last rotation.
    pub fn jwks(&self) -> Value {
        let public = self.keys.iter().map(|key| {
            let mut jwk = elliptic_jwk("P-256", key.pair.public_key().as_ref());
            jwk["kid"] = json!(key.kid);
            jwk["alg"] = json!("ES256");
            jwk["use"] = json!("sig");
            jwk
        });
        json!({"keys": public.collect::<Vec<_>>()})
    }

    /// Makes the keys those of the present period.
    fn rotate(&mut self, now_s: u64) -> Result<()> {
        let period = now_s / self.period_s;
        let missed = period.saturating_sub(self.period).min(KEYS as u64);
        for _ in 0..missed {
            let key = self.generate()?;
            self.keys.push_back(key);
        }
        while self.keys.len() > KEYS {
            self.keys.pop_front();
        }
        self.period = self.period.max(period);
        Ok(())
    }

    fn generate(&self) -> Result<Key> {
        let failed = |error: &dyn std::fmt::Display| anyhow!("no key: {error}");
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &self.random).map_err(|error| failed(&error))?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &self.random);
        Ok(Key { kid: self.random_text()?, pair: pair.map_err(|error| failed(&error))? })
    }

    fn random_text(&self) -> Result<String> {
        let mut bytes = [0; 12];
        self.random.fill(&mut bytes).map_err(|error| anyhow!("no random bytes: {error}"))?;
        Ok(BASE64URL.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kids(provider: &Provider) -> Vec<String> {
        let jwks = provider.jwks();
        jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    fn kid(token: &str) -> String {
        let header = BASE64URL.decode(token.split('.').next().unwrap()).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        header["kid"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_key_is_published_a_period_before_it_signs_and_a_period_after() {
        let mut provider = Provider::new("https://id", "api", Duration::from_secs(100)).unwrap();
        let start = now() / 100 * 100 + 1000;
        provider.token("ada", "a", start).unwrap();
        let first = kids(&provider);
        let signed: Vec<String> =
            (0..3).map(|period| kid(&provider.token("ada", "a", start + period * 100).unwrap())).collect();
        assert_eq!(first.len(), 3);
        assert_eq!(signed[..2], first[1..], "the one that signs, then the one that was announced");
        assert_eq!(kids(&provider)[..2], signed[1..], "the one that signed last is still published");
        assert!(!kids(&provider).contains(&signed[0]), "and the one before no longer");
        assert_eq!(kid(&provider.token("ada", "a", start + 299).unwrap()), signed[2], "until the period is over");
    }

    #[test]
    fn what_it_signs_verifies_with_what_it_publishes() {
        let mut provider = Provider::new("https://id", "api", Duration::from_secs(100)).unwrap();
        let token = provider.token("ada", "a", now()).unwrap();
        let jwks = provider.jwks();
        let jwk = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid(&token)).unwrap();
        let coordinate = |name: &str| BASE64URL.decode(jwk[name].as_str().unwrap()).unwrap();
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, point);
        key.verify(signed.as_bytes(), &BASE64URL.decode(signature).unwrap()).unwrap();
    }

    #[test]
    fn it_answers_what_a_verifier_and_a_client_ask() {
        let mut provider = Provider::new("https://id", "api", Duration::from_secs(100)).unwrap();
        let mut ask = |method: &str, path: &str, body: &str| {
            let call = Call { method: method.into(), path: path.into(), body: body.into(), ..Call::default() };
            match provider.answer(&call) {
                Answer::Whole { status, body, .. } => (status, String::from_utf8(body).unwrap()),
                Answer::Hang => panic!("it hangs"),
            }
        };
        assert!(ask("GET", "/.well-known/openid-configuration", "").1.contains("https://id/jwks.json"));
        assert_eq!(ask("GET", "/jwks.json", "").0, 200);
        let (status, granted) = ask("POST", "/token", "sub=eve&scope=orders:read+admin");
        let granted: Value = serde_json::from_str(&granted).unwrap();
        assert_eq!((status, granted["scope"].as_str()), (200, Some("orders:read admin")));
        assert_eq!(ask("GET", "/token", "").0, 404);
    }
}
