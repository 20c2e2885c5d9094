//! Keys through the whole stage: beside tokens, on routes that demand something, and from hostile clients.

use crate::config::Config;
use crate::engine::{Engine, Ports, Step};
use crate::finding::Findings;
use crate::request::headers::Headers;
use crate::request::Request;
use crate::stages::identity::tests::lasting::{token, World, NOTHING, NOW};
use crate::stages::identity::{check, Caller, Proof};
use crate::stages::CHECKS;
use crate::time::Millis;
use proptest::prelude::*;
use serde_json::{json, Value};

/// Name and value.
type Field<'a> = (&'a str, &'a [u8]);

const KEY: &str = "pk_live_7d9f2c81e4b04a53b6c1";

fn digest(key: &[u8]) -> String {
    hmac_sha256::Hash::hash(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keys of three clients, with changes to the section.
fn world(changes: Value) -> World {
    let mut section = json!({"keys": [
        {"id": "billing", "sha256": digest(KEY.as_bytes()).to_uppercase(),
         "claims": {"scope": "admin orders:read", "plan": "gold", "ip_binding": "192.0.2.0/24"}},
        {"id": "old", "sha256": digest(b"old"), "expires": NOW + 1},
        {"id": "new", "sha256": digest(b"new"), "not_before": NOW + 1},
    ]});
    let mut more = json!({"failures": {"per_source": 2, "window": "1h"}});
    for (name, value) in changes.as_object().unwrap() {
        match name.strip_prefix("identity.") {
            Some(name) => more[name] = value.clone(),
            None => section[name] = value.clone(),
        }
    }
    more["api_keys"] = section;
    World::new(&more, &json!([]))
}

fn judged(
    world: &World,
    path: &str,
    after: u64,
    fields: &[Field<'_>],
) -> (Caller, Option<Proof>, Vec<&'static str>) {
    let pairs = [(":path", path.as_bytes())].into_iter().chain(fields.iter().copied());
    let request = Request::new(Headers::from_pairs(pairs), || "192.0.2.7".parse().ok());
    let mut findings = Findings::default();
    let now = Millis::from_secs(NOW + after);
    let place = path.split('?').next().unwrap();
    let (caller, proof) = world.scene(place, &request, now, |scene| check(scene, &mut findings).unwrap());
    (caller, proof, findings.iter().map(|finding| finding.check.id).collect())
}

fn found(world: &World, path: &str, fields: &[Field<'_>]) -> Vec<&'static str> {
    judged(world, path, 0, fields).2
}

fn key(text: &[u8]) -> (&'static str, &[u8]) {
    ("x-api-key", text)
}

#[test]
fn the_holder_of_a_key_is_known_as_that_of_a_token_would_be() {
    let (caller, proof, findings) = judged(&world(json!({})), "/admin", 0, &[key(KEY.as_bytes())]);
    assert_eq!((findings.as_slice(), proof), (&NOTHING[..], Some(Proof::Key)), "its scope opens the route");
    assert_eq!((caller.issuer(), caller.claims().unwrap().text("sub")), ("api-keys", Some("billing")));
    assert_eq!(caller.claims().unwrap().text("plan"), Some("gold"));
}

#[test]
fn what_a_key_may_is_what_its_claims_say() {
    let world = world(json!({}));
    assert_eq!(found(&world, "/admin", &[key(b"old")]), ["token.scope"]);
    assert_eq!(found(&world, "/", &[key(b"old")]), NOTHING);
    let request =
        Request::new(Headers::from_pairs([(":path", "/"), ("x-api-key", KEY)]), || "198.51.100.1".parse().ok());
    let mut findings = Findings::default();
    world.scene("/", &request, Millis::from_secs(NOW), |scene| check(scene, &mut findings).unwrap());
    assert_eq!(findings.iter().map(|finding| finding.check.id).collect::<Vec<_>>(), ["token.binding.ip"]);
}

#[test]
fn a_key_has_its_time() {
    let world = world(json!({}));
    for (text, after, expected) in [
        (&b"old"[..], 0, &[][..]),
        (b"old", 1, &["api_key.expired"]),
        (b"new", 0, &["api_key.expired"]),
        (b"new", 1, &[]),
    ] {
        assert_eq!(judged(&world, "/", after, &[key(text)]).2, expected, "{after}");
    }
}

#[test]
fn unknown_keys_count_as_failures_and_do_not_lock_out_those_who_have_one() {
    let world = world(json!({}));
    for expected in ["api_key.unknown", "api_key.unknown", "token.failures", "token.failures"] {
        assert_eq!(found(&world, "/", &[key(b"guess")]), [expected]);
    }
    assert_eq!(found(&world, "/", &[key(KEY.as_bytes())]), NOTHING);
    assert_eq!(found(&world, "/", &[key(b"old")]), NOTHING);
}

#[test]
fn what_only_a_token_can_prove_no_key_proves() {
    let demand = |demand: Value| {
        let mut route = json!({"routes": ["admin"]});
        route.as_object_mut().unwrap().extend(demand.as_object().unwrap().clone());
        let holder = json!({"certificate": true, "dpop": {}});
        let world = world(json!({"identity.requirements": [route], "identity.holder": holder}));
        found(&world, "/admin", &[key(KEY.as_bytes())])
    };
    assert_eq!(demand(json!({"one_time": true})), ["token.claim_missing"]);
    assert_eq!(demand(json!({"acr_values": ["mfa"]})), ["token.login"]);
    assert_eq!(demand(json!({"max_age": "24h"})), ["token.login"]);
    for binding in ["any", "certificate", "dpop"] {
        assert_eq!(demand(json!({ "binding": binding })), ["token.holder.unbound"], "{binding}");
    }
}

#[test]
fn a_key_never_satisfies_a_challenge() {
    let world = world(json!({"identity.step_up": {"max_age": "1h"}}));
    let (caller, ..) = judged(&world, "/", 0, &[key(KEY.as_bytes())]);
    let identity = world.config.identity.as_ref().unwrap();
    assert!(!crate::stages::identity::step_up::is_proved(identity, &caller, Millis::from_secs(NOW)));
}

#[test]
fn a_second_credential_is_refused_whatever_it_is() {
    let world = world(json!({"query": "api_key"}));
    let bearer = format!("Bearer {}", token(&json!({})));
    let good = key(KEY.as_bytes());
    let cases: [(&str, &[Field<'_>]); 10] = [
        ("/", &[good, ("authorization", bearer.as_bytes())]),
        ("/", &[good, good]),
        ("/", &[good, key(b"")]),
        ("/", &[good, ("x_api_key", b"other")]),
        ("/", &[("x_api-key", b"other")]),
        ("/", &[key(b"a,b")]),
        ("/?api_key=a", &[good]),
        ("/?api_key=a&api_key=a", &[]),
        ("/?api_key=a&Api.Key[]=b", &[]),
        ("/?api_key=a;api%5Fkey=b", &[]),
    ];
    for (path, fields) in cases {
        assert_eq!(found(&world, path, fields), ["token.ambiguous"], "{path} {fields:?}");
    }
    assert_eq!(found(&world, "/?api_key=a", &[("authorization", bearer.as_bytes())]), ["token.ambiguous"]);
    assert_eq!(
        found(&world, "/", &[("authorization", bearer.as_bytes())]),
        NOTHING,
        "a token alone is as good as ever"
    );
}

#[test]
fn a_key_in_the_query_counts_only_where_that_is_configured() {
    let path = format!("/?a=b&api_key={KEY}");
    assert_eq!(found(&world(json!({})), &path, &[]), ["token.missing"]);
    assert_eq!(found(&world(json!({"query": "api_key"})), &path, &[]), NOTHING);
    assert_eq!(found(&world(json!({"query": "api_key"})), "/?api_key=%00%FF", &[]), ["api_key.unknown"]);
    let cookie = format!("x-api-key={KEY}");
    assert_eq!(found(&world(json!({})), "/", &[("cookie", cookie.as_bytes())]), ["token.missing"]);
}

#[test]
fn hostile_keys_are_unknown_and_nothing_else() {
    let long = [b'a'; 8 << 10];
    for text in [&b""[..], b" ", &long, b"\xff\xfe\x00", &KEY.as_bytes()[1..], digest(KEY.as_bytes()).as_bytes()] {
        assert_eq!(found(&world(json!({})), "/", &[key(text)]), ["api_key.unknown"]);
    }
    let raw = hmac_sha256::Hash::hash(KEY.as_bytes());
    let bearer = [b"Bearer ".as_slice(), &raw].concat();
    assert_ne!(found(&world(json!({})), "/", &[("authorization", &bearer)]), NOTHING, "a digest is no token");
    let as_bearer = format!("Bearer {KEY}");
    assert_eq!(found(&world(json!({})), "/", &[("authorization", as_bearer.as_bytes())]), ["token.malformed"]);
    let as_key = token(&json!({}));
    assert_eq!(found(&world(json!({})), "/", &[key(as_key.as_bytes())]), ["api_key.unknown"], "a token is no key");
}

#[test]
fn a_revocation_of_the_subject_or_the_id_ends_a_key() {
    use crate::jose::Claims;
    use crate::stages::identity::{revocation, Verified};
    let world = world(json!({}));
    let keys = world.config.identity.as_ref().unwrap().api_keys.as_ref().unwrap();
    let known = &keys.like(&hmac_sha256::Hash::hash(KEY.as_bytes()))[0];
    let verified = Verified::by_key(keys, known);
    assert_eq!(verified.name(), Some("billing"));
    assert_eq!(Verified::new(0, String::new(), Claims::default()).name(), None);
    let list = json!({"revocations": [{"issuer": "api-keys", "jti": "billing"}]}).to_string();
    let revoked = revocation::compile(list.as_bytes(), &world.memory).unwrap();
    assert!(revoked.contains_key(&revocation::Target::Token("billing").key(&world.memory, verified.issuer())));
}

/// Status and what is taken out of the request, of one with that key.
fn through(engine: &Engine, fields: &[(&str, &str)]) -> (u16, Vec<String>) {
    let base = [(":method", "GET"), (":path", "/"), (":authority", "api.example")];
    let request = Request::new(Headers::from_pairs(base.into_iter().chain(fields.iter().copied())), || {
        "192.0.2.7".parse().ok()
    });
    match engine.open(request, Millis::from_secs(NOW), || "r-1".to_owned()).judge(false) {
        Step::Forward(permit, _) => (200, permit.remove),
        Step::Refuse(reply, _) => (reply.status, Vec::new()),
        other => panic!("{other:?}"),
    }
}

fn engine(section: Value, more: Value) -> Engine {
    let mut keys = json!({"keys": [
        {"id": "one", "sha256": digest(b"1"), "claims": {"sub": "billing", "plan": "gold"}},
        {"id": "two", "sha256": digest(b"2"), "claims": {"sub": "billing", "plan": "gold"}},
        {"id": "three", "sha256": digest(b"3"), "claims": {"plan": "free"}},
    ]});
    keys.as_object_mut().unwrap().extend(section.as_object().unwrap().clone());
    let mut document = json!({"version": 1, "mode": "enforce", "identity": {"api_keys": keys}});
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Engine::new(Config::parse(document.to_string().as_bytes(), CHECKS).unwrap(), Ports::in_process([7; 16]))
}

#[test]
fn limits_count_the_holder_of_keys_as_they_count_that_of_tokens() {
    let limit = |key: &str| json!({"limits": [{"name": "few", "key": [key], "limit": 2, "window": "1m"}]});
    for (key, expected) in [("subject", [200, 200, 429, 200]), ("claim:plan", [200, 200, 429, 200])] {
        let engine = engine(json!({}), limit(key));
        let statuses = ["1", "2", "1", "3"].map(|text| through(&engine, &[("x-api-key", text)]).0);
        assert_eq!(statuses, expected, "{key}");
    }
}

#[test]
fn a_key_is_forwarded_unless_that_is_switched_off() {
    let fields = [("x-api-key", "1"), ("x-other", "a")];
    assert_eq!(through(&engine(json!({}), json!({})), &fields), (200, vec![]));
    assert_eq!(
        through(&engine(json!({"forward": false}), json!({})), &fields),
        (200, vec!["x-api-key".to_owned()])
    );
    // Where nobody looks at keys none gets through either, however it is spelled.
    let ignored = json!({"identity": {"default": "ignored", "api_keys": {"forward": false, "keys": []}}});
    let both = [("x-api-key", "1"), ("x_api_key", "2"), ("x-api-keys", "3")];
    let (status, removed) = through(&engine(json!({}), ignored), &both);
    assert_eq!((status, removed), (200, vec!["x-api-key".to_owned(), "x_api_key".to_owned()]));
}

proptest! {
    #[test]
    fn no_other_bytes_are_taken_for_a_key(text in proptest::collection::vec(any::<u8>(), 0..64)) {
        prop_assume!(![KEY.as_bytes(), b"old", b"new"].contains(&text.trim_ascii()) && !text.contains(&b','));
        prop_assert_eq!(found(&world(json!({})), "/", &[key(&text)]), ["api_key.unknown"]);
    }
}
