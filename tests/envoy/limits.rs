//! Limits are exact over all workers of a real Envoy, and stay so when it changes and when its memory is full.
//!
//! Connections are dealt out to the workers in turn, so each of them counts, and all at the same time. No test waits for
//! a window: token buckets refill once in hours, and the windows of the clock are [`LIFETIME`] long, so that none begins
//! while a test runs. The arithmetic itself is tested beside it (`crates/base/src/rate`), the memory in `tests/simulation.rs`.

use super::{code, enforcing, Gate, Scratch, SOON};
use portcullis_lab::bootstrap::Bootstrap;
use portcullis_lab::client::{Request, Response};
use portcullis_lab::flood::{flood, get};
use serde_json::{json, Value};
use std::cell::Cell;

/// Its first window began in 1970, the second one does in 2084.
const LIFETIME: &str = "1000000h";

const CONNECTIONS: usize = 16;

/// Sixteen connections to some workers, each worker with its share.
fn start(config: &Value, workers: u32) -> Gate {
    Gate::start_with(config, |bootstrap| bootstrap.balanced(workers))
}

fn config(limits: Value) -> Value {
    enforcing(json!({
        "routes": [
            {"name": "orders", "path": "/api/orders"},
            {"name": "products", "path": "/api/products"},
            {"name": "health", "path": "/healthz"},
            {"name": "hold", "path": "/hold"},
        ],
        "memory": {"budget": "1MiB"},
        "limits": limits,
    }))
}

/// A limit under the header field `x-client`, on some routes.
fn limit(name: &str, algorithm: &str, limit: u64, routes: Value) -> Value {
    let window = if matches!(algorithm, "token_bucket" | "concurrency") { "1d" } else { LIFETIME };
    json!({"name": name, "algorithm": algorithm, "limit": limit, "window": window, "routes": routes,
           "key": ["header:x-client"]})
}

impl Gate {
    /// Sends so many requests of one client and returns how many were answered 200; all others are refused with 429.
    fn passed(&self, path: &str, client: &str, requests: usize) -> usize {
        let statuses =
            flood(self.envoy.address(), CONNECTIONS, requests, |_| get(path, "x-client", client)).unwrap();
        let count = |status: u16| statuses.iter().filter(|other| **other == status).count();
        assert_eq!(count(200) + count(429), requests, "{statuses:?}\n{}", self.envoy.log());
        count(200)
    }

    /// One counter of what a limit said.
    fn said(&self, limit: &str, decision: &str) -> u64 {
        let name = format!("wasmcustom.limit=.={limit};.;decision=.={decision};.;portcullis_limits_total");
        self.envoy.stats().get(&name).copied().unwrap_or_default()
    }

    fn memory_events(&self, event: &str) -> u64 {
        let name = format!("wasmcustom.event=.={event};.;portcullis_memory_events_total");
        self.envoy.stats().get(&name).copied().unwrap_or_default()
    }

    /// Every worker has had connections.
    fn expect_all_workers_used(&self, workers: usize) {
        let stats = self.envoy.stats();
        let used =
            stats.iter().filter(|(name, _)| name.contains(".worker_") && name.ends_with(".downstream_cx_total"));
        let used: Vec<_> = used.filter(|(_, count)| **count > 0).collect();
        assert_eq!(used.len(), workers, "{used:?}");
    }
}

/// Fifty clients, each twice as often as it may, on a path for each algorithm, all of it mixed over all workers.
#[test]
fn every_key_of_every_algorithm_gets_exactly_its_limit() {
    const KEYS: usize = 50;
    const LIMIT: usize = 12;
    let algorithms =
        [("/api/orders", "token_bucket"), ("/api/products", "sliding_window"), ("/healthz", "fixed_window")];
    let limits = [("orders", 0), ("products", 1), ("health", 2)]
        .map(|(route, at)| limit(algorithms[at].1, algorithms[at].1, LIMIT as u64, json!([route])));
    for workers in [2, 4] {
        let gate = start(&config(json!(limits)), workers);
        let kinds = KEYS * algorithms.len();
        let requests = 2 * LIMIT * kinds;
        let statuses = flood(gate.envoy.address(), CONNECTIONS, requests, |number| {
            let (path, key) = (algorithms[number % 3].0, number % kinds);
            get(path, "x-client", &format!("client-{key}"))
        });
        let mut passed = vec![0; kinds];
        for (number, status) in statuses.unwrap().into_iter().enumerate() {
            assert!(status == 200 || status == 429, "{status}");
            passed[number % kinds] += usize::from(status == 200);
        }
        assert_eq!(passed, vec![LIMIT; kinds], "{workers} workers");
        assert_eq!(gate.upstream.hits(), (LIMIT * kinds) as u64);
        gate.expect_accounted(requests as u64);
        for (_, name) in algorithms {
            let said = ["allow", "refuse", "would_refuse", "unknown"].map(|decision| gate.said(name, decision));
            assert_eq!(said, [(LIMIT * KEYS) as u64, (LIMIT * KEYS) as u64, 0, 0], "{name}, {workers} workers");
        }
        gate.expect_all_workers_used(workers as usize);
        gate.expect_unharmed();
    }
}

/// One client at its fastest: nothing is lost where all workers want the same record.
#[test]
fn one_hot_key_gets_exactly_its_limit() {
    const LIMIT: u64 = 1500;
    for workers in [2, 4] {
        let gate = start(&config(json!([limit("hot", "token_bucket", LIMIT, json!(["health"]))])), workers);
        assert_eq!(gate.passed("/healthz", "a", 3000), LIMIT as usize, "{workers} workers");
        gate.expect_accounted(3000);
        assert_eq!((gate.said("hot", "unknown"), gate.memory_events("junk")), (0, 0));
    }
}

#[test]
fn as_many_requests_are_in_flight_as_may_be() {
    const LIMIT: usize = 5;
    const CLIENTS: usize = 3;
    for workers in [2, 4] {
        let gate =
            start(&config(json!([limit("flights", "concurrency", LIMIT as u64, json!(["hold"]))])), workers);
        let client = gate.http1();
        let hold = |number: usize| {
            let request = Request::get("/hold").header("x-client", format!("client-{}", number % CLIENTS));
            client.send(request).unwrap().status
        };
        // Twice: what is over makes room, and no more than that.
        for round in 1..=2 {
            let statuses: Vec<u16> = std::thread::scope(|scope| {
                let asking: Vec<_> =
                    (0..3 * LIMIT * CLIENTS).map(|number| scope.spawn(move || hold(number))).collect();
                let refused = || asking.iter().filter(|thread| thread.is_finished()).count();
                let settled = || gate.upstream.held() as usize + refused() == asking.len();
                gate.envoy.wait_for(|_| settled(), SOON);
                assert_eq!((gate.upstream.held() as usize, refused()), (LIMIT * CLIENTS, 2 * LIMIT * CLIENTS));
                gate.upstream.release();
                asking.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            for key in 0..CLIENTS {
                let count =
                    |status| (key..statuses.len()).step_by(CLIENTS).filter(|at| statuses[*at] == status).count();
                assert_eq!((count(200), count(429)), (LIMIT, 2 * LIMIT), "client {key}, {workers} workers");
            }
            // Units are given back when a request is over for Envoy, a moment after its client knows.
            gate.expect_accounted((round * statuses.len()) as u64);
        }
        gate.expect_all_workers_used(workers as usize);
        gate.expect_unharmed();
    }
}

#[test]
fn a_client_that_leaves_gives_its_place_back() {
    let gate = start(&config(json!([limit("flights", "concurrency", 1, json!(["hold"]))])), 2);
    for round in 1..=3 {
        let mut wire = super::Wire::connect(gate.envoy.address());
        wire.write(get("/hold", "x-client", "a"));
        assert!(gate.envoy.wait_for(|_| gate.upstream.held() == 1, SOON), "round {round}");
        assert_eq!(gate.passed("/hold", "a", 4), 0);
        drop(wire);
        gate.expect_accounted(round * 5);
    }
}

/// Both workers lease units for requests of which none is over, and have nothing else to do then.
#[test]
fn what_an_idle_worker_has_leased_goes_back_soon() {
    const HELD: usize = 20;
    let mut config = config(json!([limit("busy", "fixed_window", 100_000, json!(["hold", "health"]))]));
    config["telemetry"]["limit_headers"] = json!(true);
    let gate = start(&config, 2);
    let mut wires: Vec<_> = (0..HELD).map(|_| super::Wire::connect(gate.envoy.address())).collect();
    wires.iter_mut().for_each(|wire| wire.write(get("/hold", "x-client", "a")));
    assert!(gate.envoy.wait_for(|_| gate.upstream.held() == HELD as u64, SOON));
    // Far less than the 5 s after which an idle worker ticks.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let answer = gate.http1().send(Request::get("/healthz").header("x-client", "a")).unwrap();
    let left = answer.header("ratelimit").unwrap();
    assert!(left.contains(&format!("r={};", 100_000 - HELD - 1)), "{left}");
}

#[test]
fn counts_survive_a_change_of_configuration() {
    let scratch = Scratch::new();
    let routes = || json!(["orders", "health"]);
    let before = config(json!([limit("plan", "fixed_window", 10, routes())]));
    let gate = Gate::start_with(&before, |bootstrap| bootstrap.balanced(2).ecds(&scratch.0));
    assert_eq!(gate.passed("/healthz", "a", 6), 6);
    let push = |limits: Value, updates: u64| {
        gate.envoy.push_filter_config(&config(limits).to_string()).unwrap();
        let stat = "extension_config_discovery.http_filter.portcullis.update_success";
        assert!(
            gate.envoy.wait_for(|envoy| envoy.stats().get(stat) == Some(&updates), SOON),
            "{}",
            gate.envoy.log()
        );
    };
    // Another limit before it, and the same one as it was.
    push(json!([limit("other", "token_bucket", 1000, routes()), limit("plan", "fixed_window", 10, routes())]), 2);
    assert_eq!(gate.passed("/healthz", "a", 20), 4);
    // More for the same name. A worker that has not followed yet refuses, and charges nothing.
    push(json!([limit("plan", "fixed_window", 13, routes())]), 3);
    let passed = Cell::new(0);
    let more = || passed.set(passed.get() + gate.passed("/healthz", "a", CONNECTIONS));
    gate.envoy.wait_for(
        |_| {
            more();
            passed.get() >= 3
        },
        SOON,
    );
    more();
    assert_eq!(passed.get(), 3);
    gate.expect_unharmed();
}

/// What a limit refuses is charged to none behind it, and what another check refuses to none at all.
#[test]
fn a_refused_request_is_not_charged() {
    let first = limit("first", "fixed_window", 2, json!(["orders"]));
    let second = limit("second", "fixed_window", 5, json!(["orders", "health"]));
    let gate = start(&config(json!([first, second])), 2);
    let client = gate.http1();
    for _ in 0..10 {
        let malformed = client.send(Request::get("/api/orders;a=b").header("x-client", "a")).unwrap();
        assert_eq!((malformed.status, code(&malformed).as_str()), (400, "path_parameter"));
    }
    assert_eq!(gate.passed("/api/orders", "a", 40), 2);
    assert_eq!(gate.passed("/healthz", "a", 40), 3, "the two that passed were charged to both");
    gate.expect_accounted(90);
    for (name, allowed, refused) in [("first", 2, 38), ("second", 5, 37)] {
        assert_eq!((gate.said(name, "allow"), gate.said(name, "refuse")), (allowed, refused), "{name}");
    }
}

#[test]
fn a_limit_in_monitor_mode_counts_and_refuses_nothing() {
    let mut watched = limit("watched", "sliding_window", 3, json!(["health"]));
    watched["mode"] = json!("monitor");
    let gate = start(&config(json!([watched, limit("held", "token_bucket", 8, json!(["health"]))])), 2);
    assert_eq!(gate.passed("/healthz", "a", 20), 8, "the other one holds");
    gate.expect_accounted(20);
    let said = |limit: &str| ["allow", "refuse", "would_refuse"].map(|decision| gate.said(limit, decision));
    assert_eq!((said("watched"), said("held")), ([3, 0, 17], [8, 12, 0]));
    let would = gate.receipts().iter().filter(|receipt| receipt["portcullis.would"] == "deny").count();
    assert_eq!(would, 17);
}

#[test]
fn a_refusal_says_what_there_is_and_when_to_come_back() {
    let limits = [("health", "fixed_window"), ("orders", "sliding_window"), ("products", "token_bucket")]
        .map(|(route, algorithm)| limit(route, algorithm, 2, json!([route])));
    let gate = start(&config(json!(limits)), 2);
    for (path, name, seconds) in [
        ("/healthz", "health", 3_600_000_000),
        ("/api/orders", "orders", 3_600_000_000),
        ("/api/products", "products", 86_400_u64),
    ] {
        assert_eq!(gate.passed(path, "a", 2), 2);
        for (protocol, client) in gate.both() {
            let refused = client.send(Request::get(path).header("x-client", "a")).unwrap();
            assert_eq!((refused.status, code(&refused).as_str()), (429, "rate_limited"), "{protocol}, {path}");
            assert_eq!(refused.header("ratelimit-policy"), Some(format!("\"{name}\";q=2;w={seconds}").as_str()));
            let left = refused.header("ratelimit").unwrap().to_owned();
            let reset: u64 = left.strip_prefix(&format!("\"{name}\";r=0;t=")).unwrap().parse().unwrap();
            let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
            assert!(wait > 0 && wait <= reset && wait <= 2 * seconds, "{path}: {wait} of {reset}");
        }
    }
}

#[test]
fn a_grpc_client_is_told_that_a_resource_is_exhausted() {
    let limits = json!([{"name": "calls", "key": ["header:x-client"], "limit": 1, "window": "1d"}]);
    let gate = Gate::start_with(&config(limits), |bootstrap| bootstrap.balanced(2).http2_upstream());
    let call = || -> Response {
        let ping =
            Request::post("/grpc.Demo/Ping").header("content-type", "application/grpc").header("te", "trailers");
        gate.http2().send(ping.header("x-client", "a").body([0; 5])).unwrap()
    };
    assert_eq!((call().status, call().status), (200, 200), "gRPC has its statuses elsewhere");
    let refused = call();
    assert_eq!((refused.header("grpc-status"), refused.body.len()), (Some("8"), 0));
    assert!(refused.header("grpc-message").unwrap().contains("rate_limited"));
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(gate.upstream.hits(), 1);
}

/// Envoy answers on this path itself, as fast as it can.
fn with_own_answer(bootstrap: Bootstrap) -> Bootstrap {
    let routes =
        "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes";
    bootstrap.balanced(2).edit(|document| {
        let own = json!({"match": {"prefix": "/own"}, "direct_response": {"status": 200, "body": {"inline_string": "ok"}}});
        let routes = document.pointer_mut(routes).and_then(Value::as_array_mut).expect("the shipped routes");
        routes.insert(0, own);
    })
}

/// Resident memory may move by this much while nothing is to grow: allocators keep what was freed.
const GROWTH_MAX_BYTES: u64 = 8 << 20;

struct Soak {
    budget: &'static str,
    /// More than there is room for.
    filling: usize,
    strangers: usize,
}

/// Sends a client more than it may, then strangers of which each sends once, and the client once more.
fn soak(soak: &Soak) {
    const LIMIT: u64 = 20;
    let mut config = config(json!([limit("clients", "token_bucket", LIMIT, json!(["unmatched"]))]));
    config["memory"]["budget"] = json!(soak.budget);
    let gate = Gate::start_with(&config, with_own_answer);
    let rss = || gate.envoy.rss_bytes().unwrap();
    let strangers = |from: usize, count: usize| {
        let statuses = flood(gate.envoy.address(), CONNECTIONS, count, |number| {
            get("/own", "x-client", &format!("stranger-{}", from + number))
        });
        let statuses = statuses.unwrap();
        let refused = statuses.iter().filter(|status| **status != 200).count();
        // Who is new where somebody else was crowded out begins with what that one owed: one of twenty units.
        assert_eq!(refused, 0, "strangers were refused");
    };
    let began = std::time::Instant::now();
    strangers(0, 1000);
    let before = rss();
    assert_eq!(gate.passed("/own", "heavy", 2 * LIMIT as usize), LIMIT as usize);
    strangers(1000, soak.filling);
    let (full, evicted) = (rss(), gate.memory_events("eviction"));
    assert!(evicted > 0, "there is room left");
    strangers(1000 + soak.filling, soak.strangers);
    let end = rss();
    assert_eq!(gate.passed("/own", "heavy", 2 * LIMIT as usize), 0, "the burst is back");
    println!(
        "{} budget, {} keys in {:.1?}: {} MiB at first, {} MiB when full, {} MiB at the end; {} evictions",
        soak.budget,
        1001 + soak.filling + soak.strangers,
        began.elapsed(),
        before >> 20,
        full >> 20,
        end >> 20,
        gate.memory_events("eviction"),
    );
    assert!(end <= full + GROWTH_MAX_BYTES, "from {full} to {end} bytes");
    assert_eq!(gate.memory_events("junk"), 0);
    gate.expect_unharmed();
}

#[test]
fn memory_stays_flat_when_the_tables_are_full() {
    soak(&Soak { budget: "1MiB", filling: 60_000, strangers: 140_000 });
}

/// `make soak`: the same with more memory and as many keys as fill it.
#[test]
#[ignore = "takes minutes: make soak"]
fn a_million_keys_and_more_take_no_more_memory() {
    soak(&Soak { budget: "16MiB", filling: 500_000, strangers: 1_000_000 });
}

/// Strangers who owe as much as the clients that were there first crowd these out. What the clients had used stays used.
#[test]
fn who_is_crowded_out_does_not_regain_its_burst() {
    const CLIENTS: usize = 100;
    let mut limit = limit("clients", "fixed_window", 20, json!(["unmatched"]));
    limit["cost"] = json!({"default": 1, "methods": {"POST": 9}});
    let gate = Gate::start_with(&config(json!([limit])), with_own_answer);
    let post = |name: String| {
        let head = format!("POST /own HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nx-client: {name}\r\n\r\n");
        head.into_bytes()
    };
    let send = |requests: usize, request: &(dyn Fn(usize) -> Vec<u8> + Sync)| {
        flood(gate.envoy.address(), CONNECTIONS, requests, request).unwrap()
    };
    let all_pass = |statuses: Vec<u16>| assert!(statuses.iter().all(|status| *status == 200));
    all_pass(send(CLIENTS, &|number| post(format!("client-{number}"))));
    all_pass(send(40_000, &|number| post(format!("stranger-{number}"))));
    // One after the other: newcomers would crowd out each other where all the others owe more (`crates/base/src/memory/bucket.rs`).
    let passed: Vec<usize> =
        (0..CLIENTS).map(|client| gate.passed("/own", &format!("client-{client}"), 20)).collect();
    // Eleven are left to who was not crowded out. A debt left behind is rounded up, sometimes twice, which tells who was.
    assert!(passed.iter().all(|passed| (9..=11).contains(passed)), "{passed:?}");
    assert!(passed.iter().filter(|passed| **passed < 11).count() > CLIENTS / 2, "hardly anybody: {passed:?}");
    assert!(gate.memory_events("eviction") > CLIENTS as u64);
    gate.expect_unharmed();
}
