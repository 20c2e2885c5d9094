//! Things that may be seen once: the numbers of one-time tokens and of proofs, over all workers of a process.
//!
//! A set of fixed size in the host's shared memory. A key is remembered until the time its first sight gave, and nothing
//! that is remembered is ever evicted: a bucket full of live entries answers [`Seen::Full`], so that a flood cannot buy a
//! replay; only whoever has seen a key forgets it. Entries whose time is over make room. A sight is *load → look → compare-and-swap*, a bounded number of times,
//! so of any number of concurrent sights of one key exactly one is the first.
//!
//! Bounds: an entry is 12 bytes, a 64-bit keyed fingerprint and the second of its end, rounded up. A bucket has 340
//! places, so a new key is taken for a seen one with a chance of at most 340 · 2⁻⁶⁴, about 2⁻⁵⁵. One MiB has 243 buckets
//! and 82 620 places. Keys fall into buckets at random: with 80 % of the places taken a bucket is full with a chance of
//! about 10⁻⁴ or less, with 70 % practically never, so count on 66 000 live entries per MiB.
//!
//! Not covered: a restart of Envoy, or a configuration with another budget, forgets what was seen. A value that is no
//! bucket of ours counts as empty.

use super::{seed, Memory, Shared, ATTEMPTS_MAX};
use crate::time::Millis;
use siphasher::sip128::{Hasher128, SipHasher24};
use std::fmt;
use std::hash::Hasher;

/// A bounded set of things seen once.
#[derive(Clone)]
pub struct Once {
    buckets: u64,
    secret: [u8; 16],
}

/// What a sight found.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nobody saw it before; it is remembered now.
    First,
    /// It was seen before and its time is not over.
    Again,
    /// It was not seen before, and there is no room to remember it.
    Full,
    /// Every attempt met another worker's write; nothing was remembered.
    Contended,
}

impl Once {
    /// As many buckets as the budget holds, at least one. The secret is the one the workers share.
    pub fn open(memory: &Memory, budget_bytes: u64) -> Self {
        Self { buckets: (budget_bytes / BUCKET_COST_BYTES).max(1), secret: memory.secret }
    }

    /// Creates the buckets that do not exist yet, so that the memory never grows afterwards.
    pub fn seed(&self, shared: &dyn Shared) {
        seed(shared, self.buckets, name, &empty());
    }

    /// Sees a key, and remembers it until `until` (rounded up to a second) if that is the first time. `kind` separates
    /// uses. A later sight does not prolong the first one's time.
    pub fn see(&self, shared: &dyn Shared, kind: &str, key: &[u8], now: Millis, until: Millis) -> Seen {
        let (bucket, fingerprint) = self.locate(kind, key);
        let bucket = name(bucket);
        let end = end(until);
        for _ in 0..ATTEMPTS_MAX {
            let Some((value, version)) = shared.get(&bucket) else {
                shared.insert(&bucket, &empty());
                continue;
            };
            let mut value = if is_bucket(&value) { value } else { empty() };
            match enter(&mut value, fingerprint, now, end) {
                Seen::First if shared.set(&bucket, &value, version) => return Seen::First,
                Seen::First => {}
                other => return other,
            }
        }
        Seen::Contended
    }

    /// Forgets the sight of a key that is remembered until `until`, so that it may be seen once more. Says whether it did: not under
    /// contention, which leaves the key seen, and not a later sight, which is somebody else's.
    pub fn forget(&self, shared: &dyn Shared, kind: &str, key: &[u8], until: Millis) -> bool {
        let (bucket, fingerprint) = self.locate(kind, key);
        let (bucket, end) = (name(bucket), end(until).to_le_bytes());
        let sight = [&fingerprint[..], &end].concat();
        for _ in 0..ATTEMPTS_MAX {
            let Some((mut value, version)) = shared.get(&bucket).filter(|(value, _)| is_bucket(value)) else {
                return false;
            };
            let (_, entries) = value.split_at_mut(MAGIC.len());
            let entry = entries.chunks_exact_mut(ENTRY_BYTES).find(|entry| **entry == *sight);
            let Some(entry) = entry else { return false };
            entry.fill(0);
            if shared.set(&bucket, &value, version) {
                return true;
            }
        }
        false
    }

    fn locate(&self, kind: &str, key: &[u8]) -> (u64, [u8; 8]) {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        hasher.write(b"once");
        // No UTF-8 contains this byte, so the first one after the kind is where the key begins.
        hasher.write_u8(0xff);
        hasher.write(kind.as_bytes());
        hasher.write_u8(0xff);
        hasher.write(key);
        let hash = hasher.finish128();
        (hash.h1.checked_rem(self.buckets).unwrap_or_default(), hash.h2.to_le_bytes())
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Once").field("buckets", &self.buckets).finish_non_exhaustive()
    }
}

/// The second of an end, rounded up.
fn end(until: Millis) -> u32 {
    u32::try_from(until.as_u64().div_ceil(1000)).unwrap_or(u32::MAX)
}

/// Looks for a live entry, else writes one into the first place whose time is over.
fn enter(value: &mut [u8], fingerprint: [u8; 8], now: Millis, end: u32) -> Seen {
    let (_, entries) = value.split_at_mut(MAGIC.len());
    let mut room = None;
    for entry in entries.chunks_exact_mut(ENTRY_BYTES) {
        let (known, ends) = entry.split_at(fingerprint.len());
        let ends = ends.try_into().map_or(0, u32::from_le_bytes);
        let live = u64::from(ends).saturating_mul(1000) > now.as_u64();
        if live && known == fingerprint {
            return Seen::Again;
        }
        if !live && room.is_none() {
            room = Some(entry);
        }
    }
    let Some(entry) = room else { return Seen::Full };
    let (known, ends) = entry.split_at_mut(fingerprint.len());
    known.copy_from_slice(&fingerprint);
    ends.copy_from_slice(&end.to_le_bytes());
    Seen::First
}

fn empty() -> Vec<u8> {
    let mut value = vec![0; BUCKET_BYTES];
    value.splice(..MAGIC.len(), MAGIC);
    value
}

fn is_bucket(value: &[u8]) -> bool {
    value.len() == BUCKET_BYTES && value.starts_with(&MAGIC)
}

fn name(bucket: u64) -> String {
    format!("portcullis/once/{bucket:08x}")
}

/// Our name and the version of the format.
const MAGIC: [u8; 8] = *b"pc-once1";

/// A fingerprint and the second of its end since 1970.
const ENTRY_BYTES: usize = 12;

/// The magic and 340 entries.
const BUCKET_BYTES: usize = 4088;

/// Places of a bucket.
const PLACES: usize = 340;

const _: () = assert!(MAGIC.len() + PLACES * ENTRY_BYTES == BUCKET_BYTES);

/// What a bucket costs the host: its bytes, its key and the map's own bookkeeping.
const BUCKET_COST_BYTES: u64 = 4300;

#[cfg(test)]
mod tests {
    use super::super::in_process::InProcess;
    use super::*;

    fn once(shared: &InProcess, budget_bytes: u64) -> Once {
        Once::open(&Memory::open(shared, 0, [7; 16]), budget_bytes)
    }

    #[test]
    fn a_key_is_first_once_until_its_second_is_over() {
        let shared = InProcess::default();
        let once = once(&shared, 1 << 20);
        once.seed(&shared);
        let see = |kind, now| once.see(&shared, kind, b"key", Millis::new(now), Millis::new(5_001));
        assert_eq!(see("jti", 1_000), Seen::First);
        assert_eq!(see("jti", 5_999), Seen::Again, "rounded up");
        assert_eq!(see("dpop", 1_000), Seen::First, "another use");
        assert_eq!(see("jti", 6_000), Seen::First, "forgotten");
    }

    #[test]
    fn what_is_forgotten_may_be_seen_once_more() {
        let shared = InProcess::default();
        let once = once(&shared, 0);
        let until = Millis::new(9_000);
        let see = |key: &[u8]| once.see(&shared, "step", key, Millis::new(1), until);
        assert!(!once.forget(&shared, "step", b"a", until), "there is no memory yet");
        assert_eq!((see(b"a"), see(b"b"), see(b"a")), (Seen::First, Seen::First, Seen::Again));
        assert!(!once.forget(&shared, "step", b"a", Millis::new(9_001)), "another sight");
        assert!(once.forget(&shared, "step", b"a", until) && !once.forget(&shared, "step", b"a", until));
        assert!(!once.forget(&shared, "jti", b"b", until), "another use");
        assert_eq!((see(b"a"), see(b"a"), see(b"b")), (Seen::First, Seen::Again, Seen::Again));
    }

    #[test]
    fn a_full_bucket_evicts_nothing_that_lives() {
        let shared = InProcess::default();
        let once = once(&shared, 0);
        let see = |key: usize, now| {
            once.see(&shared, "jti", &key.to_le_bytes(), Millis::new(now), Millis::new(now + 9_000))
        };
        assert!((0..PLACES).all(|key| see(key, 1_000) == Seen::First));
        assert_eq!(see(PLACES, 1_000), Seen::Full);
        assert!((0..PLACES).all(|key| see(key, 1_000) == Seen::Again));
        assert_eq!(see(PLACES, 10_000), Seen::First, "the dead make room");
    }

    #[test]
    fn foreign_values_count_as_empty() {
        let shared = InProcess::default();
        shared.insert(&name(0), b"not ours");
        let once = once(&shared, 0);
        let see = || once.see(&shared, "jti", b"key", Millis::new(1), Millis::new(2_000));
        assert_eq!((see(), see()), (Seen::First, Seen::Again));
    }

    /// A memory where another worker sees the same key between a worker's look and its write.
    #[derive(Debug)]
    struct Overtaken {
        shared: InProcess,
        rivals: std::cell::Cell<u32>,
        firsts: std::cell::Cell<u32>,
        once: Once,
    }

    impl Shared for Overtaken {
        fn get(&self, key: &str) -> Option<(Vec<u8>, crate::memory::Version)> {
            let looked = self.shared.get(key);
            if self.rivals.get() > 0 {
                self.rivals.set(self.rivals.get() - 1);
                let seen = self.once.see(self, "jti", b"key", Millis::new(1), Millis::new(2_000));
                self.firsts.set(self.firsts.get() + u32::from(seen == Seen::First));
            }
            looked
        }

        fn set(&self, key: &str, value: &[u8], expected: crate::memory::Version) -> bool {
            self.shared.set(key, value, expected)
        }

        fn insert(&self, key: &str, value: &[u8]) -> bool {
            self.shared.insert(key, value)
        }
    }

    #[test]
    fn of_sights_that_overtake_each_other_one_is_first() {
        for rivals in 0..20 {
            let shared = InProcess::default();
            let once = once(&shared, 0);
            once.seed(&shared);
            let overtaken = Overtaken {
                shared,
                rivals: std::cell::Cell::new(rivals),
                firsts: std::cell::Cell::new(0),
                once: once.clone(),
            };
            let seen = once.see(&overtaken, "jti", b"key", Millis::new(1), Millis::new(2_000));
            assert_eq!(overtaken.firsts.get() + u32::from(seen == Seen::First), 1, "{rivals} rivals");
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        let shared = InProcess::default();
        assert_eq!(format!("{:?}", once(&shared, 8_600)), "Once { buckets: 2, .. }");
    }
}
