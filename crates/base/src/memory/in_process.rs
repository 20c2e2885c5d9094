//! A shared memory inside this process: for tests, simulations, replays and tools.
//!
//! It behaves as Envoy's does in what the core relies on: every write gives the key a new version, a write with an old
//! version fails, and an insert fails if the key exists.

use super::{Shared, Version};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The memory.
#[derive(Debug, Default)]
pub struct InProcess {
    values: RefCell<BTreeMap<String, (Vec<u8>, Version)>>,
    writes: Cell<u32>,
}

impl InProcess {
    /// Bytes of all values.
    pub fn bytes(&self) -> usize {
        self.values.borrow().values().map(|(value, _)| value.len()).sum()
    }

    fn write(&self, key: &str, value: &[u8]) {
        self.writes.set(self.writes.get().wrapping_add(1).max(1));
        self.values.borrow_mut().insert(key.to_owned(), (value.to_vec(), Version(self.writes.get())));
    }
}

/// One memory for several workers.
impl Shared for Rc<InProcess> {
    fn get(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.as_ref().get(key)
    }

    fn set(&self, key: &str, value: &[u8], expected: Version) -> bool {
        self.as_ref().set(key, value, expected)
    }

    fn insert(&self, key: &str, value: &[u8]) -> bool {
        self.as_ref().insert(key, value)
    }
}

impl Shared for InProcess {
    fn get(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.values.borrow().get(key).cloned()
    }

    fn set(&self, key: &str, value: &[u8], expected: Version) -> bool {
        let current = self.values.borrow().get(key).is_some_and(|(_, version)| *version == expected);
        if current {
            self.write(key, value);
        }
        current
    }

    fn insert(&self, key: &str, value: &[u8]) -> bool {
        let absent = !self.values.borrow().contains_key(key);
        if absent {
            self.write(key, value);
        }
        absent
    }
}
