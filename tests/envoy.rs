//! The filter in a real Envoy, with real clients and a real service behind it.
//!
//! What the core decides is tested beside it; here stands what only the host can show: that Envoy calls the filter
//! the way it believes, that what it answers reaches the client, and what it reports reaches the operator. Each
//! test starts from the shipped configuration, on ports the kernel chose. Nothing waits for a time: what comes
//! later is waited for, up to [`SOON`].
//!
//! Not covered: Istio, several Envoys.

mod anomaly;
mod api_keys;
mod behaviour;
mod business;
mod certificates;
mod configuration;
mod counting;
mod crowd;
mod exposure;
mod fleet;
mod holder;
mod host_calls;
mod host_facts;
mod identity;
mod inspection;
mod introspection;
mod layout;
mod limits;
mod login;
mod minting;
mod oauth;
mod objects;
mod protocol;
mod replay;
mod revocation;
mod revocation_endpoint;
mod robustness;
mod served_keys;
mod shop;
mod soak;
mod statistics;
mod telemetry;
mod usage;
mod waiting;
mod workflow;

use portcullis_lab::bootstrap::Bootstrap;
use portcullis_lab::client::{Client, Request, Response};
use portcullis_lab::envoy::Envoy;
use portcullis_lab::tokens::Issuer;
use portcullis_lab::upstream::Upstream;
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{mpsc, Arc, Barrier, Mutex, PoisonError};
use std::time::Duration;

/// Longer than anything here takes on a loaded machine; reached by failures only.
const SOON: Duration = Duration::from_secs(20);

/// A refused path: every rule set refuses it, and nothing else has to be configured for that.
const PARAMETER: &str = "/echo;a=b";

/// An Envoy with the filter, and the service behind it.
struct Gate {
    envoy: Envoy,
    upstream: Upstream,
}

impl Gate {
    /// One worker and HTTP/1.1 towards the service.
    fn start(config: &Value) -> Self {
        Self::start_with(config, |bootstrap| bootstrap)
    }

    fn start_with(config: &Value, change: impl FnOnce(Bootstrap) -> Bootstrap) -> Self {
        let upstream = Upstream::start();
        let bootstrap = change(bootstrap(config).upstream(upstream.address()));
        Gate { envoy: Envoy::start(&bootstrap).unwrap(), upstream }
    }

    fn http1(&self) -> Client {
        Client::http1(self.envoy.address())
    }

    fn http2(&self) -> Client {
        Client::http2(self.envoy.address())
    }

    fn both(&self) -> [(&'static str, Client); 2] {
        [("HTTP/1.1", self.http1()), ("HTTP/2", self.http2())]
    }

    /// One counter of requests.
    fn requests(&self, verdict: &str, route: &str, mode: &str) -> u64 {
        let name = format!(
            "wasmcustom.verdict=.={verdict};.;route=.={route};.;mode=.={mode};.;portcullis_requests_total"
        );
        self.envoy.stats().get(&name).copied().unwrap_or_default()
    }

    /// How many requests have a verdict, whatever it is.
    fn accounted(&self) -> u64 {
        let stats = self.envoy.stats();
        stats.iter().filter(|(name, _)| name.ends_with("portcullis_requests_total")).map(|(_, count)| count).sum()
    }

    /// Waits until exactly so many requests have a verdict. Requests are counted when they are over, which may be
    /// a moment after the client has its answer.
    fn expect_accounted(&self, requests: u64) {
        self.envoy.wait_for(|_| self.accounted() >= requests, SOON);
        assert_eq!(self.accounted(), requests, "requests with a verdict\n{}", self.envoy.log());
    }

    /// Every receipt in Envoy's log.
    fn receipts(&self) -> Vec<Value> {
        let log = self.envoy.log();
        // A line without its end is still being written.
        let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let receipts = lines.filter_map(|line| line.split_once("{\"event.kind\""));
        receipts
            .map(|(_, rest)| serde_json::from_str(&format!("{{\"event.kind\"{rest}")).expect("one line of JSON"))
            .collect()
    }

    /// The receipt of a request, once it is there.
    fn receipt(&self, request_id: &str) -> Value {
        let find = || self.receipts().into_iter().find(|receipt| receipt["http.request.id"] == request_id);
        self.envoy.wait_for(|_| find().is_some(), SOON);
        find().unwrap_or_else(|| panic!("no receipt of {request_id}\n{}", self.envoy.log()))
    }

    /// The access log's line on a request, once it is there.
    fn access_line(&self, request_id: &str) -> Value {
        let find = || self.envoy.access_log().into_iter().find(|line| line["request_id"] == request_id);
        self.envoy.wait_for(|_| find().is_some(), SOON);
        find().unwrap_or_else(|| panic!("no line on {request_id}: {:#?}", self.envoy.access_log()))
    }

    /// Nothing has crashed, nobody was answered in the filter's place, and every VM is the first of its kind.
    fn expect_unharmed(&self) {
        let log = self.envoy.log();
        for sign in ["Function: proxy_", "panicked", "wasm_fail_stream"] {
            assert!(!log.contains(sign), "{sign} in {log}");
        }
        let failed = self.envoy.access_log().into_iter().find(|line| {
            let details = line["response_code_details"].as_str().unwrap_or_default();
            details.contains("wasm_fail")
        });
        assert_eq!(failed, None);
        let reloads: Vec<_> = self
            .envoy
            .stats()
            .into_iter()
            .filter(|(name, count)| name.contains("vm_reload") && *count > 0)
            .collect();
        assert!(reloads.is_empty(), "{reloads:?}");
    }
}

/// An Envoy that goes on where it is told to stop, so that no body is ever shown whole: Istio's is one.
fn not_shown_bodies(bootstrap: Bootstrap) -> Bootstrap {
    bootstrap.edit(|document| {
        let filters = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
        let filters = document.pointer_mut(filters).and_then(Value::as_array_mut).unwrap();
        let wasm = filters[0].pointer_mut("/typed_config/config").unwrap();
        assert_eq!(wasm["allow_on_headers_stop_iteration"], true);
        wasm["allow_on_headers_stop_iteration"] = false.into();
    })
}

/// A gate that several tests use, as each start compiles the filter anew. The first test starts it, and it ends with
/// the last of as many as are declared. Where only some of them run, it ends with this process (`lab::envoy`).
struct Shared(Mutex<(usize, Option<Arc<Gate>>)>);

impl Shared {
    /// To be used by so many tests, once by each.
    const fn by_tests(count: usize) -> Self {
        Shared(Mutex::new((count, None)))
    }

    fn get(&self, start: impl FnOnce() -> Gate) -> Arc<Gate> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = state.0.saturating_sub(1);
        let gate = state.1.take().unwrap_or_else(|| Arc::new(start()));
        if state.0 > 0 {
            state.1 = Some(Arc::clone(&gate));
        }
        gate
    }
}

/// The shipped configuration with these rules.
fn bootstrap(config: &Value) -> Bootstrap {
    Bootstrap::shipped().unwrap().filter_config(&config.to_string())
}

/// Rules that enforce, with what a test adds to them.
fn enforcing(more: Value) -> Value {
    let mut config = json!({"version": 1, "mode": "enforce"});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

/// The demo issuer as the configuration names it.
fn demo_issuer() -> Value {
    let demo = Issuer::demo();
    json!({"issuer": demo.url(), "audiences": [demo.audience()], "jwks": demo.jwks()})
}

/// The public code in a refusal.
fn code(response: &Response) -> String {
    let problem = response.json().unwrap();
    problem["code"].as_str().unwrap_or_else(|| panic!("{}, not a refusal: {problem}", response.status)).to_owned()
}

/// The public code in an answer, `passed` for one that is no refusal.
fn outcome(answer: &Response) -> String {
    if answer.status == 200 {
        "passed".to_owned()
    } else {
        code(answer)
    }
}

/// How many send the same request in a race.
const RACERS: usize = 60;

/// Sends a request at once over many connections, half of them HTTP/2, and counts the outcomes.
fn race(gate: &Gate, request: impl Fn() -> Request) -> BTreeMap<String, usize> {
    let start = Barrier::new(RACERS);
    let mut counted = BTreeMap::new();
    std::thread::scope(|scope| {
        let run = |number: usize| {
            let client = if number.is_multiple_of(2) { gate.http1() } else { gate.http2() };
            let (request, start) = (request(), &start);
            scope.spawn(move || {
                start.wait();
                outcome(&client.send(request).unwrap())
            })
        };
        for racer in (0..RACERS).map(run).collect::<Vec<_>>() {
            *counted.entry(racer.join().unwrap()).or_default() += 1;
        }
    });
    counted
}

/// One passed, and all others were refused with this code.
fn once_and(code: &str) -> BTreeMap<String, usize> {
    BTreeMap::from([("passed".to_owned(), 1), (code.to_owned(), RACERS - 1)])
}

/// The name by which client and operator know a refused request.
fn request_id(response: &Response) -> String {
    response.header("x-request-id").expect("a refusal names its request").to_owned()
}

/// Values of a field in what `/echo` answered; `list` is `headers` or `trailers`.
fn echoed<'a>(answer: &'a Value, list: &str, name: &str) -> Vec<&'a str> {
    let pairs = answer[list].as_array().expect("an answer of /echo");
    pairs.iter().filter(|pair| pair[0] == name).filter_map(|pair| pair[1].as_str()).collect()
}

/// A connection on which a test reads and writes bytes at its own pace.
struct Wire(TcpStream);

impl Wire {
    fn connect(server: SocketAddr) -> Self {
        Self::new(TcpStream::connect(server).unwrap())
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        Wire(stream)
    }

    fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).unwrap();
    }

    /// Reads until the text has come, and returns everything up to then.
    fn read_until(&mut self, wanted: &str) -> String {
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&seen).contains(wanted) {
            let count = self.0.read(&mut buffer).unwrap();
            assert!(count > 0, "closed before {wanted:?}, after {:?}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    /// Reads until the other side closes.
    fn read_to_end(&mut self) -> String {
        let mut seen = Vec::new();
        self.0.read_to_end(&mut seen).unwrap();
        String::from_utf8_lossy(&seen).into_owned()
    }
}

/// A service whose every byte a test writes itself, so that it decides what has been sent and what has not.
struct Scripted(TcpListener);

impl Scripted {
    fn start() -> Self {
        Scripted(TcpListener::bind(("127.0.0.1", 0)).unwrap())
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Waits for Envoy to connect.
    fn accept(&self) -> Wire {
        Wire::new(self.0.accept().unwrap().0)
    }
}

/// Stops threads that run until they are told, also when the test that started them fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Asks over and over on each connection while `change` happens: at least once before it begins and once after it has
/// ended. Returns what each connection met, in order.
fn while_asking<T: Send>(
    clients: &[Client],
    ask: impl Fn(&Client) -> T + Sync,
    change: impl FnOnce(),
) -> Vec<Vec<T>> {
    let stop = AtomicBool::new(false);
    let (begun, all_begun) = mpsc::channel();
    std::thread::scope(|scope| {
        let asking: Vec<_> = clients
            .iter()
            .map(|client| {
                let (ask, stop, begun) = (&ask, &stop, begun.clone());
                scope.spawn(move || {
                    let mut met = vec![ask(client)];
                    begun.send(()).expect("somebody waits");
                    while !stop.load(Ordering::SeqCst) {
                        met.push(ask(client));
                    }
                    met.push(ask(client));
                    met
                })
            })
            .collect();
        let told = Stop(&stop);
        clients.iter().for_each(|_| all_begun.recv_timeout(SOON).expect("every connection has asked"));
        change();
        drop(told);
        asking.into_iter().map(|thread| thread.join().expect("a connection that asks")).collect()
    })
}

/// A directory that goes with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("envoy-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}
