use super::*;
use crate::config::Config;
use crate::memory::in_process::InProcess;
use crate::memory::once::Once;
use crate::memory::{Memory, Shared, Version};
use crate::stages::CHECKS;
use proptest::prelude::*;
use serde_json::json;
use std::cell::Cell;

mod simulation;

const START: u64 = 1_800_000_000_000;
const WINDOW: u64 = 1000;

/// Some workers, one limit, and the memory between them.
struct Crew {
    config: Config,
    memory: Memory,
    once: Once,
    shared: Counted,
    workers: Vec<RefCell<Leases>>,
}

/// A memory that counts how often it is read, and in which others may be faster every time.
#[derive(Debug, Default)]
struct Counted {
    memory: InProcess,
    reads: Cell<u64>,
    is_contended: Cell<bool>,
}

impl Shared for Counted {
    fn get(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.reads.set(self.reads.get() + 1);
        self.memory.get(key)
    }

    fn set(&self, key: &str, value: &[u8], expected: Version) -> bool {
        !self.is_contended.get() && self.memory.set(key, value, expected)
    }

    fn insert(&self, key: &str, value: &[u8]) -> bool {
        self.memory.insert(key, value)
    }
}

impl Crew {
    fn new(workers: usize, algorithm: &str, limit: u64) -> Self {
        let limit = json!({"name": "a", "key": ["route"], "limit": limit, "window": "1s", "algorithm": algorithm});
        Self::under(workers, &json!({"version": 1, "routes": [{"name": "r", "path": "/"}], "limits": [limit]}))
    }

    fn under(workers: usize, config: &serde_json::Value) -> Self {
        let config = Config::parse(config.to_string().as_bytes(), CHECKS).unwrap();
        let shared = Counted::default();
        let memory = Memory::open(&shared, 0, [3; 16]);
        let once = Once::open(&memory, 0);
        shared.reads.set(0);
        let workers = (0..workers).map(|_| RefCell::default()).collect();
        Self { config, memory, once, shared, workers }
    }

    fn ground(&self, at: u64) -> Ground<'_> {
        let Self { config, memory, once, shared, .. } = self;
        Ground { config, memory, shared, once, now: Millis::new(START + at) }
    }

    fn take(&self, worker: usize, key: &str, cost: u64, at: u64) -> Taken {
        self.try_take(worker, key, cost, at).unwrap()
    }

    fn try_take(&self, worker: usize, key: &str, cost: u64, at: u64) -> Result<Taken, Contended> {
        let limit = &self.config.limits[0];
        let call = Call { index: 0, limit, place: self.memory.locate(key.as_bytes(), &limit.owner), cost };
        let (leases, ground, mut trace) = (&self.workers[worker], self.ground(at), Trace::default());
        let taken = take(&call, &limit.rate, leases, &ground, &mut trace);
        let mut leases = leases.borrow_mut();
        if leases.is_due(ground.now) {
            leases.end(&ground, &mut trace);
        }
        taken
    }

    fn end(&self, at: u64) {
        for worker in &self.workers {
            worker.borrow_mut().end(&self.ground(at), &mut Trace::default());
        }
    }

    /// Units that the memory has left for a key.
    fn left(&self, key: &str, at: u64) -> u64 {
        let limit = &self.config.limits[0];
        let place = self.memory.locate(key.as_bytes(), &limit.owner);
        let record = self.memory.read(&self.shared, &[place], self.ground(at).now)[0];
        limit.algorithm.take(record.state, &limit.rate, self.ground(at).now, 0).remaining
    }

    fn held(&self) -> u64 {
        let leases = self.workers.iter().map(|worker| {
            let leases = worker.borrow();
            leases.seats.iter().flatten().map(|lease| lease.left).sum::<u64>()
        });
        leases.sum()
    }
}

#[test]
fn a_busy_key_is_seldom_asked_of_the_memory() {
    let crew = Crew::new(1, "token_bucket", 100_000);
    assert!((0..6400).all(|request| crew.take(0, "k", 1, request / 640).allowed));
    assert!(crew.shared.reads.get() < 6400 / 50, "{} reads", crew.shared.reads.get());
}

#[test]
fn a_key_that_is_not_busy_never_holds_units() {
    let crew = Crew::new(1, "token_bucket", 100_000);
    for request in 0..100 {
        assert!(crew.take(0, "k", 1, request * LASTS.as_u64()).allowed);
        assert_eq!(crew.held(), 0);
    }
}

#[test]
fn who_was_busy_once_is_watched_anew() {
    let crew = Crew::new(1, "token_bucket", 100_000);
    (0..1000).for_each(|_| assert!(crew.take(0, "k", 1, 0).allowed));
    assert!(crew.take(0, "k", 1, 60_000).allowed);
    assert_eq!(crew.held(), 0);
}

#[test]
fn what_is_told_of_a_limit_is_what_one_worker_would_see_without_leases() {
    for algorithm in ["token_bucket", "sliding_window", "fixed_window"] {
        let crew = Crew::new(1, algorithm, 10_000);
        let limit = &crew.config.limits[0];
        let mut state = limit.algorithm.begin(&limit.rate, Millis::new(START), Default::default());
        for request in 0..2000 {
            let now = Millis::new(START + request / 10);
            let exact = limit.algorithm.take(state, &limit.rate, now, 1);
            state = exact.state;
            let taken = crew.take(0, "k", 1, request / 10);
            let told = (taken.remaining, taken.reset, taken.retry_after);
            assert_eq!(told, (exact.remaining, exact.reset, exact.retry_after), "{algorithm}, {request}");
        }
    }
}

#[test]
fn small_limits_and_the_end_of_large_ones_are_the_memorys_alone() {
    for limit in [1, 5, 64] {
        let crew = Crew::new(3, "fixed_window", limit);
        let passed = (0..300).filter(|request| crew.take(request % 3, "k", 1, 0).allowed).count();
        assert_eq!((passed as u64, crew.held()), (limit, 0));
    }
}

#[test]
fn limits_that_adapt_or_are_shared_or_count_what_is_in_flight_are_not_leased() {
    let service = json!({"cluster": "rls", "secret": "0123456789abcdef0123456789abcdef"});
    for more in [
        json!({"algorithm": "concurrency"}),
        json!({"adapt": {"risk": 0.5}}),
        json!({"fleet": "synced", "window": "60s", "algorithm": "fixed_window"}),
        json!({"fleet": "strict", "algorithm": "fixed_window"}),
    ] {
        let mut limit = json!({"name": "a", "key": ["route"], "limit": 10_000, "window": "1s"});
        limit.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config = json!({"version": 1, "fleet": service, "limits": [limit]});
        let config = Config::parse(config.to_string().as_bytes(), CHECKS);
        assert!(!is_leasable(&config.unwrap().limits[0]), "{more}");
    }
}

#[test]
fn a_seat_is_not_taken_from_who_holds_units() {
    let crew = Crew::new(1, "fixed_window", 1_000_000);
    let keys: Vec<_> = (0..500).map(|key| key.to_string()).collect();
    for round in 0..6 {
        for key in &keys {
            assert!(crew.take(0, key, 1, round).allowed);
        }
    }
    assert!(crew.workers[0].borrow().seats.len() <= SEATS);
    let taken: u64 = keys.iter().map(|key| 1_000_000 - crew.left(key, 6)).sum();
    assert_eq!(taken, 6 * 500 + crew.held(), "nothing is forgotten");
}

#[test]
fn what_a_key_holds_goes_back_with_the_next_request_of_any_key() {
    let crew = Crew::new(1, "fixed_window", 100_000);
    (0..1000).for_each(|_| assert!(crew.take(0, "k", 1, 0).allowed));
    assert!(crew.held() > 0);
    assert!(crew.take(0, "other", 1, LASTS.as_u64()).allowed);
    assert_eq!((crew.held(), crew.left("k", LASTS.as_u64())), (0, 99_000));
}

#[test]
fn the_next_configuration_gets_everything_back() {
    let crew = Crew::new(1, "fixed_window", 100_000);
    (0..1000).for_each(|_| assert!(crew.take(0, "k", 1, 0).allowed));
    assert!(crew.held() > 0);
    crew.workers[0].borrow_mut().end_all(&crew.ground(0), &mut Trace::default());
    assert_eq!((crew.held(), crew.left("k", 0)), (0, 99_000));
}

#[test]
fn what_a_bucket_gets_back_is_all_that_was_not_spent() {
    let crew = Crew::new(1, "token_bucket", 2000);
    assert!(crew.take(0, "other", 1, 0).allowed);
    (0..1000).for_each(|_| assert!(crew.take(0, "k", 1, 0).allowed));
    assert!(crew.held() > 0);
    crew.end(LASTS.as_u64());
    assert_eq!((crew.held(), crew.left("k", LASTS.as_u64())), (0, 1000 + 2 * LASTS.as_u64()));
}

#[test]
fn nothing_goes_back_into_a_record_that_is_new() {
    // A key is crowded out by others that owe more, while its worker holds units: its debt is the bucket's now.
    let remaining = |worker: usize| {
        let crew = Crew::new(2, "fixed_window", 100_000);
        (0..1000).for_each(|_| assert!(crew.take(0, "k", 1, 0).allowed));
        assert!(crew.held() > 0);
        for key in 0..5000 {
            crew.take(1, &key.to_string(), 30_000, 0);
        }
        assert_eq!(crew.left("k", 0), 100_000, "it is gone");
        // More than is leased, so that the memory is asked.
        crew.take(worker, "k", UNITS_MAX + 1, 1).remaining
    };
    assert_eq!(remaining(0), remaining(1));
}

#[test]
fn what_was_leased_of_a_window_that_another_worker_has_begun_goes_back_to_that_window() {
    for algorithm in ["fixed_window", "sliding_window"] {
        let crew = Crew::new(2, algorithm, 10_000);
        // The clock of the first is ahead.
        assert!(crew.take(0, "k", 1, WINDOW + 5).allowed);
        (0..1000).for_each(|_| assert!(crew.take(1, "k", 1, WINDOW - 5).allowed));
        assert!(crew.held() > 0);
        crew.end(WINDOW + 20);
        assert_eq!((crew.held(), crew.left("k", WINDOW + 20)), (0, 8999), "{algorithm}");
    }
}

#[test]
fn units_that_no_request_like_this_one_could_spend_are_not_leased() {
    let crew = Crew::new(1, "fixed_window", 100_000);
    for _ in 0..20 {
        assert!(crew.take(0, "k", UNITS_MAX + 1, 0).allowed);
        assert_eq!(crew.held(), 0, "more than is ever leased");
    }
    let crew = Crew::new(1, "fixed_window", 300);
    for _ in 0..20 {
        assert!(crew.take(0, "k", 5, 0).allowed);
        assert_eq!(crew.held(), 0, "more than one in {PART} of what is left");
    }
}

#[test]
fn a_clock_that_is_set_back_ends_a_lease() {
    let crew = Crew::new(1, "token_bucket", 100_000);
    (0..1000).for_each(|_| assert!(crew.take(0, "k", 1, 100).allowed));
    let reads = crew.shared.reads.get();
    assert!(crew.take(0, "k", 1, 50).allowed);
    assert_eq!(crew.shared.reads.get(), reads + 1);
}

/// Who asks, for how much, and how many milliseconds after the one before.
fn asking() -> impl Strategy<Value = Vec<(usize, u64, u64)>> {
    let pauses = prop_oneof![20 => Just(0), 4 => 1..3_u64, 1 => 3..60_u64];
    let costs = prop_oneof![10 => Just(1), 1 => 2..5_u64];
    proptest::collection::vec((0..3_usize, costs, pauses), 1..3000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..Default::default() })]

    /// The two sides of the bargain: never more than the limit in a window; and of what was asked nothing is refused but
    /// for what other workers hold.
    #[test]
    fn windows_are_never_exceeded_and_refuse_no_more_than_is_held(asked in asking(), limit in 1..3000_u64) {
        let crew = Crew::new(3, "fixed_window", limit);
        let (mut at, mut window, mut passed) = (0, 0, 0);
        for (worker, cost, pause) in asked {
            at += pause;
            if (START + at) / WINDOW != window {
                (window, passed) = ((START + at) / WINDOW, 0);
            }
            if crew.take(worker, "k", cost, at).allowed {
                passed += cost;
                prop_assert!(passed <= limit);
            } else {
                prop_assert!(passed + crew.held() + cost > limit, "{passed} of {limit}, {} held", crew.held());
                prop_assert!(crew.held() <= 2 * (limit / PART), "{} held of {limit}", crew.held());
            }
        }
        let over = at + LASTS.as_u64();
        crew.end(over);
        prop_assert_eq!(crew.held(), 0);
        if (START + over) / WINDOW == window {
            prop_assert_eq!(crew.left("k", over), limit - passed);
        }
    }

    /// In any span of time no more passes than from a full bucket, if the clock may be late by as much as a lease lasts.
    #[test]
    fn a_bucket_gives_no_more_than_it_has(asked in asking(), limit in 1..3000_u64) {
        let crew = Crew::new(3, "token_bucket", limit);
        let (mut at, mut passed) = (0, Vec::new());
        for (worker, cost, pause) in asked {
            at += pause;
            if crew.take(worker, "k", cost, at).allowed {
                passed.push((at, cost));
            }
        }
        // The span that lets through most beyond what came in meanwhile, by one walk.
        let mut excess = 0;
        let mut most = 0;
        let mut last = 0;
        for (at, cost) in passed {
            excess = (excess - (at - last) as i64 * limit as i64).max(0) + cost as i64 * WINDOW as i64;
            last = at;
            most = most.max(excess);
        }
        let late = (LASTS.as_u64() * limit) as i64;
        prop_assert!(most <= (limit * WINDOW) as i64 + late, "{most}");
    }

    #[test]
    fn what_is_given_back_is_what_was_taken(
        algorithm in prop_oneof![Just(Algorithm::TokenBucket), Just(Algorithm::SlidingWindow), Just(Algorithm::FixedWindow)],
        limit in 1..1000_u64, units in 0..100_u64, later in 0..5000_u64, more in 0..100_u64,
    ) {
        let rate = Rate { limit, burst: limit, window: Millis::new(WINDOW) };
        let (start, now) = (Millis::new(START), Millis::new(START + later));
        let begun = algorithm.begin(&rate, start, Default::default());
        let others = algorithm.take(begun, &rate, start, more);
        let leased = algorithm.take(others.state, &rate, start, units);
        prop_assume!(leased.allowed && others.allowed);
        let returned = algorithm.give_back(leased.state, &rate, leased.state, now, units);
        let remaining = |state| algorithm.take(state, &rate, now, 0).remaining;
        let (returned, others) = (remaining(returned), remaining(others.state));
        prop_assert_eq!(returned, others);
    }
}
