//! `portcullis reference`: the reference pages, made from the code alone.
//!
//! Keys come from the schema, checks, statistics and warnings from their tables. A test holds the published pages to what this
//! writes, so a page cannot say what the filter does not do.

use crate::check::warnings;
use crate::{schema, Answer};
use anyhow::{Context, Result};
use portcullis::finding::{Check, Class, Family, Weight};
use portcullis::metrics::METRICS;
use portcullis::stages::CHECKS;
use serde_json::Value;
use std::fs;
use std::io::Write;

use crate::args::Reference;

/// Keys within keys at most.
const DEPTH_MAX: usize = 12;

const GENERATED: &str = "<!-- Written by `portcullis reference`. Change the code, not this page. -->";

pub(crate) fn run(own: &Reference, out: &mut dyn Write) -> Result<Answer> {
    let pages = [
        ("configuration.md", configuration()),
        ("checks.md", checks()),
        ("metrics.md", metrics()),
        ("warnings.md", warning_page()),
    ];
    let mut old = Vec::new();
    if !own.check {
        fs::create_dir_all(&own.folder).with_context(|| format!("{} cannot be made", own.folder.display()))?;
    }
    for (name, text) in pages {
        let path = own.folder.join(name);
        if own.check {
            let is_current = fs::read_to_string(&path).is_ok_and(|written| written == text);
            old.extend((!is_current).then_some(path));
        } else {
            fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
            writeln!(out, "{}", path.display())?;
        }
    }
    for path in &old {
        writeln!(out, "{} is not what would be written", path.display())?;
    }
    Ok(if old.is_empty() { Answer::Yes } else { Answer::No })
}

/// Every key of the configuration, a table for each section.
fn configuration() -> String {
    let schema = schema::schema();
    let mut page = format!(
        "# Configuration reference\n\n{GENERATED}\n\nOne JSON document. Unknown keys and duplicate keys are refused. Durations and \
         sizes are texts with a unit: `\"30s\"` (`ms`, `s`, `m`, `h`, `d`), `\"64KiB\"` (`B`, `KiB`, `MiB`, `GiB`). An empty section \
         means its defaults. [`portcullis.schema.json`](../portcullis.schema.json) says the same to editors; `portcullis check` has \
         the last word.\n"
    );
    let required = required(&schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let mut rows = Vec::new();
        let is_required = required.contains(&name.as_str());
        walk(&schema, name, property, is_required, 0, &mut rows);
        page.push_str(&format!("\n## `{name}`\n"));
        page.push_str("\n| key | type | default | meaning |\n|---|---|---|---|\n");
        page.extend(rows);
    }
    page
}

/// The row of a key, and those of the keys within it.
fn walk(schema: &Value, path: &str, property: &Value, is_required: bool, depth: usize, rows: &mut Vec<String>) {
    let (form, suffix) = resolve(schema, property);
    let default = match (property.get("default"), is_required) {
        (_, true) => "required".to_owned(),
        (Some(Value::Object(_)), _) => String::new(),
        (Some(default), _) => format!("`{}`", default.to_string().replace(',', ", ")),
        (None, _) => "none".to_owned(),
    };
    let chosen = form.get("items").map_or(form, |items| resolve(schema, items).0);
    let meaning = [text(property), values(chosen)].concat();
    rows.push(format!("| `{path}{suffix}` | {} | {default} | {} |\n", kind(schema, form, suffix), cell(&meaning)));
    if depth < DEPTH_MAX {
        let required = required(form);
        for (name, inner) in form["properties"].as_object().into_iter().flatten() {
            let is_required = required.contains(&name.as_str());
            let depth = depth.saturating_add(1);
            walk(schema, &format!("{path}{suffix}.{name}"), inner, is_required, depth, rows);
        }
    }
}

/// What a property is, without references and nulls; and whether there are many of it.
fn resolve<'a>(schema: &'a Value, property: &'a Value) -> (&'a Value, &'static str) {
    if let Some(name) = property["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
        return resolve(schema, &schema["$defs"][name]);
    }
    let mut choices = property["anyOf"].as_array().into_iter().flatten().filter(|choice| choice["type"] != "null");
    // Of a switch and a section the section has the keys.
    if let Some(choice) = choices.next_back().filter(|_| property.get("properties").is_none()) {
        return resolve(schema, choice);
    }
    let is_section = |item: &Value| item.get("properties").is_some();
    match (property.get("items"), property.get("additionalProperties")) {
        (Some(items), _) if is_section(resolve(schema, items).0) => (resolve(schema, items).0, "[]"),
        (_, Some(items)) if items.is_object() && is_section(resolve(schema, items).0) => {
            (resolve(schema, items).0, ".*")
        }
        _ => (property, ""),
    }
}

fn required(form: &Value) -> Vec<&str> {
    form["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn text(property: &Value) -> String {
    plain(property["description"].as_str().unwrap_or_default())
}

/// Without links into the source.
fn plain(text: &str) -> String {
    text.replace("[`", "`").replace("`]", "`")
}

/// The values that may be chosen from.
fn values(form: &Value) -> String {
    let choices = form["oneOf"].as_array().into_iter().flatten();
    let named = |choice: &Value| {
        if let Some(value) = choice["const"].as_str() {
            return vec![format!("`\"{value}\"`: {}", uncapped(&text(choice)))];
        }
        let plain = choice["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
        plain.map(|value| format!("`\"{value}\"`")).collect()
    };
    let values: Vec<String> = choices.flat_map(named).collect();
    if values.is_empty() {
        String::new()
    } else {
        format!(" One of {}.", values.join("; "))
    }
}

/// A sentence as a part of another.
fn uncapped(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

fn kind(schema: &Value, form: &Value, suffix: &str) -> String {
    if suffix == "[]" {
        return "list of sections".to_owned();
    }
    if suffix == ".*" {
        return "sections by name".to_owned();
    }
    let pattern = form["pattern"].as_str().unwrap_or_default();
    if pattern.contains("KiB") {
        return "size".to_owned();
    }
    if pattern.contains("ms") {
        return "duration".to_owned();
    }
    if form.get("oneOf").is_some() {
        return "choice".to_owned();
    }
    let types = match &form["type"] {
        Value::String(name) => vec![name.as_str()],
        Value::Array(names) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        _ => Vec::new(),
    };
    match types.as_slice() {
        ["object"] if form.get("properties").is_some() => "section".to_owned(),
        ["object"] => match form.get("additionalProperties").filter(|inner| inner.is_object()) {
            Some(inner) => format!("{} by name", kind(schema, resolve(schema, inner).0, "")),
            None => "object".to_owned(),
        },
        ["array"] => format!("list of {}", kind(schema, resolve(schema, &form["items"]).0, "")),
        [name] => (*name).to_owned(),
        _ => "any".to_owned(),
    }
}

/// Text that does not end a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Every check, a table for each family.
fn checks() -> String {
    let mut page = format!(
        "# Checks\n\n{GENERATED}\n\nWhat is looked for. The id stands in statistics, receipts and under `checks` in the \
         configuration; the code is what a client is told. A *score* adds to the risk, up to the family's cap \
         (`risk.family_caps`); a *status* refuses by itself; a *policy* is chosen by an `on_error` of the configuration. Checks \
         marked † cannot be tuned: nothing else guards a request that they would let pass.\n"
    );
    for family in Family::ALL {
        let own = CHECKS.iter().filter(|check| check.family == family);
        page.push_str(&format!("\n## {}\n\nStage `{}`.\n", family.name(), family.stage()));
        page.push_str("\n| id | code | HTTP | gRPC | effect | meaning |\n|---|---|---|---|---|---|\n");
        page.extend(own.map(|check| {
            let mark = if check.tunable { "" } else { " †" };
            let Check { id, code, class, means, .. } = check;
            let (http, grpc) = (class.http_status(), class.grpc_status());
            format!("| `{id}`{mark} | `{code}` | {http} | {grpc} | {} | {} |\n", effect(check), cell(means))
        }));
    }
    page.push_str(
        "\nRequests that are stopped by the sum of scores have the codes `risk_denied` (403) and `step_up_required` (401); a \
         response that is withheld has `response_withheld` (502).\n",
    );
    page
}

fn effect(check: &Check) -> String {
    match (check.weight, check.class) {
        (Weight::Refuse, _) => "refuses".to_owned(),
        (Weight::Challenge, _) => "challenges".to_owned(),
        (Weight::Score(score), _) => format!("score {}", score.value()),
        (Weight::Note, Class::Unavailable) => "policy".to_owned(),
        (Weight::Note, _) => "note, or as found".to_owned(),
    }
}

/// Every statistic.
fn metrics() -> String {
    let mut page = format!(
        "# Statistics\n\n{GENERATED}\n\nThe labels become Prometheus labels through the `stats_tags` of \
         [`envoy/envoy.yaml`](../../envoy/envoy.yaml), on Istio through `extraStatTags`. Every value of a label comes from the \
         configuration or from the tables of this reference, so no client can add a series.\n\n\
         | name | kind | labels | meaning |\n|---|---|---|---|\n"
    );
    page.extend(METRICS.iter().map(|metric| {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        format!(
            "| `{}` | {} | {} | {} |\n",
            metric.name,
            metric.kind.name(),
            labels.join(", "),
            cell(metric.means)
        )
    }));
    page
}

/// Every warning of `portcullis check`.
fn warning_page() -> String {
    let mut page = format!(
        "# Warnings of `portcullis check`\n\n{GENERATED}\n\nA *warning* is a door that somebody may walk through, a *note* something \
         that is not guarded. `--allow ID` silences one, `--deny-warnings` makes warnings (not notes) an exit status of 1.\n\n\
         | id | severity | meaning | remedy |\n|---|---|---|---|\n"
    );
    page.extend(warnings::ALL.iter().map(|kind| {
        format!("| `{}` | {} | {} | {} |\n", kind.id, kind.severity.name(), cell(kind.means), cell(kind.remedy))
    }));
    page
}
