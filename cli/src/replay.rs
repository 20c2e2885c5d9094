//! `portcullis replay`: what a configuration makes of recorded traffic, and how that differs from another configuration.
//!
//! Both configurations see the same exchanges in the same order at the time they were recorded, each with a memory of its own.
//! `--config` is the one to try, `--against` the one to compare it with; what only the first stops is *newly* denied or
//! challenged. Nothing of a request is shown but its method, its path and the names of its query's parameters.

mod compare;
mod html;
mod tally;
mod text;
mod timeline;

use self::compare::Comparison;
use self::tally::Tally;
use crate::args::{Allowance, Replay};
use crate::drive::{Driver, Judged};
use crate::traffic::{self, Exchange};
use crate::{output, source, Answer};
use anyhow::{bail, Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use portcullis::time::Millis;
use serde_json::{json, Value};
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

/// Longest path of an example.
const PATH_CHARS_MAX: usize = 80;

/// What was found out.
struct Outcome {
    tally: Tally,
    /// With the configuration that it is compared with.
    compared: Option<(Tally, Comparison)>,
    skipped: u64,
    lacking: Lacking,
    gate: Option<Gate>,
}

/// What the recording does not have.
#[derive(Debug, Default)]
struct Lacking {
    times: u64,
    sources: u64,
    bodies: u64,
    fields: u64,
}

/// Whether the configuration may be promoted.
#[derive(Debug, Copy, Clone)]
struct Gate {
    newly_stopped: u64,
    allowed: f64,
    passed: bool,
}

pub(crate) fn run(own: &Replay, json: bool, out: &mut dyn Write) -> Result<Answer> {
    let outcome = replay(own)?;
    if let Some(report) = &own.html {
        let names = own.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        let page = html::page(&outcome, &names, own);
        fs::write(report, page).with_context(|| format!("{} cannot be written", report.display()))?;
    }
    if json {
        output::json(&told(&outcome), out)?;
    } else {
        text::write(&outcome, own, out)?;
    }
    let has_passed = outcome.gate.is_none_or(|gate| gate.passed);
    Ok(if has_passed { Answer::Yes } else { Answer::No })
}

fn replay(own: &Replay) -> Result<Outcome> {
    let driver = |path: &Path| -> Result<Driver> {
        let config =
            source::config(path, |text| if own.no_identity { without_identity(&text) } else { Ok(text) })?;
        Driver::new(config, &own.document)
    };
    let mut tried = driver(&own.config)?;
    let mut other = own.against.as_deref().map(driver).transpose()?;
    let mut tally = Tally::new(own.enforce);
    let mut compared = other.as_ref().map(|_| (Tally::new(own.enforce), Comparison::new(own.examples)));
    let mut receipts = own.receipts.as_deref().map(create).transpose()?;
    let (mut skipped, mut lacking) = (0_u64, Lacking::default());
    let start = own.at.unwrap_or_else(jiff::Timestamp::now).as_millisecond();
    let start = Millis::new(u64::try_from(start).unwrap_or_default());
    for file in &own.files {
        let length = fs::metadata(file).map(|data| data.len()).ok();
        let bar = progress(length);
        let reader = BufReader::with_capacity(1 << 16, bar.wrap_read(source::open(file)?));
        let none = traffic::read(reader, own.format, &mut |exchange| {
            lacking.note(&exchange);
            let at = exchange.at.unwrap_or(start);
            let source = exchange.source.unwrap_or(own.source);
            let judged = tried.judge(&exchange, source, at);
            let route = tried.config().routes.get(judged.route).name.clone();
            tally.add(&judged, &route, at);
            if let Some(receipts) = &mut receipts {
                write_receipt(&judged, at, receipts)?;
            }
            if let (Some(other), Some((others, comparison))) = (&mut other, &mut compared) {
                let before = other.judge(&exchange, source, at);
                others.add(&before, &other.config().routes.get(before.route).name, at);
                let now = (tally.verdict(judged.outcome), &judged);
                comparison.add((tally.verdict(before.outcome), &before), now, &route, || line(&exchange));
            } else {
                tally.keep_example(&judged, &route, own.examples, || line(&exchange));
            }
            Ok(())
        });
        bar.finish_and_clear();
        skipped =
            skipped.saturating_add(none.with_context(|| format!("{} (as recorded traffic)", file.display()))?);
    }
    if let Some(receipts) = &mut receipts {
        receipts.flush().context("the receipts cannot be written")?;
    }
    if tally.requests == 0 {
        bail!("there is no request in what was recorded; `--format` says what it is");
    }
    let gate = own
        .max_newly_denied
        .zip(compared.as_ref())
        .map(|(allowance, (_, comparison))| Gate::new(allowance, comparison.newly_stopped(), tally.requests));
    Ok(Outcome { tally, compared, skipped, lacking, gate })
}

fn create(path: &Path) -> Result<BufWriter<File>> {
    Ok(BufWriter::new(File::create(path).with_context(|| format!("{} cannot be written", path.display()))?))
}

/// A line as Envoy's access log has it: the time, and the receipt as text.
fn write_receipt(judged: &Judged, at: Millis, out: &mut dyn Write) -> Result<()> {
    let time = i64::try_from(at.as_u64()).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    let line = json!({"time": time.map(|time| time.to_string()), "portcullis_receipt": judged.receipt});
    Ok(writeln!(out, "{line}")?)
}

/// A bar on a terminal, nothing elsewhere.
fn progress(length: Option<u64>) -> ProgressBar {
    let bar = match length.filter(|length| *length > 0) {
        Some(length) => ProgressBar::new(length),
        None => ProgressBar::new_spinner(),
    };
    let style = "{bar:40.cyan/blue} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
    if let (Some(_), Ok(style)) = (length, ProgressStyle::with_template(style)) {
        bar.set_style(style);
    }
    bar
}

/// The configuration as if nobody were asked for a token.
fn without_identity(text: &str) -> Result<String> {
    let mut document: Value = serde_json::from_str(text).context("the configuration is no JSON")?;
    if let Some(members) = document.as_object_mut() {
        members.retain(|name, _| name != "identity" && name != "minting");
    }
    Ok(document.to_string())
}

/// Method and path of a request, and the names of its parameters: their values may be secrets.
fn line(exchange: &Exchange) -> String {
    let path = exchange.field(":path").unwrap_or_default();
    let (path, query) = path.split_once('?').map_or((path.as_str(), None), |(path, query)| (path, Some(query)));
    let names = query.map(|query| {
        let names = query
            .split('&')
            .map(|pair| pair.split_once('=').map_or(pair.to_owned(), |(name, _)| format!("{name}=…")));
        format!("?{}", names.collect::<Vec<_>>().join("&"))
    });
    let method = exchange.field(":method").unwrap_or_default();
    output::shortened(&format!("{method} {path}{}", names.unwrap_or_default()), PATH_CHARS_MAX)
}

impl Lacking {
    fn note(&mut self, exchange: &Exchange) {
        for (count, lacks) in [
            (&mut self.times, exchange.at.is_none()),
            (&mut self.sources, exchange.source.is_none()),
            (&mut self.bodies, exchange.lacks_body),
            (&mut self.fields, !exchange.has_fields),
        ] {
            *count = count.saturating_add(u64::from(lacks));
        }
    }

    /// What could not be judged for the lack of it.
    fn notes(&self, source: impl std::fmt::Display) -> Vec<String> {
        let lacks = [
            (self.times, "time", "the present was taken".to_owned()),
            (self.sources, "source", format!("{source} was taken")),
            (self.bodies, "recorded body, where there was one,", "rules about bodies saw an empty one".to_owned()),
            (self.fields, "header fields", "tokens and other fields were not seen (see --no-identity)".to_owned()),
        ];
        let lacks = lacks.into_iter().filter(|(count, ..)| *count > 0);
        let note = |(count, what, so): (u64, &str, String)| {
            let requests = output::counted(usize::try_from(count).unwrap_or(usize::MAX), "request");
            format!("no {what} in {requests}: {so}")
        };
        lacks.map(note).collect()
    }
}

impl Gate {
    fn new(allowance: Allowance, newly_stopped: u64, requests: u64) -> Self {
        let allowed = match allowance {
            Allowance::Count(count) => count as f64,
            Allowance::Share(share) => share * requests as f64,
        };
        Self { newly_stopped, allowed, passed: newly_stopped as f64 <= allowed }
    }
}

/// The result for programs.
fn told(outcome: &Outcome) -> Value {
    let Outcome { tally, compared, skipped, lacking, gate } = outcome;
    json!({
        "requests": tally.requests,
        "skipped": skipped,
        "lacking": {
            "time": lacking.times, "source": lacking.sources, "body": lacking.bodies, "fields": lacking.fields,
        },
        "result": tally.told(),
        "against": compared.as_ref().map(|(others, comparison)| json!({
            "result": others.told(),
            "changes": comparison.told(),
        })),
        "gate": gate.map(|gate| json!({
            "newly_denied": gate.newly_stopped, "allowed": gate.allowed, "passed": gate.passed,
        })),
    })
}

/// What a finding saw, for an example: the check and its reason, which has no secrets.
fn reasons(judged: &Judged) -> Vec<String> {
    let reason = |weighed: &portcullis::stages::risk::Weighed| {
        let rule = weighed.finding.rule.as_ref().map(|rule| format!(" ({})", rule.name)).unwrap_or_default();
        output::shortened(&format!("{}{rule}: {}", weighed.finding.check.id, weighed.finding.reason), 160)
    };
    judged.findings.iter().map(reason).collect()
}
