//! What workers that act between each other's looks and writes remember of actors, and of what they asked for, against a model that
//! counts exactly.
//!
//! Whole requests go through the engine. While a worker writes what became of one, others tell of theirs, so that its write
//! comes too late and has to be repeated. The model keeps everything that went wrong, with its time. Held are: no update is lost
//! and none is made twice (the requests that a finding's reason tells are those of the model), what is found is not found too
//! early or too late, what is forgotten is forgotten for all, and neighbours are not confused. The clock of a worker may be late
//! by up to [`APART`].

use super::{Dice, APART, START};
use portcullis::config::Config;
use portcullis::engine::{Engine, Ports, Step};
use portcullis::memory::in_process::InProcess;
use portcullis::memory::{Shared, Version};
use portcullis::request::headers::Headers;
use portcullis::request::Request;
use portcullis::response::Response;
use portcullis::stages::CHECKS;
use portcullis::time::Millis;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

const SEEDS: u64 = 12;
const TURNS: usize = 120;
const WORKERS: usize = 4;

/// Requests whose writes are under way at the same time, at most: each of another worker.
const DEPTH_MAX: usize = 3;

/// Half of the window, in milliseconds.
const HALF: u64 = 300_000;

/// The bits that the threshold of 20 takes: fewer different things never reach it.
const SURELY_NOT: usize = 15;

/// So many different things set fewer bits once in millions of times.
const SURELY: usize = 45;

/// What counts different things that went wrong, with the threshold of 20 and the same words: its finding and its section.
const WATCHES: [(&str, &str); 2] = [
    ("behaviour.scanning", r#""behaviour": {}"#),
    (
        "objects.refused",
        r#""routes": [{"name": "thing", "path": "/{id}"}], "objects": {"kinds": [{"name": "things",
            "routes": ["thing"], "id": "path:id", "enumeration": {"distinct": 40}}]}"#,
    ),
];

/// Workers over one memory.
struct World {
    seed: u64,
    check: &'static str,
    shared: InProcess,
    workers: RefCell<Vec<Engine>>,
    dice: RefCell<Dice>,
    time: Cell<u64>,
    depth: Cell<usize>,
    /// Who met a fault at what, and when by the clock of its worker.
    wrong: RefCell<Vec<(u8, usize, u64)>>,
    found: Cell<u32>,
    late: Cell<u32>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}, seed {}, {} requests", self.check, self.seed, self.wrong.borrow().len())
    }
}

/// The memory, with other workers in between.
#[derive(Debug)]
struct Between(Rc<World>);

impl Shared for Between {
    fn get(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.0.shared.get(key)
    }

    fn set(&self, key: &str, value: &[u8], expected: Version) -> bool {
        if self.0.depth.get() < DEPTH_MAX && self.0.below(2) == 0 {
            self.0.act();
        }
        let is_stored = self.0.shared.set(key, value, expected);
        self.0.late.set(self.0.late.get() + u32::from(!is_stored));
        is_stored
    }

    fn insert(&self, key: &str, value: &[u8]) -> bool {
        self.0.shared.insert(key, value)
    }
}

impl World {
    fn new(seed: u64, (check, section): (&'static str, &str)) -> Rc<Self> {
        let world = Rc::new(Self {
            seed,
            check,
            shared: InProcess::default(),
            workers: RefCell::default(),
            dice: RefCell::new(Dice::new(seed)),
            time: Cell::new(START + APART),
            depth: Cell::default(),
            wrong: RefCell::default(),
            found: Cell::default(),
            late: Cell::default(),
        });
        let document = format!(r#"{{"version": 1, "memory": {{"budget": "1MiB"}}, {section}}}"#);
        for _ in 0..WORKERS {
            let config = Config::parse(document.as_bytes(), CHECKS).unwrap();
            let shared = Box::new(Between(Rc::clone(&world)));
            let worker = Engine::new(config, Ports { shared, ..Ports::in_process([5; 16]) });
            world.workers.borrow_mut().push(worker);
        }
        world
    }

    fn below(&self, bound: usize) -> usize {
        self.dice.borrow_mut().below(bound)
    }

    /// A request of one of two actors for one of eighty things that are not there.
    fn act(&self) {
        let depth = self.depth.get();
        let now = self.time.get() - self.below(2) as u64 * APART;
        let (actor, thing) = (self.below(2) as u8, self.below(80));
        let judge = |reason: Option<&str>| self.judge(actor, now, reason);
        self.depth.set(depth + 1);
        self.send(depth, actor, &format!("/{thing}"), 404, now, judge);
        self.depth.set(depth);
        self.wrong.borrow_mut().push((actor, thing, now));
    }

    /// Sends a request and shows the reason for which its source is found, before the request itself is remembered.
    fn send(&self, worker: usize, actor: u8, path: &str, status: u16, now: u64, judge: impl Fn(Option<&str>)) {
        let worker = self.workers.borrow()[worker].clone();
        let fields = [(":method", "GET"), (":path", path), (":authority", "shop.example")];
        let source = [192, 0, 2, actor].into();
        let request = Request::new(Headers::from_pairs(fields), move || Some(source));
        let step = worker.open(request, Millis::new(now), || "r".to_owned()).judge(false);
        let Step::Forward(_permit, body) = step else { panic!("{self:?}: in monitor mode everything passes") };
        let response = Response { status: Some(status), bytes: 0 };
        let mut done = body.finish().finish(response);
        let found = done.findings().iter().find(|weighed| weighed.finding.check.id == self.check).cloned();
        judge(found.as_ref().map(|weighed| weighed.finding.reason.as_ref()));
        done.close(response, Millis::new(now));
    }

    /// What is remembered is what the two last halves had; a clock that is late may take one half for another.
    fn judge(&self, actor: u8, now: u64, reason: Option<&str>) {
        let wrong = self.wrong.borrow();
        let since = |earliest: u64, lead: u64| -> Vec<usize> {
            let recent = wrong.iter().filter(|(who, _, at)| *who == actor && (at + lead) / HALF >= earliest);
            recent.map(|(_, thing, _)| *thing).collect()
        };
        let different = |things: &[usize]| things.iter().collect::<BTreeSet<_>>().len();
        let (most, least) = (since(now / HALF - 1, APART), since((now + APART) / HALF - 1, 0));
        let Some(reason) = reason else {
            return assert!(different(&least) < SURELY, "{self:?}: not found at {}", different(&least));
        };
        self.found.set(self.found.get() + 1);
        assert!(different(&most) >= SURELY_NOT, "{self:?}: found at {}", different(&most));
        // From a full byte on, counts are halved.
        if most.len() < 255 {
            let counted = reason.split(", ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
            let counted: usize = counted.parse().unwrap();
            assert!((least.len()..=most.len()).contains(&counted), "{self:?}: {reason}, not {}", most.len());
        }
    }
}

#[test]
fn many_workers_remember_as_one() {
    for watch in WATCHES {
        let (mut found, mut late) = (0, 0);
        for seed in 1..=SEEDS {
            let world = World::new(seed, watch);
            for _ in 0..TURNS {
                let pause = if world.below(60) == 0 { HALF * world.below(3) as u64 } else { 0 };
                world.time.set(world.time.get() + world.below(4_000) as u64 + pause);
                world.act();
            }
            let (now, nobody) = (world.time.get(), |reason: Option<&str>| assert_eq!(reason, None, "{world:?}"));
            world.send(0, 9, "/80", 200, now, nobody);
            world.send(0, 0, "/80", 200, now + 2 * HALF + APART, nobody);
            (found, late) = (found + world.found.get(), late + world.late.get());
            // The workers hold the memory, and the memory the workers.
            world.workers.borrow_mut().clear();
        }
        assert!(found > 200 && late > 500, "{}: {found} found, {late} writes that came too late", watch.0);
    }
}
