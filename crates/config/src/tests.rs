use super::*;
use portcullis::stages::CHECKS;
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
    let unmatched = config.routes.get(RouteId::Unmatched);
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
    assert_eq!(with_identity.routes.get(RouteId::Unmatched).requirement.token, Demand::Required);
    assert_eq!((identity.token_bytes_max, config.request.on_internal_error), (8 << 10, FailurePolicy::Deny));
    assert_eq!((issuer.clock_skew.as_u64(), issuer.lifetime_max.as_u64()), (30_000, 3_600_000));
    assert_eq!(issuer.types, ["jwt", "at+jwt"]);
}

#[test]
fn memory_is_taken_for_what_is_remembered() {
    let taken = |extra: &[(&str, Value)]| {
        let config = parse(&identity(extra)).unwrap();
        (config.needs_memory(), config.memory_budget_bytes() >> 20)
    };
    let (no_failures, usage) = (("/identity/failures", json!({"per_source": 0})), ("/identity/usage", json!({})));
    assert_eq!(taken(&[]), (true, 4), "failed tokens need little");
    assert_eq!(taken(std::slice::from_ref(&no_failures)), (false, 4));
    assert_eq!(taken(std::slice::from_ref(&usage)), (true, 64));
    assert_eq!(taken(&[no_failures, usage]), (true, 64));
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

/// Each row: the document, the place that its fault is reported at, and a part of what is said of it.
fn are_found(rows: impl IntoIterator<Item = (Value, &'static str, &'static str)>) {
    for (document, place, says) in rows {
        let fault = fault(&document);
        let found = fault.starts_with(&format!("{place}: ")) && fault.contains(says);
        assert!(found, "expected {place}: …{says}…\n     got {fault}");
    }
}

#[test]
fn faults_of_the_general_sections_are_found_where_they_are() {
    let with = |section: &str, value: Value| json!({"version": 1, section: value});
    are_found([
        (json!(7), "(document)", "invalid type"),
        (json!({}), "(document)", "missing field `version`"),
        (json!({"version": 2}), "version", "reads version 1"),
        (with("request", json!({"path_bytes_max": 80})), "request.path_bytes_max", "expected a size such as"),
        (with("request", json!({"path_bytes_max": "0B"})), "request.path_bytes_max", "more than zero"),
        (with("risk", json!({"thresholds": {"challenge": 0.9}})), "risk.thresholds", "0 < challenge"),
        (with("risk", json!({"thresholds": {"deny": 7}})), "risk.thresholds.deny", "from 0 to 1"),
        (with("risk", json!({"family_caps": {"bindings": 0.1}})), "risk.family_caps", "did you mean `binding`?"),
        (with("checks", json!([{"id": "token.expired", "score": 0.1, "effect": "note"}])), "checks[0]", "both"),
        (with("checks", json!([{"id": "token.expired"}, {"id": "token.expired"}])), "checks[1].id", "twice"),
        (with("telemetry", json!({"allow_sample": 2})), "telemetry.allow_sample", "from 0 to 1"),
    ]);
}

#[test]
fn faults_of_routes_are_found_where_they_are() {
    let with = |key: &str, value: Value| identity(&[(&format!("/routes/0/{key}"), value)]);
    are_found([
        (json!({"version": 1, "routes": [null]}), "routes[0]", "invalid type"),
        (with("name", json!("Orders")), "routes[0].name", "a-z"),
        (with("name", json!("unmatched")), "routes[0].name", "taken"),
        (with("path", json!("orders")), "routes[0].path", "slash"),
        (with("path", json!("/a/{x")), "routes[0].path", "`/a/{x`"),
        (with("methods", json!(["get"])), "routes[0].methods", "upper case"),
        (with("hosts", json!(["a.example:80"])), "routes[0].hosts", "without port"),
    ]);
}

#[test]
fn faults_of_limits_are_found_where_they_are() {
    let limit = json!({"name": "l", "key": ["source"], "limit": 2, "window": "1m"});
    let all =
        |limits: Value| json!({"version": 1, "routes": [{"name": "orders", "path": "/orders"}], "limits": limits});
    let with = |key: &str, value: Value| {
        let mut changed = limit.clone();
        changed[key] = value;
        all(json!([changed]))
    };
    are_found([
        (all(json!([limit, limit])), "limits[1].name", "taken"),
        (with("name", json!("a b")), "limits[0].name", "a-z"),
        (with("key", json!([])), "limits[0].key", "expected 1 to 8"),
        (with("key", json!(["sauce"])), "limits[0].key[0]", "did you mean `source`?"),
        (with("key", json!(["claim:"])), "limits[0].key[0]", "unknown key part"),
        (with("limit", json!(0)), "limits[0].limit", "more than zero"),
        (with("window", json!("0s")), "limits[0].window", "more than zero"),
        (with("window", json!(60)), "limits[0].window", "expected a duration"),
        (with("burst", json!(0)), "limits[0].burst", "more than zero"),
        (with("algorithm", json!("leaky_bucket")), "limits[0].algorithm", "unknown variant"),
        (with("routes", json!(["order"])), "limits[0].routes[0]", "did you mean `orders`?"),
        (with("prefix_v6", json!(129)), "limits[0].prefix_v6", "at most 128"),
        (with("when", json!(7)), "limits[0].when", "expected a condition, or an object with values"),
        (with("when", json!({"claims": {"plan": "free"}})), "limits[0].when.claims.plan", "invalid type"),
        (with("when", json!({"method": ["GET"]})), "limits[0].when.method", "unknown field"),
        (
            with("when", json!("request.methd == 'GET'")),
            "limits[0].when",
            "column 9: unknown member of `request` `methd`",
        ),
        (with("when", json!("request.methd == 'GET'")), "limits[0].when", "did you mean `method`?"),
        (with("when", json!("request.method")), "limits[0].when", "column 1: this is string; expected bool"),
        (
            with("when", json!("count(actor.source, duration('1m')) > 5")),
            "limits[0].when",
            "column 1: counters stand in",
        ),
        (with("when", json!("path.id == '7'")), "limits[0].when", "column 1: `path.id` needs `routes`"),
        (with("key", json!(["source", "expr:bdy.id"])), "limits[0].key[1]", "column 6: unknown name `bdy`"),
        (
            with("key", json!(["expr:seen(1, 2, duration('1m'))"])),
            "limits[0].key[0]",
            "column 6: counters stand in",
        ),
        (with("key", json!(["expr:"])), "limits[0].key[0]", "column 6: "),
    ]);
}

#[test]
fn what_an_algorithm_cannot_count_is_refused() {
    let limit = |algorithm: &str, limit: u64| json!({"version": 1, "limits": [{"name": "l", "key": ["source"], "limit": limit, "window": "1m", "algorithm": algorithm}]});
    assert!(parse(&limit("concurrency", 65_535)).is_ok());
    assert!(fault(&limit("concurrency", 65_536)).starts_with("limits[0].limit: is 65536, at most 65535"));
    let mut burst = limit("fixed_window", 5);
    burst["limits"][0]["burst"] = json!(5);
    assert!(fault(&burst).contains("`token_bucket` alone"));
}

#[test]
fn faults_of_the_identity_section_are_found_where_they_are() {
    let with = |key: &str, value: Value| identity(&[(&format!("/identity/{key}"), value)]);
    let demand = |value: Value| with("requirements", json!([value]));
    are_found([
        (with("issuers", json!([])), "identity.issuers", "expected 1 to 32"),
        (with("sources", json!([])), "identity.sources", "is empty"),
        (with("sources", json!([{"header": "a", "cookie": "b"}])), "identity.sources[0]", "expected `header`"),
        (with("sources", json!([{"cookie": "a"}, {"cookie": "a"}])), "identity.sources[1]", "twice"),
        (with("sources", json!([{"cookie": ""}])), "identity.sources[0]", "empty"),
        (
            demand(json!({"routes": ["orders"], "scopes": ["a\r\nb"]})),
            "identity.requirements[0].scopes",
            "RFC 6749",
        ),
        (with("token_bytes_max", json!("1MiB")), "identity.token_bytes_max", "expected 1B"),
        (
            with("bindings", json!({"ip_binding": {"prefix_v4": 33}})),
            "identity.bindings.ip_binding.prefix_v4",
            "at most 32",
        ),
        (with("usage", json!({"uses_max": 0})), "identity.usage.uses_max", "at least 1"),
        (with("usage", json!({"window": "999ms"})), "identity.usage.window", "1s to 12h"),
        (with("usage", json!({"window": "13h"})), "identity.usage.window", "1s to 12h"),
        (with("usage", json!({"prefix_v6": 129})), "identity.usage.prefix_v6", "at most 128"),
        (with("usage", json!({"speed_max": 0})), "identity.usage.speed_max", "at least 1 km/h"),
        (with("usage", json!({"distance_min": 0})), "identity.usage.distance_min", "1 to 20000 km"),
        (with("usage", json!({"device_header": ""})), "identity.usage.device_header", "is empty"),
        (demand(json!({"routes": []})), "identity.requirements[0].routes", "no route"),
        (
            demand(json!({"routes": ["orders"], "token": "optional", "scopes": ["a"]})),
            "identity.requirements[0]",
            "must be \"required\"",
        ),
        (demand(json!({"routes": ["orders", "orders"]})), "identity.requirements[0].routes[1]", "already"),
    ]);
}

#[test]
fn faults_of_bindings_to_a_holder_are_found_where_they_are() {
    let with = |holder: Value| identity(&[("/identity/holder", holder)]);
    let trusting = |peers: Value| with(json!({"certificate": {"forwarded": {"trusted_peers": peers}}}));
    let place = "identity.holder.certificate.forwarded";
    are_found([
        (with(json!({"certificate": "yes"})), "identity.holder.certificate", "expected true, false or a section"),
        (with(json!({"certificate": {"forwarded": {}}})), place, "missing field `trusted_peers`"),
        (trusting(json!([])), "identity.holder.certificate.forwarded.trusted_peers", "is empty"),
        (
            trusting(json!(["0.0.0.0/0"])),
            "identity.holder.certificate.forwarded.trusted_peers[0]",
            "`0.0.0.0/0` is not",
        ),
        (
            trusting(json!(["::1", "edge"])),
            "identity.holder.certificate.forwarded.trusted_peers[1]",
            "`edge` is not",
        ),
        (with(json!({"dpop": {"past": "11m"}})), "identity.holder.dpop.past", "more than 10 minutes"),
        (with(json!({"dpop": {"nonce": {"lifetime": "9s"}}})), "identity.holder.dpop.nonce.lifetime", "10s to 1h"),
        (
            with(json!({"dpop": {"nonce": {"secret": "x"}}})),
            "identity.holder.dpop.nonce.secret",
            "shorter than 32",
        ),
        (with(json!({"dpop": {"origins": ["a"]}})), "identity.holder.dpop.origins[0]", "expected `https://host`"),
    ]);
    for (written, expected) in [(json!(true), true), (json!({}), true), (json!(false), false)] {
        let config = parse(&with(json!({"certificate": written}))).unwrap();
        assert_eq!(config.identity.unwrap().holder.certificate.is_some(), expected);
    }
}

#[test]
fn faults_of_issuers_and_keys_are_found_where_they_are() {
    let with = |key: &str, value: Value| identity(&[(&format!("/identity/issuers/0/{key}"), value)]);
    let key = |member: &str, value: Value| with(&format!("jwks/keys/0/{member}"), value);
    are_found([
        (with("clock_skew", json!("1h")), "identity.issuers[0].clock_skew", "10 minutes"),
        (
            with("jwks", json!({"keys": [ed25519_jwk(), ed25519_jwk()]})),
            "identity.issuers[0].jwks.keys",
            "two keys",
        ),
        (with("audiences", json!([])), "identity.issuers[0].audiences", "RFC 8725"),
        (with("issuer", json!("")), "identity.issuers[0].issuer", "is empty"),
        (with("jwks", json!({})), "identity.issuers[0].jwks", "JWK Set"),
        (with("jwks/keys", json!([])), "identity.issuers[0].jwks.keys", "no key"),
        (key("x", json!("AA")), "identity.issuers[0].jwks.keys[0]", "not a usable EdDSA key"),
        (key("alg", json!("RS256")), "identity.issuers[0].jwks.keys[0]", "no allowed algorithm"),
        (key("alg", json!("XX")), "identity.issuers[0].jwks.keys[0].alg", "unsupported"),
        (with("algorithms", json!(["RS256"])), "identity.issuers[0].jwks.keys[0]", "no allowed algorithm"),
        (with("algorithms", json!(["none"])), "identity.issuers[0].algorithms[0]", "unknown variant"),
    ]);
}

#[test]
fn no_document_at_all_is_said_to_be_that() {
    for nothing in ["", " \n"] {
        let fault = Config::parse(nothing.as_bytes(), CHECKS).unwrap_err();
        assert!(fault.to_string().starts_with("(document): is empty"), "{fault}");
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
fn a_catch_all_route_is_also_that_of_its_bare_prefix() {
    let routes = json!([
        {"name": "admin", "path": "/admin/{*rest}"},
        {"name": "shop", "path": "/shop/{*rest}"},
        {"name": "front", "path": "/shop", "methods": ["GET"]},
        {"name": "all", "path": "/{*rest}"},
    ]);
    for (method, path, name) in [
        ("GET", "/admin", "admin"),
        ("GET", "/admin/users", "admin"),
        ("GET", "/administrator", "all"),
        ("GET", "/shop", "front"),
        ("POST", "/shop", "shop"),
        ("GET", "/", "all"),
    ] {
        assert_eq!(found(&routes, "", method, path), name, "{method} {path}");
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
        // As long as a suffix.
        {"name": "long", "path": "/y", "hosts": ["shop2.example"]},
    ]);
    for (host, path, name) in [
        ("a.shop.example", "/x", "exact"),
        ("a.shop.example", "/y", "deep"),
        ("b.example", "/y", "sub"),
        ("shop2.example", "/y", "long"),
        ("myshop2.example", "/y", "sub"),
        (".shop.example", "/y", "deep"),
        ("example", "/y", "any"),
        ("other", "/y", "any"),
    ] {
        assert_eq!(found(&routes, host, "GET", path), name, "{host}{path}");
    }
}

#[test]
fn overlapping_templates_are_told_apart_or_refused_and_never_dropped() {
    let routes = json!([
        {"name": "file", "path": "/f/{id}", "methods": ["GET"]},
        {"name": "files", "path": "/f/{*rest}"},
        {"name": "top", "path": "/{name}", "methods": ["GET"]},
        {"name": "all", "path": "/{*rest}"},
    ]);
    for (method, path, name) in [
        ("GET", "/f/1", "file"),
        ("POST", "/f/1", "files"),
        ("GET", "/f/1/2", "files"),
        ("GET", "/f", "files"),
        ("GET", "/g", "top"),
        ("POST", "/f", "files"),
        ("GET", "/x/y", "all"),
    ] {
        assert_eq!(found(&routes, "", method, path), name, "{method} {path}");
    }
    let apart = json!([{"name": "a", "path": "/f/x{n}", "methods": ["GET"]}, {"name": "b", "path": "/f/{n}/y"}]);
    assert!(fault(&json!({"version": 1, "routes": apart})).contains("overlaps with"));
}

#[test]
fn a_route_for_get_is_one_for_head() {
    let routes = json!([
        {"name": "read", "path": "/a", "methods": ["GET"]},
        {"name": "tree", "path": "/t/{*rest}", "methods": ["GET"]},
        {"name": "all", "path": "/a"},
        {"name": "look", "path": "/b", "methods": ["HEAD"]},
        {"name": "get", "path": "/b", "methods": ["GET"]},
    ]);
    for (method, path, name) in [
        ("HEAD", "/a", "read"),
        ("POST", "/a", "all"),
        ("HEAD", "/b", "look"),
        ("GET", "/b", "get"),
        ("HEAD", "/t", "tree"),
        ("HEAD", "/t/x", "tree"),
    ] {
        assert_eq!(found(&routes, "", method, path), name, "{method} {path}");
    }
}

#[test]
fn a_template_that_nothing_can_match_is_refused() {
    for path in ["/a//b", "/a/../b", "/./a", "/caf%C3%A9", "/a#b", "/a?b", "/*rest", "/a\\b", "/a\0"] {
        let fault = fault(&json!({"version": 1, "routes": [{"name": "r", "path": path}]}));
        assert!(fault.starts_with("routes[0].path: "), "{fault}");
    }
    let good = json!([{"name": "r", "path": "/café/{id}/"}, {"name": "root", "path": "/"}]);
    assert!(parse(&json!({"version": 1, "routes": good})).is_ok());
}

#[test]
fn a_path_without_one_meaning_meets_the_strictest_mode_and_thresholds() {
    let strict = json!({"name": "a", "path": "/a", "mode": "enforce", "risk": {"challenge": 0.1, "deny": 0.9}});
    let config = parse(&json!({"version": 1, "routes": [strict, {"name": "b", "path": "/b"}]})).unwrap();
    let ambiguous = config.routes.get(RouteId::Ambiguous);
    let Thresholds { challenge, deny } = ambiguous.thresholds;
    assert_eq!((ambiguous.mode, challenge.value(), deny.value()), (Mode::Enforce, 0.1, 0.7));
    assert_eq!(config.routes.get(RouteId::Unmatched).mode, Mode::Monitor);
}

#[test]
fn what_guards_the_rules_themselves_cannot_be_tuned() {
    for check in CHECKS.iter().filter(|check| !check.tunable) {
        let fault = fault(&json!({"version": 1, "checks": [{"id": check.id, "mode": "off"}]}));
        assert!(fault.contains("cannot be tuned"), "{fault}");
    }
}

#[test]
fn secrets_are_not_repeated_in_faults() {
    let fault = fault(&json!({"version": 1, "telemetry": {"actor_salt": 123_456_789}}));
    assert!(fault.starts_with("telemetry.actor_salt: ") && !fault.contains("123456789"), "{fault}");
}

#[test]
fn two_routes_for_the_same_requests_are_refused() {
    for second in [json!({"name": "b", "path": "/x/{other}"}), json!({"name": "b", "path": "/x/{id}/"})] {
        let fault = fault(&json!({"version": 1, "routes": [{"name": "a", "path": "/x/{id}"}, second]}));
        assert!(fault.starts_with("routes[1].path: ") && fault.contains("overlaps"), "{fault}");
    }
}

proptest! {
    #[test]
    fn no_document_panics(text in r#"[\[\]{}:,"a-z0-9 .]{0,60}"#) {
        let _ = Config::parse(text.as_bytes(), CHECKS);
    }
}
