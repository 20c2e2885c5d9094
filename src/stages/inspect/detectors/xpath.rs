//! XPath where a value belongs (CWE-643).
//!
//! Tautologies are those of SQL and are reported as such. Not covered: plain paths, which look like paths.

use super::{check, Detector, CERTAIN, LIKELY};
use crate::stages::inspect::phrase::phrase;

/// See the file.
pub static DETECTOR: Detector = Detector {
    check: check("payload.xpath", "payload_xpath", "A value looks like an XPath expression."),
    hints: "xpath_word // :: [ ] | ' @ sql_function",
    phrases: &[
        phrase("an axis", CERTAIN, &["xpath_word", "::", "@word *"]),
        phrase("nodes after a quote", CERTAIN, &["@quote", "opt )", "]", "| / //"]),
        phrase("nodes", LIKELY, &["//", "@word *", "[ / |"]),
        phrase("a function of nodes", LIKELY, &["xpath_word sql_function", "( -", "gap", "// /", "@word *"]),
        phrase(
            "a function of strings",
            LIKELY,
            &["and or @quote", "opt )", "and or", "word sql_function xpath_word", "- (", "opt @word", "opt ( -"],
        ),
        phrase("a length", LIKELY, &["and or", "word", "-", "sql_function xpath_word", "("]),
    ],
};
