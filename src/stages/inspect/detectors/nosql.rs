//! Operators of document databases where a value belongs (CWE-943).
//!
//! Here are operators in text. Operators that are members of a JSON document or names of parameters are not values, and are looked
//! at where the document is ([`super::super::structure`]).

use super::{check, Detector, CERTAIN, LIKELY};
use crate::stages::inspect::phrase::phrase;

/// See the file.
pub static DETECTOR: Detector = Detector {
    check: check(
        "payload.nosql",
        "payload_nosql",
        "A value, or the name of one, looks like an operator of a document database.",
    ),
    hints: "$ nosql_operator { [ ; ' \" || && where or and not in sql_clause",
    phrases: &[
        phrase(
            "an operator",
            CERTAIN,
            &["{ [ , @quote edge", "opt @quote", "$", "nosql_operator where or and not in"],
        ),
        phrase(
            "a condition that is script",
            CERTAIN,
            &["@quote ;", "opt ;", "sql_clause", "opt (", "number_word"],
        ),
        phrase("a condition that is script", LIKELY, &["@quote", "|| &&", "number @quote js_object", "== ="]),
        phrase(
            "a member that is compared",
            CERTAIN,
            &["js_object", ".", "@word", "opt .", "opt @word", "== != = ("],
        ),
    ],
};
