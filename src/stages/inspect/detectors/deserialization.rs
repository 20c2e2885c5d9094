//! Objects that run something when they are read (CWE-502).
//!
//! Signs of the formats of Java, PHP, Python, Ruby, Node and .NET, as text. Bodies of those formats are their own content types and
//! are not read. Not covered: gadgets without a sign.

use super::{check, Detector, CERTAIN, LIKELY};
use crate::stages::inspect::phrase::phrase;

/// See the file.
pub static DETECTOR: Detector = Detector {
    check: check("payload.deserialization", "payload_deserialization", "A value looks like a serialised object that runs something when it is read."),
    hints: "deserial_word ! : { template_object",
    phrases: &[
        phrase("a serialised object", LIKELY, &["deserial_word", "opt . $ : / ! (", "@word number edge"]),
        phrase("an object of PHP", CERTAIN, &["edge ; {", "word html_tag", ":", "number", ":", "\"", "@word", "\"", ":", "number", ":", "{"]),
        phrase("an object of YAML", CERTAIN, &["!", "!", "shell_interpreter el_object", "/ ."]),
        phrase("an object of YAML", LIKELY, &["!", "shell_interpreter", "/", "js_object word"]),
    ],
};
