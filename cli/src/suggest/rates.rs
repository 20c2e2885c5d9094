//! How often actors ask, and the limits that let all but the busiest pass.

use super::{percentile, Suggestion, KEYS_MAX};
use crate::args::Suggest;
use crate::receipt::Receipt;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Actors of a route from which a rate is worth something.
const ACTORS_MIN: usize = 20;

/// A minute, in which rates are counted.
const MINUTE_MILLIS: i64 = 60_000;

/// What one actor did on one route.
#[derive(Debug, Default)]
struct Rate {
    minute: i64,
    count: u64,
    most: u64,
}

/// What one actor used of one limit.
#[derive(Debug, Default)]
struct Use {
    most: u64,
    allowed: u64,
    refused: u64,
}

#[derive(Debug, Default)]
pub(super) struct Rates {
    by_route: BTreeMap<(String, String), Rate>,
    by_limit: BTreeMap<(String, String), Use>,
    limited: BTreeSet<String>,
    overflowed: bool,
}

impl Rates {
    pub(super) fn add(&mut self, receipt: &Receipt, time: Option<jiff::Timestamp>) {
        for limit in &receipt.limits {
            self.limited.insert(receipt.route.clone());
            let key = (limit.limit.clone(), receipt.actor.clone());
            if let Some(used) = entry(&mut self.by_limit, key, &mut self.overflowed) {
                used.most = used.most.max(limit.allowed.saturating_sub(limit.remaining));
                used.allowed = used.allowed.max(limit.allowed);
                used.refused += u64::from(limit.decision.ends_with("refuse"));
            }
        }
        let Some(time) = time else { return };
        // A request that something else would have stopped is no measure of what is usual.
        let is_usual =
            receipt.would == "allow" || receipt.findings.iter().all(|found| found.check == "limits.exceeded");
        let key = (receipt.route.clone(), receipt.actor.clone());
        if let Some(rate) =
            Some(()).filter(|()| is_usual).and_then(|()| entry(&mut self.by_route, key, &mut self.overflowed))
        {
            let minute = time.as_millisecond().div_euclid(MINUTE_MILLIS);
            rate.count = if rate.minute == minute { rate.count + 1 } else { 1 };
            rate.minute = minute;
            rate.most = rate.most.max(rate.count);
        }
    }

    pub(super) const fn overflowed(&self) -> bool {
        self.overflowed
    }

    pub(super) fn suggestions(&self, own: &Suggest) -> Vec<Suggestion> {
        let mut suggestions = self.missing(own);
        suggestions.extend(self.tight(own));
        suggestions
    }

    /// Limits for routes that have none.
    fn missing(&self, own: &Suggest) -> Vec<Suggestion> {
        let mut routes: BTreeMap<&String, Vec<u64>> = BTreeMap::new();
        for ((route, _), rate) in &self.by_route {
            routes.entry(route).or_default().push(rate.most);
        }
        let suggestion = |(route, mut most): (&String, Vec<u64>)| {
            most.sort_unstable();
            let usual = percentile(&most, own.percentile).filter(|_| most.len() >= ACTORS_MIN)?;
            let limit = roomy(usual);
            let all = format!(
                "of {} actors {} % made {usual} requests or fewer in any minute",
                most.len(),
                own.percentile
            );
            Some(Suggestion {
                list: "limits",
                value: json!({
                    "name": format!("{route}-per-actor"), "routes": [route], "key": ["subject"], "limit": limit,
                    "window": "1m", "mode": "monitor",
                }),
                reason: format!("{all}, the busiest {}", most.last().copied().unwrap_or_default()),
            })
        };
        let open = routes.into_iter().filter(|(route, _)| !self.limited.contains(*route) && *route != "ambiguous");
        open.filter_map(suggestion).collect()
    }

    /// More for limits that many would be refused by.
    fn tight(&self, own: &Suggest) -> Vec<Suggestion> {
        let mut limits: BTreeMap<&String, Vec<&Use>> = BTreeMap::new();
        for ((limit, _), used) in &self.by_limit {
            limits.entry(limit).or_default().push(used);
        }
        let suggestion = |(limit, uses): (&String, Vec<&Use>)| {
            let refused = uses.iter().filter(|used| used.refused > 0).count();
            let allowed = uses.iter().map(|used| used.allowed).max().unwrap_or_default();
            if refused < own.actors || uses.len() < ACTORS_MIN {
                return None;
            }
            // What a refused actor would have used is not known, so this is a step, to be tried again.
            Some(Suggestion {
                list: "limits",
                value: json!({"name": limit, "limit": roomy(allowed.saturating_mul(2))}),
                reason: format!(
                    "{refused} of {} actors would be refused by it; its other keys stay as they are",
                    uses.len()
                ),
            })
        };
        limits.into_iter().filter_map(suggestion).collect()
    }
}

/// A number with room above it, that reads well: half as much again, in two digits.
fn roomy(usual: u64) -> u64 {
    let wanted = usual.saturating_add(usual.div_ceil(2)).max(5);
    let digits = u32::try_from(wanted.to_string().len()).unwrap_or(1);
    let step = 10_u64.saturating_pow(digits.saturating_sub(2));
    wanted.div_ceil(step).saturating_mul(step)
}

/// The value of a key, unless there are too many keys.
fn entry<'a, T: Default>(
    map: &'a mut BTreeMap<(String, String), T>,
    key: (String, String),
    overflowed: &mut bool,
) -> Option<&'a mut T> {
    if map.len() >= KEYS_MAX && !map.contains_key(&key) {
        *overflowed = true;
        return None;
    }
    Some(map.entry(key).or_default())
}

#[cfg(test)]
mod tests {
    use super::roomy;

    #[test]
    fn limits_have_room_and_two_digits() {
        assert_eq!([0, 3, 10, 67, 100, 1234].map(roomy), [5, 5, 15, 110, 150, 1900]);
    }
}
