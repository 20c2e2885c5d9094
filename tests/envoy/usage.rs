//! The uses of one token are compared over all workers, by the address that Envoy sees.

use super::crowd::{self, clients, flood, tally, told};
use super::{code, demo_issuer, request_id, Gate};
use portcullis_lab::client::{Client, Request, Response};
use serde_json::{json, Value};
use std::collections::BTreeMap;

const ELSEWHERE: &str = "127.0.9.9";

fn gate(usage: Value, checks: Value) -> Gate {
    let identity = json!({"issuers": [demo_issuer()], "usage": usage});
    let routes = json!([{"name": "echo", "path": "/echo"}]);
    crowd::gate(
        json!({"routes": routes, "identity": identity, "checks": checks, "telemetry": {"allow_sample": 1}}),
    )
}

fn token() -> String {
    crowd::token("ada", json!({}))
}

fn use_once(client: &Client, token: &str) -> Response {
    client.send(Request::get("/echo").bearer(token)).unwrap()
}

#[test]
fn uses_at_once_over_many_connections_are_counted_to_the_unit() {
    let gate = gate(json!({"uses_max": 50}), json!([{"id": "token.usage.count", "effect": "refuse"}]));
    let (token, clients) = (token(), clients(&gate, None));
    let answers = flood(&clients, 240, |_| Request::get("/echo").bearer(&token));
    let expected = BTreeMap::from([("200".to_owned(), 50), ("usage_count".to_owned(), 190)]);
    assert_eq!(tally(&answers), expected);
    assert_eq!(told(&use_once(&clients[0], &self::token())), "200", "another token");
    gate.expect_unharmed();
}

#[test]
fn a_token_in_two_networks_is_seen_by_every_worker() {
    let gate = gate(json!({}), json!([{"id": "token.usage.address", "effect": "refuse"}]));
    let (token, home, elsewhere) = (token(), clients(&gate, None), clients(&gate, Some(ELSEWHERE)));
    for client in &home {
        assert_eq!(told(&use_once(client, &token)), "200");
    }
    for client in elsewhere.iter().chain(&home) {
        assert_eq!(told(&use_once(client, &token)), "usage_address");
    }
    assert_eq!(told(&use_once(&elsewhere[0], &self::token())), "200", "another token");
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
