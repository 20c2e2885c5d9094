//! The prototype of all objects, reached through a name (CWE-1321).
//!
//! Names of members and parameters are values here too. Not covered: names that only one library minds.

use super::{check, Detector, CERTAIN};
use crate::stages::inspect::phrase::phrase;

/// See the file.
pub static DETECTOR: Detector = Detector {
    check: check(
        "payload.prototype",
        "payload_prototype",
        "A value, or the name of one, reaches for the prototype of all objects.",
    ),
    hints: "__proto__ constructor prototype",
    phrases: &[
        phrase("the prototype", CERTAIN, &["__proto__"]),
        phrase(
            "the prototype",
            CERTAIN,
            &["constructor", ". [ @quote", "opt [ @quote .", "opt @quote", "prototype constructor"],
        ),
        phrase(
            "the prototype",
            CERTAIN,
            &["constructor", "opt @quote", ": {", "opt {", "opt @quote", "prototype"],
        ),
    ],
};
