use super::*;
use crate::stages::CHECKS;
use proptest::prelude::*;
use serde_json::{json, Value};

fn parse(document: &Value) -> Result<Config, String> {
    Config::parse(document.to_string().as_bytes(), CHECKS).map_err(|fault| fault.to_string())
}

fn fault(document: &Value) -> String {
    parse(document).expect_err("the configuration was accepted")
}

fn ed25519_jwk() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn identity(extra: &[(&str, Value)]) -> Value {
    let issuer = json!({"issuer": "https://id.example", "audiences": ["api"], "jwks": {"keys": [ed25519_jwk()]}});
    let mut document = json!({"version": 1, "routes": [{"name": "orders", "path": "/orders"}], "identity": {"issuers": [issuer]}});
    for (pointer, value) in extra {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[key] = value.clone();
    }
    document
}

#[test]
fn an_empty_section_is_the_same_as_an_absent_one() {
    let bare = Config::parse(br#"{"version": 1}"#, CHECKS).unwrap();
    let empty = br#"{"version": 1, "request": {}, "routes": [], "risk": {"thresholds": {}, "family_caps": {}}, "checks": [], "telemetry": {}}"#;
    let empty = Config::parse(empty, CHECKS).unwrap();
    let shown = |config: &Config| format!("{config:?}").replace(&config.digest, "");
    assert_eq!(shown(&bare), shown(&empty));
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = parse(&json!({"version": 1})).unwrap();
    let unmatched = config.routes.get(None);
    assert_eq!(
        (unmatched.mode, unmatched.body_bytes_max, unmatched.requirement.token),
        (Mode::Monitor, None, Demand::Ignored)
    );
    assert_eq!((unmatched.thresholds.challenge.value(), unmatched.thresholds.deny.value()), (0.3, 0.7));
    assert_eq!(
        (config.request.path_bytes_max, config.request.headers_max, config.request.header_bytes_max),
        (8 << 10, 100, 60 << 10)
    );
    assert_eq!(config.cap(Family::Binding).value(), 0.65);

    let with_identity = parse(&identity(&[])).unwrap();
    let identity = with_identity.identity.as_ref().unwrap();
    let issuer = &identity.issuers[0];
    assert_eq!(with_identity.routes.get(None).requirement.token, Demand::Required);
    assert_eq!((identity.token_bytes_max, identity.on_internal_error), (8 << 10, FailurePolicy::Deny));
    assert_eq!((issuer.clock_skew.as_u64(), issuer.lifetime_max.as_u64()), (30_000, 3_600_000));
    assert_eq!(issuer.types, ["jwt", "at+jwt"]);
}

#[test]
fn errors_name_the_place_and_the_near_miss() {
    let unknown_key = fault(&identity(&[("/identity/issuers/0/audiance", json!(["x"]))]));
    assert!(unknown_key.starts_with("identity.issuers[0]"), "{unknown_key}");
    assert!(unknown_key.ends_with("did you mean `audiences`?"), "{unknown_key}");

    let unknown_mode = fault(&json!({"version": 1, "mode": "enforced"}));
    assert!(
        unknown_mode.starts_with("mode: unknown variant `enforced`")
            && unknown_mode.ends_with("did you mean `enforce`?"),
        "{unknown_mode}"
    );

    let unknown_check = fault(&json!({"version": 1, "checks": [{"id": "token.expird"}]}));
    assert!(
        unknown_check.starts_with("checks[0].id: unknown check `token.expird`")
            && unknown_check.ends_with("did you mean `token.expired`?"),
        "{unknown_check}"
    );

    let unknown_route = fault(&identity(&[("/identity/requirements", json!([{"routes": ["order"]}]))]));
    assert!(
        unknown_route.starts_with("identity.requirements[0].routes[0]: unknown route `order`")
            && unknown_route.ends_with("did you mean `orders`?"),
        "{unknown_route}"
    );

    assert_eq!(fault(&json!({"version": 1, "zzz": 1})).matches("did you mean").count(), 0);
}

#[test]
fn every_fault_is_found_where_it_is() {
    let with = |pointer: &str, value: Value| fault(&identity(&[(pointer, value)]));
    for (fault, place, says) in [
        (fault(&json!(7)), "(document)", "invalid type"),
        (fault(&json!({})), "(document)", "missing field `version`"),
        (fault(&json!({"version": 2})), "version", "reads version 1"),
        (
            fault(&json!({"version": 1, "request": {"path_bytes_max": 80}})),
            "request.path_bytes_max",
            "expected a size such as",
        ),
        (
            fault(&json!({"version": 1, "request": {"path_bytes_max": "0B"}})),
            "request.path_bytes_max",
            "more than zero",
        ),
        (
            fault(&json!({"version": 1, "risk": {"thresholds": {"challenge": 0.9}}})),
            "risk.thresholds",
            "0 < challenge",
        ),
        (
            fault(&json!({"version": 1, "risk": {"thresholds": {"deny": 7}}})),
            "risk.thresholds.deny",
            "from 0 to 1",
        ),
        (
            fault(&json!({"version": 1, "risk": {"family_caps": {"bindings": 0.1}}})),
            "risk.family_caps",
            "did you mean `binding`?",
        ),
        (
            fault(&json!({"version": 1, "checks": [{"id": "token.expired", "score": 0.1, "effect": "note"}]})),
            "checks[0]",
            "both",
        ),
        (
            fault(&json!({"version": 1, "checks": [{"id": "token.expired"}, {"id": "token.expired"}]})),
            "checks[1].id",
            "twice",
        ),
        (fault(&json!({"version": 1, "telemetry": {"allow_sample": 2}})), "telemetry.allow_sample", "from 0 to 1"),
        (with("/routes/0/name", json!("Orders")), "routes[0].name", "a-z"),
        (with("/routes/0/name", json!("unmatched")), "routes[0].name", "taken"),
        (with("/routes/0/path", json!("orders")), "routes[0].path", "slash"),
        (with("/routes/0/path", json!("/a/{x")), "routes[0].path", "`/a/{x`"),
        (with("/routes/0/methods", json!(["get"])), "routes[0].methods", "upper case"),
        (with("/routes/0/hosts", json!(["a.example:80"])), "routes[0].hosts", "without port"),
        (fault(&json!({"version": 1, "routes": [null]})), "routes[0]", "invalid type"),
        (with("/identity/issuers", json!([])), "identity.issuers", "expected 1 to 32"),
        (with("/identity/sources", json!([])), "identity.sources", "is empty"),
        (
            with("/identity/sources", json!([{"header": "a", "cookie": "b"}])),
            "identity.sources[0]",
            "expected `header`",
        ),
        (with("/identity/token_bytes_max", json!("1MiB")), "identity.token_bytes_max", "expected 1B"),
        (with("/identity/issuers/0/audiences", json!([])), "identity.issuers[0].audiences", "RFC 8725"),
        (with("/identity/issuers/0/issuer", json!("")), "identity.issuers[0].issuer", "is empty"),
        (with("/identity/issuers/0/jwks", json!({})), "identity.issuers[0].jwks", "JWK Set"),
        (with("/identity/issuers/0/jwks/keys", json!([])), "identity.issuers[0].jwks.keys", "no key"),
        (
            with("/identity/issuers/0/jwks/keys/0/x", json!("AA")),
            "identity.issuers[0].jwks.keys[0]",
            "not a usable EdDSA key",
        ),
        (
            with("/identity/issuers/0/jwks/keys/0/alg", json!("RS256")),
            "identity.issuers[0].jwks.keys[0]",
            "no allowed algorithm",
        ),
        (
            with("/identity/issuers/0/jwks/keys/0/alg", json!("XX")),
            "identity.issuers[0].jwks.keys[0].alg",
            "unsupported",
        ),
        (
            with("/identity/issuers/0/algorithms", json!(["RS256"])),
            "identity.issuers[0].jwks.keys[0]",
            "no allowed algorithm",
        ),
        (
            with("/identity/issuers/0/algorithms", json!(["none"])),
            "identity.issuers[0].algorithms[0]",
            "unknown variant",
        ),
        (
            with("/identity/bindings", json!({"ip_binding": {"prefix_v4": 33}})),
            "identity.bindings.ip_binding.prefix_v4",
            "at most 32",
        ),
        (with("/identity/requirements", json!([{"routes": []}])), "identity.requirements[0].routes", "no route"),
        (
            with("/identity/requirements", json!([{"routes": ["orders"], "token": "optional", "scopes": ["a"]}])),
            "identity.requirements[0]",
            "must be \"required\"",
        ),
        (
            with("/identity/requirements", json!([{"routes": ["orders", "orders"]}])),
            "identity.requirements[0].routes[1]",
            "already",
        ),
    ] {
        assert!(
            fault.starts_with(&format!("{place}: ")) && fault.contains(says),
            "expected {place}: …{says}…\n     got {fault}"
        );
    }
}

#[test]
fn duplicate_keys_are_refused() {
    let fault = Config::parse(br#"{"version": 1, "mode": "enforce", "mode": "monitor"}"#, CHECKS).unwrap_err();
    assert!(fault.to_string().contains("duplicate key `mode`"), "{fault}");
}

#[test]
fn shared_secrets_must_be_asked_for_and_long_enough() {
    let oct = |secret: &str| json!({"keys": [{"kty": "oct", "kid": "s", "k": secret}]});
    let long = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE";
    let unasked = fault(&identity(&[("/identity/issuers/0/jwks", oct(long))]));
    assert!(unasked.contains("symmetric ones must be named"), "{unasked}");
    let asked = |secret: &str| {
        identity(&[
            ("/identity/issuers/0/jwks", oct(secret)),
            ("/identity/issuers/0/algorithms", json!(["HS256"])),
        ])
    };
    assert!(parse(&asked(long)).is_ok());
    assert!(fault(&asked("QUFB")).contains("needs at least 32"));
}

#[test]
fn keys_for_encryption_are_passed_over() {
    let keys = json!({"keys": [{"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"}, ed25519_jwk()]});
    assert!(parse(&identity(&[("/identity/issuers/0/jwks", keys)])).is_ok());
}

fn found(routes: &Value, host: &str, method: &str, path: &str) -> String {
    let config = parse(&json!({"version": 1, "routes": routes})).unwrap();
    config.routes.get(config.routes.find(host, method, path)).name.clone()
}

#[test]
fn the_most_specific_path_wins_whatever_the_order() {
    let routes = json!([
        {"name": "rest", "path": "/api/{*rest}"},
        {"name": "order", "path": "/api/orders/{id}"},
        {"name": "mine", "path": "/api/orders/mine/"},
    ]);
    for (path, name) in [
        ("/api/orders/mine", "mine"),
        ("/api/orders/7", "order"),
        ("/api/orders/7/items", "rest"),
        ("/api/x", "rest"),
        ("/", "unmatched"),
    ] {
        assert_eq!(found(&routes, "", "GET", path), name, "{path}");
    }
}

#[test]
fn a_route_that_does_not_accept_the_method_does_not_hide_one_that_does() {
    let routes = json!([
        {"name": "any", "path": "/api/{*rest}"},
        {"name": "read", "path": "/api/orders", "methods": ["GET", "HEAD"]},
        {"name": "all", "path": "/api/orders/{id}"},
        {"name": "drop", "path": "/api/orders/{id}", "methods": ["DELETE"]},
    ]);
    for (method, path, name) in [
        ("GET", "/api/orders", "read"),
        ("POST", "/api/orders", "any"),
        ("DELETE", "/api/orders/7", "drop"),
        ("GET", "/api/orders/7", "all"),
        ("PATCH", "/api/orders/7", "all"),
    ] {
        assert_eq!(found(&routes, "", method, path), name, "{method} {path}");
    }
}

#[test]
fn hosts_go_from_exact_to_any() {
    let routes = json!([
        {"name": "any", "path": "/{*rest}"},
        {"name": "sub", "path": "/{*rest}", "hosts": ["*.example"]},
        {"name": "deep", "path": "/{*rest}", "hosts": ["*.shop.example"]},
        {"name": "exact", "path": "/x", "hosts": ["a.shop.example"]},
    ]);
    for (host, path, name) in [
        ("a.shop.example", "/x", "exact"),
        ("a.shop.example", "/y", "deep"),
        ("b.example", "/y", "sub"),
        ("example", "/y", "any"),
        ("other", "/y", "any"),
    ] {
        assert_eq!(found(&routes, host, "GET", path), name, "{host}{path}");
    }
}

#[test]
fn two_routes_for_the_same_requests_are_refused() {
    for second in [json!({"name": "b", "path": "/x/{other}"}), json!({"name": "b", "path": "/x/{id}/"})] {
        let fault = fault(&json!({"version": 1, "routes": [{"name": "a", "path": "/x/{id}"}, second]}));
        assert!(fault.starts_with("routes[1].path: ") && fault.contains("same requests"), "{fault}");
    }
}

proptest! {
    #[test]
    fn no_document_panics(text in r#"[\[\]{}:,"a-z0-9 .]{0,60}"#) {
        let _ = Config::parse(text.as_bytes(), CHECKS);
    }
}
