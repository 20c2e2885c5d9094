//! What is looked for in responses, one file a kind: a check, the bytes that finds begin with, and a validator.
//!
//! A validator knows the rules of what it validates (lengths, check digits, issuers, prefixes), so that what only looks alike
//! is not taken for it. A new detector is one file, one row of [`ALL`] and one row in [`crate::stages::CHECKS`].

pub mod credential;
pub mod email;
pub mod iban;
pub mod internal_address;
pub mod introspection;
pub mod national_id;
pub mod password_hash;
pub mod payment_card;
pub mod phone;
pub mod private_key;
pub mod session_token;
pub mod sql_error;
pub mod stack_trace;

use crate::finding::{Check, Class, Family, Score, Weight};
use crate::stages::exposure::scan::{Detector, Table};
use std::sync::LazyLock;

/// Every detector; of two at one place the first one counts.
pub static ALL: &[&Detector] = &[
    &private_key::DETECTOR,
    &credential::DETECTOR,
    &session_token::DETECTOR,
    &password_hash::DETECTOR,
    &iban::DETECTOR,
    &national_id::DETECTOR,
    &payment_card::DETECTOR,
    &phone::DETECTOR,
    &email::DETECTOR,
    &stack_trace::DETECTOR,
    &sql_error::DETECTOR,
    &internal_address::DETECTOR,
    &introspection::DETECTOR,
];

/// The same, with where they look.
pub static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(ALL));

/// A check of this stage. Its score is what it adds to the actor's past, not to this response's fate.
pub const fn check(id: &'static str, code: &'static str, score: f64, means: &'static str) -> Check {
    let weight = if score > 0.0 { Weight::Score(Score::constant(score)) } else { Weight::Note };
    Check {
        id,
        family: Family::Exposure,
        code,
        class: Class::Forbidden,
        weight,
        tunable: true,
        bearer_error: None,
        means: crate::finding::documented(means),
    }
}

#[cfg(test)]
mod tests;
