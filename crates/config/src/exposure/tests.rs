use crate::{Config, Mask, Treatment};
use portcullis::stages::CHECKS;
use serde_json::{json, Value};

fn parse(exposure: &Value) -> Result<Config, String> {
    let routes = json!([{"name": "orders", "path": "/orders"}]);
    let document = json!({"version": 1, "routes": routes, "exposure": exposure});
    Config::parse(document.to_string().as_bytes(), CHECKS).map_err(|fault| fault.to_string())
}

#[test]
fn an_empty_section_flags_everything_everywhere() {
    let config = parse(&json!({})).unwrap();
    let exposure = config.exposure.as_ref().unwrap();
    let [rule] = exposure.rules.as_slice() else { panic!("one rule") };
    assert_eq!((rule.action, rule.mask, rule.at_least), (Treatment::Flag, None, None));
    assert!(rule.is_about("exposure.iban") && rule.whom.is_on("orders") && rule.whom.has_status(500));
    assert!(exposure.fields.is_empty() && exposure.volumes.is_empty() && exposure.plain_responses);
    assert_eq!((exposure.headers.0.len(), exposure.headers.1), (6, Treatment::Flag));
    assert!(!exposure.may_change("orders") && config.may_wait() && !config.needs_memory());
}

#[test]
fn without_the_section_there_is_nothing() {
    let config = Config::parse(br#"{"version": 1}"#, CHECKS).unwrap();
    assert!(config.exposure.is_none() && !config.may_wait());
    assert_eq!((config.response.body_read_max, config.response.body_wait_max.as_u64()), (512 << 10, 10_000));
}

#[test]
fn rules_say_for_which_responses_they_are() {
    let config = parse(&json!({"rules": [
        {"routes": ["orders", "unmatched"], "statuses": ["2xx", "404"], "kinds": ["iban", "email"], "action": "mask", "mask": "last4"}]}));
    let exposure = config.unwrap().exposure.unwrap();
    let [rule] = exposure.rules.as_slice() else { panic!("one rule") };
    assert!(rule.is_about("exposure.iban") && !rule.is_about("exposure.phone") && rule.mask == Some(Mask::Last4));
    assert!(rule.whom.is_on("unmatched") && !rule.whom.is_on("ambiguous"));
    assert!([200, 204, 404].into_iter().all(|status| rule.whom.has_status(status)) && !rule.whom.has_status(500));
    assert!(exposure.may_change("orders") && !exposure.may_change("other"));
}

#[test]
fn a_check_that_refuses_changes_responses_too() {
    let changes = |check: &str| {
        let checks = json!([{"id": check, "effect": "refuse"}]);
        let document = json!({"version": 1, "exposure": {}, "checks": checks});
        let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
        config.exposure.unwrap().may_change("orders")
    };
    assert!(changes("exposure.iban") && changes("exposure.fields") && !changes("exposure.header"));
}

#[test]
fn schemas_are_found_in_a_document() {
    let api = json!({"paths": {"/orders": {"get": {"responses": {"200": {"content": {"application/json": {
        "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Order"}}}}}}}}},
        "components": {"schemas": {"Order": {"properties": {"id": {}}}}}});
    let fields = |schema: &str| json!([{"schema": schema, "action": "remove"}]);
    let reference = "#/paths/~1orders/get/responses/200/content/application~1json/schema";
    for (schema, fault) in [
        (reference, None),
        ("#/components/schemas/Order", None),
        ("Order", None),
        ("Ordr", Some("exposure.fields[0].schema: unknown schema")),
        ("#/components/schemas/Ordr", Some("exposure.fields[0].schema: nothing stands at")),
    ] {
        let told = parse(&json!({"openapi": api, "fields": fields(schema)})).map(|_| ()).err();
        assert_eq!(told.is_some(), fault.is_some(), "{schema}: {told:?}");
        assert!(told.unwrap_or_default().starts_with(fault.unwrap_or_default()), "{schema}");
    }
    let twice = json!({"openapi": api, "schemas": {"Order": {}}});
    assert!(parse(&twice).unwrap_err().starts_with("exposure.schemas: stand in `exposure.openapi`"));
    let broken = json!({"openapi": {"components": {"schemas": {"A": {"items": 7}}}}, "fields": fields("A")});
    assert!(parse(&broken)
        .unwrap_err()
        .starts_with("exposure.openapi.components.schemas.A.items: expected a schema"));
    let broken = json!({"schemas": {"A": {"items": {"$ref": "B"}}}, "fields": fields("A")});
    assert!(parse(&broken).unwrap_err().starts_with("exposure.schemas.A.items.$ref: refers to nothing"));
}

#[test]
fn volumes_are_remembered() {
    let volume = json!([{"name": "v", "routes": ["orders"], "records": "data.items", "bytes_max": "10KiB", "baseline_factor": 2.5}]);
    let config = parse(&json!({"rules": [], "volume": volume})).unwrap();
    assert!(config.needs_memory());
    let volume = &config.exposure.as_ref().unwrap().volumes[0];
    assert_eq!(
        (volume.records.join("/").as_str(), volume.kib_max, volume.baseline_factor),
        ("data/items", Some(10), Some(2500))
    );
    assert_eq!((volume.window.as_u64(), volume.baseline_min, volume.records_max), (3_600_000, 100, None));
}

#[test]
fn faults_are_named_with_their_place() {
    let rule = |rule: Value| json!({"rules": [rule]});
    let fields = |rule: Value| json!({"fields": [rule]});
    let volume = |volume: Value| json!({"volume": [volume]});
    for (written, place) in [
        (json!({"rule": []}), "exposure.rule: unknown field"),
        (rule(json!({"routes": ["ordrs"]})), "exposure.rules[0].routes[0]: unknown route"),
        (rule(json!({"statuses": ["2x"]})), "exposure.rules[0].statuses[0]: "),
        (rule(json!({"statuses": ["600"]})), "exposure.rules[0].statuses[0]: "),
        (rule(json!({"kinds": ["card"]})), "exposure.rules[0].kinds[0]: unknown kind"),
        (rule(json!({"kinds": ["volume"]})), "exposure.rules[0].kinds[0]: unknown kind"),
        (rule(json!({"at_least": 0})), "exposure.rules[0].at_least: "),
        (rule(json!({"mask": "last4"})), "exposure.rules[0].mask: "),
        (rule(json!({"action": "erase"})), "exposure.rules[0].action: "),
        (rule(json!({"action": "mask", "mask": "hash"})), "exposure.hash_key: "),
        (fields(json!({"action": "remove"})), "exposure.fields[0].allow: "),
        (fields(json!({"schema": "user"})), "exposure.fields[0].schema: unknown schema"),
        (fields(json!({"allow": ["a..b"]})), "exposure.fields[0].allow[0]: "),
        (fields(json!({"allow": ["a[0]"]})), "exposure.fields[0].allow[0]: "),
        (json!({"headers": {"action": "mask"}}), "exposure.headers.action: "),
        (json!({"headers": {"names": ["a b"]}}), "exposure.headers.names: "),
        (
            volume(json!({"name": "v", "routes": [], "records_max": 1})),
            "exposure.volume[0].routes: names no route",
        ),
        (volume(json!({"name": "v", "routes": ["orders"]})), "exposure.volume[0]: has none of"),
        (
            volume(json!({"name": "v", "routes": ["orders"], "records_max": 1, "window": "1s"})),
            "exposure.volume[0].window: ",
        ),
        (
            volume(json!({"name": "v", "routes": ["orders"], "baseline_factor": 0.5})),
            "exposure.volume[0].baseline_factor: ",
        ),
        (
            volume(json!({"name": "v", "routes": ["orders"], "records_max": 1, "records": "a."})),
            "exposure.volume[0].records: ",
        ),
        (json!({"on_error": {"compressed": "maybe"}}), "exposure.on_error.compressed: "),
    ] {
        let fault = parse(&written).map(|_| ()).unwrap_err();
        assert!(fault.starts_with(place), "{written}: {fault}");
    }
    let twice = json!({"name": "v", "routes": ["orders"], "records_max": 1});
    assert!(parse(&json!({"volume": [twice, twice]})).unwrap_err().starts_with("exposure.volume[1].name: "));
}
