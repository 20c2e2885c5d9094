//! What one worker has read of the buckets, so that it need not read them again.
//!
//! The stages look at the same few buckets one after the other, since the records of an actor share one. A bucket that was read
//! serves again in two ways, neither of which loses an update or tells of a state that was over:
//!
//! - **A look** is answered only within the [`Sight`] in which the bucket was read or written. A sight lasts as long as one call of the engine
//!   does, which nothing interrupts and no wait is part of; its end is that of a scope, so no request sees what another one has read.
//! - **A change** may begin with what was read up to [`BEGINS`] before, in whatever sight: the compare-and-swap tells whether it was still true. If
//!   it was not, the change begins anew with what is read then. If the change would store nothing, there is no swap to tell, so it is
//!   made with what the sight has read, or anew.
//!
//! What was written is known only to look at: the host does not say which version it became.
//!
//! Bounds: [`SLOTS`] buckets of 1 KiB for each worker and configuration, by their number; one drives out another.

use super::bucket::Bucket;
use super::{Shared, Version};
use crate::time::Millis;
use std::cell::{Cell, RefCell};

/// Buckets that are kept at most.
const SLOTS: u64 = 128;

/// How long a change may begin with what was read: far less than it takes for numbers of versions to come round.
const BEGINS: Millis = Millis::from_secs(10);

/// The buckets that a worker keeps.
#[derive(Debug, Default)]
pub struct Kept {
    /// The number of the sight that is open; zero for none.
    open: Cell<u64>,
    last: Cell<u64>,
    slots: RefCell<Vec<Option<Slot>>>,
}

/// The memory of the host, as a worker has it that keeps what it reads.
#[derive(Debug)]
pub struct Keeping {
    host: Box<dyn Shared>,
    kept: Kept,
}

impl Keeping {
    /// Nothing is kept yet.
    pub fn new(host: Box<dyn Shared>) -> Self {
        Self { host, kept: Kept::default() }
    }

    /// Opens a sight, unless one is open. Whoever does must not wait in it.
    pub fn sight(&self) -> Sight<'_> {
        self.kept.sight()
    }
}

impl Shared for Keeping {
    fn get(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.host.get(key)
    }

    fn set(&self, key: &str, value: &[u8], expected: Version) -> bool {
        self.host.set(key, value, expected)
    }

    fn insert(&self, key: &str, value: &[u8]) -> bool {
        self.host.insert(key, value)
    }

    fn kept(&self) -> Option<&Kept> {
        Some(&self.kept)
    }
}

/// One call of the engine, in which what was read need not be read again.
#[derive(Debug)]
pub struct Sight<'a>(Option<&'a Kept>);

#[derive(Debug)]
struct Slot {
    number: u64,
    bucket: Bucket,
    /// `None` for what was written.
    version: Option<Version>,
    /// In which sight, or zero.
    sight: u64,
    at: Millis,
}

/// What a change may begin with.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) bucket: Bucket,
    pub(super) version: Version,
    /// Whether it may decide without a swap.
    pub(super) is_seen: bool,
}

impl Kept {
    fn sight(&self) -> Sight<'_> {
        if self.open.get() != 0 {
            return Sight(None);
        }
        self.last.set(self.last.get().wrapping_add(1).max(1));
        self.open.set(self.last.get());
        Sight(Some(self))
    }

    /// Shows a bucket, if this sight has read or written it; says whether it did.
    pub(super) fn show(&self, number: u64, see: &mut dyn FnMut(&Bucket)) -> bool {
        let slots = self.slots.borrow();
        let slot = slots.get(place(number)).and_then(Option::as_ref);
        let slot = slot.filter(|slot| slot.number == number && self.is_seen(slot));
        slot.map(|slot| see(&slot.bucket)).is_some()
    }

    /// Takes out what a change may begin with.
    pub(super) fn take(&self, number: u64, now: Millis) -> Option<Begun> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(place(number))?.take_if(|slot| slot.number == number)?;
        let is_seen = self.is_seen(&slot);
        let is_recent = slot.at <= now && now.saturating_sub(slot.at) < BEGINS;
        let version = slot.version.filter(|_| is_seen || is_recent)?;
        Some(Begun { bucket: slot.bucket, version, is_seen })
    }

    /// Keeps what was read, or, without a version, what was written.
    pub(super) fn keep(&self, number: u64, bucket: Bucket, version: Option<Version>, now: Millis) {
        let sight = self.open.get();
        if sight == 0 && version.is_none() {
            return;
        }
        let mut slots = self.slots.borrow_mut();
        if slots.is_empty() {
            slots.resize_with(place(u64::MAX).saturating_add(1), || None);
        }
        if let Some(slot) = slots.get_mut(place(number)) {
            *slot = Some(Slot { number, bucket, version, sight, at: now });
        }
    }

    fn is_seen(&self, slot: &Slot) -> bool {
        slot.sight != 0 && slot.sight == self.open.get()
    }
}

impl Drop for Sight<'_> {
    fn drop(&mut self) {
        if let Some(kept) = self.0 {
            kept.open.set(0);
        }
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number % SLOTS).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::in_process::InProcess;
    use super::super::record::Debt;
    use super::super::{Memory, Trace};
    use super::*;
    use proptest::prelude::*;
    use std::rc::Rc;

    const NOW: Millis = Millis::from_secs(1_800_000_000);
    const WORKERS: usize = 3;
    const ACTORS: usize = 3;

    /// What a worker does about an actor.
    #[derive(Debug, Clone, Copy)]
    enum Act {
        Open,
        Close,
        Look,
        Add,
        /// A change that stores nothing.
        Refuse,
    }

    /// Workers over one memory.
    struct World {
        memory: Memory,
        host: Rc<InProcess>,
        workers: Vec<Keeping>,
    }

    impl World {
        fn new() -> Self {
            let host = Rc::<InProcess>::default();
            let memory = Memory::open(&host, 0, [1; 16]);
            memory.seed(&host);
            let workers = (0..WORKERS).map(|_| Keeping::new(Box::new(Rc::clone(&host)))).collect();
            Self { memory, host, workers }
        }

        fn look(&self, worker: usize, actor: usize, now: Millis) -> u8 {
            let place = self.memory.locate(&[u8::try_from(actor).unwrap()], "test");
            self.memory.read(&self.workers[worker], &[place], now)[0].state[0]
        }

        fn change(&self, worker: usize, actor: usize, by: u8, now: Millis) -> u8 {
            let place = self.memory.locate(&[u8::try_from(actor).unwrap()], "test");
            let shared = &self.workers[worker];
            let changed = self.memory.change(shared, place, now, &mut Trace::default(), |mut record| {
                let after = record.state[0] + by;
                record.settle([after; 16], Debt::default());
                (after, (by > 0).then_some(record))
            });
            changed.unwrap()
        }
    }

    fn later(seconds: u64) -> Millis {
        NOW.saturating_add(Millis::from_secs(seconds))
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            Just(Act::Open),
            Just(Act::Close),
            Just(Act::Look),
            Just(Act::Look),
            Just(Act::Add),
            Just(Act::Refuse),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_update_is_lost_and_nothing_is_older_than_its_sight(
            acts in prop::collection::vec((0..WORKERS, act(), 0..ACTORS), 1..80),
        ) {
            let world = World::new();
            let mut sights: Vec<Option<(Sight<'_>, [u8; ACTORS])>> = (0..WORKERS).map(|_| None).collect();
            let mut counts = [0_u8; ACTORS];
            for (worker, act, actor) in acts {
                let oldest = sights[worker].as_ref().map_or(counts[actor], |(_, before)| before[actor]);
                match act {
                    Act::Open if sights[worker].is_none() => sights[worker] = Some((world.workers[worker].sight(), counts)),
                    Act::Open => {}
                    Act::Close => sights[worker] = None,
                    Act::Look => {
                        let seen = world.look(worker, actor, NOW);
                        prop_assert!((oldest..=counts[actor]).contains(&seen), "{seen} of {oldest} to {}", counts[actor]);
                    }
                    Act::Refuse => {
                        let seen = world.change(worker, actor, 0, NOW);
                        prop_assert!((oldest..=counts[actor]).contains(&seen), "{seen} of {oldest} to {}", counts[actor]);
                    }
                    Act::Add => {
                        counts[actor] += 1;
                        prop_assert_eq!(world.change(worker, actor, 1, NOW), counts[actor]);
                    }
                }
            }
            drop(sights);
            let alone = Keeping::new(Box::new(Rc::clone(&world.host)));
            let world = World { workers: vec![alone], ..world };
            for (actor, count) in counts.into_iter().enumerate() {
                prop_assert_eq!(world.look(0, actor, NOW), count);
            }
        }
    }

    /// The host's memory, which counts what it is asked.
    #[derive(Debug, Clone, Default)]
    struct Counting(Rc<(InProcess, Cell<u32>, Cell<u32>)>);

    impl Shared for Counting {
        fn get(&self, key: &str) -> Option<(Vec<u8>, Version)> {
            self.0 .1.set(self.0 .1.get() + 1);
            self.0 .0.get(key)
        }

        fn set(&self, key: &str, value: &[u8], expected: Version) -> bool {
            self.0 .2.set(self.0 .2.get() + 1);
            self.0 .0.set(key, value, expected)
        }

        fn insert(&self, key: &str, value: &[u8]) -> bool {
            self.0 .0.insert(key, value)
        }
    }

    fn counting() -> (World, Counting) {
        let host = Counting::default();
        let workers = vec![Keeping::new(Box::new(host.clone())), Keeping::new(Box::new(host.clone()))];
        let world = World { workers, ..World::new() };
        world.memory.seed(&host);
        host.asked();
        (world, host)
    }

    impl Counting {
        /// Reads and writes since it was asked last.
        fn asked(&self) -> (u32, u32) {
            (self.0 .1.take(), self.0 .2.take())
        }
    }

    #[test]
    fn what_one_call_looks_at_is_read_once_and_what_it_wrote_not_at_all() {
        let (world, host) = counting();
        let sight = world.workers[0].sight();
        assert_eq!((world.look(0, 1, NOW), world.look(0, 1, NOW)), (0, 0));
        assert_eq!((world.change(0, 1, 0, NOW), world.change(0, 1, 1, NOW), world.look(0, 1, NOW)), (0, 1, 1));
        assert_eq!(host.asked(), (1, 1));
        // Nobody knows which version it is now.
        assert_eq!((world.change(0, 1, 1, NOW), host.asked()), (2, (1, 1)));
        drop(sight);
        assert_eq!((world.look(0, 1, NOW), host.asked()), (2, (1, 0)), "each look of its own");
    }

    #[test]
    fn a_later_call_begins_with_what_was_read_and_decides_nothing_by_it() {
        let (world, host) = counting();
        assert_eq!((world.look(0, 1, NOW), world.change(0, 1, 1, later(1)), host.asked()), (0, 1, (1, 1)));
        assert_eq!((world.look(0, 1, NOW), world.change(1, 1, 1, NOW)), (1, 2));
        host.asked();
        assert_eq!((world.change(0, 1, 1, NOW), host.asked()), (3, (1, 2)), "the swap tells that it is over");
        assert_eq!((world.look(0, 1, NOW), world.change(1, 1, 1, NOW)), (3, 4));
        host.asked();
        assert_eq!((world.change(0, 1, 0, NOW), host.asked()), (4, (1, 0)), "nothing tells, so it is read");
    }

    #[test]
    fn what_was_read_long_ago_is_read_again() {
        let (world, host) = counting();
        for (at, reads) in [(later(9), 1), (later(10), 2), (Millis::new(NOW.as_u64() - 1), 2)] {
            world.look(0, 1, NOW);
            world.change(0, 1, 1, at);
            assert_eq!(host.asked(), (reads, 1), "{at:?}");
        }
    }

    #[test]
    fn a_sight_within_a_sight_is_the_same_one() {
        let (world, host) = counting();
        let _sight = world.workers[0].sight();
        world.look(0, 1, NOW);
        drop(world.workers[0].sight());
        assert_eq!((world.look(0, 1, NOW), host.asked()), (0, (1, 0)));
    }
}
