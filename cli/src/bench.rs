//! `portcullis bench`: what a request costs under a configuration, by its shape, natively.
//!
//! The same core runs in the filter, where WebAssembly and Envoy's calls come on top: the ratio to an empty configuration says more
//! than the time. Each number is the fastest of [`ROUNDS`] rounds, since all that disturbs makes slower. Requests carry no token
//! that is any good: what a signature costs, `make bench` measures in a real Envoy.

use crate::args::Bench;
use crate::drive::Driver;
use crate::output::{self, Table};
use crate::traffic::Exchange;
use crate::{source, Answer};
use anyhow::Result;
use portcullis::config::Config;
use portcullis::stages::CHECKS;
use portcullis::time::Millis;
use serde_json::json;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Instant;

/// Of each shape.
const ROUNDS: usize = 5;

/// A configuration that asks for nothing.
const EMPTY: &[u8] = br#"{"version": 1}"#;

/// When it is, to the requests.
const START: Millis = Millis::from_secs(1_800_000_000);

/// A kind of request.
struct Shape {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    kind: Option<&'static str>,
    body: &'static str,
}

const SHAPES: [Shape; 6] = [
    Shape { name: "GET", method: "GET", path: "/api/orders/1001", kind: None, body: "" },
    Shape {
        name: "GET, three parameters",
        method: "GET",
        path: "/api/products?q=red+shoes&page=2&sort=price",
        kind: None,
        body: "",
    },
    Shape {
        name: "GET, an attack in the query",
        method: "GET",
        path: "/api/products?q=1%27%20UNION%20SELECT%20name%20FROM%20users--",
        kind: None,
        body: "",
    },
    Shape {
        name: "POST, 300 bytes of JSON",
        method: "POST",
        path: "/api/orders",
        kind: Some("application/json"),
        body: r#"{"customer": "c-1001", "lines": [{"sku": "p-1", "quantity": 2, "price": "129.50"}, {"sku": "p-2", "quantity": 1, "price": "9.90"}], "note": "Please leave the parcel with the neighbours, they are at home all day.", "address": {"street": "Main Street 1", "city": "Springfield", "country": "US"}, "total": "268.90"}"#,
    },
    Shape {
        name: "POST, a form",
        method: "POST",
        path: "/login",
        kind: Some("application/x-www-form-urlencoded"),
        body: "user=ada&password=correct+horse+battery+staple&remember=on",
    },
    Shape { name: "GET, an ambiguous path", method: "GET", path: "/api/%2e%2e/admin", kind: None, body: "" },
];

pub(crate) fn run(own: &Bench, json: bool, out: &mut dyn Write) -> Result<Answer> {
    let mut rows = Vec::new();
    for shape in &SHAPES {
        let empty = micros(|| Config::parse(EMPTY, CHECKS).map_err(Into::into), shape, own.requests)?;
        let full = micros(|| config(&own.config), shape, own.requests)?;
        rows.push((shape.name, full, empty));
    }
    if json {
        let told = rows.iter().map(|(shape, full, empty)| {
            json!({"shape": shape, "micros": full, "micros_empty": empty, "ratio": full / empty})
        });
        output::json(&json!({"shapes": told.collect::<Vec<_>>()}), out)?;
        return Ok(Answer::Yes);
    }
    let mut table = Table::new(&["request", "µs", "µs, empty configuration", "ratio"]);
    for (shape, full, empty) in rows {
        table.row([shape.to_owned(), format!("{full:.1}"), format!("{empty:.1}"), format!("{:.1}", full / empty)]);
    }
    table.write(out)?;
    if cfg!(debug_assertions) {
        writeln!(out, "\nThis is a build for debugging: build with --release before you compare.")?;
    }
    Ok(Answer::Yes)
}

fn config(path: &Path) -> Result<Config> {
    source::config(path, Ok)
}

/// Microseconds of a request. Sources differ, so that limits do not decide what is measured.
fn micros(config: impl Fn() -> Result<Config>, shape: &Shape, requests: u32) -> Result<f64> {
    let exchange = shape.exchange();
    let mut fastest = f64::INFINITY;
    for _ in 0..ROUNDS {
        let mut driver = Driver::new(config()?, &[])?;
        let begin = Instant::now();
        for number in 0..requests {
            let source = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000_u32.wrapping_add(number)));
            let at = START.saturating_add(Millis::new(number.into()));
            std::hint::black_box(driver.judge(&exchange, source, at));
        }
        fastest = fastest.min(begin.elapsed().as_secs_f64() * 1e6 / f64::from(requests.max(1)));
    }
    Ok(fastest)
}

impl Shape {
    fn exchange(&self) -> Exchange {
        let pseudo =
            [(":method", self.method), (":path", self.path), (":scheme", "https"), (":authority", "api.example")];
        let usual = [
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
            ("accept", "application/json"),
            ("accept-encoding", "gzip"),
            ("x-request-id", "0b6af10e-1111-4222-8333-444455556666"),
        ];
        let kind = self.kind.map(|kind| ("content-type", kind));
        let fields = pseudo.into_iter().chain(usual).chain(kind);
        Exchange {
            fields: fields.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect(),
            body: self.body.as_bytes().to_vec(),
            has_fields: true,
            status: Some(200),
            answer_bytes: 512,
            ..Exchange::default()
        }
    }
}
