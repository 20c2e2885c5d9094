//! What all callers have a part in, as a worker has read it a moment ago.
//!
//! What is usual on a route, or what was met with a program, is asked for with every request and changes slowly. A worker that has read it
//! goes on with that for [`LASTS`]; what other workers add is seen that much later. Who writes a record forgets what it has read of it.
//!
//! Bounds: `N` values, by a hash of their key; one drives out another. Nothing is kept of a single actor's doings: those are read.

use crate::time::Millis;

/// How long a value is taken for the present one.
pub const LASTS: Millis = Millis::new(250);

/// At most `N` values by their keys.
#[derive(Debug)]
pub struct Lately<V, const N: usize> {
    slots: Vec<Option<(u64, Millis, V)>>,
}

impl<V, const N: usize> Default for Lately<V, N> {
    fn default() -> Self {
        Self { slots: Vec::new() }
    }
}

impl<V: Copy, const N: usize> Lately<V, N> {
    /// The value of a key, if it was read lately. Clocks may go back.
    pub fn get(&self, key: u64, now: Millis) -> Option<V> {
        let slot = self.slots.get(place::<N>(key))?.as_ref();
        let (_, at, value) = slot.filter(|(own, ..)| *own == key)?;
        (*at <= now && now.saturating_sub(*at) < LASTS).then_some(*value)
    }

    /// Notes what was read, in place of what had its slot, and returns it.
    pub fn put(&mut self, key: u64, now: Millis, value: V) -> V {
        if self.slots.is_empty() {
            self.slots.resize(N, None);
        }
        if let Some(slot) = self.slots.get_mut(place::<N>(key)) {
            *slot = Some((key, now, value));
        }
        value
    }

    /// It is to be read again.
    pub fn forget(&mut self, key: u64) {
        if let Some(slot) = self.slots.get_mut(place::<N>(key)) {
            slot.take_if(|(own, ..)| *own == key);
        }
    }
}

/// The upper bits of a product with the golden ratio (Knuth, TAOCP 3, §6.4).
fn place<const N: usize>(key: u64) -> usize {
    let mixed = usize::try_from(key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33).unwrap_or_default();
    mixed.checked_rem(N).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lasts_for_a_while_and_no_longer() {
        let mut lately = Lately::<u8, 4>::default();
        let at = |millis: u64| Millis::new(1000 + millis);
        assert_eq!((lately.get(7, at(0)), lately.put(7, at(0), 3)), (None, 3));
        assert_eq!([0, 249, 250].map(|millis| lately.get(7, at(millis))), [Some(3), Some(3), None]);
        assert_eq!(lately.get(7, Millis::new(999)), None, "a clock that went back");
        assert_eq!(lately.get(8, at(0)), None);
        lately.forget(8);
        assert_eq!(lately.get(7, at(0)), Some(3));
        lately.forget(7);
        assert_eq!(lately.get(7, at(0)), None);
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let mut lately = Lately::<u64, 8>::default();
        (0..1000).for_each(|key| {
            lately.put(key, Millis::new(5), key);
        });
        let kept: Vec<u64> = (0..1000).filter_map(|key| lately.get(key, Millis::new(5))).collect();
        assert_eq!(kept.len(), 8);
        assert!(kept.iter().all(|key| *key > 900), "the last ones: {kept:?}");
    }
}
