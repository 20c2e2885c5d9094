//! One HTTP stream, and those that wait.
//!
//! A request that waits is known to the [`Waiting`] of its configuration, whose tick ends every wait that lasts too long:
//! Envoy's own time-outs may not fire, and an Envoy without `allow_on_headers_stop_iteration` never shows the body of a
//! request that is held back.

use super::calls;
use super::exchange::Exchange;
use super::report::Report;
use crate::engine::Engine;
use crate::time::Millis;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A stream.
pub(crate) struct Stream {
    id: u32,
    exchange: Rc<RefCell<Exchange>>,
    waiting: Waiting,
}

/// The streams of one configuration that wait, by their context.
#[derive(Clone, Default)]
pub(crate) struct Waiting(Rc<RefCell<BTreeMap<u32, Rc<RefCell<Exchange>>>>>);

impl Waiting {
    /// Ends every wait whose time is up. Leaves the effective context at that of one of the streams.
    pub(crate) fn expire(&self, now: Millis) {
        for (id, exchange) in self.streams() {
            let mut exchange = exchange.borrow_mut();
            if exchange.is_due(now) && calls::set_effective_context(id).is_ok() {
                exchange.expire(now);
            }
            self.forget_unless_waiting(id, &exchange);
        }
    }

    /// Takes up every request whose keys have come. Leaves the effective context at that of one of the streams.
    pub(crate) fn wake(&self, now: Millis) {
        for (id, exchange) in self.streams() {
            let mut exchange = exchange.borrow_mut();
            if exchange.is_ready() && calls::set_effective_context(id).is_ok() {
                exchange.retry(now);
            }
            self.forget_unless_waiting(id, &exchange);
        }
    }

    /// Hands over the answer to a callout, which is that of the current callback. Leaves the effective context at that of the stream which
    /// waited for it, if one did.
    pub(crate) fn answer(&self, token: u32) {
        let waits = |(id, exchange): (&u32, &Rc<RefCell<Exchange>>)| {
            exchange.borrow().awaits(token).then(|| (*id, Rc::clone(exchange)))
        };
        let Some((id, exchange)) = self.0.borrow().iter().find_map(waits) else { return };
        let mut exchange = exchange.borrow_mut();
        if let Some(step) = exchange.answered(token) {
            if calls::set_effective_context(id).is_ok() {
                exchange.resume(step);
            }
            self.forget_unless_waiting(id, &exchange);
        }
    }

    /// A copy, since a wait that ends takes itself out.
    fn streams(&self) -> Vec<(u32, Rc<RefCell<Exchange>>)> {
        self.0.borrow().iter().map(|(id, exchange)| (*id, Rc::clone(exchange))).collect()
    }

    fn forget_unless_waiting(&self, id: u32, exchange: &Exchange) {
        if !exchange.waits() {
            self.0.borrow_mut().remove(&id);
        }
    }
}

impl Stream {
    pub(crate) fn new(id: u32, engine: Engine, report: Rc<Report>, waiting: Waiting) -> Self {
        Self { id, exchange: Rc::new(RefCell::new(Exchange::new(engine, report))), waiting }
    }

    /// Does something about its exchange, and remembers whether it waits then.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut Exchange) -> R) -> R {
        let mut exchange = self.exchange.borrow_mut();
        let waited = exchange.waits();
        let result = act(&mut exchange);
        match (waited, exchange.waits()) {
            (false, true) => {
                self.waiting.0.borrow_mut().insert(self.id, Rc::clone(&self.exchange));
            }
            (true, false) => self.waiting.forget_unless_waiting(self.id, &exchange),
            _ => {}
        }
        result
    }
}
