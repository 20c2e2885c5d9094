//! The manifests for Istio and Envoy Gateway: that Kubernetes would take them, that the filter takes what they configure it
//! with, and that a real Envoy runs what the EnvoyFilter makes of it.
//!
//! Istio's resources are checked against the shapes of its own CRDs (`tests/istio/crds.yaml`). Unlike Kubernetes, which drops
//! what it does not know, this refuses it. Not covered: DestinationRule and EnvoyExtensionPolicy, whose shapes are not here, and
//! a running mesh.

use crate::observability::yaml;
use portcullis::config::Config;
use portcullis::stages::CHECKS;
use portcullis_lab::bootstrap::Bootstrap;
use portcullis_lab::client::{Client, Request};
use portcullis_lab::envoy::Envoy;
use portcullis_lab::upstream::Upstream;
use portcullis_lab::workspace;
use serde_json::{json, Value};
use std::time::{Duration, Instant};

const HTTP: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
const SOON: Duration = Duration::from_secs(20);

/// Every resource of `envoy/istio`, with its file.
fn resources() -> Vec<(String, Value)> {
    let mut files: Vec<_> =
        std::fs::read_dir(workspace().join("envoy/istio")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let yamls = files.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    let names = yamls.map(|path| format!("envoy/istio/{}", path.file_name().unwrap().to_str().unwrap()));
    // That one is values of a chart.
    let names = names.filter(|name| !name.ends_with("mesh.yaml"));
    names.flat_map(|name| yaml(&name).into_iter().map(move |document| (name.clone(), document))).collect()
}

fn only(path: &str) -> Value {
    let mut documents = yaml(path);
    assert_eq!(documents.len(), 1, "{path}");
    documents.remove(0)
}

#[test]
fn istio_takes_the_manifests() {
    let shapes = only("tests/istio/crds.yaml");
    let mut checked = 0;
    for (file, resource) in resources() {
        let kind = format!("{}/{}", resource["apiVersion"].as_str().unwrap(), resource["kind"].as_str().unwrap());
        if kind == "networking.istio.io/v1/DestinationRule" {
            continue;
        }
        let shape = shapes.get(&kind).unwrap_or_else(|| panic!("{file}: no shape of {kind}"));
        let mut faults = Vec::new();
        check(shape, &resource["spec"], "spec", &mut faults);
        assert!(faults.is_empty(), "{file}: {faults:#?}");
        checked += 1;
    }
    assert_eq!(checked, 4);
}

#[test]
fn faults_in_manifests_are_found() {
    let shape = &only("tests/istio/crds.yaml")["extensions.istio.io/v1alpha1/WasmPlugin"];
    let good = only("envoy/istio/wasmplugin.yaml")["spec"].take();
    for (place, value, expected) in [
        ("failStrategy", json!("FAIL_SOFT"), "spec.failStrategy: \"FAIL_SOFT\" is none of"),
        ("priority", json!("high"), "spec.priority: \"high\" is no integer"),
        ("failStrategie", json!("FAIL_OPEN"), "spec.failStrategie: unknown"),
        ("sha256", json!("abc"), "spec.sha256: \"abc\" does not match"),
        (
            "match",
            json!([{"ports": [{"number": 70000}]}]),
            "spec.match[0].ports[0].number: 70000 is more than 65535",
        ),
        ("selector", json!({"matchLabels": {"app": "x".repeat(64)}}), "is longer than 63"),
        ("url", json!(""), "is shorter than 1"),
    ] {
        let mut bad = good.clone();
        bad[place] = value;
        let mut faults = Vec::new();
        check(shape, &bad, "spec", &mut faults);
        assert!(faults.len() == 1 && faults[0].contains(expected), "{place}: {faults:?}");
    }
    let mut without = good;
    without.as_object_mut().unwrap().remove("url");
    let mut faults = Vec::new();
    check(shape, &without, "spec", &mut faults);
    assert_eq!(faults, ["spec: url is missing"]);
}

/// What of OpenAPI's schemas the CRDs use. A keyword that is not known here is a fault, and never passed over.
fn check(shape: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
    if value.is_null() && shape["nullable"] == true {
        return;
    }
    for (keyword, rule) in shape.as_object().unwrap() {
        match keyword.as_str() {
            "type" => check_type(rule.as_str().unwrap(), value, place, faults),
            "properties" => check_members(shape, value, place, faults),
            "required" => {
                let missing =
                    rule.as_array().unwrap().iter().filter(|name| value.get(name.as_str().unwrap()).is_none());
                faults.extend(missing.map(|name| format!("{place}: {} is missing", name.as_str().unwrap())));
            }
            "additionalProperties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    check(rule, member, &format!("{place}.{name}"), faults);
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(rule, item, &format!("{place}[{index}]"), faults);
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => {
                faults.push(format!("{place}: {value} is none of {rule}"));
            }
            "oneOf" | "anyOf" => check_alternatives(keyword, rule, value, place, faults),
            "pattern" if !matches(rule.as_str().unwrap(), value.as_str().unwrap_or_default()) => {
                faults.push(format!("{place}: {value} does not match {rule}"));
            }
            "minLength" | "minItems" | "minimum" if size(value) < rule.as_f64().unwrap() => {
                let smaller = if keyword == "minimum" { "less" } else { "shorter" };
                faults.push(format!("{place}: {value} is {smaller} than {rule}"));
            }
            "maxLength" | "maxItems" | "maxProperties" | "maximum" if size(value) > rule.as_f64().unwrap() => {
                let larger = if keyword == "maximum" { "more" } else { "longer" };
                faults.push(format!("{place}: {value} is {larger} than {rule}"));
            }
            "enum" | "pattern" | "minLength" | "minItems" | "minimum" | "maxLength" | "maxItems"
            | "maxProperties" | "maximum" | "nullable" | "format" => {}
            extension if extension.starts_with("x-kubernetes-") => {}
            unknown => panic!("{place}: {unknown} is not known here"),
        }
    }
}

fn check_type(expected: &str, value: &Value, place: &str, faults: &mut Vec<String>) {
    let right = match expected {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        other => panic!("{place}: the type {other} is not known here"),
    };
    if !right {
        faults.push(format!("{place}: {value} is no {expected}"));
    }
}

fn check_members(shape: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
    let open =
        shape["x-kubernetes-preserve-unknown-fields"] == true || shape.get("additionalProperties").is_some();
    for (name, member) in value.as_object().into_iter().flatten() {
        match shape["properties"].get(name) {
            Some(inner) => check(inner, member, &format!("{place}.{name}"), faults),
            None if open => {}
            None => faults.push(format!("{place}.{name}: unknown")),
        }
    }
}

/// The alternatives say which members stand together, `required`, `not` and `anyOf` alone.
fn check_alternatives(keyword: &str, rule: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
    let fitting = rule.as_array().unwrap().iter().filter(|alternative| fits(alternative, value)).count();
    if fitting == 0 || keyword == "oneOf" && fitting > 1 {
        faults.push(format!("{place}: {fitting} of {} alternatives fit", rule.as_array().unwrap().len()));
    }
}

fn fits(alternative: &Value, value: &Value) -> bool {
    alternative.as_object().unwrap().iter().all(|(keyword, rule)| match keyword.as_str() {
        "required" => rule.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
        "not" => !fits(rule, value),
        "anyOf" => rule.as_array().unwrap().iter().any(|inner| fits(inner, value)),
        "properties" => rule.as_object().unwrap().iter().all(|(name, _)| value.get(name).is_some()),
        unknown => panic!("{unknown} is not known in an alternative"),
    })
}

/// There is no library of regular expressions here, and of the patterns one is needed.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        "(^$|^[a-f0-9]{64}$)" => {
            let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            text.is_empty() || text.len() == 64 && hex
        }
        other => panic!("the pattern {other} is not known here"),
    }
}

fn size(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.chars().count() as f64,
        Value::Array(items) => items.len() as f64,
        Value::Object(members) => members.len() as f64,
        other => other.as_f64().unwrap_or_default(),
    }
}

#[test]
fn the_filter_takes_what_the_manifests_configure_it_with() {
    let plugin = only("envoy/istio/wasmplugin.yaml")["spec"]["pluginConfig"].take();
    let policy = only("envoy/gateway/envoyextensionpolicy.yaml")["spec"]["wasm"][0]["config"].take();
    for (what, written) in [("WasmPlugin", plugin), ("EnvoyExtensionPolicy", policy)] {
        let config = Config::parse(written.to_string().as_bytes(), CHECKS);
        let config = config.unwrap_or_else(|fault| panic!("{what}: {fault}"));
        assert!(!config.limits.is_empty(), "{what}");
        let inspect = config.inspect.as_ref().unwrap();
        assert!(!inspect.bodies, "{what}: no body is shown to a filter that holds back the headers");
    }
}

#[test]
fn the_manifests_name_this_version() {
    let image = format!("registry.example/portcullis:{}", env!("CARGO_PKG_VERSION"));
    for file in
        ["envoy/istio/wasmplugin.yaml", "envoy/istio/envoyfilter.yaml", "envoy/gateway/envoyextensionpolicy.yaml"]
    {
        assert!(only(file).to_string().contains(&format!("{image}\"")), "{file} names another image than {image}");
    }
    let changes = std::fs::read_to_string(workspace().join("CHANGELOG.md")).unwrap();
    assert!(changes.contains(&format!("\n## [{}]", env!("CARGO_PKG_VERSION"))));
}

/// The filter and the settings of the connection manager that the EnvoyFilter brings in.
fn patches() -> (Value, Value) {
    let resource = only("envoy/istio/envoyfilter.yaml");
    let patches = resource["spec"]["configPatches"].as_array().unwrap();
    let value = |kind: &str| {
        let of_kind: Vec<&Value> = patches.iter().filter(|patch| patch["applyTo"] == kind).collect();
        assert_eq!(of_kind.len(), 1, "{kind}");
        of_kind[0]["patch"]["value"].clone()
    };
    let (filter, place) = (value("EXTENSION_CONFIG"), value("HTTP_FILTER"));
    assert_eq!(filter["name"], place["name"], "Envoy finds the one by the name of the other");
    let types = place["config_discovery"]["type_urls"].as_array().unwrap();
    assert!(types.contains(&filter["typed_config"]["@type"]));
    (filter, value("NETWORK_FILTER")["typed_config"].take())
}

#[test]
fn the_envoyfilter_says_what_the_shipped_configuration_says() {
    let (filter, http) = patches();
    let shipped = &only("envoy/envoy.yaml");
    let shipped_http = shipped.pointer(HTTP).unwrap();
    for (name, value) in http.as_object().unwrap() {
        assert_eq!(*value, shipped_http[name], "{name}");
    }
    let (ours, theirs) =
        (&filter["typed_config"]["config"], &shipped_http["http_filters"][0]["typed_config"]["config"]);
    for name in ["name", "root_id", "failure_policy", "reload_config", "allow_on_headers_stop_iteration"] {
        assert_eq!(ours[name], theirs[name], "{name}");
    }
    assert_eq!(ours["vm_config"]["vm_id"], theirs["vm_config"]["vm_id"]);
    let mesh = &only("envoy/istio/mesh.yaml")["meshConfig"]["extensionProviders"][0];
    let log = &shipped_http["access_log"][0]["typed_config"]["log_format"]["json_format"];
    assert_eq!(mesh["envoyFileAccessLog"]["logFormat"]["labels"], *log);
    let telemetry = only("envoy/istio/telemetry.yaml");
    assert_eq!(telemetry["spec"]["accessLogging"][0]["providers"][0]["name"], mesh["name"]);
}

/// What Istio's agent does is done here: the address of the image becomes that of a file.
#[test]
fn envoy_runs_what_the_envoyfilter_brings_in() {
    let (mut filter, http) = patches();
    filter["name"] = json!("portcullis");
    *filter.pointer_mut("/typed_config/config/vm_config/code").unwrap() = json!({"local": {"filename": ""}});
    let upstream = Upstream::start();
    let bootstrap = Bootstrap::shipped().unwrap().upstream(upstream.address()).http_filters(vec![filter]);
    let bootstrap = bootstrap.edit(|document| {
        let settings = document.pointer_mut(HTTP).unwrap().as_object_mut().unwrap();
        settings.extend(http.as_object().unwrap().clone());
    });
    let envoy = Envoy::start(&bootstrap).unwrap();
    let injected = Request::post("/healthz").json(&json!({"note": "1' UNION SELECT password FROM users--"}));
    assert_eq!(Client::http1(envoy.address()).send(injected).unwrap().status, 404, "it only watches");
    assert!(envoy.wait_for(|envoy| !envoy.access_log().is_empty(), SOON));
    let verdict = envoy.access_log()[0]["portcullis_verdict"].to_string();
    assert!(verdict.starts_with("\"would_"), "the body was read: {verdict}");
}

/// As a WasmPlugin or an EnvoyExtensionPolicy has it run: without the setting that neither can say.
#[test]
fn nothing_waits_for_a_body_that_is_not_shown() {
    let plugin = only("envoy/istio/wasmplugin.yaml")["spec"]["pluginConfig"].take();
    let upstream = Upstream::start();
    let bootstrap = Bootstrap::shipped().unwrap().upstream(upstream.address()).filter_config(&plugin.to_string());
    let bootstrap = bootstrap.edit(|document| {
        let config = document.pointer_mut(&format!("{HTTP}/http_filters/0/typed_config/config")).unwrap();
        config.as_object_mut().unwrap().remove("allow_on_headers_stop_iteration").unwrap();
    });
    let envoy = Envoy::start(&bootstrap).unwrap();
    let injected = "/healthz?note=1%27%20UNION%20SELECT%20password%20FROM%20users--";
    let started = Instant::now();
    let order = Request::post(injected).json(&json!({"product": "p-3", "quantity": 1}));
    assert_eq!(Client::http1(envoy.address()).send(order).unwrap().status, 404, "it only watches");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(envoy.wait_for(|envoy| !envoy.access_log().is_empty(), SOON));
    let verdict = envoy.access_log()[0]["portcullis_verdict"].to_string();
    assert!(verdict.starts_with("\"would_"), "the head was read: {verdict}");
}
