//! Where configurations come from: a document of its own, or an Envoy bootstrap or Istio manifest that contains some.
//!
//! In a manifest a configuration is the text (or structure) of a filter's `configuration`, an Istio WasmPlugin's `pluginConfig`, or
//! the `config` of an Envoy Gateway extension, if it has a `version`. What stands there as a structure is checked as the JSON that
//! the filter gets. Bound: [`BYTES_MAX`] of one file, a configuration is 4 MiB at most.

use anyhow::{bail, Context, Result};
use portcullis::config::Config;
use portcullis::stages::CHECKS;
use serde::Deserialize;
use serde_json::Value;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Longest file that is read whole.
const BYTES_MAX: u64 = 64 << 20;

/// The names under which manifests have configurations.
const NAMES: [&str; 3] = ["configuration", "pluginConfig", "config"];

/// A configuration as text.
#[derive(Debug)]
pub(crate) struct Document {
    /// Where it comes from, for people: the file, and the place in it.
    pub(crate) origin: String,
    /// The JSON.
    pub(crate) text: String,
}

/// Reads a file whole; `-` is the standard input.
pub(crate) fn read(path: &Path) -> Result<String> {
    let name = path.display();
    let mut bytes = Vec::new();
    let reader: Box<dyn Read> = open(path)?;
    reader.take(BYTES_MAX).read_to_end(&mut bytes).with_context(|| format!("{name} cannot be read"))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length == BYTES_MAX) {
        bail!("{name} is longer than any configuration");
    }
    String::from_utf8(bytes).with_context(|| format!("{name} is not text"))
}

/// Opens a file; `-` is the standard input.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
    Ok(Box::new(file))
}

/// Every configuration in a file. At least one: a file that is no manifest is a configuration itself.
pub(crate) fn documents(path: &Path) -> Result<Vec<Document>> {
    let text = read(path)?;
    let name = if path == Path::new("-") { "(standard input)".to_owned() } else { path.display().to_string() };
    if text.trim_start().starts_with('{') || text.trim().is_empty() {
        let value: Option<Value> = serde_json::from_str(&text).ok();
        if !value.as_ref().is_some_and(is_manifest) {
            return Ok(vec![Document { origin: name, text }]);
        }
    }
    let mut found = Vec::new();
    for (number, part) in serde_norway::Deserializer::from_str(&text).enumerate() {
        let value = Value::deserialize(part).with_context(|| format!("{name} is neither JSON nor YAML"))?;
        let place = if number == 0 { String::new() } else { format!("document {}: ", number.saturating_add(1)) };
        search(&value, &place, &mut |place, text| {
            found.push(Document { origin: format!("{name} ({place})"), text });
        });
    }
    if found.is_empty() {
        bail!("{name} contains no configuration: none of {} has a `version`", NAMES.join(", "));
    }
    Ok(found)
}

/// The one configuration of a file, as the filter reads it.
pub(crate) fn config(path: &Path, change: impl FnOnce(String) -> Result<String>) -> Result<Config> {
    let mut documents = documents(path)?;
    let (Some(document), true) = (documents.pop(), documents.is_empty()) else {
        bail!("{} contains several configurations", path.display());
    };
    let Document { origin, text } = document;
    let fault = |fault| anyhow::anyhow!("{origin}: {fault}");
    Config::parse_with(change(text)?.as_bytes(), CHECKS, &environment).map_err(fault)
}

/// The variables that a configuration may refer to.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn is_manifest(value: &Value) -> bool {
    let names = ["static_resources", "dynamic_resources", "apiVersion", "resources", "admin"];
    value.get("version").is_none() && names.into_iter().any(|name| value.get(name).is_some())
}

/// Calls back for each configuration in a manifest, with its place.
fn search(value: &Value, place: &str, found: &mut dyn FnMut(&str, String)) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let dot = if place.is_empty() || place.ends_with(' ') { "" } else { "." };
                let place = format!("{place}{dot}{name}");
                match configuration(member).filter(|_| NAMES.contains(&name.as_str())) {
                    Some(text) => found(&place, text),
                    None => search(member, &place, found),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                search(item, &format!("{place}[{index}]"), found);
            }
        }
        _ => {}
    }
}

/// The configuration that a member has: as text in a `StringValue`, or as a structure.
fn configuration(member: &Value) -> Option<String> {
    let inner = member.get("value").unwrap_or(member);
    match inner {
        Value::String(text) => text.contains("\"version\"").then(|| text.clone()),
        Value::Object(members) => {
            let is_ours = members.get("version").is_some_and(Value::is_number);
            is_ours.then(|| serde_json::to_string_pretty(inner).ok()).flatten()
        }
        _ => None,
    }
}
