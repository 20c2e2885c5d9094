//! Stack traces and the error pages of frameworks: how they write where something went wrong.
//!
//! One find a line. Covered: Java and its kin, JavaScript, .NET, Python, Go, PHP, Ruby, Rust; the pages of Spring, Django, Werkzeug, Rails,
//! Tomcat and ASP.NET.

use super::check;
use crate::stages::exposure::scan::{Detector, Openings, Text, Where};
use std::ops::Range;

/// How much of a line is looked at.
const LINE_MAX: usize = 300;

/// The detector.
pub static DETECTOR: Detector = Detector {
    check: check(
        "exposure.stack_trace",
        "stack_trace_exposed",
        0.1,
        "The response has a stack trace or the error page of a framework.",
    ),
    openings,
    find,
    at_least: 1,
    shows_end: false,
    takes_lines: true,
};

/// What stands in no other text.
const PHRASES: &[&[u8]] = &[
    b"Action Controller: Exception caught",
    b"App\\\\Exceptions\\\\Handler",
    b"Exception in thread \"",
    b"Exception in thread \\\"",
    b"HTTP Status 500 ",
    b"Server Error in '/",
    b"Traceback (most recent call last)",
    b"Werkzeug Debugger",
    b"Whitelabel Error Page",
    b"You're seeing this error because you have",
];

/// How lines begin that say where.
const STARTS: &[&[u8]] = &[b"at ", b"File ", b"goroutine ", b"thread '", b"panicked at "];

/// What ends the names of files with code.
const FILES: &[&[u8]] = &[
    b".java:",
    b".kt:",
    b".scala:",
    b".groovy:",
    b".js:",
    b".ts:",
    b".mjs:",
    b".cjs:",
    b".rb:",
    b".rs:",
    b".go:",
    b".php(",
    b".php:",
    b".cs:line ",
    b".vb:line ",
];

fn openings(all: &mut Openings) {
    all.texts(Where::Word, PHRASES);
    all.texts(Where::Word, STARTS);
    all.sets(Where::After(|_| true), [|byte| byte == b'#', |byte| byte.is_ascii_digit(), |_| true, |_| true]);
}

fn find(text: Text<'_>, at: usize, _floor: usize) -> Option<Range<usize>> {
    if let Some(phrase) = text.one_of(at, PHRASES, |phrase| phrase) {
        return Some(at..text.whole_line(at.saturating_add(phrase.len())));
    }
    let is_numbered = text.at(at) == b'#' && text.at(at.saturating_add(1)).is_ascii_digit();
    if !is_numbered && text.one_of(at, STARTS, |start| start).is_none() {
        return None;
    }
    if text.at(at) == b'F' {
        return is_python(text, at).then(|| at..text.whole_line(at));
    }
    let line = text.slice(at..text.line_end(at, LINE_MAX));
    let is_frame = match text.at(at) {
        b'a' => names_a_line(line) || line.ends_with(b"(Native Method)") || line.ends_with(b"(Unknown Source)"),
        b'g' => line.ends_with(b"]:"),
        b't' => line.windows(13).any(|window| window == b"' panicked at"),
        _ => names_a_line(line),
    };
    is_frame.then(|| at..text.whole_line(at))
}

/// Whether a line has the name of a file with code, and a number after it.
fn names_a_line(line: &[u8]) -> bool {
    let text = Text(line);
    let dots = line.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
    dots.into_iter().any(|dot| {
        let name = text.one_of(dot, FILES, |name| name);
        name.is_some_and(|name| text.at(dot.saturating_add(name.len())).is_ascii_digit())
    })
}

/// `File "/srv/app.py", line 12`, whose quotes may be escaped.
fn is_python(text: Text<'_>, at: usize) -> bool {
    let from = at.saturating_add(5);
    let quote = from.saturating_add(usize::from(text.at(from) == b'\\'));
    let name = quote.saturating_add(1);
    let end = text.run(name, LINE_MAX, |byte| !matches!(byte, b'"' | b'\n'));
    let written = text.slice(name..end);
    let file = written.strip_suffix(b"\\").unwrap_or(written);
    let number = text.at(end.saturating_add(8));
    text.at(quote) == b'"' && file.ends_with(b".py") && text.has(end, b"\", line ") && number.is_ascii_digit()
}
