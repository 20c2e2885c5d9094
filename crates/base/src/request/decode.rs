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
pub const BASE64_BYTES_MIN: usize = 16;

/// Bytes that the shortest base64 stands for.
pub const BEGINNING_BYTES: usize = 12;

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
    while decoded.rounds < ROUNDS_MAX && Signs::of(&decoded.text).may_be_encoded() {
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
    base64_if(text, |_| true)
}

/// The same if `is_wanted` says so of the first [`BEGINNING_BYTES`] bytes. Most of what could be base64 by its letters is a name or a
/// number, and that shows at once.
pub fn base64_if(text: &str, is_wanted: impl FnOnce(&[u8]) -> bool) -> Option<Vec<u8>> {
    let text = text.trim();
    let inner = text.trim_end_matches('=').as_bytes();
    if text.len() < BASE64_BYTES_MIN || !inner.iter().all(|byte| sextet(*byte).is_some()) {
        return None;
    }
    if !base64_beginning(inner).is_none_or(|beginning| is_wanted(&beginning)) {
        return None;
    }
    let standard = |byte: &u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    };
    let standard: Vec<u8> = inner.iter().map(standard).collect();
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD_NO_PAD, standard).ok()
}

/// The first bytes of what a text is the base64 of; `None` of a shorter one.
fn base64_beginning(text: &[u8]) -> Option<[u8; BEGINNING_BYTES]> {
    let sextets = text.get(..BASE64_BYTES_MIN)?.iter().map(|byte| sextet(*byte).unwrap_or_default());
    let [_, _, _, _, beginning @ ..] =
        sextets.fold(0_u128, |bits, six| (bits << 6) | u128::from(six)).to_be_bytes();
    Some(beginning)
}

/// What a letter of base64 stands for, in either alphabet (RFC 4648 §4, §5).
const fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte.wrapping_sub(b'A')),
        b'a'..=b'z' => Some(byte.wrapping_sub(b'a').wrapping_add(26)),
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0').wrapping_add(52)),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// Bytes that are text that somebody could read.
pub fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| is_readable(text))
}

/// Whether bytes may be the beginning of such a text.
pub fn may_begin_text(bytes: &[u8]) -> bool {
    let Err(fault) = std::str::from_utf8(bytes) else { return text(bytes).is_some() };
    // A character may be cut.
    fault.error_len().is_none() && bytes.get(..fault.valid_up_to()).and_then(text).is_some()
}

fn is_readable(text: &str) -> bool {
    text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace())
}

/// What a text may be, by the bytes in it: one look at each tells what most texts are not.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Signs {
    seen: u8,
    bytes: usize,
}

impl Signs {
    /// Not a letter, a digit, a hyphen or an underscore.
    const MARK: u8 = 1;
    /// A hyphen or an underscore.
    const JOINT: u8 = 2;
    /// Something that may begin an encoding.
    const ENCODING: u8 = 4;
    /// What cannot stand in base64, nor around it.
    const NO_BASE64: u8 = 8;

    /// What each byte is a sign of.
    const OF: [u8; 256] = {
        let mut signs = [0_u8; 256];
        let (mut rest, mut byte) = (signs.as_mut_slice(), 0_u8);
        while let Some((first, tail)) = rest.split_first_mut() {
            *first = Self::of_byte(byte);
            byte = byte.wrapping_add(1);
            rest = tail;
        }
        signs
    };

    const fn of_byte(byte: u8) -> u8 {
        let marks = match byte {
            b'-' | b'_' => Self::JOINT,
            _ if byte.is_ascii_alphanumeric() => 0,
            _ => Self::MARK,
        };
        let encoding = matches!(byte, b'%' | b'&' | b'\\' | 0 | 0xe2 | 0xef | 0xc2);
        // Spaces around it are none of it, ASCII or not.
        let around = matches!(byte, b'=' | b'\t'..=b'\r' | b' ' | 0x80..);
        let no_base64 = sextet(byte).is_none() && !around;
        marks | if encoding { Self::ENCODING } else { 0 } | if no_base64 { Self::NO_BASE64 } else { 0 }
    }

    /// Those of a text.
    pub fn of(text: &str) -> Self {
        Self::of_bytes(text.as_bytes())
    }

    /// Those of bytes that may be a text.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let sign = |byte: u8| Self::OF.get(usize::from(byte)).copied().unwrap_or_default();
        Self { seen: bytes.iter().fold(0, |seen, byte| seen | sign(*byte)), bytes: bytes.len() }
    }

    /// Whether [`decode`] may find something.
    pub const fn may_be_encoded(self) -> bool {
        self.seen & Self::ENCODING != 0
    }

    /// Whether [`base64`] may.
    pub const fn may_be_base64(self) -> bool {
        self.seen & Self::NO_BASE64 == 0 && self.bytes >= BASE64_BYTES_MIN
    }

    /// Whether the text, which these are of, is words and numbers without anything between them that means something.
    pub fn is_plain(self, text: &[u8]) -> bool {
        let has_mark = || text.windows(2).any(|pair| pair == b"--" || pair == b"__");
        self.is_word() || (self.is_name() && !has_mark())
    }

    /// Whether there are letters, digits, hyphens and underscores alone.
    pub const fn is_name(self) -> bool {
        self.seen & Self::MARK == 0
    }

    /// Whether there are letters and digits alone.
    pub const fn is_word(self) -> bool {
        self.seen & (Self::MARK | Self::JOINT) == 0
    }
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
        fn what_begins_no_text_is_none(bytes in proptest::collection::vec(any::<u8>(), 0..24), all in "\\PC{0,16}") {
            for bytes in [&bytes[..], all.as_bytes()] {
                let beginning = &bytes[..bytes.len().min(BEGINNING_BYTES)];
                prop_assert!(may_begin_text(beginning) || text(bytes).is_none());
            }
        }

        #[test]
        fn what_has_no_sign_of_base64_is_none(text in "[ \t\u{a0}]{0,2}([A-Za-z0-9+/_-]{0,40}|[A-Za-z0-9+/ \\PC]{16,20})={0,3}[ \n]{0,2}") {
            let mut beginning = None;
            let bytes = base64_if(&text, |first| { beginning = Some(first.to_vec()); true });
            prop_assert!(Signs::of(&text).may_be_base64() || bytes.is_none());
            if let (Some(bytes), Some(beginning)) = (bytes, beginning) {
                prop_assert!(bytes.starts_with(&beginning));
            }
        }

        #[test]
        fn no_text_panics_or_grows(text in "(%|u|&|#|x|;|lt|\\\\|[0-9a-f]{1,4}|\\{|\\}|é|\\PC){0,60}") {
            prop_assert!(decode(&text).text.len() <= text.len());
            let _ = base64(&text);
        }
    }
}
