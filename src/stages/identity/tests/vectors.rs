//! Attacks on JOSE that are public, against the whole stage: each of them has been a hole somewhere.
//! Here those on the form of a token and on its header; those on keys and signatures are beside this file.

use super::*;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use base64::Engine;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A signed token of exactly this header and payload.
fn signed(algorithm: Algorithm, header: &str, payload: &str) -> String {
    let message = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(payload));
    let signature = Lab::demo().sign(algorithm, message.as_bytes());
    format!("{message}.{}", BASE64URL.encode(signature))
}

fn header(extra: &str) -> String {
    format!(r#"{{"alg":"EdDSA","kid":"demo-eddsa"{extra}}}"#)
}

pub(super) fn good_claims() -> String {
    claims(&json!({})).to_string()
}

/// The three parts, the last one decoded.
pub(super) fn parts(token: &str) -> (&str, Vec<u8>) {
    let (message, signature) = token.rsplit_once('.').unwrap();
    (message, BASE64URL.decode(signature).unwrap())
}

pub(super) fn with_signature(message: &str, signature: &[u8]) -> String {
    format!("{message}.{}", BASE64URL.encode(signature))
}

pub(super) fn good(algorithm: Algorithm) -> String {
    Lab::demo().mint(&Spec::new(algorithm, claims(&json!({}))))
}

#[test]
fn no_spelling_of_none_is_an_algorithm() {
    for alg in
        ["none", "None", "NONE", "nOnE", "none ", " none", "", "null", "no\\u006ee", "HS256\\u0000", "rs256"]
    {
        let header = format!(r#"{{"alg":"{alg}","kid":"demo-eddsa"}}"#);
        let (unsigned, payload) = (BASE64URL.encode(&header), BASE64URL.encode(good_claims()));
        assert_eq!(judged(&format!("{unsigned}.{payload}.")), ["token.algorithm"], "{alg}");
        assert_eq!(judged(&signed(Algorithm::EdDSA, &header, &good_claims())), ["token.algorithm"], "{alg}");
    }
    for alg in ["null", "1", "true", "[\"EdDSA\"]", "{}"] {
        let header = format!(r#"{{"alg":{alg},"kid":"demo-eddsa"}}"#);
        assert_eq!(judged(&signed(Algorithm::EdDSA, &header, &good_claims())), ["token.algorithm"], "{alg}");
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let lab = Lab::demo();
    let jwks = lab.jwks();
    let of_rsa = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == "demo-rs256").unwrap();
    let modulus = BASE64URL.decode(of_rsa["n"].as_str().unwrap()).unwrap();
    let texts = [
        lab.rsa_public_pem().as_bytes().to_vec(),
        lab.rsa_public_pem().trim_end().as_bytes().to_vec(),
        of_rsa.to_string().into_bytes(),
        of_rsa["n"].as_str().unwrap().as_bytes().to_vec(),
        modulus,
        Vec::new(),
    ];
    for (alg, kid) in [("HS256", "demo-rs256"), ("HS256", "demo-eddsa"), ("HS512", "demo-rs256")] {
        let header = json!({"alg": alg, "kid": kid}).to_string();
        let message = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(good_claims()));
        for secret in &texts {
            let forged = with_signature(&message, &hmac_sha256::HMAC::mac(message.as_bytes(), secret));
            assert_eq!(judged(&forged), ["token.algorithm"], "{alg} {kid}");
        }
    }
}

#[test]
fn an_algorithm_is_not_exchanged_for_another_of_the_same_key() {
    for (used, claimed) in [
        (Algorithm::RS256, "PS256"),
        (Algorithm::PS256, "RS256"),
        (Algorithm::RS256, "RS384"),
        (Algorithm::RS512, "RS256"),
        (Algorithm::ES256, "ES384"),
        (Algorithm::EdDSA, "ES256"),
    ] {
        for (kid, finding) in [
            (used.kid(), "token.algorithm"),
            (format!("demo-{}", claimed.to_ascii_lowercase()), "token.signature"),
        ] {
            let header = json!({"alg": claimed, "kid": kid}).to_string();
            assert_eq!(judged(&signed(used, &header, &good_claims())), [finding], "{used:?} as {claimed}");
        }
    }
}

#[test]
fn a_header_brings_no_key_of_its_own() {
    // A key of the attacker's own (RFC 8037 appendix A), with which the token would be in order.
    let own = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let url = json!("https://attacker.example/keys");
    for (name, value) in [
        ("jku", &url),
        ("x5u", &url),
        ("jwk", &own),
        ("jwk", &url),
        ("x5c", &json!(["AA"])),
        ("x5t", &json!("AA")),
    ] {
        let header = header(&format!(r#","{name}":{value}"#));
        let honest = signed(Algorithm::EdDSA, &header, &good_claims());
        let forged = with_signature(parts(&honest).0, &[0x42; 64]);
        let findings = judged(&forged);
        assert!(["token.signature", "token.malformed"].contains(&findings[0]), "{name}: {findings:?}");
        let unnamed = header.replace(r#""kid":"demo-eddsa","#, "");
        let forged = with_signature(parts(&signed(Algorithm::EdDSA, &unnamed, &good_claims())).0, &[0x42; 64]);
        assert_eq!(judged_under(&CONFIG, &forged, &[]).0, Caller::Anonymous, "{name}");
    }
}

#[test]
fn a_key_id_is_a_name_and_nothing_else() {
    for kid in [
        "../../../../dev/null",
        "/dev/null",
        "x' UNION SELECT 'secret",
        "demo-eddsa\\u0000",
        "demo-eddsa ",
        "DEMO-EDDSA",
        "|/bin/true",
        "https://attacker.example/key",
        "",
    ] {
        let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#);
        assert_eq!(judged(&signed(Algorithm::EdDSA, &header, &good_claims())), ["token.key_unknown"], "{kid}");
    }
    for kid in ["null", "0", "[\"demo-eddsa\"]", "{\"$ne\":1}", "true"] {
        let header = format!(r#"{{"alg":"EdDSA","kid":{kid}}}"#);
        assert_eq!(judged(&signed(Algorithm::EdDSA, &header, &good_claims())), ["token.malformed"], "{kid}");
    }
}

#[test]
fn extensions_that_must_be_understood_are_not() {
    for extra in [
        r#","crit":["exp"],"exp":1"#,
        r#","crit":["b64"],"b64":false"#,
        r#","crit":[]"#,
        r#","crit":null"#,
        r#","crit":"b64""#,
        r#","crit":["crit"]"#,
    ] {
        assert_eq!(
            judged(&signed(Algorithm::EdDSA, &header(extra), &good_claims())),
            ["token.critical"],
            "{extra}"
        );
    }
    // RFC 7797 §6: without `crit` the parameter says nothing, and the payload is base64url.
    let unencoded = format!("{}.{}.AA", BASE64URL.encode(header(r#","b64":false"#)), good_claims());
    assert_eq!(judged(&unencoded), ["token.ambiguous"], "a comma stands between tokens");
}

#[test]
fn a_member_is_there_once() {
    for header in [
        r#"{"alg":"none","alg":"EdDSA","kid":"demo-eddsa"}"#,
        r#"{"alg":"EdDSA","alg":"EdDSA","kid":"demo-eddsa"}"#,
        r#"{"alg":"EdDSA","\u0061lg":"none","kid":"demo-eddsa"}"#,
        r#"{"alg":"EdDSA","kid":"demo-eddsa","kid":"demo-rs256"}"#,
    ] {
        assert_eq!(judged(&signed(Algorithm::EdDSA, header, &good_claims())), ["token.malformed"], "{header}");
    }
    for double in [r#""sub":"root""#, r#""s\u0075b":"root""#, r#""exp":9999999999"#, r#""a":{"b":1,"b":2}"#] {
        let payload = good_claims().replacen('{', &format!("{{{double},"), 1);
        assert_eq!(judged(&signed(Algorithm::EdDSA, &header(""), &payload)), ["token.malformed"], "{double}");
    }
}

#[test]
fn base64url_has_one_spelling() {
    let token = good(Algorithm::EdDSA);
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let padded = |part: &str| format!("{part}{}", "=".repeat((4 - part.len() % 4) % 4));
    let standard = |part: &str| part.replace('-', "+").replace('_', "/");
    let stray = |part: &str| {
        // The last character of 64 bytes carries four bits that nobody reads.
        let (rest, last) = part.split_at(part.len() - 1);
        let at = ALPHABET.iter().position(|byte| *byte == last.as_bytes()[0]).unwrap();
        format!("{rest}{}", char::from(ALPHABET[at ^ 1]))
    };
    let mut bad = vec![
        format!("{header}.{payload}.{}", padded(signature)),
        format!("{header}.{payload}.{signature}="),
        format!("{header}.{payload}.{}", stray(signature)),
        format!("{header}.{payload}.{}\n{}", signature.split_at(8).0, signature.split_at(8).1),
        format!("{header}.{payload}. {signature}"),
        format!("{header} .{payload}.{signature}"),
        format!("{header}.{payload}.{signature}%00"),
        format!("{header}.{payload}.{signature}."),
        format!(".{header}.{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{header}.{payload}"),
        format!("{header}{payload}{signature}"),
        format!("{header}.{payload}.{signature}.{header}.{payload}"),
    ];
    let plus = standard(signature);
    if plus != signature {
        bad.push(format!("{header}.{payload}.{plus}"));
    }
    for text in bad {
        assert_eq!(judged(&text), ["token.malformed"], "{text}");
    }
    assert_eq!(judged(&format!("{token}A")), ["token.signature"], "one byte more");
    for cut in [1, 2, 4, signature.len() - 4] {
        let short = format!("{header}.{payload}.{}", signature.split_at(signature.len() - cut).0);
        let findings = judged(&short);
        assert!(["token.malformed", "token.signature"].contains(&findings[0]), "{cut}: {findings:?}");
    }
}

#[test]
fn what_is_no_signed_token_is_none() {
    let encrypted = json!({"alg": "dir", "enc": "A256GCM", "kid": "demo-eddsa"}).to_string();
    assert_eq!(judged(&format!("{}..AAAA.AAAA.AAAA", BASE64URL.encode(&encrypted))), ["token.malformed"], "JWE");
    assert_eq!(judged(&format!("{}.e30.AAAA", BASE64URL.encode(&encrypted))), ["token.algorithm"]);
    let inner = good(Algorithm::EdDSA);
    let nested = signed(Algorithm::EdDSA, &header(r#","cty":"JWT""#), &inner);
    assert_eq!(judged(&nested), ["token.malformed"], "nested (RFC 7519 §5.2)");
    for payload in ["", "[]", "null", "\"a\"", "{", "\u{feff}{}", "{}{}", "{\"a\":NaN}", "{'a':1}", "{\"a\":1,}"] {
        assert_eq!(judged(&signed(Algorithm::EdDSA, &header(""), payload)), ["token.malformed"], "{payload}");
    }
    let general = json!({"payload": BASE64URL.encode(good_claims()), "signatures": []}).to_string();
    assert_eq!(judged(&general), ["token.ambiguous"], "JSON serialisation, with a comma");
}

#[test]
fn dates_are_plain_seconds() {
    for (name, value) in [
        ("exp", "1e400"),
        ("exp", "-1"),
        ("exp", "1e18"),
        ("exp", "18446744073709551615"),
        ("exp", "99999999999999999999999999"),
        ("exp", "\"1800000300\""),
        ("exp", "null"),
        ("exp", "[1800000300]"),
        ("nbf", "\"0\""),
        ("nbf", "1e18"),
        ("iat", "{}"),
        ("iat", "1e300"),
    ] {
        let mut written = claims(&json!({}));
        written[name] = json!("PLACE");
        let payload = written.to_string().replace("\"PLACE\"", value);
        let (caller, findings) = judged_under(&CONFIG, &signed(Algorithm::EdDSA, &header(""), &payload), &[]);
        assert_eq!(caller, Caller::Anonymous, "{name} {value}");
        assert_eq!(findings.len(), 1, "{name} {value}: {findings:?}");
    }
}
