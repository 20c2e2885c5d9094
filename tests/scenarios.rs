//! The examples are golden: every promise in `examples/*/scenario.json` is held here, natively and in a real Envoy.
//!
//! The native replay drives the engine directly, with the demo service's shop behind it, the other one sends the same requests through the shipped Envoy
//! configuration. They have to agree with the scenario, and so with each other. A folder that lacks one of its
//! files fails, and so does a check that no example shows. Not covered: what only the host does (`tests/envoy`).

use portcullis::config::Config;
use portcullis::engine::answer::Course;
use portcullis::engine::waiting::Wait;
use portcullis::engine::{Done, Engine, Ports, Step};
use portcullis::reply::Reply;
use portcullis::request::body::Unread;
use portcullis::request::headers::Headers;
use portcullis::request::Request;
use portcullis::response::{Head, Response, Unread as AnswerUnread};
use portcullis::rls::Fault;
use portcullis::stages::business;
use portcullis::stages::limits::CONTENDED;
use portcullis::stages::workflow;
use portcullis::stages::{CHECKS, INTERNAL};
use portcullis::time::Millis;
use portcullis_lab::envoy::Envoy;
use portcullis_lab::scenario::replay::{replay, Finding, Observed};
use portcullis_lab::scenario::request::Ready;
use portcullis_lab::scenario::{Example, Kept, Outcome};
use portcullis_lab::tokens::{now, Issuer};
use portcullis_lab::upstream::say::Answer;
use portcullis_lab::upstream::shop::Shop;
use portcullis_lab::upstream::Upstream;
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn every_promise_holds_natively() {
    let issuer = Issuer::demo();
    let mut broken = Vec::new();
    for example in examples() {
        let config = Config::parse(example.filter.as_bytes(), CHECKS)
            .unwrap_or_else(|error| panic!("examples/{}/filter.json: {error}", example.name));
        let engine = Engine::new(config, Ports::in_process([7; 16]));
        let mut shop = Shop::default();
        let mut kept = Kept::new();
        for exchange in &example.scenario.exchanges {
            // What Envoy refuses never gets here.
            if exchange.expect.verdict == Outcome::None {
                continue;
            }
            for before in &exchange.before {
                let service = Response { status: Some(before.status), bytes: 0 };
                for written in before.requests() {
                    let ready = written.prepare(&issuer).expect("a request that can be sent");
                    natively(&engine, &ready, service, before.answer.as_ref(), &mut shop);
                }
            }
            let ready = exchange.request(&kept).prepare(&issuer).expect("a request that can be sent");
            // Where the request goes on, the answer is the service's.
            let service = Response {
                status: Some(exchange.expect.status),
                bytes: exchange.expect.response_bytes.unwrap_or_default(),
            };
            let (observed, added) = natively(&engine, &ready, service, exchange.answer.as_ref(), &mut shop);
            exchange.keep(&mut kept, |field| {
                added.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str())
            });
            let differences = observed.differences(&exchange.expect);
            broken.extend(complaint(&example, &exchange.who, &exchange.does, &differences));
        }
    }
    assert!(broken.is_empty(), "promises that were not kept:\n{}", broken.join("\n"));
}

#[test]
fn every_promise_holds_in_a_real_envoy() {
    let mut broken = Vec::new();
    for example in examples() {
        // Of its own: what it remembers is no other example's.
        let upstream = Upstream::start();
        let envoy = Envoy::start(&example.bootstrap(upstream.address()).unwrap())
            .unwrap_or_else(|error| panic!("examples/{}: {error:#}", example.name));
        let observed = replay(&example, &envoy).unwrap();
        assert_eq!(observed.len(), example.scenario.exchanges.len());
        for (exchange, observed) in example.scenario.exchanges.iter().zip(&observed) {
            let differences = observed.differences(&exchange.expect);
            broken.extend(complaint(&example, &exchange.who, &exchange.does, &differences));
        }
    }
    assert!(broken.is_empty(), "promises that were not kept:\n{}", broken.join("\n"));
}

#[test]
fn every_check_is_shown_by_an_example() {
    let examples = examples();
    let exchanges = examples.iter().flat_map(|example| &example.scenario.exchanges);
    let shown: BTreeSet<&str> =
        exchanges.flat_map(|exchange| &exchange.expect.findings).map(String::as_str).collect();
    // No single request can bring the filter's own failures about; and no example has a service that is asked about tokens
    // (`tests/envoy` has), as many of them as a memory takes to be full, or proofs made for
    // one request, or lasts for minutes (`tests/simulation/anomaly.rs` does).
    let asked = [
        "token.inactive",
        "token.replay_unknown",
        "token.holder.proof_replayed",
        "anomaly.rate",
        "anomaly.rhythm",
    ];
    // Nor does a scenario last until something is too late.
    let late = [workflow::TOO_LATE.id, workflow::CONTENDED.id];
    let ours = [INTERNAL.id, CONTENDED.id, business::CONTENDED.id]
        .into_iter()
        .chain(asked)
        .chain(late)
        .collect::<Vec<_>>();
    let missing: Vec<&str> =
        CHECKS.iter().map(|check| check.id).filter(|id| !ours.contains(id) && !shown.contains(id)).collect();
    assert!(missing.is_empty(), "no example shows {missing:?}");
    let unknown: Vec<&&str> = shown.iter().filter(|id| !CHECKS.iter().any(|check| check.id == **id)).collect();
    assert!(unknown.is_empty(), "examples promise findings of no check: {unknown:?}");
}

fn examples() -> Vec<Example> {
    Example::all().unwrap_or_else(|error| panic!("{error:#}"))
}

fn complaint(example: &Example, who: &str, does: &str, differences: &[String]) -> Option<String> {
    let place = format!("examples/{}: {who} {does}", example.name);
    (!differences.is_empty()).then(|| format!("{place}\n    {}", differences.join("\n    ")))
}

/// Drives the engine as the host would.
fn natively(
    engine: &Engine,
    ready: &Ready,
    service: Response,
    said: Option<&Answer>,
    shop: &mut Shop,
) -> (Observed, Vec<(String, String)>) {
    let source = ready.source();
    let request = Request::new(Headers::from_pairs(ready.fields()), move || Some(source));
    let time = Millis::from_secs(now());
    let head = engine.open(request, time, || "native".to_owned());
    let pieces: Vec<&[u8]> = ready.pieces().collect();
    let mut step = head.judge(!pieces.is_empty());
    // No example has an issuer behind it that serves anything.
    if let Step::Wait(wait @ Wait::Identity(_)) = step {
        step = wait.expire(time);
    }
    if let Step::Wait(Wait::Body(held)) = step {
        let body = pieces.concat();
        let beginning = &body[..body.len().min(held.bytes_max())];
        step = if beginning.len() == body.len() {
            held.judge(&body, time)
        } else {
            held.judge_unread(Unread::TooLong, beginning, body.len(), time)
        };
    } else {
        for piece in pieces {
            step = match step {
                Step::Forward(_permit, body) => body.judge(piece.len()),
                other => other,
            };
        }
    }
    // No example has a fleet's service behind it.
    if let Step::Wait(wait) = step {
        let Wait::Fleet(asking) = wait else { panic!("it waits for a body that it has") };
        step = asking.judge(Err(Fault::Unavailable("there is none")), time);
    }
    let mut added = Vec::new();
    let (mut done, answer, body, told) = match step {
        Step::Forward(_permit, body) => match said.cloned().or_else(|| shop.answer(ready.call())) {
            None => (Box::new(body.finish().finish(service)), service, String::new(), None),
            Some(said) => answered(body.finish(), &said, ready.is_head(), time, &mut added),
        },
        Step::Refuse(reply, done) => refused(reply, done),
        Step::Serve(reply, done) => {
            let bytes = u64::try_from(reply.body.len()).unwrap();
            (done, Response { status: Some(reply.status), bytes }, reply.body, None)
        }
        Step::Wait(_) => panic!("it waits twice for the fleet"),
    };
    if done.is_open() {
        done.close(answer, time);
    }
    (observed(&done, answer, body, told), added)
}

/// What came of a request: its end, the answer that the client got, and the code that it was told.
type Came = (Box<Done>, Response, String, Option<String>);

fn refused(reply: Reply, done: Box<Done>) -> Came {
    let problem: Value = serde_json::from_str(&reply.body).expect("a problem in JSON");
    let told = problem["code"].as_str().map(str::to_owned);
    (done, Response { status: Some(reply.status), bytes: 0 }, reply.body, told)
}

/// Takes the service's answer through the engine as the host would.
fn answered(
    answer: portcullis::engine::Answer,
    said: &Answer,
    is_head: bool,
    time: Millis,
    added: &mut Vec<(String, String)>,
) -> Came {
    let fields = said.fields().into_iter().chain([(":status".to_owned(), said.status.to_string())]);
    let text = said.text();
    let has_body = !is_head && !text.is_empty();
    let head = Head::new(Headers::from_pairs(fields), has_body).expect("an answer has a status");
    let mut body = text.clone();
    let answer = match answer.answer(head, time) {
        Course::Pass(changes, answer) => {
            added.extend(changes.add);
            answer
        }
        Course::Watch(changes, mut watched) => {
            added.extend(changes.add);
            let room = watched.room().min(text.len());
            watched.piece(&text.as_bytes()[..room], text.len());
            watched.end(time)
        }
        Course::Hold(held) => {
            let read = &text.as_bytes()[..text.len().min(held.bytes_max())];
            let unread = (text.len() > held.bytes_max()).then_some(AnswerUnread::TooLong);
            match held.judge(read, unread, time) {
                Course::Pass(changes, answer) => {
                    added.extend(changes.add);
                    body = changes.body.map_or(body, |body| String::from_utf8(body).expect("text"));
                    answer
                }
                Course::Replace(reply, done) => return refused(reply, done),
                _ => panic!("a body that is there is held again"),
            }
        }
        Course::Replace(reply, done) => return refused(reply, done),
    };
    let bytes = u64::try_from(body.len()).unwrap();
    let response = Response { status: Some(said.status), bytes };
    (Box::new(answer.finish(response)), response, body, None)
}

fn observed(done: &Done, answer: Response, body: String, told: Option<String>) -> Observed {
    let findings = done.findings().iter().map(|weighed| Finding {
        check: weighed.finding.check.id.to_owned(),
        reason: weighed.finding.reason.to_string(),
    });
    Observed {
        status: answer.status.unwrap_or_default(),
        body,
        bytes: answer.bytes,
        told,
        verdict: done.summary(),
        findings: Some(findings.collect()),
    }
}
