//! What a request asks of Envoy: each call into the host costs, so those of the fast path are pinned here one by one.
//!
//! Envoy itself tells of every call (`/logging?wasm=trace`). `docs/cost.md` says what each is for. A call that is not listed
//! makes every request dearer, so who adds one has to change this file and that page.

use super::{demo_issuer, enforcing, Envoy, Gate, SOON};
use portcullis_lab::client::Request;
use portcullis_lab::tokens::{Issuer, Spec};
use serde_json::{json, Value};

const CLOCK: &str = "proxy_get_current_time_nanoseconds";
const BODY: &str = "proxy_get_buffer_bytes";
const HEADERS: &str = "proxy_get_header_map_pairs";
const PROPERTY: &str = "proxy_get_property";
const READ: &str = "proxy_get_shared_data";
const WRITE: &str = "proxy_set_shared_data";
const COUNT: &str = "proxy_increment_metric";
const RECORD: &str = "proxy_record_metric";
const VERDICT: &str = "proxy_set_property";

/// The calls of the third request of a client, in their order.
fn calls(gate: &Gate, token: &str) -> Vec<String> {
    traced(gate, token, 1).remove(0)
}

/// The calls of some requests of a client after its second, each in their order.
fn traced(gate: &Gate, token: &str, requests: usize) -> Vec<Vec<String>> {
    let get = || {
        let request = Request::get("/healthz").header("authorization", format!("Bearer {token}"));
        assert_eq!(gate.http1().send(request).unwrap().status, 200);
    };
    get();
    get();
    gate.expect_accounted(2);
    gate.envoy.admin_post("/logging?wasm=trace").unwrap();
    (0..requests).for_each(|_| get());
    let is_told = |envoy: &Envoy| told(&envoy.log()).len() == requests;
    assert!(gate.envoy.wait_for(is_told, SOON), "the last request is not over");
    told(&gate.envoy.log())
}

/// The calls of each request in a trace that is over, of the worker that has the first. Ticks, and what other threads do meanwhile, are not
/// its own.
fn told(log: &str) -> Vec<Vec<String>> {
    let (mut requests, mut calls, mut thread) = (Vec::new(), Vec::new(), None);
    let (mut ticks, mut is_open) = (false, false);
    for line in log.lines() {
        let own = line.split("][").nth(1);
        let begins = line.contains("[host->vm] proxy_on_request_headers(");
        if begins {
            thread = thread.or(own);
        }
        if thread.is_none() || thread != own {
            continue;
        }
        is_open |= begins;
        if line.contains("proxy_on_tick") {
            ticks = line.contains("[host->vm]");
        } else if line.contains("[host->vm] proxy_on_delete(") {
            requests.push(std::mem::take(&mut calls));
            is_open = false;
        } else if let Some((_, call)) = line.split_once("[vm->host] env.").filter(|_| is_open && !ticks) {
            calls.extend(call.split('(').next().map(str::to_owned));
        }
    }
    requests
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

/// Each actor that is counted has one read and one write, each that is remembered one read for all stages and one write when the answer is
/// there. What all callers do is read a few times a second, and some requests teach others, so the shortest of some counts.
#[test]
fn every_stage() {
    let (gate, token) = gate(json!({
        "routes": [{"name": "health", "path": "/{id}"}],
        "limits": [limit("source", json!(["source"]))],
        "inspect": {},
        "rules": [{"name": "often", "require": "count(actor.source, duration('10s')) < 1000000"}],
        "workflows": [{"name": "look", "per": "source", "steps": [{"name": "look", "routes": ["health"]}]}],
        "objects": {"kinds": [{"name": "orders", "routes": ["health"], "id": "path:id"}]},
        "anomaly": {"interval": "1h"},
        "behaviour": {},
        "exposure": {},
    }));
    let mut shortest = traced(&gate, &token, 5).into_iter().min_by_key(Vec::len).unwrap_or_default();
    // How often these are asked for depends on the pieces that the answer comes in.
    shortest.retain(|call| ![CLOCK, BODY].contains(&call.as_str()));
    let (limit, rule) = ([READ, WRITE], [READ, WRITE]);
    // The source is looked at by workflows and behaviour, the subject by objects, anomaly and behaviour.
    let head = [&[HEADERS, PROPERTY][..], &limit, &rule, &[READ, READ]].concat();
    let answer = [HEADERS, WRITE];
    let end = [PROPERTY, PROPERTY, WRITE, COUNT, COUNT, COUNT, RECORD, VERDICT];
    assert_eq!(shortest, [&head[..], &answer, &end].concat());
}
