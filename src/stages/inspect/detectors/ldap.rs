//! Filters of a directory where a value belongs (CWE-90; RFC 4515).
//!
//! Not covered: distinguished names, which look like other lists of names and values.

use super::{check, Detector, CERTAIN, LIKELY, POSSIBLE};
use crate::stages::inspect::phrase::phrase;

/// See the file.
pub static DETECTOR: Detector = Detector {
    check: check("payload.ldap", "payload_ldap", "A value looks like a filter of a directory (LDAP)."),
    hints: "( ) * & | ! ldap_word",
    phrases: &[
        phrase("a filter", CERTAIN, &["(", "& | !", "("]),
        phrase(
            "a filter that is closed first",
            LIKELY,
            &["* @word", ")", "( ) | &", "opt ( | & !", "opt ( | &", "ldap_word @word ) ("],
        ),
        phrase("a comparison", LIKELY, &["(", "ldap_word sql_noun", "= >= <=", "* @word"]),
        phrase("any value", POSSIBLE, &["edge", "* @word", ") | ( &", "opt ( & |", "opt ( | &"]),
    ],
};
