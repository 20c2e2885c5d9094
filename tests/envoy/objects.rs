//! Whose objects are asked for, and how many, over two workers, many connections and the statuses that Envoy sees.

use super::crowd::{self, flood, token, told, CONNECTIONS};
use super::{demo_issuer, request_id, Gate, SOON};
use portcullis_lab::client::{Client, Request};
use serde_json::{json, Value};

fn gate(objects: Value, checks: Value) -> Gate {
    let routes = json!([
        {"name": "order", "path": "/api/orders/{id}"},
        {"name": "user", "path": "/api/users/{id}"},
        {"name": "echo", "path": "/echo"}
    ]);
    let identity = json!({"issuers": [demo_issuer()], "default": "optional"});
    crowd::gate(json!({"routes": routes, "identity": identity, "objects": objects, "checks": checks,
        "telemetry": {"allow_sample": 1}}))
}

fn clients(gate: &Gate, source: &str) -> Vec<Client> {
    crowd::clients(gate, Some(source))
}

/// Requests count when they are over for Envoy, a moment after the client knows.
fn expect_soon(gate: &Gate, client: &Client, request: impl Fn() -> Request, wanted: &str) {
    let ask = || told(&client.send(request()).unwrap());
    gate.envoy.wait_for(|_| ask() == wanted, SOON);
    assert_eq!(ask(), wanted, "{}", gate.envoy.log());
}

#[test]
fn an_enumeration_over_many_connections_is_seen_by_every_worker_and_an_honest_user_is_not() {
    let objects = json!({"kinds": [{"name": "orders", "routes": ["order"], "id": "path:id"}]});
    let gate = gate(objects, json!([{"id": "objects.enumeration", "effect": "refuse"}]));
    let (collector, customer) = (clients(&gate, "127.0.10.1"), clients(&gate, "127.0.10.2"));
    flood(&customer, 300, |number| Request::get(&format!("/api/orders/o-100{}", 1 + number % 3)));
    flood(&collector, 80, |number| Request::get(&format!("/api/orders/o-{}", 1000 + number)));
    let order = || Request::get("/api/orders/o-1001");
    for client in &collector {
        expect_soon(&gate, client, order, "object_enumeration");
    }
    let refused = collector[0].send(order()).unwrap();
    let receipt = gate.receipt(&request_id(&refused)).to_string();
    assert!(receipt.contains("objects.enumeration") && receipt.contains("objects.refused"), "{receipt}");
    // One after the other, over all connections: a row is told whichever worker a request comes to.
    let walker = clients(&gate, "127.0.10.3");
    for number in 0..60 {
        walker[number % CONNECTIONS].send(Request::get(&format!("/api/orders/o-{}", 5000 + number))).unwrap();
    }
    assert!(gate.envoy.wait_for(|envoy| envoy.log().contains("objects.sequence"), SOON), "{}", gate.envoy.log());
    for client in &customer {
        assert_eq!(told(&client.send(order()).unwrap()), "200");
    }
    assert_eq!(told(&collector[0].send(Request::get("/echo")).unwrap()), "200", "no object");
    gate.expect_unharmed();
}

/// From each address a few objects, which nobody would notice, but all with one subject's tokens.
#[test]
fn a_subject_is_followed_over_addresses() {
    let objects = json!({"kinds": [{"name": "orders", "routes": ["order"], "id": "path:id"}]});
    let gate = gate(objects, json!([{"id": "objects.enumeration", "effect": "refuse"}]));
    let (eve, ada) = (token("eve", json!({})), token("ada", json!({})));
    for address in 0..10 {
        let from = clients(&gate, &format!("127.0.11.{}", address + 1));
        let order = |number: usize| format!("/api/orders/x-{}", (address * 6 + number) * 7919);
        flood(&from, 6, |number| Request::get(&order(number)).bearer(&eve));
    }
    let elsewhere = clients(&gate, "127.0.11.99");
    expect_soon(&gate, &elsewhere[0], || Request::get("/api/orders/o-1001").bearer(&eve), "object_enumeration");
    assert_eq!(told(&elsewhere[0].send(Request::get("/api/orders/o-1001").bearer(&ada)).unwrap()), "200");
    gate.expect_unharmed();
}

#[test]
fn only_ones_own_object_reaches_the_service() {
    let objects = json!({"kinds": [
        {"name": "users", "routes": ["user"], "id": "path:id", "owner": "claim:sub"},
        {"name": "accounts", "routes": ["echo"], "id": "body:account", "owner": "claim:accounts"}
    ]});
    let gate = gate(objects, json!([]));
    let (client, token) = (gate.http1(), token("ada", json!({"accounts": ["a-1", "a-2"]})));
    let hits = gate.upstream.hits();
    let get = |path: &str| told(&client.send(Request::get(path).bearer(&token)).unwrap());
    for path in ["/api/users/bob", "/api/users/b%6fb", "/api/users//bob", "/api/users/ADA", "/api/users/%00"] {
        assert_ne!(get(path), "200", "{path}");
    }
    let post = |body: &str| {
        let request = Request::post("/echo").bearer(&token).header("content-type", "application/json");
        told(&client.send(request.body(body.to_owned())).unwrap())
    };
    let long = format!("{{\"account\": \"a-1\", \"x\": \"{}\"}}", "x".repeat(100_000));
    for body in ["", "{}", "{\"account\": \"b-1\"}", "{\"account\": \"a-1\", \"account\": \"b-1\"}", &long] {
        assert_eq!(post(body), "object_forbidden", "{body:.40}");
    }
    assert_eq!(gate.upstream.hits(), hits, "nothing has reached the service");
    assert_eq!((get("/api/users/ada"), post("{\"account\": [\"a-1\", \"a-2\"]}")), ("200".into(), "200".into()));
    gate.expect_unharmed();
}
