//! The search for what should not leave: one pass over the bytes that stops where something could begin, and validators that
//! look a bounded way ahead from there.
//!
//! A detector names the bytes that its finds begin with (or, for an e-mail address, have in their middle): anywhere, or only
//! where a word begins. What is found is passed over, so that nothing is found twice; of two detectors at one place the first one in the
//! table counts. Escapes of JSON (`\n`, `\"`) are taken for what they mean where that decides about the beginning of a word.
//!
//! Time: linear. A validator looks at most as far as the longest thing that it knows, and those that look far are not called
//! again before they end.

use crate::finding::Check;
use std::ops::Range;

/// What a detector is called in the configuration: its check's id without this.
pub const PREFIX: &str = "exposure.";

/// One kind of thing to be found.
#[derive(Debug)]
pub struct Detector {
    /// Its check.
    pub check: Check,
    /// Bytes that a find may begin with where a word begins.
    pub words: &'static [u8],
    /// Bytes at which there may be one anywhere.
    pub anywhere: &'static [u8],
    /// What there is at a place; `floor` is where the last find ended, which nothing reaches behind.
    pub find: fn(text: Text<'_>, at: usize, floor: usize) -> Option<Range<usize>>,
    /// From how many in one response on it is worth a finding.
    pub at_least: u32,
    /// Whether a masked one may keep its last four characters.
    pub shows_end: bool,
}

/// One find: where, and by which detector of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Its place in the bytes.
    pub range: Range<usize>,
    /// The detector's place in the table.
    pub detector: usize,
}

/// Bytes that are looked at from within.
#[derive(Debug, Copy, Clone)]
pub struct Text<'a>(pub &'a [u8]);

impl<'a> Text<'a> {
    /// The byte at a place; zero beyond the end.
    pub fn at(self, place: usize) -> u8 {
        self.0.get(place).copied().unwrap_or_default()
    }

    /// The byte before a place; zero before the beginning.
    pub fn before(self, place: usize) -> u8 {
        place.checked_sub(1).map_or(0, |place| self.at(place))
    }

    /// Whether these bytes stand at a place.
    pub fn has(self, place: usize, bytes: &[u8]) -> bool {
        self.0.get(place..).is_some_and(|rest| rest.starts_with(bytes))
    }

    /// Which of some texts, of two bytes at least, stands at a place: most are told apart by their first two bytes.
    pub fn one_of<'t, T>(self, place: usize, all: &'t [T], text: impl Fn(&'t T) -> &'t [u8]) -> Option<&'t T> {
        let (first, second) = (self.at(place), self.at(place.saturating_add(1)));
        all.iter().find(|one| match text(one) {
            bytes @ [one, two, ..] => *one == first && *two == second && self.has(place, bytes),
            _ => false,
        })
    }

    /// Where the run of such bytes ends that begins at a place, at most so far.
    pub fn run(self, place: usize, most: usize, belongs: impl Fn(u8) -> bool) -> usize {
        let rest = self.0.get(place..).unwrap_or_default();
        let length = rest.iter().take(most).take_while(|byte| belongs(**byte)).count();
        place.saturating_add(length)
    }

    /// Where the run of such bytes begins that ends before a place, at most so far, and not before the floor.
    pub fn run_back(self, place: usize, most: usize, floor: usize, belongs: impl Fn(u8) -> bool) -> usize {
        let rest = self.0.get(floor.min(place)..place).unwrap_or_default();
        let length = rest.iter().rev().take(most).take_while(|byte| belongs(**byte)).count();
        place.saturating_sub(length)
    }

    /// A part of it.
    pub fn slice(self, range: Range<usize>) -> &'a [u8] {
        self.0.get(range).unwrap_or_default()
    }

    /// Whether a word ends before a place.
    pub fn ends_word(self, place: usize) -> bool {
        !is_word(self.at(place))
    }

    /// Whether a word begins at a place.
    pub fn begins_word(self, place: usize) -> bool {
        let before = self.before(place);
        if !is_word(before) {
            return true;
        }
        // The letter of an escape belongs to no word: `"\nword"`.
        let (one, two) = (place.saturating_sub(1), place.saturating_sub(2));
        b"nrtbf".contains(&before) && self.before(one) == b'\\' && self.before(two) != b'\\'
    }

    /// The first place after blanks.
    pub fn blanks(self, place: usize) -> usize {
        self.run(place, 16, |byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
    }

    /// Where the line ends, or the string that it is in, at most so far.
    pub fn line_end(self, place: usize, most: usize) -> usize {
        let last = place.saturating_add(most);
        let mut end = place;
        loop {
            let left = last.saturating_sub(end);
            end = self.run(end, left, |byte| !matches!(byte, b'"' | b'\n' | b'\r' | b'<' | b'\\'));
            // `<init>` is a name, `</pre>` and `<br>` are not.
            let ends = self.at(end) != b'<' || self.has(end, b"</") || self.has(end, b"<br");
            if ends || end >= last {
                break;
            }
            end = end.saturating_add(1);
        }
        // A character is not cut in two.
        self.run(end, 3, |byte| byte & 0xc0 == 0x80)
    }
}

/// What words are made of; a byte beyond ASCII may be a letter.
pub const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// How many different bytes there are: what is made up by hand has few.
pub fn variety(bytes: &[u8]) -> u32 {
    let seen = bytes
        .iter()
        .fold(0_u128, |seen, byte| seen | 1_u128.checked_shl(u32::from(byte & 127)).unwrap_or_default());
    seen.count_ones()
}

/// What some detectors find, in the order of the text. `wanted` tells which of the table.
pub fn scan(bytes: &[u8], table: &[&'static Detector], wanted: impl Fn(usize) -> bool) -> Vec<Match> {
    // Of each byte who wants it where a word begins, and who anywhere.
    let mut starts = [(0_u32, 0_u32); 256];
    for (index, detector) in table.iter().enumerate().filter(|(index, _)| wanted(*index)) {
        let bit = u32::try_from(index).ok().and_then(|index| 1_u32.checked_shl(index)).unwrap_or_default();
        for byte in detector.words {
            starts.get_mut(usize::from(*byte)).into_iter().for_each(|(words, _)| *words |= bit);
        }
        for byte in detector.anywhere {
            starts.get_mut(usize::from(*byte)).into_iter().for_each(|(_, anywhere)| *anywhere |= bit);
        }
    }
    let text = Text(bytes);
    let (mut found, mut floor) = (Vec::new(), 0_usize);
    for (at, byte) in bytes.iter().enumerate() {
        let (word, any) = starts.get(usize::from(*byte)).copied().unwrap_or_default();
        if (word | any) == 0 || at < floor {
            continue;
        }
        let mut candidates = any;
        if word != 0 && text.begins_word(at) {
            candidates |= word;
        }
        while candidates != 0 {
            let index = usize::try_from(candidates.trailing_zeros()).unwrap_or_default();
            candidates &= candidates.saturating_sub(1);
            let Some(detector) = table.get(index) else { break };
            let range = (detector.find)(text, at, floor);
            if let Some(range) = range.filter(|range| range.start >= floor && range.end > range.start) {
                floor = range.end;
                found.push(Match { range, detector: index });
                break;
            }
        }
    }
    found
}
