//! Telephone numbers as they are written for others: international, with a plus sign (ITU-T E.164, E.123), or North American with
//! its hyphens. One is everyday; many are a list.

use super::check;
use super::payment_card::{is_whole, stands_in_a_number};
use crate::stages::exposure::scan::{Detector, Openings, Set, Text, Where};
use std::ops::Range;

/// The detector.
pub static DETECTOR: Detector = Detector {
    check: check("exposure.phone", "phones_exposed", 0.1, "The response has telephone numbers in bulk."),
    openings,
    find,
    at_least: 10,
    shows_end: true,
    takes_lines: false,
};

fn openings(all: &mut Openings) {
    let (area, digit): (Set, Set) = (|byte| matches!(byte, b'2'..=b'9'), |byte| byte.is_ascii_digit());
    all.sets(
        Where::After(starts_number),
        [|byte| byte == b'+', |byte| matches!(byte, b'1'..=b'9'), |_| true, |_| true],
    );
    all.sets(Where::After(|_| true), [|byte| byte == b'(', area, digit, digit]);
    all.sets(Where::Word, [area, digit, digit, |byte| byte == b'-']);
}

fn find(text: Text<'_>, at: usize, _floor: usize) -> Option<Range<usize>> {
    match text.at(at) {
        b'+' => international(text, at),
        b'(' => north_american(text, at.saturating_add(1), true).map(|end| at..end),
        _ if stands_in_a_number(text, at) => None,
        _ => north_american(text, at, false).map(|end| at..end),
    }
}

/// What may stand before a plus sign.
const fn starts_number(before: u8) -> bool {
    matches!(before, 0 | b'"' | b' ' | b'>' | b',' | b';' | b':' | b'\n' | b'\t' | b'(')
}

/// A plus sign and 8 to 15 digits, the first of which is no zero, with single signs between them.
fn international(text: Text<'_>, at: usize) -> Option<Range<usize>> {
    if !starts_number(text.before(at)) || !matches!(text.at(at.saturating_add(1)), b'1'..=b'9') {
        return None;
    }
    let (mut place, mut digits, mut end) = (at.saturating_add(1), 0_u32, at);
    for _ in 0..24 {
        match text.at(place) {
            b'0'..=b'9' => {
                digits = digits.saturating_add(1);
                end = place.saturating_add(1);
            }
            b' ' | b'-' | b'.' | b'(' | b')'
                if !matches!(text.before(place), b' ' | b'-' | b'.') || text.at(place) == b'(' => {}
            _ => break,
        }
        place = place.saturating_add(1);
    }
    ((8..=15).contains(&digits) && is_whole(text, end)).then_some(at..end)
}

/// `ddd-ddd-dddd` or `(ddd) ddd-dddd`, with an area and an exchange that there may be.
fn north_american(text: Text<'_>, at: usize, bracketed: bool) -> Option<usize> {
    let form: &[u8] = if bracketed { b"add) add-dddd" } else { b"add-add-dddd" };
    let end = at.saturating_add(form.len());
    let written = text.slice(at..end);
    let fits = |(byte, sign): (&u8, &u8)| match sign {
        b'a' => matches!(byte, b'2'..=b'9'),
        b'd' => byte.is_ascii_digit(),
        sign => byte == sign,
    };
    (written.len() == form.len() && written.iter().zip(form).all(fits) && is_whole(text, end)).then_some(end)
}
