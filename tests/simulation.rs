//! Many workers over one memory, interleaved adversarially, against models that count one request at a time.
//!
//! Nothing runs at the same time here: the memory itself lets other workers act between a worker's reading and its
//! writing, as often as dice say, and those let others act in turn. Clocks differ between workers and sometimes go
//! backwards. All of it follows from a seed, which a failure names. A decision that was stored is compared with the
//! model as the stores before it left it; a refusal, which takes nothing, with the model at its last reading.
//!
//! Token bucket, fixed and shared window must agree with their model to the unit; sliding window and concurrency must keep the
//! bounds that their pages state, in both directions: never too much, and no refusal without reason. Not covered: the
//! host's own memory, which `tests/envoy/limits.rs` meets.

mod anomaly;
mod behaviour;
mod business;
mod crew;
mod once;
mod population;
mod quotes;
mod shop;
mod workflow;

use portcullis::memory::in_process::InProcess;
use portcullis::memory::record::Share;
use portcullis::memory::{Hashed, Memory, Shared, Trace, Version};
use portcullis::rate::{concurrency, Algorithm, Rate};
use portcullis::time::Millis;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

const START: u64 = 1_800_000_000_000;

const ALL: [Algorithm; 5] = [
    Algorithm::TokenBucket,
    Algorithm::SlidingWindow,
    Algorithm::FixedWindow,
    Algorithm::SharedWindow,
    Algorithm::Concurrency,
];

const SEEDS: u64 = 240;
const TURNS: usize = 150;

/// Few keys, that nobody be evicted and many meet.
const KEYS: u64 = 3;

/// More keys than a bucket has room for.
const CROWD: u64 = 60;

/// Workers that are between their reading and their writing at the same time, at most.
const DEPTH_MAX: u32 = 5;

/// How far a worker's clock may be from the true time, in milliseconds.
const APART: u64 = 7;

#[test]
fn many_workers_count_as_one() {
    let mut contended = 0;
    for seed in 1..=SEEDS {
        let world = World::new(seed, KEYS);
        world.run(TURNS);
        contended += world.trace.get().retries;
    }
    assert!(contended > 10_000, "the workers hardly met: {contended} retries");
}

/// One bucket has room for 25 of the keys; who is crowded out must not gain by it.
#[test]
fn who_is_evicted_keeps_its_debt() {
    let (mut evictions, mut returns) = (0, 0);
    for seed in 1..=SEEDS / 3 {
        let world = World::new(seed, CROWD);
        world.run(3 * TURNS);
        evictions += world.trace.get().evictions;
        returns += world.lives.borrow().values().filter(|life| life.number > 1).count();
    }
    assert!(evictions > 2000 && returns > 1000, "hardly anybody had to go: {evictions}, and {returns} came back");
}

/// One limit, some workers, and keys that share a bucket.
struct World {
    seed: u64,
    keys: u64,
    memory: Memory,
    shared: InProcess,
    algorithm: Algorithm,
    rate: Rate,
    workers: u64,
    dice: RefCell<Dice>,
    true_time: Cell<u64>,
    depth: Cell<u32>,
    trace: Cell<Trace>,
    stores: Cell<u64>,
    /// How many stores there had been when a worker last read.
    read_at: Cell<u64>,
    events: RefCell<Vec<Event>>,
    lives: RefCell<BTreeMap<u64, Life>>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "seed {}: {:?} {:?}, {} workers", self.seed, self.algorithm, self.rate, self.workers)
    }
}

/// Units that were taken.
#[derive(Debug, Clone, Copy)]
struct Event {
    key: u64,
    now: u64,
    cost: u64,
    /// Which of all stores it was.
    stored: u64,
    /// For concurrency: which store gave them back.
    over: Option<u64>,
    /// They are being given back, or never will be.
    leaving: bool,
    life: Life,
}

/// From the time a key gets a record to its eviction.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Life {
    number: u32,
    /// It began with a debt that others, or the key itself, had left behind.
    indebted: bool,
}

/// The memory, with other workers in between.
impl Shared for World {
    fn get(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        let seen = self.shared.get(key);
        let stores = self.stores.get();
        self.let_others_act();
        self.read_at.set(stores);
        seen
    }

    fn set(&self, key: &str, value: &[u8], expected: Version) -> bool {
        self.let_others_act();
        self.shared.set(key, value, expected)
    }

    fn insert(&self, key: &str, value: &[u8]) -> bool {
        self.shared.insert(key, value)
    }
}

impl World {
    fn new(seed: u64, keys: u64) -> Self {
        let mut dice = Dice::new(seed);
        // Numbers that divide each other, so that the models need no rounding.
        let limit = [1, 2, 4, 5, 8, 10][dice.below(6)];
        let window = [1000, 10_000, 60_000][dice.below(3)];
        let burst = [1, limit, 2 * limit][dice.below(3)];
        let shared = InProcess::default();
        let memory = Memory::open(&shared, 0, [seed as u8; 16]);
        memory.seed(&shared);
        Self {
            seed,
            keys,
            memory,
            shared,
            algorithm: ALL[seed as usize % ALL.len()],
            rate: Rate { limit, window: Millis::new(window), burst },
            workers: 2 + dice.below(5) as u64,
            dice: RefCell::new(dice),
            true_time: Cell::new(START + APART),
            depth: Cell::default(),
            trace: Cell::default(),
            stores: Cell::default(),
            read_at: Cell::default(),
            events: RefCell::default(),
            lives: RefCell::default(),
        }
    }

    fn below(&self, bound: u64) -> u64 {
        self.dice.borrow_mut().below(bound as usize) as u64
    }

    fn run(&self, turns: usize) {
        for _ in 0..turns {
            self.pass_time();
            self.act();
        }
    }

    fn is_crowded(&self) -> bool {
        self.keys == CROWD
    }

    /// In bursts, in steady load, and with pauses in which all is forgotten.
    fn pass_time(&self) {
        let window = self.rate.window.as_u64();
        let most = [1, APART, window / self.rate.limit, window / 2, 3 * window][self.below(5) as usize];
        self.true_time.set(self.true_time.get() + self.below(most + 1));
    }

    /// The clock of any worker.
    fn clock(&self) -> u64 {
        self.true_time.get() + APART * self.below(self.workers) / self.workers - self.below(2) * self.below(APART)
    }

    fn let_others_act(&self) {
        let deepest = if self.is_crowded() { 1 } else { DEPTH_MAX };
        if self.depth.get() < deepest && self.below(2) == 0 {
            self.depth.set(self.depth.get() + 1);
            self.act();
            self.depth.set(self.depth.get() - 1);
        }
    }

    fn act(&self) {
        match (self.algorithm, self.below(4)) {
            (Algorithm::Concurrency, 0) => self.some_in_flight().into_iter().for_each(|at| self.give_back(at)),
            (Algorithm::Concurrency, 1) if self.below(8) == 0 => {
                self.some_in_flight().into_iter().for_each(|at| self.events.borrow_mut()[at].leaving = true);
            }
            _ if self.is_crowded() => self.take(self.below(self.keys), 1 + self.below(self.rate.limit)),
            _ => self.take(self.below(self.keys), 1 + self.below(2)),
        }
    }

    fn some_in_flight(&self) -> Option<usize> {
        let events = self.events.borrow();
        let open: Vec<usize> = (0..events.len()).filter(|at| !events[*at].leaving).collect();
        (!open.is_empty()).then(|| open[self.below(open.len() as u64) as usize])
    }

    fn place(&self, key: u64) -> Hashed {
        // All keys are one actor's, so all of them meet in one bucket.
        self.memory.locate(b"actor", &key.to_string())
    }

    /// What the stage does with one request (`src/stages/limits.rs`).
    fn take(&self, key: u64, cost: u64) {
        let now = self.clock();
        let mut trace = Trace::default();
        let mut born = None;
        let taken = self.decide(key, now, cost, &mut trace, &mut born);
        self.count(trace);
        let mut life = self.lives.borrow().get(&key).copied().unwrap_or_default();
        if let Some(indebted) = born.filter(|_| taken) {
            life = Life { number: life.number + 1, indebted };
            self.lives.borrow_mut().insert(key, life);
        }
        let seen = if taken { self.stores.get() } else { self.read_at.get() };
        let judged = if self.is_crowded() {
            self.judge_lives(key, now, cost, taken, life)
        } else {
            let events = self.events.borrow();
            let before = events.iter().filter(|event| event.key == key && event.stored <= seen);
            self.judge(&before.copied().collect::<Vec<_>>(), seen, now, cost, taken)
        };
        if let Err(why) = judged {
            panic!("{self:?}\nallowed: {taken}, though {why}: key {key}, cost {cost}, now {}", now - START);
        }
        if taken {
            let stored = self.store();
            self.events.borrow_mut().push(Event { key, now, cost, stored, over: None, leaving: false, life });
        }
    }

    /// What the stage does with one request (`src/stages/limits.rs`): whether its units were taken. `born` is whether a
    /// new record has a debt.
    fn decide(&self, key: u64, now: u64, cost: u64, trace: &mut Trace, born: &mut Option<bool>) -> bool {
        let now = Millis::new(now);
        let taken = self.memory.change(self, self.place(key), now, trace, |mut record| {
            *born = record.is_new().then_some(record.inherited != Share::NONE);
            let state = match record.is_new() {
                true => self.algorithm.begin(&self.rate, now, record.inherited),
                false => record.state,
            };
            let taken = self.algorithm.take(state, &self.rate, now, cost);
            if !taken.allowed {
                return (false, None);
            }
            record.settle(taken.state, taken.debt);
            (true, Some(record))
        });
        taken.unwrap_or_else(|_| panic!("{self:?}: sixty-four attempts did not suffice"))
    }

    fn store(&self) -> u64 {
        self.stores.set(self.stores.get() + 1);
        self.stores.get()
    }

    fn give_back(&self, at: usize) {
        let event = self.events.borrow()[at];
        let now = self.clock();
        self.events.borrow_mut()[at].leaving = true;
        let mut trace = Trace::default();
        let given = self.memory.change(self, self.place(event.key), Millis::new(now), &mut trace, |mut record| {
            let (since, now) = (Millis::new(event.now), Millis::new(now));
            // Evicted meanwhile: its debt is the bucket's.
            if record.is_new() {
                return ((), None);
            }
            let given = concurrency::give(record.state, &self.rate, since, now, event.cost);
            record.settle(given.state, given.debt);
            ((), Some(record))
        });
        given.unwrap_or_else(|_| panic!("{self:?}: a unit was not given back"));
        self.count(trace);
        self.events.borrow_mut()[at].over = Some(self.store());
    }

    fn count(&self, trace: Trace) {
        let before = self.trace.get();
        assert!(trace.junk == 0 && (trace.evictions == 0 || self.is_crowded()), "{self:?}: {trace:?}");
        let (retries, evictions) = (before.retries + trace.retries, before.evictions + trace.evictions);
        self.trace.set(Trace { retries, evictions, junk: 0 });
    }
}

/// The models: each is given what had been stored when the decision was made.
impl World {
    fn judge(&self, before: &[Event], seen: u64, now: u64, cost: u64, taken: bool) -> Result<(), String> {
        match self.algorithm {
            Algorithm::TokenBucket => self.judge_token_bucket(before, now, cost, taken),
            // One Envoy of a fleet that has heard of no other.
            Algorithm::FixedWindow | Algorithm::SharedWindow => self.judge_fixed_window(before, now, cost, taken),
            Algorithm::SlidingWindow => self.judge_sliding_window(before, now, cost, taken),
            Algorithm::Concurrency => self.judge_concurrency(before, seen, now, cost, taken),
        }
    }

    /// What a life takes and what any earlier one of the same key took must together be within the limit: so one
    /// eviction gives nothing away (`crates/base/src/memory/bucket.rs`). Who is refused may owe the debt of others.
    fn judge_lives(&self, key: u64, now: u64, cost: u64, taken: bool, life: Life) -> Result<(), String> {
        let events = self.events.borrow();
        let own: Vec<Event> = events.iter().filter(|event| event.key == key).copied().collect();
        let exact = !matches!(self.algorithm, Algorithm::SlidingWindow | Algorithm::Concurrency);
        for earlier in (1..life.number).filter(|_| taken) {
            let both = |event: &&Event| [earlier, life.number].contains(&event.life.number);
            let before: Vec<Event> = own.iter().filter(both).copied().collect();
            let indebted = before.iter().any(|event| event.life.number == earlier && event.life.indebted);
            if exact || !indebted {
                // What is left behind is told by the clock of whoever evicted.
                self.judge(&before, self.stores.get(), now + 2 * APART, cost, true)?;
            }
        }
        Ok(())
    }

    /// A bucket that leaks `limit` units a window, as seen at the worker's own time.
    fn judge_token_bucket(&self, before: &[Event], now: u64, cost: u64, taken: bool) -> Result<(), String> {
        let (window, signed) = (i128::from(self.rate.window.as_u64()), |number: u64| i128::from(number));
        let leaked =
            |owed: i128, from: u64, to: u64| (owed - (signed(to) - signed(from)) * signed(self.rate.limit)).max(0);
        let (mut owed, mut at) = (0, START);
        for event in before {
            owed = leaked(owed, at, event.now) + signed(event.cost) * window;
            at = event.now;
        }
        let owed = leaked(owed, at, now);
        let fits = owed + signed(cost) * window <= signed(self.rate.burst) * window;
        agree(fits, taken, || format!("{owed} unit-milliseconds are owed"))
    }

    fn judge_fixed_window(&self, before: &[Event], now: u64, cost: u64, taken: bool) -> Result<(), String> {
        let (counts, window) = self.by_window(before, now);
        let used = counts.get(&window).copied().unwrap_or_default();
        agree(used + cost <= self.rate.limit, taken, || format!("{used} are used"))
    }

    fn judge_sliding_window(&self, before: &[Event], now: u64, cost: u64, taken: bool) -> Result<(), String> {
        let (length, limit) = (self.rate.window.as_u64(), self.rate.limit);
        let (counts, window) = self.by_window(before, now);
        let count = |window: u64| counts.get(&window).copied().unwrap_or_default();
        let inside = (window * length + length).saturating_sub(now.max(window * length));
        let used = (count(window - 1) * inside).div_ceil(length) + count(window);
        agree(used + cost <= limit, taken, || format!("{used} are used"))?;
        // Clocks may disagree on what lies within one window's length.
        let recent = before.iter().filter(|event| event.now + length > now + 2 * APART).map(|event| event.cost);
        let recent = recent.sum::<u64>() + cost;
        agree(taken && recent > 2 * limit, false, || format!("{recent} passed within one window"))
    }

    /// Units in each window, and the window of this moment; time is the latest that was seen.
    fn by_window(&self, before: &[Event], now: u64) -> (BTreeMap<u64, u64>, u64) {
        let mut counts = BTreeMap::new();
        let mut latest = 0;
        for event in before {
            latest = latest.max(event.now / self.rate.window.as_u64());
            *counts.entry(latest).or_default() += event.cost;
        }
        (counts, latest.max(now / self.rate.window.as_u64()))
    }

    /// What is in flight counts for at least the window and at most four thirds of it.
    fn judge_concurrency(
        &self,
        before: &[Event],
        seen: u64,
        now: u64,
        cost: u64,
        taken: bool,
    ) -> Result<(), String> {
        let window = self.rate.window.as_u64();
        let in_flight = |younger: u64| -> u64 {
            let held = before.iter().filter(|event| event.over.is_none_or(|over| over > seen));
            held.filter(|event| now < event.now + younger).map(|event| event.cost).sum()
        };
        let (surely, perhaps) = (in_flight(window - 2 * APART), in_flight(4 * window.div_ceil(3) + 2 * APART));
        match taken {
            true => agree(surely + cost <= self.rate.limit, true, || format!("{surely} are in flight")),
            false => agree(perhaps + cost > self.rate.limit, true, || format!("only {perhaps} are in flight")),
        }
    }
}

fn agree(expected: bool, is: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if expected == is {
        Ok(())
    } else {
        Err(why())
    }
}

/// Numbers that look random and are the same in every run (xorshift64*).
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}
