//! What a request that is over adds to the records that it was watched under.

use super::chain::Chain;
use crate::config::behaviour::Behaviour;
use crate::finding::{Check, Weight};
use crate::memory::record::Record;
use crate::memory::tally::{half, worth, Tally};
use crate::memory::together::Part;
use crate::memory::Hashed;
use crate::time::Millis;

/// What became of a request, to be remembered.
#[derive(Debug)]
pub struct Lesson<'a> {
    pub(super) places: Vec<Hashed>,
    pub(super) changes: Vec<Change>,
    /// Findings of stages of an attack, with hashes of their checks.
    pub(super) staged: Vec<(&'static Check, Weight, u64)>,
    pub(super) settings: &'a Behaviour,
    pub(super) now: Millis,
}

/// What is to be written to a record.
#[derive(Debug, Copy, Clone)]
pub(super) enum Change {
    Tally(Option<u64>),
    Chain,
}

/// Under contention it is forgotten.
impl Part for Lesson<'_> {
    fn places(&self) -> &[Hashed] {
        &self.places
    }

    fn step(&mut self, at: usize, mut record: Record) -> Option<Record> {
        let half = half(self.now, self.settings.window);
        let state = match self.changes.get(at)? {
            Change::Tally(thing) => Tally::of(&record, half).with(*thing).state(),
            Change::Chain => {
                let chain = Chain::of(&record, half);
                self.staged
                    .iter()
                    .fold(chain, |chain, (check, weight, which)| chain.with(check, *weight, *which))
                    .state()
            }
        };
        record.settle(state, worth(self.now, self.settings.window));
        Some(record)
    }
}
