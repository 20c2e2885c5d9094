//! How much has an actor taken: records and bytes in the window, against a limit and against what it usually takes.
//!
//! ```text
//! 0       4        8      12        15       16
//! window  records  KiB    usual     windows
//! number  in it    in it  records   seen
//! ```
//!
//! Windows stand still (all actors' begin together). When one is over, a quarter of its records goes into what is usual and three
//! quarters of what was usual stay; windows in which nothing was taken change nothing. What is usual is known after
//! [`WINDOWS_MIN`] windows. A list that is taken page by page is the sum of its pages.
//!
//! The actor is the subject of a verified token, or else the source's network. What a response adds is known when it is over, so
//! it counts for the next request: a page too many is served once. Bounds: a record for each volume of the route; what is evicted
//! is forgotten.

use super::VOLUME;
use crate::config::exposure::{Exposure, Volume};
use crate::finding::{Finding, Findings};
use crate::memory::record::{Debt, Record, Share, State};
use crate::memory::together::Part;
use crate::memory::{numbered, Hashed};
use crate::stages::limits::{fields, Ground, Scene};
use crate::time::Millis;

/// Windows after which it is known what an actor usually takes.
const WINDOWS_MIN: u8 = 3;

/// Most records that can be usual.
const USUAL_MAX: u32 = (1 << 24) - 1;

/// What a request counts under, from when it is recognised until it is over.
#[derive(Debug, Default)]
pub struct Tab {
    /// Places of volumes in the configuration, and of their records.
    places: Vec<(usize, Hashed)>,
    /// Records that the response had, for each of them.
    pub records: Vec<u32>,
}

/// What one actor has taken.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
struct Taken {
    window: u32,
    records: u32,
    kib: u32,
    usual: u32,
    windows: u8,
}

impl Taken {
    fn of(record: &Record, window: u32) -> Self {
        if record.is_new() {
            return Self { window, ..Self::default() };
        }
        let [w0, w1, w2, w3, r0, r1, r2, r3, k0, k1, k2, k3, u0, u1, u2, windows] = record.state;
        let stored = Self {
            window: u32::from_le_bytes([w0, w1, w2, w3]),
            records: u32::from_le_bytes([r0, r1, r2, r3]),
            kib: u32::from_le_bytes([k0, k1, k2, k3]),
            usual: u32::from_le_bytes([u0, u1, u2, 0]),
            windows,
        };
        stored.at(window)
    }

    fn at(self, window: u32) -> Self {
        if window <= self.window {
            return self;
        }
        let usual = match self.windows {
            0 => self.records,
            _ => self.usual.saturating_sub(self.usual / 4).saturating_add(self.records / 4),
        };
        let windows = self.windows.saturating_add(1);
        Self { window, records: 0, kib: 0, usual: usual.min(USUAL_MAX), windows }
    }

    fn with(self, records: u32, bytes: u64) -> Self {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        Self { records: self.records.saturating_add(records), kib: self.kib.saturating_add(kib), ..self }
    }

    fn state(self) -> State {
        let ([w0, w1, w2, w3], [r0, r1, r2, r3]) = (self.window.to_le_bytes(), self.records.to_le_bytes());
        let ([k0, k1, k2, k3], [u0, u1, u2, _]) = (self.kib.to_le_bytes(), self.usual.to_le_bytes());
        [w0, w1, w2, w3, r0, r1, r2, r3, k0, k1, k2, k3, u0, u1, u2, self.windows]
    }

    /// What is too much of it, in words.
    fn excess(&self, volume: &Volume) -> Option<String> {
        let Self { records, kib, usual, windows, .. } = *self;
        if let Some(most) = volume.records_max.filter(|most| records >= *most) {
            return Some(format!("{records} records, at most {most}"));
        }
        if let Some(most) = volume.kib_max.filter(|most| kib >= *most) {
            return Some(format!("{kib} KiB, at most {most}"));
        }
        let factor =
            volume.baseline_factor.filter(|_| windows >= WINDOWS_MIN && records >= volume.baseline_min)?;
        let is_unusual = u64::from(records).saturating_mul(1000) > u64::from(usual).saturating_mul(factor.into());
        is_unusual.then(|| format!("{records} records, usually {usual}"))
    }
}

/// The number of a window. From 1 on, so that no record that was written looks new.
fn window(now: Millis, volume: &Volume) -> u32 {
    let number = now.as_u64().checked_div(volume.window.as_u64()).unwrap_or_default().saturating_add(1);
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Notes what a request counts under.
pub fn recognise(scene: &Scene<'_>, tab: &mut Tab) {
    if let Some(exposure) = scene.config.exposure.as_ref().filter(|_| scene.body.is_none()) {
        recognise_actors(exposure, scene, tab);
    }
}

#[inline(never)]
fn recognise_actors(exposure: &Exposure, scene: &Scene<'_>, tab: &mut Tab) {
    for (index, volume) in exposure.volumes_on(&scene.route.name) {
        let actor =
            fields::subject(scene).unwrap_or_else(|| fields::source(scene.request.source.as_ref(), 32, 64));
        let owner = numbered(&["exposure/", &volume.name, "/"], volume.window.as_u64());
        tab.places.push((index, scene.memory.locate(&actor, &owner)));
    }
}

/// Adds what the actor has taken too much of before this request.
pub fn check(ground: &Ground<'_>, tab: &Tab, findings: &mut Findings) {
    let Some(exposure) = &ground.config.exposure else { return };
    let places: Vec<Hashed> = tab.places.iter().map(|(_, place)| *place).collect();
    let records = ground.memory.read(ground.shared, &places, ground.now);
    for ((index, _), record) in tab.places.iter().zip(&records) {
        let Some(volume) = exposure.volumes.get(*index) else { continue };
        let taken = Taken::of(record, window(ground.now, volume));
        if let Some(excess) = taken.excess(volume) {
            findings.add(Finding::new(&VOLUME, format!("volume `{}`: {excess}", volume.name)));
        }
    }
}

impl Tab {
    /// Whether the length of the response is to be known.
    pub fn wants_bytes(&self) -> bool {
        !self.places.is_empty()
    }

    /// What is to be remembered of what a response had. Call it once.
    pub fn close<'a>(&mut self, bytes: u64, ground: &Ground<'a>) -> Option<Bill<'a>> {
        let exposure = ground.config.exposure.as_ref()?;
        let (indices, places) = std::mem::take(&mut self.places).into_iter().unzip();
        Some(Bill {
            exposure,
            indices,
            places,
            records: std::mem::take(&mut self.records),
            bytes,
            now: ground.now,
        })
    }
}

/// What a response adds, to be remembered.
#[derive(Debug)]
pub struct Bill<'a> {
    exposure: &'a Exposure,
    /// Places of volumes in the configuration.
    indices: Vec<usize>,
    places: Vec<Hashed>,
    records: Vec<u32>,
    bytes: u64,
    now: Millis,
}

/// Under contention it is forgotten.
impl Part for Bill<'_> {
    fn places(&self) -> &[Hashed] {
        &self.places
    }

    fn step(&mut self, at: usize, mut record: Record) -> Option<Record> {
        let volume = self.indices.get(at).and_then(|index| self.exposure.volumes.get(*index))?;
        let number = window(self.now, volume);
        let records = self.records.get(at).copied().unwrap_or_default();
        let taken = Taken::of(&record, number).with(records, self.bytes);
        let most = volume.records_max.or(volume.kib_max).unwrap_or(u32::MAX);
        let share = Share::of(taken.records.max(taken.kib).into(), most.into());
        let settled = Millis::new(u64::from(number).saturating_mul(volume.window.as_u64()));
        record.settle(taken.state(), Debt { share, since: self.now, settled });
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume() -> Volume {
        let document = br#"{"version": 1, "routes": [{"name": "a", "path": "/a"}], "exposure": {"volume": [
            {"name": "v", "routes": ["a"], "records_max": 1000, "bytes_max": "1MiB", "baseline_factor": 5, "window": "1h"}]}}"#;
        let mut config = crate::config::Config::parse(document, crate::stages::CHECKS).unwrap();
        config.exposure.take().unwrap().volumes.remove(0)
    }

    fn stored(taken: Taken, window: u32) -> Taken {
        let mut record = Record::new(1, Debt::default());
        record.settle(taken.state(), Debt::default());
        Taken::of(&record, window)
    }

    #[test]
    fn what_is_written_is_read() {
        let taken = Taken { window: 7, records: 1 << 30, kib: 12, usual: USUAL_MAX, windows: 255 };
        assert_eq!(stored(taken, 7), taken);
    }

    #[test]
    fn pages_add_up_within_a_window_and_are_forgotten_after_it() {
        let pages = (0..10).fold(Taken { window: 1, ..Taken::default() }, |taken, _| taken.with(100, 2000));
        assert_eq!((pages.records, pages.kib), (1000, 20));
        assert_eq!(pages.excess(&volume()).as_deref(), Some("1000 records, at most 1000"));
        assert_eq!(stored(pages, 2).excess(&volume()), None);
        let heavy = Taken::default().with(1, 1 << 20);
        assert_eq!(heavy.excess(&volume()).as_deref(), Some("1024 KiB, at most 1024"));
    }

    #[test]
    fn many_times_the_usual_is_unusual_once_the_usual_is_known() {
        let mut taken = Taken { window: 1, ..Taken::default() };
        for window in 2..6 {
            assert_eq!(
                taken.with(300, 0).excess(&volume()),
                None,
                "window {window}: nothing is known, or it is usual"
            );
            taken = stored(taken.with(40, 0), window);
            if window > 3 {
                assert_eq!(taken.with(199, 0).excess(&volume()), None);
                assert_eq!(taken.with(201, 0).excess(&volume()).as_deref(), Some("201 records, usually 40"));
                return;
            }
        }
    }
}
