//! A shop with all of its protection, thousands of honest customers, and one of each kind of abuser among them.
//!
//! Customers browse, change their minds, try coupons, pay, mistype cards, press buttons twice only after an answer said no, and come
//! back. What they do is interleaved over several workers with clocks that are apart, and all of it follows from a seed. Held are: no honest
//! customer is refused, challenged or told off for anything, and every abuse is caught by the check that it is for.

use super::{Dice, APART, START};
use portcullis::config::Config;
use portcullis::engine::answer::Course;
use portcullis::engine::waiting::Wait;
use portcullis::engine::{Engine, Ports, Step};
use portcullis::memory::in_process::InProcess;
use portcullis::request::headers::Headers;
use portcullis::request::Request;
use portcullis::response::{Head, Response};
use portcullis::stages::CHECKS;
use portcullis::time::Millis;
use serde_json::{json, Value};
use std::rc::Rc;

const SEED: u64 = 11;
const CUSTOMERS: usize = 3000;
const WORKERS: usize = 4;

/// Customers in the shop at the same time.
const AT_ONCE: usize = 200;

/// What each abuse has to be found as.
const ABUSES: [(&str, &str); 8] = [
    ("skips the address", "workflow.order"),
    ("pays twice", "workflow.repeated"),
    ("pays at once", "workflow.too_fast"),
    ("lowers the price", "quote.mismatch"),
    ("changes the currency", "quote.currency"),
    ("orders minus one", "quote.quantity"),
    ("lowers the total", "quote.total"),
    ("plays", "manipulation.risk"),
];

/// One memory for all workers.
type Common = Rc<InProcess>;

/// The shop's prices, in cents.
const PRICES: [u64; 6] = [12_950, 89_900, 2_450, 3_999, 1, 100_000];

fn configuration() -> Value {
    let paths = ["products", "cart", "coupon", "stock", "address", "order", "pay"];
    let routes: Vec<Value> = paths.iter().map(|name| json!({"name": name, "path": format!("/{name}")})).collect();
    let lines = json!({"routes": ["order"], "each": "lines[*]", "key": "sku", "value": "price", "currency": "$.currency",
        "quantity": {"value": "quantity", "max": 10}, "total": "total", "missing": "deny"});
    json!({
        "version": 1, "mode": "enforce", "routes": routes, "memory": {"budget": "16MiB"},
        "workflows": [{"name": "checkout", "per": "header:x-customer", "expires": "1h", "steps": [
            {"name": "cart", "routes": ["cart"]},
            {"name": "address", "routes": ["address"]},
            {"name": "order", "routes": ["order"]},
            {"name": "pay", "routes": ["pay"], "min_gap": "1s", "max_gap": "30m", "once": true},
        ]}],
        "quotes": [{"name": "price", "per": "header:x-customer", "lifetime": "1h",
            "capture": {"routes": ["products"], "each": "items[*]", "key": "id", "value": "price.amount", "currency": "price.currency"},
            "assert": lines}],
        "manipulation": {"per": "header:x-customer", "routes": ["pay"],
            "rapid_price_checks": {"routes": ["products"]},
            "cart_manipulation": {"routes": ["cart"]},
            "discount_abuse": {"routes": ["coupon"], "distinct": "body.code"},
            "inventory_probing": {"routes": ["stock"]}},
        "rules": [{"name": "coupons", "routes": ["coupon"],
            "require": "count(request.headers['x-customer'], duration('10m')) <= 200"}],
    })
}

struct Shop {
    workers: Vec<Engine>,
    dice: Dice,
    now: u64,
    requests: u32,
}

impl Shop {
    fn new() -> Self {
        let memory = Common::default();
        let document = configuration().to_string();
        let worker = |_| {
            let config = Config::parse(document.as_bytes(), CHECKS).unwrap();
            Engine::new(config, Ports { shared: Box::new(memory.clone()), ..Ports::in_process([5; 16]) })
        };
        let workers = (0..WORKERS).map(worker).collect();
        Self { workers, dice: Dice::new(SEED), now: START + APART, requests: 0 }
    }

    /// A whole exchange on some worker: the checks that found something.
    fn send(&mut self, who: &str, what: &str, body: &Value, status: u16, said: &Value) -> Vec<&'static str> {
        self.requests += 1;
        let now = Millis::new(self.now - self.dice.below(APART as usize) as u64);
        let worker = self.workers[self.dice.below(WORKERS)].clone();
        let path = format!("/{what}");
        let fields = [(":method", "POST"), (":path", &path), (":authority", "shop.example"), ("x-customer", who)];
        let request = Request::new(Headers::from_pairs(fields), || None);
        let mut step = worker.open(request, now, || "r".to_owned()).judge(true);
        if let Step::Wait(Wait::Body(held)) = step {
            step = held.judge(body.to_string().as_bytes(), now);
        }
        let response = Response { status: Some(status), bytes: 0 };
        let mut done = match step {
            Step::Forward(_permit, body) => {
                let code = status.to_string();
                let fields = [(":status", code.as_str()), ("content-type", "application/json")];
                let head = Head::new(Headers::from_pairs(fields), true).unwrap();
                match body.finish().answer(head, now) {
                    Course::Pass(_, answer) => answer.finish(response),
                    Course::Watch(_, mut watched) => {
                        let said = said.to_string();
                        watched.piece(said.as_bytes(), said.len());
                        watched.end(now).finish(response)
                    }
                    other => panic!("{other:?}"),
                }
            }
            Step::Refuse(_, done) => *done,
            other => panic!("{other:?}"),
        };
        done.close(response, now);
        done.findings().iter().map(|weighed| weighed.finding.check.id).collect()
    }

    fn browse(&mut self, who: &str) -> Vec<&'static str> {
        let item =
            |(at, cents): (usize, &u64)| json!({"id": at, "price": {"amount": money(*cents), "currency": "EUR"}});
        let items: Vec<Value> = PRICES.iter().enumerate().map(item).collect();
        self.send(who, "products", &json!({}), 200, &json!({"items": items}))
    }

    /// What a customer wants: some things, of some of which several.
    fn wish(&mut self) -> Vec<(usize, u64)> {
        let first = self.dice.below(PRICES.len());
        let different = 1 + self.dice.below(3);
        (0..different).map(|at| ((first + at) % PRICES.len(), 1 + self.dice.below(10) as u64)).collect()
    }
}

fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn order(wish: &[(usize, u64)]) -> Value {
    let line = |(at, quantity): &(usize, u64)| json!({"sku": at.to_string(), "price": money(PRICES[*at]), "quantity": quantity});
    let lines: Vec<Value> = wish.iter().map(line).collect();
    let total: u64 = wish.iter().map(|(at, quantity)| PRICES[*at] * quantity).sum();
    json!({"currency": "EUR", "lines": lines, "total": money(total)})
}

/// One visit, one request at a time.
struct Visit {
    who: String,
    wish: Vec<(usize, u64)>,
    left: Vec<(&'static str, u16)>,
}

impl Visit {
    /// What an honest customer does, in this order, with what the shop answers; the last is done first.
    fn new(number: usize, shop: &mut Shop) -> Self {
        let mut plan: Vec<(&'static str, u16)> = Vec::new();
        let mut times = |shop: &mut Shop, what: &'static str, most: usize, status: u16| {
            let count = shop.dice.below(most + 1);
            plan.extend((0..count).map(|_| (what, status)));
        };
        times(shop, "products", 12, 200);
        times(shop, "stock", 6, 200);
        times(shop, "cart", 5, 200);
        times(shop, "coupon", 2, 404);
        plan.extend([("products", 200), ("cart", 200), ("address", 200), ("order", 201)]);
        // Some cards are declined, and some services are busy.
        let declined = [0, 0, 0, 1, 2][shop.dice.below(5)];
        plan.extend((0..declined).map(|_| ("pay", 402)));
        plan.push(("pay", 200));
        plan.reverse();
        Self { who: format!("customer-{}", number % (CUSTOMERS / 2)), wish: shop.wish(), left: plan }
    }

    /// Does the next thing. Whether there is more.
    fn go_on(&mut self, shop: &mut Shop) -> bool {
        let Some((what, status)) = self.left.pop() else { return false };
        let code = shop.dice.below(2);
        let found = match what {
            "products" => shop.browse(&self.who),
            "coupon" => shop.send(&self.who, what, &json!({"code": format!("MINE-{code}")}), status, &json!({})),
            "order" => shop.send(&self.who, what, &order(&self.wish), status, &json!({})),
            what => shop.send(&self.who, what, &json!({}), status, &json!({})),
        };
        assert!(found.is_empty(), "{} does {what}: {found:?}", self.who);
        !self.left.is_empty()
    }
}

/// Does something that no customer does: what is found at the end of it.
fn abuse(shop: &mut Shop, what: &str) -> Vec<&'static str> {
    let who = &format!("abuser-{}", what.replace(' ', "-"));
    let nothing = &json!({});
    let good = order(&[(0, 2), (2, 1)]);
    let with = |pointer: &str, value: Value| {
        let mut order = good.clone();
        *order.pointer_mut(pointer).unwrap() = value;
        order
    };
    shop.browse(who);
    shop.send(who, "cart", nothing, 200, nothing);
    match what {
        "skips the address" => shop.send(who, "order", &good, 201, nothing),
        "plays" => {
            for number in 0..250 {
                shop.browse(who);
                shop.send(who, "cart", nothing, 200, nothing);
                shop.send(who, "coupon", &json!({"code": number}), 404, nothing);
            }
            shop.send(who, "cart", nothing, 200, nothing)
        }
        "pays twice" | "pays at once" => {
            for (what, body) in [("address", nothing), ("order", &good)] {
                shop.send(who, what, body, 201, nothing);
            }
            if what == "pays at once" {
                return shop.send(who, "pay", nothing, 200, nothing);
            }
            shop.now += 2000;
            shop.send(who, "pay", nothing, 200, nothing);
            shop.send(who, "pay", nothing, 200, nothing)
        }
        _ => {
            shop.send(who, "address", nothing, 200, nothing);
            let order = match what {
                "lowers the price" => with("/lines/0/price", json!("1.29")),
                "changes the currency" => with("/currency", json!("IDR")),
                "orders minus one" => with("/lines/0/quantity", json!(-1)),
                _ => with("/total", json!("2.83")),
            };
            shop.send(who, "order", &order, 201, nothing)
        }
    }
}

#[test]
fn honest_customers_are_never_stopped_and_every_abuse_is() {
    let mut shop = Shop::new();
    let mut visits: Vec<Visit> = Vec::new();
    let (mut came, mut caught) = (0, 0);
    while came < CUSTOMERS || !visits.is_empty() {
        shop.now += shop.dice.below(3) as u64;
        // Who was here comes again, when his first visit is over.
        while visits.len() < AT_ONCE && came < CUSTOMERS {
            let visit = Visit::new(came, &mut shop);
            if visits.iter().any(|other| other.who == visit.who) {
                break;
            }
            visits.push(visit);
            came += 1;
        }
        let at = shop.dice.below(visits.len());
        // People take their time before they pay.
        if visits[at].left.last().is_some_and(|(what, _)| *what == "pay") {
            shop.now += 1100;
        }
        if !visits[at].go_on(&mut shop) {
            visits.swap_remove(at);
        }
        if came > 500 * (caught + 1) && caught < ABUSES.len() {
            let (what, expected) = ABUSES[caught];
            let found = abuse(&mut shop, what);
            assert!(found.contains(&expected), "{what}: {found:?}");
            caught += 1;
        }
    }
    for (what, expected) in &ABUSES[caught..] {
        let found = abuse(&mut shop, what);
        assert!(found.contains(expected), "{what}: {found:?}");
    }
    assert!(shop.requests > 50_000, "{} requests", shop.requests);
}
