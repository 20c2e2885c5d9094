use super::*;
use crate::memory::in_process::InProcess;
use crate::memory::Version;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeMap;

const NOW: Millis = Millis::from_secs(1_000);

fn roll(capacity: usize) -> Roll {
    Roll { list_key: "portcullis/test", mark_key: "portcullis/test/mark", capacity }
}

fn entry(key: u128, value: u64, until: u64) -> Entry {
    Entry { key, value, until }
}

#[test]
fn an_entry_is_found_and_every_change_is_marked() {
    let (shared, roll) = (InProcess::default(), roll(2));
    roll.seed(&shared);
    assert_eq!((roll.mark(&shared).is_some(), roll.entries(&shared).len()), (true, 0));
    let mut marks = vec![roll.mark(&shared)];
    assert_eq!(roll.enter(&shared, entry(1, 5, 2_000), NOW), Entered::Done);
    marks.push(roll.mark(&shared));
    assert_eq!(roll.entries(&shared), [entry(1, 5, 2_000)]);
    roll.seed(&shared);
    assert_eq!(roll.entries(&shared).len(), 1, "the next configuration begins with what is there");
    assert_eq!(roll.enter(&shared, entry(1, 4, 1_500), NOW), Entered::Done);
    marks.push(roll.mark(&shared));
    assert_eq!(roll.enter(&shared, entry(1, 9, 1_500), NOW), Entered::Done);
    assert_eq!(roll.entries(&shared), [entry(1, 9, 2_000)], "what is wider stays");
    marks.push(roll.mark(&shared));
    assert!(marks.windows(2).all(|pair| pair[0] != pair[1]), "{marks:?}");
}

#[test]
fn nothing_that_is_live_makes_room() {
    let (shared, roll) = (InProcess::default(), roll(2));
    roll.seed(&shared);
    for key in 1..=2 {
        assert_eq!(roll.enter(&shared, entry(key, 0, 1_001), NOW), Entered::Done);
    }
    assert_eq!(roll.enter(&shared, entry(3, 0, 9_000), NOW), Entered::Full);
    assert_eq!(roll.enter(&shared, entry(2, 1, 1_001), NOW), Entered::Done, "it is there already");
    assert_eq!(roll.enter(&shared, entry(3, 0, 9_000), Millis::from_secs(1_001)), Entered::Done);
    assert_eq!(roll.entries(&shared), [entry(3, 0, 9_000)]);
}

#[test]
fn foreign_values_count_as_empty() {
    for value in [&b"not ours"[..], b"", b"pc-roll1short", &[0xff; 4096]] {
        let (shared, roll) = (InProcess::default(), roll(2));
        shared.insert(roll.list_key, value);
        shared.insert(roll.mark_key, value);
        let before = roll.mark(&shared);
        assert_eq!(roll.entries(&shared).len(), 0);
        assert_eq!(roll.enter(&shared, entry(1, 0, 2_000), NOW), Entered::Done);
        assert_eq!(roll.entries(&shared).len(), 1);
        assert_ne!(roll.mark(&shared), before);
    }
    let (shared, roll) = (InProcess::default(), roll(2));
    assert_eq!((roll.mark(&shared), roll.entries(&shared).len()), (None, 0));
    assert_eq!(roll.enter(&shared, entry(1, 0, 2_000), NOW), Entered::Done);
    assert!(roll.mark(&shared).is_some());
}

/// A memory where another worker enters something between a worker's look and its write.
#[derive(Debug)]
struct Overtaken {
    shared: InProcess,
    rivals: Cell<u128>,
}

impl Shared for Overtaken {
    fn get(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        let looked = self.shared.get(key);
        let rival = self.rivals.get();
        if rival > 0 {
            self.rivals.set(rival - 1);
            assert_eq!(roll(99).enter(&self.shared, entry(rival + 100, 0, 2_000), NOW), Entered::Done);
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

#[test]
fn no_entry_is_lost_to_another_and_none_is_unseen() {
    for rivals in 0..20_u128 {
        let shared = Overtaken { shared: InProcess::default(), rivals: Cell::new(0) };
        roll(99).seed(&shared);
        shared.rivals.set(rivals);
        let before = roll(99).mark(&shared.shared);
        assert_eq!(roll(99).enter(&shared, entry(1, 0, 2_000), NOW), Entered::Done);
        assert_ne!(roll(99).mark(&shared.shared), before);
        let met = rivals - shared.rivals.get();
        assert_eq!(roll(99).entries(&shared.shared).len(), usize::try_from(met).unwrap() + 1, "{rivals} rivals");
    }
    let shared = Overtaken { shared: InProcess::default(), rivals: Cell::new(0) };
    roll(99).seed(&shared);
    shared.rivals.set(u128::from(ATTEMPTS_MAX));
    assert_eq!(roll(99).enter(&shared, entry(1, 0, 2_000), NOW), Entered::Contended);
}

proptest! {
    #[test]
    fn it_is_a_map_of_what_is_live(steps in proptest::collection::vec((0_u128..6, 0_u64..4, 1_000_u64..1_020, 0_u64..3), 0..40)) {
        let (shared, roll) = (InProcess::default(), roll(4));
        roll.seed(&shared);
        let mut model: BTreeMap<u128, (u64, u64)> = BTreeMap::new();
        let mut now = 1_000;
        for (key, value, until, passes) in steps {
            now += passes;
            model.retain(|_, (_, until)| *until > now);
            let fits = model.contains_key(&key) || model.len() < 4;
            let entered = roll.enter(&shared, entry(key, value, until), Millis::from_secs(now));
            prop_assert_eq!(entered, if fits { Entered::Done } else { Entered::Full });
            if fits {
                let known = model.entry(key).or_insert((value, until));
                *known = (known.0.max(value), known.1.max(until));
            }
            let live = |entry: &Entry| entry.until > now;
            let found: BTreeMap<u128, (u64, u64)> =
                roll.entries(&shared).into_iter().filter(live).map(|entry| (entry.key, (entry.value, entry.until))).collect();
            let mut expected = model.clone();
            expected.retain(|_, (_, until)| *until > now);
            prop_assert_eq!(found, expected);
        }
    }
}
