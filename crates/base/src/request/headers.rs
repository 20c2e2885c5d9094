//! Header fields as the host hands them over: one buffer and a table of places in it.
//!
//! The host's encoding is little-endian `u32` count, then for each field its name's and value's lengths, then the
//! names and values, each followed by a NUL (proxy-wasm ABI 0.2.1, `proxy_get_header_map_pairs`). All header
//! fields in one call cost as much as two single look-ups, and nothing is copied afterwards.
//!
//! Values are bytes: HTTP allows 0x80–0xFF in a field value (RFC 9110 §5.5). Names are lower case, as Envoy keeps
//! them. Bounds: what the buffer holds; `stages::shape` applies the configured limits.

use crate::bytes;
use std::ops::Range;

/// The fields of one header section, in the order received.
#[derive(Debug, Default)]
pub struct Headers {
    buffer: Vec<u8>,
    fields: Vec<Field>,
    /// What is known of all names together ([`Print::mark`]): most of the fields that are looked for are not there.
    marks: u64,
}

/// Where a field lies: its name, a NUL, its value, a NUL.
#[derive(Debug, Clone, Copy)]
struct Field {
    start: usize,
    name_bytes: usize,
    value_bytes: usize,
    print: Print,
}

/// There are several fields where there may be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated;

/// What tells most names apart without a look at them: the length, the first byte and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Print(u32);

impl Print {
    fn of(name: &[u8]) -> Self {
        // The same for a name with underscores in place of hyphens ([`same_field`]).
        let seen = |byte: Option<&u8>| byte.map_or(0, |byte| if *byte == b'_' { b'-' } else { *byte });
        let (first, last) = (seen(name.first()), seen(name.last()));
        // Of a length beyond 255 the last eight bits are as good.
        let [length, ..] = name.len().to_le_bytes();
        Self(u32::from_le_bytes([length, first, last, 0]))
    }

    /// Whether the first byte is this one, which is no hyphen.
    const fn begins_with(self, byte: u8) -> bool {
        let [_, first, ..] = self.0.to_le_bytes();
        first == byte
    }

    /// One of 64 bits, mostly another one for another print.
    const fn mark(self) -> u64 {
        1 << (self.0.wrapping_mul(0x9e37_79b1) >> 26)
    }
}

impl Field {
    const fn value_place(&self) -> Range<usize> {
        let start = self.start.saturating_add(self.name_bytes).saturating_add(1);
        start..start.saturating_add(self.value_bytes)
    }
}

impl Headers {
    /// Reads the host's encoding. `None` if it does not add up: the host is then not what we think it is.
    pub fn from_wire(mut buffer: Vec<u8>) -> Option<Self> {
        let Some((count, rest)) = buffer.split_first_chunk() else {
            return buffer.is_empty().then(Self::default);
        };
        let table_bytes = size(*count)?.checked_mul(8)?;
        let (sizes, _) = rest.get(..table_bytes)?.as_chunks::<4>().0.as_chunks::<2>();
        let mut marks = 0;
        let mut start = table_bytes.checked_add(4)?;
        // Once the end is passed it stays passed, and that is looked at afterwards.
        let fields = sizes.iter().map(|[name, value]| {
            let (name_bytes, value_bytes) =
                (size(*name).unwrap_or(usize::MAX), size(*value).unwrap_or(usize::MAX));
            let name_end = start.saturating_add(name_bytes);
            let print = Print::of(buffer.get(start..name_end).unwrap_or_default());
            marks |= print.mark();
            let field = Field { start, name_bytes, value_bytes, print };
            start = name_end.saturating_add(value_bytes).saturating_add(2);
            field
        });
        let fields = fields.collect();
        if start > buffer.len() {
            return None;
        }
        buffer.truncate(start);
        Some(Self { buffer, fields, marks })
    }

    /// Fields from anywhere else: tests, tools, replays.
    pub fn from_pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut headers = Self::default();
        for (name, value) in pairs {
            let (name, value) = (name.as_ref().to_ascii_lowercase(), value.as_ref());
            let (start, print) = (headers.buffer.len(), Print::of(&name));
            headers.fields.push(Field { start, name_bytes: name.len(), value_bytes: value.len(), print });
            headers.marks |= print.mark();
            headers.buffer.extend([&name, b"\0".as_slice(), value, b"\0"].concat());
        }
        headers
    }

    /// Where the value of the first field of that name lies, for [`Headers::at`]; nowhere if there is none.
    pub fn place(&self, name: &str) -> Range<usize> {
        self.find(name, 0).map(|(_, field)| field.value_place()).unwrap_or_default()
    }

    /// The bytes at a place.
    pub fn at(&self, place: Range<usize>) -> &[u8] {
        self.buffer.get(place).unwrap_or_default()
    }

    /// The value of the only field of that name. With several, the first: use [`Headers::only`] where that matters.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.find(name, 0).map(|(_, field)| self.value(field))
    }

    /// The value of the only field of that name.
    ///
    /// # Errors
    /// [`Repeated`], if there are several.
    pub fn only(&self, name: &str) -> Result<Option<&[u8]>, Repeated> {
        match self.find(name, 0) {
            Some((place, _)) if self.find(name, place.saturating_add(1)).is_some() => Err(Repeated),
            found => Ok(found.map(|(_, field)| self.value(field))),
        }
    }

    /// The values of every field of that name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        let is_named = move |field: &&Field| bytes::are_equal(self.name(field), name.as_bytes());
        self.printed(Print::of(name.as_bytes())).filter(is_named).map(|field| self.value(field))
    }

    /// The fields that a service takes for one of that name which takes an underscore for a hyphen ([`same_field`]).
    #[inline]
    pub fn alike<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + 'a {
        let pairs = self.printed(Print::of(name.as_bytes())).map(|field| (self.name(field), self.value(field)));
        pairs.filter(move |(field, _)| same_field(field, name.as_bytes()))
    }

    /// The name of the first field whose value is not UTF-8.
    pub fn not_utf8(&self) -> Option<&[u8]> {
        if bytes::is_ascii(self.section()) {
            return None;
        }
        self.iter().find(|(_, value)| std::str::from_utf8(value).is_err()).map(|(name, _)| name)
    }

    /// Whether one of some bytes, none of them NUL, is in any name or value.
    pub fn has_one_of<const WANTED: usize>(&self, wanted: [u8; WANTED]) -> bool {
        bytes::has_one_of(self.section(), wanted)
    }

    /// The names of the fields that a service takes for ones that begin so, if it takes an underscore for a hyphen. `start` has a
    /// letter in front.
    pub fn beginning<'a>(&'a self, start: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + 'a {
        let first = start.first().copied();
        let begins = move |name: &&[u8]| name.get(..start.len()).is_some_and(|own| same_field(own, start));
        let fields =
            self.fields.iter().filter(move |field| first.is_none_or(|first| field.print.begins_with(first)));
        fields.map(|field| self.name(field)).filter(begins)
    }

    /// Name and value of every field.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (self.name(field), self.value(field)))
    }

    /// Every value of a cookie (RFC 6265 §5.4), over all `cookie` fields.
    pub fn cookies<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.all("cookie").flat_map(move |line| cookies(line, name))
    }

    /// The first of them.
    pub fn first_cookie<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.all("cookie").find_map(|line| cookies(line, name).next())
    }

    /// How often a cookie's name stands before an equals sign, in any letter case and wherever in a cookie line: some
    /// readers also split at spaces and commas, or fold case. More than the cookies that [`Headers::cookies`] finds means
    /// that somebody else may find another value.
    pub fn cookie_mentions(&self, name: &str) -> usize {
        let ends_with_name = |part: &[u8]| {
            let part = part.trim_ascii_end();
            let (before, last) = part.split_at_checked(part.len().saturating_sub(name.len())).unwrap_or_default();
            let word_begins =
                !before.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
            last.eq_ignore_ascii_case(name.as_bytes()) && word_begins
        };
        let before_equals = |line: &[u8]| {
            let mut parts: Vec<&[u8]> = line.split(|byte| *byte == b'=').collect();
            parts.pop();
            parts.into_iter().filter(|part| ends_with_name(part)).count()
        };
        self.all("cookie").map(before_equals).sum()
    }

    /// How many fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Bytes of all names and values.
    pub fn bytes(&self) -> usize {
        self.section().len().saturating_sub(self.fields.len().saturating_mul(2))
    }

    /// The first field of that name that is not before a place. Called from several places, and once in the module.
    #[inline(never)]
    fn find(&self, name: &str, from: usize) -> Option<(usize, &Field)> {
        let print = Print::of(name.as_bytes());
        if self.marks & print.mark() == 0 {
            return None;
        }
        let mut fields = self.fields.iter().enumerate().skip(from).filter(|(_, field)| field.print == print);
        fields.find(|(_, field)| bytes::are_equal(self.name(field), name.as_bytes()))
    }

    /// The fields whose names have this print.
    #[inline]
    fn printed(&self, print: Print) -> impl Iterator<Item = &Field> {
        let candidates = if self.marks & print.mark() == 0 { &[][..] } else { &self.fields };
        candidates.iter().filter(move |field| field.print == print)
    }

    /// All names and values, with a NUL behind each.
    fn section(&self) -> &[u8] {
        self.fields.first().and_then(|first| self.buffer.get(first.start..)).unwrap_or_default()
    }

    fn name(&self, field: &Field) -> &[u8] {
        self.at(field.start..field.start.saturating_add(field.name_bytes))
    }

    fn value(&self, field: &Field) -> &[u8] {
        self.at(field.value_place())
    }
}

/// Every value of a cookie in one line.
fn cookies<'a>(line: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
    line.split(|byte| *byte == b';').filter_map(move |pair| {
        // Most have another name, which shows at once.
        let pair = Some(pair.trim_ascii()).filter(|pair| pair.starts_with(name.as_bytes()))?;
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (key, value) = pair.split_at_checked(at)?;
        (key.trim_ascii() == name.as_bytes()).then(|| value.get(1..).unwrap_or_default().trim_ascii())
    })
}

/// Whether two names of fields are the same to a service that takes an underscore for a hyphen. `wanted` has hyphens.
pub fn same_field(name: &[u8], wanted: &[u8]) -> bool {
    let same = |(byte, wanted): (&u8, &u8)| byte == wanted || (*byte == b'_' && *wanted == b'-');
    name.len() == wanted.len() && name.iter().zip(wanted).all(same)
}

/// A size as the host writes it.
fn size(bytes: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
        let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
        let mut out = u32::try_from(pairs.len()).unwrap().to_le_bytes().to_vec();
        for (name, value) in pairs {
            out.extend(size(name));
            out.extend(size(value));
        }
        for (name, value) in pairs {
            for part in [name, value] {
                out.extend(part);
                out.push(0);
            }
        }
        out
    }

    #[test]
    fn cookies_are_found_in_every_cookie_field() {
        let headers = Headers::from_pairs([("cookie", "a=1; session=x=y"), ("Cookie", "session=2;b")]);
        assert_eq!(headers.cookies("session").collect::<Vec<_>>(), [b"x=y".as_slice(), b"2"]);
        assert_eq!(headers.cookies("b").count(), 0);
        assert_eq!((headers.first_cookie("session"), headers.first_cookie("b")), (Some(&b"x=y"[..]), None));
    }

    #[test]
    fn every_mention_of_a_cookie_counts() {
        for (line, cookies, mentions) in [
            ("token=a", 1, 1),
            ("a=b; token =x; token=y", 2, 2),
            ("a=b token=x; token=y", 1, 2),
            ("Token=x; token=y", 1, 2),
            ("a=b,token=x", 0, 1),
            ("xtoken=x; my-token=y; tokens=z", 0, 0),
            ("token", 0, 0),
            ("a=token", 0, 0),
        ] {
            let headers = Headers::from_pairs([("cookie", line)]);
            assert_eq!(
                (headers.cookies("token").count(), headers.cookie_mentions("token")),
                (cookies, mentions),
                "{line}"
            );
        }
    }

    #[test]
    fn values_may_be_any_bytes_and_repeat() {
        let headers = Headers::from_pairs([("A", b"\xff".as_slice()), ("a", b"2")]);
        assert_eq!(headers.all("a").collect::<Vec<_>>(), [b"\xff".as_slice(), b"2"]);
        assert_eq!((headers.len(), headers.bytes()), (2, 4));
    }

    proptest! {
        #[test]
        fn the_wire_form_round_trips(pairs in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..9), proptest::collection::vec(any::<u8>(), 0..9)), 0..9)) {
            let headers = Headers::from_wire(encode(&pairs)).unwrap();
            let back: Vec<_> = headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            prop_assert_eq!(back, pairs);
        }

        #[test]
        fn a_field_is_found_whatever_its_name_begins_and_ends_with(pairs in proptest::collection::vec(("[-_a]{0,3}|a{254,258}", any::<u8>()), 0..9), wanted in "[-a]{0,3}|a{254,258}") {
            let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| (name.into_bytes(), vec![value])).collect();
            let headers = Headers::from_wire(encode(&pairs)).unwrap();
            let all: Vec<_> = headers.iter().filter(|(name, _)| *name == wanted.as_bytes()).map(|(_, value)| value).collect();
            let alike: Vec<_> = headers.iter().filter(|(name, _)| same_field(name, wanted.as_bytes())).collect();
            prop_assert_eq!(headers.first(&wanted), all.first().copied());
            prop_assert_eq!(headers.at(headers.place(&wanted)), all.first().copied().unwrap_or_default());
            prop_assert_eq!(headers.only(&wanted), if all.len() > 1 { Err(Repeated) } else { Ok(all.first().copied()) });
            prop_assert_eq!(headers.all(&wanted).collect::<Vec<_>>(), all);
            prop_assert_eq!(headers.alike(&wanted).collect::<Vec<_>>(), alike);
        }

        #[test]
        fn no_buffer_is_read_out_of_bounds(buffer in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(headers) = Headers::from_wire(buffer) {
                prop_assert!(headers.iter().count() == headers.len());
            }
        }
    }
}
