//! A real Envoy with the shipped configuration; where a filter is needed, the smallest module Envoy takes.

use super::Envoy;
use crate::bootstrap::Bootstrap;
use crate::client::{raw, Client, Request};
use crate::upstream::Upstream;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// A filter that refuses configurations of less than ten bytes, and otherwise notes 30 for every request in a
/// histogram that is named as Portcullis names its own.
const SMALL_FILTER: &str = r#"(module
    (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_record_metric" (func $record (param i32 i64) (result i32)))
    (memory (export "memory") 2)
    (data (i32.const 16) "stage=.=all;.;portcullis_duration_us")
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 65536))
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_context_create") (param i32 i32))
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $define (i32.const 2) (i32.const 16) (i32.const 36) (i32.const 8)))
        (i32.ge_u (local.get 1) (i32.const 10)))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $record (i32.load (i32.const 8)) (i64.const 30))))"#;

fn small_filter(directory: &Path) -> PathBuf {
    let path = directory.join("small.wasm");
    std::fs::write(&path, wat::parse_str(SMALL_FILTER).unwrap()).unwrap();
    path
}

#[test]
fn a_bare_envoy_forwards_and_can_be_observed() {
    let upstream = Upstream::start();
    let bootstrap = Bootstrap::shipped().unwrap().without_filter().upstream(upstream.address()).concurrency(2);
    let envoy = Envoy::start(&bootstrap).unwrap();
    for client in [Client::http1(envoy.address()), Client::http2(envoy.address())] {
        let request = Request::post("/echo").body("hello").chunked(2).trailer("x-checksum", "42");
        let echoed = client.send(request).unwrap().json().unwrap();
        assert_eq!(echoed["body_length"], 5);
        assert_eq!(echoed["trailers"], json!([["x-checksum", "42"]]), "trailers pass Envoy");
    }
    let odd = "GET /x/..//%2f/echo HTTP/1.1\r\nhost: a\r\nx-request-id: mine\r\nx-forwarded-for: 9.9.9.9\r\n\r\n";
    assert_eq!(raw(envoy.address(), odd).unwrap().status, 404, "Envoy repairs no path");
    let echoed = raw(envoy.address(), odd.replace("/x/..//%2f/echo", "/echo?/../%00")).unwrap().json().unwrap();
    assert_eq!(echoed["path"], "/echo?/../%00");
    assert!(!echoed["headers"].to_string().contains("mine"), "a client cannot choose the request id: {echoed}");
    assert_eq!(upstream.hits(), 4);

    assert_eq!(envoy.stats()["http.ingress.downstream_rq_total"], 4);
    assert!(envoy.prometheus().contains("envoy_http_downstream_rq_total"));
    assert!(envoy.wait_for(|envoy| envoy.access_log().len() == 4, SOON));
    let line = &envoy.access_log()[0];
    assert_eq!((&line["path"], &line["response_code"]), (&json!("/echo"), &json!(200)));
    assert_eq!(line["response_code_details"], "via_upstream");
    assert!(line["request_id"].is_string() && line["portcullis_verdict"].is_null());
    assert!(envoy.cpu_time().unwrap() > Duration::ZERO && envoy.rss_bytes().unwrap() > 10 << 20);
}

#[test]
fn grpc_passes_to_an_http2_upstream() {
    let upstream = Upstream::start();
    let bootstrap = Bootstrap::shipped().unwrap().without_filter().upstream(upstream.address()).http2_upstream();
    let envoy = Envoy::start(&bootstrap).unwrap();
    let ping =
        Request::post("/grpc.Demo/Ping").header("content-type", "application/grpc").header("te", "trailers");
    let answer = Client::http2(envoy.address()).send(ping).unwrap();
    assert_eq!((answer.status, answer.trailer("grpc-status")), (200, Some("0")));
}

#[test]
fn a_dropped_envoy_leaves_nothing_behind() {
    let envoy = Envoy::start(&Bootstrap::shipped().unwrap().without_filter()).unwrap();
    let (process, directory) =
        (PathBuf::from(format!("/proc/{}", envoy.pid())), envoy.files.directory.path().to_owned());
    assert!(process.exists() && directory.exists());
    drop(envoy);
    assert!(!process.exists() && !directory.exists());
}

#[test]
fn a_broken_configuration_is_refused_with_its_reason() {
    let good = Bootstrap::shipped().unwrap().without_filter();
    assert!(Envoy::validate(&good).0);
    let broken = good.edit(|document| document["static_resources"]["listeners"][0]["no_such_field"] = json!(1));
    let (valid, said) = Envoy::validate(&broken);
    assert!(!valid && said.contains("no_such_field"), "{said}");
    let error = Envoy::start(&broken).unwrap_err();
    assert!(format!("{error:#}").contains("no_such_field"), "{error:#}");
    assert!(Envoy::start(&Bootstrap::shipped().unwrap().without_filter().filter_config("{}")).is_err());
}

#[test]
fn the_filter_s_metrics_get_the_shipped_labels_and_buckets() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::start();
    let bootstrap =
        Bootstrap::shipped().unwrap().wasm(small_filter(directory.path())).upstream(upstream.address());
    let envoy = Envoy::start(&bootstrap).unwrap();
    assert_eq!(
        Client::http1(envoy.address()).send(Request::get("/healthz")).unwrap().status,
        200,
        "{}",
        envoy.log()
    );
    let bucket = r#"portcullis_duration_us_bucket{stage="all",le="50"} 1"#;
    assert!(envoy.wait_for(|envoy| envoy.prometheus().contains(bucket), SOON), "{}", envoy.prometheus());
}

#[test]
fn a_running_envoy_takes_good_filter_configurations_and_refuses_bad_ones() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::start();
    let bootstrap = Bootstrap::shipped()
        .unwrap()
        .wasm(small_filter(directory.path()))
        .upstream(upstream.address())
        .ecds(directory.path());
    let envoy = Envoy::start(&bootstrap).unwrap();
    let client = Client::http1(envoy.address());
    let works = || client.send(Request::get("/healthz")).unwrap().status == 200;
    assert!(works());
    let reached = |counter: &'static str, count: u64| {
        let name = format!("extension_config_discovery.http_filter.portcullis.{counter}");
        envoy.wait_for(|envoy| envoy.stats().get(&name) == Some(&count), SOON)
    };
    assert!(reached("update_success", 1), "{:#?}", envoy.stats());
    envoy.push_filter_config("bad").unwrap();
    assert!(reached("update_rejected", 1), "{:#?}", envoy.stats());
    assert!(works(), "the configuration before the bad one stays");
    envoy.push_filter_config(r#"{"version": 1, "mode": "enforce"}"#).unwrap();
    assert!(reached("update_success", 2), "{:#?}", envoy.stats());
    assert!(works());
}
