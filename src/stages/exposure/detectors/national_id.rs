//! Numbers that states give to people, where their form or check digits tell them from others:
//!
//! | number | what tells it |
//! |---|---|
//! | US social security | `AAA-GG-SSSS`, with areas, groups and serials that were ever given |
//! | UK national insurance | two letters that are given, six digits, a letter A to D |
//! | Spanish DNI and NIE | eight digits and their letter (modulo 23) |
//! | Brazilian CPF | `ddd.ddd.ddd-dd` and its two check digits |
//! | Swiss AHV | `756.dddd.dddd.dd` and the check digit of EAN-13 |
//! | French NIR | fifteen digits, with a sex, a month and the key of 97 |
//! | Italian fiscal code | sixteen letters and digits and their check letter |
//!
//! Not covered: numbers that are digits and nothing more (a US number without hyphens).

use super::check;
use super::payment_card::{is_whole, stands_in_a_number};
use crate::stages::exposure::scan::{Detector, Openings, Set, Text, Where};
use std::ops::Range;

/// The detector.
pub static DETECTOR: Detector = Detector {
    check: check(
        "exposure.national_id",
        "national_id_exposed",
        0.2,
        "The response has a number that a state gave to a person: of one of seven countries, with its check digits or form.",
    ),
    openings,
    find,
    at_least: 1,
    shows_end: true,
    takes_lines: false,
};

/// Letters of DNI and NIE by the remainder.
const DNI_LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

/// Values of the characters in odd places of an Italian code: digits, then letters.
const ODD: [u32; 36] = [
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16,
    10, 22, 25, 24, 23,
];

/// How a number is written, and whether its digits can be right.
type Form = (&'static [u8], fn(&[u8]) -> bool);

fn openings(all: &mut Openings) {
    let (letter, digit): (Set, Set) = (|byte| byte.is_ascii_uppercase(), |byte| byte.is_ascii_digit());
    all.sets(Where::Word, [digit, digit, digit, |byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.')]);
    all.sets(Where::Word, [letter, letter, digit, digit]);
    all.sets(Where::Word, [letter, letter, |byte| byte == b' ', digit]);
    all.sets(Where::Word, [letter, digit, digit, digit]);
    all.sets(Where::Word, [letter, letter, letter, letter]);
}

fn find(text: Text<'_>, at: usize, _floor: usize) -> Option<Range<usize>> {
    let forms: &[Form] = if text.at(at).is_ascii_digit() {
        if stands_in_a_number(text, at) {
            return None;
        }
        &[
            (b"ddd-dd-dddd", is_social_security),
            (b"ddd.ddd.ddd-dd", is_cpf),
            (b"756.dddd.dddd.dd", is_ahv),
            (b"ddddddddA", is_dni),
            (b"ddddddddddddddd", is_nir),
        ]
    } else {
        &[
            (b"AAddddddA", is_insurance),
            (b"AA dd dd dd A", is_insurance),
            (b"AdddddddA", is_dni),
            (b"AAAAAAddAddAdddA", is_fiscal_code),
        ]
    };
    forms.iter().find_map(|(form, is_valid)| {
        let end = at.saturating_add(form.len());
        let written = text.slice(at..end);
        let fits = |(byte, sign): (&u8, &u8)| match sign {
            b'd' => byte.is_ascii_digit(),
            b'A' => byte.is_ascii_uppercase(),
            sign => byte == sign,
        };
        let is_one = written.len() == form.len() && written.iter().zip(*form).all(fits) && is_whole(text, end);
        if !is_one {
            return None;
        }
        let plain: Vec<u8> = written.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
        is_valid(&plain).then_some(at..end)
    })
}

fn value(byte: u8) -> u32 {
    u32::from(byte.saturating_sub(b'0'))
}

fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number: u64, digit| number.saturating_mul(10).saturating_add(value(*digit).into()))
}

fn is_social_security(digits: &[u8]) -> bool {
    let part = |range: Range<usize>| number(digits.get(range).unwrap_or_default());
    let area = part(0..3);
    (1..900).contains(&area) && area != 666 && part(3..5) > 0 && part(5..9) > 0
}

fn is_insurance(text: &[u8]) -> bool {
    let [one, two, .., last] = text else { return false };
    let given = !b"DFIQUV".contains(one) && !b"DFIQUVO".contains(two) && (b'A'..=b'D').contains(last);
    given && ![b"BG", b"GB", b"NK", b"KN", b"TN", b"NT", b"ZZ"].contains(&&[*one, *two])
}

fn is_dni(text: &[u8]) -> bool {
    let Some((letter, digits)) = text.split_last() else { return false };
    let mut digits = digits.to_vec();
    if let Some(first) = digits.first_mut().filter(|first| first.is_ascii_uppercase()) {
        match *first {
            b'X'..=b'Z' => *first = first.saturating_sub(b'X').saturating_add(b'0'),
            _ => return false,
        }
    }
    let remainder = usize::try_from(number(&digits) % 23).unwrap_or_default();
    DNI_LETTERS.get(remainder) == Some(letter)
}

fn is_cpf(digits: &[u8]) -> bool {
    let check = |count: usize| {
        let weights = (2_u32..).take(count).collect::<Vec<_>>().into_iter().rev();
        let sum = digits
            .iter()
            .zip(weights)
            .fold(0_u32, |sum, (digit, weight)| sum.saturating_add(value(*digit).saturating_mul(weight)));
        let remainder = sum.saturating_mul(10) % 11 % 10;
        digits.get(count).is_some_and(|digit| value(*digit) == remainder)
    };
    let all_same = digits.iter().all(|digit| Some(digit) == digits.first());
    !all_same && check(9) && check(10)
}

fn is_ahv(digits: &[u8]) -> bool {
    let sum = digits.iter().enumerate().fold(0_u32, |sum, (place, digit)| {
        sum.saturating_add(value(*digit).saturating_mul(if place % 2 == 0 { 1 } else { 3 }))
    });
    sum.is_multiple_of(10)
}

fn is_nir(digits: &[u8]) -> bool {
    let (body, key) = digits.split_at_checked(13).unwrap_or_default();
    let month = number(body.get(3..5).unwrap_or_default());
    let sex = body.first().copied().unwrap_or_default();
    matches!(sex, b'1' | b'2')
        && (1..=12).contains(&month)
        && 97_u64.saturating_sub(number(body) % 97) == number(key)
}

fn is_fiscal_code(text: &[u8]) -> bool {
    let Some((last, body)) = text.split_last() else { return false };
    let sum = body.iter().enumerate().fold(0_u32, |sum, (place, byte)| {
        let plain = if byte.is_ascii_digit() { value(*byte) } else { u32::from(byte.saturating_sub(b'A')) };
        let index = if byte.is_ascii_digit() { plain } else { plain.saturating_add(10) };
        let odd = usize::try_from(index).ok().and_then(|index| ODD.get(index)).copied().unwrap_or_default();
        sum.saturating_add(if place % 2 == 0 { odd } else { plain })
    });
    let is_month = body.get(8).is_some_and(|letter| b"ABCDEHLMPRST".contains(letter));
    is_month && u32::from(last.saturating_sub(b'A')) == sum % 26
}
