//! A configuration with a fault never serves: Envoy does not start with it, or keeps the one before.
//!
//! The fault is named where the operator looks, with its place and the likely remedy, and changing a configuration
//! costs no request in flight. What counts as a fault is tested beside the parser; here stands a sample of each kind.

use super::{bootstrap, code, demo_issuer, enforcing, Gate, Scratch, Stop, PARAMETER, SOON};
use portcullis_lab::bootstrap::Bootstrap;
use portcullis_lab::client::{Client, Request};
use portcullis_lab::envoy::Envoy;
use serde_json::{json, Value};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Mutex;

const DISCOVERY: &str = "extension_config_discovery.http_filter.portcullis.";

/// An issuer with a key of its own that looks like `audiences`.
fn near_miss() -> Value {
    let mut issuer = demo_issuer();
    let fields = issuer.as_object_mut().unwrap();
    let audiences = fields.remove("audiences").unwrap();
    fields.insert("audiance".into(), audiences);
    enforcing(json!({"identity": {"issuers": [issuer]}}))
}

#[test]
fn a_fault_stops_envoy_from_starting_and_is_named() {
    let error = Envoy::start(&bootstrap(&near_miss())).map(|_| ()).unwrap_err();
    let said = format!("{error:#}");
    for part in ["identity.issuers[0].audiance", "unknown field `audiance`", "did you mean `audiences`?"] {
        assert!(said.contains(part), "{part} not in {said}");
    }
}

#[test]
fn validation_finds_what_a_start_would() {
    let (valid, said) = Envoy::validate(&bootstrap(&enforcing(json!({"identity": {"issuers": [demo_issuer()]}}))));
    assert!(valid, "{said}");
    let route = |name: &str| json!({"name": name, "path": "/a/{id}"});
    for (document, parts) in [
        (near_miss().to_string(), ["identity.issuers[0].audiance", "did you mean `audiences`?"]),
        (json!({"version": 2}).to_string(), ["refused: version", "this filter reads version 1"]),
        (enforcing(json!({"routes": [route("a"), route("b")]})).to_string(), ["routes[1].path", "`/a/{id}`"]),
        (r#"{"version": 1, "mode": "monitor", "mode": "enforce"}"#.into(), ["(document)", "duplicate key `mode`"]),
    ] {
        refuses(&Bootstrap::shipped().unwrap().filter_config(&document), &parts);
    }
}

#[test]
fn no_configuration_at_all_is_refused() {
    let config =
        "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config";
    let absent = Bootstrap::shipped().unwrap().edit(|document| {
        let config = document.pointer_mut(config).and_then(Value::as_object_mut);
        config.and_then(|config| config.remove("configuration")).expect("the shipped rules");
    });
    refuses(&absent, &["(document)", "empty"]);
}

/// Validation refuses the document, and everything the operator needs stands on one line of what it says.
fn refuses(bootstrap: &Bootstrap, parts: &[&str]) {
    let (valid, said) = Envoy::validate(bootstrap);
    assert!(!valid, "accepted, though {parts:?} was expected");
    let line = said.lines().find(|line| line.contains("portcullis: configuration refused: ")).unwrap_or(&said);
    for part in parts {
        assert!(line.contains(part), "{part} not in {line}");
    }
}

/// What one connection got, in order, while configurations came and went.
struct Load {
    stop: AtomicBool,
    /// Connections that have met the last configuration.
    moved: AtomicUsize,
    seen: Mutex<Vec<Vec<u16>>>,
}

impl Load {
    fn run(&self, client: &Client) {
        let mut seen = Vec::new();
        while !self.stop.load(Ordering::SeqCst) {
            // A failed exchange counts as the worst answer.
            let status = client.send(Request::get("/healthz")).map_or(599, |response| response.status);
            if status == 401 && !seen.contains(&401) {
                self.moved.fetch_add(1, Ordering::SeqCst);
            }
            seen.push(status);
        }
        self.seen.lock().unwrap().push(seen);
    }
}

#[test]
fn configurations_change_under_load_without_a_failed_request() {
    const CONNECTIONS: usize = 4;
    let scratch = Scratch::new();
    let open = enforcing(json!({}));
    let gate = Gate::start_with(&open, |bootstrap| bootstrap.concurrency(2).ecds(&scratch.0));
    let load = Load { stop: AtomicBool::new(false), moved: AtomicUsize::new(0), seen: Mutex::default() };
    let clients: Vec<_> = (0..CONNECTIONS).map(|_| gate.http1()).collect();
    std::thread::scope(|scope| {
        for client in &clients {
            scope.spawn(|| load.run(client));
        }
        let _stop = Stop(&load.stop);
        push_all(&gate, &load, CONNECTIONS);
    });
    for statuses in load.seen.into_inner().unwrap() {
        let change = statuses.iter().position(|status| *status == 401).expect("the last configuration came");
        assert!(statuses[..change].iter().all(|status| *status == 200), "before: {statuses:?}");
        assert!(statuses[change..].iter().all(|status| *status == 401), "after: {statuses:?}");
        assert!(change > 0 && statuses.len() > change, "requests ran before and after");
    }
    gate.expect_unharmed();
}

/// A bad configuration, the same again, then a good one.
fn push_all(gate: &Gate, load: &Load, connections: usize) {
    let reached = |counter: &str, count: u64| {
        let stat = format!("{DISCOVERY}{counter}");
        let held = gate.envoy.wait_for(|envoy| envoy.stats().get(&stat) == Some(&count), SOON);
        let stats: Vec<_> =
            gate.envoy.stats().into_iter().filter(|(name, _)| name.starts_with(DISCOVERY)).collect();
        assert!(held, "{counter} is not {count}: {stats:?}\n{}", gate.envoy.log());
    };
    reached("update_success", 1);
    // Envoy knows the second one by its hash: it asks nobody, keeps what it has and counts a success.
    for (counter, count) in [("update_rejected", 1), ("update_success", 2)] {
        gate.envoy.push_filter_config(&near_miss().to_string()).unwrap();
        reached(counter, count);
        let refused = gate.http1().send(Request::get(PARAMETER)).unwrap();
        assert_eq!((refused.status, code(&refused)), (400, "path_parameter".to_owned()), "the old rules hold");
        assert_eq!(gate.http1().send(Request::get("/healthz")).unwrap().status, 200);
    }
    assert!(gate.envoy.log().contains("did you mean `audiences`?"), "{}", gate.envoy.log());
    let closed = enforcing(json!({"identity": {"issuers": [demo_issuer()]}}));
    gate.envoy.push_filter_config(&closed.to_string()).unwrap();
    reached("update_success", 3);
    let all_moved = gate.envoy.wait_for(|_| load.moved.load(Ordering::SeqCst) == connections, SOON);
    assert!(all_moved, "every connection meets the new rules");
}
