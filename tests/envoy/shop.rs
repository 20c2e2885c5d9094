//! A shop behind an Envoy with several workers: what one of them has seen of a customer the others know, before he can act on it.
//!
//! The service answers what the request says ([`portcullis_lab::upstream::say`]).

use super::{code, demo_issuer, enforcing, request_id, Gate};
use portcullis_lab::client::{Client, Request, Response};
use portcullis_lab::tokens::{Algorithm, Issuer, Spec};
use portcullis_lab::upstream::say::{Answer, FIELD};
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::sync::Mutex;

const WORKERS: u32 = 2;

/// So many connections that no worker has none.
const CONNECTIONS: usize = 16;

const CUSTOMERS: usize = 64;

fn gate() -> Gate {
    let names = ["products", "cart", "address", "order", "pay"];
    let routes: Vec<Value> = names.iter().map(|name| json!({"name": name, "path": format!("/{name}")})).collect();
    let more = json!({
        "routes": routes,
        "identity": {"issuers": [demo_issuer()], "default": "required"},
        "workflows": [{"name": "checkout", "per": "subject", "steps": [
            {"name": "cart", "routes": ["cart"]},
            {"name": "address", "routes": ["address"]},
            {"name": "order", "routes": ["order"]},
            {"name": "pay", "routes": ["pay"], "once": true},
        ]}],
        "quotes": [{"name": "price", "per": "subject",
            "capture": {"routes": ["products"], "each": "[*]", "key": "id", "value": "price", "currency": "currency"},
            "assert": {"routes": ["order"], "each": "lines[*]", "key": "sku", "value": "price", "currency": "$.currency",
                "quantity": {"value": "quantity"}, "total": "total", "missing": "deny"}}],
        "telemetry": {"allow_sample": 1},
    });
    Gate::start_with(&enforcing(more), |bootstrap| {
        bootstrap.concurrency(WORKERS).edit(|document| {
            let listener = document.pointer_mut("/static_resources/listeners/0").expect("the shipped listener");
            listener["connection_balance_config"] = json!({"exact_balance": {}});
        })
    })
}

fn token(subject: &str) -> String {
    let issuer = Issuer::demo();
    format!("Bearer {}", issuer.mint(&Spec::new(Algorithm::ES256, issuer.claims(subject))))
}

/// A request with what the service is to answer to it.
fn ask(bearer: &str, path: &str, body: &Value, answer: &Answer) -> Request {
    Request::post(path)
        .header("authorization", bearer.as_bytes())
        .header("accept-encoding", "gzip")
        .header(FIELD, answer.field().as_bytes())
        .json(body)
}

fn says(status: u16) -> Answer {
    Answer { status, ..Answer::json("{}") }
}

/// The products, in pieces without a content-length for some.
fn browse(bearer: &str, pieces: Option<usize>) -> Request {
    let said =
        json!([{"id": 1, "price": "129.50", "currency": "EUR"}, {"id": 2, "price": 24.5, "currency": "EUR"}]);
    let answer = Answer { piece_bytes: pieces, ..Answer::json(&said.to_string()) };
    ask(bearer, "/products", &json!({}), &answer)
}

fn order(bearer: &str, price: &str, total: &str) -> Request {
    let lines = json!([{"sku": 1, "price": price, "quantity": 2}, {"sku": 2, "price": 24.5}]);
    ask(bearer, "/order", &json!({"currency": "EUR", "lines": lines, "total": total}), &says(201))
}

fn step(bearer: &str, path: &str, status: u16) -> Request {
    ask(bearer, path, &json!({}), &says(status))
}

/// The public code of a refusal; `passed` for an answer of the service, whatever its status.
fn told(answer: &Response) -> String {
    match answer.header("content-type") {
        Some("application/problem+json") => code(answer),
        _ => "passed".to_owned(),
    }
}

fn clients(gate: &Gate) -> Vec<Client> {
    (0..CONNECTIONS).map(|number| if number % 2 == 0 { gate.http1() } else { gate.http2() }).collect()
}

/// Each step at once after the answer to the one before, always over another connection: none comes too early for any worker.
#[test]
fn customers_who_keep_the_order_are_never_stopped() {
    let gate = gate();
    let clients = clients(&gate);
    std::thread::scope(|scope| {
        for first in 0..4 {
            let (clients, gate) = (&clients, &gate);
            scope.spawn(move || {
                for customer in (first..CUSTOMERS).step_by(4) {
                    let bearer = token(&format!("customer-{customer}"));
                    let pieces = [None, Some(9)][customer % 2];
                    let visit = [
                        (browse(&bearer, pieces), "passed"),
                        (step(&bearer, "/cart", 200), "passed"),
                        (step(&bearer, "/address", 200), "passed"),
                        (order(&bearer, "129.50", "283.50"), "passed"),
                        (step(&bearer, "/pay", 402), "passed"),
                        (step(&bearer, "/pay", 200), "passed"),
                        (step(&bearer, "/pay", 200), "workflow_repeated"),
                    ];
                    for (at, (request, expected)) in visit.into_iter().enumerate() {
                        let answer = clients[(customer * 7 + at * 5) % CONNECTIONS].send(request).unwrap();
                        assert_eq!(
                            told(&answer),
                            expected,
                            "customer {customer}, request {at}: {}",
                            gate.envoy.log()
                        );
                    }
                }
            });
        }
    });
    gate.expect_unharmed();
}

#[test]
fn of_many_payments_at_once_one_passes() {
    let gate = gate();
    let bearer = token("mallory");
    let client = gate.http1();
    for request in [
        browse(&bearer, None),
        step(&bearer, "/cart", 200),
        step(&bearer, "/address", 200),
        order(&bearer, "129.50", "283.50"),
    ] {
        assert!(client.send(request).unwrap().status < 300, "{}", gate.envoy.log());
    }
    let statuses = Mutex::new(BTreeMap::<u16, usize>::new());
    std::thread::scope(|scope| {
        for client in clients(&gate) {
            let (bearer, statuses) = (&bearer, &statuses);
            scope.spawn(move || {
                for _ in 0..8 {
                    let status = client.send(step(bearer, "/pay", 200)).unwrap().status;
                    *statuses.lock().unwrap().entry(status).or_default() += 1;
                }
            });
        }
    });
    let expected = BTreeMap::from([(200, 1), (403, CONNECTIONS * 8 - 1)]);
    assert_eq!(statuses.into_inner().unwrap(), expected, "{}", gate.envoy.log());
    gate.expect_unharmed();
}

#[test]
fn what_was_quoted_on_one_connection_holds_on_all() {
    let gate = gate();
    let clients = clients(&gate);
    let bearer = token("eve");
    for request in [browse(&bearer, Some(5)), step(&bearer, "/cart", 200), step(&bearer, "/address", 200)] {
        clients[0].send(request).unwrap();
    }
    for client in &clients {
        assert_eq!(told(&client.send(order(&bearer, "1.29", "283.50")).unwrap()), "quote_mismatch");
        assert_eq!(told(&client.send(order(&bearer, "129.50", "2.83")).unwrap()), "quote_total");
    }
    let refused = clients[1].send(order(&bearer, "1.29", "283.50")).unwrap();
    let receipt = gate.receipt(&request_id(&refused));
    assert_eq!(receipt["portcullis.findings"][0]["reason"], "price: item 1 (`1`) 1.29, quoted 129.50");
    // Whoever was told nothing cannot order, and nobody hides a price.
    let stranger = token("stranger");
    for path in ["/cart", "/address"] {
        clients[2].send(step(&stranger, path, 200)).unwrap();
    }
    assert_eq!(told(&clients[3].send(order(&stranger, "129.50", "283.50")).unwrap()), "quote_unknown");
    let form = Request::post("/order").header("authorization", bearer.as_bytes()).body(b"sku=1&price=1".to_vec());
    assert_eq!(told(&clients[3].send(form).unwrap()), "quote_unread");
    assert_eq!(clients[4].send(order(&bearer, "129.50", "283.50")).unwrap().status, 201);
    gate.expect_unharmed();
}
