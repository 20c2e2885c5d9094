//! The uses of one token are compared over all workers, by the address that Envoy sees.

use super::{code, demo_issuer, enforcing, request_id, Gate};
use portcullis_lab::client::{Client, Request, Response};
use portcullis_lab::tokens::{Algorithm, Issuer, Spec};
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Barrier;

const WORKERS: u32 = 4;

/// So many connections that no worker has none.
const CONNECTIONS: usize = 24;

const ELSEWHERE: &str = "127.0.9.9";

fn gate(usage: Value, checks: Value) -> Gate {
    let identity = json!({"issuers": [demo_issuer()], "usage": usage});
    let routes = json!([{"name": "echo", "path": "/echo"}]);
    let more = json!({"routes": routes, "identity": identity, "checks": checks, "telemetry": {"allow_sample": 1}});
    Gate::start_with(&enforcing(more), |bootstrap| bootstrap.concurrency(WORKERS))
}

fn token() -> String {
    Issuer::demo().mint(&Spec::new(Algorithm::ES256, Issuer::demo().claims("ada")))
}

fn use_once(client: &Client, token: &str) -> Response {
    client.send(Request::get("/echo").bearer(token)).unwrap()
}

fn outcome(answer: &Response) -> String {
    if answer.status == 200 {
        "passed".to_owned()
    } else {
        code(answer)
    }
}

fn clients(gate: &Gate, source: Option<&str>) -> Vec<Client> {
    let source: Option<IpAddr> = source.map(|source| source.parse().unwrap());
    let client = |number: usize| {
        let client = if number.is_multiple_of(2) { gate.http1() } else { gate.http2() };
        match source {
            Some(source) => client.from(source),
            None => client,
        }
    };
    (0..CONNECTIONS).map(client).collect()
}

#[test]
fn uses_at_once_over_many_connections_are_counted_to_the_unit() {
    let gate = gate(json!({"uses_max": 50}), json!([{"id": "token.usage.count", "effect": "refuse"}]));
    let (token, clients) = (token(), clients(&gate, None));
    let start = Barrier::new(clients.len());
    let outcomes: Vec<String> = std::thread::scope(|scope| {
        let send = |client| {
            let (token, start) = (&token, &start);
            scope.spawn(move || {
                start.wait();
                (0..10).map(|_| outcome(&use_once(client, token))).collect::<Vec<_>>()
            })
        };
        let threads: Vec<_> = clients.iter().map(send).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for outcome in &outcomes {
        *counted.entry(outcome).or_default() += 1;
    }
    assert_eq!(counted, BTreeMap::from([("passed", 50), ("usage_count", CONNECTIONS * 10 - 50)]));
    assert_eq!(outcome(&use_once(&clients[0], &self::token())), "passed", "another token");
    gate.expect_unharmed();
}

#[test]
fn a_token_in_two_networks_is_seen_by_every_worker() {
    let gate = gate(json!({}), json!([{"id": "token.usage.address", "effect": "refuse"}]));
    let (token, home, elsewhere) = (token(), clients(&gate, None), clients(&gate, Some(ELSEWHERE)));
    for client in &home {
        assert_eq!(outcome(&use_once(client, &token)), "passed");
    }
    for client in elsewhere.iter().chain(&home) {
        assert_eq!(outcome(&use_once(client, &token)), "usage_address");
    }
    assert_eq!(outcome(&use_once(&elsewhere[0], &self::token())), "passed", "another token");
    gate.expect_unharmed();
}

/// The module computes with other floating-point functions than the tests do.
#[test]
fn a_journey_that_is_too_fast_challenges() {
    let gate = gate(json!({}), json!([]));
    let (token, client) = (token(), gate.http1());
    let from = |latitude: &str, longitude: &str| {
        let request = Request::get("/echo").bearer(&token);
        let request = request.header("x-geo-latitude", latitude).header("x-geo-longitude", longitude);
        client.send(request).unwrap()
    };
    assert_eq!(from("47.3769", "8.5417").status, 200);
    assert_eq!(from("46.9480", "7.4474").status, 200, "95 km");
    for garbage in ["", "NaN", "1e2", "999", "47,3", "\u{661}"] {
        assert_eq!(from(garbage, "8.5417").status, 200, "{garbage}");
    }
    let far = from("40.7128", "-74.0060");
    assert_eq!((far.status, code(&far).as_str()), (401, "step_up_required"));
    let receipt = gate.receipt(&request_id(&far));
    assert_eq!(receipt["portcullis.findings"][0]["check"], "token.usage.travel");
    gate.expect_unharmed();
}
