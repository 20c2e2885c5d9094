//! A map that never grows beyond its size: who comes when it is full takes the place of the oldest.

use std::collections::{BTreeMap, VecDeque};

/// Things by their names.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    size: usize,
    things: BTreeMap<String, T>,
    /// Names in the order in which they came; each stands here once.
    arrivals: VecDeque<String>,
}

impl<T> Shelf<T> {
    pub(super) fn new(size: usize) -> Self {
        Self { size: size.max(1), things: BTreeMap::new(), arrivals: VecDeque::new() }
    }

    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.things.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.things.get_mut(name)
    }

    pub(super) fn put(&mut self, name: &str, thing: T) {
        if self.things.insert(name.to_owned(), thing).is_none() {
            self.arrivals.push_back(name.to_owned());
        }
        if self.arrivals.len() > self.size {
            let oldest = self.arrivals.pop_front();
            oldest.and_then(|oldest| self.things.remove(&oldest));
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<T> {
        let removed = self.things.remove(name)?;
        self.arrivals.retain(|known| known != name);
        Some(removed)
    }

    pub(super) fn len(&self) -> usize {
        self.things.len()
    }
}

impl<T: Default> Shelf<T> {
    /// What is there, or something new.
    pub(super) fn of(&mut self, name: &str) -> &mut T {
        if !self.things.contains_key(name) {
            self.put(name, T::default());
        }
        self.things.entry(name.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room() {
        let mut shelf = Shelf::new(3);
        for number in 0..10 {
            shelf.put(&number.to_string(), number);
            shelf.put("8", 80);
        }
        assert_eq!((shelf.len(), shelf.get("8"), shelf.get("0")), (3, Some(&80), None));
        assert_eq!((shelf.remove("8"), shelf.remove("8")), (Some(80), None));
        *shelf.of("new") += 1;
        assert_eq!((shelf.len(), shelf.get("new")), (3, Some(&1)));
    }
}
