//! Values by their names, in the order of the names.
//!
//! One tree holds the names of any map, and the values stand beside it: the code of a tree of its own for each type of value
//! was a twentieth of the module.

use std::collections::BTreeMap;

/// Values by their names.
#[derive(Debug, Clone)]
pub struct ByName<V> {
    places: BTreeMap<String, usize>,
    /// In the order in which they came; each has a place.
    values: Vec<V>,
}

impl<V> ByName<V> {
    /// None yet.
    pub const fn new() -> Self {
        Self { places: BTreeMap::new(), values: Vec::new() }
    }

    /// Puts a value in, and gives back what has had the name so far.
    pub fn insert(&mut self, name: &str, value: V) -> Option<V> {
        match self.get_mut(name) {
            Some(held) => Some(std::mem::replace(held, value)),
            None => {
                put(&mut self.places, name, self.values.len());
                self.values.push(value);
                None
            }
        }
    }

    /// The value of a name.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&V> {
        self.values.get(*self.places.get(name)?)
    }

    /// The value of a name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.values.get_mut(place(&self.places, name)?)
    }

    /// The value of a name, made where there is none yet.
    pub fn get_or_insert_with(&mut self, name: &str, value: impl FnOnce() -> V) -> Option<&mut V> {
        if !self.contains(name) {
            self.insert(name, value());
        }
        self.get_mut(name)
    }

    /// Whether there is a value of a name.
    pub fn contains(&self, name: &str) -> bool {
        place(&self.places, name).is_some()
    }

    /// Names with their values.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.places.iter().filter_map(|(name, place)| Some((name.as_str(), self.values.get(*place)?)))
    }

    /// The names.
    #[inline]
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// The values, in the order in which they came.
    #[inline]
    pub fn values(&self) -> &[V] {
        &self.values
    }

    /// How many there are.
    #[inline]
    pub const fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

// Neither is inlined: they are the same for all types of values.
#[inline(never)]
fn place(places: &BTreeMap<String, usize>, name: &str) -> Option<usize> {
    places.get(name).copied()
}

#[inline(never)]
fn put(places: &mut BTreeMap<String, usize>, name: &str, place: usize) {
    places.insert(name.to_owned(), place);
}

impl<V> Default for ByName<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: PartialEq> PartialEq for ByName<V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<V: Eq> Eq for ByName<V> {}

impl<N: AsRef<str>, V> FromIterator<(N, V)> for ByName<V> {
    /// Of several with the same name the last one counts.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let mut all = Self::new();
        for (name, value) in entries {
            all.insert(name.as_ref(), value);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_the_last_value_counts() {
        let mut all = ByName::from_iter([("b", 1), ("a", 2), ("b", 3)]);
        assert_eq!(all.iter().collect::<Vec<_>>(), [("a", &2), ("b", &3)]);
        assert_eq!((all.insert("c", 4), all.insert("a", 5), all.len()), (None, Some(2), 3));
        assert_eq!((all.get("a"), all.get("x"), all.contains("c")), (Some(&5), None, true));
        assert_eq!(all.names().collect::<String>(), "abc");
        assert_eq!(all.get_or_insert_with("d", || 6).copied(), Some(6));
        assert_eq!(all.get_or_insert_with("d", || 7).copied(), Some(6));
    }

    #[test]
    fn equal_whatever_came_first() {
        let one = ByName::from_iter([("a", 1), ("b", 2)]);
        assert_eq!(one, ByName::from_iter([("b", 2), ("a", 1)]));
        assert_ne!(one, ByName::from_iter([("a", 2), ("b", 1)]));
        assert!(ByName::<u8>::new().is_empty());
    }
}
