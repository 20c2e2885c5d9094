//! What is usual is learned by all workers together, and who is far from it is found by each of them.
//!
//! A caller teaches with its 16th request, and each of the customers here makes 16, over both workers: a worker that counted alone
//! would have learned nothing. What is unusual over hours is the simulation's matter (`tests/simulation/anomaly.rs`).

use super::crowd::{clients, told, CONNECTIONS};
use super::{bootstrap, enforcing, Gate, SOON};
use portcullis_lab::client::{Client, Request, Response};
use portcullis_lab::envoy::Envoy;
use portcullis_lab::flood::{flood, get};
use portcullis_lab::upstream::say::{Answer, FIELD};
use portcullis_lab::upstream::Upstream;
use serde_json::json;
use std::ops::Range;

/// Those of whom is learned, and what each of them does: not more than makes a lesson.
const CUSTOMERS: usize = 24;
const REQUESTS: usize = 16;

/// More callers than the memory has room for: four records each, and 25 in a bucket of about a KiB.
const STRANGERS: usize = 2500;

/// Resident memory may move by this much while nothing is to grow: allocators keep what was freed.
const GROWTH_MAX_BYTES: u64 = 8 << 20;

fn gate() -> Gate {
    let routes = [("products", "/shop/products"), ("product", "/shop/products/{id}"), ("cart", "/shop/cart")];
    let config = enforcing(json!({
        "routes": routes.map(|(name, path)| json!({"name": name, "path": path})),
        "memory": {"budget": "256KiB"},
        "anomaly": {"interval": "10s", "requests": 10, "lessons": 16, "learning": "0s"},
        // How fast requests follow each other is here the machine's doing.
        "checks": [{"id": "anomaly.rate", "mode": "monitor"}, {"id": "anomaly.rhythm", "mode": "monitor"}],
    }));
    let upstream = Upstream::start();
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let bootstrap = bootstrap(&config).upstream(upstream.address()).balanced(2).edit(|document| {
        // As behind a load balancer: everybody comes from an address of his own.
        document.pointer_mut(manager).expect("the shipped manager")["xff_num_trusted_hops"] = json!(1);
    });
    Gate { envoy: Envoy::start(&bootstrap).unwrap(), upstream }
}

fn from(address: &str, request: Request) -> Request {
    request.header("x-forwarded-for", address)
}

/// Where a customer goes, and goes next.
fn page(step: usize) -> Request {
    Request::get(&match step % 4 {
        0 => "/shop/products".to_owned(),
        3 => "/shop/cart".to_owned(),
        _ => format!("/shop/products/p-{}", 1 + step % 8),
    })
}

/// So many requests of each of some customers, who come at the same time: how many were not answered.
fn shop(clients: &[Client], customers: Range<usize>, requests: usize) -> usize {
    let visit = |customer: usize| {
        let answers = walk(clients, &format!("10.2.0.{customer}"), requests, page);
        answers.iter().filter(|answer| told(answer) != "200").count()
    };
    std::thread::scope(|scope| {
        let visit = &visit;
        let threads: Vec<_> = customers.map(|customer| scope.spawn(move || visit(customer))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// One request after the other, each over the next connection.
fn walk(clients: &[Client], address: &str, requests: usize, request: impl Fn(usize) -> Request) -> Vec<Response> {
    let send = |step: usize| clients[step % CONNECTIONS].send(from(address, request(step))).unwrap();
    (0..requests).map(send).collect()
}

/// A product that there is not.
fn guess(number: usize) -> Request {
    Request::get(&format!("/shop/products/x-{number}"))
}

/// The pages that customers see, with hundreds of times as much on them.
fn export(step: usize) -> Request {
    let all = Answer { more: "x".repeat(100), times: 4000, ..Answer::json("") };
    page(step).header(FIELD, all.field())
}

/// Requests count when they are over for Envoy, a moment after the client knows.
fn expect_found(gate: &Gate, clients: &[Client], address: &str, request: impl Fn() -> Request) {
    for client in clients {
        let ask = || told(&client.send(from(address, request())).unwrap());
        gate.envoy.wait_for(|_| ask() == "step_up_required", SOON);
        assert_eq!(ask(), "step_up_required", "{address}");
    }
}

#[test]
fn who_is_unlike_customers_is_found_by_every_worker_and_customers_are_not() {
    let gate = gate();
    let clients = clients(&gate, None);
    assert_eq!(shop(&clients, 0..CUSTOMERS, REQUESTS), 0, "nothing is known yet");
    walk(&clients, "10.3.0.1", 2 * REQUESTS, guess);
    expect_found(&gate, &clients, "10.3.0.1", || guess(0));
    walk(&clients, "10.3.0.2", 2 * REQUESTS, export);
    expect_found(&gate, &clients[..4], "10.3.0.2", || page(0));
    let receipts = gate.receipts();
    let is_told = |check: &str| receipts.iter().any(|receipt| receipt.to_string().contains(check));
    assert_eq!((is_told("anomaly.errors"), is_told("anomaly.size")), (true, true));
    // Those who were there, and those who come now.
    assert_eq!(shop(&clients, 0..CUSTOMERS * 2, REQUESTS), 0, "customers were challenged");

    let strangers = |first: usize| {
        let address = |number: usize| format!("10.4.{}.{}", (first + number) / 250, (first + number) % 250);
        let ask = |number: usize| get("/shop/cart", "x-forwarded-for", &address(number));
        flood(gate.envoy.address(), CONNECTIONS, STRANGERS, ask).unwrap()
    };
    strangers(0);
    let full = gate.envoy.rss_bytes().unwrap();
    assert!(strangers(STRANGERS).iter().all(|status| *status == 200));
    let end = gate.envoy.rss_bytes().unwrap();
    assert!(end <= full + GROWTH_MAX_BYTES, "from {full} to {end} bytes");
    // What was learned is still known.
    walk(&clients, "10.3.0.3", 2 * REQUESTS, guess);
    expect_found(&gate, &clients[..4], "10.3.0.3", || guess(0));
    assert_eq!(shop(&clients, 100..110, REQUESTS), 0, "customers were challenged");
    gate.expect_unharmed();
}
