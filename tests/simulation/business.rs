//! Counters of rules under workers that act between each other's looks and writes, against a model that keeps everything.
//!
//! Whole requests go through the engine. While a worker counts a request, others count theirs, so that its write comes too late and has
//! to be repeated. Held are, for what the rules tell of each request: `count` has every request of the window and none older than six
//! fifths of it; `distinct` is exact up to six things; of requests with the same value `seen` lets exactly one pass. The clock of
//! a worker may be late by up to [`APART`].

use super::crew::{self, Crew, Crewed, DEPTH_MAX};
use super::{APART, START};
use portcullis::engine::waiting::Wait;
use portcullis::engine::{Engine, Step};
use portcullis::request::headers::Headers;
use portcullis::request::Request;
use portcullis::response::Response;
use portcullis::time::Millis;
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

const SEEDS: u64 = 16;
const TURNS: usize = 120;

/// The window of the counters, in milliseconds.
const WINDOW: u64 = 600_000;

/// Things that there are: no more than are told apart.
const THINGS: usize = 6;

/// Workers over one memory.
struct World {
    seed: u64,
    crew: Crew,
    time: Cell<u64>,
    /// Who asked with what, and when by the clock of its worker, in the order in which it was counted.
    past: RefCell<Vec<(u8, usize, u64)>>,
    /// The values of which some request was told that it is the first with them.
    fresh: RefCell<Vec<String>>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "seed {}, {} requests", self.seed, self.past.borrow().len())
    }
}

impl Crewed for World {
    fn crew(&self) -> &Crew {
        &self.crew
    }

    /// A request of one of two actors, with one of six things and with one that several may use.
    fn act(&self) {
        let now = self.time.get() - self.crew.below(2) as u64 * APART;
        let (actor, thing, once) = (self.crew.below(2) as u8, self.crew.below(THINGS), self.crew.below(20));
        let before = self.past.borrow().len();
        let reasons = self.crew.work(|worker| self.send(&worker, actor, thing, once, now));
        self.judge(actor, thing, now, before, &reasons);
        let known = reasons.iter().any(|reason| reason.starts_with("`once`"));
        self.fresh.borrow_mut().extend((!known).then(|| once.to_string()));
    }
}

fn document() -> String {
    // Violated by every request, so that each tells what was counted.
    json!({"version": 1, "memory": {"budget": "1MiB"}, "rules": [
        {"name": "told", "forbid": "count(actor.source, duration('10m')) >= 0 && distinct(body.thing, actor.source, duration('10m')) >= 0"},
        {"name": "once", "forbid": "seen(body.once, request.route, duration('10m'))"},
    ]})
    .to_string()
}

impl World {
    fn new(seed: u64) -> Rc<Self> {
        let world = Rc::new(Self {
            seed,
            crew: Crew::new(seed),
            time: Cell::new(START + APART),
            past: RefCell::default(),
            fresh: RefCell::default(),
        });
        crew::take_on(&world, &document());
        world
    }

    fn send(&self, worker: &Engine, actor: u8, thing: usize, once: usize, now: u64) -> Vec<String> {
        let fields = [(":method", "POST"), (":path", "/"), (":authority", "shop.example")];
        let source = [192, 0, 2, actor].into();
        let request = Request::new(Headers::from_pairs(fields), move || Some(source));
        let step = worker.open(request, Millis::new(now), || "r".to_owned()).judge(true);
        let Step::Wait(Wait::Body(held)) = step else { panic!("{self:?}: rules need the body") };
        let body = json!({"thing": thing, "once": once}).to_string();
        let Step::Forward(_permit, body) = held.judge(body.as_bytes(), Millis::new(now)) else {
            panic!("{self:?}: in monitor mode everything passes")
        };
        let done = body.finish().finish(Response::default());
        done.findings().iter().map(|weighed| weighed.finding.reason.to_string()).collect()
    }

    /// What is told of a request against everything that was counted: at least what was there `before` it began, and at most what is
    /// there when it is over, with those that are still on their way. Clocks may be apart.
    fn judge(&self, actor: u8, thing: usize, now: u64, before: usize, reasons: &[String]) {
        self.past.borrow_mut().push((actor, thing, now));
        let past = self.past.borrow();
        let told =
            reasons.iter().find_map(|reason| reason.strip_prefix("`told`, count ")).expect("every request tells");
        let (count, distinct) = told.split_once(", distinct ").unwrap();
        let since = |span: u64, counted: usize| -> Vec<usize> {
            let recent = past.iter().take(counted).filter(|(who, _, at)| *who == actor && at + span > now);
            recent.map(|(_, thing, _)| *thing).collect()
        };
        let different = |things: &[usize]| things.iter().collect::<BTreeSet<_>>().len();
        let (least, most) = (since(WINDOW - APART, before), since(WINDOW / 5 * 6 + APART, past.len()));
        let count: usize = count.parse().unwrap();
        assert!(
            count > least.len() && count <= most.len() + DEPTH_MAX,
            "{self:?}: {told} of {} to {}",
            least.len() + 1,
            most.len()
        );
        let (least, most) = (different(&least), different(&since(WINDOW / 2 * 3 + APART, past.len())));
        let distinct: usize = distinct.parse().unwrap();
        assert!(distinct >= least && distinct <= most + DEPTH_MAX, "{self:?}: {told}, {least} to {most}");
    }
}

#[test]
fn many_workers_count_what_rules_ask_for_as_one() {
    let mut late = 0;
    for seed in 1..=SEEDS {
        let world = World::new(seed);
        for _ in 0..TURNS {
            world.time.set(world.time.get() + world.crew.below(2_000) as u64);
            world.act();
        }
        // All of it is within the window: nothing was lost and nothing counted twice.
        let sent = world.past.borrow().len();
        let of = |actor: u8| world.past.borrow().iter().filter(|(who, ..)| *who == actor).count();
        for actor in [0, 1] {
            let before = of(actor);
            let reasons = world.crew.work_alone(|worker| world.send(&worker, actor, 0, 99, world.time.get()));
            let expected = format!("`told`, count {}, distinct {THINGS}", before + 1);
            assert_eq!(reasons[0], expected, "{world:?}");
        }
        // Of each value one request was the first, and only one.
        let fresh = world.fresh.borrow();
        let firsts: BTreeSet<&String> = fresh.iter().collect();
        assert_eq!((fresh.len(), firsts.len()), (20, 20), "{world:?} of {sent}");
        late += world.crew.late();
        world.crew.dismiss();
    }
    assert!(late > 1000, "the workers hardly met: {late} writes came too late");
}
