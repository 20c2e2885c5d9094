//! What a request asks of Envoy: each call into the host costs, so those of the fast path are pinned here one by one.
//!
//! Envoy itself tells of every call (`/logging?wasm=trace`). `docs/cost.md` says what each is for. A call that is not listed
//! makes every request dearer, so who adds one has to change this file and that page.

use super::{demo_issuer, enforcing, Gate, SOON};
use portcullis_lab::client::Request;
use portcullis_lab::tokens::{Issuer, Spec};
use serde_json::{json, Value};

const CLOCK: &str = "proxy_get_current_time_nanoseconds";
const HEADERS: &str = "proxy_get_header_map_pairs";
const PROPERTY: &str = "proxy_get_property";
const READ: &str = "proxy_get_shared_data";
const WRITE: &str = "proxy_set_shared_data";
const COUNT: &str = "proxy_increment_metric";
const RECORD: &str = "proxy_record_metric";
const VERDICT: &str = "proxy_set_property";

/// The calls of the third request of a client, in their order.
fn calls(gate: &Gate, token: &str) -> Vec<String> {
    let get = || {
        let request = Request::get("/healthz").header("authorization", format!("Bearer {token}"));
        assert_eq!(gate.http1().send(request).unwrap().status, 200);
    };
    get();
    get();
    gate.expect_accounted(2);
    gate.envoy.admin_post("/logging?wasm=trace").unwrap();
    get();
    assert!(gate.envoy.wait_for(|envoy| told(&envoy.log()).is_some(), SOON), "the request is not over");
    told(&gate.envoy.log()).unwrap_or_default()
}

/// The calls between the first request in a trace and its end. Ticks, and what other threads do meanwhile, are not its own.
fn told(log: &str) -> Option<Vec<String>> {
    let (mut calls, mut thread, mut ticks) = (Vec::new(), None, false);
    for line in log.lines() {
        let own = line.split("][").nth(1);
        if line.contains("[host->vm] proxy_on_request_headers(") {
            thread = thread.or(own);
        } else if thread.is_none() || thread != own {
            continue;
        } else if line.contains("proxy_on_tick") {
            ticks = line.contains("[host->vm]");
        } else if line.contains("[host->vm] proxy_on_delete(") {
            return Some(calls);
        } else if let Some((_, call)) = line.split_once("[vm->host] env.").filter(|_| !ticks) {
            calls.extend(call.split('(').next().map(str::to_owned));
        }
    }
    None
}

fn gate(more: Value) -> (Gate, String) {
    let issuer = Issuer::demo();
    let mut config = json!({
        "routes": [{"name": "health", "path": "/healthz"}],
        "identity": {
            "issuers": [demo_issuer()],
            "requirements": [{"routes": ["health"], "token": "required", "scopes": ["orders:read"]}],
        },
        "memory": {"budget": "1MiB"},
    });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let token = issuer.mint(&Spec::new(Default::default(), issuer.claims("ada")));
    (Gate::start(&enforcing(config)), token)
}

fn limit(name: &str, key: Value) -> Value {
    json!({"name": name, "key": key, "limit": 1_000_000, "window": "1h"})
}

/// What Envoy's own jwt_authn, rbac and local_ratelimit do.
#[test]
fn a_token_a_scope_and_a_limit() {
    let (gate, token) = gate(json!({"limits": [limit("all", json!(["route"]))]}));
    // In the statistics: the request, the limit, the token.
    let expected = [CLOCK, HEADERS, READ, WRITE, CLOCK, COUNT, COUNT, COUNT, RECORD, VERDICT];
    assert_eq!(calls(&gate, &token), expected);
}

/// Nothing is asked twice: one look at the address, and one read and one write for each actor that is counted.
#[test]
fn three_limits_and_payloads() {
    let limits =
        [limit("a", json!(["source"])), limit("b", json!(["header:x-device-id"])), limit("c", json!(["source"]))];
    let (gate, token) = gate(json!({"limits": limits, "inspect": {}}));
    let expected = [
        CLOCK, HEADERS, PROPERTY, READ, WRITE, READ, WRITE, READ, WRITE, CLOCK, COUNT, COUNT, COUNT, COUNT, COUNT,
        RECORD, VERDICT,
    ];
    assert_eq!(calls(&gate, &token), expected);
}
