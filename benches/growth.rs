//! How the cost of a request grows: with rules, routes, limits, keys, header fields, the body and what is wrong with it.
//!
//! `cargo bench --bench growth` prints the tables of `docs/cost.md`. The core runs natively here, without Envoy: what counts is
//! the shape of a curve. Each figure is the least of several batches, which a busy machine disturbs least. It fails where
//! something grows faster than what it depends on: tenfold input may cost twelvefold.
//!
//! Not covered: workers, which `make bench` has in a real Envoy.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "runs on a developer's machine and may stop with a message"
)]

use portcullis::config::Config;
use portcullis::engine::waiting::Wait;
use portcullis::engine::{Engine, Ports, Step};
use portcullis::request::headers::Headers;
use portcullis::request::{source_address, Request};
use portcullis::response::Response;
use portcullis::stages::CHECKS;
use portcullis::time::Millis;
use serde_json::{json, Value};
use std::hint::black_box;
use std::time::Instant;

const BATCHES: usize = 9;
const BATCH_NANOS: u128 = 2_000_000;

/// A growth beyond this, over the growth of the input, is not linear. What small inputs cost besides makes most of them less.
const SLACK: f64 = 1.3;

fn main() {
    let mut failed = Vec::new();
    let mut table = |name: &str, unit: &str, sizes: &[usize], cost: &dyn Fn(usize) -> f64| {
        let costs: Vec<f64> = sizes.iter().map(|size| cost(*size)).collect();
        print!("{name:<34}");
        sizes.iter().zip(&costs).for_each(|(size, cost)| print!(" {size:>7}: {cost:>8.2}"));
        println!(" {unit}");
        let worst = (1..sizes.len())
            .map(|at| (costs[at] / costs[at - 1]) / (sizes[at] as f64 / sizes[at - 1].max(1) as f64));
        if worst.fold(0.0, f64::max) > SLACK {
            failed.push(name.to_owned());
        }
    };
    println!("Microseconds of a request, natively\n");
    let us = "us";
    table("rules on other routes", us, &[1, 10, 100, 1000], &|count| of(&rules(count, &["elsewhere"]), &get(12)));
    table("rules on the route", us, &[1, 10, 100], &|count| of(&rules(count, &["orders"]), &get(12)));
    table("routes", us, &[5, 50, 500], &|count| of(&routes(count), &get(12)));
    table("limits on the route", us, &[1, 2, 4, 8, 16], &|count| of(&limits(count), &get(12)));
    table("keys of one limit, remembered", us, &[1, 100, 10_000, 100_000], &many_keys);
    table("header fields, form only", us, &[10, 20, 40, 80], &|count| of(&json!({}), &get(count)));
    table("header fields, inspected", us, &[10, 20, 40, 80], &|count| of(&json!({"inspect": {}}), &get(count)));
    table("KiB of JSON, inspected", us, &[2, 8, 32, 128, 512], &|kib| {
        body(&json!({"inspect": {}}), &order(kib << 10))
    });
    table("KiB of JSON, a rule", us, &[2, 8, 32, 128, 512], &|kib| body(&summing(), &order(kib << 10)));
    table("KiB of quotes, inspected", us, &[2, 8, 32, 128], &|kib| {
        body(&json!({"inspect": {}}), &hostile(kib << 10))
    });
    table("KiB of nesting, inspected", us, &[2, 8, 32, 128], &|kib| {
        body(&json!({"inspect": {}}), &"[".repeat(kib << 10))
    });
    println!("\nMilliseconds of a configuration\n");
    table("routes", "ms", &[5, 50, 500], &|count| load(&routes(count)));
    table("rules", "ms", &[10, 100, 1000], &|count| load(&rules(count, &["orders"])));
    table("limits", "ms", &[1, 10, 100], &|count| load(&limits(count)));
    assert!(failed.is_empty(), "grows faster than its input: {failed:?}");
}

fn document(sections: &Value) -> Vec<u8> {
    let mut document = json!({
        "version": 1, "mode": "enforce",
        "routes": [{"name": "orders", "path": "/api/orders/{id}"}, {"name": "elsewhere", "path": "/elsewhere"}],
        "request": {"body_read_max": "900KiB"},
        "memory": {"budget": "8MiB"},
    });
    for (name, section) in sections.as_object().unwrap() {
        document[name] = section.clone();
    }
    document.to_string().into_bytes()
}

fn engine(sections: &Value) -> Engine {
    Engine::new(Config::parse(&document(sections), CHECKS).unwrap(), Ports::in_process([7; 16]))
}

fn rules(count: usize, routes: &[&str]) -> Value {
    let rule = |number| {
        json!({
            "name": format!("r{number}"), "routes": routes,
            "require": "request.method == 'GET' && !request.path.startsWith('/admin')",
        })
    };
    json!({"rules": (0..count).map(rule).collect::<Vec<_>>()})
}

fn routes(count: usize) -> Value {
    let route = |number| json!({"name": format!("r{number}"), "path": format!("/api/r{number}/{{id}}")});
    let own = json!({"name": "orders", "path": "/api/orders/{id}"});
    json!({"routes": (1..count).map(route).chain([own]).collect::<Vec<_>>()})
}

fn limits(count: usize) -> Value {
    let limit = |number| {
        json!({
            "name": format!("l{number}"), "key": [format!("header:x-field-{}", number % 10)],
            "limit": 1_000_000_000, "window": "1h",
        })
    };
    json!({"limits": (0..count).map(limit).collect::<Vec<_>>()})
}

/// Adds up the items of an order.
fn summing() -> Value {
    json!({"rules": [{"name": "total", "routes": ["orders"], "require": "body.items.all(item, item.quantity >= 1)"}]})
}

fn order(bytes: usize) -> String {
    let line = |number: usize| json!({"product": format!("p-{number:06}"), "quantity": 1 + number % 9, "note": "leave it at the door"});
    let each = line(0).to_string().len() + 1;
    json!({"items": (0..bytes / each).map(line).collect::<Vec<_>>()}).to_string()
}

fn hostile(bytes: usize) -> String {
    json!({"note": "' or 1=1 -- ".repeat(bytes / 12)}).to_string()
}

fn get(fields: usize) -> Vec<(String, String)> {
    let pseudo =
        [(":authority", "shop.example"), (":method", "GET"), (":path", "/api/orders/o-1001?expand=items")];
    let own = (0..fields).map(|number| (format!("x-field-{number}"), format!("value-{number}-of-some-length")));
    pseudo.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).chain(own).collect()
}

fn judge(engine: &Engine, fields: &[(String, String)], body: &str, now: Millis) {
    let headers = Headers::from_pairs(fields.iter().map(|(name, value)| (name, value)));
    let request = Request::new(headers, || source_address("127.0.0.1:40000"));
    let step = engine.open(request, now, String::new).judge(!body.is_empty());
    let step = match step {
        Step::Wait(Wait::Body(held)) => held.judge(body.as_bytes(), now),
        step => step,
    };
    let response = Response { status: Some(200), bytes: 0 };
    let mut done = match step {
        Step::Forward(_permit, body) => Box::new(body.finish().finish(response)),
        Step::Refuse(_, done) => done,
        _ => panic!("it waits"),
    };
    done.close(response, now);
    black_box(done);
}

fn of(sections: &Value, fields: &[(String, String)]) -> f64 {
    let (engine, now) = (engine(sections), Millis::from_secs(1_800_000_000));
    least(|| judge(&engine, fields, "", now)) / 1e3
}

fn body(sections: &Value, content: &str) -> f64 {
    let (engine, now) = (engine(sections), Millis::from_secs(1_800_000_000));
    let mut fields = get(8);
    fields[1].1 = "POST".to_owned();
    fields.push(("content-type".to_owned(), "application/json".to_owned()));
    least(|| judge(&engine, &fields, content, now)) / 1e3
}

/// Clients in turn, after each has come once.
fn many_keys(count: usize) -> f64 {
    let limit = json!({"name": "l", "key": ["header:x-client"], "limit": 1_000_000_000, "window": "1h"});
    let (engine, now) = (engine(&json!({"limits": [limit]})), Millis::from_secs(1_800_000_000));
    let mut fields = get(12);
    fields.push(("x-client".to_owned(), String::new()));
    let mut next = 0;
    let mut one = || {
        next = (next + 1) % count;
        fields.last_mut().unwrap().1 = next.to_string();
        judge(&engine, &fields, "", now);
    };
    (0..count).for_each(|_| one());
    least(one) / 1e3
}

fn load(sections: &Value) -> f64 {
    let document = document(sections);
    least(|| {
        black_box(Config::parse(black_box(&document), CHECKS).unwrap());
    }) / 1e6
}

/// Nanoseconds of the fastest batch.
fn least(mut act: impl FnMut()) -> f64 {
    act();
    let began = Instant::now();
    act();
    let one = began.elapsed().as_nanos().max(50);
    let times = (BATCH_NANOS / one).clamp(1, 10_000);
    let batch = |_| {
        let began = Instant::now();
        (0..times).for_each(|_| act());
        began.elapsed().as_nanos() as f64 / times as f64
    };
    (0..BATCHES).map(batch).fold(f64::MAX, f64::min)
}
