//! What may be seen once, by many workers that act between each other's looks and writes.
//!
//! Keys are accepted up to their end, as tokens are, and remembered for a second more, as `stages::identity::replay` does it:
//! then no key has a second first sight, whatever the clocks of workers say in between. One bucket has to do for more keys than
//! it has places, so that keys whose time is over must make room while others find none.

use super::{Dice, APART, START};
use portcullis::memory::in_process::InProcess;
use portcullis::memory::once::{Once, Seen};
use portcullis::memory::{Memory, Shared, Version};
use portcullis::time::Millis;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

const SEEDS: u64 = 40;
const TURNS: usize = 1500;

/// Workers that are between their look and their write at the same time, at most.
const DEPTH_MAX: u32 = 5;

/// Places of a bucket, as the page of `memory::once` has it.
const PLACES: usize = 340;

/// What the same page says of one MiB.
const BUCKETS: u64 = 243;

/// Live keys to count on, of the same.
const USABLE: u64 = 66_000;

/// Workers over one bucket.
struct Crowd {
    seed: u64,
    shared: InProcess,
    once: Once,
    dice: RefCell<Dice>,
    true_time: Cell<u64>,
    depth: Cell<u32>,
    keys: u64,
    sights: RefCell<BTreeMap<u64, Tally>>,
    overtaken: Cell<u32>,
}

/// What became of the sights of one key.
#[derive(Debug, Default, Clone)]
struct Tally {
    firsts: u32,
    again: u32,
    full: u32,
    /// Until when it is accepted.
    end: u64,
}

impl std::fmt::Debug for Crowd {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "seed {}: {} keys", self.seed, self.keys)
    }
}

/// The memory, with other workers in between.
impl Shared for Crowd {
    fn get(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        let looked = self.shared.get(key);
        while self.depth.get() < DEPTH_MAX && self.roll(4) == 0 {
            self.overtaken.set(self.overtaken.get() + 1);
            self.act();
        }
        looked
    }

    fn set(&self, key: &str, value: &[u8], expected: Version) -> bool {
        self.shared.set(key, value, expected)
    }

    fn insert(&self, key: &str, value: &[u8]) -> bool {
        self.shared.insert(key, value)
    }
}

impl Crowd {
    fn new(seed: u64, keys: u64) -> Self {
        let shared = InProcess::default();
        let once = Once::open(&Memory::open(&shared, 0, [9; 16]), 0);
        once.seed(&shared);
        Self {
            seed,
            shared,
            once,
            dice: RefCell::new(Dice::new(seed)),
            true_time: Cell::new(START),
            depth: Cell::new(0),
            keys,
            sights: RefCell::default(),
            overtaken: Cell::new(0),
        }
    }

    fn roll(&self, bound: u64) -> u64 {
        self.dice.borrow_mut().below(bound as usize) as u64
    }

    /// One worker sees one key, if it still accepts it.
    fn act(&self) {
        self.depth.set(self.depth.get() + 1);
        self.true_time.set(self.true_time.get() + self.roll(40));
        let now = self.true_time.get() + self.roll(2 * APART) - APART;
        let key = self.roll(self.keys);
        // Whole seconds, as dates in tokens are.
        let whole = (now + 500 + self.roll(20_000)).div_ceil(1000) * 1000;
        let end =
            self.sights.borrow_mut().entry(key).or_insert_with(|| Tally { end: whole, ..Tally::default() }).end;
        if now < end {
            let seen = self.once.see(self, "token", &key.to_le_bytes(), Millis::new(now), Millis::new(end + 1000));
            self.note(key, now, seen);
        }
        self.depth.set(self.depth.get() - 1);
    }

    fn note(&self, key: u64, now: u64, seen: Seen) {
        let mut sights = self.sights.borrow_mut();
        let remembered = |tally: &&Tally| tally.firsts > 0 && (tally.end + 1000).div_ceil(1000) * 1000 > now;
        let live = sights.values().filter(remembered).count();
        let tally = sights.get_mut(&key).unwrap();
        match seen {
            Seen::First => tally.firsts += 1,
            Seen::Again => {
                assert!(tally.firsts > 0, "{self:?}: {key} was never seen");
                tally.again += 1;
            }
            Seen::Full => {
                assert!(live >= PLACES, "{self:?}: full with {live}");
                tally.full += 1;
            }
            Seen::Contended => panic!("{self:?}: there are more attempts than workers"),
        }
        assert!(tally.firsts <= 1, "{self:?}: {key} was first twice");
    }
}

#[test]
fn of_all_sights_of_a_key_one_is_the_first() {
    let (mut overtaken, mut again, mut full, mut firsts) = (0, 0, 0, 0);
    for seed in 1..=SEEDS {
        // Few keys that many meet at, or more keys than places.
        let crowd = Crowd::new(seed, if seed % 2 == 0 { 5 } else { 3000 });
        for _ in 0..TURNS {
            crowd.act();
        }
        overtaken += crowd.overtaken.get();
        for (key, tally) in crowd.sights.borrow().iter() {
            let seen = tally.again + tally.full > 0;
            assert!(tally.firsts == 1 || tally.full > 0 || !seen, "{crowd:?}: {key} never was the first");
            (again, full, firsts) = (again + tally.again, full + tally.full, firsts + tally.firsts);
        }
    }
    assert!(overtaken > 10_000, "the workers hardly met: {overtaken}");
    assert!(again > 1000 && full > 100 && firsts > 10_000, "{again} again, {full} full, {firsts} first");
}

/// The number that operators are told to count on.
#[test]
fn a_mebibyte_has_room_for_what_is_promised() {
    let shared = InProcess::default();
    let once = Once::open(&Memory::open(&shared, 0, [5; 16]), 1 << 20);
    let see =
        |key: u64| once.see(&shared, "token", &key.to_le_bytes(), Millis::new(START), Millis::new(START + 1));
    let full = (0..USABLE).filter(|key| see(*key) != Seen::First).count();
    assert!(full <= 7, "{full} of {USABLE} found no room: more than one in ten thousand");
    let places = BUCKETS * PLACES as u64;
    let more = (USABLE..2 * places).filter(|key| see(*key) == Seen::First).count() as u64;
    assert!(USABLE + more <= places && USABLE + more > places * 99 / 100, "{} of {places} places", USABLE + more);
}
