//! Private keys in their armour (RFC 7468 §10, RFC 4880 §6.2): `-----BEGIN … PRIVATE KEY-----` and what follows, to the end line
//! or to what cannot belong to it.

use super::check;
use crate::stages::exposure::scan::{Detector, Openings, Text, Where};
use std::ops::Range;

const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";

/// Longest label.
const LABEL_MAX: usize = 40;

/// Longest key with its lines.
const KEY_MAX: usize = 16 << 10;

/// Fewer characters of a key are none.
const KEY_MIN: usize = 32;

/// The detector.
pub static DETECTOR: Detector = Detector {
    check: check("exposure.private_key", "private_key_exposed", 0.3, "The response has a private key."),
    openings,
    find,
    at_least: 1,
    shows_end: false,
    takes_lines: false,
};

fn openings(all: &mut Openings) {
    all.texts(Where::After(|_| true), &[BEGIN]);
}

fn find(text: Text<'_>, at: usize, _floor: usize) -> Option<Range<usize>> {
    if !text.has(at, BEGIN) {
        return None;
    }
    let label = at.saturating_add(BEGIN.len());
    let label_end =
        text.run(label, LABEL_MAX, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ');
    let name = text.slice(label..label_end);
    if !(name.ends_with(b"PRIVATE KEY") || name.ends_with(b"PRIVATE KEY BLOCK")) || !text.has(label_end, DASHES) {
        return None;
    }
    let body = label_end.saturating_add(DASHES.len());
    let of_key = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=\\\r\n\t :,.".contains(&byte);
    let mut end = body;
    // Headers of old keys have single hyphens.
    while end.saturating_sub(body) < KEY_MAX {
        end = text.run(end, KEY_MAX, of_key);
        if text.at(end) != b'-' || text.has(end, DASHES) {
            break;
        }
        end = end.saturating_add(1);
    }
    if end.saturating_sub(body) < KEY_MIN {
        return None;
    }
    if text.has(end, b"-----END ") {
        let name = end.saturating_add(9);
        let last = text.run(name, LABEL_MAX, |byte| byte != b'-' && byte != b'"');
        end = if text.has(last, DASHES) { last.saturating_add(DASHES.len()) } else { last };
    }
    Some(at..end)
}
