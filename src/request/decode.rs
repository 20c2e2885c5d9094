//! What a text becomes once the encodings that an application might undo are undone.
//!
//! A value that was taken out of a query, a form or a JSON document has been decoded once, as its format says. What is still
//! encoded then was encoded twice, and somebody behind may undo that too: percent-encoding (RFC 3986 §2.1, `%u0041`, and
//! UTF-8 that is longer than it need be), HTML character references (HTML §13.5), escapes of JavaScript and JSON
//! (`\u0041`, `\x41`, `\101`), full-width forms, and characters without width. Base64 (RFC 4648) is read where its content is
//! text.
//!
//! Linear: at most [`ROUNDS_MAX`] rounds over a text that never grows. A text without any of it is not copied.
//! Not covered: compression, encryption, `rot13`, and encodings of the application's own.

use std::borrow::Cow;

/// How often what comes out is decoded again.
pub const ROUNDS_MAX: u8 = 3;

/// Shortest text that may be base64: shorter ones look like words.
const BASE64_BYTES_MIN: usize = 16;

/// A text in its last form.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// What is left when nothing is encoded any more, or the rounds are over.
    pub text: Cow<'a, str>,
    /// How many rounds changed it.
    pub rounds: u8,
}

/// Undoes what is still encoded in a text.
pub fn decode(text: &str) -> Decoded<'_> {
    let mut decoded = Decoded { text: Cow::Borrowed(text), rounds: 0 };
    while decoded.rounds < ROUNDS_MAX && may_be_encoded(&decoded.text) {
        let next = round(decoded.text.as_bytes());
        if next == *decoded.text {
            break;
        }
        decoded = Decoded { text: Cow::Owned(next), rounds: decoded.rounds.saturating_add(1) };
    }
    decoded
}

/// What a text is the base64 of, if it can be.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let inner = text.trim_end_matches('=');
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
    if text.len() < BASE64_BYTES_MIN || !inner.bytes().all(fits) {
        return None;
    }
    let standard: String = inner
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD_NO_PAD, standard).ok()
}

/// Bytes that are text that somebody could read.
pub fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace()).then_some(text)
}

fn may_be_encoded(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'%' | b'&' | b'\\' | 0 | 0xe2 | 0xef | 0xc2))
}

fn round(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let escape = match first {
            b'%' => percent(tail),
            b'&' => reference(tail),
            b'\\' => escaped(tail),
            _ => None,
        };
        match escape {
            Some((character, used)) => {
                push(&mut out, character);
                rest = tail.get(used..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    plain(&String::from_utf8_lossy(&shortest(&out)))
}

/// What stands for what: a byte of an encoding, or a whole character.
enum Decoding {
    Byte(u8),
    Character(char),
}

fn push(out: &mut Vec<u8>, decoding: Decoding) {
    match decoding {
        Decoding::Byte(byte) => out.push(byte),
        Decoding::Character(character) => out.extend(character.encode_utf8(&mut [0; 4]).bytes()),
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok().filter(|_| !digits.starts_with(b"+"))
}

fn character(code: u32) -> Option<Decoding> {
    char::from_u32(code).map(Decoding::Character)
}

/// `41` or `u0041`, after a percent sign.
fn percent(tail: &[u8]) -> Option<(Decoding, usize)> {
    if let [b'u' | b'U', digits @ ..] = tail {
        return Some((character(number(digits.get(..4)?, 16)?)?, 5));
    }
    let byte = u8::try_from(number(tail.get(..2)?, 16)?).ok()?;
    Some((Decoding::Byte(byte), 2))
}

/// `#65;`, `#x41;` (the semicolon may be missing) or a name, after an ampersand.
fn reference(tail: &[u8]) -> Option<(Decoding, usize)> {
    let (digits, radix, before) = match tail {
        [b'#', b'x' | b'X', digits @ ..] => (digits, 16, 2_usize),
        [b'#', digits @ ..] => (digits, 10, 1),
        _ => return named(tail),
    };
    let belongs = |byte: &&u8| byte.is_ascii_digit() || (radix == 16 && byte.is_ascii_hexdigit());
    let length = digits.iter().take(9).take_while(belongs).count();
    let code = number(digits.get(..length)?, radix)?;
    let semicolon = usize::from(digits.get(length) == Some(&b';'));
    Some((character(code)?, before.saturating_add(length).saturating_add(semicolon)))
}

/// The names that matter: those of characters that mean something to somebody.
fn named(tail: &[u8]) -> Option<(Decoding, usize)> {
    const NAMES: &[(&[u8], char)] = &[
        (b"lt;", '<'),
        (b"gt;", '>'),
        (b"amp;", '&'),
        (b"quot;", '"'),
        (b"apos;", '\''),
        (b"colon;", ':'),
        (b"lpar;", '('),
        (b"rpar;", ')'),
        (b"sol;", '/'),
        (b"bsol;", '\\'),
        (b"period;", '.'),
        (b"equals;", '='),
        (b"grave;", '`'),
        (b"tab;", '\t'),
        (b"newline;", '\n'),
        (b"nbsp;", ' '),
    ];
    let fits = |name: &[u8]| tail.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    NAMES
        .iter()
        .find(|(name, _)| fits(name))
        .map(|(name, character)| (Decoding::Character(*character), name.len()))
}

/// `u0041`, `u{41}`, `x41` or `101`, after a backslash.
fn escaped(tail: &[u8]) -> Option<(Decoding, usize)> {
    match tail {
        [b'u', b'{', digits @ ..] => {
            let length = digits.iter().take(6).take_while(|byte| byte.is_ascii_hexdigit()).count();
            let closed = digits.get(length) == Some(&b'}');
            let code = number(digits.get(..length)?, 16).filter(|_| closed)?;
            Some((character(code)?, length.saturating_add(3)))
        }
        [b'u', digits @ ..] => Some((character(number(digits.get(..4)?, 16)?)?, 5)),
        [b'x', digits @ ..] => Some((character(number(digits.get(..2)?, 16)?)?, 3)),
        [b'0'..=b'1', ..] => {
            let digits = tail.get(..3).filter(|digits| digits.iter().all(|byte| (b'0'..=b'7').contains(byte)))?;
            Some((character(number(digits, 8)?)?, 3))
        }
        _ => None,
    }
}

/// UTF-8 in its shortest form: `c0 af` is a slash to decoders that do not mind (RFC 3629 §10), and so is `c0 2f`. What begins
/// another character stays with it.
fn shortest(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.iter().any(|byte| matches!(byte, 0xc0 | 0xc1 | 0xe0 | 0xf0)) {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        let (byte, used) = match rest {
            [lead @ (0xc0 | 0xc1), last @ ..0xc0, ..] => (((lead & 1) << 6) | (last & 0x3f), 2),
            [0xe0, middle @ (0x80 | 0x81), last @ ..0xc0, ..] => (((middle & 1) << 6) | (last & 0x3f), 3),
            [0xf0, 0x80, middle @ (0x80 | 0x81), last @ ..0xc0, ..] => (((middle & 1) << 6) | (last & 0x3f), 4),
            _ => (*first, 1),
        };
        out.push(byte);
        rest = tail.get(used_after_first(used)..).unwrap_or_default();
    }
    Cow::Owned(out)
}

const fn used_after_first(used: usize) -> usize {
    used.saturating_sub(1)
}

/// Full-width forms as ASCII; without what has no width, and without NUL.
fn plain(text: &str) -> String {
    let plain = |character: char| match character {
        '\0' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => None,
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character).saturating_sub(0xfee0)),
        '\u{a0}' => Some(' '),
        '\u{2018}' | '\u{2019}' | '\u{2032}' => Some('\''),
        other => Some(other),
    };
    text.chars().filter_map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn encodings_are_undone_until_nothing_is_encoded() {
        for (text, last, rounds) in [
            ("plain", "plain", 0),
            ("100% sure & happy", "100% sure & happy", 0),
            ("%3Cb%3E", "<b>", 1),
            ("%253Cb%253E", "<b>", 2),
            ("%25253Cb", "<b", 3),
            ("%2525253Cb", "%3Cb", 3),
            ("%u003Cb", "<b", 1),
            ("%c0é", "\u{fffd}é", 1),
            ("%c0%af%e0%80%af", "//", 1),
            ("&lt;b&#62;&#x3c;&#60", "<b><<", 1),
            (r"\u003cb\x3e\u{3c}\074", "<b><<", 1),
            ("＜b＞", "<b>", 1),
            ("se\u{200b}lect\0", "select", 1),
            (r"C:\users\x", r"C:\users\x", 0),
        ] {
            let decoded = decode(text);
            assert_eq!((decoded.text.as_ref(), decoded.rounds), (last, rounds), "{text}");
        }
    }

    #[test]
    fn base64_is_read_where_it_is_text() {
        let text_of = |encoded: &str| base64(encoded).and_then(|bytes| text(&bytes).map(str::to_owned));
        assert_eq!(text_of("PHNjcmlwdD5hPC9zY3JpcHQ+").as_deref(), Some("<script>a</script>"));
        assert_eq!(text_of("Ia2htS0uMWYJ1naXQQ"), None, "not text");
        assert_eq!(text_of("short"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics_or_grows(text in "(%|u|&|#|x|;|lt|\\\\|[0-9a-f]{1,4}|\\{|\\}|é|\\PC){0,60}") {
            prop_assert!(decode(&text).text.len() <= text.len());
            let _ = base64(&text);
        }
    }
}
