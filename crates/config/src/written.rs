//! The configuration's form, told to tools: its JSON Schema, and a document with every default filled in.
//!
//! Both come from the structures that read the document (`raw`), so neither can drift from what is read. They exist under the
//! feature `schema` alone, which the module is built without. Secrets are never repeated: `(secret)` stands for each.
//!
//! Not covered by the schema: what values mean together (a route that is named must exist), and bounds of numbers that
//! descriptions tell. [`Config::parse`] has the last word.

use super::raw::{Document, PrivateKey, Secret};
use super::units::{ByteSize, Duration, SIZE, TIME};
use super::{read, ByName, Config, ConfigError};
use schemars::generate::SchemaSettings;
use schemars::{json_schema, JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What stands for a secret.
const SECRET: &str = "(secret)";

impl Config {
    /// The JSON Schema of the document (draft 2020-12), with descriptions and defaults.
    pub fn schema() -> Value {
        let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Document>();
        one_line_each(without_nulls(schema.to_value()))
    }

    /// The document as it is read, with every default filled in. What is absent by default stays absent.
    ///
    /// # Errors
    /// [`ConfigError`] for what is not of the written form; what values mean together, [`Config::parse`] checks.
    pub fn effective(document: &[u8]) -> Result<Value, ConfigError> {
        let fault = |fault: serde_json::Error| ConfigError::new("", fault.to_string());
        serde_json::to_value(read(document)?).map(without_nulls).map_err(fault)
    }
}

/// Drops members that are null: there they mean what their absence means.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// Descriptions without the ends of lines that they have in the source.
fn one_line_each(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let line = |(name, value): (String, Value)| match value {
                Value::String(text) if name == "description" => (name, Value::String(text.replace('\n', " "))),
                other => (name, one_line_each(other)),
            };
            Value::Object(members.into_iter().map(line).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(one_line_each).collect()),
        other => other,
    }
}

/// Writes what stands for a secret.
pub(super) fn conceal<S: Serializer>(secret: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| SECRET).serialize(serializer)
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "" } else { SECRET })
    }
}

impl Serialize for PrivateKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(_) => serializer.serialize_str(SECRET),
            Self::Env(name) => serializer.collect_map([("env", name)]),
        }
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&quantity(self.0.as_u64(), TIME))
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&quantity(self.0, SIZE))
    }
}

/// A quantity in the largest unit of which it is a whole number.
fn quantity(count: u64, units: &[(&str, u64)]) -> String {
    let whole = units.iter().rev().find(|(_, factor)| count > 0 && count.checked_rem(*factor) == Some(0));
    // Nothing is as much in any unit; seconds and bytes read best.
    let named = units.iter().find(|(name, _)| ["s", "B"].contains(name));
    match whole.or(named) {
        Some((unit, factor)) => format!("{}{unit}", count.checked_div(*factor).unwrap_or(count)),
        None => count.to_string(),
    }
}

impl<V: Serialize> Serialize for ByName<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<V: JsonSchema> JsonSchema for ByName<V> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        BTreeMap::<String, V>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, V>::json_schema(generator)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A span of time: a whole number and `ms`, `s`, `m`, `h` or `d`.",
            "pattern": pattern(TIME),
        })
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A number of bytes: a whole number and `B`, `KiB`, `MiB` or `GiB`.",
            "pattern": pattern(SIZE),
        })
    }
}

fn pattern(units: &[(&str, u64)]) -> String {
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    format!("^[0-9]+({})$", names.join("|"))
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "description": "A text that no error message repeats."})
    }
}

impl JsonSchema for PrivateKey {
    fn schema_name() -> Cow<'static, str> {
        "PrivateKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A private key, or where it is.",
            "anyOf": [
                {"type": "string", "description": "PEM text."},
                {"type": "object", "description": "A JWK with its private members.", "required": ["kty"]},
                {
                    "type": "object",
                    "description": "The name of a variable that Envoy passes to the VM.",
                    "properties": {"env": {"type": "string"}},
                    "required": ["env"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_are_written_in_their_largest_whole_unit() {
        for (millis, text) in
            [(0, "0s"), (1, "1ms"), (1500, "1500ms"), (60_000, "1m"), (90_000, "90s"), (86_400_000, "1d")]
        {
            assert_eq!(quantity(millis, TIME), text);
        }
        assert_eq!((quantity(1 << 20, SIZE), quantity(0, SIZE)), ("1MiB".to_owned(), "0B".to_owned()));
    }

    #[test]
    fn defaults_are_filled_in_and_secrets_are_not_told() {
        let document = br#"{"version": 1, "telemetry": {"actor_salt": "pepper"}, "limits": []}"#;
        let effective = Config::effective(document).unwrap();
        assert_eq!(effective["telemetry"]["actor_salt"], json!("(secret)"));
        assert_eq!(effective["request"]["body_read_max"], json!("32KiB"));
        assert_eq!(effective.get("identity"), None);
    }

    /// Every key says what it is: the reference is made of nothing else.
    #[test]
    fn every_key_has_a_description() {
        fn visit(place: &str, schema: &Value, silent: &mut Vec<String>) {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                if property["description"].as_str().is_none_or(str::is_empty) {
                    silent.push(format!("{place}.{name}"));
                }
            }
            for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
                visit(name, definition, silent);
            }
        }
        let mut silent = Vec::new();
        visit("", &Config::schema(), &mut silent);
        assert!(silent.is_empty(), "{silent:?}");
    }
}
