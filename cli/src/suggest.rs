//! `portcullis suggest`: what a configuration on trial has found, turned into what to change before it is enforced.
//!
//! - An *exclusion* where one check keeps finding something in one place of one route, for many actors, in requests that the
//!   service answered well and of which nothing else was found. An attack is one actor's, or has other signs.
//! - A *limit* on routes that have none, and a larger one where actors would be refused, above what all but the busiest ask for.
//! - *Thresholds* of a route on which many would be stopped by risk alone, above what is usual there.
//!
//! It is a proposal: an attacker with many addresses can make a place look like a false alarm, so each has its numbers. Bounds:
//! [`KEYS_MAX`] places and actors; further ones are counted and not weighed. Rates are seen only where every request has a receipt
//! (`telemetry.allow_sample` of 1) in a log with times.

mod alarms;
mod rates;
mod thresholds;

use self::alarms::Alarms;
use self::rates::Rates;
use self::thresholds::Risks;
use crate::args::Suggest;
use crate::output::{self, counted, one_line, DOUBTFUL, NAME};
use crate::traffic::Line;
use crate::{receipt, source, Answer};
use anyhow::{bail, Context, Result};
use serde_json::{json, Map, Value};
use std::io::{BufReader, Write};

/// Places and actors that are remembered.
const KEYS_MAX: usize = 200_000;

/// One change.
#[derive(Debug)]
struct Suggestion {
    /// The list of the configuration that it belongs to.
    list: &'static str,
    value: Value,
    reason: String,
}

pub(crate) fn run(own: &Suggest, json: bool, out: &mut dyn Write) -> Result<Answer> {
    let (mut alarms, mut rates, mut risks) = (Alarms::default(), Rates::default(), Risks::default());
    let mut receipts = 0_usize;
    for file in &own.files {
        let reader = BufReader::new(source::open(file)?);
        let read = receipt::each(reader, "", &mut |receipt, time| {
            receipts += 1;
            alarms.add(&receipt);
            rates.add(&receipt, time);
            risks.add(&receipt);
            Line::Read
        });
        read.with_context(|| format!("{} (as receipts)", file.display()))?;
    }
    if receipts == 0 {
        bail!(
            "there are no receipts; the filter writes them to Envoy's log and, as filter state, to the access log"
        );
    }
    let mut suggestions = alarms.suggestions(own);
    suggestions.extend(rates.suggestions(own));
    // Where exclusions are proposed, they take the risk away.
    let is_excluded = |route: &Value| suggestions.iter().any(|own| own.value.get("route") == Some(route));
    let thresholds = risks.suggestions(own).into_iter().filter(|own| !is_excluded(&own.value["name"]));
    let thresholds: Vec<Suggestion> = thresholds.collect();
    suggestions.extend(thresholds);
    if json {
        let told = suggestions
            .iter()
            .map(|Suggestion { list, value, reason }| json!({"list": list, "value": value, "reason": reason}));
        let told = json!({
            "receipts": receipts, "suggestions": told.collect::<Vec<_>>(), "fragment": fragment(&suggestions),
        });
        output::json(&told, out)?;
    } else {
        write(receipts, &suggestions, alarms.overflowed() || rates.overflowed(), out)?;
    }
    Ok(if suggestions.is_empty() { Answer::No } else { Answer::Yes })
}

fn write(receipts: usize, suggestions: &[Suggestion], overflowed: bool, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{} from {}", counted(suggestions.len(), "suggestion"), counted(receipts, "receipt"))?;
    if overflowed {
        writeln!(
            out,
            "{} more places or actors than are remembered: some were not weighed",
            DOUBTFUL.paint("note:")
        )?;
    }
    for Suggestion { list, value, reason } in suggestions {
        writeln!(out, "\n{} {}", NAME.paint(list), one_line(&value.to_string()))?;
        writeln!(out, "  {}", one_line(reason))?;
    }
    if !suggestions.is_empty() {
        writeln!(out, "\n{}", NAME.paint("For the configuration"))?;
        output::json(&fragment(suggestions), out)?;
    }
    Ok(())
}

/// All of them as a part of a configuration.
fn fragment(suggestions: &[Suggestion]) -> Value {
    let mut fragment = Map::new();
    for Suggestion { list, value, .. } in suggestions {
        let (section, name) = list.split_once('.').map_or((None, *list), |(section, name)| (Some(section), name));
        let place = match section {
            Some(section) => fragment.entry(section).or_insert_with(|| json!({})).as_object_mut(),
            None => Some(&mut fragment),
        };
        let items = place.map(|place| place.entry(name).or_insert_with(|| json!([])));
        if let Some(Value::Array(items)) = items {
            items.push(value.clone());
        }
    }
    Value::Object(fragment)
}

/// A share of 1 in percent, for people.
fn share(part: u64, of: u64) -> f64 {
    if of == 0 {
        0.0
    } else {
        part as f64 / of as f64
    }
}

/// The value that so many percent of all do not exceed (the nearest-rank method).
fn percentile<T: Copy>(sorted: &[T], percent: f64) -> Option<T> {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

#[cfg(test)]
mod tests;
