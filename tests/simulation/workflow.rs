//! A one-time step asked for by workers that act between each other's looks and writes, against a model of what is under way.
//!
//! Whole requests go through the engine, and their answers come later, in any order, good or bad. Held is, at every moment: of an
//! actor's payments one at most is under way or done; whoever may pay is not refused; what failed may be tried again.

use super::{Dice, START};
use portcullis::config::Config;
use portcullis::engine::answer::Course;
use portcullis::engine::{Answer, Engine, Ports, Step};
use portcullis::memory::in_process::InProcess;
use portcullis::memory::{Shared, Version};
use portcullis::request::headers::Headers;
use portcullis::request::Request;
use portcullis::response::{Head, Response};
use portcullis::stages::CHECKS;
use portcullis::time::Millis;
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

const SEEDS: u64 = 40;
const TURNS: usize = 120;
const ACTORS: usize = 3;

/// Requests that are between their reading and their writing at the same time, at most: each of another worker.
const DEPTH_MAX: usize = 3;

/// How far an actor has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Model {
    carts: u32,
    under_way: u32,
    paid: u32,
}

/// Workers over one memory.
struct World {
    seed: u64,
    shared: InProcess,
    workers: RefCell<Vec<Engine>>,
    dice: RefCell<Dice>,
    depth: Cell<usize>,
    models: RefCell<BTreeMap<usize, Model>>,
    open: RefCell<Vec<(usize, Answer)>>,
    refused: Cell<u32>,
    late: Cell<u32>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "seed {}: {:?}", self.seed, self.models.borrow())
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
    fn new(seed: u64) -> Rc<Self> {
        let world = Rc::new(Self {
            seed,
            shared: InProcess::default(),
            workers: RefCell::default(),
            dice: RefCell::new(Dice::new(seed)),
            depth: Cell::default(),
            models: RefCell::default(),
            open: RefCell::default(),
            refused: Cell::default(),
            late: Cell::default(),
        });
        let routes = ["cart", "pay", "receipt"].map(|name| json!({"name": name, "path": format!("/{name}")}));
        let steps = json!([
            {"name": "cart", "routes": ["cart"]},
            {"name": "pay", "routes": ["pay"], "once": true},
            {"name": "receipt", "routes": ["receipt"]},
        ]);
        let document = json!({
            "version": 1, "mode": "enforce", "memory": {"budget": "1MiB"}, "routes": routes,
            "workflows": [{"name": "checkout", "per": "header:x-customer", "steps": steps}],
        });
        for _ in 0..=DEPTH_MAX {
            let config = Config::parse(document.to_string().as_bytes(), CHECKS).unwrap();
            let shared = Box::new(Between(Rc::clone(&world)));
            let worker = Engine::new(config, Ports { shared, ..Ports::in_process([5; 16]) });
            world.workers.borrow_mut().push(worker);
        }
        world
    }

    fn below(&self, bound: usize) -> usize {
        self.dice.borrow_mut().below(bound)
    }

    fn change(&self, actor: usize, change: impl FnOnce(&mut Model)) {
        change(self.models.borrow_mut().entry(actor).or_default());
    }

    fn act(&self) {
        let depth = self.depth.get();
        self.depth.set(depth + 1);
        match self.below(4) {
            0 => self.ask(depth, self.below(ACTORS), "cart"),
            1 | 2 => self.ask(depth, self.below(ACTORS), "pay"),
            _ => self.answer(),
        }
        self.depth.set(depth);
    }

    fn ask(&self, worker: usize, actor: usize, what: &str) {
        let worker = self.workers.borrow()[worker].clone();
        let (path, customer) = (format!("/{what}"), format!("c{actor}"));
        let fields = [
            (":method", "POST"),
            (":path", path.as_str()),
            (":authority", "shop.example"),
            ("x-customer", customer.as_str()),
        ];
        let now = Millis::new(START);
        let step =
            worker.open(Request::new(Headers::from_pairs(fields), || None), now, || "r".to_owned()).judge(false);
        let model = self.models.borrow().get(&actor).copied().unwrap_or_default();
        let may_pay = model.carts > 0 && model.under_way == 0 && model.paid == 0;
        match step {
            Step::Forward(_permit, body) if what == "cart" => {
                // Answered at once: the interleaving is that of the payments.
                finish(body.finish(), 200);
                self.change(actor, |model| model.carts += 1);
            }
            Step::Forward(_permit, body) => {
                assert!(may_pay, "{self:?}: {actor} pays");
                self.change(actor, |model| model.under_way += 1);
                self.open.borrow_mut().push((actor, body.finish()));
            }
            Step::Refuse(_, _) => {
                assert!(what == "pay" && !may_pay, "{self:?}: {actor} may not {what}");
                self.refused.set(self.refused.get() + 1);
            }
            other => panic!("{self:?}: {other:?}"),
        }
    }

    /// One of those that wait gets its answer: a payment fails two times of three.
    fn answer(&self) {
        let waiting = self.open.borrow().len();
        if waiting == 0 {
            return;
        }
        let at = self.below(waiting);
        let (actor, answer) = self.open.borrow_mut().remove(at);
        let status = [200, 402, 500][self.below(3)];
        finish(answer, status);
        self.change(actor, |model| {
            model.under_way -= 1;
            model.paid += u32::from(status == 200);
        });
    }
}

fn finish(answer: Answer, status: u16) {
    let head = Head::new(Headers::from_pairs([(":status", status.to_string().as_str())]), false).unwrap();
    let Course::Pass(_, answer) = answer.answer(head, Millis::new(START)) else { panic!("held") };
    let response = Response { status: Some(status), bytes: 0 };
    answer.finish(response).close(response, Millis::new(START));
}

#[test]
fn a_one_time_step_is_done_once_over_all_workers() {
    let (mut refused, mut late, mut paid) = (0, 0, 0);
    for seed in 1..=SEEDS {
        let world = World::new(seed);
        for _ in 0..TURNS {
            world.act();
        }
        while !world.open.borrow().is_empty() {
            world.answer();
        }
        refused += world.refused.get();
        late += world.late.get();
        paid += world.models.borrow().values().map(|model| model.paid).sum::<u32>();
        // The workers hold the memory, and the memory the workers.
        world.workers.borrow_mut().clear();
    }
    assert!(refused > 1000 && late > 100 && paid > 60, "{refused} refused, {late} late writes, {paid} paid");
}
