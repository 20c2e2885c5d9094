//! What is fuzzed: each parser that reads what a client wrote, and the engine as a whole.
//!
//! A target takes any bytes and panics where something is wrong: an own panic of the filter, or a promise that is not kept. The
//! fuzzer (`fuzz/fuzz_targets`) looks for such bytes for as long as it is let; the tests (`tests/hostile.rs`) try the seeds and
//! some thousand changes of them on every run.

use portcullis::config::Config;
use portcullis::engine::waiting::Wait;
use portcullis::engine::{Engine, Ports, Step};
use portcullis::jose::token::Token;
use portcullis::request::body::{Body, Unread, BOUNDS};
use portcullis::request::headers::Headers;
use portcullis::request::{agent, decode, graphql, multipart, path, values, Request};
use portcullis::stages::exposure::detectors::{ALL, TABLE};
use portcullis::stages::exposure::scan::{scan, Asked};
use portcullis::stages::inspect::inspector::Inspector;
use portcullis::stages::inspect::lexer::{symbols, SYMBOLS_MAX};
use portcullis::stages::CHECKS;
use portcullis::time::Millis;
use portcullis::{expression, json};

/// A target: its name, what it does, and texts to begin with.
pub(crate) struct Target {
    /// As it is called on the command line.
    pub(crate) name: &'static str,
    /// Tries some bytes.
    pub(crate) run: fn(&[u8]),
    /// Texts that come far.
    pub(crate) seeds: &'static [&'static str],
}

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    Target { name: "decoding", run: decoding, seeds: &["%253Cb%u0041&#x3c;\\u0041\u{ff1c}%c0%af", "%C0\u{fffd}", "PHNjcmlwdD5hPC9zY3JpcHQ+"] },
    Target { name: "inspection", run: inspection, seeds: &["' or 1=1 --", "<svg/onload=a()>", "${jndi:ldap://a}", "/*/**/*/union/*!select*/"] },
    Target { name: "forms", run: forms, seeds: &["a=1&b[$ne]=%27&c", "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\nc\r\n--x--"] },
    Target { name: "documents", run: documents, seeds: &["{\"a\":[1,{\"b\":\"\\u0041\"}],\"__proto__\":null}", "[[[[1e3,-0.5,true]]]]"] },
    Target { name: "graphql_documents", run: graphql_documents, seeds: &["query A($i: ID = 1) { a: b(id: $i, x: {y: [\"z\"]}) @include(if: true) { ...F } } fragment F on T { c }"] },
    Target { name: "targets", run: targets, seeds: &["/a/%2e%2e/b;c=1//d?e=f", "/%u002e/\\..%5c"] },
    Target { name: "tokens", run: tokens, seeds: &["eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.AAAA"] },
    Target { name: "expressions", run: expressions, seeds: &["a.b[0].exists(x, x > 1 && size(x) == 2) ? 'c' : \"d\" + string(1.5)"] },
    Target {
        name: "answers",
        run: answers,
        seeds: &["{\"card\":\"4111 1111 1111 1111\",\"iban\":\"DE89370400440532013000\"}", "at a.B.c(D.java:1)\n10.0.0.1 a@b.example -----BEGIN PRIVATE KEY-----\nAA"],
    },
    Target { name: "requests", run: requests, seeds: &["POST /a?b=c\ncontent-type: application/json\ncookie: d=e; f=g\n\n{\"h\": \"' or 1=1\"}", "POST /graphql\ncontent-type: application/json\n\n{\"query\": \"{ a { b } }\"}"] },
];

thread_local! {
    static INSPECTOR: Inspector = Inspector::built_in([7; 16]).expect("the built-in detectors have no fault");
    static ENGINE: Engine = {
        let document = br#"{"version": 1, "mode": "enforce", "inspect": {}, "behaviour": {}, "oauth": {}, "objects": {}, "anomaly": {}, "exposure": {},
            "memory": {"budget": "128KiB"}, "request": {"body_read_max": "1KiB"},
            "limits": [{"name": "all", "key": ["source"], "limit": 1000000000, "window": "1m"}],
            "routes": [{"name": "graphql", "path": "/graphql"}, {"name": "a", "path": "/a"}]}"#;
        Engine::new(Config::parse(document, CHECKS).expect("a configuration"), Ports::in_process([7; 16]))
    };
}

fn decoding(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let decoded = decode::decode(&text);
    assert!(decoded.text.len() <= text.len() && decoded.rounds <= decode::ROUNDS_MAX);
    if let Some(inner) = decode::base64(&decoded.text) {
        assert!(inner.len() <= decoded.text.len());
        let _ = decode::text(&inner);
    }
}

fn inspection(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    INSPECTOR.with(|inspector| {
        let mut seen = Vec::new();
        symbols(&text, inspector.vocabulary(), &mut seen);
        assert!(seen.len() <= text.len() && seen.len() <= SYMBOLS_MAX.saturating_add(1));
        let first = inspector.inspect(&text);
        assert!(first == inspector.inspect(&text), "the same text was judged in two ways");
        assert!(first.is_none_or(|sighting| sighting.odds.is_finite()));
    });
    let _ = agent::classify(&text);
}

fn forms(bytes: &[u8]) {
    let mut longest = 0;
    values::of_form(bytes, &mut |_, place, text| longest = longest.max(text.len()).max(place.text().len()));
    assert!(longest <= values::VALUE_BYTES_MAX);
    let kind = b"multipart/form-data; boundary=x";
    let whole = multipart::parts(kind, bytes);
    let beginning = multipart::parts_of_beginning(kind, bytes);
    if let Ok(parts) = &whole {
        assert!(parts.iter().map(|part| part.bytes.len()).sum::<usize>() <= bytes.len());
        values::of_parts(parts, &mut |_, _, _| {});
        assert!(
            beginning.is_ok_and(|beginning| beginning.len() == parts.len()),
            "a whole body is its own beginning"
        );
    }
}

fn documents(bytes: &[u8]) {
    let body = Body::read(bytes);
    let mut count = 0;
    values::of_document(&body, &mut |_, place, _| count += usize::from(place.text().len() < 1 << 10));
    assert!(count <= values::VALUES_MAX);
    if let Ok(document) = json::parse(bytes, BOUNDS) {
        assert!(serde_json::from_slice::<serde_json::Value>(bytes).is_ok_and(|other| other == document));
    }
    values::of_beginning_of_document(bytes, &mut |_, _, text| assert!(text.len() <= values::VALUE_BYTES_MAX));
}

fn graphql_documents(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = graphql::first_operation(&text);
    if let Ok(shape) = graphql::shape::shape(&text) {
        assert!(shape.args.iter().map(String::len).sum::<usize>() <= text.len());
    }
}

fn targets(bytes: &[u8]) {
    if let Ok(normal) = path::normalize(bytes) {
        // It is decoded, so whatever is in it stands for itself.
        let escaped = |byte: u8| if byte == b'/' { "/".to_owned() } else { format!("%{byte:02x}") };
        let again = path::normalize(normal.normal.bytes().map(escaped).collect::<String>().as_bytes());
        assert!(again.is_ok_and(|again| again.normal == normal.normal), "a normal path has another normal form");
    }
}

fn tokens(bytes: &[u8]) {
    let _ = Token::parse(&String::from_utf8_lossy(bytes));
}

fn expressions(bytes: &[u8]) {
    use expression::{Kinds, Schema, Shape, Tag};
    const SCHEMA: Schema = Schema { names: &[("a", Shape::Value(Tag(1), Kinds::ANY))], functions: &[] };
    if let Err(fault) = expression::Expression::compile(&String::from_utf8_lossy(bytes), &SCHEMA, Kinds::ANY) {
        assert!(!fault.to_string().is_empty());
    }
}

fn answers(bytes: &[u8]) {
    let found = scan(bytes, &TABLE, |_| Some(Asked { rank: 0, at_least: 1 }));
    for index in 0..ALL.len() {
        let own: Vec<_> = found.iter().filter(|found| found.detector == index).collect();
        assert!(own.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start), "nothing is found twice");
    }
    assert!(found.iter().all(|found| found.range.start < found.range.end && found.range.end <= bytes.len()));
}

/// A first line of method and target, lines of fields, an empty line, and the body: through the whole engine.
fn requests(bytes: &[u8]) {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let (head, body) = (&bytes[..end], bytes.get(end + 2..).unwrap_or_default());
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut first = lines.next().unwrap_or_default().splitn(2, |byte| *byte == b' ');
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let mut pairs: Vec<(&[u8], &[u8])> =
        vec![(b":method", method), (b":path", target), (b":authority", b"shop.example"), (b":scheme", b"https")];
    for line in lines.take(100) {
        let mut halves = line.splitn(2, |byte| *byte == b':');
        pairs.push((halves.next().unwrap_or_default(), halves.next().unwrap_or_default().trim_ascii()));
    }
    let now = Millis::from_secs(1_800_000_000);
    ENGINE.with(|engine| {
        let request = Request::new(Headers::from_pairs(pairs), || Some([192, 0, 2, 1].into()));
        let mut step = engine.open(request, now, || "id".to_owned()).judge(!body.is_empty());
        if let Step::Wait(Wait::Body(held)) = step {
            let beginning = &body[..body.len().min(held.bytes_max())];
            step = match beginning.len() == body.len() {
                true => held.judge(body, now),
                false => held.judge_unread(Unread::TooLong, beginning, body.len(), now),
            };
        }
        match step {
            Step::Forward(_permit, passing) => {
                let mut done = passing.finish().finish(Default::default());
                done.close(Default::default(), now);
                told(&done.receipt(Default::default(), None, None));
            }
            Step::Refuse(reply, mut done) | Step::Serve(reply, mut done) => {
                assert!((200..600).contains(&reply.status));
                done.close(Default::default(), now);
                told(&done.receipt(Default::default(), None, None));
            }
            Step::Wait(_) => panic!("nothing here is waited for twice"),
        }
    });
}

/// A receipt is one line of JSON, whatever was sent.
fn told(receipt: &str) {
    assert!(serde_json::from_str::<serde_json::Value>(receipt).is_ok() && !receipt.contains(['\n', '\r', '\0']));
}

/// Runs the target of a name.
#[allow(dead_code, reason = "the tests run all of them")]
pub(crate) fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.unwrap_or_else(|| panic!("no target is called {name}")).run)(bytes);
}
