//! What workers that act between each other's looks and writes remember of actors, against a model that counts exactly.
//!
//! Each turn, some worker tells what became of a request, while others do the same between its reading and its writing. The
//! model keeps every thing that went wrong with its time. Held are: nothing is lost and nothing invented (the estimate lies
//! within what the bits of the model's things allow), what is forgotten is forgotten for all, neighbours are not confused, and
//! the memory does not grow. The clock of a worker may be late by up to [`APART`].

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
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

const SEEDS: u64 = 12;
const TURNS: usize = 160;
const WORKERS: usize = 3;

/// Half of the window, in milliseconds.
const HALF: u64 = 300_000;

/// The bits that the threshold of 20 takes: fewer different things never reach it.
const SURELY_NOT: usize = 15;

/// Twenty things set so few bits once in millions of times; so many different things are found.
const SURELY: usize = 45;

/// Memory of all workers, whose writes meet each other: now and then one is late on purpose.
#[derive(Debug, Clone)]
struct Contended {
    shared: Rc<InProcess>,
    dice: Rc<RefCell<Dice2>>,
    misses: Rc<Cell<u32>>,
}

#[derive(Debug)]
struct Dice2(u64);

impl Dice2 {
    fn below(&mut self, bound: usize) -> usize {
        self.0 += 1;
        Dice::new(self.0).below(bound)
    }
}

impl Shared for Contended {
    fn get(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.shared.get(key)
    }

    fn set(&self, key: &str, value: &[u8], expected: Version) -> bool {
        // Somebody else writes the same value first: what was read is old, though nothing has changed.
        if self.dice.borrow_mut().below(3) == 0 {
            if let Some((same, version)) = self.shared.get(key) {
                self.shared.set(key, &same, version);
                self.misses.set(self.misses.get() + 1);
            }
        }
        self.shared.set(key, value, expected)
    }

    fn insert(&self, key: &str, value: &[u8]) -> bool {
        self.shared.insert(key, value)
    }
}

fn worker(shared: &Contended) -> Engine {
    let document = json!({"version": 1, "memory": {"budget": "1MiB"}, "behaviour": {}});
    let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
    Engine::new(config, Ports { shared: Box::new(shared.clone()), ..Ports::in_process([5; 16]) })
}

/// Sends a request and tells whether its source was found to scan.
fn send(engine: &Engine, actor: u8, path: &str, status: u16, now: u64) -> bool {
    let fields = [(":method", "GET"), (":path", path), (":authority", "shop.example")];
    let source = [192, 0, 2, actor].into();
    let request = Request::new(Headers::from_pairs(fields), move || Some(source));
    let step = engine.open(request, Millis::new(now), || "r".to_owned()).judge(false);
    let Step::Forward(_permit, body) = step else { panic!("in monitor mode everything passes") };
    let response = Response { status: Some(status), bytes: 0 };
    let mut done = body.finish().finish(response);
    done.close(response, Millis::new(now));
    done.findings().iter().any(|weighed| weighed.finding.check.id == "behaviour.scanning")
}

#[test]
fn many_workers_remember_as_one() {
    let (mut found, mut misses) = (0, 0);
    for seed in 1..=SEEDS {
        let shared = Contended {
            shared: Rc::default(),
            dice: Rc::new(RefCell::new(Dice2(seed * 1_000_003))),
            misses: Rc::default(),
        };
        let workers: Vec<Engine> = (0..WORKERS).map(|_| worker(&shared)).collect();
        let mut dice = Dice::new(seed);
        let mut wrong: Vec<(u8, usize, u64)> = Vec::new();
        let mut time = START + APART;
        for turn in 0..TURNS {
            time += dice.below(4_000) as u64;
            // Now and then a pause in which some of it is forgotten, or all.
            if dice.below(60) == 0 {
                time += HALF * dice.below(3) as u64;
            }
            let now = time - dice.below(2) as u64 * APART;
            let (actor, thing) = (dice.below(2) as u8, dice.below(80));
            let path = format!("/{thing}");
            let scans = send(&workers[turn % WORKERS], actor, &path, 404, now);
            let different = |since: u64| {
                let recent = wrong.iter().filter(|(who, _, at)| *who == actor && at / HALF >= since);
                recent.map(|(_, thing, _)| *thing).collect::<BTreeSet<_>>().len()
            };
            // A clock that is late may see the half before as the one that runs, and what is stored has the latest.
            let (most, least) = (different(now / HALF - 1), different((now + APART) / HALF));
            assert!(!scans || most >= SURELY_NOT, "seed {seed}, turn {turn}: found at {most}");
            assert!(scans || least < SURELY, "seed {seed}, turn {turn}: not found at {least}");
            found += u32::from(scans);
            wrong.push((actor, thing, now));
        }
        assert!(!send(&workers[0], 9, "/", 200, time), "seed {seed}: a neighbour");
        assert!(!send(&workers[0], 0, "/", 200, time + 2 * HALF + APART), "seed {seed}: after the window");
        misses += shared.misses.get();
    }
    assert!(found > 100 && misses > 500, "{found} found, {misses} writes that came too late");
}
