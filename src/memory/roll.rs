//! A short list that all workers share: keys, each with a value, and until when it matters.
//!
//! For what must hold on every worker with its next request, and must not be forgotten while it matters. So nothing that is
//! live ever makes room: a full list says so. The list is one value in the host's memory, written by compare-and-swap, and a
//! second value counts its changes, so that a worker that has read it spends no more than one small look on each request.
//! The list is written before it is counted: who sees the new count finds the new list.
//!
//! Bounds: as many entries as the owner says, [`ENTRY_BYTES`] each; those whose time is over go with the next change. Values that
//! are not ours count as an empty list. Not covered: durability. A restart of Envoy forgets everything.

use super::{Shared, ATTEMPTS_MAX};
use crate::time::Millis;

/// A list.
#[derive(Debug, Copy, Clone)]
pub struct Roll {
    /// Where its entries are.
    pub list_key: &'static str,
    /// Where its changes are counted.
    pub count_key: &'static str,
    /// Entries at most.
    pub capacity: usize,
}

/// What is on a list.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Entry {
    /// A hash of its name.
    pub key: u128,
    /// Its owner's. Of two values for one key the larger one stays.
    pub value: u64,
    /// In seconds since 1970.
    pub until: u64,
}

/// What became of an entry.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Entered {
    /// It is on the list.
    Done,
    /// There is no room.
    Full,
    /// Too many others changed the list at the same time.
    Contended,
}

impl Roll {
    /// Creates an empty list where there is none. To be done when the configuration loads: of two that are created at the same
    /// moment one would be lost.
    pub fn seed(&self, shared: &dyn Shared) {
        shared.insert(self.list_key, &MAGIC);
        shared.insert(self.count_key, &0_u64.to_le_bytes());
    }

    /// How often the list has changed.
    pub fn changes(&self, shared: &dyn Shared) -> u64 {
        shared.get(self.count_key).map_or(0, |(count, _)| decoded(&count))
    }

    /// What is on the list, those whose time is over among it.
    pub fn entries(&self, shared: &dyn Shared) -> Vec<Entry> {
        shared.get(self.list_key).map(|(list, _)| read(&list)).unwrap_or_default()
    }

    /// Puts an entry on the list. Once this has said that it is done, every look of every worker finds it.
    pub fn enter(&self, shared: &dyn Shared, entry: Entry, now: Millis) -> Entered {
        for _ in 0..ATTEMPTS_MAX {
            let Some((list, version)) = shared.get(self.list_key) else {
                self.seed(shared);
                continue;
            };
            let mut entries = read(&list);
            entries.retain(|known| Millis::from_secs(known.until) > now);
            let is_full = entries.len() >= self.capacity;
            match entries.iter_mut().find(|known| known.key == entry.key) {
                Some(known) if known.value >= entry.value && known.until >= entry.until => return Entered::Done,
                Some(known) => {
                    known.value = known.value.max(entry.value);
                    known.until = known.until.max(entry.until);
                }
                None if is_full => return Entered::Full,
                None => entries.push(entry),
            }
            if shared.set(self.list_key, &written(&entries), version) {
                self.count(shared);
                return Entered::Done;
            }
        }
        Entered::Contended
    }

    /// Once is enough: where it fails another worker has counted since, and whoever sees that finds our entry too.
    fn count(&self, shared: &dyn Shared) {
        if let Some((count, version)) = shared.get(self.count_key) {
            let _ = shared.set(self.count_key, &decoded(&count).wrapping_add(1).to_le_bytes(), version);
        }
    }
}

fn decoded(count: &[u8]) -> u64 {
    count.try_into().map_or(0, u64::from_le_bytes)
}

fn read(list: &[u8]) -> Vec<Entry> {
    let entry = |bytes: &[u8]| {
        let (key, rest) = bytes.split_first_chunk::<16>()?;
        let (value, rest) = rest.split_first_chunk::<8>()?;
        let until = rest.try_into().ok()?;
        let (key, value) = (u128::from_le_bytes(*key), u64::from_le_bytes(*value));
        Some(Entry { key, value, until: u64::from_le_bytes(until) })
    };
    let entries = list.strip_prefix(&MAGIC).unwrap_or_default();
    entries.chunks_exact(ENTRY_BYTES).filter_map(entry).collect()
}

fn written(entries: &[Entry]) -> Vec<u8> {
    let mut list = MAGIC.to_vec();
    for entry in entries {
        list.extend(entry.key.to_le_bytes());
        list.extend(entry.value.to_le_bytes());
        list.extend(entry.until.to_le_bytes());
    }
    list
}

/// Our name and the version of the format.
const MAGIC: [u8; 8] = *b"pc-roll1";

/// Key, value and end.
const ENTRY_BYTES: usize = 32;

#[cfg(test)]
mod tests;
