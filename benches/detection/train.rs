//! Fits the weights of the model, the same on every run.
//!
//! Logistic regression with FTRL-Proximal (McMahan et al., KDD 2013), whose L1 term leaves few weights that are not zero. Rows
//! are taken in the order of their hashes, so nothing depends on the order of the file. Attack classes with few rows weigh
//! more (up to fourfold, against 600), so that a class of 5,000 rows does not drown one of 15. A feature counts only if it is there in
//! [`SUPPORT_MIN`] rows of more than one kind of text, and names no text.

use crate::rows::Row;
use portcullis::request::body::Body;
use portcullis::request::decode;
use portcullis::request::graphql::shape::shape;
use portcullis::request::place::Place;
use portcullis::request::values::{self, Part};
use portcullis::stages::inspect::graphql::texts;
use portcullis::stages::inspect::inspector::{Ignored, Inspector};
use portcullis::stages::inspect::lexer::Vocabulary;
use portcullis::stages::inspect::model::{features, Feature};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// For the training record.
pub const METHOD: &str =
    "logistic regression by FTRL-Proximal, 10 passes, alpha 0.3, L1 0.6, L2 1.5, features in 3 rows at least";

/// Passes over the data.
const PASSES: usize = 10;

/// Fewest rows that a feature must be in.
const SUPPORT_MIN: usize = 3;

const ALPHA: f64 = 0.3;
const BETA: f64 = 1.0;
const L1: f64 = 0.6;
const L2: f64 = 1.5;

/// What the fit gave.
pub struct Fitted {
    pub bias: f64,
    pub weights: BTreeMap<Feature, f64>,
}

/// The values of a row as the stage would take them from the request: all of a harmless one, and of an attack the one that has
/// most in it, since the others of its request are harmless.
pub fn values(row: &Row) -> Vec<String> {
    let sent = row.sent();
    let request = sent.request();
    let mut values: Vec<String> = Vec::new();
    let mut take = |_: Part, _: Place<'_>, text: &str| values.push(text.to_owned());
    let kind = request.text("content-type").unwrap_or_default();
    if kind.is_empty() {
        values::of_head(&request, &|_, _| false, &mut take);
    } else if kind.contains("json") {
        let body = Body::read(sent.body.as_bytes());
        values::of_document(&body, &mut take);
        // Of a GraphQL document the texts in it are values, and it is none itself.
        let document = body.get(&["query"]).and_then(serde_json::Value::as_str);
        if let Some((document, Ok(shape))) = document.map(|document| (document, shape(document))) {
            values.retain(|value| value != document);
            values.extend(texts(document, shape));
        }
    } else if kind.contains("form") {
        values::of_form(sent.body.as_bytes(), &mut take);
    } else {
        values::of_text(sent.body.as_bytes(), &mut take);
    }
    if row.is_attack() {
        values.sort_by_key(|value| value.bytes().filter(|byte| !byte.is_ascii_alphanumeric()).count());
        values.drain(..values.len().saturating_sub(1));
    }
    values
}

/// What the model sees of a value, and what a detector has proved already: the model learns what is missing.
fn view_of(value: &str, inspector: &Inspector) -> Option<(Vec<Feature>, f64)> {
    let decoded = decode::decode(value);
    let inner = decode::base64(&decoded.text).and_then(|bytes| decode::text(&bytes).map(str::to_owned));
    let rounds = decoded.rounds + u8::from(inner.is_some());
    let view = inspector.view(inner.as_deref().unwrap_or(&decoded.text), rounds, Ignored::default())?;
    let mut seen = Vec::new();
    features(&view.symbols, view.rounds, |feature| seen.push(feature));
    seen.sort_unstable();
    seen.dedup();
    Some((seen, view.phrase.map_or(0.0, |phrase| phrase.odds)))
}

#[derive(Default, Clone, Copy)]
struct Coordinate {
    z: f64,
    n: f64,
}

impl Coordinate {
    fn weight(self, l1: f64) -> f64 {
        if self.z.abs() <= l1 {
            0.0
        } else {
            -(self.z - self.z.signum() * l1) / ((BETA + self.n.sqrt()) / ALPHA + L2)
        }
    }

    fn learn(&mut self, gradient: f64, l1: f64) {
        let sigma = ((self.n + gradient * gradient).sqrt() - self.n.sqrt()) / ALPHA;
        self.z += gradient - sigma * self.weight(l1);
        self.n += gradient * gradient;
    }
}

/// Fits the weights to these rows.
pub fn fit(rows: &[&Row], inspector: &Inspector) -> Fitted {
    let mut rows: Vec<&Row> = rows.to_vec();
    rows.sort_by_key(|row| row.hash());
    let sizes = class_sizes(&rows);
    let seen: Vec<(Vec<Feature>, f64, bool, f64)> = rows
        .iter()
        .flat_map(|row| {
            let importance = (600.0 / sizes[&row.class] as f64).sqrt().clamp(0.6, 4.0);
            let views = values(row).into_iter().filter_map(|value| view_of(&value, inspector));
            views.map(|(features, proved)| (features, proved, row.is_attack(), importance)).collect::<Vec<_>>()
        })
        .collect();
    let mut support: BTreeMap<Feature, usize> = BTreeMap::new();
    seen.iter().flat_map(|(features, ..)| features).for_each(|feature| *support.entry(*feature).or_default() += 1);
    let frequent: BTreeSet<Feature> =
        support.into_iter().filter(|(_, rows)| *rows >= SUPPORT_MIN).map(|(feature, _)| feature).collect();
    let mut coordinates: BTreeMap<Feature, Coordinate> = BTreeMap::new();
    let mut bias = Coordinate::default();
    for _ in 0..PASSES {
        for (features, proved, is_attack, importance) in &seen {
            let kept = || features.iter().filter(|feature| frequent.contains(feature));
            let sum: f64 = kept().map(|feature| coordinates.entry(*feature).or_default().weight(L1)).sum();
            let odds = proved + sum + bias.weight(0.0);
            let gradient = importance * (1.0 / (1.0 + (-odds).exp()) - f64::from(u8::from(*is_attack)));
            kept().for_each(|feature| coordinates.entry(*feature).or_default().learn(gradient, L1));
            bias.learn(gradient, 0.0);
        }
    }
    let weights = coordinates.into_iter().map(|(feature, own)| (feature, own.weight(L1)));
    Fitted { bias: bias.weight(0.0), weights: weights.filter(|(_, weight)| weight.abs() >= 0.005).collect() }
}

fn class_sizes(rows: &[&Row]) -> BTreeMap<String, usize> {
    let mut sizes = BTreeMap::new();
    rows.iter().for_each(|row| *sizes.entry(row.class.clone()).or_default() += 1);
    sizes
}

/// The file that the filter reads: the record, then a weight and a name a line, by name.
pub fn write(fitted: &Fitted, record: &[String], vocabulary: &Vocabulary) -> String {
    let mut text = String::new();
    record.iter().for_each(|line| writeln!(text, "% {line}").unwrap());
    writeln!(text, "{:.3} #bias", fitted.bias).unwrap();
    let mut named: Vec<(String, f64)> =
        fitted.weights.iter().map(|(feature, weight)| (feature.name(vocabulary), *weight)).collect();
    named.sort_by(|(one, _), (other, _)| one.cmp(other));
    named.iter().for_each(|(name, weight)| writeln!(text, "{weight:.3} {name}").unwrap());
    text
}
