//! Phrases: sequences of symbols that mean something in a language.
//!
//! A phrase is written as a list of elements. An element names the [`Symbol`]s that may stand there, with spaces between them;
//! `@quote` and the like stand for several ([`GROUPS`]). `opt …` may be missing, `gap` stands for up to [`GAP_MAX`] symbols of any
//! kind, `edge` for the beginning or the end of the text. Comments and ends of lines between two elements are skipped: a
//! database does so too.
//!
//! Phrases are compiled once and found by their first element, so a text costs little where no phrase begins. Matching
//! one phrase at one place takes at most `GAP_MAX` tries for each gap; no phrase has more than one ([`Phrases::add`]).

use super::lexer::{Symbol, Vocabulary};

/// Symbols that a gap may skip.
const GAP_MAX: usize = 6;

/// Names for several symbols. `@word` is every word, of a class or of none.
const GROUPS: &[(&str, &str)] = &[
    ("@quote", "' \" `"),
    ("@compare", "= == != <> < > <= >= like is in between"),
    ("@join", "or and || &&"),
    ("@run", "; | || && & newline ` $("),
    ("@open", "( [ {"),
];

/// A phrase as a detector writes it.
#[derive(Debug, Copy, Clone)]
pub struct Phrase {
    /// What it is, for the receipt.
    pub name: &'static str,
    /// What it adds to the logarithm of the odds that the text is an attack.
    pub odds: f64,
    /// Its elements.
    pub elements: &'static [&'static str],
}

/// A phrase of this name and weight.
pub const fn phrase(name: &'static str, odds: f64, elements: &'static [&'static str]) -> Phrase {
    Phrase { name, odds, elements }
}

/// A set of symbols.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub struct SymbolSet([u64; 4]);

impl SymbolSet {
    /// Adds one.
    pub fn add(&mut self, Symbol(code): Symbol) {
        if let Some(word) = self.0.get_mut(usize::from(code >> 6)) {
            *word |= 1 << (code & 63);
        }
    }

    /// Whether it is in the set.
    pub fn has(&self, Symbol(code): Symbol) -> bool {
        self.0.get(usize::from(code >> 6)).is_some_and(|word| word & (1 << (code & 63)) != 0)
    }

    /// The symbols of both.
    pub fn or(self, Self(other): Self) -> Self {
        let mut both = self;
        both.0.iter_mut().zip(other).for_each(|(own, other)| *own |= other);
        both
    }

    /// The symbols of a list of names.
    ///
    /// # Errors
    /// The name that is unknown.
    pub fn named(names: &str, vocabulary: &Vocabulary) -> Result<Self, String> {
        let mut set = Self::default();
        for name in names.split(' ') {
            if name == "@word" {
                (0..=u8::MAX).map(Symbol).filter(|symbol| symbol.is_word()).for_each(|symbol| set.add(symbol));
            } else if let Some((_, members)) = GROUPS.iter().find(|(group, _)| *group == name) {
                set = set.or(Self::named(members, vocabulary)?);
            } else {
                set.add(vocabulary.symbol(name).ok_or_else(|| name.to_owned())?);
            }
        }
        Ok(set)
    }
}

#[derive(Debug, Copy, Clone)]
enum Element {
    One(SymbolSet),
    Optional(SymbolSet),
    Gap,
}

/// Compiled phrases, each with the number of its owner.
#[derive(Debug)]
pub struct Phrases {
    compiled: Vec<(usize, Phrase, Vec<Element>)>,
    /// Which phrases may begin with a symbol.
    beginnings: Vec<Vec<usize>>,
}

impl Default for Phrases {
    fn default() -> Self {
        Self { compiled: Vec::new(), beginnings: vec![Vec::new(); 256] }
    }
}

impl Phrases {
    /// Adds a phrase.
    ///
    /// # Errors
    /// What is wrong with it: an unknown name, more than one gap, or it begins with something that may be missing.
    pub fn add(&mut self, owner: usize, phrase: Phrase, vocabulary: &Vocabulary) -> Result<(), String> {
        let mut elements = Vec::with_capacity(phrase.elements.len());
        for written in phrase.elements {
            elements.push(match written.strip_prefix("opt ") {
                Some(names) => Element::Optional(SymbolSet::named(names, vocabulary)?),
                None if *written == "gap" => Element::Gap,
                None => Element::One(SymbolSet::named(written, vocabulary)?),
            });
        }
        let gaps = elements.iter().filter(|element| matches!(element, Element::Gap)).count();
        let Some(Element::One(first)) = elements.first().filter(|_| gaps <= 1) else {
            return Err(format!("{}: a phrase begins with a symbol and has one gap at most", phrase.name));
        };
        let index = self.compiled.len();
        for (code, starting) in (0..=u8::MAX).zip(&mut self.beginnings) {
            if first.has(Symbol(code)) {
                starting.push(index);
            }
        }
        self.compiled.push((owner, phrase, elements));
        Ok(())
    }

    /// Calls `found` with the owner of each phrase in a text, and the phrase. `text` begins and ends with [`Symbol::EDGE`].
    pub fn find(&self, text: &[Symbol], mut found: impl FnMut(usize, &Phrase)) {
        let mut rest = text;
        while let Some((Symbol(first), tail)) = rest.split_first() {
            for index in self.beginnings.get(usize::from(*first)).into_iter().flatten() {
                let Some((owner, phrase, elements)) = self.compiled.get(*index) else { continue };
                if matches(elements.get(1..).unwrap_or_default(), tail) {
                    found(*owner, phrase);
                }
            }
            rest = tail;
        }
    }
}

fn matches(elements: &[Element], text: &[Symbol]) -> bool {
    let Some((element, later)) = elements.split_first() else { return true };
    // What stands there if blanks do not count, and the rest after it.
    let next = |set: &SymbolSet| {
        let (first, tail) = without_blanks(text, set).split_first()?;
        set.has(*first).then_some(tail)
    };
    match element {
        Element::One(set) => next(set).is_some_and(|tail| matches(later, tail)),
        Element::Optional(set) => next(set).is_some_and(|tail| matches(later, tail)) || matches(later, text),
        Element::Gap => (0..=GAP_MAX).any(|skipped| text.get(skipped..).is_some_and(|rest| matches(later, rest))),
    }
}

/// Comments are nothing to a database, and neither are ends of lines, unless they are what is looked for.
fn without_blanks<'t>(text: &'t [Symbol], wanted: &SymbolSet) -> &'t [Symbol] {
    let is_blank = |symbol: &Symbol| matches!(*symbol, Symbol::COMMENT | Symbol::NEWLINE) && !wanted.has(*symbol);
    let blanks = text.iter().take_while(|symbol| is_blank(symbol)).count();
    text.get(blanks..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::inspect::lexer::symbols;

    fn has(elements: &'static [&'static str], text: &str) -> bool {
        let vocabulary = Vocabulary::built_in();
        let mut phrases = Phrases::default();
        phrases.add(0, phrase("test", 1.0, elements), &vocabulary).unwrap();
        let mut symbols_of_text = vec![Symbol::EDGE];
        symbols(text, &vocabulary, &mut symbols_of_text);
        symbols_of_text.push(Symbol::EDGE);
        let mut count = 0;
        phrases.find(&symbols_of_text, |_, _| count += 1);
        count > 0
    }

    #[test]
    fn elements_stand_in_their_order() {
        let union: &[&str] = &["union", "opt sql_clause", "gap", "select"];
        for (text, found) in [
            ("union select", true),
            ("UNION/**/ALL ( select", true),
            ("union\nselect", true),
            ("a union of workers who select", true),
            ("select a union", false),
            ("union a b c d e f g h i select", false),
        ] {
            assert_eq!(has(union, text), found, "{text}");
        }
        assert!(has(&["edge", "'"], "'x"));
        assert!(!has(&["edge", "'"], "x'"));
    }

    #[test]
    fn a_phrase_that_means_nothing_is_refused() {
        let vocabulary = Vocabulary::built_in();
        for elements in [&["nothing_known"][..], &["opt '"], &["'", "gap", "\"", "gap", "'"], &["gap", "'"], &[]] {
            let elements: &'static [&'static str] = elements;
            assert!(
                Phrases::default().add(0, phrase("test", 1.0, elements), &vocabulary).is_err(),
                "{elements:?}"
            );
        }
    }
}
