//! XML that fetches or runs something: external entities (CWE-611), inclusions, style sheets.
//!
//! Not covered: entities that only grow (their nesting is the parser's to bound).

use super::{check, Detector, CERTAIN, LIKELY, POSSIBLE};
use crate::stages::inspect::phrase::phrase;

/// See the file.
pub static DETECTOR: Detector = Detector {
    check: check(
        "payload.xml",
        "payload_xml",
        "A value looks like XML that declares entities, includes documents or runs style sheets.",
    ),
    hints: "<! <? entity doctype xml xml_word < % &",
    phrases: &[
        phrase("an entity", CERTAIN, &["<!", "entity", "opt %", "@word"]),
        phrase("a document type", LIKELY, &["<!", "doctype", "@word", "[ system xml_word"]),
        phrase("an inclusion", CERTAIN, &["<", "xml_word", ":", "include"]),
        phrase("a style sheet", LIKELY, &["<", "xml_word", ":", "xml_word template_object import include"]),
        phrase("character data", LIKELY, &["<!", "[", "xml_word", "["]),
        phrase("a document", POSSIBLE, &["<?", "xml"]),
    ],
};
