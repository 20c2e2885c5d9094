//! The host's clock as one stream sees it. Each look costs a call into the host, so what was seen last is remembered.

use crate::host::calls;
use crate::time::Millis;

const NANOS_PER_MILLI: u64 = 1_000_000;

/// What a stream knows of the time.
#[derive(Default)]
pub(super) struct Clock {
    /// How long it has worked so far, if its head was measured.
    pub(super) spent_nanos: Option<u64>,
    seen_nanos: u64,
}

impl Clock {
    /// When it looked last. For a stream that lasts this may be long ago.
    pub(super) const fn seen(&self) -> Millis {
        millis(self.seen_nanos)
    }

    /// It begins, at this time.
    pub(super) fn begin(&mut self) -> u64 {
        self.seen_nanos = calls::now_nanos();
        self.seen_nanos
    }

    /// The time now.
    pub(super) fn look(&mut self) -> Millis {
        self.seen_nanos = calls::now_nanos();
        self.seen()
    }

    /// Takes the time since `began_nanos` for what it has worked on the head.
    pub(super) fn measure(&mut self, began_nanos: u64) {
        self.spent_nanos = Some(0);
        self.spend(began_nanos);
    }

    /// Adds the time since `began_nanos` to what it has worked, if that is known.
    pub(super) fn spend(&mut self, began_nanos: u64) {
        if let Some(spent) = self.spent_nanos {
            self.look();
            self.spent_nanos = Some(spent.saturating_add(self.seen_nanos.saturating_sub(began_nanos)));
        }
    }
}

/// A reading of the clock as the core knows it.
pub(super) const fn millis(nanos: u64) -> Millis {
    Millis::new(nanos / NANOS_PER_MILLI)
}

/// The time now, for who does not need to know it later.
pub(super) fn now() -> Millis {
    millis(calls::now_nanos())
}
