use super::{check_body, check_head, PARAMETERS};
use crate::config::{Config, RouteId};
use crate::engine::waiting::Wait;
use crate::engine::{Engine, Ports, Step};
use crate::finding::Findings;
use crate::request::body::Unread;
use crate::request::headers::Headers;
use crate::request::Request;
use crate::stages::CHECKS;
use crate::time::Millis;
use proptest::prelude::*;
use serde_json::{json, Value};
use std::sync::LazyLock;

const NOW: Millis = Millis::from_secs(1_800_000_000);

/// The challenge and the verifier of RFC 7636 appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn document() -> Value {
    json!({
        "version": 1,
        "mode": "enforce",
        "request": {"body_read_max": "2KiB"},
        "routes": [
            {"name": "authorize", "path": "/authorize"},
            {"name": "open", "path": "/open"},
            {"name": "par", "path": "/par"},
            {"name": "token", "path": "/token"},
        ],
        "oauth": {
            "authorization_endpoints": [
                {"routes": ["authorize"], "pushed_routes": ["par"], "response_types": ["code", "code id_token"], "clients": [
                    {"id": "app", "redirect_uris": ["https://app.example/cb", "http://127.0.0.1/cb"]},
                    {"id": "one", "redirect_uris": ["https://one.example/cb"]},
                ]},
                {"routes": ["open"]},
            ],
            "token_endpoints": [{"routes": ["token"]}],
        },
    })
}

static CONFIG: LazyLock<Config> =
    LazyLock::new(|| Config::parse(document().to_string().as_bytes(), CHECKS).unwrap());

fn request(method: &str, target: &str, fields: &[(&str, &str)]) -> Request {
    let pairs = [(":method", method), (":path", target), (":authority", "id.example")];
    Request::new(Headers::from_pairs(pairs.into_iter().chain(fields.iter().copied())), || None)
}

/// What is found about a request and its body, with reasons.
fn found_in(request: &Request, body: Result<&[u8], Unread>) -> Vec<(&'static str, String)> {
    let path = &request.path.as_ref().unwrap().normal;
    let route = CONFIG.routes.get(CONFIG.routes.find("id.example", request.method(), path));
    let mut findings = Findings::default();
    check_head(CONFIG.oauth.as_ref(), route, request, &mut findings);
    check_body(route, request, body, &mut findings);
    findings.iter().map(|finding| (finding.check.id, finding.reason.to_string())).collect()
}

fn ids(found: &[(&'static str, String)]) -> Vec<&'static str> {
    found.iter().map(|(id, _)| *id).collect()
}

fn got(target: &str) -> Vec<&'static str> {
    ids(&found_in(&request("GET", target, &[]), Ok(b"")))
}

fn posted(target: &str, body: &str) -> Vec<&'static str> {
    ids(&found_in(&request("POST", target, &[FORM]), Ok(body.as_bytes())))
}

/// One character less.
fn short(text: &str) -> &str {
    text.get(1..).unwrap()
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A good request for authorization, with parameters replaced, added, or removed with an empty name's value.
fn asking(changes: &[(&str, Option<&str>)]) -> String {
    let mut pairs = vec![
        ("client_id", "app"),
        ("response_type", "code"),
        ("redirect_uri", "https://app.example/cb"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("scope", "openid orders:read"),
        ("state", "x;y"),
    ];
    for (name, value) in changes {
        pairs.retain(|(other, _)| other != name);
        pairs.extend(value.map(|value| (*name, value)));
    }
    let written: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    written.join("&")
}

/// What is found in it, the same in each way that it can come.
fn asked(changes: &[(&str, Option<&str>)]) -> Vec<&'static str> {
    let text = asking(changes);
    let found = got(&format!("/authorize?{text}"));
    assert_eq!(found, posted("/authorize", &text), "{text}");
    assert_eq!(found, posted("/par", &text), "{text}");
    found
}

#[test]
fn a_good_request_for_authorization_passes_in_each_way() {
    for changes in [
        &[][..],
        &[("response_type", Some("code id_token"))],
        &[("response_type", Some("id_token code"))],
        &[("redirect_uri", Some("http://127.0.0.1:51004/cb"))],
        &[("client_id", Some("one")), ("redirect_uri", None)],
        &[("nonce", Some("n")), ("prompt", Some("login"))],
    ] {
        assert_eq!(asked(changes), [""; 0], "{changes:?}");
    }
    assert_eq!(posted("/authorize?tenant=a", &asking(&[])), [""; 0], "an endpoint may have a query of its own");
}

#[test]
fn only_a_code_can_be_asked_for() {
    for bad in [
        None,
        Some(""),
        Some("token"),
        Some("id_token token"),
        Some("code token"),
        Some("id_token"),
        Some("none"),
        Some("Code"),
        Some("code code"),
        Some("code "),
        Some(" code"),
        Some("code\tid_token"),
    ] {
        assert_eq!(asked(&[("response_type", bad)]), ["oauth.response_type"], "{bad:?}");
    }
}

#[test]
fn a_challenge_by_s256_is_needed() {
    let long = format!("{CHALLENGE}A");
    let other = CHALLENGE.replace('-', "~");
    for (challenge, method) in [
        (None, Some("S256")),
        (None, None),
        (Some(""), Some("S256")),
        (Some(CHALLENGE), None),
        (Some(CHALLENGE), Some("")),
        (Some(CHALLENGE), Some("plain")),
        (Some(CHALLENGE), Some("s256")),
        (Some(short(CHALLENGE)), Some("S256")),
        (Some(&long), Some("S256")),
        (Some(&other), Some("S256")),
    ] {
        let changes = [("code_challenge", challenge), ("code_challenge_method", method)];
        assert_eq!(asked(&changes), ["oauth.pkce"], "{changes:?}");
    }
}

#[test]
fn redirect_uris_are_compared_as_strings() {
    for bad in [
        None,
        Some(""),
        Some("https://app.example/cb/"),
        Some("https://app.example/cb?x=1"),
        Some("https://app.example/CB"),
        Some("https://APP.example/cb"),
        Some("https://app.example:443/cb"),
        Some("https://app.example/x/../cb"),
        Some("https://app.example/%63b"),
        Some("https://app.example@evil.example/cb"),
        Some("https://one.example/cb"),
        Some("http://[::1]:51004/cb"),
        Some("http://127.0.0.1:51004/evil"),
    ] {
        assert_eq!(asked(&[("redirect_uri", bad)]), ["oauth.redirect_uri"], "{bad:?}");
    }
    let open =
        |uri: &str| got(&format!("/open?{}", asking(&[("client_id", Some("who")), ("redirect_uri", Some(uri))])));
    assert_eq!(open("https://who.example/cb"), [""; 0], "clients are not known there");
    for bad in ["javascript:alert(1)", "http://who.example/cb", "https://who.example/#x"] {
        assert_eq!(open(bad), ["oauth.redirect_uri"], "{bad}");
    }
}

#[test]
fn clients_must_be_known() {
    for bad in [None, Some(""), Some("App"), Some("app ")] {
        assert_eq!(asked(&[("client_id", bad)]), ["oauth.client"], "{bad:?}");
    }
    assert_eq!(got(&format!("/open?{}", asking(&[("client_id", None)]))), ["oauth.client"]);
}

#[test]
fn request_objects_are_refused_unless_they_were_pushed() {
    let pushed = "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c";
    for bad in [
        [("request", "eyJ.e.s")],
        [("request", "")],
        [("request_uri", "https://evil.example/r")],
        [("request_uri", "")],
    ] {
        let changes = bad.map(|(name, value)| (name, Some(value)));
        assert_eq!(asked(&changes), ["oauth.request_object"], "{bad:?}");
    }
    let reference = |more: &str| format!("client_id=app&request_uri={}{more}", encode(pushed));
    for way in
        [got(&format!("/authorize?{}", reference(""))), posted("/authorize", &reference("&response_type=code"))]
    {
        assert_eq!(way, [""; 0]);
    }
    assert_eq!(got(&format!("/open?{}", reference("")))[0], "oauth.request_object", "nothing can be pushed there");
    assert_eq!(
        posted("/par", &format!("{}&request_uri={}", asking(&[]), encode(pushed))),
        ["oauth.request_object"]
    );
    for more in
        ["&redirect_uri=https://app.example/cb", "&code_challenge=x", "&code_challenge_method=", "&request=a"]
    {
        assert_eq!(got(&format!("/authorize?{}", reference(more))), ["oauth.request_object"], "{more}");
    }
    assert_eq!(got(&format!("/authorize?{}", reference("&response_type=token"))), ["oauth.response_type"]);
    assert_eq!(got(&format!("/authorize?request_uri={}", encode(pushed))), ["oauth.client"]);
}

#[test]
fn a_request_has_one_meaning_or_none() {
    let good = asking(&[]);
    for more in [
        "&scope=x",
        "&sc%6fpe=x",
        "&other=1&other=2",
        "&redirect.uri=https://evil.example",
        "&Redirect_URI=x",
        "&redirect_uri[]=x",
        "&+response_type=token",
        "&request%5B0%5D=x",
        "&a=b;redirect_uri=x",
        "&x;y",
        "&a=%zz",
        "&a=%ff",
    ] {
        assert_eq!(got(&format!("/authorize?{good}{more}")), ["oauth.request"], "{more}");
        assert_eq!(posted("/par", &format!("{good}{more}")), ["oauth.request"], "{more}");
    }
    assert_eq!(posted("/authorize?client_id=app", &good), ["oauth.request"], "in two places");
    assert_eq!(posted("/par?Client.Id", &good), ["oauth.request"]);
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH"] {
        assert_eq!(ids(&found_in(&request(method, "/authorize", &[]), Ok(b""))), ["oauth.request"], "{method}");
    }
    for target in ["/par", "/token"] {
        assert_eq!(got(target), ["oauth.request"], "{target}");
    }
    assert_eq!(ids(&found_in(&request("GET", &format!("/authorize?{good}"), &[]), Ok(b"a"))), ["oauth.request"]);
    for fields in
        [&[][..], &[("content-type", "application/json")], &[FORM, FORM], &[FORM, ("content-encoding", "gzip")]]
    {
        let found = ids(&found_in(&request("POST", "/authorize", fields), Ok(good.as_bytes())));
        assert_eq!(found, ["oauth.request"], "{fields:?}");
    }
}

#[test]
fn a_code_is_exchanged_with_its_verifier_and_no_password_for_anything() {
    let code = |verifier: &str| format!("grant_type=authorization_code&code=c&code_verifier={verifier}");
    let longest = "a-._~Z09".repeat(16);
    for good in [
        &code(VERIFIER),
        &code(&longest),
        "grant_type=refresh_token&refresh_token=r",
        "grant_type=client_credentials",
    ] {
        assert_eq!(posted("/token", good), [""; 0], "{good}");
    }
    for bad in [
        "",
        "grant_type=",
        "grant_type=password&username=a&password=b",
        "grant_type=Password",
        "grant_type=implicit",
        "grant_type=urn:x",
        "grant_type=refresh_token%20",
    ] {
        assert_eq!(posted("/token", bad), ["oauth.grant"], "{bad}");
    }
    for bad in ["", short(VERIFIER), &"a".repeat(129), &VERIFIER.replace('-', "%2F")] {
        assert_eq!(posted("/token", &code(bad)), ["oauth.code_verifier"], "{bad}");
    }
    assert_eq!(posted("/token", "grant_type=authorization_code&code=c"), ["oauth.code_verifier"]);
    assert_eq!(posted("/token?x", &code(VERIFIER)), ["oauth.query_parameters"]);
    let found = posted("/token", &format!("{}&grant.type=password", code(VERIFIER)));
    assert_eq!(found, ["oauth.request"]);
}

#[test]
fn secrets_stand_in_no_reason() {
    let secret = "SECRET\u{1b}[31m";
    let texts = [
        format!("grant_type=authorization_code&code_verifier={}&code={}", encode(secret), encode(secret)),
        format!("grant_type=password&password={}&password={}", encode(secret), encode(secret)),
    ];
    for text in texts {
        let found =
            found_in(&request("POST", &format!("/token?token={}", encode(secret)), &[FORM]), Ok(text.as_bytes()));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().all(|(_, reason)| !reason.contains("SECRET")), "{found:?}");
    }
}

#[test]
fn a_token_in_a_query_is_found_wherever_and_however_it_is_spelled() {
    for bad in [
        "access_token=a",
        "a=b&id_token=x",
        "token",
        "a=1;refresh_token=x",
        "ACCESS_TOKEN=a",
        "access%5ftoken=a",
        "access%255Ftoken=a",
        "%61ccess.token=a",
        "+access_token=a",
        "access_token[]=a",
        "access_token%5B0%5D=a",
        "%23access_token=a",
        "%23/access_token=a",
        "?access_token=a",
        "a=1%26b&x%26access_token%3Da",
        "client_secret=s",
        "x=%zz&code_verifier=",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let found = ids(&found_in(&request(method, &format!("/api/orders?{bad}"), &[]), Ok(b"")));
            assert_eq!(found, ["oauth.query_token"], "{bad}");
        }
    }
    for good in [
        "",
        "?",
        "?a=access_token",
        "?tokens=1",
        "?my_token=x",
        "?id_token_hint=x",
        "?page_token=x",
        "?a=x%26access_token%3D1",
    ] {
        assert_eq!(got(&format!("/api/access_token=1{good}")), [""; 0], "{good}");
    }
}

#[test]
fn only_what_is_configured_is_judged() {
    let config = Config::parse(br#"{"version": 1}"#, CHECKS).unwrap();
    let mut findings = Findings::default();
    let route = config.routes.get(RouteId::Unmatched);
    let request = request("GET", "/authorize?access_token=a", &[]);
    check_head(config.oauth.as_ref(), route, &request, &mut findings);
    check_body(route, &request, Err(Unread::TooLong), &mut findings);
    assert!(findings.is_empty());
    assert_eq!(ids(&found_in(&request_to_nowhere(), Err(Unread::Late))), [""; 0]);
}

fn request_to_nowhere() -> Request {
    request("POST", "/login", &[])
}

/// Sends a request through the engine. `body` is what the host hands over; without it there is none.
fn sent(fields: &[(&str, &str)], document: &Value, body: Option<Result<&[u8], Unread>>) -> String {
    let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
    let engine = Engine::new(config, Ports::in_process([7; 16]));
    let step = engine.open(request("POST", "/token", fields), NOW, || "r-1".to_owned()).judge(body.is_some());
    let step = match (step, body) {
        (Step::Wait(Wait::Body(held)), Some(Ok(bytes))) => held.judge(bytes, NOW),
        (Step::Wait(Wait::Body(held)), Some(Err(why))) => held.judge_unread(why, b"", 9, NOW),
        (step, _) => step,
    };
    match step {
        Step::Refuse(reply, done) => format!("{} {}", reply.status, done.summary()),
        Step::Forward(_permit, body) => body.finish().finish(crate::response::Response::default()).summary(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_body_that_cannot_be_read_is_refused_unless_the_configuration_says_otherwise() {
    let mut document = document();
    let good = b"grant_type=client_credentials";
    assert_eq!(sent(&[FORM], &document, Some(Ok(good))), "allow");
    for why in [Unread::TooLong, Unread::Late, Unread::Unavailable] {
        assert_eq!(sent(&[FORM], &document, Some(Err(why))), "400 deny:oauth_body_unread", "{why:?}");
    }
    assert_eq!(sent(&[FORM], &document, None), "400 deny:grant_type_refused", "no body is an empty one");
    let upgrade = [FORM, ("connection", "upgrade"), ("upgrade", "x")];
    assert_eq!(sent(&upgrade, &document, Some(Ok(good))), "400 deny:oauth_body_unread", "nobody has read it");
    document["checks"] = json!([{"id": "oauth.unread", "effect": "note"}]);
    assert_eq!(sent(&[FORM], &document, Some(Err(Unread::Late))), "allow");
    document["mode"] = json!("monitor");
    assert_eq!(sent(&[FORM], &document, Some(Ok(b"grant_type=password"))), "would_deny:grant_type_refused");
}

#[test]
fn a_form_is_no_fault_of_a_json_body_unless_a_limit_looks_into_one() {
    let mut document = document();
    document["checks"] = json!([{"id": "request.body.unread", "effect": "refuse"}]);
    let good = b"grant_type=client_credentials";
    assert_eq!(sent(&[FORM], &document, Some(Ok(good))), "allow");
    document["limits"] =
        json!([{"name": "a", "routes": ["token"], "key": ["body:a"], "limit": 1, "window": "1h"}]);
    assert_eq!(sent(&[FORM], &document, Some(Ok(good))), "400 deny:body_unread");
}

/// How a generous service reads a parameter: `&` and `;`, any spelling, every value.
fn generous(text: &str, name: &str) -> Vec<String> {
    let decode = |part: &str| {
        percent_encoding::percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned()
    };
    let pairs = text.split(['&', ';']).filter(|pair| !pair.is_empty());
    let read = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let fold = |sent: &str| {
        let plain = decode(sent).trim_start().to_lowercase().replace(['.', ' '], "_");
        plain.split('[').next().unwrap_or_default().trim_start_matches('_').to_owned()
    };
    read.filter(|(sent, _)| fold(sent) == name).map(|(_, value)| decode(value)).collect()
}

fn spelled() -> impl Strategy<Value = String> {
    let name = prop::sample::select(PARAMETERS.to_vec());
    let value =
        prop::sample::select(vec!["code", "token", "app", "S256", CHALLENGE, "https://app.example/cb", "x", ""]);
    let how = prop::sample::select(vec!["{}={}", "{}[]={}", "%20{}={}", ";{}={}", "{}%3D={}", "_{}={}"]);
    (name, value, how, any::<bool>(), any::<bool>()).prop_map(|(name, value, how, dotted, upper)| {
        let name = if dotted { name.replace('_', ".") } else { name.to_owned() };
        let name = if upper { name.to_uppercase() } else { name };
        how.replacen("{}", &name, 1).replacen("{}", &encode(value), 1)
    })
}

proptest! {
    #[test]
    fn what_passes_is_read_alike_by_generous_services(
        more in prop::collection::vec(spelled(), 0..3),
        left_out in prop::option::of(prop::sample::select(vec!["response_type", "redirect_uri", "code_challenge", "code_challenge_method", "client_id"])),
        at in 0usize..8,
    ) {
        let text = left_out.map_or_else(|| asking(&[]), |name| asking(&[(name, None)]));
        let mut pairs: Vec<String> = text.split('&').map(str::to_owned).collect();
        for pair in more {
            pairs.insert(at.min(pairs.len()), pair);
        }
        let text = pairs.join("&");
        if got(&format!("/authorize?{text}")).is_empty() {
            let only = |name: &str| { let values = generous(&text, name); (values.len(), values.into_iter().next().unwrap_or_default()) };
            prop_assert!(["code", "code id_token"].contains(&only("response_type").1.as_str()), "{}", text);
            prop_assert_eq!(only("code_challenge_method"), (1, "S256".to_owned()), "{}", text);
            prop_assert_eq!(only("redirect_uri"), (1, "https://app.example/cb".to_owned()), "{}", text);
            prop_assert_eq!(only("client_id"), (1, "app".to_owned()), "{}", text);
            prop_assert_eq!(only("code_challenge").0, 1, "{}", text);
            prop_assert_eq!(only("request").0 + only("request_uri").0, 0, "{}", text);
        }
    }

    #[test]
    fn a_token_that_a_generous_service_would_find_is_found(pairs in prop::collection::vec("[a-zA-Z%.+_=2356fFeEtoknacs\\[\\];#]{0,18}", 0..4), upper in any::<bool>()) {
        let name = if upper { "&Access.Token=x" } else { "" };
        let query = format!("{}{name}", pairs.join("&"));
        let found = got(&format!("/api?{query}"));
        if CONFIG.oauth.as_ref().unwrap().query_token_names.iter().any(|name| !generous(&query, name).is_empty()) {
            prop_assert_eq!(found, ["oauth.query_token"], "{}", query);
        }
    }

    #[test]
    fn no_bytes_panic(target in prop::collection::vec(any::<u8>(), 0..80), body in prop::collection::vec(any::<u8>(), 0..80), which in 0usize..4, post in any::<bool>()) {
        let path = ["/authorize?", "/par?", "/token?", "/open?"][which];
        let method: &[u8] = if post { b"POST" } else { b"GET" };
        let target: Vec<u8> = path.bytes().chain(target).collect();
        let pairs: [(&[u8], &[u8]); 4] =
            [(b":method", method), (b":path", &target), (b":authority", b"id.example"), (b"content-type", FORM.1.as_bytes())];
        let request = Request::new(Headers::from_pairs(pairs), || None);
        let _ = found_in(&request, Ok(&body));
    }
}
