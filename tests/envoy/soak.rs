//! Mixed traffic for minutes, while everything around the filter changes: its configuration, the issuer's keys, the service.
//!
//! `make soak` (`SOAK_SECONDS`, 600 unless given). Several workers get good requests, bodies, attacks, floods of strangers and
//! bad tokens over HTTP/1.1 and HTTP/2. Every few seconds the configuration is replaced, the issuer changes its keys or fails,
//! and the service is gone for a moment. What must hold: no 5xx is the filter's, memory stays where it was, nothing panics.
//!
//! Bounds: one client a thread, each waiting for its answer. Not covered: loads beyond what these clients send.

use super::{code, enforcing, Gate, Scratch, Stop, SOON};
use portcullis::finding::{Check, Family};
use portcullis::stages::CHECKS;
use portcullis_lab::client::{Client, Request};
use portcullis_lab::service::{Answer, Service};
use portcullis_lab::tokens::{Algorithm, Issuer, Spec};
use portcullis_lab::upstream::Upstream;
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

const WORKERS: u32 = 3;
const CLIENTS: usize = 6;

/// Time between two disturbances.
const CALM: Duration = Duration::from_secs(4);

/// What memory may vary by, in bytes.
const VARIATION: u64 = 24 << 20;

/// Keys that the issuer serves at a time. Those of ES256 are always among them.
const KEY_SETS: [&[Algorithm]; 3] =
    [&[Algorithm::ES256], &[Algorithm::ES256, Algorithm::RS256], &[Algorithm::ES256, Algorithm::EdDSA]];

#[test]
#[ignore = "takes minutes: make soak"]
fn mixed_traffic_reloads_rotations_and_failures() {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    let (began, lasts) = (Instant::now(), Duration::from_secs(seconds));
    let turn = Arc::new(AtomicUsize::new(0));
    let issuer = issuer(&turn);
    let scratch = Scratch::new();
    let mut upstream = Some(Upstream::start());
    let address = upstream.as_ref().unwrap().address();
    let mut gate = Gate::start_with(&config(0), |bootstrap| {
        let bootstrap = bootstrap.concurrency(WORKERS).cluster("issuer", issuer.address()).ecds(&scratch.0);
        bootstrap.upstream(address).edit(log_failures_alone)
    });
    let stopped = AtomicBool::new(false);
    let (mut memory, mut reloads) = (Vec::new(), 0_u64);
    let counted = std::thread::scope(|scope| {
        let stop = Stop(&stopped);
        let (server, stopped) = (gate.envoy.address(), &stopped);
        let threads: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let client = if number % 2 == 0 { Client::http1(server) } else { Client::http2(server) };
                scope.spawn(move || send(&client, number, stopped))
            })
            .collect();
        while began.elapsed() < lasts {
            std::thread::sleep(CALM);
            memory.push(gate.envoy.rss_bytes().unwrap());
            match turn.fetch_add(1, Ordering::SeqCst) % 3 {
                0 => {
                    reloads += 1;
                    gate.envoy.push_filter_config(&config(reloads).to_string()).unwrap();
                }
                1 => {
                    drop(upstream.take());
                    std::thread::sleep(Duration::from_millis(500));
                    upstream = Some(Upstream::bind(address).unwrap());
                }
                // The issuer's keys have changed with the turn.
                _ => {}
            }
        }
        drop(stop);
        let mut counted: BTreeMap<String, u64> = BTreeMap::new();
        for thread in threads {
            thread
                .join()
                .unwrap()
                .into_iter()
                .for_each(|(what, times)| *counted.entry(what).or_default() += times);
        }
        counted
    });
    gate.upstream = upstream.unwrap();
    let (early, late) = (quarter(&memory, 1), quarter(&memory, 3));
    let sent: u64 = counted.values().sum();
    println!(
        "{sent} requests in {:.0?} to {WORKERS} workers, {reloads} reloads: {counted:#?}\nMiB by time: {:?}",
        began.elapsed(),
        memory.iter().map(|bytes| bytes >> 20).collect::<Vec<_>>()
    );
    assert!(late <= early + VARIATION, "from {early} to {late} bytes");
    let ours: Vec<_> = counted.keys().filter(|what| what.starts_with("5") && what.contains(' ')).collect();
    assert!(ours.is_empty(), "the filter's own: {ours:?}");
    // What the service answered, whatever it was.
    let passed: u64 = ["200", "201", "404"].iter().filter_map(|status| counted.get(*status)).sum();
    assert!(passed > sent / 3, "hardly anything passed");
    let stat = "extension_config_discovery.http_filter.portcullis.update_success";
    assert!(gate.envoy.wait_for(|envoy| envoy.stats().get(stat) == Some(&(reloads + 1)), SOON));
    gate.expect_unharmed();
}

/// The mean of a quarter of what was measured.
fn quarter(memory: &[u64], which: usize) -> u64 {
    let part = &memory[memory.len() * which / 4..memory.len() * (which + 1) / 4];
    part.iter().sum::<u64>() / part.len() as u64
}

/// An issuer whose keys change with the turn, and which fails now and then.
fn issuer(turn: &Arc<AtomicUsize>) -> Service {
    let turn = Arc::clone(turn);
    Service::start(move |_| {
        let turn = turn.load(Ordering::SeqCst);
        if turn % 5 == 4 {
            return Answer::status(500);
        }
        let mut set = Issuer::demo().jwks();
        let wanted: Vec<String> =
            KEY_SETS[turn % KEY_SETS.len()].iter().map(|algorithm| algorithm.kid()).collect();
        set["keys"].as_array_mut().unwrap().retain(|key| wanted.iter().any(|kid| key["kid"] == kid.as_str()));
        Answer::body(set.to_string())
    })
    .unwrap()
}

/// Everything on, and something different each time. What is said of an actor over several requests is noted only: good and bad
/// come from one address here, and nobody would pass.
fn config(number: u64) -> Value {
    let of_actors = |check: &&&Check| matches!(check.family, Family::Behaviour | Family::Anomaly);
    let noted = CHECKS.iter().filter(of_actors).map(|check| json!({"id": check.id, "mode": "monitor"}));
    let noted: Vec<_> = noted.collect();
    let demo = Issuer::demo();
    let keys = json!({"cluster": "issuer", "uri": "https://id.demo.portcullis/jwks.json", "refresh": "10s"});
    enforcing(json!({
        "routes": [
            {"name": "orders", "path": "/api/orders", "methods": ["GET", "POST"]},
            {"name": "order", "path": "/api/orders/{id}"},
            {"name": "health", "path": "/healthz"},
            {"name": "login", "path": "/login", "methods": ["POST"]},
        ],
        "identity": {
            "issuers": [{"issuer": demo.url(), "audiences": [demo.audience()], "jwks_from": keys}],
            "requirements": [{"routes": ["health", "login"], "token": "ignored"}],
            "default": "optional",
        },
        "memory": {"budget": "2MiB"},
        "limits": [
            {"name": "source", "key": ["source"], "limit": 1_000_000_000 + number, "window": "1h"},
            {"name": "client", "key": ["header:x-client"], "limit": 1_000_000, "window": "1m", "algorithm": "sliding_window"},
        ],
        "inspect": {},
        "rules": [{"name": "small", "routes": ["orders"], "require": "request.method == 'GET' || size(body.items) < 9"}],
        "objects": {"kinds": [{"name": "orders", "routes": ["order"], "id": "path:id"}]},
        "anomaly": {},
        "behaviour": {"logins": [{"routes": ["login"], "account": "body:user"}]},
        "exposure": {},
        "checks": noted,
        "telemetry": {"allow_sample": 0.001},
    }))
}

/// Sends what clients send until it is told to stop; counts the statuses, those of refusals with their code.
fn send(client: &Client, number: usize, stopped: &AtomicBool) -> BTreeMap<String, u64> {
    let demo = Issuer::demo();
    let token = |algorithm| demo.mint(&Spec::new(algorithm, demo.claims(&format!("client-{number}"))));
    let tokens = [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA].map(token);
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    let mut sent = 0_usize;
    while !stopped.load(Ordering::SeqCst) {
        sent += 1;
        let request = match sent % 20 {
            0 => Request::post("/api/orders").json(&json!({"items": [{"id": "p-1", "note": "' or 1=1 --"}]})),
            1 => Request::get("/api/orders/o-1001?q=%3Cscript%3Ealert(1)%3C/script%3E"),
            2 => Request::get("/api/%2e%2e/orders"),
            3 => Request::get("/healthz").header("x-client", format!("stranger-{number}-{sent}")),
            4 => Request::post("/login").json(&json!({"user": format!("u{}", sent % 999), "password": "wrong"})),
            5 => Request::get("/api/orders/o-1001").bearer(tokens[1].clone()),
            6 => Request::get("/api/orders/o-1001").bearer(tokens[2].clone()),
            7 => Request::get("/api/orders/o-1001").bearer("a.b.c"),
            8..=10 => Request::post("/api/orders").json(&json!({"items": [{"id": "p-1", "quantity": 2}]})),
            11 => Request::post("/api/orders").json(&json!({"items": [], "note": "x".repeat(40_000)})),
            _ => Request::get(&format!("/api/orders/o-{}", 1000 + sent % 7)).bearer(tokens[0].clone()),
        };
        let what = match client.send(request) {
            // Envoy's own and the service's answers have no code.
            Ok(answer) if answer.json().is_ok_and(|problem| problem["code"].is_string()) => {
                format!("{} {}", answer.status, code(&answer))
            }
            Ok(answer) => answer.status.to_string(),
            Err(_) => "cut off".to_owned(),
        };
        *counted.entry(what).or_default() += 1;
    }
    counted
}

/// Of the rest there would be too many lines.
fn log_failures_alone(document: &mut Value) {
    let log = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/access_log/0";
    let failures = json!({"status_code_filter": {"comparison": {
        "op": "GE", "value": {"default_value": 500, "runtime_key": "portcullis.soak.failures"},
    }}});
    document.pointer_mut(log).expect("the shipped access log")["filter"] = failures;
    let listener = document.pointer_mut("/static_resources/listeners/0").expect("the shipped listener");
    listener["connection_balance_config"] = json!({"exact_balance": {}});
}
