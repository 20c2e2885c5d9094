//! Everything HTTP does besides a small request and a small answer passes the filter, or is refused in its own terms.
//!
//! Bodies of every framing, trailers, gRPC, event streams, interim responses, upgrades; over HTTP/1.1 and HTTP/2,
//! towards services of both. Not covered: HTTP/3, gRPC-Web, CONNECT.

use super::{code, demo_issuer, echoed, enforcing, Gate, Scripted, Shared, Wire, PARAMETER};
use portcullis_lab::client::{Client, Request, Response};
use portcullis_lab::tokens::{Algorithm, Issuer, Spec};
use serde_json::{json, Value};
use std::sync::Arc;

const LIMIT: usize = 1024;

/// `/echo` has three rule sets, told apart by the method.
fn config() -> Value {
    enforcing(json!({
        "routes": [
            {"name": "echo", "path": "/echo", "methods": ["POST", "GET"]},
            {"name": "small", "path": "/echo", "methods": ["PUT"], "body_bytes_max": "1KiB"},
            {"name": "watched", "path": "/echo", "methods": ["PATCH"], "body_bytes_max": "1KiB", "mode": "monitor"},
            {"name": "ping", "path": "/grpc.Demo/Ping", "body_bytes_max": "1KiB"},
        ],
        "identity": {
            "issuers": [demo_issuer()],
            "default": "ignored",
            "requirements": [{"routes": ["ping"], "scopes": ["ping"]}],
        },
    }))
}

/// In front of a service that speaks HTTP/1.1.
fn gate() -> Arc<Gate> {
    static GATE: Shared = Shared::by_tests(6);
    GATE.get(|| Gate::start(&config()))
}

/// In front of a service that speaks HTTP/2.
fn gate2() -> Arc<Gate> {
    static GATE: Shared = Shared::by_tests(3);
    GATE.get(|| Gate::start_with(&config(), |bootstrap| bootstrap.http2_upstream()))
}

#[test]
fn bodies_of_every_framing_arrive_whole() {
    for (version, gate) in [("HTTP/1.1", gate()), ("HTTP/2.0", gate2())] {
        for (protocol, client) in gate.both() {
            for (bytes, piece) in
                [(0, None), (0, Some(1)), (5, None), (700, Some(7)), (300_000, None), (300_000, Some(9_999))]
            {
                let request = Request::post("/echo").body(vec![b'x'; bytes]);
                let request = piece.map_or(request.clone(), |piece| request.chunked(piece));
                let answer = client.send(request).unwrap().json().unwrap();
                assert_eq!(answer["version"], version);
                assert_eq!(answer["body_length"], bytes, "{protocol} to {version}, in pieces of {piece:?}");
            }
            let trailing = Request::post("/echo").body("hello").chunked(2).trailer("x-checksum", "42");
            let answer = client.send(trailing).unwrap().json().unwrap();
            assert_eq!(answer["body_length"], 5, "{protocol} to {version}");
            assert_eq!(echoed(&answer, "trailers", "x-checksum"), ["42"], "{protocol} to {version}");
        }
    }
}

#[test]
fn a_refused_head_request_gets_a_status_and_no_body() {
    let gate = gate();
    let mut wire = Wire::connect(gate.envoy.address());
    wire.write(format!("HEAD {PARAMETER} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
    let answer = wire.read_to_end();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n") && answer.matches("\r\n\r\n").count() == 1, "{answer}");
    let answer = gate.http2().send(Request::new("HEAD", PARAMETER)).unwrap();
    assert_eq!((answer.status, answer.body.len()), (400, 0));
}

fn ping(scope: &str) -> Request {
    let mut claims = Issuer::demo().claims("ada");
    claims.insert("scope".into(), json!(scope));
    let token = Issuer::demo().mint(&Spec::new(Algorithm::ES256, claims));
    grpc("/grpc.Demo/Ping").bearer(token)
}

fn grpc(path: &str) -> Request {
    Request::post(path).header("content-type", "application/grpc").header("te", "trailers").body([0; 5])
}

#[test]
fn a_refused_grpc_call_gets_a_grpc_status() {
    let gate = gate2();
    let client = gate.http2();
    for (request, status, code) in [
        (grpc("/grpc.Demo/Ping"), "16", "token_missing"),
        (ping("pong"), "7", "scope_insufficient"),
        (grpc("/grpc.Demo/Ping;v=1"), "3", "path_parameter"),
        (ping("ping").body(vec![0; LIMIT + 1]), "8", "body_too_large"),
    ] {
        let answer = client.send(request).unwrap();
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/grpc")), "{code}");
        assert_eq!(answer.header("grpc-status"), Some(status), "{code}");
        let message = answer.header("grpc-message").unwrap_or_default();
        let id = answer.header("x-request-id").unwrap();
        assert_eq!(message, format!("{code} (request {id})"));
        assert!(answer.body.is_empty(), "{code}");
    }
}

#[test]
fn a_permitted_grpc_call_passes_with_its_trailers() {
    let gate = gate2();
    let client = gate.http2();
    for request in [ping("ping"), ping("ping").chunked(2), ping("other ping").trailer("x-client", "1")] {
        let answer = client.send(request).unwrap();
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/grpc")));
        assert_eq!((answer.header("grpc-status"), answer.trailer("grpc-status")), (None, Some("0")));
        assert_eq!(answer.body, [0; 5]);
    }
}

#[test]
fn streams_pass_complete() {
    let gate = gate();
    for (protocol, client) in gate.both() {
        let get = |path: &str| client.send(Request::get(path)).unwrap();
        let (events, export) = (get("/events"), get("/api/export"));
        assert_eq!(events.header("content-type"), Some("text/event-stream"), "{protocol}");
        assert_eq!(events.text().matches("event: order").count(), 5, "{protocol}");
        assert_eq!(export.header("content-type"), Some("application/x-ndjson"), "{protocol}");
        assert!(export.text().lines().count() == 3 && export.text().ends_with("}\n"), "{protocol}");
    }
}

/// In front of a service that a test plays itself; upgrades are allowed.
fn scripted() -> (Gate, Scripted) {
    let service = Scripted::start();
    let gate = Gate::start_with(&config(), |bootstrap| {
        bootstrap.upstream(service.address()).edit(|document| {
            let http = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
            let http = document.pointer_mut(http).expect("the shipped connection manager");
            http["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]);
        })
    });
    (gate, service)
}

#[test]
fn nothing_is_held_back_in_either_direction() {
    let (gate, service) = scripted();
    // Announced as too large, so nothing of it arrives: the first connection below is another request's.
    for (protocol, client) in gate.both() {
        assert_eq!(upload(&client, "PUT", LIMIT + 1, None).status, 413, "{protocol}");
    }
    for kind in ["text/event-stream", "application/x-ndjson"] {
        let mut client = Wire::connect(gate.envoy.address());
        client.write("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\nconnection: close\r\n\r\nfirst");
        let mut server = service.accept();
        assert!(server.read_until("first").starts_with("POST /echo "), "{kind}");
        client.write("-last");
        server.read_until("-last");
        server.write(format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n"));
        server.write("one\n\n");
        assert!(client.read_until("one\n\n").starts_with("HTTP/1.1 200 "), "{kind}");
        server.write("two\n\n");
        drop(server);
        assert!(client.read_to_end().contains("two\n\n"), "{kind}");
    }
    upgrade(&gate, &service);
    gate.expect_accounted(6);
}

/// An upgrade is judged as the request it is; then bytes pass both ways.
fn upgrade(gate: &Gate, service: &Scripted) {
    let head = |path: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
    };
    let mut client = Wire::connect(gate.envoy.address());
    client.write(head(PARAMETER));
    assert!(client.read_until("path_parameter").starts_with("HTTP/1.1 400 "));
    let mut client = Wire::connect(gate.envoy.address());
    client.write(head("/echo"));
    let mut server = service.accept();
    server.read_until("\r\n\r\n");
    server.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    assert!(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 101 "));
    client.write("from the client");
    server.read_until("from the client");
    server.write("from the server");
    client.read_until("from the server");
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it() {
    let gate = gate();
    let mut wire = Wire::connect(gate.envoy.address());
    wire.write(
        "POST /echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\nconnection: close\r\n\r\n",
    );
    assert!(wire.read_until("\r\n\r\n").starts_with("HTTP/1.1 100 "));
    wire.write("hello");
    let answer = wire.read_to_end();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"body_length\":5"), "{answer}");
    let mut wire = Wire::connect(gate.envoy.address());
    wire.write("PUT /echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1025\r\nconnection: close\r\n\r\n");
    assert!(wire.read_until("body_too_large").contains("HTTP/1.1 413 "), "refused without its body");
}

fn upload(client: &Client, method: &str, bytes: usize, piece: Option<usize>) -> Response {
    let request = Request::new(method, "/echo").body(vec![b'x'; bytes]);
    client.send(piece.map_or(request.clone(), |piece| request.chunked(piece))).unwrap()
}

#[test]
fn a_body_over_its_limit_is_refused() {
    let gate = gate();
    for (protocol, client) in gate.both() {
        let refused = upload(&client, "PUT", LIMIT + 1, None);
        assert_eq!((refused.status, code(&refused)), (413, "body_too_large".to_owned()), "{protocol}");
        for bytes in [LIMIT + 1, 60_000] {
            let refused = upload(&client, "PUT", bytes, Some(100));
            assert_eq!(
                (refused.status, code(&refused)),
                (413, "body_too_large".to_owned()),
                "{protocol}, {bytes}"
            );
        }
        for piece in [None, Some(100)] {
            let exact = upload(&client, "PUT", LIMIT, piece).json().unwrap();
            assert_eq!(exact["body_length"], LIMIT, "{protocol}, {piece:?}");
        }
    }
}

#[test]
fn in_monitor_mode_a_body_over_its_limit_passes_complete() {
    let gate = gate();
    let mut sent = 0;
    for (protocol, client) in gate.both() {
        for piece in [None, Some(100)] {
            let answer = upload(&client, "PATCH", 60_000, piece).json().unwrap();
            assert_eq!(answer["body_length"], 60_000, "{protocol}, {piece:?}");
            sent += 1;
        }
    }
    gate.envoy.wait_for(|_| gate.requests("would_deny", "watched", "monitor") >= sent, super::SOON);
    assert_eq!(gate.requests("would_deny", "watched", "monitor"), sent);
}
