//! Escapes of JSON that stand for characters which need none: `\/` (PHP), `\u002B` (.NET), `\u003c` (Go), `\u0034`.
//!
//! They are read as what they mean, so that nothing is hidden by how it is written. Those that JSON needs (`\"`, `\\`, `\n`) stay, and
//! with them where strings end. In texts that are not JSON they are read the same way: whoever shows them may be a script.

use std::borrow::Cow;

/// Some bytes of a text.
struct Unit {
    /// The one byte that they stand for; themselves otherwise.
    means: Option<u8>,
    length: usize,
}

fn unit(bytes: &[u8]) -> Unit {
    let as_written = |length| Unit { means: None, length };
    match bytes {
        [b'\\', b'/', ..] => Unit { means: Some(b'/'), length: 2 },
        [b'\\', b'u', b'0', b'0', high, low, ..] => {
            let digits = [*high, *low];
            let code = std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
            match code.filter(|code| matches!(code, b' '..=b'~') && !matches!(code, b'"' | b'\\')) {
                Some(code) => Unit { means: Some(code), length: 6 },
                None => as_written(2),
            }
        }
        [b'\\', _, ..] => as_written(2),
        _ => as_written(1),
    }
}

/// The text without the escapes that it does not need.
pub fn unescaped(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut plain = Vec::new();
    let (mut copied, mut at) = (0_usize, 0_usize);
    // Most texts have none, and what was quoted twice has one every few bytes: the search stops at each.
    while let Some(next) = bytes.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        at = at.saturating_add(next);
        let unit = unit(bytes.get(at..).unwrap_or_default());
        let end = at.saturating_add(unit.length);
        if let Some(meant) = unit.means {
            plain.extend_from_slice(bytes.get(copied..at).unwrap_or_default());
            plain.push(meant);
            copied = end;
        }
        at = end;
    }
    if copied == 0 {
        return Cow::Borrowed(bytes);
    }
    plain.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    Cow::Owned(plain)
}

/// Makes places in the text without escapes places in the text as it is written.
pub(super) fn locate<'p>(bytes: &[u8], places: impl Iterator<Item = &'p mut usize>) {
    let mut places: Vec<&mut usize> = places.collect();
    places.sort_unstable();
    let (mut plain, mut at) = (0_usize, 0_usize);
    for place in places {
        loop {
            let unit = unit(bytes.get(at..).unwrap_or_default());
            let length = if unit.means.is_some() { 1 } else { unit.length };
            let next = plain.saturating_add(length);
            if next > *place {
                break;
            }
            (plain, at) = (next, at.saturating_add(unit.length));
        }
        // A place within what stays as it is written is as far into it.
        *place = at.saturating_add(place.saturating_sub(plain));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_needs_no_escape_is_read_as_what_it_is() {
        for (written, plain) in [
            (r"postgres:\/\/a", "postgres://a"),
            (r"\u0034\u002B\u003c", "4+<"),
            (r#"\u0022\u005c\u000a\u00e9\n\"\\"#, r#"\u0022\u005c\u000a\u00e9\n\"\\"#),
            (r"\\u0034\\/", r"\\u0034\\/"),
            (r"\u00", r"\u00"),
            (r"\", r"\"),
        ] {
            assert_eq!(unescaped(written.as_bytes()), plain.as_bytes(), "{written}");
        }
    }

    #[test]
    fn places_are_found_again() {
        let written = r"a\/b\n\u0034c";
        assert_eq!(*unescaped(written.as_bytes()), *b"a/b\\n4c");
        let mut places = [1, 2, 4, 5, 6, 7];
        locate(written.as_bytes(), places.iter_mut());
        assert_eq!(places, [1, 3, 5, 6, 12, 13]);
    }

    proptest! {
        #[test]
        fn every_plain_byte_has_its_place(text in r#"(\\/|\\u00[0-9a-f]{2}|\\\\|\\n|\\|"|a|é){0,30}"#) {
            let plain = unescaped(text.as_bytes());
            let mut ends: Vec<usize> = (0..=plain.len()).collect();
            locate(text.as_bytes(), ends.iter_mut());
            prop_assert_eq!(ends.last().copied(), Some(text.len()));
            prop_assert!(ends.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
