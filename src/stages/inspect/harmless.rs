//! Texts that were looked at before and had nothing in them.
//!
//! Programs write the same header fields on every request: the name of the browser, the page before, a device. To look at one
//! again costs a hash. A worker remembers [`PLACES`] of them by a hash under a secret (SipHash-2-4, 64 bits), so that nobody can make a
//! text that is taken for another: a chance of 2⁻⁶⁴ for each try. A new text takes the place of an old one.
//!
//! Only what needs no configuration to judge is remembered; exclusions and modes change nothing about it. Not for texts that
//! people write: they seldom come again.

use siphasher::sip::SipHasher24;
use std::cell::Cell;
use std::hash::Hasher;

/// Texts remembered: 8 KiB.
const PLACES: usize = 1024;

/// What a worker remembers.
#[derive(Debug)]
pub struct Harmless {
    secret: [u8; 16],
    places: Vec<Cell<u64>>,
}

/// A text by its hash, and where it is remembered.
#[derive(Debug, Copy, Clone)]
pub struct Known(u64);

impl Harmless {
    /// Nothing yet. The secret is to be random.
    pub fn new(secret: [u8; 16]) -> Self {
        Self { secret, places: vec![Cell::new(0); PLACES] }
    }

    /// The text itself, or `None` if it has been looked at before.
    pub fn unknown(&self, text: &str) -> Option<Known> {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        hasher.write(text.as_bytes());
        // Zero stands for an empty place.
        let hash = hasher.finish().max(1);
        (self.place(hash)?.get() != hash).then_some(Known(hash))
    }

    /// Remembers a text that has nothing in it.
    pub fn remember(&self, Known(hash): Known) {
        if let Some(place) = self.place(hash) {
            place.set(hash);
        }
    }

    fn place(&self, hash: u64) -> Option<&Cell<u64>> {
        self.places.get(usize::try_from(hash).unwrap_or_default() % PLACES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_remembered_needs_no_look() {
        let harmless = Harmless::new([7; 16]);
        let known = harmless.unknown("curl/8").unwrap();
        assert!(harmless.unknown("curl/8").is_some(), "a look alone remembers nothing");
        harmless.remember(known);
        assert!(harmless.unknown("curl/8").is_none());
        assert!(harmless.unknown("curl/9").is_some());
    }

    #[test]
    fn the_memory_does_not_grow_and_the_last_ones_are_known() {
        let harmless = Harmless::new([7; 16]);
        for number in 0..100_000 {
            if let Some(known) = harmless.unknown(&format!("agent/{number}")) {
                harmless.remember(known);
            }
        }
        assert_eq!(harmless.places.len(), PLACES);
        assert!(harmless.unknown("agent/99999").is_none());
    }
}
