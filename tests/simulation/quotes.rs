//! Quotes under workers that act between each other's looks and writes, against a model that knows what was said last.
//!
//! Whole exchanges go through the engine: a customer is told the price of an item, or of all, and orders some at prices of which not
//! all are right. While a worker writes down a price, others write down theirs and judge orders; many prices share a bucket, so that
//! writes come too late and are repeated. Held is, of each order: what is found is exactly what differs from the last price that
//! each item was told at to this customer. Clocks of workers may be late by up to [`APART`].

use super::crew::{self, Crew, Crewed};
use super::{APART, START};
use portcullis::engine::answer::Course;
use portcullis::engine::waiting::Wait;
use portcullis::engine::{Engine, Step};
use portcullis::request::headers::Headers;
use portcullis::request::Request;
use portcullis::response::{Head, Response};
use portcullis::time::Millis;
use serde_json::{json, Value};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

const SEEDS: u64 = 60;
const TURNS: usize = 160;
const ACTORS: usize = 2;
const ITEMS: usize = 8;

/// Prices that there are: so few that a wrong one is often the right one of a moment ago.
const PRICES: usize = 3;

/// Workers over one memory.
struct World {
    seed: u64,
    crew: Crew,
    /// The last price of an item that a customer was told.
    told: RefCell<BTreeMap<(usize, usize), u64>>,
    passed: Cell<u32>,
    refused: Cell<u32>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "seed {}: {:?}", self.seed, self.told.borrow())
    }
}

impl Crewed for World {
    fn crew(&self) -> &Crew {
        &self.crew
    }

    fn act(&self) {
        let actor = self.crew.below(ACTORS);
        if self.crew.below(3) == 0 {
            return self.order(actor);
        }
        let (item, price) = (self.crew.below(ITEMS), self.price());
        self.crew.work(|worker| self.tell(&worker, actor, &[(item, price)]));
        self.told.borrow_mut().insert((actor, item), price);
    }
}

fn document() -> String {
    json!({
        "version": 1, "mode": "enforce", "memory": {"budget": "1MiB"},
        "routes": [{"name": "products", "path": "/products"}, {"name": "order", "path": "/order"}],
        "quotes": [{"name": "price", "per": "header:x-customer",
            "capture": {"routes": ["products"], "each": "[*]", "key": "id", "value": "price"},
            "assert": {"routes": ["order"], "each": "lines[*]", "key": "id", "value": "price",
                "quantity": {"value": "quantity"}, "total": "total", "missing": "deny"}}],
    })
    .to_string()
}

impl World {
    fn new(seed: u64) -> Rc<Self> {
        let world = Rc::new(Self {
            seed,
            crew: Crew::new(seed),
            told: RefCell::default(),
            passed: Cell::default(),
            refused: Cell::default(),
        });
        crew::take_on(&world, &document());
        world
    }

    fn price(&self) -> u64 {
        1 + self.crew.below(PRICES) as u64
    }

    fn clock(&self) -> Millis {
        Millis::new(START + APART - self.crew.below(2) as u64 * APART)
    }

    /// A whole exchange in which a customer is told prices.
    fn tell(&self, worker: &Engine, actor: usize, prices: &[(usize, u64)]) {
        let now = self.clock();
        let step = worker.open(request("/products", actor), now, || "r".to_owned()).judge(false);
        let Step::Forward(_permit, body) = step else { panic!("{self:?}: nobody is refused a look") };
        let fields = [(":status", "200"), ("content-type", "application/json")];
        let head = Head::new(Headers::from_pairs(fields), true).unwrap();
        let Course::Watch(_, mut watched) = body.finish().answer(head, now) else { panic!("not listened to") };
        let said: Value = prices.iter().map(|(item, price)| json!({"id": item, "price": price})).collect();
        let said = said.to_string();
        watched.piece(said.as_bytes(), said.len());
        let response = Response { status: Some(200), bytes: 0 };
        watched.end(now).finish(response).close(response, now);
    }

    /// An order of some items, at the last price or at another.
    fn order(&self, actor: usize) {
        let mut lines = Vec::new();
        for _ in 0..=self.crew.below(3) {
            let item = self.crew.below(ITEMS);
            let last = self.told.borrow().get(&(actor, item)).copied();
            let price = last.filter(|_| self.crew.below(4) > 0).unwrap_or_else(|| self.price());
            lines.push((item, price, 1 + self.crew.below(3) as u64));
        }
        let said: u64 = lines.iter().map(|(_, price, quantity)| price * quantity).sum();
        let total = said + u64::from(self.crew.below(5) == 0);
        let found = self.crew.work(|worker| self.judge(&worker, actor, &lines, total));
        let expected = self.expected(actor, &lines, total);
        assert_eq!(found, expected, "{self:?}: {actor} orders {lines:?} for {total}");
        let counter = if found.is_empty() { &self.passed } else { &self.refused };
        counter.set(counter.get() + 1);
    }

    fn judge(
        &self,
        worker: &Engine,
        actor: usize,
        lines: &[(usize, u64, u64)],
        total: u64,
    ) -> BTreeSet<&'static str> {
        let now = self.clock();
        let line = |(item, price, quantity): &(usize, u64, u64)| json!({"id": item, "price": price, "quantity": quantity});
        let body = json!({"lines": lines.iter().map(line).collect::<Value>(), "total": total}).to_string();
        let step = worker.open(request("/order", actor), now, || "r".to_owned()).judge(true);
        let Step::Wait(Wait::Body(held)) = step else { panic!("{self:?}: orders are read") };
        let done = match held.judge(body.as_bytes(), now) {
            Step::Forward(_permit, body) => Box::new(body.finish().finish(Response::default())),
            Step::Refuse(_, done) => done,
            other => panic!("{self:?}: {other:?}"),
        };
        done.findings().iter().map(|weighed| weighed.finding.check.id).collect()
    }

    /// What differs from what was said last.
    fn expected(&self, actor: usize, lines: &[(usize, u64, u64)], total: u64) -> BTreeSet<&'static str> {
        let told = self.told.borrow();
        let known: Vec<Option<u64>> = lines.iter().map(|(item, ..)| told.get(&(actor, *item)).copied()).collect();
        let mut expected = BTreeSet::new();
        for ((_, price, _), known) in lines.iter().zip(&known) {
            expected.extend(match known {
                Some(known) if known != price => Some("quote.mismatch"),
                Some(_) => None,
                None => Some("quote.unknown"),
            });
        }
        let due = lines.iter().zip(&known).map(|((_, _, quantity), known)| Some((*known)? * quantity)).sum();
        expected.extend(Option::<u64>::is_some_and(due, |due| due != total).then_some("quote.total"));
        expected
    }
}

fn request(path: &str, actor: usize) -> Request {
    let customer = format!("customer-{actor}");
    let fields =
        [(":method", "POST"), (":path", path), (":authority", "shop.example"), ("x-customer", customer.as_str())];
    Request::new(Headers::from_pairs(fields), || None)
}

#[test]
fn the_last_quote_counts_over_all_workers() {
    let (mut late, mut passed, mut refused) = (0, 0, 0);
    for seed in 1..=SEEDS {
        let world = World::new(seed);
        for turn in 0..TURNS {
            world.act();
            if turn % 20 == 0 {
                // A whole catalogue, which stands in several buckets, so nobody may come between.
                let prices: Vec<(usize, u64)> = (0..ITEMS).map(|item| (item, world.price())).collect();
                world.crew.work_alone(|worker| world.tell(&worker, 0, &prices));
                world.told.borrow_mut().extend(prices.iter().map(|(item, price)| ((0, *item), *price)));
            }
        }
        late += world.crew.late();
        (passed, refused) = (passed + world.passed.get(), refused + world.refused.get());
        world.crew.dismiss();
    }
    assert!(
        late > 150 && passed > 1000 && refused > 1000,
        "{late} late writes, {passed} passed, {refused} refused"
    );
}
