//! How finds begin: the byte before them and their first four, each of a set. Where one of the five is not of its set, nothing begins.
//!
//! Every opening has a bit, and every byte a row: of which openings it may be the byte before, the first, and so on. The conjunction of
//! five rows tells for all openings at once which fit, at two nanoseconds a byte and less; what is in no opening costs nothing more. An
//! opening only says where a detector looks: it may be wider than what is found, and never narrower.
//!
//! An escape may end before a word (`\n4111…`), and its last byte is a letter: around backslashes a word may begin anywhere.

use super::{is_word, Detector, Text};

/// Bytes of an opening after the one before it.
const LENGTH: usize = 4;

/// Texts that share a bit. More of them fit more that is none of them.
const TEXTS_MAX: usize = 4;

/// How many bytes are looked through for backslashes at a time; longer than any escape.
const BLOCK: usize = 128;

/// Which bytes may stand somewhere.
pub type Set = fn(u8) -> bool;

/// Where a find may begin.
#[derive(Debug, Copy, Clone)]
pub enum Where {
    /// Where a word begins.
    Word,
    /// After one of these bytes; zero stands for the beginning of the text.
    After(Set),
}

/// The openings of some detectors.
#[derive(Debug)]
pub struct Openings {
    /// For each byte the openings of which it may be the one before, the first, the second, the third and the fourth.
    rows: Box<[[u64; LENGTH + 1]; 256]>,
    /// The detector of each opening.
    owners: Vec<usize>,
    /// Those that are at the beginning of words.
    words: u64,
    /// Whose are added.
    owner: usize,
}

impl Openings {
    /// Those of a table of detectors.
    pub(super) fn of(table: &[&'static Detector]) -> Self {
        let mut all = Self { rows: Box::new([[0; LENGTH + 1]; 256]), owners: Vec::new(), words: 0, owner: 0 };
        for (owner, detector) in table.iter().enumerate() {
            all.owner = owner;
            (detector.openings)(&mut all);
        }
        all
    }

    /// Adds one of four sets.
    pub fn sets(&mut self, place: Where, sets: [Set; LENGTH]) {
        self.add(place, &|index, byte| sets.get(index).is_some_and(|set| set(byte)));
    }

    /// Adds those of some texts. Neighbours share a bit, and should begin alike.
    pub fn texts(&mut self, place: Where, texts: &[&[u8]]) {
        for some in texts.chunks(TEXTS_MAX) {
            self.add(place, &|index, byte| some.iter().any(|text| text.get(index).is_none_or(|own| *own == byte)));
        }
    }

    /// Adds those of members with one of these names, in lower case without separators: whatever case and separators follow the first letter.
    pub fn names(&mut self, names: &[&[u8]]) {
        for some in names.chunks(TEXTS_MAX) {
            self.add(Where::After(|byte| byte == b'"'), &|index, byte| {
                let follows =
                    |name: &&[u8]| name.get(1..=index).is_some_and(|own| own.contains(&byte.to_ascii_lowercase()));
                match index {
                    0 => some.iter().any(|name| name.first() == Some(&byte)),
                    _ => matches!(byte, b'_' | b'-') || some.iter().any(follows),
                }
            });
        }
    }

    #[cold]
    #[inline(never)]
    fn add(&mut self, place: Where, fits: &dyn Fn(usize, u8) -> bool) {
        let bit =
            u32::try_from(self.owners.len()).ok().and_then(|index| 1_u64.checked_shl(index)).unwrap_or_default();
        let comes_before = |byte: u8| match place {
            Where::Word => !is_word(byte),
            Where::After(set) => set(byte),
        };
        for (byte, row) in (0..=u8::MAX).zip(&mut *self.rows) {
            let [before, own @ ..] = row;
            *before |= if comes_before(byte) { bit } else { 0 };
            for (index, place) in own.iter_mut().enumerate() {
                *place |= if fits(index, byte) { bit } else { 0 };
            }
        }
        self.words |= if matches!(place, Where::Word) { bit } else { 0 };
        self.owners.push(self.owner);
    }

    /// How many there are: 64 at most, since each has a bit.
    #[cfg(test)]
    pub(super) const fn count(&self) -> usize {
        self.owners.len()
    }

    /// The openings of those detectors.
    pub(super) fn those(&self, is_asked: impl Fn(usize) -> bool) -> u64 {
        let bits = (0_u32..).zip(&self.owners).filter(|(_, owner)| is_asked(**owner));
        bits.fold(0, |all, (index, _)| all | 1_u64.checked_shl(index).unwrap_or_default())
    }

    /// Calls `look` wherever some of the wanted openings fit, in the order of the text, with the detectors whose they are, as bits.
    #[inline(never)]
    pub(super) fn each(&self, text: Text<'_>, wanted: u64, look: &mut dyn FnMut(usize, u32)) {
        // One look through the box, not one for each byte.
        let rows = &*self.rows;
        let row = |byte: u8| rows.get(usize::from(byte)).copied().unwrap_or_default();
        let [mut before, ..] = row(0);
        let (mut first, mut second, mut third) = (0, 0, 0);
        let mut had_escape = false;
        let mut start = 0_usize;
        // A call among the loop over all bytes would have the registers saved for each.
        let mut hits = [(0, 0); BLOCK];
        // Zeros let what begins with the last bytes be told.
        let blocks = text.0.chunks(BLOCK).chain([&[0; LENGTH - 1][..]]);
        for block in blocks {
            let has_escape = has(block, b'\\');
            let escaped = if has_escape || had_escape { self.words } else { 0 };
            let mut count = 0_usize;
            for (place, byte) in block.iter().enumerate() {
                let [is_before, is_first, is_second, is_third, is_fourth] = row(*byte);
                let fitting = third & is_fourth & wanted;
                (third, second, first) = (second & is_third, first & is_second, before & is_first);
                before = is_before | escaped;
                if let Some(hit) = hits.get_mut(count).filter(|_| fitting != 0) {
                    *hit = (place, fitting);
                    count = count.saturating_add(1);
                }
            }
            for (place, fitting) in hits.iter().take(count) {
                let at = start.saturating_add(*place).saturating_sub(LENGTH - 1);
                look(at, self.owners(*fitting, text, at));
            }
            (had_escape, start) = (has_escape, start.saturating_add(block.len()));
        }
    }

    /// The detectors of openings that fit at a place, as bits.
    #[inline(never)]
    fn owners(&self, fitting: u64, text: Text<'_>, at: usize) -> u32 {
        let is_word = (fitting & self.words) != 0 && text.begins_word(at);
        let mut fitting = if is_word { fitting } else { fitting & !self.words };
        let mut owners = 0;
        while fitting != 0 {
            let owner = usize::try_from(fitting.trailing_zeros()).ok().and_then(|index| self.owners.get(index));
            let bit =
                owner.and_then(|owner| u32::try_from(*owner).ok()).and_then(|owner| 1_u32.checked_shl(owner));
            owners |= bit.unwrap_or_default();
            fitting &= fitting.saturating_sub(1);
        }
        owners
    }
}

/// Whether there is such a byte: all of them are looked at, sixteen at a time.
fn has(bytes: &[u8], wanted: u8) -> bool {
    bytes.iter().fold(false, |has, byte| has | (*byte == wanted))
}
