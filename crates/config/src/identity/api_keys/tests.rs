//! The section as a whole document has it, with the places of its faults.

use crate::Config;
use portcullis::stages::CHECKS;
use serde_json::{json, Value};

fn parse(section: &Value) -> Result<Config, String> {
    let document = json!({"version": 1, "identity": {"api_keys": section}});
    Config::parse(document.to_string().as_bytes(), CHECKS).map_err(|fault| fault.to_string())
}

fn digest(number: usize) -> String {
    format!("{number:064x}")
}

fn key(changes: Value) -> Value {
    let mut key = json!({"id": "billing", "sha256": digest(1)});
    key.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    key
}

#[test]
fn keys_need_no_issuer_beside_them_and_have_their_documented_defaults() {
    let config = parse(&json!({"keys": [key(json!({"claims": {"plan": "gold"}}))]})).unwrap();
    let identity = config.identity.as_ref().unwrap();
    let keys = identity.api_keys.as_ref().unwrap();
    assert_eq!((keys.header.as_str(), keys.query.as_deref(), keys.forward), ("x-api-key", None, true));
    assert_eq!((keys.issuer.as_str(), identity.issuers.len()), ("api-keys", 0));
    let mut digest = [0; 32];
    digest[31] = 1;
    let [found] = keys.like(&digest) else { panic!("not exactly one") };
    assert_eq!((found.claims.text("sub"), found.claims.text("plan")), (Some("billing"), Some("gold")));
    assert!(keys.like(&[1; 32]).is_empty());
    assert!(parse(&json!({"keys": []})).is_ok(), "nobody has a key any more, and that can be written");
}

#[test]
fn faults_are_found_where_they_are() {
    let long = "a".repeat(65);
    for (section, path, fault) in [
        (json!({}), "identity.api_keys", "missing field `keys`"),
        (json!({"keys": [], "cookie": "a"}), "identity.api_keys.cookie", "unknown field `cookie`"),
        (json!({"keys": [], "header": ""}), "identity.api_keys.header", "expected a field"),
        (json!({"keys": [], "header": "Cookie"}), "identity.api_keys.header", "expected a field"),
        (json!({"keys": [], "header": "x_api_key"}), "identity.api_keys.header", "expected a field"),
        (json!({"keys": [], "header": ":path"}), "identity.api_keys.header", "expected a field"),
        (json!({"keys": [], "header": "X-Portcullis-Key"}), "identity.api_keys.header", "expected a field"),
        (json!({"keys": [], "header": "Authorization"}), "identity.api_keys.header", "a place of tokens too"),
        (json!({"keys": [], "query": "a b"}), "identity.api_keys.query", "expected 1 to 64"),
        (json!({"keys": [], "query": "Access_Token"}), "identity.api_keys.query", "parameter of tokens"),
        (json!({"keys": [], "query": "k", "forward": false}), "identity.api_keys.forward", "cannot be taken away"),
        (json!({"keys": [], "issuer": ""}), "identity.api_keys.issuer", "is empty"),
        (json!({"keys": [key(json!({"id": "a b"}))]}), "identity.api_keys.keys[0].id", "expected 1 to 64"),
        (json!({"keys": [key(json!({"id": long}))]}), "identity.api_keys.keys[0].id", "expected 1 to 64"),
        (
            json!({"keys": [key(json!({})), key(json!({"sha256": digest(2)}))]}),
            "identity.api_keys.keys[1].id",
            "another key",
        ),
        (
            json!({"keys": [key(json!({})), key(json!({"id": "b"}))]}),
            "identity.api_keys.keys[1].sha256",
            "digest of `billing`",
        ),
        (
            json!({"keys": [key(json!({"expires": 5, "not_before": 5}))]}),
            "identity.api_keys.keys[0].expires",
            "is not after",
        ),
        (
            json!({"keys": [key(json!({"expires": "soon"}))]}),
            "identity.api_keys.keys[0].expires",
            "expected a moment",
        ),
        (
            json!({"keys": [key(json!({"claims": {"acr": "1"}}))]}),
            "identity.api_keys.keys[0].claims.acr",
            "no key proves",
        ),
        (
            json!({"keys": [key(json!({"claims": {"jti": "1"}}))]}),
            "identity.api_keys.keys[0].claims.jti",
            "of itself",
        ),
        (
            json!({"keys": [key(json!({"claims": {"sub": 1}}))]}),
            "identity.api_keys.keys[0].claims.sub",
            "expected text",
        ),
        (
            json!({"keys": [key(json!({"claims": {"a": "x".repeat(4096)}}))]}),
            "identity.api_keys.keys[0].claims",
            "at most 4096",
        ),
    ] {
        let said = parse(&section).map(|_| ()).expect_err("it was accepted");
        assert!(said.starts_with(&format!("{path}: ")) && said.contains(fault), "{path}: {fault}\n{said}");
    }
    let many: Vec<Value> =
        (0..4097).map(|number| json!({"id": format!("k{number}"), "sha256": digest(number)})).collect();
    assert!(parse(&json!({"keys": many[..4096]})).is_ok());
    let said = parse(&json!({"keys": many})).map(|_| ()).expect_err("it was accepted");
    assert!(said.starts_with("identity.api_keys.keys: has 4097 keys"), "{said}");
}

#[test]
fn a_key_that_is_written_in_place_of_its_digest_is_not_repeated() {
    for written in
        [json!("SECRET-key"), json!("é".repeat(32)), json!("g".repeat(64)), json!(7), json!(["SECRET-key"])]
    {
        let said =
            parse(&json!({"keys": [key(json!({"sha256": written}))]})).map(|_| ()).expect_err("it was accepted");
        assert!(said.starts_with("identity.api_keys.keys[0]"), "{said}");
        assert!(!said.contains("SECRET") && !said.contains('é') && !said.contains("gg"), "{said}");
    }
}

#[test]
fn the_configurations_in_the_documentation_are_valid() {
    let text = include_str!("../../../../../docs/identity.md");
    let blocks = text.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    let documents: Vec<&str> = blocks.filter(|block| block.contains("\"version\"")).collect();
    assert!(documents.len() > 4);
    for document in documents {
        let parsed = Config::parse(document.as_bytes(), CHECKS).map(|_| ()).map_err(|fault| fault.to_string());
        assert_eq!(parsed, Ok(()), "{document}");
    }
}
