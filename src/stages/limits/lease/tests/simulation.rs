//! Any limit, asked for anything, by workers whose clocks differ, in a memory that is sometimes contended: against what is known
//! of every unit that passed.

use super::*;
use std::collections::BTreeMap;

const WORKERS: usize = 3;

/// How far the clocks of two workers are apart at most.
const SKEW: u64 = 50;

/// Time between two ticks of a worker.
const TICK: u64 = 100;

const NANOS: u64 = 1_000_000;

/// What happens next, so many milliseconds later.
#[derive(Debug, Clone)]
enum Event {
    /// A worker is asked for units.
    Asked { worker: usize, cost: u64 },
    /// From now on every change of the memory fails, or none does.
    Contended(bool),
    /// Units are charged for what has happened.
    Charged { units: u64 },
}

struct Run {
    crew: Crew,
    skews: [u64; WORKERS],
    /// Units that passed, by the window that they were counted in.
    windows: BTreeMap<u64, u64>,
    /// What a bucket would know of them.
    bucket: State,
    /// By how much more has passed than came in, and the most of it ever, in nanoseconds.
    excess: (u64, u64),
    last: u64,
    /// Whether there may be units that neither passed nor are held.
    is_exact: bool,
    ticked: u64,
}

impl Run {
    fn new(rate: Rate, algorithm: &str, skews: [u64; WORKERS]) -> Self {
        let mut crew = Crew::new(WORKERS, algorithm, rate.limit);
        crew.config.limits[0].rate = rate;
        let bucket = Algorithm::TokenBucket.begin(&rate, Millis::new(START), Default::default());
        let (windows, excess) = Default::default();
        Self { crew, skews, windows, bucket, excess, last: 0, is_exact: true, ticked: 0 }
    }

    fn limit(&self) -> &Limit {
        &self.crew.config.limits[0]
    }

    fn interval(&self) -> u64 {
        self.limit().rate.window.as_u64() * NANOS / self.limit().rate.limit
    }

    fn happens(&mut self, at: u64, event: &Event) -> Result<(), TestCaseError> {
        if at >= self.ticked + TICK {
            self.ticked = at;
            self.tick(at);
        }
        match *event {
            Event::Asked { worker, cost } => {
                let at = at + self.skews[worker];
                let Ok(taken) = self.crew.try_take(worker, "k", cost, at) else {
                    prop_assert!(self.crew.shared.is_contended.get());
                    return Ok(());
                };
                if taken.allowed {
                    self.passed(at, cost, &taken)?;
                } else {
                    self.refused(at, cost, &taken)?;
                }
            }
            Event::Contended(is_contended) => {
                // What should have gone back meanwhile is taken for spent.
                self.is_exact &= !is_contended;
                self.crew.shared.is_contended.set(is_contended);
            }
            Event::Charged { units } => {
                self.is_exact = false;
                let place = self.crew.memory.locate(b"k", &self.limit().owner);
                let Ground { memory, shared, now, .. } = self.crew.ground(at);
                let _ = memory.change(shared, place, now, &mut Trace::default(), |mut record| {
                    let state = begun(self.limit(), &self.limit().rate, &record, now);
                    let charged = self.limit().algorithm.charge(state, &self.limit().rate, now, units).unwrap();
                    record.settle(charged.state, charged.debt);
                    ((), Some(record))
                });
            }
        }
        Ok(())
    }

    fn tick(&self, at: u64) {
        for (leases, skew) in self.crew.workers.iter().zip(self.skews) {
            leases.borrow_mut().end(&self.crew.ground(at + skew), &mut Trace::default());
        }
    }

    fn passed(&mut self, at: u64, cost: u64, taken: &Taken) -> Result<(), TestCaseError> {
        let Limit { algorithm, rate, .. } = *self.limit();
        if algorithm == Algorithm::TokenBucket {
            let came_in = at.saturating_sub(self.last) * NANOS;
            self.last = self.last.max(at);
            let excess = self.excess.0.saturating_sub(came_in) + cost * self.interval();
            self.excess = (excess, self.excess.1.max(excess));
            let now = Millis::new(START + at);
            self.bucket = algorithm.charge(self.bucket, &rate, now, cost).unwrap().state;
        } else {
            let passed = self.windows.entry(window(taken.state)).or_default();
            *passed += cost;
            prop_assert!(*passed <= rate.limit, "{} of {}", passed, rate.limit);
        }
        Ok(())
    }

    /// Nothing is refused but for what others hold.
    fn refused(&self, at: u64, cost: u64, taken: &Taken) -> Result<(), TestCaseError> {
        let limit = self.limit();
        if self.is_exact && limit.algorithm != Algorithm::TokenBucket {
            let used = self.used(window(taken.state), START + at);
            prop_assert!(used + self.crew.held() + cost > limit.rate.limit, "{used} used");
        }
        Ok(())
    }

    /// What counts at a moment, as seen from a window.
    fn used(&self, window: u64, now: u64) -> u64 {
        let passed = |window| self.windows.get(&window).copied().unwrap_or_default();
        let length = self.limit().rate.window.as_u64();
        let inside = length - now.saturating_sub(window * length).min(length);
        let is_sliding = self.limit().algorithm == Algorithm::SlidingWindow;
        let before = if is_sliding { (passed(window - 1) * inside).div_ceil(length) } else { 0 };
        passed(window) + before
    }

    /// Everything has gone back, and the memory knows of what passed and of nothing else.
    fn ends(&self, at: u64) -> Result<(), TestCaseError> {
        let (at, limit) = (at + SKEW, self.limit());
        for leases in &self.crew.workers {
            leases.borrow_mut().end_all(&self.crew.ground(at), &mut Trace::default());
        }
        prop_assert_eq!(self.crew.held(), 0);
        let left = self.crew.left("k", at);
        if limit.algorithm == Algorithm::TokenBucket {
            let late = (LASTS.as_u64() + SKEW) * NANOS;
            prop_assert!(self.excess.1 <= limit.rate.burst * self.interval() + late, "{} too much", self.excess.1);
            let exact = limit.algorithm.take(self.bucket, &limit.rate, self.crew.ground(at).now, 0).remaining;
            // Of a bucket that was full what came in while units were held.
            let lost = (TICK + LASTS.as_u64() + SKEW) * NANOS / self.interval() + 1;
            prop_assert!(!self.is_exact || left + lost >= exact, "{} of {}", left, exact);
        } else if self.is_exact {
            let window = (START + at) / limit.rate.window.as_u64();
            let known = self.windows.keys().last().copied().unwrap_or_default();
            prop_assert_eq!(left, limit.rate.limit.saturating_sub(self.used(window.max(known), START + at)));
        }
        Ok(())
    }
}

/// Which window a state counts.
fn window(state: State) -> u64 {
    u64::from_le_bytes(state[..8].try_into().unwrap())
}

fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let pauses = prop_oneof![20 => Just(0), 4 => 1..3_u64, 1 => 3..60_u64];
    let costs = prop_oneof![20 => Just(1), 2 => 2..9_u64, 1 => 9..200_u64];
    let asked = (0..WORKERS, costs).prop_map(|(worker, cost)| Event::Asked { worker, cost });
    let rare = prop_oneof![
        any::<bool>().prop_map(Event::Contended),
        (1..100_u64).prop_map(|units| Event::Charged { units }),
    ];
    let calm = prop::collection::vec((pauses.clone(), asked.clone().boxed()), 1..2000);
    let wild = prop::collection::vec((pauses, prop_oneof![100 => asked, 1 => rare].boxed()), 1..2000);
    prop_oneof![calm, wild]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..Default::default() })]

    #[test]
    fn units_pass_once_or_go_back(
        events in events(), algorithm in prop::sample::select(vec!["token_bucket", "sliding_window", "fixed_window"]),
        limit in 1..6000_u64, burst in 1..9000_u64, window in prop_oneof![1..30_u64, 30..3000_u64],
        skews in prop::array::uniform3(0..SKEW),
    ) {
        let mut run = Run::new(Rate { limit, burst, window: Millis::new(window) }, algorithm, skews);
        let mut at = 0;
        for (pause, event) in events {
            at += pause;
            run.happens(at, &event)?;
        }
        run.crew.shared.is_contended.set(false);
        run.ends(at)?;
    }
}
