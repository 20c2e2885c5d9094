//! That every metric reaches Prometheus with its labels, and the access log a collector of OpenTelemetry.

use super::{Gate, SOON};
use crate::observability::{metrics, yaml};
use portcullis_lab::bootstrap::Bootstrap;
use portcullis_lab::client::Request;
use portcullis_lab::dashboard;
use portcullis_lab::service::{Answer, Service};
use portcullis_lab::workspace;
use serde_json::{json, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const HTTP: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
const P256: &str = include_str!("../../envoy/lab/keys/test-p256.pem");

/// The harness's rules, and tokens of the filter's own: with them there is every metric.
fn everything() -> Value {
    let harness = yaml("envoy/compose/envoy.yaml").remove(0);
    let rules = harness.pointer(&format!("{HTTP}/http_filters/0/typed_config/config/configuration/value"));
    let mut rules: Value = serde_json::from_str(rules.unwrap().as_str().unwrap()).unwrap();
    let key = json!({"kid": "own", "alg": "ES256", "private_key": P256});
    rules["minting"] = json!({"issuer": "https://own.demo", "audiences": ["payments"], "keys": [key]});
    rules
}

/// Metric and labels, as the documentation has them.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string(workspace().join("docs/observability.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `portcullis_"));
    let cells = rows.map(|row| row.split('|').map(str::to_owned).collect::<Vec<_>>());
    let ticked = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    cells.map(|cells| (ticked(&cells[1]).remove(0), ticked(&cells[2]).into_iter().collect())).collect()
}

/// Metric and labels, as Prometheus reads them. `le` is what makes a histogram.
fn scraped(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("portcullis_")) {
        let (name, rest) = line.split_once('{').unwrap_or((line, ""));
        let name = dashboard::metrics(name).pop_first().unwrap();
        let labels = rest.split("=\"").map(|part| part.rsplit([',', '"']).next().unwrap());
        let labels = labels.filter(|label| !label.is_empty() && !label.starts_with('}') && *label != "le");
        found.entry(name).or_default().extend(labels.map(str::to_owned));
    }
    found
}

#[test]
fn every_metric_reaches_prometheus_with_its_labels() {
    let gate = Gate::start(&everything());
    let all = || scraped(&gate.envoy.prometheus()).len() == metrics().len();
    // A histogram is there once it has a value.
    gate.http1().send(Request::get("/healthz")).unwrap();
    gate.envoy.wait_for(|_| all(), SOON);
    let page = gate.envoy.prometheus();
    let ours: Vec<&str> = page.lines().filter(|line| line.contains("portcullis")).collect();
    assert!(ours.len() > 300, "{}", ours.len());
    for line in ours.iter().filter(|line| !line.starts_with('#') && !line.starts_with("envoy_")) {
        assert!(line.starts_with("portcullis_") && !line.contains("_="), "labels are left in the name: {line}");
    }
    assert_eq!(scraped(&page), documented(), "Prometheus (left) and docs/observability.md");
}

#[test]
fn labels_are_read_from_a_page() {
    let page = "portcullis_a_total{verdict=\"deny\",route=\"x\"} 1\nportcullis_b_us_bucket{le=\"5\"} 1\nportcullis_c{} 2\n";
    let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<BTreeSet<_>>();
    let expected = [
        ("portcullis_a_total", labels(&["route", "verdict"])),
        ("portcullis_b_us", labels(&[])),
        ("portcullis_c", labels(&[])),
    ];
    assert_eq!(scraped(page), expected.map(|(name, labels)| (name.to_owned(), labels)).into());
}

#[test]
fn a_collector_of_opentelemetry_is_told_verdict_and_receipt() {
    let collector = Service::start(|_| Answer::body("")).unwrap();
    let mut documents = yaml("envoy/observability/access-log-otlp.yaml");
    let (cluster, mut logger) = (documents.pop().unwrap(), documents.pop().unwrap());
    assert_eq!(cluster["name"], logger.pointer("/typed_config/http_service/http_uri/cluster").unwrap().clone());
    logger["typed_config"]["buffer_flush_interval"] = json!("0.1s");
    let add = |bootstrap: Bootstrap| {
        let bootstrap = bootstrap.cluster("collector", collector.address());
        bootstrap.edit(|document| {
            document.pointer_mut(&format!("{HTTP}/access_log")).unwrap().as_array_mut().unwrap().push(logger);
        })
    };
    let gate = Gate::start_with(&everything(), add);
    let refused = gate.http1().send(Request::get("/api/orders/o-1001")).unwrap();
    assert_eq!(refused.status, 401);
    let id = super::request_id(&refused);
    // Text stands in a protobuf message as it is.
    let told = || {
        let calls = collector.calls();
        calls.into_iter().find(|call| call.path == "/v1/logs" && call.body.contains(&id))
    };
    assert!(gate.envoy.wait_for(|_| told().is_some(), SOON), "{:?}", collector.calls());
    let body = told().unwrap().body;
    for part in [
        "deny:token_missing",
        "portcullis.receipt",
        "\"event.kind\":\"alert\"",
        "service.name",
        "/api/orders/o-1001",
    ] {
        assert!(body.contains(part), "{part} not in {body}");
    }
}
