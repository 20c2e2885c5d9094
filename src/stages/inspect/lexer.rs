//! What stands in a text, as any of the languages that a service may run would take it apart.
//!
//! SQL, shells, HTML, JavaScript, templates and file systems have much in common: words, numbers, quotes, operators and
//! comments. One pass makes a sequence of [`Symbol`]s of a text: punctuation stands for itself, operators of several
//! characters are one symbol, a word of the [`Vocabulary`] is its class, and every other word, number or identifier is only
//! that. So a rule sees the shape of a text and not the text, and no change of names, spacing or case gets past it.
//!
//! Linear in the text: each byte is looked at a bounded number of times. Bounds: [`SYMBOLS_MAX`] symbols; what follows is not
//! looked at. Not covered: encodings, which are undone before ([`crate::request::decode`]).

use ahash::{AHashMap, RandomState};

/// Most symbols of one text: as many as the longest value has bytes ([`crate::request::values::VALUE_BYTES_MAX`]), so that no
/// value is cut.
pub const SYMBOLS_MAX: usize = 16 * 1024;

/// Longest word that is looked up.
const WORD_BYTES_MAX: usize = 32;

/// From here on a mixture of letters and digits is an identifier, not a word with a number.
const IDENTIFIER_BYTES_MIN: usize = 7;

/// Longest comment that is skipped as white space.
const COMMENT_BYTES_MAX: usize = 128;

/// One thing that stands in a text. ASCII punctuation is its own byte; see [`Symbol::name`] for the rest.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub u8);

impl Symbol {
    /// Before the first and after the last.
    pub const EDGE: Self = Self(0);
    /// A word of no class.
    pub const WORD: Self = Self(1);
    /// A decimal number.
    pub const NUMBER: Self = Self(2);
    /// A number in hexadecimal, with its `0x`.
    pub const HEX: Self = Self(3);
    /// A word of other than ASCII letters.
    pub const FOREIGN: Self = Self(4);
    /// Letters and digits mixed.
    pub const IDENTIFIER: Self = Self(5);
    /// A control character other than white space.
    pub const CONTROL: Self = Self(6);
    /// The end of a line.
    pub const NEWLINE: Self = Self(7);
    /// `/* … */`.
    pub const COMMENT: Self = Self(8);
    /// The first of the classes of words.
    const CLASSES: u8 = 128;

    /// Whether it is a word, of a class or of none.
    pub const fn is_word(self) -> bool {
        matches!(self, Self::WORD | Self::FOREIGN | Self::IDENTIFIER) || self.0 >= Self::CLASSES
    }

    /// What a rule or a weight calls it.
    pub fn name(self, vocabulary: &Vocabulary) -> String {
        let Self(code) = self;
        let special = ["edge", "word", "number", "hex", "foreign", "identifier", "control", "newline", "comment"];
        let operator = OPERATORS.iter().find(|(_, symbol)| symbol.0 == code).map(|(text, _)| *text);
        let class = || vocabulary.classes.get(usize::from(code.wrapping_sub(Self::CLASSES))).map(String::as_str);
        let named = special.get(usize::from(code)).copied().or(operator);
        match named {
            Some(name) => name.to_owned(),
            None if code >= Self::CLASSES => class().unwrap_or("?").to_owned(),
            None => char::from(code).to_string(),
        }
    }
}

/// Operators of several characters, the longest of each beginning first. Their codes are those of letters, which are never
/// symbols of their own.
const OPERATORS: &[(&str, Symbol)] = &[
    ("<!--", Symbol(b'A')),
    ("-->", Symbol(b'B')),
    ("../", Symbol(b'C')),
    ("..\\", Symbol(b'D')),
    ("://", Symbol(b'E')),
    ("<!", Symbol(b'F')),
    ("</", Symbol(b'G')),
    ("/>", Symbol(b'H')),
    ("<%", Symbol(b'I')),
    ("%>", Symbol(b'J')),
    ("<?", Symbol(b'K')),
    ("?>", Symbol(b'L')),
    ("${", Symbol(b'M')),
    ("#{", Symbol(b'N')),
    ("{{", Symbol(b'O')),
    ("}}", Symbol(b'P')),
    ("{%", Symbol(b'Q')),
    ("%}", Symbol(b'R')),
    ("$(", Symbol(b'S')),
    ("||", Symbol(b'T')),
    ("&&", Symbol(b'U')),
    ("--", Symbol(b'V')),
    ("/*", Symbol(b'W')),
    ("*/", Symbol(b'X')),
    ("//", Symbol(b'Y')),
    ("::", Symbol(b'Z')),
    ("->", Symbol(b'a')),
    ("=>", Symbol(b'b')),
    ("==", Symbol(b'c')),
    ("!=", Symbol(b'd')),
    ("<>", Symbol(b'e')),
    ("<=", Symbol(b'f')),
    (">=", Symbol(b'g')),
    ("<<", Symbol(b'h')),
    (">>", Symbol(b'i')),
    ("@@", Symbol(b'j')),
    ("\\\\", Symbol(b'k')),
    ("..", Symbol(b'l')),
];

/// Words that mean something, and what.
#[derive(Debug)]
pub struct Vocabulary {
    classes: Vec<String>,
    words: Words,
    /// What rules and weights call the symbols.
    names: AHashMap<String, Symbol>,
}

impl Vocabulary {
    /// The one that the filter comes with: `vocabulary.txt`, `class: words`, or `= words` for words that are each a class.
    pub fn built_in() -> Self {
        let names = AHashMap::with_hasher(RandomState::with_seeds(1, 2, 3, 4));
        let mut vocabulary = Self { classes: Vec::new(), words: Words::default(), names };
        for line in include_str!("vocabulary.txt").lines().filter(|line| !line.starts_with('#')) {
            if let Some(words) = line.strip_prefix('=') {
                words.split_whitespace().for_each(|word| vocabulary.add(&format!("'{word}"), [word].into_iter()));
            } else if let Some((class, words)) = line.split_once(':') {
                vocabulary.add(class, words.split_whitespace());
            }
        }
        let named = (0..=u8::MAX).map(Symbol).map(|symbol| (symbol.name(&vocabulary), symbol));
        vocabulary.names = named.collect::<Vec<_>>().into_iter().rev().collect();
        vocabulary
    }

    fn add<'w>(&mut self, class: &str, words: impl Iterator<Item = &'w str>) {
        let Some(symbol) = u8::try_from(self.classes.len()).ok().and_then(|at| Symbol::CLASSES.checked_add(at))
        else {
            return;
        };
        self.classes.push(class.to_owned());
        words.for_each(|word| self.words.add(word, Symbol(symbol)));
    }

    /// The class of a word, in whatever case.
    pub fn class(&self, word: &[u8]) -> Option<Symbol> {
        let hash = word.iter().map(u8::to_ascii_lowercase).fold(HASH_START, hash_with);
        self.words.get(word, hash)
    }

    /// The symbol that a rule names: a class, a word that is its own class, a special name or punctuation.
    pub fn symbol(&self, name: &str) -> Option<Symbol> {
        self.names.get(name).or_else(|| self.names.get(&format!("'{name}"))).copied()
    }
}

/// Words by their hash, which the lexer makes while it looks for their end. Most words of a text are not among them: then the place
/// where they would be is free, or the hash there is another one, and no letter is compared.
#[derive(Debug)]
struct Words {
    all: Vec<(u32, String, Symbol)>,
    /// Indices into `all`, at the place that the hash says or the next free one after it.
    places: Vec<u16>,
}

impl Default for Words {
    fn default() -> Self {
        Self { all: Vec::new(), places: vec![Self::FREE; Self::PLACES] }
    }
}

impl Words {
    /// A power of two, more than twice as many as there are words: a test holds that.
    const PLACES: usize = 4096;

    /// Of no word.
    const FREE: u16 = u16::MAX;

    fn add(&mut self, word: &str, symbol: Symbol) {
        let hash = word.bytes().fold(HASH_START, hash_with);
        let (Ok(index), Some(place)) = (u16::try_from(self.all.len()), self.search(hash, |_| false)) else {
            return;
        };
        if let Some(free) = self.places.get_mut(place).filter(|_| word.len() <= WORD_BYTES_MAX) {
            *free = index;
            self.all.push((hash, word.to_owned(), symbol));
        }
    }

    fn get(&self, word: &[u8], hash: u32) -> Option<Symbol> {
        let is_same = |other: &str| word.eq_ignore_ascii_case(other.as_bytes());
        let index = *self.places.get(self.search(hash, is_same)?)?;
        self.all.get(usize::from(index)).map(|(_, _, symbol)| *symbol)
    }

    /// The place of a word, or the free one where it would be.
    fn search(&self, hash: u32, is_same: impl Fn(&str) -> bool) -> Option<usize> {
        // The lowest bits of a short word are those of its last letter.
        let start = usize::try_from(hash ^ (hash >> 15)).ok()?;
        let places = (0..Self::PLACES).map(|step| start.wrapping_add(step) % Self::PLACES);
        places.into_iter().find(|place| {
            let index = self.places.get(*place).copied().unwrap_or(Self::FREE);
            let word = self.all.get(usize::from(index));
            word.is_none_or(|(other, word, _)| *other == hash && is_same(word))
        })
    }
}

/// Of no letter yet (FNV-1a, 32 bits).
const HASH_START: u32 = 0x811c_9dc5;

fn hash_with(hash: u32, letter: u8) -> u32 {
    (hash ^ u32::from(letter)).wrapping_mul(0x0100_0193)
}

/// Letters in lower case, digits and the underscore, at their own places; zero at all others.
const FOLDED: [u8; 256] = {
    let mut folded = [0_u8; 256];
    let (mut rest, mut byte) = (folded.as_mut_slice(), 0_u8);
    while let Some((first, tail)) = rest.split_first_mut() {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            *first = byte.to_ascii_lowercase();
        }
        byte = byte.wrapping_add(1);
        rest = tail;
    }
    folded
};

/// Adds the symbols of a text, in their order. What is longer than [`SYMBOLS_MAX`] is cut.
pub fn symbols(text: &str, vocabulary: &Vocabulary, symbols: &mut Vec<Symbol>) {
    let mut lexer = Lexer { rest: text.as_bytes(), vocabulary, symbols };
    while lexer.symbols.len() < SYMBOLS_MAX && lexer.step() {}
}

struct Lexer<'a> {
    rest: &'a [u8],
    vocabulary: &'a Vocabulary,
    symbols: &'a mut Vec<Symbol>,
}

impl<'a> Lexer<'a> {
    /// Takes the next thing, and tells whether there was one.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.first().copied() else { return false };
        match first {
            b'\n' | b'\r' => {
                let _ = self.take(|byte| byte.is_ascii_whitespace());
                self.symbols.push(Symbol::NEWLINE);
            }
            b' ' | b'\t' | b'\x0c' => self.skip(1),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
            b'0'..=b'9' => self.number(),
            0x80.. => {
                let _ = self.take(|byte| byte >= 0x80);
                self.symbols.push(Symbol::FOREIGN);
            }
            ..b' ' | 0x7f => {
                self.skip(1);
                self.symbols.push(Symbol::CONTROL);
            }
            _ => self.punctuation(first),
        }
        true
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn take(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !belongs(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    /// A run that begins with a letter.
    fn word(&mut self) {
        let (mut hash, mut has_digit) = (HASH_START, false);
        let run = self.take_while_folded(|letter| {
            hash = hash_with(hash, letter);
            has_digit |= letter.is_ascii_digit();
        });
        self.symbols.push(match self.vocabulary.words.get(run, hash) {
            Some(class) => class,
            None if has_digit && run.len() >= IDENTIFIER_BYTES_MIN => Symbol::IDENTIFIER,
            None => Symbol::WORD,
        });
    }

    /// Takes letters, digits and underscores, and tells each in lower case.
    fn take_while_folded(&mut self, mut each: impl FnMut(u8)) -> &'a [u8] {
        let mut length = 0_usize;
        for byte in self.rest {
            let letter = FOLDED.get(usize::from(*byte)).copied().unwrap_or_default();
            if letter == 0 {
                break;
            }
            each(letter);
            length = length.saturating_add(1);
        }
        let (run, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest;
        run
    }

    /// A run that begins with digits: a number, `0x1f`, `1e3`, an identifier, or a number that a word follows without a space.
    fn number(&mut self) {
        let run = self.take_while_folded(|_| {});
        let digits = run.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let after = run.get(digits..).unwrap_or_default();
        match after {
            [] => self.symbols.push(Symbol::NUMBER),
            [b'x' | b'X', hex @ ..] if digits == 1 && hex.iter().all(u8::is_ascii_hexdigit) => {
                self.symbols.push(Symbol::HEX);
            }
            [b'e' | b'E', exponent @ ..] if exponent.iter().all(u8::is_ascii_digit) => {
                self.symbols.push(Symbol::NUMBER);
            }
            _ => match self.vocabulary.class(after) {
                Some(class) => self.symbols.extend([Symbol::NUMBER, class]),
                None => self.symbols.push(Symbol::IDENTIFIER),
            },
        }
    }

    fn punctuation(&mut self, first: u8) {
        if let Some(length) = (first == b'/').then(|| comment(self.rest)).flatten() {
            self.skip(length);
            self.symbols.push(Symbol::COMMENT);
            return;
        }
        // What MySQL executes although it looks like a comment.
        if let Some(conditional) = self.rest.strip_prefix(b"/*!") {
            self.rest = conditional;
            let _ = self.take(|byte| byte.is_ascii_digit());
            return;
        }
        // No operator has anything but punctuation in second place, which most punctuation is not followed by.
        let may_be_longer = self.rest.get(1).is_some_and(u8::is_ascii_punctuation);
        let is_here = |text: &str| text.bytes().next() == Some(first) && self.rest.starts_with(text.as_bytes());
        let operator = || OPERATORS.iter().find(|(text, _)| is_here(text));
        match may_be_longer.then(operator).flatten() {
            Some((text, symbol)) => {
                self.skip(text.len());
                self.symbols.push(*symbol);
            }
            None => {
                self.skip(1);
                self.symbols.push(Symbol(first));
            }
        }
    }
}

/// The length of the comment that a text begins with, if it is one that databases skip.
fn comment(text: &[u8]) -> Option<usize> {
    let inner = text.strip_prefix(b"/*").filter(|inner| inner.first() != Some(&b'!'))?;
    let inner = inner.get(..COMMENT_BYTES_MAX).unwrap_or(inner);
    let end = inner.windows(2).position(|pair| pair == b"*/")?;
    Some(end.saturating_add(4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(text: &str) -> Vec<String> {
        let vocabulary = Vocabulary::built_in();
        let mut seen = Vec::new();
        symbols(text, &vocabulary, &mut seen);
        seen.into_iter().map(|symbol| symbol.name(&vocabulary)).collect()
    }

    #[test]
    fn the_shape_of_a_text_is_told_and_not_the_text() {
        for (text, shape) in [
            ("Ada's book", "word ' word word"),
            ("1 oR 1=1", "number 'or number = number"),
            ("1uNioN/**/SELECT", "number 'union comment 'select"),
            ("/*!50000union*/", "'union */"),
            ("0x3a 1e3 55609751y e07742bd", "hex number identifier identifier"),
            ("<img/onerror=x>", "< 'img / 'onerror = word >"),
            ("..\\..\\a", "..\\ ..\\ html_tag"),
            ("łódź é", "foreign word foreign foreign"),
            ("a\r\n\r\nb\0", "html_tag newline html_tag control"),
        ] {
            assert_eq!(names(text).join(" "), shape, "{text}");
        }
    }

    #[test]
    fn every_word_has_its_class_in_either_case() {
        let vocabulary = Vocabulary::built_in();
        let lines = include_str!("vocabulary.txt").lines().filter(|line| !line.starts_with('#'));
        for (class, words) in
            lines.filter_map(|line| line.split_once(':').or(line.strip_prefix('=').map(|words| ("", words))))
        {
            for word in words.split_whitespace().filter(|word| word.len() <= WORD_BYTES_MAX) {
                let symbol = vocabulary.class(word.as_bytes()).unwrap();
                assert_eq!(vocabulary.class(word.to_ascii_uppercase().as_bytes()), Some(symbol));
                let name = if class.is_empty() { format!("'{word}") } else { class.to_owned() };
                assert_eq!(symbol.name(&vocabulary), name);
                assert_eq!(vocabulary.class(format!("{word}{word}").as_bytes()), None);
            }
        }
    }

    #[test]
    fn every_symbol_has_a_name_of_its_own() {
        let vocabulary = Vocabulary::built_in();
        assert!(vocabulary.classes.len() <= 128);
        assert!(vocabulary.class(b"NaN").is_some(), "there is no room for all classes");
        assert!(vocabulary.words.all.len() < Words::PLACES / 2, "words are far from their places");
        for name in ["'select", "sql_clause", "../", "word", "'"] {
            let symbol = vocabulary.symbol(name).unwrap();
            assert_eq!(symbol.name(&vocabulary), name);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(/\\*|\\*/|/\\*!|<!--|--|0x|[a-z0-9_]|é|\\PC|\\n){0,60}") {
            prop_assert!(names(&text).len() <= text.len());
        }
    }
}
