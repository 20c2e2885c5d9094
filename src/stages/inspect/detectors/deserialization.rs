//! Objects that run something when they are read (CWE-502).
//!
//! Signs of the formats of Java, PHP, Python, Ruby, Node and .NET, as text. Bodies of those formats are their own content types and
//! are not read. Not covered: gadgets without a sign.

use super::{check, Detector, CERTAIN, LIKELY};
use crate::stages::inspect::phrase::phrase;

/// How formats of serialised objects begin, and what they are called.
const SIGNATURES: &[(&[u8], &str)] = &[
    (b"\xac\xed\x00\x05", "an object of Java"),
    (b"\x00\x01\x00\x00\x00\xff\xff\xff\xff", "an object of .NET"),
    (b"\x80\x02", "an object of Python"),
    (b"\x80\x03", "an object of Python"),
    (b"\x80\x04\x95", "an object of Python"),
    (b"\x80\x05\x95", "an object of Python"),
    (b"\x04\x08", "an object of Ruby"),
];

/// The format that bytes have which were encoded as text, if objects are made of it.
pub fn format(bytes: &[u8]) -> Option<&'static str> {
    // Two bytes alone would be an accident of one in some thousands: an object ends with a full stop, or has a name in it.
    let is_python = |start: &[u8]| start.len() > 2 || (start.starts_with(b"\x80") && bytes.ends_with(b"."));
    let is_object = |start: &[u8]| match start {
        [0x80, ..] => is_python(start),
        [4, 8] => matches!(bytes.get(2), Some(b'o' | b'[' | b'{' | b'I' | b'u' | b'c')),
        _ => true,
    };
    SIGNATURES.iter().find(|(start, _)| bytes.starts_with(start) && is_object(start)).map(|(_, name)| *name)
}

/// Whether bytes may be the beginning of such an object.
pub fn may_begin(bytes: &[u8]) -> bool {
    SIGNATURES.iter().any(|(start, _)| bytes.starts_with(start))
}

/// See the file.
pub static DETECTOR: Detector = Detector {
    check: check(
        "payload.deserialization",
        "payload_deserialization",
        "A value looks like a serialised object that runs something when it is read.",
    ),
    hints: "deserial_word ! : { template_object",
    phrases: &[
        phrase("a serialised object", LIKELY, &["deserial_word", "opt . $ : / ! (", "@word number edge"]),
        phrase(
            "an object of PHP",
            CERTAIN,
            &["edge ; {", "word html_tag", ":", "number", ":", "\"", "@word", "\"", ":", "number", ":", "{"],
        ),
        phrase("an object of YAML", CERTAIN, &["!", "!", "shell_interpreter el_object", "/ ."]),
        phrase("an object of YAML", LIKELY, &["!", "shell_interpreter", "/", "js_object word"]),
    ],
};
