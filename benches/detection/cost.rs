//! What it costs to inspect requests of several shapes, natively. In Envoy the benchmark `envoy` measures.

use crate::outcome;
use crate::rows::Sent;
use anyhow::{ensure, Result};
use portcullis::engine::Engine;
use portcullis::request::values::VALUE_BYTES_MAX;
use portcullis::stages::inspect::inspector::Inspector;
use serde_json::json;
use std::time::{Duration, Instant};

/// How long each shape is measured.
const LONG_ENOUGH: Duration = Duration::from_millis(300);

fn sent(method: &str, uri: &str, body: String) -> Sent {
    let headers = [
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("referer", "https://shop.example/cart"),
    ];
    let mut headers: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    if !body.is_empty() {
        headers.push(("content-type".into(), "application/json".into()));
    }
    Sent { method: method.into(), uri: uri.into(), headers, body }
}

/// A document of orders, as long as asked for.
fn orders(bytes: usize) -> String {
    let order = |index: usize| {
        json!({"id": format!("o-{index:06}"), "customer": {"name": "Ada Lovelace", "email": "ada@example.org"}, "quantity": index % 7,
            "note": "Please ring twice; the bell doesn't always work (thanks!)", "sku": "e07742bd-189a-5079-918b-43f8b2f94b89"})
    };
    let mut list = Vec::new();
    while serde_json::to_string(&list).unwrap().len() < bytes.saturating_sub(200) {
        list.push(order(list.len()));
    }
    json!({ "orders": list }).to_string()
}

/// Prints the microseconds of one request of each shape that are spent on inspection, and in all.
pub fn print(engine: &Engine, without: &Engine) {
    let graphql = json!({"query": "query Order($id: ID!) { order(id: $id) { id customer { name } lines(first: 10) { sku quantity } } }", "variables": {"id": "o-17"}});
    let shapes = [
        ("bare GET", sent("GET", "/api/orders/o-17", String::new())),
        ("GET with a query", sent("GET", "/api/orders?status=open&sort=-created&q=blue+shoes", String::new())),
        ("2 KiB of JSON", sent("POST", "/api/orders", orders(2 << 10))),
        ("64 KiB of JSON", sent("POST", "/api/orders", orders(64 << 10))),
        ("GraphQL", sent("POST", "/graphql", graphql.to_string())),
        ("an injection", sent("GET", "/api/orders?id=1'+or+1=1--", String::new())),
    ];
    for (name, sent) in shapes {
        let (with, without) = (micros(engine, &sent), micros(without, &sent));
        println!("{name}: {:.1} us of {with:.1} us, {} bytes of body", with - without, sent.body.len());
    }
}

/// What a value is made of that costs the most: what parsers look ahead for, and never find the end of.
const HOSTILE: &[&str] = &[
    "/*",
    "/**/",
    "/*!",
    "'",
    "(",
    "\\",
    "%25",
    "&#x",
    "<!--",
    "{{",
    "union ",
    "union/**/",
    "select from ",
    "' or ",
    "../",
    "a=",
    "a.b@c ",
    "<a onx=",
    "$(",
    "${",
    "\u{200b}",
    "QUFB",
    "é",
    "0x",
    "-- ",
    "\n",
];

/// How much longer a byte may take in a long value than in a short one: more would be worse than linear.
const GROWTH_MAX: f64 = 2.0;

/// Prints the nanoseconds that a byte of a hostile value costs in short and in long ones.
///
/// # Errors
/// It costs more than [`GROWTH_MAX`] times as much in a long one.
pub fn print_hostile(inspector: &Inspector) -> Result<()> {
    let nanos_per_byte = |bytes: usize, unit: &str| {
        let value = unit.repeat(bytes / unit.len());
        let (start, mut rounds) = (Instant::now(), 0_u32);
        while rounds < 3 || start.elapsed() < LONG_ENOUGH / 10 {
            std::hint::black_box(inspector.inspect(&value));
            rounds += 1;
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(rounds) / value.len() as f64
    };
    let mut worst = (0.0, "");
    for unit in HOSTILE {
        let [short, long] = [VALUE_BYTES_MAX / 16, VALUE_BYTES_MAX].map(|bytes| nanos_per_byte(bytes, unit));
        ensure!(
            long <= short * GROWTH_MAX,
            "{unit:?}: {short:.0} ns a byte in a short value, {long:.0} in a long one"
        );
        worst = if long > worst.0 { (long, *unit) } else { worst };
    }
    println!("hostile values: at most {:.0} ns a byte ({:?}), in long values as in short ones", worst.0, worst.1);
    Ok(())
}

fn micros(engine: &Engine, sent: &Sent) -> f64 {
    let (start, mut rounds) = (Instant::now(), 0_u32);
    while start.elapsed() < LONG_ENOUGH {
        outcome(engine, sent);
        rounds += 1;
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds)
}
