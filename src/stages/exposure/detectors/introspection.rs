//! What a GraphQL service answers to introspection (GraphQL §4): the members `__schema` and `__type` with an object.

use super::check;
use crate::stages::exposure::scan::{Detector, Openings, Text, Where};
use std::ops::Range;

/// The detector.
pub static DETECTOR: Detector = Detector {
    check: check(
        "exposure.introspection",
        "introspection_exposed",
        0.1,
        "The response has the schema of a GraphQL service.",
    ),
    openings,
    find,
    at_least: 1,
    shows_end: false,
    takes_lines: false,
};

const NAMES: &[&[u8]] = &[b"__schema\"", b"__type\""];

fn openings(all: &mut Openings) {
    all.texts(Where::After(|byte| byte == b'"'), NAMES);
}

fn find(text: Text<'_>, at: usize, _floor: usize) -> Option<Range<usize>> {
    let name = NAMES.iter().find(|name| text.has(at, name))?;
    let end = at.saturating_add(name.len()).saturating_sub(1);
    let colon = text.blanks(end.saturating_add(1));
    let brace = text.blanks(colon.saturating_add(1));
    (text.before(at) == b'"' && text.at(colon) == b':' && text.at(brace) == b'{').then_some(at..end)
}
