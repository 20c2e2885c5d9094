//! How well what leaks is told from what does not.
//!
//! `cargo test --test all exposure -- --nocapture` prints precision and recall of each kind. The floors are a little below what
//! was measured, so that a detector that becomes worse is noticed.

#[path = "exposure/corpus.rs"]
mod corpus;

use self::corpus::{corpus, Sample, KINDS};
use portcullis::stages::exposure::detectors::{ALL, TABLE};
use portcullis::stages::exposure::scan::{scan, Asked, PREFIX};
use std::collections::BTreeMap;
use std::ops::Range;

/// Responses of each kind.
const EACH: usize = 400;

/// Of one kind: what was found and is one, found and is none, and not found.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    right: u32,
    wrong: u32,
    missed: u32,
}

impl Tally {
    fn precision(self) -> f64 {
        f64::from(self.right) / f64::from((self.right + self.wrong).max(1))
    }

    fn recall(self) -> f64 {
        f64::from(self.right) / f64::from((self.right + self.missed).max(1))
    }
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

fn judge(sample: &Sample, tallies: &mut BTreeMap<&'static str, Tally>) {
    let asked = |index: usize| Some(Asked { rank: 0, at_least: ALL[index].at_least });
    let found: Vec<(&str, Range<usize>)> = scan(sample.body.as_bytes(), &TABLE, asked)
        .into_iter()
        .map(|found| (ALL[found.detector].check.id.strip_prefix(PREFIX).unwrap(), found.range))
        .collect();
    let labels: Vec<(&'static str, Range<usize>)> = sample
        .labels
        .iter()
        .map(|(kind, text)| {
            let start = sample.body.find(text.as_str()).expect("a label is a part of the body");
            (*kind, start..start + text.len())
        })
        .collect();
    for (kind, place) in &labels {
        let tally = tallies.entry(*kind).or_default();
        if found.iter().any(|(own, range)| own == kind && overlap(range, place)) {
            tally.right += 1;
        } else {
            tally.missed += 1;
        }
    }
    for (kind, range) in &found {
        let kind = *KINDS.iter().find(|known| *known == kind).unwrap();
        if !labels.iter().any(|(own, place)| *own == kind && overlap(range, place)) {
            tallies.entry(kind).or_default().wrong += 1;
        }
    }
}

#[test]
fn what_leaks_is_told_from_what_does_not() {
    let mut tallies = BTreeMap::new();
    let samples = corpus(EACH);
    samples.iter().for_each(|sample| judge(sample, &mut tallies));
    println!(
        "{} responses\n{:<18}{:>10}{:>8}{:>8}{:>8}{:>8}",
        samples.len(),
        "kind",
        "precision",
        "recall",
        "right",
        "wrong",
        "missed"
    );
    for (kind, tally) in &tallies {
        let Tally { right, wrong, missed } = *tally;
        println!("{kind:<18}{:>10.3}{:>8.3}{right:>8}{wrong:>8}{missed:>8}", tally.precision(), tally.recall());
    }
    for (kind, precision, recall) in FLOORS {
        let tally = tallies[kind];
        assert!(tally.precision() >= *precision, "{kind}: precision {:.3}", tally.precision());
        assert!(tally.recall() >= *recall, "{kind}: recall {:.3}", tally.recall());
    }
}

/// Kind, precision and recall.
const FLOORS: &[(&str, f64, f64)] = &[
    ("credential", 0.98, 0.83),
    ("email", 0.98, 0.85),
    ("iban", 0.98, 0.84),
    ("internal_address", 0.98, 0.82),
    ("introspection", 0.98, 0.98),
    ("national_id", 0.98, 0.75),
    ("password_hash", 0.98, 0.75),
    ("payment_card", 0.8, 0.8),
    ("phone", 0.98, 0.85),
    ("private_key", 0.98, 0.88),
    ("session_token", 0.98, 0.86),
    ("sql_error", 0.98, 0.85),
    ("stack_trace", 0.98, 0.84),
];
