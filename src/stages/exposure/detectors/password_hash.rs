//! Hashes of passwords, by the forms that their functions write (modular crypt format, PHC strings, LDAP's schemes, Django), and
//! plain digests under a name of passwords.

use super::check;
use super::session_token::text_of_member;
use crate::stages::exposure::scan::{Detector, Openings, Text, Where};
use std::ops::Range;

/// Longest hash.
const HASH_MAX: usize = 256;

/// The detector.
pub static DETECTOR: Detector = Detector {
    check: check("exposure.password_hash", "password_hash_exposed", 0.3, "The response has a password's hash."),
    openings,
    find,
    at_least: 1,
    shows_end: false,
    takes_lines: false,
};

/// How a hash begins, and how many characters follow at least.
const FORMS: &[(&[u8], usize)] = &[
    (b"$2a$", 56),
    (b"$2b$", 56),
    (b"$2y$", 56),
    (b"$argon2id$v=", 40),
    (b"$argon2i$v=", 40),
    (b"$argon2d$v=", 40),
    (b"$scrypt$", 40),
    (b"$pbkdf2-sha256$", 40),
    (b"$pbkdf2-sha512$", 60),
    (b"$6$", 88),
    (b"$5$", 45),
    (b"$1$", 24),
    (b"{SSHA}", 32),
    (b"{SSHA256}", 48),
    (b"{SSHA512}", 90),
    (b"pbkdf2_sha256$", 50),
    (b"pbkdf2_sha1$", 36),
];

/// Names of members that have a digest, without underscores.
const NAMES: &[&[u8]] = &[
    b"passwordhash",
    b"passwordhashed",
    b"passwordmd",
    b"passwordsha",
    b"passwordsha256",
    b"pwdhash",
    b"passwdhash",
    b"password",
];

fn openings(all: &mut Openings) {
    let (words, signs): (Vec<&[u8]>, Vec<&[u8]>) =
        FORMS.iter().map(|form| form.0).partition(|text| text.first().is_some_and(u8::is_ascii_alphabetic));
    all.texts(Where::Word, &words);
    all.texts(Where::After(|_| true), &signs);
    all.names(NAMES);
}

fn find(text: Text<'_>, at: usize, _floor: usize) -> Option<Range<usize>> {
    let Some((prefix, least)) = text.one_of(at, FORMS, |(prefix, _)| prefix) else {
        return digest(text, at);
    };
    let start = at.saturating_add(prefix.len());
    let end = text.run(start, HASH_MAX, |byte| byte.is_ascii_alphanumeric() || b"./+=,$-_".contains(&byte));
    let follows = end.saturating_sub(start);
    let is_bcrypt = prefix.starts_with(b"$2");
    let is_long = follows >= *least
        && (!is_bcrypt || (text.at(start).is_ascii_digit() && text.at(start.saturating_add(2)) == b'$'));
    is_long.then_some(at..end)
}

/// `"password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"`.
fn digest(text: Text<'_>, at: usize) -> Option<Range<usize>> {
    if text.before(at) != b'"' {
        return None;
    }
    let end = text.run(at, 24, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let from = text_of_member(text, at..end, NAMES)?;
    let end = text.run(from, HASH_MAX, |byte| byte.is_ascii_hexdigit());
    let is_digest = matches!(end.saturating_sub(from), 32 | 40 | 56 | 64 | 96 | 128);
    (text.at(end) == b'"' && is_digest).then_some(from..end)
}
