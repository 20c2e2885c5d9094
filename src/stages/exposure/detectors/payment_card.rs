//! Payment cards: the issuer's range, its length, and the check digit (ISO/IEC 7812-1, Luhn).
//!
//! Together or in the groups that are printed on cards, with spaces or hyphens; as a number with a fraction of nothing or an exponent
//! (`4111111111111111.0`, `4.111111111111111e15`), as floating point is written. Of numbers that anybody makes up, one in about
//! fifty of sixteen digits is right by chance, so a number without groups is none where its member is named after something else
//! ([`OTHERS`], or an id). Not covered: Maestro, whose range is half of all numbers,
//! and the 13 digits of old Visa cards, which are those of article numbers.

use super::check;
use crate::stages::exposure::scan::{Detector, Openings, Set, Text, Where};
use std::ops::Range;

/// Longest name of a member that is looked at.
const NAME_MAX: usize = 40;

/// Most digits of a card.
const DIGITS_MAX: usize = 19;

/// What members are named after whose long numbers are no cards.
const OTHERS: &[&[u8]] = &[
    b"track",
    b"parcel",
    b"serial",
    b"sequence",
    b"snowflake",
    b"barcode",
    b"ean",
    b"gtin",
    b"imei",
    b"time",
    b"nonce",
    b"cursor",
    b"offset",
];

/// What makes a member one of cards all the same.
const CARDS: &[&[u8]] = &[b"card", b"pan", b"payment"];

/// The detector.
pub static DETECTOR: Detector = Detector {
    check: check(
        "exposure.payment_card",
        "payment_card_exposed",
        0.2,
        "The response has a payment card's number: an issuer's range, its length and a right check digit.",
    ),
    openings,
    find,
    at_least: 1,
    shows_end: true,
    takes_lines: false,
};

fn openings(all: &mut Openings) {
    let (first, digit): (Set, Set) = (|byte| matches!(byte, b'2'..=b'6'), |byte| byte.is_ascii_digit());
    all.sets(Where::Word, [first, digit, digit, digit]);
    let decimal: Set = |byte| byte.is_ascii_digit() || matches!(byte, b'e' | b'E');
    all.sets(Where::Word, [first, |byte| byte == b'.', decimal, |_| true]);
}

fn find(text: Text<'_>, at: usize, _floor: usize) -> Option<Range<usize>> {
    if text.at(at.saturating_add(1)) == b'.' {
        return scientific(text, at);
    }
    if !could_have_layout(text, at) || stands_in_a_number(text, at) {
        return None;
    }
    let mut digits = Vec::with_capacity(DIGITS_MAX);
    let mut groups = Vec::with_capacity(5);
    let (mut place, mut separator) = (at, 0);
    loop {
        let end = text.run(place, DIGITS_MAX.saturating_add(1), |byte| byte.is_ascii_digit());
        let group = text.slice(place..end);
        digits.extend(group);
        groups.push(group.len());
        let end = if groups.len() == 1 { after_zeros(text, end) } else { end };
        if is_whole(text, end) && has_layout(&groups) && is_card(&digits) {
            return (!is_named_otherwise(text, at)).then_some(at..end);
        }
        let next = text.at(end);
        let goes_on = matches!(next, b' ' | b'-') && (separator == 0 || next == separator);
        if !goes_on || groups.len() >= 5 || group.is_empty() || group.len() > 6 {
            return None;
        }
        (separator, place) = (next, end.saturating_add(1));
    }
}

/// `4.111111111111111e15`: one digit, a point, the others, and as many as there are of them.
fn scientific(text: Text<'_>, at: usize) -> Option<Range<usize>> {
    let is_digit = |byte: u8| byte.is_ascii_digit();
    let fraction = at.saturating_add(2);
    let exponent = text.run(fraction, DIGITS_MAX, is_digit);
    let sign = exponent.saturating_add(1);
    let power = sign.saturating_add(usize::from(text.at(sign) == b'+'));
    let end = text.run(power, 3, is_digit);
    let most: usize = std::str::from_utf8(text.slice(power..end)).ok()?.parse().ok()?;
    let mut digits = text.slice(fraction..exponent).to_vec();
    if !matches!(text.at(exponent), b'e' | b'E') || digits.len() > most || most >= DIGITS_MAX {
        return None;
    }
    // Zeros at the end are not written.
    digits.resize(most, b'0');
    digits.insert(0, text.at(at));
    (is_whole(text, end) && !stands_in_a_number(text, at) && is_card(&digits)).then_some(at..end)
}

/// Behind the fraction of a number that has none.
fn after_zeros(text: Text<'_>, point: usize) -> usize {
    let from = point.saturating_add(1);
    let end = text.run(from, DIGITS_MAX, |byte| byte == b'0');
    if text.at(point) == b'.' && end > from {
        end
    } else {
        point
    }
}

/// Whether a number without groups is the value of a member that is named after something else.
fn is_named_otherwise(text: Text<'_>, at: usize) -> bool {
    if text.at(at.saturating_add(4)).is_ascii_digit() {
        let value = at.saturating_sub(usize::from(text.before(at) == b'"'));
        let colon = text.run_back(value, 4, 0, |byte| byte == b' ').saturating_sub(1);
        let quote = text.run_back(colon, 4, 0, |byte| byte == b' ').saturating_sub(1);
        let name =
            text.run_back(quote, NAME_MAX, 0, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        let is_member = text.at(colon) == b':' && text.at(quote) == b'"' && text.before(name) == b'"';
        let written = text.slice(name..quote);
        let folded = written.to_ascii_lowercase();
        let has = |words: &[&[u8]]| words.iter().any(|word| folded.windows(word.len()).any(|part| part == *word));
        let is_id =
            folded == b"id" || folded.ends_with(b"_id") || written.ends_with(b"Id") || written.ends_with(b"ID");
        return is_member && (is_id || has(OTHERS)) && !has(CARDS);
    }
    false
}

/// Whether a run of digits is a part of something longer: a fraction, an identifier.
pub(super) fn stands_in_a_number(text: Text<'_>, at: usize) -> bool {
    let before = text.before(at);
    before == b'.' || (matches!(before, b'-' | b'+') && text.before(at.saturating_sub(1)).is_ascii_alphanumeric())
}

/// Whether a number ends here.
pub(super) fn is_whole(text: Text<'_>, end: usize) -> bool {
    let goes_on = matches!(text.at(end), b'.' | b'-') && text.at(end.saturating_add(1)).is_ascii_alphanumeric();
    text.ends_word(end) && !goes_on
}

/// Whether the first group, and the second one where there is one, are as long as some layout has them: most numbers are years.
fn could_have_layout(text: Text<'_>, at: usize) -> bool {
    let group = |from: usize| text.run(from, DIGITS_MAX.saturating_add(1), |byte| byte.is_ascii_digit());
    let first = group(at);
    match first.saturating_sub(at) {
        4 => {
            let gap = after_zeros(text, first);
            matches!(group(gap.saturating_add(1)).saturating_sub(gap), 5 | 7)
        }
        length => matches!(length, 14..=16 | 19),
    }
}

fn has_layout(groups: &[usize]) -> bool {
    matches!(groups, [14..=16] | [19] | [4, 4, 4, 4] | [4, 6, 5] | [4, 6, 4] | [4, 4, 4, 4, 3])
}

fn is_card(digits: &[u8]) -> bool {
    let start = |count: usize| {
        digits.iter().take(count).fold(0_u32, |number, digit| {
            number.saturating_mul(10).saturating_add(u32::from(digit.saturating_sub(b'0')))
        })
    };
    let (two, three, four) = (start(2), start(3), start(4));
    let fits = match digits.len() {
        14 => matches!(three, 300..=305) || matches!(two, 36 | 38 | 39),
        15 => matches!(two, 34 | 37),
        16 | 19 => {
            let both = start(1) == 4
                || four == 6011
                || matches!(three, 644..=649)
                || matches!(two, 62 | 65)
                || matches!(four, 3528..=3589);
            both || (digits.len() == 16 && (matches!(two, 51..=55) || matches!(four, 2221..=2720)))
        }
        _ => false,
    };
    fits && luhn(digits)
}

/// The check digit of ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u8]) -> bool {
    let sum = digits.iter().rev().enumerate().fold(0_u32, |sum, (place, digit)| {
        let value = u32::from(digit.saturating_sub(b'0'));
        let doubled = value.saturating_mul(2);
        let counted = match place % 2 {
            0 => value,
            _ if doubled > 9 => doubled.saturating_sub(9),
            _ => doubled,
        };
        sum.saturating_add(counted)
    });
    sum.is_multiple_of(10)
}
