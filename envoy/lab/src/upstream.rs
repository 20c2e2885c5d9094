//! The protected service: a small orders API over HTTP/1.1 and h2c.
//!
//! It is what an attacker wants to reach, so its answers look real and some of them are sensitive (card numbers,
//! addresses, an IBAN). `/echo` reports a request as it arrived, and [`Upstream::hits`] counts arrivals: so a test
//! sees what got past the filter, not what the filter says. `/hold` answers when it is told to ([`Upstream::release`]), and whoever says what the
//! answer is to be gets that ([`say`]). Under `/shop` there is a shop that remembers what was done to it ([`shop`]); all other data is fixed.
//!
//! Bounds: bodies up to 16 MiB; everything is in memory, and what is remembered has a size. It checks no tokens and owns
//! no rights: that is the filter's work. Paths are reported as hyper parsed them, which keeps all but a
//! `#fragment`.

mod api;
mod data;
mod hold;
pub mod say;
pub mod shop;

use self::hold::Hold;
use self::shop::{Books, Shop};
use anyhow::{Context, Result};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// What all connections share.
#[derive(Debug, Clone, Default)]
struct House {
    hits: Arc<AtomicU64>,
    hold: Arc<Hold>,
    shop: Arc<Mutex<Shop>>,
}

impl House {
    fn shop(&self) -> MutexGuard<'_, Shop> {
        self.shop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running service; it stops when dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    house: House,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Upstream {
    /// Starts the service on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If there is no free port; [`Upstream::bind`] returns that as an error.
    pub fn start() -> Self {
        Self::bind((Ipv4Addr::LOCALHOST, 0).into()).expect("127.0.0.1 has a free port for the upstream")
    }

    /// Starts the service on this address, on a thread of its own.
    pub fn bind(address: SocketAddr) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener =
            runtime.block_on(TcpListener::bind(address)).with_context(|| format!("cannot bind {address}"))?;
        let address = listener.local_addr()?;
        let house = House::default();
        let (stop, stopped) = oneshot::channel();
        let open = house.clone();
        let serve = move || {
            runtime.block_on(async {
                tokio::spawn(accept(listener, open));
                let _asked_or_dropped = stopped.await;
            });
        };
        let thread = std::thread::Builder::new().name("upstream".into()).spawn(serve)?;
        Ok(Upstream { address, house, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests have arrived so far.
    pub fn hits(&self) -> u64 {
        self.house.hits.load(Ordering::SeqCst)
    }

    /// How many requests to `/hold` are waiting for their answer.
    pub fn held(&self) -> u64 {
        self.house.hold.waiting()
    }

    /// Answers all that wait.
    pub fn release(&self) {
        self.house.hold.release();
    }

    /// What its shop's books say.
    pub fn books(&self) -> Books {
        self.house.shop().books()
    }

    /// The code in the last letter that somebody got from its shop about a forgotten password.
    pub fn letter(&self, user: &str) -> Option<String> {
        self.house.shop().letter(user)
    }

    /// Serves until the process ends; for the binary.
    pub fn run(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        // The thread ends with its runtime, and with the runtime every open connection.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, house: House) {
    loop {
        let Ok((stream, _peer)) = listener.accept().await else {
            // Out of file descriptors, most likely: wait for some to be closed instead of spinning.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _best_effort = stream.set_nodelay(true);
        let house = house.clone();
        let service = service_fn(move |request| {
            house.hits.fetch_add(1, Ordering::SeqCst);
            api::answer(request, house.clone())
        });
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let _peer_gone = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

#[cfg(test)]
mod tests;
