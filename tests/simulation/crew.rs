//! Workers over one memory, of whom others act between a worker's look and its write, so that its write comes too late.
//!
//! Who interferes, and what with, follows from a seed. Each request under way at a moment is another worker's.

use super::Dice;
use portcullis::config::Config;
use portcullis::engine::{Engine, Ports};
use portcullis::memory::in_process::InProcess;
use portcullis::memory::{Shared, Version};
use portcullis::stages::CHECKS;
use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::rc::Rc;

/// Requests whose writes are under way at the same time, at most.
pub(super) const DEPTH_MAX: usize = 3;

/// The workers and their memory.
pub(super) struct Crew {
    shared: InProcess,
    workers: RefCell<Vec<Engine>>,
    dice: RefCell<Dice>,
    depth: Cell<usize>,
    late: Cell<u32>,
}

/// A world that has a crew.
pub(super) trait Crewed: Debug + 'static {
    fn crew(&self) -> &Crew;

    /// What a worker does that has its turn.
    fn act(&self);
}

impl Crew {
    /// Nobody yet.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            shared: InProcess::default(),
            workers: RefCell::default(),
            dice: RefCell::new(Dice::new(seed)),
            depth: Cell::default(),
            late: Cell::default(),
        }
    }

    pub(super) fn below(&self, bound: usize) -> usize {
        self.dice.borrow_mut().below(bound)
    }

    /// Lets a worker do something that others may come between.
    pub(super) fn work<R>(&self, task: impl FnOnce(Engine) -> R) -> R {
        let depth = self.depth.get();
        self.depth.set(depth + 1);
        let worker = self.workers.borrow()[depth].clone();
        let done = task(worker);
        self.depth.set(depth);
        done
    }

    /// Lets a worker do something that nobody comes between.
    pub(super) fn work_alone<R>(&self, task: impl FnOnce(Engine) -> R) -> R {
        let depth = self.depth.replace(DEPTH_MAX);
        let worker = self.workers.borrow()[0].clone();
        let done = task(worker);
        self.depth.set(depth);
        done
    }

    /// Writes that came too late.
    pub(super) fn late(&self) -> u32 {
        self.late.get()
    }

    /// Ends it: the workers hold the memory, and the memory holds their world.
    pub(super) fn dismiss(&self) {
        self.workers.borrow_mut().clear();
    }
}

/// Takes on the workers of a world, all with this configuration.
pub(super) fn take_on<W: Crewed>(world: &Rc<W>, document: &str) {
    for _ in 0..=DEPTH_MAX {
        let config = Config::parse(document.as_bytes(), CHECKS).unwrap();
        let shared = Box::new(Between(Rc::clone(world)));
        let worker = Engine::new(config, Ports { shared, ..Ports::in_process([5; 16]) });
        world.crew().workers.borrow_mut().push(worker);
    }
}

/// The memory, with other workers in between.
#[derive(Debug)]
struct Between<W>(Rc<W>);

impl<W: Crewed> Shared for Between<W> {
    fn get(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.0.crew().shared.get(key)
    }

    fn set(&self, key: &str, value: &[u8], expected: Version) -> bool {
        let crew = self.0.crew();
        if crew.depth.get() < DEPTH_MAX && crew.below(2) == 0 {
            self.0.act();
        }
        let is_stored = crew.shared.set(key, value, expected);
        crew.late.set(crew.late.get() + u32::from(!is_stored));
        is_stored
    }

    fn insert(&self, key: &str, value: &[u8]) -> bool {
        self.0.crew().shared.insert(key, value)
    }
}
