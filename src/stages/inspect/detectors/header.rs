//! Ends of lines where a header's value belongs (CWE-93, CWE-113), and requests within requests (CWE-444).
//!
//! A line end in a text is no sign of anything: people write several lines. It is one before something that looks like a header
//! field or an answer. Not covered: what Envoy's own parser refuses.

use super::{check, Detector, CERTAIN, LIKELY};
use crate::stages::inspect::phrase::phrase;

/// See the file.
pub static DETECTOR: Detector = Detector {
    check: check(
        "payload.header",
        "payload_header",
        "A value looks like header fields or a whole answer, after an end of line.",
    ),
    hints: "newline control % \\",
    phrases: &[
        phrase("a field", CERTAIN, &["newline", "@word", "-", "cookie @word", ":"]),
        phrase("a redirect", LIKELY, &["newline", "js_object", ":", "http https / // javascript"]),
        phrase("a forged line", LIKELY, &["edge", "@word number", "newline", "@word", "opt @word", ":"]),
        phrase("an answer", CERTAIN, &["newline", "http", "/", "number"]),
        phrase(
            "a request after the end of chunks",
            CERTAIN,
            &["number", "newline", "@word", "/", "gap", "http", "/", "number"],
        ),
        phrase("a body", LIKELY, &["newline", "<", "html_tag script"]),
        phrase("an end of a line alone", LIKELY, &["edge", "opt % @word", "newline", "edge"]),
    ],
};
