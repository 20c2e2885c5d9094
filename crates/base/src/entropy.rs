//! Random numbers, one at a time.
//!
//! The core has no source of its own: the same traffic gives the same verdicts. What must not repeat or be guessed — the name
//! of a token that is issued, a new session — is asked of the host here, anew each time. The 16 bytes that an engine starts
//! with do not do: names made from them would repeat in the workers that share the key, and after a restart of a worker.

use std::cell::Cell;
use std::fmt;

/// A source of random numbers.
pub trait Entropy: fmt::Debug {
    /// 128 bits that nobody has seen before. `None` if the host has none to give.
    fn fresh(&self) -> Option<[u8; 16]>;
}

/// Numbers that follow from a seed: for tests, replays and tools.
pub struct Seeded {
    seed: [u8; 16],
    drawn: Cell<u64>,
}

impl Seeded {
    /// The numbers that follow from this seed.
    pub const fn new(seed: [u8; 16]) -> Self {
        Self { seed, drawn: Cell::new(0) }
    }
}

impl Entropy for Seeded {
    fn fresh(&self) -> Option<[u8; 16]> {
        let drawn = self.drawn.get();
        self.drawn.set(drawn.wrapping_add(1));
        let hash = hmac_sha256::HMAC::mac(drawn.to_be_bytes(), self.seed);
        hash.first_chunk::<16>().copied()
    }
}

impl fmt::Debug for Seeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Seeded").field("drawn", &self.drawn.get()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_none_twice() {
        let draw = |source: &Seeded| (0..100).map(|_| source.fresh().unwrap()).collect::<Vec<_>>();
        let (one, two) = (draw(&Seeded::new([1; 16])), draw(&Seeded::new([1; 16])));
        assert_eq!(one, two);
        assert_eq!(one.iter().collect::<std::collections::BTreeSet<_>>().len(), 100);
        assert_ne!(one, draw(&Seeded::new([2; 16])));
    }
}
