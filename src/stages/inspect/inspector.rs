//! One value judged: what the detectors saw in it, and what the model makes of that.
//!
//! The text is judged as it is when nothing is encoded any more ([`crate::request::decode`]), and what it is the base64 of is judged
//! too. A detector's evidence and the model's opinion are both logarithms of odds, and their sum decides:
//! below [`FINDING_ODDS`] there is no finding. The model alone makes none: some detector must have a hint of its own, and the
//! model's word counts only so much in either direction.

use super::detectors::{self, deserialization};
use super::harmless::Harmless;
use super::lexer::{symbols, Symbol, Vocabulary};
use super::model::{reasons, Feature, Model, ESTIMATE_OFF_MAX};
use super::phrase::{Phrase, Phrases, SymbolSet};
use crate::request::decode::{self, Decoded, Signs};
use crate::request::values::Part;
use std::cell::RefCell;

/// From here on there is a finding.
pub const FINDING_ODDS: f64 = 0.0;

/// How much the model may lend.
const MODEL_LENDS_MAX: f64 = 8.0;

/// How much it may take: less than what a phrase is worth that nearly nobody writes for another purpose, so that no amount of
/// harmless text around an attack hides it.
const MODEL_TAKES_MAX: f64 = 4.5;

/// What the signature of a format of serialised objects is worth.
const SERIALIZED_ODDS: f64 = 3.0;

/// Weights of the model that a finding names.
const REASONS_MAX: usize = 3;

/// Detectors that are not asked, by their places in [`detectors::ALL`].
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub struct Ignored(u32);

impl Ignored {
    /// Asks this one no more.
    pub fn and(self, detector: usize) -> Self {
        Self(self.0 | Self::bit(detector))
    }

    fn has(self, detector: usize) -> bool {
        self.0 & Self::bit(detector) != 0
    }

    fn bit(detector: usize) -> u32 {
        u32::try_from(detector).ok().and_then(|place| 1_u32.checked_shl(place)).unwrap_or_default()
    }
}

/// What there is to judge in a text.
#[derive(Debug)]
pub struct View {
    /// The detector that saw most: its place in [`detectors::ALL`].
    pub detector: usize,
    /// Its strongest phrase.
    pub phrase: Option<Phrase>,
    /// What the model looks at, between two edges.
    pub symbols: Vec<Symbol>,
    /// How often the text was encoded.
    pub rounds: u8,
}

/// What was seen in a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// Which detector: its place in [`detectors::ALL`].
    pub detector: usize,
    /// The phrase that proved most.
    pub phrase: Option<&'static str>,
    /// The logarithm of the odds that the value is an attack.
    pub odds: f64,
    /// What of them the model says.
    pub model_odds: f64,
    /// How often the value had been encoded.
    pub rounds: u8,
    /// What the model minded most: weights and names.
    pub reasons: Vec<(Feature, f64)>,
}

/// Everything that is needed to judge a value. Made once.
#[derive(Debug)]
pub struct Inspector {
    vocabulary: Vocabulary,
    model: Model,
    phrases: Phrases,
    /// Which detectors each symbol hints at, by its code: a bit for each, as in [`Ignored`].
    hints: Vec<u32>,
    /// Texts of programs in which there was nothing.
    harmless: Harmless,
    /// User agents that name no program. Under the same secret.
    unnamed: Harmless,
    /// Symbols of the text that is judged: room that is used again.
    room: RefCell<Vec<Symbol>>,
}

impl Inspector {
    /// The one that the filter comes with. `secret` is to be random.
    ///
    /// # Errors
    /// A phrase or a hint that means nothing: a fault of the filter, which a test would have found.
    pub fn built_in(secret: [u8; 16]) -> Result<Self, String> {
        let vocabulary = Vocabulary::built_in();
        let model = Model::built_in(&vocabulary);
        Self::new(vocabulary, model, secret)
    }

    /// The same with another model.
    ///
    /// # Errors
    /// See [`Inspector::built_in`].
    pub fn new(vocabulary: Vocabulary, model: Model, secret: [u8; 16]) -> Result<Self, String> {
        let mut phrases = Phrases::default();
        let mut hints = vec![0; 256];
        for (owner, detector) in detectors::ALL.iter().enumerate() {
            let named = SymbolSet::named(detector.hints, &vocabulary)?;
            for (code, owners) in (0..=u8::MAX).zip(&mut hints) {
                *owners |= if named.has(Symbol(code)) { Ignored::bit(owner) } else { 0 };
            }
            for phrase in detector.phrases {
                phrases.add(owner, *phrase, &vocabulary)?;
            }
        }
        let [harmless, unnamed] = [Harmless::new(secret), Harmless::new(secret)];
        Ok(Self { vocabulary, model, phrases, hints, harmless, unnamed, room: RefCell::default() })
    }

    /// What its words mean.
    pub const fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// What a program wrote that was never looked at before.
    pub const fn harmless(&self) -> &Harmless {
        &self.harmless
    }

    /// The user agents that were never looked at before, or name a program.
    pub const fn unnamed(&self) -> &Harmless {
        &self.unnamed
    }

    /// Judges a value.
    pub fn inspect(&self, value: &str) -> Option<Sighting> {
        self.inspect_but(value, Ignored::default())
    }

    /// The same by all detectors but some.
    pub fn inspect_but(&self, value: &str, ignored: Ignored) -> Option<Sighting> {
        let signs = Signs::of(value);
        if !signs.may_be_encoded() {
            let inner = self.judge_inner(value, signs, 0, ignored);
            // Most are, and nothing can be wrong with them.
            if signs.is_plain(value.as_bytes()) {
                return inner;
            }
            return surer(self.judge(value, 0, ignored), inner);
        }
        let Decoded { text, rounds } = decode::decode(value);
        let inner = self.judge_inner(&text, Signs::of(&text), rounds, ignored);
        surer(self.judge(&text, rounds, ignored), inner)
    }

    /// Whether a value of a head needs no look, by its bytes as they were sent: it is so plain that nothing can be wrong with it,
    /// which to see takes less than to remember it, or a program wrote it as it stands and it was looked at before.
    pub fn knows(&self, part: Part, sent: &[u8]) -> bool {
        // What is longer may be base64, however plain.
        if sent.len() < decode::BASE64_BYTES_MIN && Signs::of_bytes(sent).is_plain(sent) {
            return true;
        }
        // An escape in a cookie stands for another text.
        let is_text = part == Part::Header || (part == Part::Cookie && !sent.contains(&b'%'));
        is_text && self.harmless.knows(self.harmless.hashed(sent))
    }

    /// Judges what a value is the base64 of: a text, or an object that would be read.
    fn judge_inner(&self, value: &str, signs: Signs, rounds: u8, ignored: Ignored) -> Option<Sighting> {
        if !signs.may_be_base64() {
            return None;
        }
        let may_be_judged = |first: &[u8]| decode::may_begin_text(first) || deserialization::may_begin(first);
        let bytes = decode::base64_if(value, may_be_judged)?;
        let rounds = rounds.saturating_add(1);
        if let Some(format) = deserialization::format(&bytes) {
            let detector =
                detectors::ALL.iter().position(|detector| std::ptr::eq(*detector, &deserialization::DETECTOR))?;
            if ignored.has(detector) {
                return None;
            }
            return Some(Sighting {
                detector,
                phrase: Some(format),
                odds: SERIALIZED_ODDS,
                model_odds: 0.0,
                rounds,
                reasons: Vec::new(),
            });
        }
        self.judge(decode::text(&bytes)?, rounds, ignored)
    }

    fn judge(&self, text: &str, rounds: u8, ignored: Ignored) -> Option<Sighting> {
        let mut room = self.room.take();
        room.clear();
        self.read(text, &mut room);
        let sighting = self.weigh(&room, rounds, ignored);
        self.room.replace(room);
        sighting
    }

    fn weigh(&self, symbols: &[Symbol], rounds: u8, ignored: Ignored) -> Option<Sighting> {
        if self.hinted(symbols) == 0 {
            return None;
        }
        let strongest = self.strongest(symbols, ignored);
        let phrase_odds = strongest.map_or(0.0, |(_, phrase)| phrase.odds);
        let bounded = |odds: f64| odds.clamp(-MODEL_TAKES_MAX, MODEL_LENDS_MAX);
        // Most texts end here: a word hints at something, and the model knows better.
        let estimate = phrase_odds + bounded(self.model.estimate(symbols, rounds));
        if estimate < FINDING_ODDS - ESTIMATE_OFF_MAX {
            return None;
        }
        let detector = strongest.map(|(owner, _)| owner).or_else(|| self.most_hinted(symbols, ignored))?;
        let weighed = self.model.weigh(symbols, rounds);
        let model_odds = bounded(self.model.log_odds(&weighed));
        let odds = phrase_odds + model_odds;
        (odds >= FINDING_ODDS).then(|| Sighting {
            detector,
            phrase: strongest.map(|(_, phrase)| phrase.name),
            odds,
            model_odds,
            rounds,
            reasons: reasons(&weighed, REASONS_MAX),
        })
    }

    /// What there is to judge in a text; `None` if nothing hints at anything.
    pub fn view(&self, text: &str, rounds: u8, ignored: Ignored) -> Option<View> {
        let mut symbols = Vec::new();
        self.read(text, &mut symbols);
        if self.hinted(&symbols) == 0 {
            return None;
        }
        let strongest = self.strongest(&symbols, ignored);
        let detector = strongest.map(|(owner, _)| owner).or_else(|| self.most_hinted(&symbols, ignored))?;
        Some(View { detector, phrase: strongest.map(|(_, phrase)| phrase), symbols, rounds })
    }

    /// Adds the symbols of a text between two edges.
    fn read(&self, text: &str, all: &mut Vec<Symbol>) {
        all.push(Symbol::EDGE);
        symbols(text, &self.vocabulary, all);
        all.push(Symbol::EDGE);
    }

    /// Which detectors a symbol hints at.
    fn hints(&self, Symbol(code): Symbol) -> u32 {
        self.hints.get(usize::from(code)).copied().unwrap_or_default()
    }

    /// Which detectors are hinted at in a text.
    fn hinted(&self, symbols: &[Symbol]) -> u32 {
        symbols.iter().fold(0, |hinted, symbol| hinted | self.hints(*symbol))
    }

    /// The strongest phrase, and its detector.
    fn strongest(&self, symbols: &[Symbol], ignored: Ignored) -> Option<(usize, Phrase)> {
        let mut strongest: Option<(usize, Phrase)> = None;
        self.phrases.find(symbols, |owner, phrase| {
            let is_stronger = |(before, other): &(usize, Phrase)| {
                phrase.odds > other.odds || (phrase.odds == other.odds && owner < *before)
            };
            if !ignored.has(owner) && strongest.as_ref().is_none_or(is_stronger) {
                strongest = Some((owner, *phrase));
            }
        });
        strongest
    }

    /// The detector that is hinted at most often; `None` if none of those that are asked is.
    fn most_hinted(&self, symbols: &[Symbol], ignored: Ignored) -> Option<usize> {
        let mut counts = [0_usize; detectors::ALL.len()];
        for hinted in symbols.iter().map(|symbol| self.hints(*symbol)).filter(|hinted| *hinted != 0) {
            for (owner, count) in counts.iter_mut().enumerate() {
                *count = count.saturating_add(usize::from(hinted & Ignored::bit(owner) != 0));
            }
        }
        let believed = counts.iter().enumerate().filter(|(owner, _)| !ignored.has(*owner));
        let (count, owner) = believed.map(|(owner, count)| (*count, std::cmp::Reverse(owner))).max()?;
        (count > 0).then_some(owner.0)
    }
}

/// The one with the higher odds.
fn surer(whole: Option<Sighting>, inner: Option<Sighting>) -> Option<Sighting> {
    match (&whole, &inner) {
        (Some(one), Some(other)) if one.odds.total_cmp(&other.odds).is_gt() => whole,
        (_, Some(_)) => inner,
        (_, None) => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_values_and_those_of_programs_that_were_looked_at_are_known() {
        let inspector = Inspector::built_in([0; 16]).unwrap();
        for plain in ["", "items", "o-1001", "a_b"] {
            assert!(
                inspector.knows(Part::Query, plain.as_bytes()) && inspector.inspect(plain).is_none(),
                "{plain}"
            );
        }
        for odd in ["a--b", "a b", "c2VsZWN0IDEgZnJvbSBh", "1'", "%41"] {
            let sent = odd.as_bytes();
            assert!(!inspector.knows(Part::Header, sent), "{odd}");
            inspector.harmless().remember(inspector.harmless().hashed(sent));
            let parts = [Part::Header, Part::Cookie, Part::Query, Part::Path];
            // Decoded a cookie would be another text.
            let is_known = [true, odd != "%41", false, false];
            assert_eq!(parts.map(|part| inspector.knows(part, sent)), is_known, "{odd}");
        }
    }

    #[test]
    fn every_phrase_and_hint_means_something() {
        assert_eq!(Inspector::built_in([0; 16]).map(|_| ()), Ok(()));
    }
}
