//! Another JOSE library, with other cryptography (jsonwebtoken on AWS-LC), reads the same tokens: what we take for good it
//! must take for good too, with the same claims, however the token was altered.
//!
//! It is no authority: it takes some that we refuse (members that are there twice, `crit` that it knows, dates, `typ`).
//! Known differences, and therefore not generated: it does not know the algorithm name `Ed25519` of RFC 9864, and takes
//! header parameters that it does not know only if they are strings.

use super::*;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use base64::Engine;
use jsonwebtoken::{decode, decode_header, jwk::JwkSet, DecodingKey, Validation};

/// What the other library reads in a token: its claims, if it accepts it. Dates are left to our own tests: its clock is the
/// machine's.
fn other(token: &str) -> Option<Value> {
    static KEYS: LazyLock<JwkSet> = LazyLock::new(|| serde_json::from_value(Lab::demo().jwks()).unwrap());
    let header = decode_header(token).ok()?;
    let jwk = KEYS.find(header.kid.as_deref()?)?;
    // The algorithm is the key's.
    let of_key = jwk.common.key_algorithm?.to_string().parse().ok()?;
    let mut validation = Validation::new(of_key);
    (validation.validate_exp, validation.validate_nbf) = (false, false);
    validation.set_audience(&[Lab::demo().audience()]);
    validation.set_issuer(&[Lab::demo().url()]);
    validation.set_required_spec_claims(&["iss", "aud", "exp"]);
    Some(decode::<Value>(token, &DecodingKey::from_jwk(jwk).ok()?, &validation).ok()?.claims)
}

/// Whether we accept it; if so, the other library must, and must read the same subject.
fn accepted(token: &str) -> Result<bool, TestCaseError> {
    let (caller, findings) = judged_under(&CONFIG, token, &[]);
    let Some(ours) = caller.claims() else {
        prop_assert!(!findings.is_empty(), "refused without a reason: {token}");
        return Ok(false);
    };
    // White space around it belongs to the header field, which the other never sees (RFC 9110 §5.5).
    let Some(theirs) = other(token.trim_matches(|c: char| c.is_ascii_whitespace())) else {
        return Err(TestCaseError::fail(format!("only we accept {token}")));
    };
    for name in ["iss", "sub", "aud", "exp", "scope", "extra"] {
        prop_assert_eq!(ours.get(name), theirs.get(name), "{} of {}", name, token);
    }
    Ok(true)
}

fn both() -> impl Iterator<Item = Algorithm> {
    Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::HS256)
}

/// One good token of each algorithm.
static GOOD: LazyLock<Vec<String>> = LazyLock::new(|| {
    both().map(|algorithm| Lab::demo().mint(&Spec::new(algorithm, claims(&json!({}))))).collect()
});

#[derive(Debug, Clone)]
enum Change {
    Replace(prop::sample::Index, char),
    Insert(prop::sample::Index, char),
    Remove(prop::sample::Index),
    /// A part of another good token in place of the token's own.
    Splice(usize, prop::sample::Index),
    Swap,
    /// A byte of a part, below its base64url.
    Flip(usize, prop::sample::Index, u8),
    Cut(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    let char = || prop::sample::select("ABCDEZabcz019_-.=+/ ,%\n\0é".chars().collect::<Vec<_>>());
    prop_oneof![
        (at(), char()).prop_map(|(at, char)| Change::Replace(at, char)),
        (at(), char()).prop_map(|(at, char)| Change::Insert(at, char)),
        at().prop_map(Change::Remove),
        (0..3_usize, at()).prop_map(|(part, from)| Change::Splice(part, from)),
        Just(Change::Swap),
        (0..3_usize, at(), 1..=255_u8).prop_map(|(part, at, bits)| Change::Flip(part, at, bits)),
        at().prop_map(Change::Cut),
    ]
}

fn apply(token: &str, change: &Change) -> String {
    let mut chars: Vec<char> = token.chars().collect();
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    match change {
        _ if chars.is_empty() => return String::new(),
        Change::Replace(at, char) => {
            let at = at.index(chars.len());
            chars[at] = *char;
        }
        Change::Insert(at, char) => chars.insert(at.index(chars.len()), *char),
        Change::Remove(at) => {
            chars.remove(at.index(chars.len()));
        }
        Change::Cut(at) => chars.truncate(at.index(chars.len())),
        Change::Splice(part, from) => {
            let from = &GOOD[from.index(GOOD.len())];
            if let Some(own) = parts.get_mut(*part) {
                *own = from.split('.').nth(*part).unwrap().to_owned();
            }
            return parts.join(".");
        }
        Change::Swap => {
            parts.reverse();
            return parts.join(".");
        }
        Change::Flip(part, at, bits) => {
            if let Some(own) = parts.get_mut(*part) {
                let mut bytes = BASE64URL.decode(own.as_bytes()).unwrap_or_default();
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] ^= bits;
                    *own = BASE64URL.encode(bytes);
                }
            }
            return parts.join(".");
        }
    }
    chars.into_iter().collect()
}

/// Header parameters that an issuer might sign, odd ones among them.
const IN_HEADER: [&str; 14] = [
    r#""typ":"JWT""#,
    r#""typ":"at+jwt""#,
    r#""typ":7"#,
    r#""cty":"JWT""#,
    r#""crit":["exp"]"#,
    r#""crit":[]"#,
    r#""b64":"false""#,
    r#""alg":"none""#,
    r#""kid":"demo-rs256""#,
    r#""jku":"https://attacker.example/""#,
    r#""jwk":{"kty":"oct","k":"AA"}"#,
    r#""x5c":["AA"]"#,
    r#""x5t":"AA""#,
    r#""extra":"\u0000\ud83d\ude00""#,
];

/// Claims of that kind.
const IN_PAYLOAD: [&str; 16] = [
    r#""extra":[1,{"a":null}]"#,
    r#""extra":1.50"#,
    r#""extra":18446744073709551616"#,
    r#""extra":"\u0000\ud83d\ude00""#,
    r#""extra":"\ud83d""#,
    r#""sub":"root""#,
    r#""sub":7"#,
    r#""aud":["orders-api","other"]"#,
    r#""aud":[]"#,
    r#""iss":["https://id.demo.portcullis"]"#,
    r#""exp":1800000200.5"#,
    r#""nbf":1799999999"#,
    r#""jti":7"#,
    r#""scope":"a b""#,
    r#""scope":["a"]"#,
    r#""iss":"https://id.demo.portcullis""#,
];

#[test]
fn good_tokens_are_good_to_both() {
    for token in GOOD.iter() {
        assert!(accepted(token).unwrap(), "{token}");
    }
    assert_eq!(GOOD.len(), 9);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn what_we_accept_of_altered_tokens_the_other_accepts(
        from in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let token = changes.iter().fold(GOOD[from.index(GOOD.len())].clone(), |token, change| apply(&token, change));
        accepted(&token)?;
    }

    #[test]
    fn what_we_accept_of_odd_tokens_the_other_accepts(
        algorithm in prop::sample::select(vec![Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256]),
        in_header in prop::collection::vec(prop::sample::select(&IN_HEADER[..]), 0..3),
        in_payload in prop::collection::vec(prop::sample::select(&IN_PAYLOAD[..]), 0..3),
        first in any::<bool>(),
    ) {
        let with = |object: Value, members: &[&str]| {
            let object = object.to_string();
            let inner = object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap();
            let own = members.iter().copied();
            let all: Vec<_> = if first { own.chain([inner]).collect() } else { [inner].into_iter().chain(own).collect() };
            format!("{{{}}}", all.join(","))
        };
        let header = with(json!({"alg": algorithm.name(), "kid": algorithm.kid()}), &in_header);
        let mut own = claims(&json!({}));
        // What is given twice is refused; where it is the issuer's choice it is to stand once.
        for name in ["sub", "aud", "iss", "exp"] {
            if in_payload.iter().filter(|member| member.starts_with(&format!("\"{name}\""))).count() == 1 {
                own.as_object_mut().unwrap().remove(name);
            }
        }
        let payload = with(own, &in_payload);
        let message = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(payload));
        let signature = BASE64URL.encode(Lab::demo().sign(algorithm, message.as_bytes()));
        accepted(&format!("{message}.{signature}"))?;
    }
}
