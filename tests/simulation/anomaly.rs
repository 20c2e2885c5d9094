//! How well abusers are told from customers, the more they imitate them: `cargo test --test all -- simulation::anomaly --nocapture`.
//!
//! Generated callers ([`super::population`]) send their requests through the whole engine, with nothing configured but `anomaly`
//! and the routes. One abuser of each kind is there from the beginning, so what is usual is learned from it too; the others come
//! when what is counted begins, after [`LEARNING`]. A caller is *found* if at least [`FINDINGS`] of its requests have a risk from which they would be challenged.
//!
//! Printed are, for each imitation, recall and precision over all, the recall of each kind of abuser, and what was found; held are
//! floors somewhat below what the documentation names ([`FLOORS`]).

use super::population::{Caller, Kind, HOUR};
use super::START;
use portcullis::config::Config;
use portcullis::engine::{Engine, Ports, Step};
use portcullis::request::headers::Headers;
use portcullis::request::Request;
use portcullis::response::Response;
use portcullis::stages::CHECKS;
use portcullis::time::Millis;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::IpAddr;

const SEEDS: u64 = 2;

const CUSTOMERS: usize = 150;

/// Of each kind.
const ABUSERS: usize = 4;

/// What is not counted, and what is, in milliseconds.
const LEARNING: u64 = 2 * HOUR;
const COUNTED: u64 = 2 * HOUR;

/// Requests that would have been challenged, from which a caller is found.
const FINDINGS: u32 = 5;

/// Requests of an abuser in all: who has made so many has given enough evidence.
const REQUESTS_MAX: u32 = 600;

/// Least recall over all abusers and least precision, in hundredths, by imitation in hundredths.
const FLOORS: [(u32, u32, u32); 5] = [(0, 95, 95), (25, 70, 95), (50, 55, 95), (75, 30, 90), (100, 0, 0)];

/// How often a check had found something, by the name of the kind of caller.
type Checks = BTreeMap<(&'static str, &'static str), u32>;

/// What became of one caller.
#[derive(Debug, Default, Clone, Copy)]
struct Record {
    requests: u32,
    suspected: u32,
}

/// Who was found, of how many.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Share {
    found: u32,
    all: u32,
}

impl Share {
    fn of(records: &[(Kind, Record)], wanted: impl Fn(Kind) -> bool) -> Self {
        let all = records.iter().filter(|(kind, record)| wanted(*kind) && record.requests > 0);
        let found = all.clone().filter(|(_, record)| record.suspected >= FINDINGS).count();
        Self { found: found as u32, all: all.count() as u32 }
    }

    fn percent(self) -> u32 {
        (self.found * 100).checked_div(self.all).unwrap_or(100)
    }
}

fn engine() -> Engine {
    let document = r#"{"version": 1, "memory": {"budget": "8MiB"}, "anomaly": {}, "routes": [
        {"name": "home", "path": "/"}, {"name": "search", "path": "/search"},
        {"name": "product", "path": "/products/{id}"}, {"name": "cart", "path": "/cart"},
        {"name": "login", "path": "/login"}, {"name": "checkout", "path": "/checkout"},
        {"name": "order", "path": "/orders/{id}"}]}"#;
    Engine::new(Config::parse(document.as_bytes(), CHECKS).unwrap(), Ports::in_process([9; 16]))
}

/// Sends the next request of a caller, and tells what it was suspected of.
fn send(engine: &Engine, number: usize, caller: &mut Caller) -> (bool, Vec<(&'static str, String)>) {
    let (now, visit) = (Millis::new(caller.due()), caller.visit());
    let source: IpAddr = [10, 0, (number / 250) as u8, (number % 250) as u8].into();
    let length = visit.request_bytes.to_string();
    let fields = [
        (":method", visit.method),
        (":path", visit.path),
        (":authority", "shop.example"),
        ("content-length", length.as_str()),
    ];
    let request = Request::new(Headers::from_pairs(fields), move || Some(source));
    let step = engine.open(request, now, || "r".to_owned()).judge(false);
    let Step::Forward(_permit, body) = step else { panic!("in monitor mode everything passes") };
    let response = Response { status: Some(visit.status), bytes: visit.bytes };
    let mut done = body.finish().finish(response);
    let suspected = done.outcome() != "allow";
    let reasons =
        done.findings().iter().map(|one| (one.finding.check.id, one.finding.reason.to_string())).collect();
    done.close(response, now);
    (suspected, reasons)
}

/// What became of every caller of a population, and what was found.
fn run(imitation: f64, seed: u64) -> (Vec<(Kind, Record)>, Checks) {
    let engine = engine();
    // Nine in the morning.
    let start = START - START % (24 * HOUR) + 9 * HOUR;
    let kinds = std::iter::repeat_n(Kind::Customer, CUSTOMERS)
        .chain(Kind::ABUSERS.into_iter().flat_map(|kind| std::iter::repeat_n(kind, ABUSERS)));
    let mut callers: Vec<Caller> = (1..)
        .zip(kinds)
        .map(|(number, kind)| {
            let is_early = kind == Kind::Customer || number % ABUSERS as u64 == 0;
            let begins = if is_early { start } else { start + LEARNING };
            Caller::new(kind, imitation, seed * 10_000 + number, begins)
        })
        .collect();
    let mut records = vec![Record::default(); callers.len()];
    let mut checks = BTreeMap::new();
    let mut due: BinaryHeap<_> =
        callers.iter().enumerate().map(|(number, caller)| Reverse((caller.due(), number))).collect();
    while let Some(Reverse((now, number))) = due.pop() {
        if now > start + LEARNING + COUNTED {
            break;
        }
        let (caller, record) = (&mut callers[number], &mut records[number]);
        let (suspected, reasons) = send(&engine, number, caller);
        if now > start + LEARNING {
            record.requests += 1;
            record.suspected += u32::from(suspected);
            for (check, _) in reasons {
                *checks.entry((caller.kind.name(), check)).or_default() += 1;
            }
        }
        if caller.kind == Kind::Customer || record.requests < REQUESTS_MAX {
            due.push(Reverse((caller.due(), number)));
        }
    }
    (callers.iter().map(|caller| caller.kind).zip(records).collect(), checks)
}

#[test]
fn abusers_are_told_from_customers() {
    println!("imitation  recall  precision  customers  recall by kind");
    for (imitation, recall_floor, precision_floor) in FLOORS {
        let runs: Vec<(Vec<(Kind, Record)>, Checks)> = std::thread::scope(|scope| {
            let begun: Vec<_> =
                (1..=SEEDS).map(|seed| scope.spawn(move || run(f64::from(imitation) / 100.0, seed))).collect();
            begun.into_iter().map(|run| run.join().unwrap()).collect()
        });
        let records: Vec<(Kind, Record)> = runs.iter().flat_map(|(records, _)| records).copied().collect();
        let abusers = Share::of(&records, |kind| kind != Kind::Customer);
        let customers = Share::of(&records, |kind| kind == Kind::Customer);
        let precision = Share { found: abusers.found, all: abusers.found + customers.found };
        let by_kind = |kind: Kind| format!("{} {}", kind.name(), Share::of(&records, |one| one == kind).percent());
        println!(
            "{imitation:>9}  {:>6}  {:>9}  {:>4}/{:<4}  {}",
            abusers.percent(),
            precision.percent(),
            customers.found,
            customers.all,
            Kind::ABUSERS.map(by_kind).join(", ")
        );
        for ((kind, check), times) in &runs[0].1 {
            println!("           {kind}: {check} {times} times");
        }
        assert!(abusers.percent() >= recall_floor, "imitation {imitation}: recall {}", abusers.percent());
        assert!(
            precision.percent() >= precision_floor,
            "imitation {imitation}: precision {}",
            precision.percent()
        );
    }
}
