//! Requests that stay in flight until a test lets them go.
//!
//! Whoever is counted as waiting is answered by the next release, and nobody who comes later. A request whose client
//! leaves is no longer counted.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Hold {
    waiting: AtomicU64,
    released: Notify,
}

impl Hold {
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::SeqCst)
    }

    pub(super) fn release(&self) {
        self.released.notify_waiters();
    }

    pub(super) async fn wait(&self) {
        let mut released = pin!(self.released.notified());
        // Registered before it is counted: a test that sees it in the count can release it.
        released.as_mut().enable();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _counted = Counted(&self.waiting);
        released.await;
    }
}

struct Counted<'a>(&'a AtomicU64);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
