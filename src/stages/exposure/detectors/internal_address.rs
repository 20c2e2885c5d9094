//! Addresses that mean something only inside: private and link-local IPv4 (RFC 1918, RFC 3927), and host names under domains that
//! are not of the public name space (RFC 6762, RFC 8375 and custom).
//!
//! Not taken for one: versions, files that begin with a dot, and members of programs (`os.local(`).

use super::check;
use super::payment_card::{is_whole, stands_in_a_number};
use crate::stages::exposure::scan::{Detector, Openings, Set, Text, Where};
use std::ops::Range;

/// Longest host name (RFC 1035 §2.3.4).
const NAME_MAX: usize = 253;

/// The detector.
pub static DETECTOR: Detector = Detector {
    check: check(
        "exposure.internal_address",
        "internal_address_exposed",
        0.0,
        "The response has a private address or the name of an internal host.",
    ),
    openings,
    find,
    at_least: 1,
    shows_end: false,
    takes_lines: false,
};

const DOMAINS: &[&[u8]] = &[
    b".internal",
    b".svc.cluster.local",
    b".cluster.local",
    b".local",
    b".svc",
    b".corp",
    b".lan",
    b".intranet",
    b".localdomain",
    b".home.arpa",
];

fn openings(all: &mut Openings) {
    let (one, point): (Set, Set) = (|byte| byte == b'1', |byte| byte == b'.');
    all.sets(Where::Word, [one, |byte| byte == b'0', point, |byte| byte.is_ascii_digit()]);
    all.sets(
        Where::Word,
        [one, |byte| matches!(byte, b'6' | b'7' | b'9'), |byte| matches!(byte, b'2' | b'9'), point],
    );
    all.texts(Where::After(is_host), DOMAINS);
}

fn find(text: Text<'_>, at: usize, floor: usize) -> Option<Range<usize>> {
    if text.at(at) == b'.' {
        host(text, at, floor)
    } else {
        address(text, at)
    }
}

fn address(text: Text<'_>, at: usize) -> Option<Range<usize>> {
    if stands_in_a_number(text, at) {
        return None;
    }
    let (mut place, mut octets) = (at, [0_u16; 4]);
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            if text.at(place) != b'.' {
                return None;
            }
            place = place.saturating_add(1);
        }
        let end = text.run(place, 4, |byte| byte.is_ascii_digit());
        let digits = text.slice(place..end);
        *octet = std::str::from_utf8(digits).ok()?.parse().ok().filter(|value| *value < 256)?;
        place = end;
    }
    let is_private = matches!(octets, [10, ..] | [192, 168, ..] | [169, 254, ..] | [172, 16..=31, ..]);
    let before = text.slice(at.saturating_sub(14)..at);
    let is_version = before.windows(6).any(|window| window == b"ersion");
    (is_private && !is_version && is_whole(text, place)).then_some(at..place)
}

const fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')
}

fn host(text: Text<'_>, at: usize, floor: usize) -> Option<Range<usize>> {
    let domain = text.one_of(at, DOMAINS, |domain| domain)?;
    let end = at.saturating_add(domain.len());
    let next = text.at(end);
    let goes_on = next == b'-' || (next == b'.' && text.at(end.saturating_add(1)).is_ascii_alphanumeric());
    if !text.ends_word(end) || goes_on || matches!(next, b'(' | b'=' | b'@') {
        return None;
    }
    let start = text.run_back(at, NAME_MAX, floor, is_host);
    let begins_well = text.at(start).is_ascii_alphanumeric() && start < at;
    let before = text.before(start);
    (begins_well && before != b'_' && before < 0x80 && before != b'\\').then_some(start..end)
}
