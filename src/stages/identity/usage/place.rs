//! Where a token is used: in which countries, and how fast it gets from one place to another.
//!
//! ```text
//! 0      4         6         8          11          14         16
//! second country   another   latitude   longitude   too fast
//! ```
//!
//! Country and coordinates come from header fields that something before this filter must write, over what the client sent:
//! Envoy's geoip filter for the country, a content delivery network or another proxy for the coordinates, which Envoy's
//! filter does not have. Where nobody does, a client writes them, and can at most avoid these findings or bring them upon its
//! own token. What is missing or is no place is no opinion; `0, 0` is what databases say that do not know.
//!
//! A journey is too fast if its distance (haversine, on a sphere) is more than `distance_min` and more than `speed_max` allows
//! in the time between. The place of an address is an estimate, which `distance_min` allows for. Coordinates are kept in
//! thousandths of a degree, 111 m at most. The time is counted up to the last place known, so requests without coordinates
//! in between make nobody faster, but one with a country alone begins anew.

use super::{mark, seconds, worth, Ago, Mark, COUNTRY, TRAVEL};
use crate::config::identity::Usage;
use crate::finding::{quoted, Finding, Findings};
use crate::memory::record::{Record, State};
use crate::memory::Trace;
use crate::request::Request;
use crate::stages::identity::Scene;

/// By which its records are told apart from those of limits, whose names have no dot.
const OWNER: &str = "token.usage.place";

/// The Earth's mean radius.
const RADIUS_KM: f64 = 6371.0;

/// Thousandths of a degree.
const LATITUDE_MAX: u32 = 90_000;

/// Thousandths of a degree.
const LONGITUDE_MAX: u32 = 180_000;

/// A place, in thousandths of a degree north and east, counted from the south pole and the date line: never negative.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) struct Coordinates {
    latitude: u32,
    longitude: u32,
}

/// Where a token was used last.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// When that was.
    pub(super) second: u32,
    pub(super) country: Mark,
    pub(super) at: Option<Coordinates>,
    /// The end of the last journey that was too fast.
    pub(super) too_fast: Ago,
}

/// Records a use and compares it with those before.
pub(super) fn check(usage: &Usage, token: &[u8; 16], scene: &Scene<'_>, findings: &mut Findings) {
    let named = scene.request.text(&usage.country_header).map(str::trim).filter(|country| !country.is_empty());
    let country = named.map_or(0, |country| mark(scene, "country", &country.to_ascii_uppercase()));
    let at = coordinates(usage, scene.request);
    if country == 0 && at.is_none() {
        return;
    }
    let second = seconds(scene.now);
    let locus = scene.memory.locate(token, OWNER);
    let changed = scene.memory.change(scene.shared, locus, scene.now, &mut Trace::default(), |mut record| {
        let place = Place::of(&record)
            .map_or(Place::first(second, country, at), |before| before.then(second, country, at, usage));
        record.settle(place.state(), worth(scene.now));
        (place, Some(record))
    });
    let Ok(place) = changed else { return };
    if let (Some(ago), Some(named)) = (place.country.other.within(usage.window), named) {
        findings.add(Finding::new(&COUNTRY, format!("source in {}, another country {ago} s ago", quoted(named))));
    }
    if let Some(ago) = place.too_fast.within(usage.window) {
        findings.add(Finding::new(&TRAVEL, format!("a journey faster than {} km/h {ago} s ago", usage.speed_max)));
    }
}

fn coordinates(usage: &Usage, request: &Request) -> Option<Coordinates> {
    let latitude = thousandths(request.text(&usage.latitude_header)?, LATITUDE_MAX)?;
    let longitude = thousandths(request.text(&usage.longitude_header)?, LONGITUDE_MAX)?;
    let is_nowhere = (latitude, longitude) == (LATITUDE_MAX, LONGITUDE_MAX);
    (!is_nowhere).then_some(Coordinates { latitude, longitude })
}

/// Degrees as a decimal number (`-33.8688`), in thousandths above `-most`; further digits are dropped.
fn thousandths(text: &str, most: u32) -> Option<u32> {
    let text = text.trim();
    let (is_negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = (1..=3).contains(&whole.len())
        && whole.bytes().chain(fraction.bytes()).all(|digit| digit.is_ascii_digit());
    if !is_number {
        return None;
    }
    let digits = whole.bytes().chain(fraction.bytes().chain([b'0'; 3]).take(3));
    let number = digits.fold(0_u32, |number, digit| {
        number.saturating_mul(10).saturating_add(u32::from(digit.saturating_sub(b'0')))
    });
    if number > most {
        return None;
    }
    Some(if is_negative { most.saturating_sub(number) } else { most.saturating_add(number) })
}

impl Coordinates {
    /// The great-circle distance in km, by the haversine formula.
    fn distance_km(self, other: Self) -> f64 {
        let radians = |thousandths: u32| (f64::from(thousandths) / 1000.0).to_radians();
        // The latitude is counted from the pole, and its cosine is that of the latitude from the equator.
        let north = |place: Self| radians(place.latitude) - radians(LATITUDE_MAX);
        let half_chord = |angle: f64| (angle / 2.0).sin().powi(2);
        let (here, there) = (north(self), north(other));
        let east = radians(self.longitude) - radians(other.longitude);
        let chord = half_chord(here - there) + here.cos() * there.cos() * half_chord(east);
        2.0 * RADIUS_KM * chord.clamp(0.0, 1.0).sqrt().asin()
    }

    /// Whether nobody gets there in so many seconds.
    fn is_too_far(self, from: Self, idle: u32, usage: &Usage) -> bool {
        let distance = self.distance_km(from);
        let possible = f64::from(usage.speed_max) * f64::from(idle) / 3600.0;
        distance > f64::from(usage.distance_min) && distance > possible
    }
}

impl Place {
    pub(super) const fn first(second: u32, country: u16, at: Option<Coordinates>) -> Self {
        Self { second, country: Mark { seen: country, ..Mark::NONE }, at, too_fast: Ago::NEVER }
    }

    /// The same after one use more. Clocks of workers may be apart: time does not go back.
    pub(super) fn then(self, second: u32, country: u16, at: Option<Coordinates>, usage: &Usage) -> Self {
        let second = second.max(self.second);
        let idle = second.saturating_sub(self.second);
        let is_too_far = match (self.at, at) {
            (Some(before), Some(at)) => at.is_too_far(before, idle, usage),
            _ => false,
        };
        let too_fast = if is_too_far { Ago::of(0) } else { self.too_fast.later(idle) };
        Self { second, country: self.country.then(country, idle), at, too_fast }
    }

    /// What a record holds; `None` for a new one.
    pub(super) fn of(record: &Record) -> Option<Self> {
        let [s0, s1, s2, s3, c0, c1, d0, d1, n0, n1, n2, e0, e1, e2, f0, f1] = record.state;
        let (latitude, longitude) = (u32::from_le_bytes([n0, n1, n2, 0]), u32::from_le_bytes([e0, e1, e2, 0]));
        // One more than it is; zero stands for no place.
        let at = latitude.checked_sub(1).map(|latitude| Coordinates { latitude, longitude });
        (!record.is_new()).then_some(Self {
            second: u32::from_le_bytes([s0, s1, s2, s3]),
            country: Mark { seen: u16::from_le_bytes([c0, c1]), other: Ago(u16::from_le_bytes([d0, d1])) },
            at,
            too_fast: Ago(u16::from_le_bytes([f0, f1])),
        })
    }

    pub(super) fn state(self) -> State {
        let (latitude, longitude) = self.at.map_or((0, 0), |at| (at.latitude.saturating_add(1), at.longitude));
        let [s0, s1, s2, s3] = self.second.to_le_bytes();
        let ([c0, c1], [d0, d1]) = (self.country.seen.to_le_bytes(), self.country.other.0.to_le_bytes());
        let ([n0, n1, n2, _], [e0, e1, e2, _]) = (latitude.to_le_bytes(), longitude.to_le_bytes());
        let [f0, f1] = self.too_fast.0.to_le_bytes();
        [s0, s1, s2, s3, c0, c1, d0, d1, n0, n1, n2, e0, e1, e2, f0, f1]
    }
}

#[cfg(test)]
mod tests;
