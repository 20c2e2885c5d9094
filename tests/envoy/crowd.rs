//! A crowd: many clients at the same time, over so many connections that every worker has some.

use super::{enforcing, Gate};
use portcullis_lab::client::{Client, Request, Response};
use portcullis_lab::tokens::{Algorithm, Issuer, Spec};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Connections of a crowd, each with a thread of its own.
pub(super) const CONNECTIONS: usize = 16;

/// Rules that enforce, in an Envoy with two workers.
pub(super) fn gate(more: Value) -> Gate {
    Gate::start_with(&enforcing(more), |bootstrap| bootstrap.balanced(2))
}

/// Clients, every other one over HTTP/2, that come from this address if one is given.
pub(super) fn clients(gate: &Gate, source: Option<&str>) -> Vec<Client> {
    let source: Option<IpAddr> = source.map(|source| source.parse().unwrap());
    let client = |number: usize| {
        let client = if number.is_multiple_of(2) { gate.http1() } else { gate.http2() };
        match source {
            Some(source) => client.from(source),
            None => client,
        }
    };
    (0..CONNECTIONS).map(client).collect()
}

/// Sends so many requests, dealt out to the clients, all at the same time; what each got is in no order.
pub(super) fn flood(
    clients: &[Client],
    requests: usize,
    request: impl Fn(usize) -> Request + Sync,
) -> Vec<Response> {
    let send = |first: usize| {
        let numbers = (first..requests).step_by(clients.len());
        numbers.map(|number| clients[first].send(request(number)).unwrap()).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let send = &send;
        let threads: Vec<_> = (0..clients.len()).map(|first| scope.spawn(move || send(first))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// How many were told what.
pub(super) fn tally(answers: &[Response]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for answer in answers {
        *tally.entry(told(answer)).or_default() += 1;
    }
    tally
}

/// The public code of a refusal, or else the status that the service gave.
pub(super) fn told(answer: &Response) -> String {
    match answer.header("content-type") {
        Some("application/problem+json") => super::code(answer),
        _ => answer.status.to_string(),
    }
}

/// A good token of somebody, with these claims besides.
pub(super) fn token(subject: &str, more: Value) -> String {
    let issuer = Issuer::demo();
    let mut claims = issuer.claims(subject);
    claims.extend(more.as_object().cloned().unwrap_or_default());
    issuer.mint(&Spec::new(Algorithm::ES256, claims))
}
