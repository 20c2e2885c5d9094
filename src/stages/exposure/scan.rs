//! The search for what should not leave: one pass over the bytes that stops where something could begin, and validators that
//! look a bounded way ahead from there.
//!
//! A detector names what its finds begin with, or, for an e-mail address, have in their middle ([`openings`]). What is found is passed over by the detectors that yield to the one that found it ([`yields`]), so that one
//! thing is not told under two names; the others look into it, so that a line that is only flagged hides no card that is to be
//! masked. Escapes of JSON are read as what they mean ([`escapes`]).
//!
//! Time: linear. A validator looks at most as far as the longest thing that it knows, and what it has found it passes over itself.

mod escapes;
mod openings;

pub use self::escapes::unescaped;
pub use self::openings::{Openings, Set, Where};

use crate::finding::Check;
use std::ops::Range;

/// What a detector is called in the configuration: its check's id without this.
pub const PREFIX: &str = "exposure.";

/// One kind of thing to be found.
#[derive(Debug)]
pub struct Detector {
    /// Its check.
    pub check: Check,
    /// Adds what a find may begin with.
    pub openings: fn(&mut Openings),
    /// What there is at a place; `floor` is where the last find ended that it yields to, which nothing reaches behind.
    pub find: fn(text: Text<'_>, at: usize, floor: usize) -> Option<Range<usize>>,
    /// From how many in one response on it is worth a finding.
    pub at_least: u32,
    /// Whether a masked one may keep its last four characters.
    pub shows_end: bool,
    /// Whether a find is a whole line, whatever is in it.
    pub takes_lines: bool,
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
        match self.before(place) {
            // The last byte of a character, which is told by its first one.
            0x80..=0xbf => {
                let first = self.run_back(place, 3, 0, |byte| matches!(byte, 0x80..=0xbf));
                self.before(first) < 0x80 || !is_word(self.before(first))
            }
            before => !is_word(before) || self.ends_escape(place, before),
        }
    }

    /// Whether an escape ends before a place that stands for nothing of a word: `\n`, `\u000a`, `\u5361`.
    fn ends_escape(self, place: usize, last: u8) -> bool {
        let begins = |length: usize| {
            let start = place.saturating_sub(length);
            place >= length && self.at(start) == b'\\' && self.before(start) != b'\\'
        };
        if b"nrtbf".contains(&last) && begins(2) {
            return true;
        }
        let digits = place.saturating_sub(4);
        if !begins(6) || self.before(digits) != b'u' {
            return false;
        }
        let code = std::str::from_utf8(self.slice(digits..place)).ok();
        let letter = code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
        let mut bytes = [0; 4];
        letter.is_none_or(|letter| !letter.encode_utf8(&mut bytes).bytes().next().is_some_and(is_word))
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
            let next = self.at(end.saturating_add(1));
            let (ends, length) = match self.at(end) {
                // `<init>` is a name, `</pre>` and `<br>` are not.
                b'<' => (self.has(end, b"</") || self.has(end, b"<br"), 1),
                b'"' => (self.closes_string(end), 1),
                b'\\' => (matches!(next, b'n' | b'r'), 2),
                _ => (true, 0),
            };
            if ends || end >= last {
                return end.min(self.0.len());
            }
            end = end.saturating_add(length);
        }
    }

    /// Where a line really ends of which the beginning is known.
    pub fn whole_line(self, place: usize) -> usize {
        self.line_end(place, usize::MAX)
    }

    /// Whether what follows a quote is what follows a string in JSON, or the value of an attribute in HTML.
    fn closes_string(self, quote: usize) -> bool {
        let next = self.blanks(quote.saturating_add(1));
        let after = self.blanks(next.saturating_add(1));
        match self.at(next) {
            b'}' | b']' | b':' | b'>' | 0 => true,
            b',' => {
                let begins = matches!(self.at(after), b'"' | b'{' | b'[' | b'-' | b'0'..=b'9' | 0);
                begins || [&b"true"[..], b"false", b"null"].into_iter().any(|word| self.has(after, word))
            }
            _ => false,
        }
    }
}

/// Whether a character that begins with this byte is one of those that words are made of: in UTF-8 the letters up to U+07FF are (Latin,
/// Greek, Cyrillic, Arabic); signs are not, nor are the scripts that have no blanks between their words and what stands beside them.
pub const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || matches!(byte, 0xc3..=0xdf)
}

/// How many different bytes there are: what is made up by hand has few.
pub fn variety(bytes: &[u8]) -> u32 {
    let seen = bytes
        .iter()
        .fold(0_u128, |seen, byte| seen | 1_u128.checked_shl(u32::from(byte & 127)).unwrap_or_default());
    seen.count_ones()
}

/// What is asked of a detector.
#[derive(Debug, Copy, Clone)]
pub struct Asked<R> {
    /// How much is done about what it finds.
    pub rank: R,
    /// From how many on it is done.
    pub at_least: u32,
}

/// Whether a detector passes over what another one has found.
///
/// None yields to one about whose finds less is done. Whole lines and what is in them are told apart. What only counts in bulk hides
/// nothing, since it may turn out to be too few.
fn yields<R: Ord>((own, asked): (&Detector, Asked<R>), (other, others): (&Detector, Asked<R>)) -> bool {
    let is_same = own.check == other.check;
    let may_hide = own.takes_lines == other.takes_lines && (others.at_least <= 1 || asked.at_least > 1);
    is_same || (may_hide && asked.rank <= others.rank)
}

/// Detectors, and where they look.
#[derive(Debug)]
pub struct Table {
    detectors: &'static [&'static Detector],
    openings: Openings,
}

impl Table {
    /// Of 32 detectors at most.
    pub fn new(detectors: &'static [&'static Detector]) -> Self {
        Self { detectors, openings: Openings::of(detectors) }
    }

    fn workers<R>(&self, ask: impl Fn(usize) -> Option<Asked<R>>) -> Vec<Worker<R>> {
        let worker = |place| Worker { asked: ask(place), yielding: None, floor: 0 };
        (0..self.detectors.len()).map(worker).collect()
    }

    /// Who yields to a detector: bits of places in the table. Most texts have nothing in them, so it is told when that has found something.
    fn yielding<R: Ord + Copy>(&self, workers: &[Worker<R>], winner: usize) -> u32 {
        let asked = |place: usize| Some((*self.detectors.get(place)?, workers.get(place)?.asked?));
        let Some(winner) = asked(winner) else { return 0 };
        bits((0..workers.len()).filter(|place| asked(*place).is_some_and(|own| yields(own, winner))))
    }

    /// Lets some detectors, bits of places in the table, look at one place of a text. Not a part of the loop over all of them, whose
    /// registers it would take.
    #[inline(never)]
    fn look<R: Ord + Copy>(
        &self,
        text: Text<'_>,
        at: usize,
        who: u32,
        workers: &mut [Worker<R>],
        found: &mut Vec<Match>,
    ) {
        for index in places(who) {
            let Some(worker) = workers.get(index).copied().filter(|worker| at >= worker.floor) else { continue };
            let range = self.detectors.get(index).and_then(|detector| (detector.find)(text, at, worker.floor));
            let Some(range) = range.filter(|range| range.start >= worker.floor && range.end > range.start) else {
                continue;
            };
            let yielding = worker.yielding.unwrap_or_else(|| self.yielding(workers, index));
            workers.get_mut(index).into_iter().for_each(|worker| worker.yielding = Some(yielding));
            for other in places(yielding) {
                workers.get_mut(other).into_iter().for_each(|other| other.floor = other.floor.max(range.end));
            }
            found.push(Match { range, detector: index });
        }
    }
}

/// One detector at work.
#[derive(Debug, Copy, Clone)]
struct Worker<R> {
    /// What is asked of it, if it is asked.
    asked: Option<Asked<R>>,
    /// Who yields to it, once that is known.
    yielding: Option<u32>,
    /// Where the last find ended that it yields to.
    floor: usize,
}

/// What some detectors find, in the order of the text. `ask` tells which of the table are asked, and for what.
pub fn scan<R: Ord + Copy>(bytes: &[u8], table: &Table, ask: impl Fn(usize) -> Option<Asked<R>>) -> Vec<Match> {
    let wanted = table.openings.those(|place| ask(place).is_some());
    let mut workers = table.workers(ask);
    let plain = unescaped(bytes);
    let (text, mut found) = (Text(&plain), Vec::new());
    table.openings.each(text, wanted, &mut |at, who| table.look(text, at, who, &mut workers, &mut found));
    if plain.len() != bytes.len() {
        escapes::locate(bytes, found.iter_mut().flat_map(|found| [&mut found.range.start, &mut found.range.end]));
    }
    found
}

fn bits(places: impl Iterator<Item = usize>) -> u32 {
    let bit = |place: usize| u32::try_from(place).ok().and_then(|place| 1_u32.checked_shl(place));
    places.filter_map(bit).fold(0, |bits, bit| bits | bit)
}

/// The places of the bits that are set.
fn places(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = (bits != 0).then(|| bits.trailing_zeros())?;
        bits &= bits.saturating_sub(1);
        usize::try_from(place).ok()
    })
}

#[cfg(test)]
mod tests;
