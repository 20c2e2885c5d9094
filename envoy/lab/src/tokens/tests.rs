//! The tokens verified from the published key set alone, as a stranger would.

use super::{Algorithm, Issuer, Spec, Tamper, BASE64URL};
use base64::Engine;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::{json, Value};

fn decode(part: &str) -> Vec<u8> {
    BASE64URL.decode(part).expect("a token is base64url")
}

fn field(jwk: &Value, name: &str) -> Vec<u8> {
    decode(jwk[name].as_str().expect("the key has this field"))
}

fn rsa_parameters(algorithm: &str) -> &'static RsaParameters {
    match algorithm {
        "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
        "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
        _ => &signature::RSA_PSS_2048_8192_SHA512,
    }
}

/// Does the token verify with the key it names?
fn verifies(issuer: &Issuer, token: &str) -> bool {
    let (signed, signature) = token.rsplit_once('.').expect("a token has three parts");
    let (header, _) = signed.split_once('.').expect("a token has three parts");
    let header: Value = serde_json::from_slice(&decode(header)).expect("the header is JSON");
    let (message, signature) = (signed.as_bytes(), decode(signature));
    if header["alg"] == "HS256" {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, issuer.hmac_secret());
        return ring::hmac::verify(&key, message, &signature).is_ok();
    }
    let keys = issuer.jwks();
    let Some(jwk) = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]) else {
        return false;
    };
    let point = |jwk: &Value| [vec![4], field(jwk, "x"), field(jwk, "y")].concat();
    let verdict = match header["alg"].as_str().unwrap_or_default() {
        "ES256" => {
            UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point(jwk)).verify(message, &signature)
        }
        "ES384" => {
            UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point(jwk)).verify(message, &signature)
        }
        "EdDSA" => UnparsedPublicKey::new(&signature::ED25519, field(jwk, "x")).verify(message, &signature),
        "none" => return false,
        name => RsaPublicKeyComponents { n: field(jwk, "n"), e: field(jwk, "e") }.verify(
            rsa_parameters(name),
            message,
            &signature,
        ),
    };
    verdict.is_ok()
}

fn payload(token: &str) -> String {
    String::from_utf8(decode(token.split('.').nth(1).unwrap())).unwrap()
}

#[test]
fn good_tokens_verify_and_tampered_ones_do_not() {
    let issuer = Issuer::demo();
    for algorithm in Algorithm::ALL {
        let spec = Spec::new(algorithm, issuer.claims("ada"));
        assert!(verifies(&issuer, &issuer.mint(&spec)), "{algorithm:?}");
        for tamper in [
            Tamper::Signature,
            Tamper::Payload,
            Tamper::AlgNone,
            Tamper::HmacWithPublicKey,
            Tamper::StripSignature,
        ] {
            let token = issuer.mint(&spec.clone().tamper(tamper));
            assert!(!verifies(&issuer, &token), "{algorithm:?} {tamper:?}");
        }
    }
}

#[test]
fn the_key_set_is_public_and_says_what_each_key_is_for() {
    let jwks = Issuer::demo().jwks();
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), Algorithm::ALL.len() - 1);
    for key in keys {
        assert_eq!(key["use"], "sig");
        assert!(["kty", "kid", "alg"].iter().all(|name| key[name].is_string()));
        assert!(["d", "p", "q", "k"].iter().all(|name| key[name].is_null()), "a private field in {key}");
    }
}

#[test]
fn header_and_payload_can_be_anything() {
    let issuer = Issuer::demo();
    let doubled = r#"{"sub":"ada","sub":"root"}"#;
    let spec =
        Spec::new(Algorithm::ES256, Value::Null).raw_claims(doubled).header("crit", json!(["b64"])).kid(None);
    let token = issuer.mint(&spec);
    assert_eq!(payload(&token), doubled);
    let header: Value = serde_json::from_slice(&decode(token.split('.').next().unwrap())).unwrap();
    assert_eq!(header, json!({"alg": "ES256", "typ": "JWT", "crit": ["b64"]}));
}

#[test]
fn claims_are_those_of_a_fresh_token() {
    let issuer = Issuer::demo();
    let (one, other) = (issuer.claims("ada"), issuer.claims("ada"));
    assert_eq!((&one["iss"], &one["aud"]), (&json!("https://id.demo.portcullis"), &json!("orders-api")));
    assert_eq!(one["exp"].as_u64(), one["iat"].as_u64().map(|iat| iat + 300));
    assert_ne!(one["jti"], other["jti"]);
}
