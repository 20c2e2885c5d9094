//! Limits that several Envoys share: two Envoys, one service, one Redis; and what happens when one of them is away.
//!
//! The service is the laboratory's own, which speaks the protocol of envoyproxy/ratelimit and counts in a real Redis. Not
//! covered: envoyproxy/ratelimit itself.

use super::{bootstrap, code, echoed, enforcing, Gate, Scratch, Wire, SOON};
use portcullis_lab::bootstrap::Bootstrap;
use portcullis_lab::client::{Client, Request, Response};
use portcullis_lab::envoy::Envoy;
use portcullis_lab::ratelimit::{Misbehaviour, RateLimitService};
use portcullis_lab::redis::Redis;
use portcullis_lab::upstream::Upstream;
use serde_json::{json, Value};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Units a day. Windows begin at midnight (UTC), and no test lasts long.
const LIMIT: u64 = 20;

fn config(mode: &str, more: Value) -> Value {
    let mut fleet = json!({"cluster": "ratelimit", "secret": "shared", "timeout": "5s", "sync_interval": "100ms"});
    fleet.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let limit = json!({
        "name": "fleet", "routes": ["echo"], "key": ["header:x-client"], "algorithm": "fixed_window",
        "limit": LIMIT, "window": "1d", "fleet": mode,
    });
    enforcing(json!({
        "routes": [{"name": "echo", "path": "/echo"}, {"name": "health", "path": "/healthz"}],
        "fleet": fleet,
        "limits": [limit],
        "telemetry": {"allow_sample": 1.0},
    }))
}

fn start(config: &Value, service: SocketAddr, workers: u32) -> Gate {
    Gate::start_with(config, |bootstrap| bootstrap.concurrency(workers).ratelimit(service).unwrap())
}

/// A Redis and the service before it.
fn fleet() -> (Redis, RateLimitService) {
    let redis = Redis::start().unwrap();
    let service = RateLimitService::start(redis.address()).unwrap();
    (redis, service)
}

fn hit(client: &Client, who: &str) -> Response {
    client.send(Request::get("/echo").header("x-client", who)).unwrap()
}

fn passed(response: &Response) -> bool {
    match response.status {
        200 => true,
        429 => false,
        other => panic!("{other}: {}", response.text()),
    }
}

fn reports(envoy: &Envoy, event: &str) -> u64 {
    let name = format!("wasmcustom.event=.={event};.;portcullis_fleet_reports_total");
    envoy.stats().get(&name).copied().unwrap_or_default()
}

/// The findings of an answered request, from its receipt.
fn findings(gate: &Gate, response: &Response) -> Vec<String> {
    let receipt = gate.receipt(response.header("x-request-id").unwrap());
    let findings = receipt["portcullis.findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["check"].as_str().unwrap().to_owned()).collect()
}

fn naming_requests(bootstrap: Bootstrap) -> Bootstrap {
    bootstrap.edit(|document| {
        let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
        document.pointer_mut(manager).unwrap()["always_set_request_id_in_response"] = true.into();
    })
}

#[test]
fn a_strict_limit_holds_exactly_over_two_envoys() {
    let (_redis, service) = fleet();
    let gates = [(); 2].map(|()| start(&config("strict", json!({})), service.address(), 2));
    for who in ["ada", "grace"] {
        let total: usize = std::thread::scope(|scope| {
            let senders: Vec<_> = gates
                .iter()
                .flat_map(|gate| [gate.http1(), gate.http1(), gate.http2()])
                .map(|client| scope.spawn(move || (0..15).filter(|_| passed(&hit(&client, who))).count()))
                .collect();
            senders.into_iter().map(|sender| sender.join().unwrap()).sum()
        });
        assert_eq!(total, 20, "{who}");
    }
    // Whoever is refused by the fleet is told so; whoever has used up this Envoy's own count is not asked for any more.
    let refused = hit(&gates[0].http1(), "ada");
    assert!(refused.header("retry-after").is_some() && refused.header("ratelimit").is_some());
    let asked = service.requests();
    assert!((40..=180).contains(&asked), "{asked}");
    gates.iter().for_each(Gate::expect_unharmed);
}

#[test]
fn a_synced_limit_overshoots_no_more_than_promised() {
    const PER_ROUND: usize = 3;
    let (_redis, service) = fleet();
    let gates = [(); 2].map(|()| start(&config("synced", json!({})), service.address(), 1));
    let clients = gates.each_ref().map(Gate::http1);
    let mut total = 0;
    loop {
        // What was let through before has been reported by both, and each report's answer tells of the other's.
        let round =
            clients.each_ref().map(|client| (0..PER_ROUND).filter(|_| passed(&hit(client, "ada"))).count());
        if round == [0, 0] {
            break;
        }
        total += round.iter().sum::<usize>();
        let counted = u64::try_from(total).unwrap();
        assert!(gates[0].envoy.wait_for(|_| service.hits() == counted, SOON), "what was let through is reported");
        let answered =
            || gates.iter().map(|gate| reports(&gate.envoy, "reported")).sum::<u64>() >= service.requests();
        assert!(gates[0].envoy.wait_for(|_| answered(), SOON), "and answered");
    }
    let most = usize::try_from(LIMIT).unwrap() + 2 * PER_ROUND;
    assert!((20..=most).contains(&total), "{total} passed");
    gates.iter().for_each(Gate::expect_unharmed);
}

#[test]
fn what_is_not_reported_yet_outlives_a_change_of_the_configuration() {
    let (_redis, service) = fleet();
    let scratch = Scratch::new();
    let before = config("synced", json!({"sync_interval": "3s"}));
    let gate =
        Gate::start_with(&before, |bootstrap| bootstrap.ecds(&scratch.0).ratelimit(service.address()).unwrap());
    let client = gate.http1();
    // Ticks are a hundred milliseconds apart: the first report is over before the hits that matter.
    assert!(passed(&hit(&client, "early")));
    assert!(gate.envoy.wait_for(|_| service.requests() == 1, SOON));
    assert_eq!((0..LIMIT).filter(|_| passed(&hit(&client, "ada"))).count(), 20);
    let mut after = before;
    after["telemetry"]["allow_sample"] = json!(0.5);
    gate.envoy.push_filter_config(&after.to_string()).unwrap();
    assert!(gate.envoy.wait_for(|_| service.requests() > 1, SOON), "{}", gate.envoy.log());
    let other = start(&config("strict", json!({})), service.address(), 1);
    assert!(!passed(&hit(&other.http1(), "ada")), "the fleet knows of all twenty");
}

#[test]
fn a_service_that_is_away_hangs_nobody_and_costs_no_count() {
    let (mut redis, mut service) = fleet();
    let address = service.address();
    let gate = Gate::start_with(&config("strict", json!({"timeout": "200ms"})), |bootstrap| {
        naming_requests(bootstrap).ratelimit(address).unwrap()
    });
    let client = gate.http1();
    assert!(findings(&gate, &hit(&client, "ada")).is_empty());
    for misbehaviour in [Misbehaviour::Hang, Misbehaviour::Fail, Misbehaviour::Junk] {
        service.misbehave(misbehaviour);
        let response = hit(&client, "ada");
        assert!(passed(&response), "{misbehaviour:?}");
        assert_eq!(findings(&gate, &response), ["limits.fleet_unavailable"], "{misbehaviour:?}");
    }
    service.misbehave(Misbehaviour::None);
    redis.stop();
    assert_eq!(findings(&gate, &hit(&client, "ada")), ["limits.fleet_unavailable"], "without Redis");
    service.stop();
    assert_eq!(findings(&gate, &hit(&client, "ada")), ["limits.fleet_unavailable"], "without the service");
    // This Envoy's own count goes on: six have passed.
    let more = (0..LIMIT).filter(|_| passed(&hit(&client, "ada"))).count();
    assert_eq!(more, 14);
    // And the fleet's, as soon as it is back.
    let redis = Redis::bind(redis.address()).unwrap();
    let _service = RateLimitService::bind(address, redis.address()).unwrap();
    let back = gate.envoy.wait_for(|_| findings(&gate, &hit(&gate.http1(), "grace")).is_empty(), SOON);
    assert!(back, "{}", gate.envoy.log());
    gate.expect_unharmed();
}

#[test]
fn the_failure_policy_says_whether_the_own_count_is_enough() {
    let unreachable = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let closed = unreachable.local_addr().unwrap();
    drop(unreachable);
    let deny =
        config("strict", json!({"on_error": {"unavailable": "deny", "timeout": "challenge"}, "timeout": "100ms"}));
    let closed = start(&deny, closed, 1);
    let no_hosts = Gate::start_with(&deny, |bootstrap| {
        bootstrap.edit(|document| {
            let clusters =
                document.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut).unwrap();
            clusters.push(
                json!({"name": "ratelimit", "type": "STATIC", "load_assignment": {"cluster_name": "ratelimit"}}),
            );
        })
    });
    let unknown = Gate::start(&deny);
    for (what, gate) in [("closed", &closed), ("without hosts", &no_hosts), ("unknown", &unknown)] {
        let refused = hit(&gate.http1(), "ada");
        assert_eq!((refused.status, code(&refused).as_str()), (503, "fleet_unavailable"), "{what}");
        assert_eq!(gate.upstream.hits(), 0, "{what}");
        gate.expect_unharmed();
    }
    let (_redis, service) = fleet();
    service.misbehave(Misbehaviour::Hang);
    let hanging = start(&deny, service.address(), 1);
    let challenged = hit(&hanging.http1(), "ada");
    assert_eq!(
        (challenged.status, code(&challenged).as_str()),
        (401, "step_up_required"),
        "{:?}",
        hanging.receipts()
    );
    hanging.expect_unharmed();
}

#[test]
fn bodies_and_trailers_wait_with_their_request() {
    let (_redis, service) = fleet();
    let gate = start(&config("strict", json!({})), service.address(), 1);
    for (protocol, client) in gate.both() {
        let request = Request::post("/echo").header("x-client", protocol).body(vec![b'x'; 30_000]);
        let whole = request.clone();
        let pieces = request.chunked(777).trailer("x-checksum", "42").trailer("x-portcullis-odd", "1");
        for round in 0..LIMIT / 2 {
            let answer = client.send(whole.clone()).unwrap().json().unwrap();
            assert_eq!(answer["body_length"], 30_000, "{protocol} {round}");
            let answer = client.send(pieces.clone()).unwrap().json().unwrap();
            assert_eq!(answer["body_length"], 30_000, "{protocol} {round}");
            assert_eq!(echoed(&answer, "trailers", "x-checksum"), ["42"], "{protocol} {round}");
            assert!(echoed(&answer, "trailers", "x-portcullis-odd").is_empty(), "{protocol} {round}");
        }
        let hits = gate.upstream.hits();
        for refused in [&whole, &pieces] {
            assert_eq!(client.send(refused.clone()).unwrap().status, 429, "{protocol}");
        }
        assert_eq!(gate.upstream.hits(), hits, "{protocol}");
    }
    gate.expect_unharmed();
}

#[test]
fn a_client_that_leaves_while_the_fleet_is_asked_is_accounted_for() {
    let (_redis, service) = fleet();
    service.misbehave(Misbehaviour::Hang);
    let gate = start(&config("strict", json!({"timeout": "10s"})), service.address(), 1);
    let mut wire = Wire::connect(gate.envoy.address());
    wire.write("GET /echo HTTP/1.1\r\nhost: a\r\nx-client: ada\r\n\r\n");
    assert!(gate.envoy.wait_for(|_| service.requests() == 1, SOON));
    drop(wire);
    gate.expect_accounted(1);
    assert_eq!(gate.upstream.hits(), 0);
    assert_eq!(gate.http1().send(Request::get("/healthz")).unwrap().status, 200);
    gate.expect_unharmed();
}

#[test]
fn a_service_killed_under_load_hangs_nobody() {
    let (mut redis, mut service) = fleet();
    let upstream = Upstream::start();
    let start = |mode: &str| {
        let rules = config(mode, json!({"timeout": "200ms"}));
        let bootstrap = bootstrap(&rules).upstream(upstream.address()).concurrency(2);
        Envoy::start(&bootstrap.ratelimit(service.address()).unwrap()).unwrap()
    };
    let envoys = [start("strict"), start("synced")];
    let gone = AtomicBool::new(false);
    // Sends until the service is gone, and some more; each key is new, so that there is always something to ask or to report.
    let sender = |client: Client| {
        let send = |request: u32| passed(&hit(&client, &request.to_string()));
        let before = (0..).take_while(|request| send(*request) && !gone.load(Ordering::SeqCst)).count();
        assert!((1_000_000..1_000_060).all(send), "every request has an answer, and passes");
        before
    };
    let before = std::thread::scope(|scope| {
        let clients =
            envoys.iter().flat_map(|envoy| [Client::http1(envoy.address()), Client::http2(envoy.address())]);
        let senders: Vec<_> = clients.map(|client| scope.spawn(|| sender(client))).collect();
        let asked = envoys[0].wait_for(|_| service.requests() > 5, SOON);
        redis.stop();
        service.stop();
        gone.store(true, Ordering::SeqCst);
        assert!(asked, "the service is asked before it goes");
        senders.into_iter().map(|sender| sender.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(before.iter().all(|sent| *sent > 0), "{before:?}");
    assert!(envoys[1].wait_for(|envoy| reports(envoy, "unavailable") + reports(envoy, "timeout") > 0, SOON));
}
