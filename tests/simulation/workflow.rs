//! A one-time step asked for by workers that act between each other's looks and writes, against a model of what is under way.
//!
//! Whole requests go through the engine, and their answers come later, in any order, good or bad. Held is, at every moment: of an
//! actor's payments one at most is under way or done; whoever may pay is not refused; what failed may be tried again.

use super::crew::{self, Crew, Crewed};
use super::START;
use portcullis::engine::answer::Course;
use portcullis::engine::{Answer, Engine, Step};
use portcullis::request::headers::Headers;
use portcullis::request::Request;
use portcullis::response::{Head, Response};
use portcullis::time::Millis;
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

const SEEDS: u64 = 40;
const TURNS: usize = 120;
const ACTORS: usize = 3;

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
    crew: Crew,
    models: RefCell<BTreeMap<usize, Model>>,
    open: RefCell<Vec<(usize, Answer)>>,
    refused: Cell<u32>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "seed {}: {:?}", self.seed, self.models.borrow())
    }
}

impl Crewed for World {
    fn crew(&self) -> &Crew {
        &self.crew
    }

    fn act(&self) {
        self.crew.work(|worker| match self.crew.below(4) {
            0 => self.ask(&worker, self.crew.below(ACTORS), "cart"),
            1 | 2 => self.ask(&worker, self.crew.below(ACTORS), "pay"),
            _ => self.answer(),
        });
    }
}

impl World {
    fn new(seed: u64) -> Rc<Self> {
        let world = Rc::new(Self {
            seed,
            crew: Crew::new(seed),
            models: RefCell::default(),
            open: RefCell::default(),
            refused: Cell::default(),
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
        crew::take_on(&world, &document.to_string());
        world
    }

    fn change(&self, actor: usize, change: impl FnOnce(&mut Model)) {
        change(self.models.borrow_mut().entry(actor).or_default());
    }

    fn ask(&self, worker: &Engine, actor: usize, what: &str) {
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
        let at = self.crew.below(waiting);
        let (actor, answer) = self.open.borrow_mut().remove(at);
        let status = [200, 402, 500][self.crew.below(3)];
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
        late += world.crew.late();
        paid += world.models.borrow().values().map(|model| model.paid).sum::<u32>();
        world.crew.dismiss();
    }
    assert!(refused > 1000 && late > 100 && paid > 60, "{refused} refused, {late} late writes, {paid} paid");
}
