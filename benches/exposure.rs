//! What checking a response costs: CPU time of a real Envoy per response and per byte, beside an Envoy without the filter, and the
//! core alone.
//!
//! `cargo bench --bench exposure` (with `target/portcullis.wasm` and `$ENVOY`). All contenders forward the same answers of the
//! same service, JSON of 2 KiB, 64 KiB and 1 MiB; they take turns, and the median of the rounds is told. The limits of what
//! Envoy holds back are raised for the largest. `BENCH_ROUNDS` (5) makes it longer or shorter. The time to the first byte is that of
//! an answer in pieces, as a ratio to that of an Envoy without the filter in the same run.
//! Not covered: several workers, TLS.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "runs on a developer's machine and may stop with a message"
)]

use portcullis::stages::exposure::detectors::{ALL, TABLE};
use portcullis::stages::exposure::scan::{scan, Asked};
use portcullis_lab::bootstrap::Bootstrap;
use portcullis_lab::client::{Client, Request};
use portcullis_lab::envoy::Envoy;
use portcullis_lab::upstream::say::{Answer, FIELD};
use portcullis_lab::upstream::Upstream;
use serde_json::{json, Value};
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const SIZES: [(&str, usize); 3] = [("2 KiB", 2 << 10), ("64 KiB", 64 << 10), ("1 MiB", 1 << 20)];

/// One record of an answer: about what a list of orders has.
const RECORD: &str = "{\"id\":\"o-100017\",\"owner\":\"ada\",\"created_at\":\"2026-11-20T12:31:07Z\",\"total\":{\"amount\":129.5,\"currency\":\"EUR\"},\
    \"items\":[{\"product\":\"p-1\",\"quantity\":1,\"note\":\"Delivered at the door, signed for by a neighbour.\"}],\"uuid\":\"0b6f7f52-9a51-4c1e-b0e4-5f2b8c1e9d7a\"},";

/// What an answer is made of that costs the most: beginnings of what is looked for, that never become it.
const HOSTILE: &[&str] = &[
    "-----BEGIN PRIVATE KEY-----",
    "eyJa-",
    "eyJhbGciOiJIUzI1NiJ9.eyJa.",
    "a@",
    "a.local.",
    "4111 ",
    "4111-1111-",
    "+1 2",
    "$2a$",
    "at a.java:",
    "File \"",
    "xoxb-a-",
    "://a:",
    "AB12 ",
    "\"apikey\":\"a",
    "password",
    "1.1.",
    "#0 a",
    "4.1e",
    "You have an error in your SQL syntax \\\"",
    "at a.java:1 \", ",
    "\\/",
    "\\u0034111",
    "SQLSTATE[ at a.java:1 4111111111111111 ",
];

/// How much longer a byte may take in a long answer than in a short one: more would be worse than linear.
const GROWTH_MAX: f64 = 2.0;

/// A card that pays for nothing, at the end of the answer.
const LEAK: &str = "{\"card\":\"4111111111111111\"}]";

/// Answers whose first byte is waited for, of each contender.
const STREAMS: usize = 1000;

/// CPU time is counted in hundredths of a second.
const ROUND: Duration = Duration::from_millis(200);

struct Contender {
    name: &'static str,
    envoy: Envoy,
    client: Client,
    answer: Answer,
    requests: usize,
    rounds: Vec<f64>,
}

fn main() {
    native();
    hostile();
    let upstream = Upstream::start();
    first_byte(&upstream);
    let rounds = std::env::var("BENCH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5_usize);
    println!("{:<8}{:<24}{:>14}{:>12}{:>14}", "size", "contender", "CPU us", "added us", "added MB/s");
    for (label, size) in SIZES {
        let mut contenders: Vec<Contender> =
            rules().into_iter().map(|(name, rules, leaks)| start(name, rules, leaks, size, &upstream)).collect();
        for round in 0..=rounds {
            for contender in &mut contenders {
                let used = contender.run(contender.requests);
                if round > 0 {
                    contender.rounds.push(used.as_secs_f64() * 1e6 / contender.requests as f64);
                }
            }
        }
        let bare = median(&contenders[0].rounds);
        for contender in &contenders {
            let own = median(&contender.rounds);
            let added = own - bare;
            let speed = if added > 0.5 { format!("{:.0}", size as f64 / added) } else { "-".to_owned() };
            println!("{label:<8}{:<24}{own:>14.0}{added:>12.0}{speed:>14}", contender.name);
        }
    }
}

/// Name, rules (none for no filter), and whether the answer has something to hide.
fn rules() -> Vec<(&'static str, Option<Value>, bool)> {
    let allow = json!(["[].id", "[].owner", "[].created_at", "[].total", "[].items", "[].uuid", "[].card"]);
    vec![
        ("no filter", None, false),
        ("not checked", Some(json!({"rules": [], "headers": {"action": "pass"}})), false),
        ("flagged", Some(json!({})), false),
        ("masked, nothing found", Some(json!({"rules": [{"action": "mask"}]})), false),
        ("masked, one found", Some(json!({"rules": [{"action": "mask"}]})), true),
        ("fields", Some(json!({"rules": [], "fields": [{"allow": allow, "action": "remove"}]})), false),
    ]
}

fn envoy(rules: Option<Value>, upstream: &Upstream) -> Envoy {
    let shipped = Bootstrap::shipped().unwrap().upstream(upstream.address()).edit(|document| {
        let listener = document.pointer_mut("/static_resources/listeners/0").unwrap();
        listener["per_connection_buffer_limit_bytes"] = json!(8 << 20);
        let log = listener.pointer_mut("/filter_chains/0/filters/0/typed_config/access_log/0").unwrap();
        log["filter"] = json!({"duration_filter": {"comparison": {
            "op": "GE", "value": {"default_value": u32::MAX, "runtime_key": "portcullis.bench.never"}}}});
    });
    let bootstrap = match rules {
        None => shipped.without_filter(),
        Some(exposure) => {
            let config = json!({"version": 1, "mode": "enforce", "response": {"body_read_max": "2MiB"}, "exposure": exposure});
            shipped.filter_config(&config.to_string())
        }
    };
    Envoy::start(&bootstrap).unwrap()
}

fn start(name: &'static str, rules: Option<Value>, leaks: bool, size: usize, upstream: &Upstream) -> Contender {
    let envoy = envoy(rules, upstream);
    let client = Client::http1(envoy.address());
    let end = if leaks { LEAK } else { "{}]" };
    let answer =
        Answer { more: RECORD.to_owned(), times: size / RECORD.len(), end: end.to_owned(), ..Answer::json("[") };
    let mut contender = Contender { name, envoy, client, answer, requests: 0, rounds: Vec::new() };
    let mut requests = 20;
    contender.requests = loop {
        let used = contender.run(requests);
        if used >= ROUND / 2 {
            break (requests as f64 * ROUND.as_secs_f64() / used.as_secs_f64()).ceil() as usize;
        }
        requests *= 2;
    };
    contender
}

/// The time from a request to the first byte of the body of its answer, which comes in pieces.
fn first_byte(upstream: &Upstream) {
    let masked = || Some(json!({"rules": [{"action": "mask"}]}));
    let contenders = [
        ("no filter", None, "application/json"),
        ("not checked", Some(json!({"rules": [], "headers": {"action": "pass"}})), "application/json"),
        ("flagged", Some(json!({})), "application/json"),
        ("masked, a stream", masked(), "text/event-stream"),
        ("masked, held back", masked(), "application/json"),
    ];
    let mut contenders: Vec<_> = contenders
        .into_iter()
        .map(|(name, rules, kind)| {
            let envoy = envoy(rules, upstream);
            let wire = TcpStream::connect(envoy.address()).unwrap();
            wire.set_nodelay(true).unwrap();
            (name, envoy, BufReader::new(wire), kind, Vec::new())
        })
        .collect();
    for round in 0..STREAMS {
        for (_, _, wire, kind, times) in &mut contenders {
            let answer = Answer { more: RECORD.to_owned(), times: 8, piece_bytes: Some(256), ..Answer::json("[") };
            let request = format!(
                "GET / HTTP/1.1\r\nhost: a\r\n{FIELD}: {}\r\n\r\n",
                answer.header("content-type", kind).field()
            );
            let began = Instant::now();
            wire.get_mut().write_all(request.as_bytes()).unwrap();
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                assert!(wire.read_line(&mut line).unwrap() > 0, "the connection was closed");
            }
            // The length of the first chunk comes with its first byte.
            wire.read_line(&mut line).unwrap();
            if round >= STREAMS / 10 {
                times.push(began.elapsed().as_secs_f64() * 1e6);
            }
            while line != "0\r\n" {
                line.clear();
                wire.read_line(&mut line).unwrap();
            }
            wire.read_line(&mut line).unwrap();
        }
    }
    let bare = median(&contenders[0].4);
    for (name, _, _, _, times) in &contenders {
        let own = median(times);
        println!("first byte  {name:<24}{own:>8.0} us, {:.2} of an Envoy without the filter", own / bare);
    }
}

impl Contender {
    fn run(&self, requests: usize) -> Duration {
        let length = self.answer.text().len();
        let before = self.envoy.cpu_time().unwrap();
        for _ in 0..requests {
            let response = self.client.send(Request::get("/").header(FIELD, self.answer.field())).unwrap();
            assert!(response.status == 200 && response.body.len().abs_diff(length) < 64, "{}", response.status);
        }
        self.envoy.cpu_time().unwrap().saturating_sub(before)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The pass over the bytes alone, as native code: with all detectors, and with each.
fn native() {
    for (label, size) in SIZES {
        println!("{label:<8}scan, natively: {:.0} MB/s", speed(size, |_| Some(FIRST)));
    }
    for (index, detector) in ALL.iter().enumerate() {
        println!("{:<32}{:.0} MB/s", detector.check.id, speed(64 << 10, |own| (own == index).then_some(FIRST)));
    }
}

/// What every detector is asked for: the first of its finds.
const FIRST: Asked<u8> = Asked { rank: 0, at_least: 1 };

fn speed(size: usize, wanted: impl Fn(usize) -> Option<Asked<u8>>) -> f64 {
    let text = RECORD.repeat(size / RECORD.len());
    let times = (16 << 20) / size;
    let began = Instant::now();
    for _ in 0..times {
        assert!(scan(black_box(text.as_bytes()), &TABLE, &wanted).is_empty());
    }
    (text.len() * times) as f64 / began.elapsed().as_secs_f64() / 1e6
}

/// The nanoseconds that a byte of a hostile answer costs, in short and in long ones.
fn hostile() {
    let nanos_per_byte = |bytes: usize, piece: &str| {
        let text = piece.repeat(bytes / piece.len());
        let (start, mut rounds) = (Instant::now(), 0_u32);
        while rounds < 3 || start.elapsed() < Duration::from_millis(20) {
            black_box(scan(text.as_bytes(), &TABLE, |_| Some(FIRST)));
            rounds += 1;
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(rounds) / text.len() as f64
    };
    let mut worst = (0.0, "");
    for piece in HOSTILE {
        let [short, long] = [8 << 10, 128 << 10].map(|bytes| nanos_per_byte(bytes, piece));
        assert!(
            long <= short * GROWTH_MAX,
            "{piece:?}: {short:.0} ns a byte in a short answer, {long:.0} in a long one"
        );
        worst = if long > worst.0 { (long, *piece) } else { worst };
    }
    println!("hostile answers: at most {:.0} ns a byte ({:?}), in long ones as in short ones", worst.0, worst.1);
}
