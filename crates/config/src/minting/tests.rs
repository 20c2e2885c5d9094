use super::*;
use crate::Config;
use jwt_simple::prelude::Ed25519KeyPair;
use portcullis::stages::CHECKS;

const P256: &str = include_str!("../../../../envoy/lab/keys/test-p256.pem");

fn document(minting: &Value) -> Value {
    json!({"version": 1, "minting": minting})
}

fn section(keys: Value) -> Value {
    json!({"issuer": "https://api.example", "audiences": ["api"], "keys": keys})
}

fn parse_with(document: &Value, environment: &dyn Fn(&str) -> Option<String>) -> Result<Config, String> {
    let text = document.to_string();
    Config::parse_with(text.as_bytes(), CHECKS, environment).map_err(|fault| fault.to_string())
}

fn parse(minting: &Value) -> Result<Minting, String> {
    parse_with(&document(minting), &|_| None).map(|config| config.minting.unwrap())
}

fn key(kid: &str, more: Value) -> Value {
    let mut key = json!({"kid": kid, "alg": "ES256", "private_key": P256});
    key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    key
}

fn kids(jwks: &Value) -> Vec<&str> {
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect()
}

#[test]
fn what_is_not_written_has_a_default() {
    let minting = parse(&section(json!([key("k1", json!({}))]))).unwrap();
    assert_eq!(
        (minting.token_path.as_str(), minting.jwks_path.as_str()),
        ("/oauth/token", "/.well-known/jwks.json")
    );
    assert_eq!((minting.lifetime, minting.bindings.len()), (Millis::from_secs(300), 5));
}

#[test]
fn the_newest_key_whose_time_has_come_signs_and_all_that_are_not_retired_are_published() {
    let keys = json!([
        key("old", json!({"retire_at": 3000})),
        key("next", json!({"use_from": "1970-01-01T01:16:40+00:50", "retire_at": 4000})),
        key("new", json!({"use_from": 2000})),
    ]);
    let minting = parse(&section(keys)).unwrap();
    let signer = |secs: u64| minting.signer(Millis::from_secs(secs)).map(Signer::key_id);
    assert_eq!(
        [0, 1599, 1600, 1999, 2000, 9000].map(signer),
        ["old", "old", "next", "next", "new", "new"].map(Some)
    );
    for (secs, published) in [
        (0, &["old", "next", "new"][..]),
        (2999, &["old", "next", "new"]),
        (3000, &["next", "new"]),
        (4000, &["new"]),
    ] {
        assert_eq!(kids(&minting.jwks(Millis::from_secs(secs))), published, "{secs}");
    }
    let sets = minting.key_sets().unwrap();
    let ends: Vec<_> = sets.iter().map(|(end, _)| end.map(|end| end.as_u64() / 1000)).collect();
    assert_eq!(ends, [Some(3000), Some(4000), None]);
}

#[test]
fn when_all_keys_have_retired_nothing_signs() {
    let minting = parse(&section(json!([key("k1", json!({"use_from": 10, "retire_at": 20}))]))).unwrap();
    let signs = |secs: u64| minting.signer(Millis::from_secs(secs)).is_some();
    assert_eq!([9, 10, 19, 20].map(signs), [false, true, true, false]);
}

#[test]
fn a_key_may_come_from_the_environment() {
    let by_env = |name: &str| section(json!([{"kid": "k1", "alg": "ES256", "private_key": {"env": name}}]));
    let environment = |name: &str| (name == "SIGNING_KEY").then(|| P256.to_owned());
    assert!(parse_with(&document(&by_env("SIGNING_KEY")), &environment).is_ok());
    let fault = parse_with(&document(&by_env("OTHER")), &environment).unwrap_err();
    assert!(fault.starts_with("minting.keys[0].private_key.env: the variable `OTHER` is not passed"), "{fault}");
}

#[test]
fn faults_name_the_place_and_never_the_key() {
    let one = |more: Value| section(json!([key("k1", more)]));
    let with = |name: &str, value: Value| {
        let mut section = one(json!({}));
        section[name] = value;
        section
    };
    let (half, _) = P256.split_at(P256.len() / 2);
    for (minting, place) in [
        (one(json!({"private_key": half})), "minting.keys[0].private_key: expected a P-256"),
        (
            one(json!({"private_key": {"kty": "EC", "d": "c2VjcmV0"}})),
            "minting.keys[0].private_key: expected a P-256",
        ),
        (one(json!({"private_key": 7})), "minting.keys[0].private_key: expected PEM"),
        (one(json!({"private_key": {"env": "A", "pem": half}})), "minting.keys[0].private_key: expected PEM"),
        (one(json!({"alg": "HS256"})), "minting.keys[0].alg: is HS256"),
        (one(json!({"kid": ""})), "minting.keys[0].kid"),
        (one(json!({"use_from": "tomorrow"})), "minting.keys[0].use_from: expected a moment"),
        (one(json!({"use_from": 5, "retire_at": 5})), "minting.keys[0].retire_at: is not after"),
        (section(json!([key("a", json!({})), key("a", json!({}))])), "minting.keys[1].kid"),
        (section(json!([key("a", json!({})), key("b", json!({}))])), "minting.keys[1].use_from: is the same"),
        (section(json!([])), "minting.keys: has 0 keys"),
        (with("lifetime", json!("2h")), "minting.lifetime: expected"),
        (with("lifetime", json!("10ms")), "minting.lifetime: expected"),
        (with("audiences", json!([])), "minting.audiences: expected"),
        (with("issuer", json!("")), "minting.issuer: is empty"),
        (with("token_path", json!("/a/../b")), "minting.token_path: expected"),
        (with("token_path", json!("/a/")), "minting.token_path: expected"),
        (with("token_path", json!("/a%2f")), "minting.token_path: expected"),
        (with("token_path", json!("a")), "minting.token_path: does not begin"),
        (with("jwks_path", json!("/oauth/token")), "minting.jwks_path: is the token endpoint's"),
        (with("claims", json!(["cnf"])), "minting.claims: `cnf`"),
        (with("login", json!([{"routes": ["x"]}])), "minting.login[0].routes[0]: unknown route"),
        (with("login", json!([{"routes": []}])), "minting.login[0].routes: names no route"),
        (
            with("login", json!([{"routes": [], "header": "x-grant"}])),
            "minting.login[0].header: does not begin with",
        ),
        (with("login", json!([{"routes": [], "header": "X-Portcullis-"}])), "minting.login[0].header"),
        (with("bindings", json!(["ip"])), "minting.bindings[0]: unknown variant"),
    ] {
        let fault = parse(&minting).map(|_| ()).unwrap_err();
        assert!(fault.starts_with(place), "{fault}");
        assert!(!fault.contains("MIGH") && !fault.contains("c2VjcmV0"), "{fault}");
    }
}

#[test]
fn nothing_shows_a_private_key() {
    let pem = Ed25519KeyPair::generate().to_pem();
    let keys = json!([{"kid": "k1", "alg": "EdDSA", "private_key": pem}]);
    let config = parse_with(&document(&section(keys)), &|_| None).unwrap();
    let body = pem.lines().nth(1).unwrap();
    assert!(!format!("{config:?}").contains(body));
    assert!(!config.minting.unwrap().jwks(Millis::default()).to_string().contains("\"d\""));
}

#[test]
fn its_tokens_are_accepted_where_the_issuer_is_named_as_minted() {
    let with = |issuer: Value| {
        let mut document = document(&section(json!([key("k1", json!({}))])));
        document["identity"] = json!({"issuers": [issuer]});
        parse_with(&document, &|_| None).map(|_| ())
    };
    let own = json!({"issuer": "https://api.example", "audiences": ["api"], "minted": true});
    assert_eq!(with(own.clone()), Ok(()));
    for (name, value) in [("issuer", json!("https://other.example")), ("jwks", json!({"keys": []}))] {
        let mut wrong = own.clone();
        wrong[name] = value;
        assert!(with(wrong).unwrap_err().starts_with("identity.issuers[0]"));
    }
    let alone = json!({"version": 1, "identity": {"issuers": [own]}});
    let fault = parse_with(&alone, &|_| None).map(|_| ()).unwrap_err();
    assert!(fault.starts_with("identity.issuers[0].minted: there is no `minting` section"), "{fault}");
}

#[test]
fn the_configuration_in_the_documentation_is_valid() {
    let text = include_str!("../../../../docs/minting.md");
    let blocks = text.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    let documents: Vec<&str> = blocks.filter(|block| block.contains("\"version\"")).collect();
    assert_eq!(documents.len(), 1);
    let environment = |_: &str| Some(P256.to_owned());
    Config::parse_with(documents[0].as_bytes(), CHECKS, &environment).unwrap();
}

#[test]
fn of_several_issuers_it_must_say_whose_tokens_are_exchanged() {
    let lab = portcullis_lab::tokens::Issuer::demo();
    let issuer = |name: &str| json!({"issuer": name, "audiences": ["api"], "jwks": lab.jwks()});
    let parsed = |issuers: &[&str], subjects: Value| {
        let mut minting = section(json!([key("k1", json!({}))]));
        if !subjects.is_null() {
            minting["subjects"] = subjects;
        }
        let issuers: Vec<Value> = issuers.iter().map(|name| issuer(name)).collect();
        let document = json!({"version": 1, "minting": minting, "identity": {"issuers": issuers}});
        parse_with(&document, &|_| None).map(|config| config.minting.unwrap().subjects)
    };
    assert_eq!(parsed(&["https://a.example"], json!(null)).unwrap(), ["https://a.example"]);
    let both = &["https://a.example", "https://b.example"];
    assert!(parsed(both, json!(null)).unwrap_err().starts_with("minting.subjects: is missing"));
    assert_eq!(parsed(both, json!(["https://b.example"])).unwrap(), ["https://b.example"]);
    assert!(parsed(both, json!(["https://c.example"])).unwrap_err().starts_with("minting.subjects[0]: "));
}
