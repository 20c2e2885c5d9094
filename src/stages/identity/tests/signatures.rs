//! Attacks on keys and signatures that are public, against the whole stage, and the RFCs' own examples.
//!
//! The odd RSA signatures are in `rsa_signatures.txt`, since no library makes them; the rest is made here.

use super::vectors::{good, good_claims, parts, with_signature};
use super::*;
use crate::jose::{Algorithm as Known, KeySet, Token};
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use base64::Engine;

#[test]
fn elliptic_signatures_are_two_numbers_in_range() {
    for (algorithm, width) in [(Algorithm::ES256, 32), (Algorithm::ES384, 48)] {
        let token = good(algorithm);
        let (message, raw) = parts(&token);
        let (r, s) = raw.split_at(width);
        let zero = vec![0; width];
        let max = vec![0xff; width];
        let one = [&zero[1..], &[1]].concat();
        let bad = [
            // CVE-2022-21449.
            [&zero[..], &zero].concat(),
            [r, &zero].concat(),
            [&zero, s].concat(),
            [&max[..], &max].concat(),
            [&max, s].concat(),
            [r, &max].concat(),
            [&one[..], &one].concat(),
            [s, r].concat(),
            [&[0], r, &[0], s].concat(),
            [&raw[..], &[0]].concat(),
            raw[1..].to_vec(),
            r.to_vec(),
            Vec::new(),
            der(r, s),
        ];
        for signature in bad {
            assert_eq!(judged(&with_signature(message, &signature)), ["token.signature"], "{signature:02x?}");
        }
    }
}

/// An ECDSA signature as X.509 has it, which is not JOSE's form (RFC 7518 §3.4).
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let sign: &[u8] = if number[0] & 0x80 == 0 { &[] } else { &[0] };
        let body = [sign, number].concat();
        [&[2, u8::try_from(body.len()).unwrap()], &body[..]].concat()
    };
    let body = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(body.len()).unwrap()], &body[..]].concat()
}

#[test]
fn a_token_may_have_two_signatures_and_is_still_one() {
    // `(r, n − s)` verifies wherever `(r, s)` does, and RFC 7518 §3.4 asks for neither: nothing that must happen once may
    // be told by a token's text.
    let token = good(Algorithm::ES256);
    let (message, raw) = parts(&token);
    let signature = p256::ecdsa::Signature::from_slice(&raw).unwrap();
    let (r, s) = signature.split_scalars();
    let twin = p256::ecdsa::Signature::from_scalars(*r, -*s).unwrap();
    assert_ne!(twin, signature);
    let (one, _) = judged_under(&CONFIG, &token, &[]);
    let (other, findings) = judged_under(&CONFIG, &with_signature(message, &twin.to_bytes()), &[]);
    assert_eq!((one.claims(), findings), (other.claims(), Vec::new()));
}

#[test]
fn an_edwards_signature_has_one_spelling() {
    // RFC 8032 §5.1.7: S is less than L, the order of the group.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let token = good(Algorithm::EdDSA);
    let (message, mut signature) = parts(&token);
    let mut carry = 0;
    for (byte, more) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    assert_eq!(judged(&with_signature(message, &signature)), ["token.signature"]);
    for bad in [vec![0; 64], vec![0; 63], vec![0xff; 64], Vec::new()] {
        assert_eq!(judged(&with_signature(message, &bad)), ["token.signature"]);
    }
}

/// Whether a token signed with `signature` is good under a key set of this one key, if that can be configured at all.
fn accepts(jwk: &Value, alg: &str, signature: &[u8]) -> bool {
    let issuer =
        json!({"issuer": Lab::demo().url(), "audiences": [Lab::demo().audience()], "jwks": {"keys": [jwk]}});
    let document = json!({"version": 1, "mode": "enforce", "identity": {"issuers": [issuer]}}).to_string();
    let Ok(config) = Config::parse(document.as_bytes(), CHECKS) else { return false };
    let message =
        format!("{}.{}", BASE64URL.encode(json!({ "alg": alg }).to_string()), BASE64URL.encode(good_claims()));
    judged_under(&config, &with_signature(&message, signature), &[]).0 != Caller::Anonymous
}

#[test]
fn a_point_of_small_order_signs_nothing() {
    // Under such a key loose verifiers take the neutral element and zero for a signature of every message.
    let neutral = [&[1][..], &[0; 31]].concat();
    let order_four = vec![0; 32];
    let order_two = [&[0xec][..], &[0xff; 30], &[0x7f]].concat();
    let order_eight = BASE64URL.decode("JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU").unwrap();
    let not_canonical = [&[0xee][..], &[0xff; 30], &[0x7f]].concat();
    for key in [&neutral, &order_two, &order_four, &order_eight, &not_canonical] {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": BASE64URL.encode(key)});
        for point in [&neutral, &order_two, &order_four, &order_eight, &not_canonical] {
            let signature = [&point[..], &[0; 32]].concat();
            assert!(!accepts(&jwk, "EdDSA", &signature), "{key:02x?} {point:02x?}");
        }
    }
}

#[test]
fn keys_that_are_weak_or_none_are_refused() {
    let allowed = [&Known::ASYMMETRIC[..], &[Known::Hs256, Known::Hs512]].concat();
    let number = |bytes: &[u8]| BASE64URL.encode(bytes);
    let modulus = |bytes: usize| number(&[&vec![0xc5; bytes - 1][..], &[0x6d]].concat());
    let (x, y) = ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    let bad = [
        json!({"kty": "RSA", "n": modulus(64), "e": "AQAB"}),
        json!({"kty": "RSA", "n": modulus(128), "e": "AQAB"}),
        json!({"kty": "RSA", "n": modulus(4096), "e": "AQAB"}),
        // With an exponent of three, a cube root forges what a careless padding check lets pass; with one, anything does.
        json!({"kty": "RSA", "n": modulus(256), "e": "Aw"}),
        json!({"kty": "RSA", "n": modulus(256), "e": "AQ"}),
        json!({"kty": "RSA", "n": modulus(256), "e": "AA"}),
        json!({"kty": "RSA", "n": modulus(256), "e": ""}),
        json!({"kty": "RSA", "n": "", "e": "AQAB"}),
        json!({"kty": "RSA", "n": number(&[0; 256]), "e": "AQAB"}),
        json!({"kty": "RSA", "e": "AQAB"}),
        json!({"kty": "EC", "crv": "P-256", "x": x, "y": x}),
        json!({"kty": "EC", "crv": "P-256", "x": y, "y": y}),
        json!({"kty": "EC", "crv": "P-256", "x": number(&[0; 32]), "y": number(&[0; 32])}),
        json!({"kty": "EC", "crv": "P-256", "x": number(&[0xff; 32]), "y": y}),
        json!({"kty": "EC", "crv": "P-256", "x": x.split_at(40).0, "y": y}),
        json!({"kty": "EC", "crv": "P-256", "x": x}),
        json!({"kty": "EC", "crv": "P-384", "x": x, "y": y}),
        json!({"kty": "EC", "crv": "secp256k1", "x": x, "y": y}),
        json!({"kty": "EC", "crv": "P-521", "x": x, "y": y}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": ""}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": number(&[1; 31])}),
        json!({"kty": "OKP", "crv": "X25519", "x": number(&[9; 32])}),
        json!({"kty": "oct", "k": ""}),
        json!({"kty": "oct", "k": number(&[7; 31])}),
        json!({"kty": "oct", "k": number(&[7; 63]), "alg": "HS512"}),
        json!({"kty": "oct"}),
        json!({"kty": "RSA", "n": modulus(256), "e": "AQAB", "alg": "none"}),
        json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "RS256"}),
        json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "enc"}),
    ];
    for jwk in bad {
        assert!(KeySet::from_jwks(&json!({ "keys": [jwk] }), &allowed).is_err(), "written: {jwk}");
        assert!(KeySet::from_served(&json!({ "keys": [jwk] }), &allowed).is_err(), "served: {jwk}");
    }
    let fine = json!({"keys": [{"kty": "EC", "crv": "P-256", "x": x, "y": y}]});
    assert!(KeySet::from_jwks(&fine, &allowed).is_ok());
}

#[test]
fn rsa_signatures_are_padded_in_exactly_one_way() {
    let payload =
        r#"{"iss":"https://id.demo.portcullis","aud":"orders-api","sub":"ada","iat":1800000000,"exp":1800000300}"#;
    let mut seen = 0;
    for line in include_str!("rsa_signatures.txt").lines().filter(|line| !line.starts_with('#')) {
        let [alg, name, signature] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let header = format!(r#"{{"alg":"{alg}","kid":"demo-{}"}}"#, alg.to_ascii_lowercase());
        let token = format!("{}.{}.{signature}", BASE64URL.encode(header), BASE64URL.encode(payload));
        let expected: &[&str] = if name == "good" { &[] } else { &["token.signature"] };
        assert_eq!(judged(&token), expected, "{alg} {name}");
        seen += 1;
    }
    assert_eq!(seen, 26);
}

/// What a key set says of a token whose claims are not ours to judge.
fn verifies(jwk: &Value, token: &str) -> bool {
    let allowed = [&Known::ASYMMETRIC[..], &[Known::Hs256]].concat();
    let keys = KeySet::from_jwks(&json!({ "keys": [jwk] }), &allowed).unwrap();
    keys.verify(&Token::parse(token).unwrap(), &NoNative).is_ok()
}

#[test]
fn the_examples_of_rfc_7515_verify() {
    const PAYLOAD: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    for (section, jwk, header, signature) in [
        (
            "A.1",
            json!({"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}),
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ),
        (
            "A.2",
            json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}),
            "eyJhbGciOiJSUzI1NiJ9",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            "A.3",
            json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}),
            "eyJhbGciOiJFUzI1NiJ9",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
    ] {
        assert!(verifies(&jwk, &format!("{header}.{PAYLOAD}.{signature}")), "{section}");
        let altered = PAYLOAD.replacen("eyJpc3MiOiJqb2Ui", "eyJpc3MiOiJib2Ii", 1);
        assert!(!verifies(&jwk, &format!("{header}.{altered}.{signature}")), "{section}, altered");
    }
    // A.5 is signed by nobody; the example of RFC 8037 A.4 is signed, but is no JWT.
    assert_eq!(judged(&format!("eyJhbGciOiJub25lIn0.{PAYLOAD}.")), ["token.algorithm"]);
    let text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(judged(text), ["token.malformed"]);
}
