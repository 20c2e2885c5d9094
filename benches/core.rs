//! What the core costs natively: a quick look while working on it, with `cargo bench --bench core`.
//!
//! The figures are for comparing one state of the code with another. In Envoy the same code runs as wasm, which is
//! slower; what a request costs there, the benchmark `envoy` says.

#![allow(
    clippy::unwrap_used,
    clippy::unreachable,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "runs on a developer's machine and may stop with a message"
)]

#[path = "envoy/traffic.rs"]
mod traffic;

use divan::{black_box, Bencher};
use portcullis::config::Config;
use portcullis::engine::{Engine, Ports, Step};
use portcullis::memory::bucket::RECORDS;
use portcullis::memory::in_process::InProcess;
use portcullis::memory::{Memory, Trace};
use portcullis::rate::{Algorithm as Counting, Rate};
use portcullis::request::headers::Headers;
use portcullis::request::{path, source_address, Request};
use portcullis::response::Response;
use portcullis::stages::CHECKS;
use portcullis::time::Millis;
use portcullis_lab::tokens::{now, Algorithm, Issuer};
use std::cell::Cell;
use std::fmt;
use traffic::{Token, CLIENTS, TARGET};

const PATHS: [&str; 3] = ["/api/orders/o-1001", "/api/catalog/b%C3%BCcher/%7Esale", "/static/a/./b/../c//app.js"];

/// One client's requests, judged under the rules for its kind of token.
#[derive(Clone, Copy)]
enum Case {
    NoIdentity,
    Good(Algorithm),
    Expired(Algorithm),
}

const CASES: [Case; 5] = [
    Case::NoIdentity,
    Case::Good(Algorithm::ES256),
    Case::Good(Algorithm::EdDSA),
    Case::Good(Algorithm::RS256),
    Case::Expired(Algorithm::RS256),
];

/// A way to count, and whether the bucket is full.
#[derive(Clone, Copy)]
struct Decision {
    algorithm: Counting,
    full: bool,
}

const DECISIONS: [Decision; 8] = {
    let mut all = [Decision { algorithm: Counting::TokenBucket, full: false }; 8];
    let mut at = 0;
    while at < all.len() {
        all[at].algorithm = ALGORITHMS[at / 2];
        all[at].full = at % 2 == 1;
        at += 1;
    }
    all
};

const ALGORITHMS: [Counting; 4] =
    [Counting::TokenBucket, Counting::SlidingWindow, Counting::FixedWindow, Counting::Concurrency];

fn main() {
    divan::main();
}

#[divan::bench(args = PATHS)]
fn normalize(target: &str) -> usize {
    path::normalize(black_box(target.as_bytes())).unwrap().normal.len()
}

#[divan::bench]
fn headers_from_wire(bencher: Bencher<'_, '_>) {
    let (_, wire) = Case::NoIdentity.prepare();
    bencher.with_inputs(|| wire.clone()).bench_values(|wire| Headers::from_wire(wire).unwrap());
}

#[divan::bench]
fn parse_config(bencher: Bencher<'_, '_>) {
    let rules = traffic::rules(&Issuer::demo(), Some(Algorithm::RS256));
    bencher.bench_local(|| Config::parse(black_box(rules.as_bytes()), CHECKS).unwrap());
}

/// From the bytes that Envoy hands over to a permit or a reply.
#[divan::bench(args = CASES)]
fn judge_head(bencher: Bencher<'_, '_>, case: Case) {
    let (engine, wire) = case.prepare();
    let refused = matches!(case, Case::Expired(_));
    let time = Millis::new(now() * 1000);
    bencher.with_inputs(|| wire.clone()).bench_local_values(|wire| {
        let request = Request::new(Headers::from_wire(wire).unwrap(), || source_address("127.0.0.1:40000"));
        let step = engine.open(request, time, String::new).judge(false);
        assert_eq!(matches!(step, Step::Refuse(..)), refused);
        step
    });
}

/// A whole request, watched or not: without the section, with it and nothing wrong, with it and a fault to be remembered.
#[divan::bench(args = ["not watched", "served", "fault"])]
fn watch_behaviour(bencher: Bencher<'_, '_>, watched: &str) {
    let section = if watched == "not watched" { "" } else { r#", "behaviour": {}"# };
    let config = Config::parse(format!(r#"{{"version": 1{section}}}"#).as_bytes(), CHECKS).unwrap();
    let engine = Engine::new(config, Ports::in_process([7; 16]));
    let (_, wire) = Case::NoIdentity.prepare();
    let (time, status) = (Millis::from_secs(now()), Some(if watched == "fault" { 404 } else { 200 }));
    bencher.with_inputs(|| wire.clone()).bench_local_values(|wire| {
        let request = Request::new(Headers::from_wire(wire).unwrap(), || source_address("127.0.0.1:40000"));
        let step = engine.open(request, time, String::new).judge(false);
        let Step::Forward(_permit, body) = step else { unreachable!("in monitor mode everything passes") };
        let response = Response { status, bytes: 0 };
        let mut done = body.finish().finish(response);
        done.close(response, time);
        done
    });
}

/// A whole request under rules of the business: none, a thousand on other routes, one that holds, one that counts.
#[divan::bench(args = ["no rules", "1000 elsewhere", "condition", "counter"])]
fn judge_rules(bencher: Bencher<'_, '_>, which: &str) {
    let condition =
        r#""require": "request.method == 'GET' && !(request.path.startsWith('/admin') && actor.anonymous)""#;
    let rules = match which {
        "1000 elsewhere" => {
            let rule = |number| format!(r#"{{"name": "r{number}", "routes": ["elsewhere"], {condition}}}"#);
            (0..1000).map(rule).collect::<Vec<_>>().join(",")
        }
        "condition" => format!(r#"{{"name": "r", {condition}}}"#),
        "counter" => r#"{"name": "r", "require": "count(actor.source, duration('10s')) < 1000000"}"#.to_owned(),
        _ => String::new(),
    };
    let routes = r#"[{"name": "elsewhere", "path": "/elsewhere"}]"#;
    let document = format!(r#"{{"version": 1, "mode": "enforce", "routes": {routes}, "rules": [{rules}]}}"#);
    let engine = Engine::new(Config::parse(document.as_bytes(), CHECKS).unwrap(), Ports::in_process([7; 16]));
    let (_, wire) = Case::NoIdentity.prepare();
    let time = Millis::from_secs(now());
    bencher.with_inputs(|| wire.clone()).bench_local_values(|wire| {
        let request = Request::new(Headers::from_wire(wire).unwrap(), || source_address("127.0.0.1:40000"));
        let step = engine.open(request, time, String::new).judge(false);
        assert!(matches!(step, Step::Forward(..)));
        step
    });
}

/// One limit applied to one request: hash, load, decide, store. The bucket has the client's record alone, or is full of
/// records that all have to be looked at.
#[divan::bench(args = DECISIONS)]
fn decide_limit(bencher: Bencher<'_, '_>, decision: Decision) {
    let shared = InProcess::default();
    let memory = Memory::open(&shared, 0, [7; 16]);
    memory.seed(&shared);
    let rate = Rate { limit: 60_000, window: Millis::from_secs(1), burst: 60_000 };
    let time = Millis::from_secs(now());
    let apply = |owner: &str, time: Millis| {
        let place = memory.locate(black_box(b"client"), owner);
        memory.change(&shared, place, time, &mut Trace::default(), |mut record| {
            let state = match record.is_new() {
                true => decision.algorithm.begin(&rate, time, record.inherited),
                false => record.state,
            };
            let taken = decision.algorithm.take(state, &rate, time, 1);
            record.settle(taken.state, taken.debt);
            (taken.allowed, Some(record))
        })
    };
    let others = if decision.full { RECORDS - 1 } else { 0 };
    (0..others).for_each(|other| assert!(apply(&other.to_string(), time).unwrap()));
    // Ten milliseconds a request: there are always units left, and windows begin and end.
    let passed = Cell::new(0);
    bencher.bench_local(|| {
        passed.set(passed.get() + 10);
        assert!(apply("limit", time.saturating_add(Millis::new(passed.get()))).unwrap());
    });
}

impl Case {
    fn prepare(self) -> (Engine, Vec<u8>) {
        let issuer = Issuer::demo();
        let (algorithm, kind) = match self {
            Self::NoIdentity => (None, Token::Good),
            Self::Good(algorithm) => (Some(algorithm), Token::Good),
            Self::Expired(algorithm) => (Some(algorithm), Token::Expired),
        };
        let config = Config::parse(traffic::rules(&issuer, algorithm).as_bytes(), CHECKS).unwrap();
        let client = CLIENTS - 1;
        let token = traffic::token(&issuer, algorithm.unwrap_or_default(), kind, client);
        let pseudo = [(":authority", "shop.example"), (":method", "GET"), (":path", TARGET), (":scheme", "http")];
        let fields = pseudo.map(|(name, value)| (name, value.to_owned())).into_iter();
        let fields: Vec<_> = fields.chain(traffic::fields(&token, client)).collect();
        (Engine::new(config, Ports::in_process([7; 16])), wire(&fields))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoIdentity => formatter.write_str("no identity"),
            Self::Good(algorithm) => formatter.write_str(algorithm.name()),
            Self::Expired(algorithm) => write!(formatter, "{}, expired", algorithm.name()),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}, {}", self.algorithm, if self.full { "full bucket" } else { "alone" })
    }
}

/// Header fields as Envoy hands them over; `request/headers.rs` says how.
fn wire(fields: &[(&str, String)]) -> Vec<u8> {
    let size = |length: usize| u32::try_from(length).unwrap().to_le_bytes();
    let mut wire = size(fields.len()).to_vec();
    for (name, value) in fields {
        wire.extend(size(name.len()));
        wire.extend(size(value.len()));
    }
    for (name, value) in fields {
        wire.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    wire
}
