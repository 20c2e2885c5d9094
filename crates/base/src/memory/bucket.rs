//! One bucket: a fixed number of records that share one value of the host's memory.
//!
//! ```text
//! 0        2       8        14      16                          1016
//! version  since   settled  share   25 records of 40 bytes
//!          └── floor ──────────┘
//! ```
//!
//! A bucket never grows. When a key needs room, an empty place is taken, then the record longest without debt, then the
//! one that owes least; what an evicted record owes raises the bucket's *floor*, and whoever is new to the bucket
//! starts there. The price is that strangers in the same bucket start with the same debt until it is settled. The keyed
//! hash that chooses the bucket is secret, so nobody can aim at a bucket.
//!
//! What an eviction can give away is bounded: the floor is never less than what anybody who was evicted owes by its own
//! doing, so two *lives* of a key (from its record's beginning to its eviction) take no more than one would have taken,
//! whichever two they are; under a sliding window and concurrency, of lives that began without a debt. Who used up its
//! limit gets nothing back. Who is evicted again and again can gain, as what a life inherited is not passed on (it may
//! have been a stranger's): that takes a bucket whose other twenty-four all owe more than a newcomer that has made its
//! requests.

use super::record::{millis_le, u64_le, Debt, Record, Share, RECORD_BYTES};
use crate::time::Millis;

/// Records of one bucket.
pub const RECORDS: usize = 25;

/// Bytes of one bucket.
///
/// Envoy's allocator has places of 1024 bytes, and the next ones of 1152: the value and the byte that ends it fit into the former.
pub const BUCKET_BYTES: usize = 1016;

const HEADER_BYTES: usize = 16;

/// Changes when the layout does: a bucket of another version reads as junk.
const VERSION: u16 = 2;

const _: () = assert!(HEADER_BYTES + RECORDS * RECORD_BYTES == BUCKET_BYTES);

/// A bucket being worked on: its bytes, changed in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    bytes: Vec<u8>,
}

/// Where in a bucket a record stands.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Place(usize);

/// What making room for a record did.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Room {
    /// The key had a record already.
    Known,
    /// There was an empty place.
    Empty,
    /// A record without debt made room.
    Expired,
    /// A record that still owed something made room; its debt is in the floor.
    Evicted,
}

impl Default for Bucket {
    fn default() -> Self {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        bytes.resize(BUCKET_BYTES, 0);
        Self { bytes }
    }
}

impl Bucket {
    /// Takes over a value of the host's memory. `None` if it is not a bucket of this version: other filters may write
    /// where we do.
    pub fn decode(bytes: Vec<u8>) -> Option<Self> {
        let version = bytes.get(0..2)?;
        (bytes.len() == BUCKET_BYTES && version == VERSION.to_le_bytes()).then_some(Self { bytes })
    }

    /// The value for the host's memory.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The record of a key, or a new one in the room that was made for it. It is in the bucket once it is [`put`].
    ///
    /// [`put`]: Self::put
    pub fn find(&mut self, fingerprint: u64, now: Millis) -> (Record, Place, Room) {
        // Almost always it is there, and of the others their names are enough.
        if let Some((place, record)) = self.known(fingerprint) {
            return (record.as_of(now), place, Room::Known);
        }
        let mut best: Option<(Place, Record)> = None;
        let mut least = None;
        let mut empty = None;
        for (place, record) in self.places() {
            let Some(record) = record else {
                empty = Some(place);
                break;
            };
            let worth = worth(&record, now);
            if least.is_none_or(|least| worth < least) {
                (best, least) = (Some((place, record)), Some(worth));
            }
        }
        let (place, room) = match (empty, best) {
            (Some(place), _) => (place, Room::Empty),
            (None, Some((place, record))) => (place, self.evict(&record, now)),
            // Not reached: a bucket has records or room.
            (None, None) => (Place(0), Room::Empty),
        };
        (Record::new(fingerprint, self.floor().as_of(now)), place, room)
    }

    /// The record of a key as [`Self::find`] tells it, where nothing is to be stored: no room is made.
    pub fn look(&self, fingerprint: u64, now: Millis) -> Record {
        if let Some((_, record)) = self.known(fingerprint) {
            return record.as_of(now);
        }
        if self.places().any(|(_, record)| record.is_none()) {
            return Record::new(fingerprint, self.floor().as_of(now));
        }
        self.clone().find(fingerprint, now).0
    }

    /// Takes back the room that [`Self::find`] has made, for a record that is not stored after all. `floor` is that before.
    pub(super) fn keep(&mut self, floor: &Debt) {
        self.set_floor(floor);
    }

    /// The record of a key, if it has one.
    fn known(&self, fingerprint: u64) -> Option<(Place, Record)> {
        let (records, _) = self.bytes.get(HEADER_BYTES..)?.as_chunks::<RECORD_BYTES>();
        let wanted = fingerprint.to_le_bytes();
        let (at, record) = records.iter().enumerate().find(|(_, record)| record.starts_with(&wanted))?;
        Some((Place(at), Record::decode(record)?))
    }

    /// Writes a record where it was found, or where room was made for it.
    pub fn put(&mut self, place: Place, record: &Record) {
        if let Some(slot) =
            self.bytes.get_mut(HEADER_BYTES..).and_then(|rest| rest.chunks_exact_mut(RECORD_BYTES).nth(place.0))
        {
            slot.copy_from_slice(&record.encode());
        }
    }

    /// How many places are taken.
    pub fn occupied(&self) -> usize {
        self.places().filter(|(_, record)| record.is_some()).count()
    }

    fn places(&self) -> impl Iterator<Item = (Place, Option<Record>)> + '_ {
        let slots = self.bytes.get(HEADER_BYTES..).unwrap_or_default().chunks_exact(RECORD_BYTES);
        slots.enumerate().map(|(at, slot)| (Place(at), slot.try_into().ok().and_then(Record::decode)))
    }

    pub(super) fn floor(&self) -> Debt {
        let number = |range| self.bytes.get(range).map(u64_le).unwrap_or_default();
        Debt {
            since: Millis::new(number(2..8)),
            settled: Millis::new(number(8..14)),
            share: Share::from_steps(number(14..16)),
        }
    }

    fn set_floor(&mut self, floor: &Debt) {
        let (since, settled) = (millis_le(floor.since), millis_le(floor.settled));
        let encoded = since.into_iter().chain(settled).chain(floor.share.steps().to_le_bytes());
        for (place, byte) in self.bytes.iter_mut().skip(2).zip(encoded) {
            *place = byte;
        }
    }

    fn evict(&mut self, record: &Record, now: Millis) -> Room {
        let legacy = record.legacy(now);
        if legacy.at(now) == Share::NONE {
            return Room::Expired;
        }
        self.set_floor(&self.floor().covering(&legacy, now));
        Room::Evicted
    }
}

/// The order of eviction: without debt first, the longest settled among them; then who owes least. What was inherited
/// counts too: newcomers would otherwise owe less than all the others, and crowd out each other with every request.
fn worth(record: &Record, now: Millis) -> (Share, Millis) {
    (record.debt.at(now), record.debt.settled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::record::STATE_BYTES;
    use proptest::prelude::*;

    fn owing(share: u64, settled: u64) -> Debt {
        Debt { share: Share::of(share, 100), since: Millis::new(1000), settled: Millis::new(settled) }
    }

    fn add(bucket: &mut Bucket, fingerprint: u64, debt: Debt) -> (Record, Room) {
        let (mut record, place, room) = bucket.find(fingerprint, debt.since);
        let born = record;
        record.settle([7; STATE_BYTES], debt);
        bucket.put(place, &record);
        (born, room)
    }

    fn full(debt: Debt) -> Bucket {
        let mut bucket = Bucket::default();
        (1..=RECORDS as u64).for_each(|key| assert_eq!(add(&mut bucket, key, debt).1, Room::Empty));
        bucket
    }

    #[test]
    fn a_record_is_found_again() {
        let mut bucket = Bucket::default();
        add(&mut bucket, 5, owing(50, 2000));
        let bucket = Bucket::decode(bucket.bytes().to_vec());
        let (record, _, room) = bucket.unwrap().find(5, Millis::new(1000));
        assert_eq!((room, record.state, record.debt), (Room::Known, [7; STATE_BYTES], owing(50, 2000)));
    }

    #[test]
    fn junk_and_other_versions_are_no_buckets() {
        for junk in [vec![], vec![1, 0], vec![0; BUCKET_BYTES], vec![1; BUCKET_BYTES - 1]] {
            assert_eq!(Bucket::decode(junk), None);
        }
    }

    #[test]
    fn those_without_debt_make_room_first_and_leave_nothing_behind() {
        let mut bucket = full(owing(50, 9000));
        let settled = Debt { settled: Millis::new(1000), ..owing(50, 0) };
        add(&mut bucket, 3, settled);
        let (born, room) = add(&mut bucket, 99, owing(10, 9000));
        assert_eq!((room, born.inherited), (Room::Expired, Share::NONE));
        assert_eq!(bucket.find(3, Millis::new(1000)).2, Room::Evicted, "3 is gone and nobody else is free");
    }

    #[test]
    fn who_owes_least_goes_and_its_debt_stays() {
        let mut bucket = full(owing(50, 9000));
        add(&mut bucket, 3, owing(20, 9000));
        let (born, room) = add(&mut bucket, 99, owing(90, 9000));
        assert_eq!(room, Room::Evicted);
        let inherited = born.inherited.times(100);
        assert!((20..=21).contains(&inherited), "{inherited}");
        assert_eq!(bucket.find(1, Millis::new(1000)).2, Room::Known);
    }

    #[test]
    fn what_stays_until_its_window_ends_is_not_forgiven_before() {
        let stays = Debt { share: Share::of(90, 100), since: Millis::new(9000), settled: Millis::new(9000) };
        let mut bucket = full(stays);
        assert_eq!(add(&mut bucket, 99, Debt { since: Millis::new(2000), ..owing(95, 9000) }).1, Room::Evicted);
        let at = |now| bucket.clone().find(77, Millis::new(now)).0.inherited.times(100);
        assert_eq!((at(2000), at(8999), at(9000)), (91, 91, 0), "rounded up");
    }

    #[test]
    fn a_flood_of_strangers_does_not_lend_itself_a_debt() {
        let mut bucket = full(owing(10, 9000));
        for key in 100..10_000 {
            let (born, _, _) = bucket.find(key, Millis::new(1000));
            let share = Share::of(born.inherited.times(100).saturating_add(10), 100);
            add(&mut bucket, key, Debt { share, ..owing(0, 9000) });
        }
        let (born, _, _) = bucket.find(99_999, Millis::new(1000));
        assert!(born.inherited.times(100) <= 13, "{:?}", born.inherited);
    }

    #[test]
    fn newcomers_do_not_crowd_out_each_other() {
        let mut bucket = full(owing(50, 9000));
        for key in [98, 99] {
            let (born, _, room) = bucket.find(key, Millis::new(1000));
            assert_eq!(room, Room::Evicted);
            let share = Share::of(born.inherited.times(100).saturating_add(1), 100);
            add(&mut bucket, key, Debt { share, ..owing(0, 9000) });
        }
        for key in [98, 99] {
            assert_eq!(bucket.find(key, Millis::new(1000)).2, Room::Known);
        }
    }

    #[test]
    fn what_is_left_behind_is_settled_in_time() {
        let mut bucket = full(owing(80, 3000));
        let at = |bucket: &mut Bucket, now| bucket.find(77, Millis::new(now)).0.inherited.times(100);
        assert!((80..=81).contains(&at(&mut bucket, 1000)));
        assert!((40..=42).contains(&at(&mut bucket.clone(), 2000)));
        assert_eq!(at(&mut bucket, 3000), 0);
    }

    proptest! {
        #[test]
        fn who_looks_sees_what_would_be_found(keys in proptest::collection::vec((1..40_u64, 0..100_u64, 0..9000_u64), 0..60), now in 0..9000_u64) {
            let mut bucket = Bucket::default();
            for (key, share, settled) in keys {
                add(&mut bucket, key, owing(share, settled));
            }
            for key in 1..50 {
                let mut found = bucket.clone();
                let (record, _, room) = found.find(key, Millis::new(now));
                prop_assert_eq!(bucket.look(key, Millis::new(now)), record);
                found.keep(&bucket.floor());
                prop_assert_eq!(&found, &bucket, "{:?}", room);
            }
        }

        #[test]
        fn no_value_of_the_hosts_memory_panics(mut bytes in proptest::collection::vec(any::<u8>(), BUCKET_BYTES), fingerprint in 1..5u64, now in any::<u64>()) {
            bytes[..2].copy_from_slice(&VERSION.to_le_bytes());
            let mut bucket = Bucket::decode(bytes).unwrap();
            let (record, place, _) = bucket.find(fingerprint, Millis::new(now));
            bucket.put(place, &record);
            prop_assert_eq!(bucket.bytes().len(), BUCKET_BYTES);
        }
    }
}
