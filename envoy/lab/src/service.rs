//! A service that answers as a test tells it to: an issuer that serves its keys, one that hangs, fails or serves junk.
//!
//! It runs on a thread of its own on a free port of 127.0.0.1, over HTTP/1.1 and h2c, and stops when dropped. What it is
//! asked is kept. Bounds: bodies up to 16 MiB, ten thousand calls kept.

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const BODY_BYTES_MAX: usize = 16 << 20;

/// More than any test makes; a service that runs for days keeps its first ones.
const CALLS_KEPT_MAX: usize = 10_000;

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// What the service was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Header fields, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text; what is no UTF-8 in it is replaced.
    pub body: String,
    /// The body.
    pub bytes: Vec<u8>,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This.
    Whole {
        /// The status.
        status: u16,
        /// Header fields.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// Nothing, ever.
    Hang,
}

impl Call {
    /// The first header field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

impl Answer {
    /// A status with an empty body.
    pub fn status(status: u16) -> Self {
        Answer::Whole { status, headers: Vec::new(), body: Vec::new() }
    }

    /// 200 with a body.
    pub fn body(body: impl Into<Vec<u8>>) -> Self {
        Answer::Whole { status: 200, headers: Vec::new(), body: body.into() }
    }

    /// Adds a header field.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Answer::Whole { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

type Script = Arc<dyn Fn(&Call) -> Answer + Send + Sync>;

/// A running service.
pub struct Service {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    script: Arc<Mutex<Script>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Service").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Service {
    /// Starts a service that answers so.
    pub fn start(answer: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Result<Self> {
        Self::bind((Ipv4Addr::LOCALHOST, 0).into(), answer)
    }

    /// The same on this address.
    pub fn bind(address: SocketAddr, answer: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener =
            runtime.block_on(TcpListener::bind(address)).with_context(|| format!("cannot bind {address}"))?;
        let address = listener.local_addr()?;
        let calls = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Arc::new(answer)));
        let (stop, stopped) = oneshot::channel();
        let (seen, answers) = (Arc::clone(&calls), Arc::clone(&script));
        let serve = move || {
            runtime.block_on(async {
                tokio::spawn(accept(listener, seen, answers));
                let _asked_or_dropped = stopped.await;
            });
        };
        let thread = std::thread::Builder::new().name("service".into()).spawn(serve)?;
        Ok(Service { address, calls, script, stop: Some(stop), thread: Some(thread) })
    }

    /// Answers differently from now on.
    pub fn now(&self, answer: impl Fn(&Call) -> Answer + Send + Sync + 'static) {
        *lock(&self.script) = Arc::new(answer);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the process ends; for programs.
    pub fn run(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }

    /// Everything it was asked, in order.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, calls: Arc<Mutex<Vec<Call>>>, script: Arc<Mutex<Script>>) {
    loop {
        let Ok((stream, _peer)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (calls, script) = (Arc::clone(&calls), Arc::clone(&script));
        let service = service_fn(move |request| answer(request, Arc::clone(&calls), Arc::clone(&script)));
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let _peer_gone = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn keep(calls: &Mutex<Vec<Call>>, call: &Call) {
    let mut kept = lock(calls);
    if kept.len() < CALLS_KEPT_MAX {
        kept.push(call.clone());
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    calls: Arc<Mutex<Vec<Call>>>,
    script: Arc<Mutex<Script>>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let call = Call {
        method: head.method.to_string(),
        path: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
        body: text(&body),
        bytes: body.into(),
    };
    keep(&calls, &call);
    let script = Arc::clone(&lock(&script));
    match script(&call) {
        Answer::Hang => {
            tokio::time::sleep(FOR_EVER).await;
            Ok(hyper::Response::new(Full::default()))
        }
        Answer::Whole { status, headers, body } => {
            let mut response = hyper::Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response.body(Full::from(body)).unwrap_or_default())
        }
    }
}
