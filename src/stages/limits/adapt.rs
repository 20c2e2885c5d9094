//! How much of a limit a request has: the limit times the product of its factors, within bounds.
//!
//! ```text
//! limit now = limit × clamp(reputation × risk × sensitivity × hours × geo, min, max), at least 1
//!
//! reputation   1 + bonus × t × (1 − q) − malus × q     see the page of `reputation`
//! risk         1 − weight × risk of what was found so far
//! sensitivity  1 − weight × sensitivity of the route
//! hours        the factor of the first span that holds the moment, else 1
//! geo          the factor of the source's location, else `others`
//! ```
//!
//! A factor that is not configured is 1. All are whole thousandths, and what they add or take away is rounded down, so
//! that every machine gets the same limit. Burst and limit are scaled alike, the window is not. The location is only as good as the geoip filter that
//! writes its header field: without that filter it is the client's word.

use super::reputation::Past;
use super::Scene;
use crate::config::adapt::{Adapt, ReputationRange};
use std::fmt;

const ONE: u32 = 1000;

/// The factors of one limit for one request, in thousandths.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Factors {
    /// The actor's past.
    pub reputation: u32,
    /// What was found so far.
    pub risk: u32,
    /// What the route is worth.
    pub sensitivity: u32,
    /// When.
    pub hours: u32,
    /// From where.
    pub geo: u32,
    /// Their product within the bounds.
    pub product: u32,
}

impl Factors {
    /// The factors as configured. `past` is asked for only if it matters.
    pub(super) fn new(adapt: &Adapt, scene: &Scene<'_>, past: impl FnOnce() -> Past) -> Self {
        let reputation = adapt.reputation.map_or(ONE, |range| by_reputation(range, &past(), scene));
        let risk = taken_away(adapt.risk, scene.risk);
        let sensitivity = taken_away(adapt.sensitivity, scene.route.sensitivity);
        let hours = adapt.hours.iter().find(|hours| hours.hold(scene.now)).map_or(ONE, |hours| hours.factor);
        let geo = by_location(adapt, scene);
        let product = [reputation, risk, sensitivity, hours, geo].into_iter().fold(ONE, part);
        let product = product.clamp(adapt.min, adapt.max);
        Self { reputation, risk, sensitivity, hours, geo, product }
    }

    /// Name and thousandths of every factor.
    pub const fn named(&self) -> [(&'static str, u32); 5] {
        [
            ("reputation", self.reputation),
            ("risk", self.risk),
            ("sensitivity", self.sensitivity),
            ("hours", self.hours),
            ("geo", self.geo),
        ]
    }
}

/// `×0.42 (reputation 0.60, risk 0.70)`: the product, and those factors that are not 1.
impl fmt::Display for Factors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "×{}", Decimal(self.product))?;
        let mut separator = " (";
        for (name, factor) in self.named().into_iter().filter(|(_, factor)| *factor != ONE) {
            write!(formatter, "{separator}{name} {}", Decimal(factor))?;
            separator = ", ";
        }
        formatter.write_str(if separator == ", " { ")" } else { "" })
    }
}

struct Decimal(u32);

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:03}", self.0 / ONE, self.0 % ONE)
    }
}

fn by_reputation(range: ReputationRange, past: &Past, scene: &Scene<'_>) -> u32 {
    let badness = past.badness();
    let earned = part(part(range.bonus, past.standing(&scene.config.reputation)), ONE.saturating_sub(badness));
    ONE.saturating_add(earned).saturating_sub(part(range.malus, badness))
}

fn taken_away(weight: u32, share: u32) -> u32 {
    ONE.saturating_sub(part(weight, share))
}

/// So many thousandths of a number.
fn part(of: u32, share: u32) -> u32 {
    u32::try_from(u64::from(of).saturating_mul(share.into()) / 1000).unwrap_or(u32::MAX)
}

fn by_location(adapt: &Adapt, scene: &Scene<'_>) -> u32 {
    let Some(geo) = &adapt.geo else { return ONE };
    let place = scene.request.text(&geo.header).map(str::to_ascii_uppercase);
    place.and_then(|place| geo.factors.get(&place).copied()).unwrap_or(geo.others)
}
