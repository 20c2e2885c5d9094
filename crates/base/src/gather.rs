//! Maps and sets of what an iterator yields.
//!
//! The library's `collect` sorts all entries first, by an algorithm that is compiled anew for each type of entry: together they
//! were a twentieth of the module, for maps of some dozen entries. These put in one entry after the other.

use std::collections::{BTreeMap, BTreeSet};

/// A map of these entries; of several with the same key the last one counts.
pub fn map<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(entries);
    map
}

/// A set of these members.
pub fn set<T: Ord>(members: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    set.extend(members);
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_as_collected() {
        let entries = [(3, "c"), (1, "a"), (3, "d"), (2, "b")];
        assert_eq!(map(entries), BTreeMap::from(entries));
        assert_eq!(set(entries), BTreeSet::from(entries));
    }
}
