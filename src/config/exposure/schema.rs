//! Allow-lists from the schemas of responses: the part of JSON Schema that OpenAPI 3 writes about fields.
//!
//! Read are `properties`, `items`, `additionalProperties`, `allOf`, `oneOf`, `anyOf` (what any of them has may pass), and `$ref` to another
//! of the schemas, by the last part of its path. A schema that names no fields lets all of its value pass. One that names some
//! lets no others pass unless `additionalProperties` does: what a list of fields is for. Types and formats are not checked.
//! Bounds: [`DEPTH_MAX`], [`NODES_MAX`]; a schema that contains itself is refused.

use super::Tree;
use crate::config::ConfigError;
use serde_json::Value;
use std::collections::BTreeMap;

/// Nesting of schemas, references among it.
const DEPTH_MAX: u32 = 32;

/// Schemas in one list, after references are resolved.
const NODES_MAX: u32 = 10_000;

/// The list of a schema by its name. `path` is where it is asked for.
pub(super) fn list(name: &str, schemas: &BTreeMap<String, Value>, path: &str) -> Result<Tree, ConfigError> {
    let unknown = || ConfigError::unknown(path.to_owned(), "schema", name, schemas.keys().map(String::as_str));
    let schema = schemas.get(name).ok_or_else(unknown)?;
    let mut reader = Reader { schemas, left: NODES_MAX, place: format!("exposure.schemas.{name}") };
    let mut tree = Tree::default();
    reader.add(schema, &mut tree, DEPTH_MAX)?;
    Ok(tree)
}

struct Reader<'a> {
    schemas: &'a BTreeMap<String, Value>,
    left: u32,
    place: String,
}

impl Reader<'_> {
    fn fault(&self, fault: &str) -> ConfigError {
        ConfigError::new(self.place.clone(), fault.to_owned())
    }

    /// Adds what a schema lets pass.
    fn add(&mut self, schema: &Value, tree: &mut Tree, depth: u32) -> Result<(), ConfigError> {
        let deeper = depth.checked_sub(1).ok_or_else(|| self.fault("is nested too deeply, or contains itself"))?;
        self.left = self.left.checked_sub(1).ok_or_else(|| self.fault("has too many fields"))?;
        let Value::Object(schema) = schema else { return Err(self.fault("expected a schema as an object")) };
        let mut names_fields = false;
        if let Some(reference) = schema.get("$ref") {
            let name = reference.as_str().and_then(|text| text.rsplit('/').next()).unwrap_or_default();
            let schemas = self.schemas;
            let named =
                schemas.get(name).ok_or_else(|| self.fault("has a `$ref` to no schema of `exposure.schemas`"))?;
            self.add(named, tree, deeper)?;
            names_fields = true;
        }
        for keyword in ["allOf", "oneOf", "anyOf"] {
            let Some(parts) = schema.get(keyword) else { continue };
            let Value::Array(parts) = parts else { return Err(self.fault("expected a list of schemas")) };
            parts.iter().try_for_each(|part| self.add(part, tree, deeper))?;
            names_fields = true;
        }
        if let Some(properties) = schema.get("properties") {
            let Value::Object(properties) = properties else {
                return Err(self.fault("expected `properties` as an object"));
            };
            for (name, property) in properties {
                self.add(property, tree.member_mut(name), deeper)?;
            }
            names_fields = true;
        }
        if let Some(items) = schema.get("items") {
            self.add(items, tree.items_mut(), deeper)?;
            names_fields = true;
        }
        match schema.get("additionalProperties") {
            Some(Value::Object(_)) => {
                let rest = schema.get("additionalProperties").unwrap_or(&Value::Null);
                self.add(rest, tree.any_member_mut(), deeper)?;
            }
            Some(Value::Bool(true)) => tree.any_member_mut().is_end = true,
            Some(Value::Bool(false)) => {}
            _ => tree.is_end |= !names_fields,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tree(schema: Value) -> Result<Tree, String> {
        let schemas = json!({"it": schema, "owner": {"properties": {"name": {"type": "string"}}}, "loop": {"properties": {"next": {"$ref": "#/loop"}}}});
        let schemas = serde_json::from_value(schemas).unwrap();
        list("it", &schemas, "exposure.fields[0].schema").map_err(|fault| fault.to_string())
    }

    fn paths(texts: &[&str]) -> Tree {
        let mut tree = Tree::default();
        texts.iter().for_each(|text| tree.add(&super::super::steps(text).unwrap()));
        tree
    }

    #[test]
    fn a_schema_is_the_list_of_its_fields() {
        for (schema, same_as) in [
            (json!({"properties": {"id": {"type": "integer"}, "name": {}}}), paths(&["id", "name"])),
            (json!({"type": "array", "items": {"properties": {"sku": {}}}}), paths(&["[].sku"])),
            (json!({"properties": {"owner": {"$ref": "#/components/schemas/owner"}}}), paths(&["owner.name"])),
            (json!({"allOf": [{"$ref": "owner"}, {"properties": {"id": {}}}]}), paths(&["id", "name"])),
            (json!({"properties": {"tags": {"additionalProperties": {"type": "string"}}}}), paths(&["tags.*"])),
            (json!({"properties": {"any": {"type": "object"}}}), paths(&["any"])),
        ] {
            assert_eq!(tree(schema.clone()), Ok(same_as), "{schema}");
        }
        assert!(!tree(json!({"additionalProperties": false})).unwrap().is_end, "nothing may pass");
    }

    #[test]
    fn faults_are_named() {
        for (schema, fault) in [
            (json!({"$ref": "#/loop"}), "contains itself"),
            (json!({"$ref": "#/nobody"}), "to no schema"),
            (json!({"properties": []}), "as an object"),
            (json!({"items": 1}), "as an object"),
            (json!({"oneOf": {}}), "a list of schemas"),
        ] {
            let told = tree(schema.clone()).unwrap_err();
            assert!(told.starts_with("exposure.schemas.it: ") && told.contains(fault), "{schema}: {told}");
        }
        assert!(list("x", &BTreeMap::new(), "exposure.fields[0].schema").is_err());
    }
}
