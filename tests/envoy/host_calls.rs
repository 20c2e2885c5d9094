//! What a request asks of Envoy: each call into the host costs, so those of the fast path are pinned here one by one.
//!
//! Envoy itself tells of every call (`/logging?wasm=trace`). `docs/cost.md` says what each is for. A call that is not listed
//! makes every request dearer, so who adds one has to change this file and that page.

use super::{demo_issuer, enforcing, Gate, SOON};
use portcullis::metrics::batch::INTERVAL;
use portcullis_lab::client::{Client, Request};
use portcullis_lab::tokens::{Issuer, Spec};
use serde_json::{json, Value};
use std::time::Duration;

const CLOCK: &str = "proxy_get_current_time_nanoseconds";
const BODY: &str = "proxy_get_buffer_bytes";
const HEADERS: &str = "proxy_get_header_map_pairs";
const PROPERTY: &str = "proxy_get_property";
const READ: &str = "proxy_get_shared_data";
const WRITE: &str = "proxy_set_shared_data";
const COUNT: &str = "proxy_increment_metric";
const RECORD: &str = "proxy_record_metric";
const VERDICT: &str = "proxy_set_property";
const TICK: &str = "proxy_set_tick_period_milliseconds";

/// A client that has been here before, and the trace of what its requests ask of Envoy.
struct Traced {
    gate: Gate,
    client: Client,
    token: String,
}

impl Traced {
    fn start(more: Value) -> Self {
        let (gate, token) = gate(more);
        let traced = Self { client: gate.http1(), gate, token };
        traced.get();
        traced.get();
        // Nothing of them is left to hand over.
        traced.gate.expect_accounted(2);
        traced.gate.envoy.admin_post("/logging?wasm=trace").unwrap();
        traced
    }

    fn get(&self) {
        assert_eq!(self.client.send(Request::get("/healthz").bearer(&self.token)).unwrap().status, 200);
    }

    /// The calls of each request so far, in their order.
    fn calls(&self) -> Vec<Vec<String>> {
        told(&self.gate.envoy.log())
    }

    /// The calls of a request for so long after the others that it hands over what it counts.
    fn after_a_pause(&self) -> Vec<String> {
        std::thread::sleep(2 * Duration::from_millis(INTERVAL.as_u64()));
        let before = self.calls().len();
        self.get();
        assert!(self.gate.envoy.wait_for(|_| self.calls().len() > before, SOON), "the request is not over");
        self.calls().swap_remove(before)
    }

    /// Sends requests one right after another until one of them makes these calls alone. All others make them too, and tell Envoy
    /// of statistics or lease units besides, as some of many do; on a busy machine what comes right after another may come late.
    fn expect_at_speed(&self, expected: &[&str]) {
        let before = self.calls().len();
        let is_there = || self.calls().iter().skip(before).any(|calls| calls == expected);
        let send = || (0..20).for_each(|_| self.get());
        assert!(self.gate.envoy.wait_for(|_| (send(), is_there()).1, SOON), "{:#?}", self.calls());
        // One in some, too, is measured, and looks at the clock once more.
        for calls in self.calls().into_iter().skip(before) {
            let of_some = [COUNT, RECORD, TICK, READ, WRITE, CLOCK];
            let others = |calls: &[&str]| -> Vec<String> {
                calls.iter().filter(|call| !of_some.contains(call)).map(|call| (*call).to_owned()).collect()
            };
            let made: Vec<&str> = calls.iter().map(String::as_str).collect();
            assert_eq!(others(&made), others(expected), "{calls:?}");
            assert!(made.iter().filter(|call| **call == CLOCK).count() <= 2, "{calls:?}");
        }
    }

    /// Sends requests until one of them makes these calls alone, but for those that depend on the pieces that its answer comes in.
    fn expect_among(&self, expected: &[&str]) {
        let pieces = [CLOCK, BODY];
        let without = |calls: &Vec<String>| {
            let rest = calls.iter().map(String::as_str).filter(|call| !pieces.contains(call));
            rest.eq(expected.iter().copied())
        };
        let is_there = || self.calls().iter().any(without);
        let send = || (0..20).for_each(|_| self.get());
        assert!(self.gate.envoy.wait_for(|_| (send(), is_there()).1, SOON), "{:#?}", self.calls());
    }
}

/// The calls of each request in a trace that is over. Ticks, and what other threads do meanwhile, are not its own.
fn told(log: &str) -> Vec<Vec<String>> {
    let (mut requests, mut calls, mut thread, mut ticks) = (Vec::new(), Vec::new(), None, false);
    for line in log.lines() {
        let own = line.split("][").nth(1);
        if line.contains("[host->vm] proxy_on_request_headers(") {
            thread = thread.or(own);
            calls.clear();
        } else if thread.is_none() || thread != own {
            continue;
        } else if line.contains("proxy_on_tick") {
            ticks = line.contains("[host->vm]");
        } else if line.contains("[host->vm] proxy_on_delete(") {
            requests.push(std::mem::take(&mut calls));
        } else if let Some((_, call)) = line.split_once("[vm->host] env.").filter(|_| !ticks) {
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
    let traced = Traced::start(json!({"limits": [limit("all", json!(["route"]))]}));
    // In the statistics: the request, the limit, the token.
    let expected = [CLOCK, HEADERS, READ, WRITE, CLOCK, COUNT, COUNT, COUNT, RECORD, VERDICT];
    assert_eq!(traced.after_a_pause(), expected);
    traced.expect_at_speed(&[CLOCK, HEADERS, VERDICT]);
}

/// The same where the access log prints the verdict only of what has a receipt.
#[test]
fn what_is_not_told_is_not_written() {
    let telemetry = json!({"access_log": "receipts"});
    let traced = Traced::start(json!({"limits": [limit("all", json!(["route"]))], "telemetry": telemetry}));
    traced.expect_at_speed(&[CLOCK, HEADERS]);
}

/// Nothing is asked twice: one look at the address, and one read and one write for each key that is counted, but for busy ones.
#[test]
fn three_limits_and_payloads() {
    let limits =
        [limit("a", json!(["source"])), limit("b", json!(["header:x-device-id"])), limit("c", json!(["source"]))];
    let traced = Traced::start(json!({"limits": limits, "inspect": {}}));
    let expected = [
        CLOCK, HEADERS, PROPERTY, READ, WRITE, READ, WRITE, READ, WRITE, CLOCK, COUNT, COUNT, COUNT, COUNT, COUNT,
        RECORD, VERDICT,
    ];
    assert_eq!(traced.after_a_pause(), expected);
    traced.expect_at_speed(&[CLOCK, HEADERS, PROPERTY, VERDICT]);
}

/// Each actor that is remembered has one read for all stages, and one write when the answer is there; each key that a rule counts under has
/// one read and one write. What all callers do is read a few times a second, and some requests teach others, so the shortest of some counts.
#[test]
fn every_stage() {
    let traced = Traced::start(json!({
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
    let rule = [READ, WRITE];
    // The source is looked at by workflows and behaviour, the subject by objects, anomaly and behaviour.
    let head = [&[HEADERS, PROPERTY][..], &rule, &[READ, READ]].concat();
    let (answer, end) = ([HEADERS, WRITE], [PROPERTY, PROPERTY, WRITE, VERDICT]);
    traced.expect_among(&[&head[..], &answer, &end].concat());
}
