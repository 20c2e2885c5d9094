//! Findings about payloads that look like false alarms.

use super::{share, Suggestion, KEYS_MAX};
use crate::args::Suggest;
use crate::receipt::{Finding, Receipt};
use portcullis::finding::Family;
use portcullis::stages::CHECKS;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Share of the requests that the service must have answered well.
const BENIGN_SHARE_MIN: f64 = 0.9;

/// Share of them in which something else may have been found.
const SUSPECT_SHARE_MAX: f64 = 0.1;

/// Actors that are remembered for each place: enough for any threshold.
const ACTORS_MAX: usize = 1000;

#[derive(Debug, Default)]
struct Alarm {
    findings: u64,
    benign: u64,
    suspect: u64,
    actors: BTreeSet<String>,
}

/// By route, place and check.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    places: BTreeMap<(String, String, String), Alarm>,
    overflowed: bool,
}

impl Alarms {
    pub(super) fn add(&mut self, receipt: &Receipt) {
        let located: Vec<(&Finding, String)> = receipt
            .findings
            .iter()
            .filter(|finding| is_excludable(&finding.check))
            .filter_map(|finding| Some((finding, place(&finding.reason)?)))
            .collect();
        for (finding, place) in &located {
            let is_other = |other: &&Finding| other.effect != "note" && other.check != finding.check;
            let has_others = receipt.findings.iter().any(|other| is_other(&other));
            let key = (receipt.route.clone(), place.clone(), finding.check.clone());
            if self.places.len() >= KEYS_MAX && !self.places.contains_key(&key) {
                self.overflowed = true;
                continue;
            }
            let alarm = self.places.entry(key).or_default();
            alarm.findings += 1;
            alarm.benign += u64::from(receipt.status.is_some_and(|status| status < 400));
            alarm.suspect += u64::from(has_others);
            if alarm.actors.len() < ACTORS_MAX {
                alarm.actors.insert(receipt.actor.clone());
            }
        }
    }

    pub(super) const fn overflowed(&self) -> bool {
        self.overflowed
    }

    pub(super) fn suggestions(&self, own: &Suggest) -> Vec<Suggestion> {
        let suggestion = |((route, place, check), alarm): (&(String, String, String), &Alarm)| {
            let (benign, suspect) = (share(alarm.benign, alarm.findings), share(alarm.suspect, alarm.findings));
            let looks_false =
                alarm.actors.len() >= own.actors && benign >= BENIGN_SHARE_MIN && suspect <= SUSPECT_SHARE_MAX;
            let more = if alarm.actors.len() == ACTORS_MAX { " or more" } else { "" };
            looks_false.then(|| Suggestion {
                list: "inspect.exclusions",
                value: json!({"route": route, "place": place, "check": check}),
                reason: format!(
                    "{} findings by {}{more} actors; the service answered {:.0} % well, in {:.0} % something else was found",
                    alarm.findings,
                    alarm.actors.len(),
                    benign * 100.0,
                    suspect * 100.0
                ),
            })
        };
        self.places.iter().filter_map(suggestion).collect()
    }
}

/// Only checks of payloads have exclusions.
fn is_excludable(id: &str) -> bool {
    CHECKS.iter().any(|check| check.id == id && check.family == Family::Payload)
}

/// The place that a reason begins with. One that was cut or escaped cannot be named.
fn place(reason: &str) -> Option<String> {
    let (place, _) = reason.strip_prefix('`')?.split_once("`: ")?;
    let is_plain = |char: char| char.is_alphanumeric() || "._-[]".contains(char);
    (!place.is_empty() && place.chars().all(is_plain)).then(|| place.to_owned())
}
