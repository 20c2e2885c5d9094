//! `portcullis check`: is this configuration valid, and what about it is risky?
//!
//! Validity is decided by the very code that the filter loads a configuration with. Its fault has a path, which is turned into a
//! place in the text. Warnings are about what is valid and probably not meant: [`warnings`].

pub(crate) mod warnings;

use self::warnings::{Severity, Warning};
use crate::args::Check;
use crate::output::{self, counted, one_line, DOUBTFUL, FAINT, GOOD, NAME};
use crate::source::{self, Document};
use crate::{place, Answer};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use anyhow::{bail, Result};
use portcullis::config::{Config, ConfigError, Mode};
use portcullis::stages::CHECKS;
use serde_json::{json, Value};
use std::io::Write;
use std::ops::Range;

/// What was found out about one configuration.
struct Findings {
    document: Document,
    judged: Result<Config, ConfigError>,
    warnings: Vec<Warning>,
    effective: Option<Value>,
}

pub(crate) fn run(own: &Check, json: bool, out: &mut dyn Write) -> Result<Answer> {
    if let Some(unknown) = own.allow.iter().find(|id| !warnings::ALL.iter().any(|known| known.id == **id)) {
        bail!("there is no warning `{unknown}`; docs/reference/warnings.md has all of them");
    }
    let all: Vec<Findings> =
        source::documents(&own.file)?.into_iter().map(|found| look(found, &own.allow)).collect();
    if json {
        let told: Vec<Value> = all.iter().map(|found| told(found, own.effective)).collect();
        output::json(&told, out)?;
    } else {
        for found in &all {
            match (&found.judged, &found.effective) {
                (Err(fault), _) => write_fault(&found.document, fault, out)?,
                (Ok(_), Some(effective)) if own.effective => output::json(effective, out)?,
                (Ok(config), _) => write_valid(found, config, out)?,
            }
        }
    }
    let is_denied = |found: &Findings| {
        own.deny_warnings && found.warnings.iter().any(|warning| warning.of.severity == Severity::Warning)
    };
    let refused = all.iter().any(|found| found.judged.is_err() || is_denied(found));
    Ok(if refused { Answer::No } else { Answer::Yes })
}

fn look(document: Document, allowed: &[String]) -> Findings {
    let judged = Config::parse_with(document.text.as_bytes(), CHECKS, &source::environment);
    let effective = judged.as_ref().ok().and_then(|_| Config::effective(document.text.as_bytes()).ok());
    let mut warnings = match (&judged, &effective) {
        (Ok(config), Some(effective)) => warnings::of(config, effective),
        _ => Vec::new(),
    };
    warnings.retain(|warning| !allowed.iter().any(|id| id == warning.of.id));
    Findings { document, judged, warnings, effective }
}

/// The range of the text that a fault is about.
fn place_of(text: &str, fault: &ConfigError) -> Option<Range<usize>> {
    if fault.path().is_empty() {
        return place::of_syntax(text, fault.fault());
    }
    place::find(text, fault.path(), fault.fault().starts_with("unknown field"))
}

fn write_fault(document: &Document, fault: &ConfigError, out: &mut dyn Write) -> Result<()> {
    let place = if fault.path().is_empty() { "the document" } else { fault.path() };
    let title = one_line(&format!("{place}: {}", fault.fault()));
    let hint = fault.hint().map(|hint| format!("did you mean `{hint}`?"));
    let place = place_of(&document.text, fault);
    write_report(Level::ERROR, None, &title, hint.as_deref(), document, place, out)
}

fn write_valid(found: &Findings, config: &Config, out: &mut dyn Write) -> Result<()> {
    for warning in &found.warnings {
        let level = if warning.of.severity == Severity::Warning { Level::WARNING } else { Level::NOTE };
        let title = one_line(&format!("{}: {}", shown(&warning.path), warning.message));
        // What is absent is nowhere: all of the document is no place.
        let whole = place::find(&found.document.text, "", false);
        let place =
            place::find(&found.document.text, &warning.path, false).filter(|place| Some(place) != whole.as_ref());
        write_report(level, Some(warning.of.id), &title, Some(warning.of.remedy), &found.document, place, out)?;
    }
    let count = |severity| found.warnings.iter().filter(|warning| warning.of.severity == severity).count();
    let (warnings, notes) = (count(Severity::Warning), count(Severity::Note));
    let routes = config.routes.iter().filter(|(_, route)| !route.template.is_empty());
    let (enforced, all) = routes.fold((0, 0), |(enforced, all), (_, route)| {
        (enforced + usize::from(route.mode == Mode::Enforce), all + 1)
    });
    let verdict = match (warnings, notes) {
        (0, 0) => "nothing to warn of".to_owned(),
        _ => format!("{}, {}", DOUBTFUL.paint(counted(warnings, "warning")), counted(notes, "note")),
    };
    let told = format!(
        "{} ({enforced} enforced), {}, {}; {verdict}",
        counted(all, "route"),
        counted(config.limits.len(), "limit"),
        counted(config.rules.len(), "rule"),
    );
    let digest = FAINT.paint(format!("configuration {}", config.digest));
    writeln!(out, "{}: {}, {digest}: {told}", NAME.paint(one_line(&found.document.origin)), GOOD.paint("valid"))?;
    Ok(())
}

fn shown(path: &str) -> &str {
    if path.is_empty() {
        "the document"
    } else {
        path
    }
}

/// A message with the lines that it is about and carets under the place.
fn write_report(
    level: Level<'_>,
    id: Option<&str>,
    title: &str,
    help: Option<&str>,
    document: &Document,
    place: Option<Range<usize>>,
    out: &mut dyn Write,
) -> Result<()> {
    let title = match id {
        Some(id) => level.primary_title(title).id(id),
        None => level.primary_title(title),
    };
    // A section of many lines is told by its first one.
    let place = place.map(|place| {
        let first = document.text.get(place.clone()).unwrap_or_default().lines().next().unwrap_or_default();
        place.start..place.start.saturating_add(first.len())
    });
    let origin = one_line(&document.origin);
    let mut group = annotate_snippets::Group::with_title(title);
    if let Some(place) = place {
        let snippet = Snippet::source(output::same_length(&document.text)).path(origin);
        group = group.element(snippet.annotation(AnnotationKind::Primary.span(place)));
    }
    if let Some(help) = help {
        group = group.element(Level::HELP.message(help));
    }
    writeln!(out, "{}\n", Renderer::styled().render(&[group]))?;
    Ok(())
}

/// The same for programs.
fn told(found: &Findings, with_effective: bool) -> Value {
    let text = &found.document.text;
    let at = |place: Option<Range<usize>>| {
        place
            .map(|place| place::line_and_column(text, place.start))
            .map_or((None, None), |(line, column)| (Some(line), Some(column)))
    };
    let warnings = found.warnings.iter().map(|warning| {
        let (line, column) = at(place::find(text, &warning.path, false));
        json!({
            "id": warning.of.id, "severity": warning.of.severity.name(), "path": warning.path,
            "message": warning.message, "help": warning.of.remedy, "line": line, "column": column,
        })
    });
    let error = found.judged.as_ref().err().map(|fault| {
        let (line, column) = at(place_of(text, fault));
        json!({
            "path": fault.path(), "message": fault.fault(), "hint": fault.hint(), "line": line, "column": column,
        })
    });
    let mut told = json!({
        "file": found.document.origin,
        "valid": found.judged.is_ok(),
        "digest": found.judged.as_ref().ok().map(|config| &config.digest),
        "error": error,
        "warnings": warnings.collect::<Vec<_>>(),
    });
    if with_effective {
        told["effective"] = found.effective.clone().unwrap_or_default();
    }
    told
}
