//! What one configuration stops and another does not.

use super::reasons;
use super::tally::Example;
use crate::drive::Judged;
use serde_json::{json, Value};
use std::collections::BTreeMap;

/// How a request fares now, compared with before.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    NewlyDenied,
    NewlyChallenged,
    NewlyAllowed,
    /// It was denied and is challenged.
    Eased,
}

impl Change {
    pub(super) const ALL: [Self; 4] = [Self::NewlyDenied, Self::NewlyChallenged, Self::NewlyAllowed, Self::Eased];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NewlyDenied => "newly denied",
            Self::NewlyChallenged => "newly challenged",
            Self::NewlyAllowed => "newly allowed",
            Self::Eased => "challenged, no longer denied",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::NewlyDenied => "newly_denied",
            Self::NewlyChallenged => "newly_challenged",
            Self::NewlyAllowed => "newly_allowed",
            Self::Eased => "eased",
        }
    }

    /// `None` for a request that fares as before.
    fn of(before: &str, now: &str) -> Option<Self> {
        match (rank(before), rank(now)) {
            (before, now) if before == now => None,
            (_, 2) => Some(Self::NewlyDenied),
            (0, 1) => Some(Self::NewlyChallenged),
            (_, 0) => Some(Self::NewlyAllowed),
            _ => Some(Self::Eased),
        }
    }
}

/// What only would have been done is not done.
fn rank(outcome: &str) -> u8 {
    match outcome {
        "challenge" => 1,
        "deny" => 2,
        _ => 0,
    }
}

#[derive(Debug)]
pub(super) struct Comparison {
    examples_max: usize,
    pub(super) counts: BTreeMap<Change, u64>,
    pub(super) unchanged: u64,
    /// By the change, and the code that is told now or was told before.
    pub(super) codes: BTreeMap<(Change, String), u64>,
    pub(super) examples: BTreeMap<Change, Vec<Example>>,
    kept: BTreeMap<(Change, String), usize>,
}

impl Comparison {
    pub(super) const fn new(examples_max: usize) -> Self {
        Self {
            examples_max,
            counts: BTreeMap::new(),
            unchanged: 0,
            codes: BTreeMap::new(),
            examples: BTreeMap::new(),
            kept: BTreeMap::new(),
        }
    }

    pub(super) fn add(
        &mut self,
        before: (&'static str, &Judged),
        now: (&'static str, &Judged),
        route: &str,
        line: impl FnOnce() -> String,
    ) {
        let Some(change) = Change::of(before.0, now.0) else {
            self.unchanged += 1;
            return;
        };
        *self.counts.entry(change).or_default() += 1;
        let decisive = if change == Change::NewlyAllowed { before.1 } else { now.1 };
        let code = decisive.summary.split_once(':').map_or("", |(_, code)| code);
        let key = (change, code.to_owned());
        *self.codes.entry(key.clone()).or_default() += 1;
        // Every code has its examples, so that a rare one does not drown.
        let kept = self.kept.entry(key).or_default();
        if *kept < self.examples_max {
            let (line, route) = (line(), route.to_owned());
            let (before, after) = (Some(before.1.summary.clone()), now.1.summary.clone());
            let example = Example { line, route, before, after, reasons: reasons(decisive) };
            *kept += usize::from(example.keep(self.examples.entry(change).or_default()));
        }
    }

    pub(super) fn count(&self, change: Change) -> u64 {
        self.counts.get(&change).copied().unwrap_or_default()
    }

    /// Requests that passed and are stopped now.
    pub(super) fn newly_stopped(&self) -> u64 {
        self.count(Change::NewlyDenied) + self.count(Change::NewlyChallenged)
    }

    pub(super) fn told(&self) -> Value {
        let mut told = json!({"unchanged": self.unchanged});
        for change in Change::ALL {
            let codes = self.codes.iter().filter(|((own, _), _)| *own == change);
            let codes: BTreeMap<&str, u64> = codes.map(|((_, code), count)| (code.as_str(), *count)).collect();
            let examples = self.examples.get(&change).into_iter().flatten().map(Example::told);
            told[change.key()] = json!({
                "requests": self.count(change), "codes": codes, "examples": examples.collect::<Vec<_>>(),
            });
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_about_what_is_done() {
        for (before, now, change) in [
            ("allow", "would_deny", None),
            ("would_deny", "deny", Some(Change::NewlyDenied)),
            ("challenge", "deny", Some(Change::NewlyDenied)),
            ("allow", "challenge", Some(Change::NewlyChallenged)),
            ("deny", "challenge", Some(Change::Eased)),
            ("deny", "would_challenge", Some(Change::NewlyAllowed)),
        ] {
            assert_eq!(Change::of(before, now), change, "{before} {now}");
        }
    }
}
