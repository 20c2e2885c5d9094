//! The format: what is refused, what defaults are, when times are resolved.

use super::*;
use crate::tokens::{now, Issuer};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use serde_json::{json, Value};

fn exchange(request: Value) -> Exchange {
    let written = json!({"who": "Ada", "does": "asks", "request": request,
        "expect": {"verdict": "allow", "status": 200}});
    serde_json::from_value(written).unwrap()
}

fn fields(request: Value) -> Vec<(String, String)> {
    let ready = exchange(request).request(&Kept::new()).prepare(&Issuer::demo()).unwrap();
    let text = |(name, value): (String, Vec<u8>)| (name, String::from_utf8_lossy(&value).into_owned());
    ready.fields().into_iter().map(text).collect()
}

fn payload(token: Value) -> Value {
    let token: token::Written = serde_json::from_value(token).unwrap();
    let text = token.mint(&Issuer::demo()).unwrap();
    let part = text.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn unknown_keys_are_refused() {
    for (at, key) in [("", "titel"), ("/exchanges/0", "whom"), ("/exchanges/0/request", "pat")] {
        let mut written = json!({"title": "t", "about": "a", "exchanges": [{"who": "Ada", "does": "asks",
            "request": {"path": "/"}, "expect": {"verdict": "allow", "status": 200}}]});
        assert!(serde_json::from_value::<Scenario>(written.clone()).is_ok());
        written.pointer_mut(at).unwrap()[key] = json!(1);
        assert!(serde_json::from_value::<Scenario>(written).unwrap_err().to_string().contains(key));
    }
}

#[test]
fn a_request_needs_no_more_than_a_path() {
    let fields = fields(json!({"path": "/x"}));
    assert_eq!(fields[0], (":method".into(), "GET".into()));
    assert_eq!(fields[1], (":path".into(), "/x".into()));
    assert_eq!(fields.len(), 4);
}

#[test]
fn tokens_and_padding_become_header_fields() {
    let tokens = json!([{}, {"place": {"cookie": "token"}}, {"place": {"header": "x-token"}}]);
    let padding = json!({"path_bytes": 3, "headers": 2, "header_bytes": 5, "body_bytes": 7});
    let fields = fields(json!({"path": "/", "tokens": tokens, "padding": padding}));
    let value = |name: &str| &fields.iter().find(|(known, _)| known == name).unwrap().1;
    assert!(value("authorization").starts_with("Bearer ey"));
    assert!(value("cookie").starts_with("token=ey"));
    assert!(value("x-token").starts_with("ey"));
    assert_eq!((value(":path").as_str(), value("x-filler").as_str()), ("/xxx", "xxxxx"));
    assert_eq!((value("x-filler-2").as_str(), value("content-length").as_str()), ("x", "7"));
}

#[test]
fn claims_are_merged_and_times_are_relative() {
    let claims = payload(json!({"claims": {"exp": "now-60", "nbf": null, "scope": "now or never"}}));
    assert!(claims["exp"].as_u64().unwrap().abs_diff(now() - 60) < 5);
    assert!(claims.get("nbf").is_none());
    assert_eq!(claims["iss"], Issuer::demo().url());
    let bad: token::Written = serde_json::from_value(json!({"claims": {"exp": "now+soon"}})).unwrap();
    assert!(bad.mint(&Issuer::demo()).is_err());
}

#[test]
fn a_folder_has_all_three_files() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = json!({"title": "t", "about": "a", "exchanges": [{"who": "Ada", "does": "asks",
        "request": {"path": "/"}, "expect": {"verdict": "deny", "status": 401}}]});
    let files = [("README.md", "For people.".to_owned()), ("scenario.json", scenario.to_string())];
    for (lacking, content) in files {
        assert!(Example::load(folder.path()).unwrap_err().to_string().ends_with(lacking));
        fs::write(folder.path().join(lacking), content).unwrap();
    }
    // A refusal without its public code promises too little.
    assert!(format!("{:#}", Example::load(folder.path()).unwrap_err()).contains("`deny` goes with a code"));
    let coded = scenario.to_string().replace("401", r#"401, "code": "token_missing""#);
    fs::write(folder.path().join("scenario.json"), coded).unwrap();
    assert!(Example::load(folder.path()).unwrap_err().to_string().ends_with("filter.json"));
    fs::write(folder.path().join("filter.json"), "{}").unwrap();
    assert!(Example::load(folder.path()).is_ok());
}

#[test]
fn what_was_kept_stands_in_later_header_fields() {
    let mut first = exchange(json!({"path": "/"}));
    first.keep = [("a".to_owned(), "x-state".to_owned()), ("b".to_owned(), "x-none".to_owned())].into();
    let mut kept = Kept::new();
    first.keep(&mut kept, |field| (field == "x-state").then_some("s-1"));
    let second = exchange(json!({"path": "/", "headers": {"x-state": "<{kept:a}{kept:b}>"}}));
    assert_eq!(second.request(&kept).headers["x-state"], "<s-1{kept:b}>");
}
