use super::*;
use serde_json::json;

const NOW: Millis = Millis::from_secs(1_800_000_000);

fn configured() -> Introspection {
    Introspection {
        cluster: "issuer".to_owned(),
        location: crate::remote::location::Location::parse("https://id.example/introspect").unwrap(),
        authorization: Some("Basic YTpi".to_owned()),
        issuer: "https://id.example".to_owned(),
        audiences: Vec::new(),
        clock_skew: Millis::from_secs(30),
        timeout: Millis::from_secs(1),
        cache_max: Millis::from_secs(60),
        on_unavailable: crate::config::FailurePolicy::Deny,
    }
}

fn said(body: &str) -> Result<String, String> {
    let answer = Answer::Document { etag: None, body: body.as_bytes().to_vec() };
    match read(&configured(), &answer, NOW) {
        Ok(Said::Active(claims)) => Ok(claims.text("sub").unwrap_or("active").to_owned()),
        Ok(Said::Inactive(why)) => Ok(why.to_owned()),
        Err(why) => Err(why.to_owned()),
    }
}

#[test]
fn opaque_is_what_does_not_look_signed() {
    for opaque in ["", "abc", "a.b", "mF_9.B5f-4.1JqM", "eyJhbGciOiJub25lIn0.e30", "a.b.c.d"] {
        assert!(is_opaque(opaque.as_bytes()), "{opaque}");
    }
    assert!(!is_opaque(b"eyJhbGciOiJub25lIn0.e30."));
}

#[test]
fn the_question_is_a_form_that_no_token_can_break_out_of() {
    let call = call(&configured(), b"a&b=c d+\xff\r\n");
    assert_eq!(call.body.as_deref(), Some("token=a%26b%3Dc%20d%2B%FF%0D%0A&token_type_hint=access_token"));
    let fields = call.fields();
    for field in [(":method", "POST"), (":path", "/introspect"), ("authorization", "Basic YTpi")] {
        assert!(fields.contains(&field), "{fields:?}");
    }
}

#[test]
fn only_a_plain_yes_is_a_yes() {
    let now = NOW.as_u64() / 1000;
    for (body, expected) in [
        (json!({"active": true, "sub": "ada"}).to_string(), Ok("ada")),
        (json!({"active": true, "exp": now + 1, "nbf": now}).to_string(), Ok("active")),
        (json!({"active": true, "exp": now - 29}).to_string(), Ok("active")),
        (json!({"active": true, "exp": now - 30}).to_string(), Ok("it has expired")),
        (json!({"active": true, "nbf": now + 31}).to_string(), Ok("it is not valid yet")),
        (json!({"active": true, "iss": "https://id.example"}).to_string(), Ok("active")),
        (json!({"active": true, "iss": "https://evil.example"}).to_string(), Ok("it is another issuer's")),
        (json!({"active": true, "iss": 7}).to_string(), Ok("it is another issuer's")),
        (json!({"active": false, "sub": "ada"}).to_string(), Ok("the issuer says so")),
        (json!({"active": "true"}).to_string(), Err("the answer does not say whether the token is `active`")),
        (json!({}).to_string(), Err("the answer does not say whether the token is `active`")),
        (json!({"active": true, "exp": "soon"}).to_string(), Err("the answer has a date of the wrong type")),
        (r#"{"active": false, "active": true}"#.into(), Err("the answer is no JSON that has one meaning")),
        ("true".into(), Err("the answer is no JSON object")),
        ("".into(), Err("the answer is no JSON that has one meaning")),
    ] {
        assert_eq!(said(&body), expected.map(str::to_owned).map_err(str::to_owned), "{body}");
    }
    assert!(read(&configured(), &Answer::NotModified, NOW).is_err());
}
