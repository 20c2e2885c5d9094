//! `portcullis schema`: the JSON Schema of the configuration.
//!
//! The form comes from the structures that read the document; the names of checks, which those do not know, from the table of
//! checks. So neither an editor nor the reference can know a key that the filter does not.

use crate::{output, Answer};
use anyhow::Result;
use portcullis::config::Config;
use portcullis::finding::{Check, Family};
use portcullis::stages::CHECKS;
use serde_json::{json, Map, Value};
use std::io::Write;

/// What editors show.
const TITLE: &str = "Configuration of Portcullis";

pub(crate) fn run(out: &mut dyn Write) -> Result<Answer> {
    output::json(&schema(), out)?;
    Ok(Answer::Yes)
}

/// The whole schema.
pub(crate) fn schema() -> Value {
    let mut schema = Config::schema();
    schema["title"] = TITLE.into();
    name_values(&mut schema, "Tuning", "id", CHECKS.iter().filter(|check| check.tunable));
    let inspected = CHECKS.iter().filter(|check| check.family == Family::Payload);
    name_values(&mut schema, "Exclusion", "check", inspected);
    if let Some(caps) = schema.pointer_mut("/$defs/Risk/properties/family_caps") {
        let cap = json!({"type": "number", "minimum": 0, "maximum": 1});
        let families = Family::ALL.into_iter().map(|family| (family.name().to_owned(), cap.clone()));
        caps["properties"] = Value::Object(families.collect::<Map<_, _>>());
        caps["additionalProperties"] = false.into();
    }
    schema
}

/// Says which checks may be named.
fn name_values<'a>(
    schema: &mut Value,
    definition: &str,
    key: &str,
    checks: impl Iterator<Item = &'a &'static Check>,
) {
    let ids: Vec<Value> = checks.map(|check| check.id.into()).collect();
    if let Some(property) = schema.pointer_mut(&format!("/$defs/{definition}/properties/{key}")) {
        let is_optional = property["type"].is_array();
        let nothing = is_optional.then_some(Value::Null);
        property["enum"] = ids.into_iter().chain(nothing).collect();
    }
}
