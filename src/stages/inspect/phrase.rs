//! Phrases: sequences of symbols that mean something in a language.
//!
//! A phrase is written as a list of elements. An element names the [`Symbol`]s that may stand there, with spaces between them;
//! `@quote` and the like stand for several ([`GROUPS`]). `opt …` may be missing, `gap` stands for up to [`GAP_MAX`] symbols of any
//! kind, `edge` for the beginning or the end of the text. Comments and ends of lines between two elements are skipped: a
//! database does so too.
//!
//! Phrases are compiled once. One whose rarest symbols are not in a text is not looked for in it, and the others are found by their
//! first element: a text costs little where no phrase can be. Matching one phrase at one place takes at most `GAP_MAX` tries for
//! each gap; no phrase has more than one ([`Phrases::add`]).

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

/// A set of bytes.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
struct Bits([u64; 4]);

impl Bits {
    fn add(&mut self, bit: u8) {
        if let Some(word) = self.0.get_mut(usize::from(bit >> 6)) {
            *word |= 1 << (bit & 63);
        }
    }

    fn has(&self, bit: u8) -> bool {
        self.0.get(usize::from(bit >> 6)).is_some_and(|word| word & (1 << (bit & 63)) != 0)
    }

    fn or(self, Self([a, b, c, d]): Self) -> Self {
        let Self([first, second, third, fourth]) = self;
        Self([first | a, second | b, third | c, fourth | d])
    }

    fn and(self, Self([a, b, c, d]): Self) -> Self {
        let Self([first, second, third, fourth]) = self;
        Self([first & a, second & b, third & c, fourth & d])
    }

    fn count(self) -> u32 {
        self.0.iter().fold(0, |sum, word| sum.saturating_add(word.count_ones()))
    }

    /// All of them, the lowest first.
    fn iter(self) -> impl Iterator<Item = u8> {
        (0_u8..4).zip(self.0).flat_map(|(place, mut word)| {
            std::iter::from_fn(move || {
                let low = u8::try_from(word.trailing_zeros()).ok().filter(|low| *low < 64)?;
                word &= word.wrapping_sub(1);
                Some(place << 6 | low)
            })
        })
    }
}

/// A set of symbols.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub struct SymbolSet(Bits);

impl SymbolSet {
    /// Adds one.
    pub fn add(&mut self, Symbol(code): Symbol) {
        self.0.add(code);
    }

    /// Whether it is in the set.
    pub fn has(&self, Symbol(code): Symbol) -> bool {
        self.0.has(code)
    }

    /// The symbols of both.
    pub fn or(self, Self(other): Self) -> Self {
        Self(self.0.or(other))
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

/// Compiled phrases, each with the number of its owner. A set of phrases is one of their places here.
#[derive(Debug)]
pub struct Phrases {
    compiled: Vec<(usize, Phrase, Vec<Element>)>,
    /// What each symbol is to them, by its code.
    roles: Vec<Role>,
    /// Phrases that need nothing rare, or not so much.
    undemanding: [Bits; RARE],
}

/// Elements of a phrase, besides its first, that must have a symbol in a text before the phrase is looked for.
const RARE: usize = 2;

/// What a symbol is to the phrases.
#[derive(Debug, Default, Copy, Clone)]
struct Role {
    /// Those that it may begin.
    begins: Bits,
    /// Those of whose rarest element it is one, and of the next one.
    rare: [Bits; RARE],
}

impl Default for Phrases {
    fn default() -> Self {
        let (roles, undemanding) = (vec![Role::default(); 256], [Bits::default(); RARE]);
        Self { compiled: Vec::new(), roles, undemanding }
    }
}

impl Phrases {
    /// Adds a phrase.
    ///
    /// # Errors
    /// What is wrong with it: an unknown name, more than one gap, or it begins with something that may be missing; or there are
    /// 256 already.
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
        let index = u8::try_from(self.compiled.len()).map_err(|_| format!("{}: one too many", phrase.name))?;
        self.assign(index, *first, &rarest(&elements));
        self.compiled.push((owner, phrase, elements));
        Ok(())
    }

    /// Gives the symbols of a phrase their roles.
    fn assign(&mut self, index: u8, first: SymbolSet, rarest: &[SymbolSet]) {
        for (symbol, role) in (0..=u8::MAX).map(Symbol).zip(&mut self.roles) {
            if first.has(symbol) {
                role.begins.add(index);
            }
            for (set, rare) in rarest.iter().zip(&mut role.rare) {
                if set.has(symbol) {
                    rare.add(index);
                }
            }
        }
        self.undemanding.iter_mut().skip(rarest.len()).for_each(|phrases| phrases.add(index));
    }

    fn role(&self, Symbol(code): Symbol) -> Option<&Role> {
        self.roles.get(usize::from(code))
    }

    /// Phrases of which a text has the first symbol and the rarest ones, in whatever order. There are no others in it.
    fn possible(&self, text: &[Symbol]) -> Bits {
        let mut seen = Role { begins: Bits::default(), rare: self.undemanding };
        for role in text.iter().filter_map(|symbol| self.role(*symbol)) {
            seen.begins = seen.begins.or(role.begins);
            seen.rare.iter_mut().zip(role.rare).for_each(|(seen, rare)| *seen = seen.or(rare));
        }
        seen.rare.into_iter().fold(seen.begins, Bits::and)
    }

    /// Calls `found` with the owner of each phrase in a text, and the phrase. `text` begins and ends with [`Symbol::EDGE`].
    pub fn find(&self, text: &[Symbol], mut found: impl FnMut(usize, &Phrase)) {
        let possible = self.possible(text);
        if possible == Bits::default() {
            return;
        }
        let mut rest = text;
        while let Some((first, tail)) = rest.split_first() {
            let here = self.role(*first).map_or(possible, |role| role.begins.and(possible));
            for index in here.iter() {
                let Some((owner, phrase, elements)) = self.compiled.get(usize::from(index)) else { continue };
                if matches(elements.get(1..).unwrap_or_default(), tail) {
                    found(*owner, phrase);
                }
            }
            rest = tail;
        }
    }
}

/// What a phrase needs most besides its first element: the fewer symbols would do, the earlier. Nearly every text has a word, and
/// all have edges.
fn rarest(elements: &[Element]) -> Vec<SymbolSet> {
    let needed = elements.iter().skip(1).filter_map(|element| match element {
        Element::One(set) => Some(*set),
        Element::Optional(_) | Element::Gap => None,
    });
    let (mut needed, mut rarest) = (needed.collect::<Vec<_>>(), Vec::new());
    let rarity = |set: &SymbolSet| (set.has(Symbol::EDGE), set.has(Symbol::WORD), set.0.count());
    while rarest.len() < RARE {
        let first = needed.iter().enumerate().min_by_key(|(_, set)| rarity(set));
        let Some((place, _)) = first else { break };
        rarest.push(needed.swap_remove(place));
    }
    rarest
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
    use crate::stages::inspect::detectors;
    use crate::stages::inspect::lexer::symbols;
    use proptest::prelude::*;

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

    /// Every phrase at every place, whether it can be in the text or not.
    fn found_everywhere(phrases: &Phrases, text: &[Symbol]) -> Vec<(usize, &'static str)> {
        let at = |place: usize| {
            phrases.compiled.iter().filter(move |(_, _, elements)| matches(elements, &text[place..])).filter(
                // A phrase begins where it is found, not at the blanks before.
                move |(_, _, elements)| matches!(elements[0], Element::One(set) if set.has(text[place])),
            )
        };
        (0..text.len()).flat_map(at).map(|(owner, phrase, _)| (*owner, phrase.name)).collect()
    }

    proptest! {
        #[test]
        fn no_phrase_is_passed_over(text in "(' or |1=1|--|;|select |union | from |<|script|>|/\\*\\*/|\\.\\./|etc/|passwd|\\$\\{|jndi:|\\(|\\)|\n|http://|@|[a-z]{1,3}|[0-9]| ){0,24}") {
            let vocabulary = Vocabulary::built_in();
            let mut phrases = Phrases::default();
            for (owner, detector) in detectors::ALL.iter().enumerate() {
                detector.phrases.iter().for_each(|phrase| phrases.add(owner, *phrase, &vocabulary).unwrap());
            }
            let mut all = vec![Symbol::EDGE];
            symbols(&text, &vocabulary, &mut all);
            all.push(Symbol::EDGE);
            let mut found = Vec::new();
            phrases.find(&all, |owner, phrase| found.push((owner, phrase.name)));
            prop_assert_eq!(found, found_everywhere(&phrases, &all));
        }
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
