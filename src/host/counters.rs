//! The counters and the histogram of one configuration, and when what has been counted is handed over to Envoy.
//!
//! What is to be handed over is gathered in a [`Batch`]. A request that is over hands over by itself, unless one did so a moment
//! ago; then it is left to the next one, and at last to a tick. Who leaves something makes the ticks quick, so that it is seen
//! soon; they are calm again once nothing has been left for the time between two heartbeats. An idle VM is not woken for this.
//! So does who leases units of a limit, which are to go back soon ([`crate::stages::limits::lease`]).
//!
//! Where no tick will come, because the configuration is gone or Envoy gives none, everything is handed over at once.

use super::calls::{self, Metric};
use crate::metrics::batch::Batch;
use crate::time::Millis;
use std::cell::{Cell, RefCell};

/// Time between two ticks while something may be left to them.
pub(crate) const QUICK: Millis = Millis::new(100);

/// What has been counted.
pub(crate) struct Counters {
    /// By their places.
    counters: Vec<Option<Metric>>,
    histogram: Option<Metric>,
    batch: RefCell<Batch>,
    /// Time between two ticks that somebody else needs.
    period: Millis,
    pace: Cell<Pace>,
    /// Whether anything may have been left to a tick since the last heartbeat.
    busy: Cell<bool>,
}

/// When the next tick comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// After the period, which is longer than [`QUICK`].
    Calm,
    /// After [`QUICK`] at the latest.
    Quick,
    /// Never.
    Over,
}

impl Counters {
    /// Nothing counted. Ticks are to come with this period.
    pub(crate) fn new(counters: Vec<Option<Metric>>, histogram: Option<Metric>, period: Millis) -> Self {
        let batch = RefCell::new(Batch::new(counters.len()));
        let pace = match set_period(period) {
            true if period > QUICK => Pace::Calm,
            true => Pace::Quick,
            false => Pace::Over,
        };
        Self { counters, histogram, batch, period, pace: Cell::new(pace), busy: Cell::new(false) }
    }

    /// Whether it is to be measured how long the request takes that begins now.
    pub(crate) fn measures(&self) -> bool {
        self.batch.borrow().wants_value()
    }

    /// Counts what one request did, which was seen last at `now` and took so long, if that was measured.
    pub(crate) fn request(&self, now: Millis, micros: Option<u64>, count: impl FnOnce(&mut Batch)) {
        let mut batch = self.batch.borrow_mut();
        count(&mut batch);
        batch.end_request(micros);
        if batch.is_due(now) || !self.hasten() {
            self.hand_over(&mut batch, now);
        }
    }

    /// Counts what is no request's, which is seldom, and hands it over at once.
    pub(crate) fn event(&self, place: Option<usize>, times: u32) {
        if let Some(metric) = place.and_then(|place| *self.counters.get(place)?).filter(|_| times > 0) {
            calls::increment(metric, times.into());
        }
    }

    /// A tick has come, and with it the end of waiting. Between two heartbeats ticks are not made calm, as each change of the
    /// period puts off the next.
    pub(crate) fn tick(&self, now: Millis, is_beat: bool) {
        self.hand_over(&mut self.batch.borrow_mut(), now);
        let is_idle = is_beat && !self.busy.replace(false);
        if is_idle && self.pace.get() == Pace::Quick && self.period > QUICK && set_period(self.period) {
            self.pace.set(Pace::Calm);
        }
    }

    /// No tick will come any more.
    pub(crate) fn end(&self) {
        self.pace.set(Pace::Over);
        self.hand_over(&mut self.batch.borrow_mut(), Millis::default());
    }

    /// Makes ticks quick, since something is left to them. Says whether there will be one soon.
    pub(crate) fn hasten(&self) -> bool {
        self.busy.set(true);
        if self.pace.get() == Pace::Calm && set_period(QUICK) {
            self.pace.set(Pace::Quick);
        }
        self.pace.get() == Pace::Quick
    }

    fn hand_over(&self, batch: &mut Batch, now: Millis) {
        let count = |place: usize, times: u64| {
            if let Some(Some(metric)) = self.counters.get(place) {
                calls::increment(*metric, i64::try_from(times).unwrap_or(i64::MAX));
            }
        };
        let record = |value| {
            if let Some(histogram) = self.histogram {
                calls::record(histogram, value);
            }
        };
        batch.hand_over(now, count, record);
    }
}

/// Says whether Envoy will tick so.
fn set_period(period: Millis) -> bool {
    calls::set_tick_period(u32::try_from(period.as_u64()).unwrap_or(u32::MAX)).is_ok()
}
