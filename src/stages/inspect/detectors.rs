//! The detectors: what each language looks like in the hands of somebody who puts it where it does not belong.
//!
//! A detector is a table of phrases of one language ([`super::phrase`]) and the symbols that hint at it. A phrase is evidence, and
//! says how much; a hint is none, but it opens the door for the model ([`super::model`]): what hints at nothing is no attack,
//! whatever the model says. One file each; a new detector is one file and one row of [`ALL`].

pub mod command;
pub mod deserialization;
pub mod file;
pub mod header;
pub mod ldap;
pub mod nosql;
pub mod prototype;
pub mod script;
pub mod sql;
pub mod ssrf;
pub mod template;
pub mod xml;
pub mod xpath;

use super::phrase::Phrase;
use crate::finding::{Check, Class, Family, Score, Weight};

/// One thing that is looked for in a value.
#[derive(Debug)]
pub struct Detector {
    /// What it finds.
    pub check: Check,
    /// Symbols that hint at it; see [`super::phrase`] for the names.
    pub hints: &'static str,
    /// What proves it, more or less.
    pub phrases: &'static [Phrase],
}

/// Every detector. Where two have seen as much in a value, the earlier one is reported.
pub static ALL: &[&Detector] = &[
    &sql::DETECTOR,
    &script::DETECTOR,
    &command::DETECTOR,
    &template::DETECTOR,
    &file::DETECTOR,
    &ssrf::DETECTOR,
    &xml::DETECTOR,
    &nosql::DETECTOR,
    &ldap::DETECTOR,
    &xpath::DETECTOR,
    &header::DETECTOR,
    &prototype::DETECTOR,
    &deserialization::DETECTOR,
];

/// It has no other reading: sure, whatever the model takes.
const UNMISTAKABLE: f64 = 9.0;

/// Nearly nobody writes this for another purpose.
const CERTAIN: f64 = 5.0;

/// Seldom written for another purpose.
const LIKELY: f64 = 2.5;

/// Often written for another purpose too.
const POSSIBLE: f64 = 1.0;

/// The check of a detector. Its weight depends on what was seen.
const fn check(id: &'static str, code: &'static str, means: &'static str) -> Check {
    Check {
        id,
        family: Family::Payload,
        code,
        class: Class::Forbidden,
        weight: Weight::Score(Score::constant(0.9)),
        tunable: true,
        bearer_error: None,
        means: crate::finding::documented(means),
    }
}
