//! Texts that were looked at before and had nothing in them.
//!
//! Programs write the same header fields on every request: the name of the browser, the page before, a device. To look at one
//! again costs a hash. A worker remembers [`PLACES`] of them by a hash under a secret (SipHash-1-3, 64 bits), so that nobody can make a
//! text that is taken for another: a chance of 2⁻⁶² for each try. A new text takes the last of the [`WAYS`] places that its hash
//! allows, and each time it is seen again it moves one forward: texts that are seen once do not drive out those that all send.
//!
//! Only what needs no configuration to judge is remembered; exclusions and modes change nothing about it. Not for texts that
//! people write: they seldom come again.

use siphasher::sip::SipHasher13;
use std::cell::Cell;
use std::hash::Hasher;

/// Texts remembered: 8 KiB.
const PLACES: usize = 1024;

/// Places that a text may have.
const WAYS: usize = 4;

/// How many times so many there are.
const SETS: u64 = 256;

/// What a worker remembers.
#[derive(Debug)]
pub struct Harmless {
    secret: [u8; 16],
    places: Vec<Cell<u64>>,
}

/// A text by its hash, which says where it is remembered.
#[derive(Debug, Copy, Clone, PartialEq)]
pub struct Hashed(u64);

impl Harmless {
    /// Nothing yet. The secret is to be random.
    pub fn new(secret: [u8; 16]) -> Self {
        Self { secret, places: vec![Cell::new(0); PLACES] }
    }

    /// A text, for whoever has the same secret.
    pub fn hashed(&self, text: &[u8]) -> Hashed {
        let mut hasher = SipHasher13::new_with_key(&self.secret);
        hasher.write(text);
        // Zero stands for an empty place.
        Hashed(hasher.finish().max(1))
    }

    /// Whether a text has been looked at before.
    pub fn knows(&self, Hashed(hash): Hashed) -> bool {
        let ways = self.ways(hash);
        let Some(way) = ways.iter().position(|place| place.get() == hash) else { return false };
        if let [before, own, ..] = ways.get(way.saturating_sub(1)..).unwrap_or_default() {
            if way > 0 {
                before.swap(own);
            }
        }
        true
    }

    /// Remembers a text that has nothing in it.
    pub fn remember(&self, Hashed(hash): Hashed) {
        let ways = self.ways(hash);
        let free = ways.iter().find(|place| place.get() == 0);
        if let Some(place) = free.or(ways.last()) {
            place.set(hash);
        }
    }

    /// The places of a text: one of the sets of them, by the remainder of the hash, which a `usize` of 32 bits has room for.
    fn ways(&self, hash: u64) -> &[Cell<u64>] {
        let set = usize::try_from(hash % SETS).unwrap_or_default();
        self.places.chunks_exact(WAYS).nth(set).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_remembered_needs_no_look() {
        let harmless = Harmless::new([7; 16]);
        let known = |text: &str| harmless.knows(harmless.hashed(text.as_bytes()));
        assert!(!known("curl/8"));
        assert!(!known("curl/8"), "a look alone remembers nothing");
        harmless.remember(harmless.hashed(b"curl/8"));
        assert!(known("curl/8"));
        assert!(!known("curl/9"));
    }

    #[test]
    fn the_memory_does_not_grow_and_the_last_ones_are_known() {
        let harmless = Harmless::new([7; 16]);
        for number in 0..100_000 {
            let hashed = harmless.hashed(format!("agent/{number}").as_bytes());
            if !harmless.knows(hashed) {
                harmless.remember(hashed);
            }
        }
        assert_eq!(harmless.places.len(), PLACES);
        assert!(harmless.knows(harmless.hashed(b"agent/99999")));
    }

    /// Also where a `usize` has 32 bits, as in the module.
    #[test]
    fn a_hash_says_the_place_by_its_low_bits() {
        let harmless = Harmless::new([7; 16]);
        let ways = |hash: u64| harmless.ways(hash).as_ptr();
        assert!(PLACES == WAYS * usize::try_from(SETS).unwrap() && ways(1) != ways(2));
        assert_eq!(ways(1 << 40 | 1), ways(1));
    }

    #[test]
    fn what_comes_once_does_not_drive_out_what_all_send() {
        let harmless = Harmless::new([7; 16]);
        let look = |text: &str| {
            let hashed = harmless.hashed(text.as_bytes());
            let is_known = harmless.knows(hashed);
            if !is_known {
                harmless.remember(hashed);
            }
            is_known
        };
        let common: Vec<String> = (0..PLACES / 8).map(|number| format!("browser/{number}")).collect();
        for text in common.iter().cycle().take(common.len() * WAYS) {
            look(text);
        }
        assert!(!(0..PLACES * 8).any(|number| look(&format!("once/{number}"))));
        let known = common.iter().filter(|text| look(text)).count();
        assert!(known * 10 > common.len() * 9, "{known} of {}", common.len());
    }
}
