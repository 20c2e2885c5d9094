//! E-mail addresses: a local part, a domain with a top-level domain that could be one (RFC 5321 §4.1.2, without quotes and
//! comments). One is everyday; many are a list.
//!
//! Not taken for one: addresses of repositories (`git@host:path`), names of packages with a version, files (`icon@2x.png`), and
//! the end of a password in an address of a server.

use super::check;
use crate::stages::exposure::scan::{Detector, Openings, Set, Text, Where};
use std::ops::Range;

/// Longest local part (RFC 5321 §4.5.3.1.1).
const LOCAL_MAX: usize = 64;

/// Longest domain that is looked at.
const DOMAIN_MAX: usize = 128;

/// The detector.
pub static DETECTOR: Detector = Detector {
    check: check("exposure.email", "emails_exposed", 0.1, "The response has e-mail addresses in bulk."),
    openings,
    find,
    at_least: 10,
    shows_end: false,
    takes_lines: false,
};

/// What ends the names of files and not of domains.
const ENDINGS: &[&[u8]] =
    &[b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"css", b"js", b"map", b"json", b"html"];

fn openings(all: &mut Openings) {
    let label: Set = |byte| byte.is_ascii_alphanumeric() || byte == b'-';
    let domain: Set = |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    all.sets(Where::After(|byte| is_local(byte) && byte != b'.'), [|byte| byte == b'@', label, domain, domain]);
}

/// What a local part is made of.
const fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'\'' | b'-')
}

fn find(text: Text<'_>, at: usize, floor: usize) -> Option<Range<usize>> {
    let mut start = text.run_back(at, LOCAL_MAX, floor, is_local);
    // The letter of an escape belongs to no name.
    if text.before(start) == b'\\' {
        start = start.saturating_add(1);
    }
    let begins_well = text.at(start).is_ascii_alphanumeric() && text.before(at) != b'.';
    if start >= at
        || !begins_well
        || matches!(text.before(start), b':' | b'/' | b'@' | b'=')
        || text.before(start) >= 0x80
    {
        return None;
    }
    let from = at.saturating_add(1);
    let mut end = text.run(from, DOMAIN_MAX, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    while end > from && matches!(text.before(end), b'.' | b'-') {
        end = end.saturating_sub(1);
    }
    let domain = text.slice(from..end);
    let top = domain.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let is_top = (2..=24).contains(&top.len()) && top.iter().all(u8::is_ascii_alphabetic);
    let labels = || domain.split(|byte| *byte == b'.');
    let is_domain = labels().count() >= 2 && labels().all(|label| !label.is_empty() && label.len() <= 63);
    let is_file = ENDINGS.iter().any(|ending| top.eq_ignore_ascii_case(ending));
    let is_repository = text.at(end) == b':' && !matches!(text.at(end.saturating_add(1)), b' ' | b'"' | 0);
    (is_top && is_domain && !is_file && !is_repository && text.ends_word(end) && text.at(end) != b'@')
        .then_some(start..end)
}
