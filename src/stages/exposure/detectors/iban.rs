//! International bank account numbers: the country's length and the check digits (ISO 13616-1, ISO/IEC 7064 MOD 97-10).
//!
//! Together or in groups of four. The countries are those of the registry with their lengths.

use super::check;
use crate::stages::exposure::scan::{Detector, Openings, Set, Text, Where};
use std::ops::Range;

/// The detector.
pub static DETECTOR: Detector = Detector {
    check: check(
        "exposure.iban",
        "iban_exposed",
        0.2,
        "The response has a bank account's number (IBAN): its country's length and right check digits.",
    ),
    openings,
    find,
    at_least: 1,
    shows_end: true,
    takes_lines: false,
};

/// Countries and lengths.
const COUNTRIES: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NL", 18),
    (b"NO", 15),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"SA", 24),
    (b"SC", 31),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
];

fn openings(all: &mut Openings) {
    let (letter, digit): (Set, Set) = (|byte| byte.is_ascii_uppercase(), |byte| byte.is_ascii_digit());
    all.sets(Where::Word, [letter, letter, digit, digit]);
}

fn find(text: Text<'_>, at: usize, _floor: usize) -> Option<Range<usize>> {
    let country = text.slice(at..at.saturating_add(2));
    let is_digit = |place: usize| text.at(at.saturating_add(place)).is_ascii_digit();
    if !is_digit(2) || !is_digit(3) {
        return None;
    }
    let (_, length) = COUNTRIES.iter().find(|(code, _)| code.as_slice() == country)?;
    let (mut place, mut count, mut number) = (at, 0_usize, Vec::with_capacity(*length));
    while count < *length {
        let byte = text.at(place);
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' => {
                number.push(byte);
                count = count.saturating_add(1);
            }
            // Between groups of four.
            b' ' if count.is_multiple_of(4) && text.before(place) != b' ' => {}
            _ => return None,
        }
        place = place.saturating_add(1);
    }
    (text.ends_word(place) && is_checked(&number)).then_some(at..place)
}

/// The remainder of the rearranged number is 1.
fn is_checked(number: &[u8]) -> bool {
    let (start, rest) = number.split_at_checked(4).unwrap_or_default();
    let remainder = rest.iter().chain(start).fold(0_u32, |remainder, byte| {
        let (value, factor) = match byte {
            b'0'..=b'9' => (byte.saturating_sub(b'0'), 10),
            letter => (letter.saturating_sub(b'A').saturating_add(10), 100),
        };
        remainder.saturating_mul(factor).saturating_add(value.into()) % 97
    });
    remainder == 1
}
