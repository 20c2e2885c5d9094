//! A short list that all workers share: keys, each with a value, and until when it matters.
//!
//! For what must hold on every worker with its next request, and must not be forgotten while it matters. So nothing that is
//! live ever makes room: a full list says so. The list is one value in the host's memory, written by compare-and-swap. A
//! second value, the *mark*, has nothing in it but is written after each change, so that a worker that knows the list spends
//! no more than one small look on each request: it knows the mark by the version that the host gives it. The list is written
//! first, so whoever sees a new mark finds the new list.
//!
//! Bounds: as many entries as the owner says, [`ENTRY_BYTES`] each; those whose time is over go with the next change. Values that
//! are not ours count as an empty list. Not covered: durability. A restart of Envoy forgets everything.

use super::{Shared, Version, ATTEMPTS_MAX};
use crate::time::Millis;

/// A list.
#[derive(Debug, Copy, Clone)]
pub struct Roll {
    /// Where its entries are.
    pub list_key: &'static str,
    /// Where its mark is.
    pub mark_key: &'static str,
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
        shared.insert(self.mark_key, &MAGIC);
    }

    /// Another one than before whenever the list may have changed since. `None` where there is no list.
    pub fn mark(&self, shared: &dyn Shared) -> Option<Version> {
        shared.get(self.mark_key).map(|(_, version)| version)
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
                // Whoever has entered it may not have set the mark yet.
                Some(known) if known.value >= entry.value && known.until >= entry.until => {
                    self.set_mark(shared);
                    return Entered::Done;
                }
                Some(known) => {
                    known.value = known.value.max(entry.value);
                    known.until = known.until.max(entry.until);
                }
                None if is_full => return Entered::Full,
                None => entries.push(entry),
            }
            if shared.set(self.list_key, &written(&entries), version) {
                self.set_mark(shared);
                return Entered::Done;
            }
        }
        Entered::Contended
    }

    /// Once is enough: where it fails another worker has set it since, and whoever sees that finds our entry too.
    fn set_mark(&self, shared: &dyn Shared) {
        let _ = match shared.get(self.mark_key) {
            Some((_, version)) => shared.set(self.mark_key, &MAGIC, version),
            None => shared.insert(self.mark_key, &MAGIC),
        };
    }
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
