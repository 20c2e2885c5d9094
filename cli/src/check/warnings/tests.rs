use super::*;
use portcullis::stages::CHECKS;
use serde_json::json;
use std::collections::BTreeSet;

fn ids(document: &Value) -> BTreeSet<&'static str> {
    let text = document.to_string();
    let config = Config::parse(text.as_bytes(), CHECKS).unwrap_or_else(|fault| panic!("{fault}"));
    let effective = Config::effective(text.as_bytes()).unwrap();
    of(&config, &effective).iter().map(|warning| warning.of.id).collect()
}

/// What a careful operator writes.
fn careful() -> Value {
    json!({
        "version": 1,
        "mode": "enforce",
        "request": {"body_bytes_max": "1MiB"},
        "routes": [{"name": "orders", "path": "/api/orders/{id}"}, {"name": "files", "path": "/files/{*rest}"}],
        "identity": {
            "issuers": [{"issuer": "https://id.example", "audiences": ["a"], "jwks": {"keys": [
                {"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}}],
            "step_up": {"max_age": "15m"},
            "requirements": [{"routes": ["orders"], "token": "required"}]
        },
        "inspect": {"exclusions": [{"place": "json.note", "check": "payload.sql"}]},
        "limits": [{"name": "all", "key": ["source"], "limit": 100, "window": "1m"}],
        "telemetry": {"actor_salt": "a long random text"}
    })
}

#[test]
fn nothing_is_said_of_what_a_careful_operator_writes() {
    assert_eq!(ids(&careful()), BTreeSet::new());
}

#[test]
fn an_empty_configuration_guards_little() {
    let expected = [
        "monitor-mode",
        "no-actor-salt",
        "no-body-limit",
        "no-identity",
        "no-inspection",
        "no-limits",
        "no-routes",
    ];
    assert_eq!(ids(&json!({"version": 1})), BTreeSet::from(expected));
}

#[test]
fn each_risk_is_told() {
    let list = json!({"cluster": "id", "uri": "http://id.example/revoked.json"});
    let rule = json!([{"name": "r", "require": "request.method == \"GET\"", "on_error": "allow"}]);
    for (pointer, value, id) in [
        ("/limits/0/key", json!(["header:x-client"]), "limit-key-chosen-by-client"),
        ("/limits/0/mode", json!("monitor"), "limit-on-trial"),
        ("/inspect/exclusions/0", json!({"route": "orders"}), "exclusion-wide"),
        ("/checks", json!([{"id": "payload.sql", "mode": "off"}]), "check-off"),
        ("/checks", json!([{"id": "business.rule", "effect": "note"}]), "check-weakened"),
        ("/risk", json!({"family_caps": {"binding": 0.7}}), "family-denies-alone"),
        ("/request/body_read_max", json!("2MiB"), "body-above-envoy"),
        ("/memory", json!({"budget": "1MiB"}), "memory-small"),
        ("/identity/default", json!("optional"), "tokens-optional"),
        ("/identity/requirements/0", json!({"routes": ["files"], "token": "ignored"}), "route-open"),
        ("/identity/issuers/0/lifetime_max", json!("2d"), "long-lived-tokens"),
        ("/identity/issuers/0/clock_skew", json!("6m"), "clock-skew-long"),
        ("/identity/failures", json!({"per_source": 0}), "failures-unlimited"),
        ("/identity/revocation", json!({"list": list}), "plain-http"),
        ("/identity/on_error", json!({"keys": "allow"}), "identity-fails-open"),
        ("/request/on_error", json!({"internal": "allow"}), "internal-fails-open"),
        ("/rules", rule, "rule-fails-open"),
        ("/fleet", json!({"cluster": "rls"}), "no-fleet-secret"),
        ("/fleet", json!({"cluster": "rls", "secret": "s"}), "secret-in-document"),
    ] {
        let mut document = careful();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match document.pointer_mut(parent).unwrap() {
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value.clone(),
            other => other[name] = value.clone(),
        }
        assert!(ids(&document).contains(id), "{id}: {:?}", ids(&document));
    }
}

#[test]
fn ids_are_unique_and_plain() {
    let ids: BTreeSet<&str> = ALL.iter().map(|kind| kind.id).collect();
    assert_eq!(ids.len(), ALL.len());
    assert!(ids.iter().all(|id| id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
}
