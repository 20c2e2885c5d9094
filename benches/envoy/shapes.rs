//! What is asked: requests of several sizes, all with a token and all harmless.
//!
//! One client has one connection and one token. Those with a body are held back by Envoy until it is complete, for every
//! contender alike, since the router that answers by itself would otherwise not wait for it.

use crate::rules;
use crate::traffic::{self, CLIENTS, TARGET};
use serde_json::json;
use std::fmt::Write;

/// Stands for a number in what is sent: another one with each request.
pub(crate) const NUMBER: &str = "{number}";

/// A request of one shape.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    /// What a browser's page asks: a query, a dozen header fields. The shape that contenders are compared by.
    Page,
    /// The same with values that were never sent before, but for what the token is bound to.
    Fresh,
    /// A token with what it is bound to, and nothing else that could be left out.
    Bare,
    /// Ten parameters and twenty header fields more.
    Wide,
    /// 2 KiB of JSON.
    Json2,
    /// 64 KiB of JSON.
    Json64,
    /// A GraphQL query.
    Graphql,
}

impl Shape {
    pub(crate) const ALL: [Self; 7] =
        [Self::Page, Self::Fresh, Self::Bare, Self::Wide, Self::Json2, Self::Json64, Self::Graphql];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Page => "GET, query, 12 fields",
            Self::Fresh => "the same, values new each time",
            Self::Bare => "GET, token alone",
            Self::Wide => "GET, 10 parameters, 32 fields",
            Self::Json2 => "POST, 2 KiB of JSON",
            Self::Json64 => "POST, 64 KiB of JSON",
            Self::Graphql => "POST, GraphQL",
        }
    }

    /// Its name in the machine-readable summary.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Fresh => "fresh",
            Self::Bare => "bare",
            Self::Wide => "wide",
            Self::Json2 => "json_2k",
            Self::Json64 => "json_64k",
            Self::Graphql => "graphql",
        }
    }

    /// One request for each client.
    pub(crate) fn requests(self) -> Vec<Vec<u8>> {
        (0..CLIENTS).map(|client| self.request(client)).collect()
    }

    fn request(self, client: usize) -> Vec<u8> {
        let token = rules::token(client);
        let usual = traffic::fields(&token, client);
        match self {
            Self::Page => get(TARGET, &usual),
            Self::Fresh => {
                let new = |(name, value): (&'static str, String)| match name {
                    "referer" => (name, format!("{value}?page={NUMBER}")),
                    "cookie" => (name, format!("{value}; seen=a.{NUMBER}/b")),
                    _ => (name, value),
                };
                let fields: Vec<_> = usual.into_iter().map(new).collect();
                get(&format!("{TARGET}&note=leave+it+at+door+{NUMBER}%2C+please"), &fields)
            }
            Self::Bare => {
                let needed = ["authorization", "user-agent", "x-device-id", "cookie"];
                let fields: Vec<_> = usual.into_iter().filter(|(name, _)| needed.contains(name)).collect();
                get("/api/orders/o-1001", &fields)
            }
            Self::Wide => {
                let more = (0..20).map(|number| (FIELDS[number], format!("value-{number}-of-some-length")));
                let query = (0..10).fold(String::new(), |mut query, number| {
                    let _ = write!(query, "&filter{number}=some%20value+{number}");
                    query
                });
                let fields: Vec<_> = usual.into_iter().chain(more).collect();
                get(&format!("/api/orders/o-1001?expand=items{query}"), &fields)
            }
            Self::Json2 => post("/api/orders", &usual, &order(2 << 10)),
            Self::Json64 => post("/api/orders", &usual, &order(64 << 10)),
            Self::Graphql => {
                let query =
                    "query Orders($first: Int!) { viewer { orders(first: $first) { edges { node { id total \
                             lines { product { name price } quantity } } } pageInfo { hasNextPage } } } }";
                post("/api/orders", &usual, &json!({"query": query, "variables": {"first": 20}}).to_string())
            }
        }
    }
}

const FIELDS: [&str; 20] = [
    "x-a", "x-b", "x-c", "x-d", "x-e", "x-f", "x-g", "x-h", "x-i", "x-j", "x-k", "x-l", "x-m", "x-n", "x-o",
    "x-p", "x-q", "x-r", "x-s", "x-t",
];

/// An order of about so many bytes.
fn order(bytes: usize) -> String {
    let mut lines = Vec::new();
    let mut written = 0;
    while written + 120 < bytes {
        let number = lines.len();
        let line = json!({
            "product": format!("p-{number:06}"), "quantity": number % 9 + 1, "price": 1999 + number,
            "note": "leave it at the back door, please", "gift": number.is_multiple_of(2),
        });
        written += line.to_string().len() + 1;
        lines.push(line);
    }
    json!({"currency": "EUR", "lines": lines}).to_string()
}

fn get(target: &str, fields: &[(&str, String)]) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nhost: shop.example\r\n{}\r\n", lines(fields)).into_bytes()
}

fn post(target: &str, fields: &[(&str, String)], body: &str) -> Vec<u8> {
    let (fields, length) = (lines(fields), body.len());
    let kind = format!("content-type: application/json\r\ncontent-length: {length}\r\n");
    format!("POST {target} HTTP/1.1\r\nhost: shop.example\r\n{fields}{kind}\r\n{body}").into_bytes()
}

fn lines(fields: &[(&str, String)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}
