use super::bucket::RECORDS;
use super::in_process::InProcess;
use super::record::{Debt, Share};
use super::*;
use proptest::prelude::*;
use std::cell::{Cell, RefCell};

const NOW: Millis = Millis::from_secs(1_800_000_000);

fn opened() -> (InProcess, Memory) {
    let shared = InProcess::default();
    let memory = Memory::open(&shared, 0, [1; 16]);
    (shared, memory)
}

/// Adds one to the number in a record, which stays owed for an hour.
fn count(memory: &Memory, shared: &dyn Shared, actor: &[u8], trace: &mut Trace) -> Result<u64, Contended> {
    memory.change(shared, memory.locate(actor, "test"), NOW, trace, |mut record| {
        let seen = u64::from_le_bytes(record.state[..8].try_into().unwrap()).saturating_add(1);
        let mut state = record.state;
        state[..8].copy_from_slice(&seen.to_le_bytes());
        let settled = NOW.saturating_add(Millis::from_secs(3600));
        let owed = record.inherited.times(100).saturating_add(seen);
        record.settle(state, Debt { share: Share::of(owed, 100), since: NOW, settled });
        (seen, Some(record))
    })
}

/// Another worker that writes in between, a given number of times.
#[derive(Debug)]
struct Rival<'a> {
    shared: &'a InProcess,
    memory: &'a Memory,
    left: RefCell<u32>,
}

impl Shared for Rival<'_> {
    fn get(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        let seen = self.shared.get(key);
        let interferes = self.left.replace_with(|left| left.saturating_sub(1)) > 0;
        if interferes {
            count(self.memory, self.shared, b"a", &mut Trace::default()).unwrap();
        }
        seen
    }

    fn set(&self, key: &str, value: &[u8], expected: Version) -> bool {
        self.shared.set(key, value, expected)
    }

    fn insert(&self, key: &str, value: &[u8]) -> bool {
        self.shared.insert(key, value)
    }
}

#[test]
fn workers_agree_on_the_secret_of_the_first() {
    let (shared, first) = opened();
    let second = Memory::open(&shared, 0, [2; 16]);
    assert_eq!(first.locate(b"a", "x"), second.locate(b"a", "x"));
    let elsewhere = Memory::open(&InProcess::default(), 0, [2; 16]);
    assert_ne!(first.locate(b"a", "x"), elsewhere.locate(b"a", "x"));
}

#[test]
fn records_of_one_actor_share_a_bucket() {
    let (_, memory) = opened();
    let (one, other) = (memory.locate(b"a", "x"), memory.locate(b"a", "y"));
    assert_eq!(one.bucket, other.bucket);
    assert_ne!(one.fingerprint, other.fingerprint);
}

#[test]
fn seeding_creates_every_bucket_once() {
    let (shared, memory) = opened();
    assert_eq!(memory.seed(&shared), BUCKETS_MIN);
    assert_eq!(memory.seed(&shared), 0);
    assert!(count(&memory, &shared, b"a", &mut Trace::default()).is_ok());
    let larger = Memory::open(&shared, 1 << 20, [1; 16]);
    assert_eq!(larger.seed(&shared), larger.buckets - BUCKETS_MIN);
    assert_eq!(memory.seed(&shared), 0);
}

/// The host's memory, which counts what it is asked for.
#[derive(Debug, Default)]
struct Counting(InProcess, Cell<u32>);

impl Shared for Counting {
    fn get(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.1.set(self.1.get() + 1);
        self.0.get(key)
    }

    fn set(&self, key: &str, value: &[u8], expected: Version) -> bool {
        self.1.set(self.1.get() + 1);
        self.0.set(key, value, expected)
    }

    fn insert(&self, key: &str, value: &[u8]) -> bool {
        self.1.set(self.1.get() + 1);
        self.0.insert(key, value)
    }
}

#[test]
fn whoever_finds_the_last_bucket_asks_for_no_other() {
    let memory = Memory::open(&InProcess::default(), 0, [1; 16]);
    let last = u32::try_from(BUCKETS_MIN).unwrap();
    // Somebody who did not come to the end.
    for seeded in [0, 1, last - 1] {
        let shared = Counting::default();
        (0..seeded).for_each(|bucket| assert!(shared.0.insert(&name(bucket.into()), b"")));
        assert_eq!(memory.seed(&shared), u64::from(last - seeded));
        assert_eq!(shared.1.take(), last + 1);
        assert_eq!((memory.seed(&shared), shared.1.take()), (0, 1), "{seeded}");
    }
}

#[test]
fn no_update_is_lost_to_a_faster_worker() {
    let (shared, memory) = opened();
    memory.seed(&shared);
    let rival = Rival { shared: &shared, memory: &memory, left: RefCell::new(5) };
    let mut trace = Trace::default();
    assert_eq!(count(&memory, &rival, b"a", &mut trace), Ok(6));
    assert_eq!(trace.retries, 5);
}

#[test]
fn endless_contention_is_an_answer() {
    let (shared, memory) = opened();
    let rival = Rival { shared: &shared, memory: &memory, left: RefCell::new(u32::MAX) };
    assert_eq!(count(&memory, &rival, b"a", &mut Trace::default()), Err(Contended));
}

#[test]
fn junk_of_others_reads_as_empty_and_is_counted() {
    let (shared, memory) = opened();
    let place = memory.locate(b"a", "test");
    shared.insert(&name(place.bucket), b"junk");
    let mut trace = Trace::default();
    assert_eq!(count(&memory, &shared, b"a", &mut trace), Ok(1));
    assert_eq!(trace.junk, 1);
}

#[test]
fn a_change_that_changes_nothing_writes_nothing() {
    let (shared, memory) = opened();
    memory.seed(&shared);
    let place = memory.locate(b"a", "test");
    let before = shared.get(&name(place.bucket));
    memory.change(&shared, place, NOW, &mut Trace::default(), |_| ((), None)).unwrap();
    assert_eq!(shared.get(&name(place.bucket)), before);
}

#[test]
fn a_flood_of_identities_does_not_grow_the_memory() {
    let (shared, memory) = opened();
    memory.seed(&shared);
    let bytes = shared.bytes();
    let mut trace = Trace::default();
    for identity in 0..20_000_u32 {
        count(&memory, &shared, &identity.to_le_bytes(), &mut trace).unwrap();
    }
    assert_eq!(shared.bytes(), bytes);
    let room = u32::try_from(BUCKETS_MIN).unwrap().saturating_mul(u32::try_from(RECORDS).unwrap());
    assert_eq!(trace.evictions, 20_000_u32.saturating_sub(room), "every place is used before anybody has to go");
}

#[test]
fn a_lease_is_held_by_one_worker_at_a_time() {
    let (shared, memory) = opened();
    let ask = |seconds: u64| {
        memory.lease(&shared, "job", NOW.saturating_add(Millis::from_secs(seconds)), Millis::from_secs(10))
    };
    assert_eq!([ask(0), ask(0), ask(9), ask(10), ask(11)], [true, false, false, true, false]);
    assert!(memory.lease(&shared, "other job", NOW, Millis::from_secs(10)));
}

#[test]
fn a_survey_goes_round_all_buckets() {
    let (shared, memory) = opened();
    memory.seed(&shared);
    for identity in 0..100_u32 {
        count(&memory, &shared, &identity.to_le_bytes(), &mut Trace::default()).unwrap();
    }
    let survey = memory.survey(&shared, 7);
    let places = BUCKETS_MIN.saturating_mul(u64::try_from(RECORDS).unwrap());
    assert_eq!(survey, Survey { records: 100, places, next: 7 });
}

fn any_debt() -> impl Strategy<Value = Debt> {
    (0..=100_u64, 0..400_u64, 0..400_u64).prop_map(|(share, since, falls)| Debt {
        share: Share::of(share, 100),
        since: Millis::new(since),
        settled: Millis::new(since.saturating_add(falls)),
    })
}

proptest! {
    #[test]
    fn a_debt_that_covers_two_is_nowhere_less(
        (one, other) in (any_debt(), any_debt()), now in 0..300_u64, later in 0..700_u64,
    ) {
        let now = Millis::new(now);
        let then = now.saturating_add(Millis::new(later));
        let both = one.covering(&other, now);
        prop_assert!(both.at(then) >= one.at(then).max(other.at(then)), "{both:?}");
        prop_assert!(both.share == one.at(now).max(other.at(now)), "{both:?} begins with the larger one");
        let end = one.settled.max(other.settled).max(now);
        let longest = end.saturating_add(end.saturating_sub(now));
        prop_assert!(both.settled <= longest, "{both:?} is not settled twice as late");
    }

    #[test]
    fn keys_spread_evenly(prefix in any::<u64>()) {
        let (_, memory) = opened();
        let mut hits = vec![0_u32; usize::try_from(BUCKETS_MIN).unwrap()];
        for key in 0..6400_u64 {
            let place = memory.locate(&prefix.wrapping_add(key).to_le_bytes(), "x");
            hits[usize::try_from(place.bucket).unwrap()] += 1;
        }
        prop_assert!(hits.iter().all(|hits| (40..200).contains(hits)), "{hits:?}");
    }
}

/// So many actors of one bucket, which they fill.
fn crowd(memory: &Memory) -> Vec<Hashed> {
    let first = memory.locate(b"0", "test");
    let places = (0_u32..).map(|number| memory.locate(number.to_string().as_bytes(), "test"));
    places.filter(|place| place.bucket == first.bucket).take(RECORDS + 1).collect()
}

#[test]
fn records_are_changed_and_read_together() {
    let (shared, memory) = opened();
    let places: Vec<Hashed> = (0_u32..40).map(|number| memory.locate(&number.to_le_bytes(), "test")).collect();
    let mut seen = Vec::new();
    let changed = memory.change_all(&shared, &places, NOW, &mut Trace::default(), |at, mut record| {
        seen.push(at);
        record.state[0] = u8::try_from(at).unwrap().saturating_add(1);
        Some(record)
    });
    assert_eq!((changed, seen), (Ok(()), (0..40).collect()));
    let read: Vec<u8> = memory.read(&shared, &places, NOW).iter().map(|record| record.state[0]).collect();
    assert_eq!(read, (1..=40).collect::<Vec<u8>>());
}

#[test]
fn what_is_only_looked_at_crowds_out_nobody() {
    let (shared, memory) = opened();
    let places = crowd(&memory);
    let debt = Debt { share: Share::WHOLE, since: NOW, settled: NOW.saturating_add(Millis::from_secs(60)) };
    let mut trace = Trace::default();
    let fill = |_: usize, mut record: Record| {
        record.settle([1; 16], debt);
        Some(record)
    };
    memory.change_all(&shared, &places[..RECORDS], NOW, &mut trace, fill).unwrap();
    let full = shared.get(&name(places[0].bucket));
    assert!(memory.read(&shared, &places, NOW)[RECORDS].is_new());
    // The last one finds no room of its own and is not stored; the first one is changed beside it.
    let pair = [places[RECORDS], places[0]];
    memory.change_all(&shared, &pair, NOW, &mut trace, |_, record| (!record.is_new()).then_some(record)).unwrap();
    assert_eq!(shared.get(&name(places[0].bucket)).map(|(value, _)| value), full.map(|(value, _)| value));
    assert_eq!((trace.evictions, trace.junk), (0, 0));
}

#[test]
fn owners_with_numbers_have_them_in_their_names() {
    for number in [0, 7, 10, 600_000, u64::MAX] {
        assert_eq!(numbered(&["a.", "b/"], number), format!("a.b/{number}"));
    }
}

#[test]
fn owners_of_one_actor_are_located_together_as_one_by_one() {
    let memory = Memory::open(&InProcess::default(), 1 << 20, [7; 16]);
    let owners = ["limits/a", "", "objects.ids"];
    assert_eq!(memory.locate_all(b"ada", owners), owners.map(|owner| memory.locate(b"ada", owner)));
}

#[test]
fn buckets_have_names_of_their_own() {
    for number in [0, 9, 10, 0xabc, 55_924, u64::from(u32::MAX)] {
        assert_eq!(&*name(number), format!("portcullis/b/{number:08x}"));
    }
    let most = Memory::open(&InProcess::default(), u64::MAX, [7; 16]);
    assert_eq!(&*name(most.buckets - 1), "portcullis/b/ffffffff");
}
