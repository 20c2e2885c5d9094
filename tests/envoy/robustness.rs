//! No input and no accident kills the filter, and every request that reached it is accounted for.
//!
//! A panic kills the VM of a worker and answers 503, so each test ends by showing that none happened: in the log,
//! in the statistics and by one more good request. Not covered: exhaustion of memory and of file descriptors.

use super::{code, demo_issuer, enforcing, Gate, Stop, Wire, PARAMETER, SOON};
use portcullis_lab::client::{raw, Client, Request};
use portcullis_lab::tokens::Issuer;
use portcullis_lab::upstream::Upstream;
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

fn config() -> Value {
    enforcing(json!({
        "routes": [
            {"name": "echo", "path": "/echo", "body_bytes_max": "64KiB"},
            {"name": "orders", "path": "/api/orders/{id}"},
            {"name": "health", "path": "/healthz"},
        ],
        "identity": {
            "issuers": [demo_issuer()],
            "sources": [{"header": "authorization", "scheme": "Bearer"}, {"cookie": "token"}],
            "requirements": [
                {"routes": ["echo"], "token": "optional"},
                {"routes": ["health"], "token": "ignored"},
            ],
        },
    }))
}

/// A good request, with all that the filter can do to it.
fn good() -> Request {
    Request::get("/api/orders/o-1001").bearer(Issuer::demo().token("ada"))
}

/// Envoy's own limit for a header section is 60 KiB, and it answers 431 before the filter sees anything. Where it is
/// raised, the filter's limits hold. Over HTTP/2 Envoy closes the connection whatever the limit.
#[test]
fn a_token_of_100_kib_is_refused_by_its_size() {
    let mut config = config();
    config["request"] = json!({"header_bytes_max": "1MiB"});
    let http = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let gate = Gate::start_with(&config, |bootstrap| {
        bootstrap.edit(|envoy| envoy.pointer_mut(http).unwrap()["max_request_headers_kb"] = json!(256))
    });
    let client = gate.http1();
    let refused = client.send(Request::get("/api/orders/o-1001").bearer("x".repeat(100 << 10))).unwrap();
    assert_eq!((refused.status, code(&refused).as_str()), (401, "token_too_large"));
    assert_eq!(client.send(good()).unwrap().status, 200);
    gate.expect_unharmed();
}

#[test]
fn bytes_that_are_no_text_are_refused_and_nothing_else_happens() {
    let gate = Gate::start(&config());
    let mut sent = 0;
    for (protocol, client) in gate.both() {
        for name in ["x-odd", "authorization", "cookie", "user-agent", "x-device-id", "content-type"] {
            for value in [b"\xff\xfe".as_slice(), b"Bearer \x80", b"token=\xc3\x28", b"\xed\xa0\x80"] {
                let refused = client.send(Request::get("/echo").header(name, value)).unwrap();
                let expected = (400, "header_not_utf8".to_owned());
                assert_eq!(
                    (refused.status, code(&refused)),
                    expected,
                    "{protocol}, {name}: {}",
                    value.escape_ascii()
                );
            }
            assert_eq!(client.send(good()).unwrap().status, 200, "{protocol}: the next one, on the same worker");
            sent += 5;
        }
    }
    // What Envoy replaces or refuses itself never gets that far.
    for head in [
        b"GET /echo HTTP/1.1\r\nhost: a\r\nx-request-id: \xff\r\n\r\n".as_slice(),
        b"GET /echo HTTP/1.1\r\nhost: a\r\nreferer: \xff\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nhost: \xff\xfe\r\n\r\n",
        b"GET /echo\xff HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /echo?\xc0\xaf HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nhost: a\r\nx-\xff: 1\r\n\r\n",
        b"G\xffT /echo HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        let status = raw(gate.envoy.address(), head).unwrap().status;
        assert!(status == 200 || status == 400, "{status} for {}", head.escape_ascii());
        assert_eq!(gate.http1().send(good()).unwrap().status, 200, "after {}", head.escape_ascii());
    }
    assert!(gate.accounted() >= sent);
    gate.expect_unharmed();
}

/// Numbers that look random and are the same in every run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// Up to so many characters of an alphabet.
    fn text(&mut self, alphabet: &[u8], most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }

    /// One hostile request; one in eight is broken as well, so that Envoy's own parser has something to refuse.
    fn request(&mut self) -> Vec<u8> {
        const BASE64URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        const ODD: &[u8] = b"aZ09%2fFeEcC0;/\\.?#&=+\"'{}[]<>|~\x80\xc0\xaf\xff";
        let broken = self.below(8) == 0;
        let methods = ["GET", "POST", "HEAD", "OPTIONS", "TRACE", "DELETE", "M-SEARCH"];
        let names = ["cookie", "x-odd", "content-type", "x-request-id", "user-agent", "x-portcullis-odd"];
        let prefixes = ["", "eyJhbGciOiJSUzI1NiJ9", "eyJhbGciOiJub25lIn0", "e30", "W10"];
        let mut bytes = format!("{} /", self.pick::<str>(&methods)).into_bytes();
        // Of a path Envoy's parser takes no bytes beyond ASCII.
        bytes.extend(self.text(&ODD[..ODD.len() - 4], 24));
        bytes.extend(b" HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer ");
        for part in 0..1 + self.below(4) {
            bytes.extend(if part > 0 { b".".as_slice() } else { b"" });
            bytes.extend(self.pick::<str>(&prefixes).bytes());
            bytes.extend(self.text(BASE64URL, 200));
        }
        bytes.extend(b"\r\n");
        for _ in 0..self.below(6) {
            bytes.extend(self.pick::<str>(&names).bytes());
            bytes.extend(b": ");
            bytes.extend(self.text(ODD, 30));
            bytes.extend(b"\r\n");
        }
        for _ in 0..if broken { 1 + self.below(3) } else { 0 } {
            let at = self.below(bytes.len());
            bytes[at] = self.below(256) as u8;
        }
        bytes.extend(b"\r\n");
        bytes
    }
}

/// Sends the bytes and waits for the beginning of an answer, the end of the connection, or a while: a request that
/// its mutations made incomplete gets none.
fn fire(server: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let _may_be_refused = stream.write_all(bytes);
    let _may_be_closed = stream.read(&mut [0; 512]);
}

#[test]
fn a_storm_of_hostile_requests_leaves_no_trace() {
    const SHOOTERS: u64 = 4;
    const SHOTS: usize = 75;
    let gate = Gate::start_with(&config(), |bootstrap| bootstrap.concurrency(2));
    std::thread::scope(|scope| {
        for seed in 1..=SHOOTERS {
            let server = gate.envoy.address();
            scope.spawn(move || {
                let mut dice = Dice(seed);
                (0..SHOTS).for_each(|_| fire(server, &dice.request()));
            });
        }
    });
    let reached = gate.envoy.wait_for(|_| gate.accounted() > 150, SOON);
    assert!(reached, "only {} got as far as the filter: the storm is none", gate.accounted());
    for client in workers(&gate) {
        assert_eq!(client.send(good()).unwrap().status, 200, "{}", gate.envoy.log());
    }
    gate.expect_unharmed();
    let denied: u64 = ["unmatched", "ambiguous"].map(|route| gate.requests("deny", route, "enforce")).iter().sum();
    assert!(denied > 100, "only {denied} were refused");
    let server_errors = gate.envoy.stats()["http.ingress.downstream_rq_5xx"];
    // The service answers 404 to what it does not know, so Envoy has no reason for a 5xx of its own.
    assert_eq!(server_errors, 0, "{:#?}", gate.envoy.access_log());
}

/// Open connections, at least one for each of two workers: the kernel deals them out.
fn workers(gate: &Gate) -> Vec<Client> {
    let mut clients = Vec::new();
    let busy = |stats: &BTreeMap<String, u64>, worker: usize| {
        let of_worker = format!(".worker_{worker}.downstream_cx_active");
        stats.iter().any(|(name, count)| name.starts_with("listener.") && name.ends_with(&of_worker) && *count > 0)
    };
    while clients.len() < 8 || !(0..2).all(|worker| busy(&gate.envoy.stats(), worker)) {
        assert!(clients.len() < 64, "the kernel gives all connections to one worker");
        let client = gate.http1();
        assert_eq!(client.send(Request::get("/healthz")).unwrap().status, 200);
        clients.push(client);
    }
    clients
}

#[test]
fn the_counts_of_two_workers_add_up_exactly() {
    const ROUNDS: u64 = 25;
    let gate = Gate::start_with(&config(), |bootstrap| bootstrap.concurrency(2));
    let clients = workers(&gate);
    let connections = clients.len() as u64;
    let token = Issuer::demo().token("ada");
    std::thread::scope(|scope| {
        for client in &clients {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let orders = Request::get("/api/orders/o-1001");
                    assert_eq!(client.send(orders.clone().bearer(&token)).unwrap().status, 200);
                    assert_eq!(client.send(orders).unwrap().status, 401);
                }
            });
        }
    });
    gate.expect_accounted(connections * (2 * ROUNDS + 1));
    for (verdict, route, count) in [
        ("allow", "orders", connections * ROUNDS),
        ("deny", "orders", connections * ROUNDS),
        ("allow", "health", connections),
    ] {
        assert_eq!(gate.requests(verdict, route, "enforce"), count, "{verdict} {route}");
    }
    gate.expect_unharmed();
}

#[test]
fn a_service_that_dies_and_returns_costs_no_verdict() {
    let Gate { envoy, upstream } = Gate::start_with(&config(), |bootstrap| bootstrap.concurrency(2));
    let address = upstream.address();
    let (sent, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let stop = AtomicBool::new(false);
    let run = |client: Client| {
        while !stop.load(Ordering::SeqCst) {
            let status = client.send(Request::get("/healthz")).unwrap().status;
            assert!(status == 200 || status == 503, "{status}");
            sent.fetch_add(1, Ordering::SeqCst);
            failed.fetch_add(u64::from(status == 503), Ordering::SeqCst);
        }
    };
    let upstream = std::thread::scope(|scope| {
        let guard = Stop(&stop);
        let runners: Vec<_> =
            (0..4).map(|_| Client::http1(envoy.address())).map(|client| scope.spawn(|| run(client))).collect();
        let passes =
            |least: u64, count: &AtomicU64| envoy.wait_for(|_| count.load(Ordering::SeqCst) >= least, SOON);
        let before = passes(20, &sent);
        drop(upstream);
        let during = passes(20, &failed);
        let upstream = Upstream::bind(address).unwrap();
        let after = envoy.wait_for(|_| upstream.hits() >= 20, SOON);
        drop(guard);
        runners.into_iter().for_each(|runner| runner.join().unwrap());
        assert!(before && during && after, "before: {before}, without the service: {during}, after: {after}");
        upstream
    });
    let gate = Gate { envoy, upstream };
    gate.expect_accounted(sent.into_inner());
    assert_eq!(gate.requests("allow", "health", "enforce"), gate.accounted(), "Envoy's 503 is no verdict of ours");
    assert_eq!(gate.http1().send(good()).unwrap().status, 200);
    gate.expect_unharmed();
}

#[test]
fn a_client_that_leaves_is_accounted_for() {
    let gate = Gate::start(&config());
    let chunked = "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    for rest in ["content-length: 1000\r\n\r\nhello", chunked, "\r\n"] {
        let hits = gate.upstream.hits();
        let path = if rest == "\r\n" { "/echo?/events" } else { "/echo" };
        let method = if rest == "\r\n" { "GET" } else { "POST" };
        let mut wire = Wire::connect(gate.envoy.address());
        wire.write(format!("{method} {path} HTTP/1.1\r\nhost: a\r\n{rest}"));
        assert!(gate.envoy.wait_for(|_| gate.upstream.hits() > hits, SOON), "it was let through: {rest:?}");
        drop(wire);
    }
    // Refused while its body is still coming.
    let mut wire = Wire::connect(gate.envoy.address());
    wire.write(format!("POST {PARAMETER} HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nhello"));
    wire.read_until("path_parameter");
    drop(wire);
    gate.expect_accounted(4);
    assert_eq!(gate.requests("allow", "echo", "enforce"), 3);
    assert_eq!(gate.requests("deny", "ambiguous", "enforce"), 1);
    assert_eq!(gate.http1().send(good()).unwrap().status, 200);
    gate.expect_unharmed();
}
