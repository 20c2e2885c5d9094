//! Changes of several owners made together: each bucket once, whoever's records it has.
//!
//! When a request is over several stages remember something of the same actor. Each alone would read the bucket again, since nobody
//! knows which version its write became.

use super::record::Record;
use super::swap::{alter, update};
use super::{Hashed, Memory, Shared, Trace};
use crate::time::Millis;

/// What one owner changes of its records.
pub trait Part {
    /// Where they are.
    fn places(&self) -> &[Hashed];

    /// What is to be stored at the place of this number, given what is there; `None` to leave it. Called again for the same place if
    /// another worker was faster, so only the last call counts.
    fn step(&mut self, at: usize, record: Record) -> Option<Record>;
}

/// An owner that may have nothing to change.
impl<P: Part> Part for Option<P> {
    fn places(&self) -> &[Hashed] {
        self.as_ref().map(Part::places).unwrap_or_default()
    }

    fn step(&mut self, at: usize, record: Record) -> Option<Record> {
        self.as_mut()?.step(at, record)
    }
}

impl Memory {
    /// Changes the records of several owners, each bucket once. Within a bucket they have their turn in the order given. What meets too
    /// many others is not changed, and the others are; the retries are counted.
    pub fn change_together(
        &self,
        shared: &dyn Shared,
        parts: &mut [&mut dyn Part],
        now: Millis,
        trace: &mut Trace,
    ) {
        let mut turns: Vec<(Hashed, usize, usize)> = Vec::with_capacity(8);
        for (owner, part) in parts.iter().enumerate() {
            turns.extend(part.places().iter().enumerate().map(|(at, place)| (*place, owner, at)));
        }
        turns.sort_by_key(|(place, ..)| place.bucket);
        for group in turns.chunk_by(|(one, ..), (other, ..)| one.bucket == other.bucket) {
            let Some((first, ..)) = group.first() else { continue };
            let _ = update(shared, first.bucket, now, trace, &mut |bucket| {
                let mut evictions = None;
                for (place, owner, at) in group {
                    let Some(part) = parts.get_mut(*owner) else { continue };
                    let evicted = alter(bucket, place.fingerprint, now, |record| part.step(*at, record));
                    evictions =
                        evicted.map(|evicted| evicted.saturating_add(evictions.unwrap_or_default())).or(evictions);
                }
                evictions
            });
        }
    }
}
