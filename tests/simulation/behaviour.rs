//! What workers that act between each other's looks and writes remember of actors, and of what they asked for, against a model that
//! counts exactly.
//!
//! Whole requests go through the engine. While a worker writes what became of one, others tell of theirs, so that its write
//! comes too late and has to be repeated. The model keeps everything that went wrong, with its time. Held are: no update is lost
//! and none is made twice (the requests that a finding's reason tells are those of the model), what is found is not found too
//! early or too late, what is forgotten is forgotten for all, and neighbours are not confused. The clock of a worker may be late
//! by up to [`APART`].

use super::crew::{self, Crew, Crewed};
use super::{APART, START};
use portcullis::engine::{Engine, Step};
use portcullis::request::headers::Headers;
use portcullis::request::Request;
use portcullis::response::Response;
use portcullis::time::Millis;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

const SEEDS: u64 = 12;
const TURNS: usize = 120;

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
    crew: Crew,
    time: Cell<u64>,
    /// Who met a fault at what, and when by the clock of its worker.
    wrong: RefCell<Vec<(u8, usize, u64)>>,
    found: Cell<u32>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}, seed {}, {} requests", self.check, self.seed, self.wrong.borrow().len())
    }
}

impl Crewed for World {
    fn crew(&self) -> &Crew {
        &self.crew
    }

    /// A request of one of two actors for one of eighty things that are not there.
    fn act(&self) {
        let now = self.time.get() - self.crew.below(2) as u64 * APART;
        let (actor, thing) = (self.crew.below(2) as u8, self.crew.below(80));
        let judge = |reason: Option<&str>| self.judge(actor, now, reason);
        self.crew.work(|worker| self.send(&worker, actor, &format!("/{thing}"), 404, now, judge));
        self.wrong.borrow_mut().push((actor, thing, now));
    }
}

impl World {
    fn new(seed: u64, (check, section): (&'static str, &str)) -> Rc<Self> {
        let world = Rc::new(Self {
            seed,
            check,
            crew: Crew::new(seed),
            time: Cell::new(START + APART),
            wrong: RefCell::default(),
            found: Cell::default(),
        });
        let document = format!(r#"{{"version": 1, "memory": {{"budget": "1MiB"}}, {section}}}"#);
        crew::take_on(&world, &document);
        world
    }

    /// Sends a request and shows the reason for which its source is found, before the request itself is remembered.
    fn send(&self, worker: &Engine, actor: u8, path: &str, status: u16, now: u64, judge: impl Fn(Option<&str>)) {
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
                let pause = if world.crew.below(60) == 0 { HALF * world.crew.below(3) as u64 } else { 0 };
                world.time.set(world.time.get() + world.crew.below(4_000) as u64 + pause);
                world.act();
            }
            let (now, nobody) = (world.time.get(), |reason: Option<&str>| assert_eq!(reason, None, "{world:?}"));
            world.crew.work(|worker| world.send(&worker, 9, "/80", 200, now, nobody));
            world.crew.work(|worker| world.send(&worker, 0, "/80", 200, now + 2 * HALF + APART, nobody));
            (found, late) = (found + world.found.get(), late + world.crew.late());
            world.crew.dismiss();
        }
        assert!(found > 200 && late > 500, "{}: {found} found, {late} writes that came too late", watch.0);
    }
}
