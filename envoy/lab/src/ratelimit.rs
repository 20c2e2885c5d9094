//! A rate limit service that speaks Envoy's protocol and counts in a real Redis.
//!
//! **A test part, never shipped as the engine**: production runs envoyproxy/ratelimit. This one stands for it
//! where no image can be pulled, and does what that one cannot be asked for: to hang, to fail, to answer nonsense,
//! to count its calls. How it decides, and where it differs, is told in `decision`; the messages are in [`messages`].
//!
//! Several services may share one Redis, and then share its counts. It serves gRPC over HTTP/2 without TLS.
//! Bounds: two seconds for Redis to answer, 4 MiB for a message. Not covered: limits of its own (a request has to
//! bring them), shadow mode, quotas, response headers, health checks, TLS.

mod call;
mod counters;
mod decision;
pub mod messages;

use anyhow::{Context, Result};
use call::Shared;
use counters::Counters;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The path of the one method.
pub const METHOD: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// A running service; it stops when dropped.
#[derive(Debug)]
pub struct RateLimitService {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the service does with a call instead of deciding. Nothing is counted in Redis then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Misbehaviour {
    /// It decides.
    #[default]
    None,
    /// It takes the call and never answers.
    Hang,
    /// It answers with the gRPC status `INTERNAL`.
    Fail,
    /// It answers with the status `OK` and bytes that are no message.
    Junk,
}

impl RateLimitService {
    /// Starts the service on a free port of 127.0.0.1. Redis need not run yet.
    pub fn start(redis: SocketAddr) -> Result<Self> {
        Self::bind((Ipv4Addr::LOCALHOST, 0).into(), redis)
    }

    /// Starts the service on this address, for instance that of one that was stopped, on a thread of its own.
    pub fn bind(address: SocketAddr, redis: SocketAddr) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener =
            runtime.block_on(TcpListener::bind(address)).with_context(|| format!("cannot bind {address}"))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            counters: Counters::new(redis),
            requests: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misbehaviour: Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let serve = move || {
            runtime.block_on(async {
                tokio::spawn(accept(listener, served));
                let _asked_or_dropped = stopped.await;
            });
        };
        let thread = std::thread::Builder::new().name("ratelimit".into()).spawn(serve)?;
        Ok(RateLimitService { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Serves until the process ends; for the binary.
    pub fn run(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }

    /// Where it listens, or did before it was stopped.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many calls of `ShouldRateLimit` have arrived so far, those it misbehaved on among them.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// How many hits it has counted so far, under whatever key.
    pub fn hits(&self) -> u64 {
        self.shared.hits.load(Ordering::SeqCst)
    }

    /// What it does with the calls that arrive from now on. Those that hang already stay so until it stops.
    pub fn misbehave(&self, how: Misbehaviour) {
        *self.shared.misbehaviour.lock().unwrap_or_else(PoisonError::into_inner) = how;
    }

    /// Stops it: all connections are closed, calls in flight get no answer, the address is free.
    pub fn stop(&mut self) {
        // The thread ends with its runtime, and with the runtime every open connection.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Drop for RateLimitService {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _peer)) = listener.accept().await else {
            // Out of file descriptors, most likely: wait for some to be closed instead of spinning.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _best_effort = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| {
            let shared = Arc::clone(&shared);
            async move { Ok::<_, Infallible>(call::answer(shared, request).await) }
        });
        tokio::spawn(async move {
            let server = http2::Builder::new(TokioExecutor::new());
            let _peer_gone = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

#[cfg(test)]
mod tests;
