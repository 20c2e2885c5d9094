//! How much the shape of a text resembles that of attacks, and why.
//!
//! A logistic regression over runs of one to three [`Symbol`]s, and over a few properties of the whole text. Every weight has a
//! name that says what it is about (`' 'or number`), so a receipt can tell which decided. The weights are read in `model.txt`,
//! which the trainer in `benches/detection` writes from data that is not part of this project; its head is the training
//! record. The filter has them packed ([`Model::pack`], `model.bin`), a third as long; a test holds that both say the same. No weight is about a text: names, addresses and payloads all look alike here.
//!
//! It never decides alone: a detector must have seen something of its own ([`super::detectors`]), and what the model says
//! lends weight to that or takes it.
//!
//! Bounds: [`super::lexer::SYMBOLS_MAX`] symbols, three look-ups for each.

use super::lexer::{Symbol, Vocabulary};
use std::cell::Cell;

/// Something a text has: up to three symbols in a row, or a property of the whole ([`Property`]).
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Feature(pub u32);

/// What a whole text is like.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Property {
    /// Its quotes do not pair.
    OddQuotes,
    /// Its brackets do not pair.
    OpenBrackets,
    /// One thing alone.
    Single,
    /// At most four symbols.
    Short,
    /// At most sixteen.
    Medium,
    /// More.
    Long,
    /// Something in it was encoded still.
    Encoded,
    /// Most of it is words.
    Wordy,
    /// Most of it is punctuation.
    Punctuated,
}

impl Property {
    const ALL: [Self; 9] = [
        Self::OddQuotes,
        Self::OpenBrackets,
        Self::Single,
        Self::Short,
        Self::Medium,
        Self::Long,
        Self::Encoded,
        Self::Wordy,
        Self::Punctuated,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::OddQuotes => "#odd_quotes",
            Self::OpenBrackets => "#open_brackets",
            Self::Single => "#single",
            Self::Short => "#short",
            Self::Medium => "#medium",
            Self::Long => "#long",
            Self::Encoded => "#encoded",
            Self::Wordy => "#wordy",
            Self::Punctuated => "#punctuated",
        }
    }

    /// Its place among the features: above all runs of symbols.
    fn feature(self) -> Feature {
        let at = Self::ALL.iter().position(|property| *property == self).unwrap_or_default();
        Feature(u32::try_from(at).unwrap_or_default() | 0xff00_0000)
    }
}

impl Feature {
    /// The bits of a run of one symbol, of two and of three.
    const ONE: u32 = (1 << 9) - 1;
    const TWO: u32 = (1 << 18) - 1;
    const THREE: u32 = (1 << 27) - 1;

    /// A run of symbols; those that are missing come first.
    fn run(symbols: [Option<Symbol>; 3]) -> Self {
        let [first, second, third] =
            symbols.map(|symbol| symbol.map_or(0, |Symbol(code)| u32::from(code).saturating_add(1)));
        Self((first << 18) | (second << 9) | third)
    }

    /// What it is called in `model.txt` and in receipts.
    pub fn name(self, vocabulary: &Vocabulary) -> String {
        if let Some(property) = Property::ALL.into_iter().find(|property| property.feature() == self) {
            return property.name().to_owned();
        }
        let codes = [self.0 >> 18, (self.0 >> 9) & 0x1ff, self.0 & 0x1ff];
        let symbols = codes.into_iter().filter_map(|code| u8::try_from(code.checked_sub(1)?).ok()).map(Symbol);
        symbols.map(|symbol| symbol.name(vocabulary)).collect::<Vec<_>>().join(" ")
    }

    /// The feature of a name.
    pub fn named(name: &str, vocabulary: &Vocabulary) -> Option<Self> {
        if let Some(property) = Property::ALL.into_iter().find(|property| property.name() == name) {
            return Some(property.feature());
        }
        let symbols: Vec<Symbol> = name.split(' ').map(|part| vocabulary.symbol(part)).collect::<Option<_>>()?;
        match symbols[..] {
            [only] => Some(Self::run([None, None, Some(only)])),
            [first, second] => Some(Self::run([None, Some(first), Some(second)])),
            [first, second, third] => Some(Self::run([Some(first), Some(second), Some(third)])),
            _ => None,
        }
    }
}

/// Calls `each` with every feature of a text, as often as it is there. `symbols` begins and ends with [`Symbol::EDGE`].
pub fn features(symbols: &[Symbol], rounds: u8, mut each: impl FnMut(Feature)) {
    let mut run = 0;
    for Symbol(code) in symbols {
        run = ((run << 9) | u32::from(*code).saturating_add(1)) & Feature::THREE;
        each(Feature(run & Feature::ONE));
        if run > Feature::ONE {
            each(Feature(run & Feature::TWO));
        }
        if run > Feature::TWO {
            each(Feature(run));
        }
    }
    let inner = symbols.get(1..symbols.len().saturating_sub(1)).unwrap_or_default();
    properties(inner, rounds).map(Property::feature).for_each(each);
}

fn properties(symbols: &[Symbol], rounds: u8) -> impl Iterator<Item = Property> {
    let mut odd = [false; 3];
    let (mut round, mut square, mut words, mut marks) = (0_i32, 0_i32, 0_usize, 0_usize);
    for symbol in symbols {
        let [single, double, back] = &mut odd;
        match symbol.0 {
            b'\'' => *single ^= true,
            b'"' => *double ^= true,
            b'`' => *back ^= true,
            b'(' | b'S' => round = round.saturating_add(1),
            b')' => round = round.saturating_sub(1),
            b'[' => square = square.saturating_add(1),
            b']' => square = square.saturating_sub(1),
            _ => {}
        }
        words = words.saturating_add(usize::from(matches!(*symbol, Symbol::WORD | Symbol::FOREIGN)));
        marks = marks.saturating_add(usize::from((9..128).contains(&symbol.0)));
    }
    let size = match symbols.len() {
        0 | 1 => Property::Single,
        2..=4 => Property::Short,
        5..=16 => Property::Medium,
        _ => Property::Long,
    };
    let holds = [
        (odd.contains(&true), Property::OddQuotes),
        (round != 0 || square != 0, Property::OpenBrackets),
        (true, size),
        (rounds > 0, Property::Encoded),
        (words.saturating_mul(2) > symbols.len(), Property::Wordy),
        (marks.saturating_mul(2) > symbols.len(), Property::Punctuated),
    ];
    holds.into_iter().filter(|(holds, _)| *holds).map(|(_, property)| property)
}

/// The weights.
#[derive(Debug)]
pub struct Model {
    bias: i32,
    weights: Weights,
}

/// What a feature weighs, in thousandths: weights are written with three decimals. Three of four look-ups find nothing, so the
/// table is half empty and an empty place ends a search.
#[derive(Debug)]
struct Weights {
    places: Vec<Place>,
    /// How many texts were summed up.
    texts: Cell<u32>,
}

#[derive(Debug, Clone)]
struct Place {
    feature: Feature,
    weight: i32,
    /// The last text that had it, so that it counts once.
    text: Cell<u32>,
}

impl Weights {
    /// Of a free place; no feature has this code.
    const FREE: Feature = Feature(u32::MAX);

    fn new(weights: &[(Feature, i32)]) -> Self {
        let size = weights.len().saturating_mul(2).next_power_of_two().max(2);
        let free = Place { feature: Self::FREE, weight: 0, text: Cell::new(0) };
        let mut table = Self { places: vec![free; size], texts: Cell::new(0) };
        weights.iter().for_each(|(feature, weight)| table.put(*feature, *weight));
        table
    }

    /// The first place where a feature may be.
    fn first(&self, feature: Feature) -> usize {
        let hash = feature.0.wrapping_mul(0x9e37_79b1).rotate_right(12);
        usize::try_from(hash).unwrap_or_default() & self.places.len().saturating_sub(1)
    }

    fn put(&mut self, feature: Feature, weight: i32) {
        let (mut place, mask) = (self.first(feature), self.places.len().saturating_sub(1));
        while let Some(other) = self.places.get_mut(place) {
            if other.feature == Self::FREE || other.feature == feature {
                (other.feature, other.weight) = (feature, weight);
                return;
            }
            place = place.wrapping_add(1) & mask;
        }
    }

    fn get(&self, feature: Feature) -> Option<&Place> {
        let (mut place, mask) = (self.first(feature), self.places.len().saturating_sub(1));
        loop {
            let found = self.places.get(place)?;
            if found.feature == feature || found.feature == Self::FREE {
                return (found.feature == feature).then_some(found);
            }
            place = place.wrapping_add(1) & mask;
        }
    }

    fn taken(&self) -> impl Iterator<Item = (Feature, i32)> + '_ {
        let taken = self.places.iter().filter(|place| place.feature != Self::FREE);
        taken.map(|place| (place.feature, place.weight))
    }

    /// A number that stands for the next text, and for none before.
    fn next_text(&self) -> u32 {
        let next = self.texts.get().checked_add(1).unwrap_or_else(|| {
            self.places.iter().for_each(|place| place.text.set(0));
            1
        });
        self.texts.set(next);
        next
    }
}

impl Model {
    /// The one that the filter comes with.
    pub fn built_in(vocabulary: &Vocabulary) -> Self {
        // A test holds that it was packed under this vocabulary.
        let _ = vocabulary;
        Self::unpack(include_bytes!("model.bin"))
    }

    /// The weights in thousandths, as they are written: the bias, then each feature by its distance to the one before, and its
    /// weight, all as numbers of seven bits a byte (LEB128), the lowest first.
    pub fn pack(&self) -> Vec<u8> {
        let mut packed = Vec::new();
        put(&mut packed, zigzag(self.bias));
        let mut weights: Vec<_> = self.weights.taken().collect();
        weights.sort_unstable_by_key(|(feature, _)| *feature);
        let mut before = 0;
        for (Feature(code), weight) in weights {
            put(&mut packed, code.saturating_sub(before));
            put(&mut packed, zigzag(weight));
            before = code;
        }
        packed
    }

    fn unpack(mut packed: &[u8]) -> Self {
        let bias = take(&mut packed).map_or(0, unzigzag);
        let (mut weights, mut code) = (Vec::with_capacity(packed.len() / 3), 0_u32);
        while let (Some(distance), Some(weight)) = (take(&mut packed), take(&mut packed)) {
            code = code.saturating_add(distance);
            weights.push((Feature(code), unzigzag(weight)));
        }
        Self { bias, weights: Weights::new(&weights) }
    }

    /// Reads `weight name` lines; lines that begin with `%` are the training record, and a line of a name that the vocabulary
    /// does not know is skipped.
    pub fn parse(text: &str, vocabulary: &Vocabulary) -> Self {
        let (mut bias, mut weights) = (0, Vec::new());
        for line in text.lines().filter(|line| !line.starts_with('%')) {
            let Some((weight, name)) = line.split_once(' ') else { continue };
            let Some(weight) = thousandths(weight) else { continue };
            if name == "#bias" {
                bias = weight;
            } else if let Some(feature) = Feature::named(name, vocabulary) {
                weights.push((feature, weight));
            }
        }
        Self { bias, weights: Weights::new(&weights) }
    }

    /// The features of a text that have a weight, with it, each once. `symbols` begins and ends with [`Symbol::EDGE`].
    pub fn weigh(&self, symbols: &[Symbol], rounds: u8) -> Vec<(Feature, f64)> {
        let mut weighed = Vec::new();
        features(symbols, rounds, |feature| {
            weighed.extend(self.weights.get(feature).map(|place| (feature, whole(place.weight))))
        });
        weighed.sort_unstable_by_key(|(feature, _)| *feature);
        weighed.dedup_by_key(|(feature, _)| *feature);
        weighed
    }

    /// The logarithm of the odds that a text with these features is an attack.
    pub fn log_odds(&self, weighed: &[(Feature, f64)]) -> f64 {
        weighed.iter().fold(whole(self.bias), |sum, (_, weight)| sum + weight)
    }

    /// The same without the features, which nobody asks for in most texts. Summed up in thousandths, so it may differ in what floating
    /// point loses: by less than [`ESTIMATE_OFF_MAX`].
    pub fn estimate(&self, symbols: &[Symbol], rounds: u8) -> f64 {
        let (text, mut sum) = (self.weights.next_text(), self.bias);
        features(symbols, rounds, |feature| {
            if let Some(place) = self.weights.get(feature).filter(|place| place.text.replace(text) != text) {
                sum = sum.saturating_add(place.weight);
            }
        });
        whole(sum)
    }
}

/// How much [`Model::estimate`] is off at most: no two sums of weights are as near to each other without being the same.
pub const ESTIMATE_OFF_MAX: f64 = 0.0005;

/// A weight as it is written, in thousandths.
fn thousandths(written: &str) -> Option<i32> {
    let weight: f64 = written.parse().ok()?;
    // A whole number, whose text is read as one.
    format!("{:.0}", weight * 1000.0).parse().ok()
}

fn whole(thousandths: i32) -> f64 {
    f64::from(thousandths) / 1000.0
}

/// The sign in the lowest bit.
fn zigzag(thousandths: i32) -> u32 {
    thousandths.unsigned_abs() << 1 | u32::from(thousandths < 0)
}

fn unzigzag(number: u32) -> i32 {
    let size = i32::try_from(number >> 1).unwrap_or_default();
    if number & 1 == 1 {
        size.saturating_neg()
    } else {
        size
    }
}

fn put(packed: &mut Vec<u8>, mut number: u32) {
    while number > 0x7f {
        packed.extend(u8::try_from(number & 0x7f).map(|low| low | 0x80));
        number >>= 7;
    }
    packed.extend(u8::try_from(number));
}

fn take(packed: &mut &[u8]) -> Option<u32> {
    let (mut number, mut shift) = (0_u32, 0_u32);
    loop {
        let (byte, rest) = packed.split_first()?;
        *packed = rest;
        number |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift = shift.saturating_add(7);
    }
}

/// Those that weigh most, a few of many.
pub fn reasons(weighed: &[(Feature, f64)], most: usize) -> Vec<(Feature, f64)> {
    let mut first: Vec<(Feature, f64)> = Vec::new();
    for (feature, weight) in weighed {
        let at = first.partition_point(|(_, held)| held.abs().total_cmp(&weight.abs()).is_ge());
        if at < most {
            first.truncate(most.saturating_sub(1));
            first.insert(at, (*feature, *weight));
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::inspect::lexer::symbols;
    use proptest::prelude::*;

    #[test]
    fn every_weight_is_read_and_none_is_about_a_text() {
        let vocabulary = Vocabulary::built_in();
        let lines = include_str!("model.txt").lines().filter(|line| !line.starts_with('%'));
        let names: Vec<&str> = lines.filter_map(|line| line.split_once(' ')).map(|(_, name)| name).collect();
        let model = Model::built_in(&vocabulary);
        let known = names.iter().filter(|name| Feature::named(name, &vocabulary).is_some()).count();
        assert_eq!(known, names.len() - 1, "all but the bias");
        assert_eq!(model.weights.taken().count(), known);
    }

    /// `make train` writes both.
    #[test]
    fn what_is_packed_says_the_same() {
        let read = Model::parse(include_str!("model.txt"), &Vocabulary::built_in());
        let packed = read.pack();
        assert!(packed == include_bytes!("model.bin"), "model.bin is not what model.txt says");
        let unpacked = Model::unpack(&packed);
        assert_eq!(unpacked.bias, read.bias);
        assert_eq!(unpacked.weights.places.len(), read.weights.places.len());
        for (feature, weight) in read.weights.taken() {
            assert_eq!(unpacked.weights.get(feature).map(|place| place.weight), Some(weight), "{feature:?}");
        }
    }

    #[test]
    fn a_feature_is_called_what_it_is_read_by() {
        let vocabulary = Vocabulary::built_in();
        let mut text = vec![Symbol::EDGE];
        symbols("' OR 1=1 --", &vocabulary, &mut text);
        text.push(Symbol::EDGE);
        let mut names = Vec::new();
        features(&text, 1, |feature| {
            assert_eq!(Feature::named(&feature.name(&vocabulary), &vocabulary), Some(feature));
            names.push(feature.name(&vocabulary));
        });
        for name in ["edge ' 'or", "number = number", "-- edge", "#odd_quotes", "#encoded"] {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn the_estimate_is_the_sum(text in "(' or 1=1|<script|select|id|at|--|\\(|\\)|\\[|[a-z]{1,5}|[0-9]|,| |\\PC){0,40}", rounds in 0..2_u8) {
            let vocabulary = Vocabulary::built_in();
            let model = Model::built_in(&vocabulary);
            let mut all = vec![Symbol::EDGE];
            symbols(&text, &vocabulary, &mut all);
            all.push(Symbol::EDGE);
            let exact = model.log_odds(&model.weigh(&all, rounds));
            for _ in 0..2 {
                prop_assert!((model.estimate(&all, rounds) - exact).abs() < 1e-9);
            }
        }
    }
}
