//! Keys of clouds and services, by the prefixes, alphabets and lengths that their issuers gave them; and passwords in the addresses
//! of servers (RFC 3986 §3.2.1).
//!
//! Not taken for one: keys that are meant to be seen (`pk_live_…`), examples of documentation, and what is made up of a few
//! characters. Not covered: keys without a form of their own.

use super::check;
use crate::stages::exposure::scan::{variety, Detector, Openings, Text, Where};
use std::ops::Range;

/// Fewer different characters are a placeholder.
const VARIETY_MIN: u32 = 8;

/// Longest user, password and host that are looked at.
const URL_MAX: usize = 128;

/// The detector.
pub static DETECTOR: Detector = Detector {
    check: check(
        "exposure.credential",
        "credential_exposed",
        0.3,
        "The response has a key of a cloud or service, or an address with a password.",
    ),
    openings,
    find,
    at_least: 1,
    shows_end: false,
    takes_lines: false,
};

/// A prefix, the alphabet of what follows, and its shortest and longest length.
struct Form(&'static [u8], Alphabet, usize, usize);

#[derive(Copy, Clone)]
enum Alphabet {
    Upper,
    Alnum,
    Hex,
    /// Letters, digits, hyphen and underscore.
    Url,
    /// The same with dots.
    Dotted,
}

const FORMS: &[Form] = &[
    Form(b"AKIA", Alphabet::Upper, 16, 16),
    Form(b"ASIA", Alphabet::Upper, 16, 16),
    Form(b"AIza", Alphabet::Url, 35, 35),
    Form(b"SG.", Alphabet::Dotted, 66, 66),
    Form(b"ghp_", Alphabet::Alnum, 36, 36),
    Form(b"gho_", Alphabet::Alnum, 36, 36),
    Form(b"ghu_", Alphabet::Alnum, 36, 36),
    Form(b"ghs_", Alphabet::Alnum, 36, 36),
    Form(b"ghr_", Alphabet::Alnum, 36, 36),
    Form(b"github_pat_", Alphabet::Url, 60, 100),
    Form(b"glpat-", Alphabet::Url, 20, 64),
    Form(b"hvs.", Alphabet::Url, 24, 128),
    Form(b"xoxb-", Alphabet::Url, 20, 128),
    Form(b"xoxp-", Alphabet::Url, 20, 128),
    Form(b"xoxa-", Alphabet::Url, 20, 128),
    Form(b"xoxs-", Alphabet::Url, 20, 128),
    Form(b"rk_live_", Alphabet::Alnum, 24, 128),
    Form(b"sk_live_", Alphabet::Alnum, 24, 128),
    Form(b"sk-ant-", Alphabet::Url, 32, 128),
    Form(b"sk-proj-", Alphabet::Url, 32, 200),
    Form(b"shpat_", Alphabet::Hex, 32, 32),
    Form(b"npm_", Alphabet::Alnum, 36, 36),
    Form(b"dop_v1_", Alphabet::Hex, 64, 64),
    Form(b"ya29.", Alphabet::Url, 32, 300),
];

impl Alphabet {
    const fn has(self, byte: u8) -> bool {
        match self {
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Hex => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'),
        }
    }
}

fn openings(all: &mut Openings) {
    all.texts(Where::Word, &FORMS.iter().map(|form| form.0).collect::<Vec<_>>());
    all.texts(Where::After(|byte| byte.is_ascii_alphanumeric()), &[b"://"]);
}

fn find(text: Text<'_>, at: usize, floor: usize) -> Option<Range<usize>> {
    if text.at(at) == b':' {
        return password_of_url(text, at, floor);
    }
    let Form(prefix, alphabet, least, most) = text.one_of(at, FORMS, |form| form.0)?;
    let start = at.saturating_add(prefix.len());
    let end = text.run(start, most.saturating_add(1), |byte| alphabet.has(byte));
    let secret = text.slice(start..end);
    let fits = (*least..=*most).contains(&secret.len()) && text.ends_word(end);
    (fits && variety(secret) >= VARIETY_MIN && !secret.ends_with(b"EXAMPLE")).then_some(at..end)
}

/// `scheme://user:password@host`: the part before the host.
fn password_of_url(text: Text<'_>, at: usize, floor: usize) -> Option<Range<usize>> {
    if !text.has(at, b"://") || !text.before(at).is_ascii_alphanumeric() {
        return None;
    }
    let user = at.saturating_add(3);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte);
    let colon = text.run(user, URL_MAX, plain);
    let password = colon.saturating_add(1);
    let end = text.run(password, URL_MAX, plain);
    let has_both =
        text.at(colon) == b':' && colon > user.saturating_sub(1) && end > password && text.at(end) == b'@';
    let secret = text.slice(password..end);
    let is_placeholder = secret.iter().all(|byte| matches!(byte, b'*' | b'x' | b'X' | b'.'));
    let from = text.run_back(at, 16, floor, |byte| byte.is_ascii_alphanumeric() || byte == b'+');
    (has_both && !is_placeholder).then_some(from..end)
}
