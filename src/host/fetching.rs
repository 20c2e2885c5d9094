//! Documents on their way: calls for them that have not been answered.
//!
//! Calls are made in the root's name, on its tick, so no request's end can cut one off. Envoy's time-outs may not fire, so
//! each call has a deadline of its own.

use super::callout;
use super::calls;
use super::report::Report;
use crate::engine::{Engine, Fetch, Fetched};
use crate::remote::answer::{Answer, Fault};
use crate::time::Millis;
use log::Level;

/// How much longer than its time-out a call is waited for.
const GRACE: Millis = Millis::new(500);

/// The calls of one configuration, by their token, each with the time until which it is waited for.
#[derive(Default)]
pub(crate) struct Fetching(Vec<(u32, Fetch, Millis)>);

impl Fetching {
    /// Begins what is due, and gives up what is late.
    pub(crate) fn tick(&mut self, engine: &Engine, report: &Report, now: Millis) {
        while let Some(place) = self.0.iter().position(|(_, _, until)| *until <= now) {
            let (_, fetch, _) = self.0.swap_remove(place);
            self.take_in(engine, report, fetch, Err(Fault("no answer in time".to_owned())), now);
        }
        for fetch in engine.fetches(now) {
            self.begin(engine, report, fetch, now);
        }
    }

    /// Takes in the answer that the current callback is about, if it is one of these. Says whether it was.
    pub(crate) fn answer(&mut self, engine: &Engine, report: &Report, token: u32, now: Millis) -> bool {
        let Some(place) = self.0.iter().position(|(own, ..)| *own == token) else { return false };
        let (_, fetch, _) = self.0.swap_remove(place);
        let answer = callout::answer(engine.call(&fetch).map_or(0, |call| call.bytes_max));
        self.take_in(engine, report, fetch, answer, now);
        true
    }

    fn begin(&mut self, engine: &Engine, report: &Report, fetch: Fetch, now: Millis) {
        let Some(call) = engine.call(&fetch) else { return };
        match callout::call(&call) {
            Ok(token) => {
                self.0.push((token, fetch, now.saturating_add(call.timeout).saturating_add(GRACE)));
            }
            Err(fault) => self.take_in(engine, report, fetch, Err(fault), now),
        }
    }

    fn take_in(
        &mut self,
        engine: &Engine,
        report: &Report,
        fetch: Fetch,
        answer: Result<Answer, Fault>,
        now: Millis,
    ) {
        let purpose = fetch.purpose();
        let place = fetch.place();
        match engine.fetched(fetch, answer, now) {
            Err(next) => self.begin(engine, report, next, now),
            Ok(fetched) => {
                report.fetched(purpose, &fetched);
                if let Fetched::Failed(why) = &fetched {
                    calls::log(Level::Warn, &format!("portcullis: {place} could not be fetched: {why}"));
                }
            }
        }
    }
}
