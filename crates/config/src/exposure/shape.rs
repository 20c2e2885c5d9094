//! What a response may look like: names of members and items, wherever they are. An allow-list of paths and a schema of OpenAPI
//! both become one.
//!
//! Read of a schema are `properties`, `patternProperties` (as any name), `additionalProperties`, `items`, `prefixItems`, `allOf`, `oneOf`,
//! `anyOf` (what any of them has may pass) and `$ref` into the same document. A schema that names fields lets no others pass
//! unless `additionalProperties` says so: what a list of fields is for. One that names none lets all of its value pass, or, where
//! its `type` is that of a plain value, plain values; beside one that names some it says nothing. What is `writeOnly`, by itself or by its `$ref` or
//! `allOf`, is not for responses and does not pass. Other types, formats and conditions are not checked.
//!
//! A shape is a graph: each place is a set of schemas that hold there together, found once, so that a schema may contain itself.
//! Bounds: [`PLACES_MAX`], [`SCHEMAS_MAX`].

use super::{ByName, ConfigError, Path};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Different places of one shape.
const PLACES_MAX: usize = 10_000;

/// Schemas that are read for one shape, each as often as it takes part in a place.
const SCHEMAS_MAX: usize = 100_000;

/// Where schemas have names in a document of OpenAPI.
const NAMED: &str = "/components/schemas/";

/// A schema that lets all pass, whatever stands beside it.
static ALL: Value = Value::Bool(true);

/// Which fields may pass.
#[derive(Debug, Default)]
pub struct Shape {
    places: Vec<Entry>,
}

/// One place of a shape.
#[derive(Debug, Default, Clone)]
struct Entry {
    /// Those that are named; some of them may not pass.
    members: ByName<Option<usize>>,
    any_member: Option<usize>,
    items: Option<usize>,
    passes_all: bool,
    passes_plain: bool,
}

/// A place in a shape: what may pass of one value.
#[derive(Debug, Copy, Clone)]
pub struct Place<'a> {
    shape: &'a Shape,
    entry: &'a Entry,
}

/// A document that schemas are in, and how its places are told.
pub(super) struct Library<'a> {
    pub(super) document: &'a Value,
    pub(super) path: &'static str,
}

impl Shape {
    /// The place of the whole document.
    #[inline]
    pub fn root(&self) -> Option<Place<'_>> {
        self.place(Some(0))
    }

    fn place(&self, index: Option<usize>) -> Option<Place<'_>> {
        self.places.get(index?).map(|entry| Place { shape: self, entry })
    }

    /// The shape of what any of some schemas lets pass, those of a document by their names (`Order`) or references (`#/…`).
    pub(super) fn new(
        library: &Library<'_>,
        reference: Option<&str>,
        own: &[Value],
        path: &Path<'_>,
    ) -> Result<Self, ConfigError> {
        let named = reference.map(|reference| library.named(reference, path)).transpose()?;
        let own = own.iter().map(|schema| Schema { schema, place: String::new() });
        Reader::new(library).read(own.chain(named).collect())
    }
}

impl<'a> Place<'a> {
    /// What may pass of a member.
    #[inline]
    pub fn member(self, name: &str) -> Option<Self> {
        self.shape.place(self.entry.members.get(name).copied().unwrap_or(self.entry.any_member))
    }

    /// What may pass of the items of a list.
    #[inline]
    pub fn items(self) -> Option<Self> {
        self.shape.place(self.entry.items)
    }

    /// Whether all of it may pass, whatever it is.
    pub const fn passes_all(self) -> bool {
        self.entry.passes_all
    }

    /// Whether a text, a number, or the like may pass.
    pub const fn passes_plain(self) -> bool {
        self.entry.passes_plain
    }
}

impl<'a> Library<'a> {
    fn named(&self, reference: &str, path: &Path<'_>) -> Result<Schema<'a>, ConfigError> {
        self.find(reference).ok_or_else(|| match reference.strip_prefix('#') {
            Some(_) => ConfigError::new(path, format!("nothing stands at `{reference}` in `{}`", self.path)),
            None => {
                let named = self.document.pointer(NAMED.trim_end_matches('/')).and_then(Value::as_object);
                let names: Vec<&str> = named.into_iter().flat_map(Map::keys).map(String::as_str).collect();
                ConfigError::unknown(path, "schema", reference, &names)
            }
        })
    }

    /// A schema by its name, or by a JSON pointer into the document (RFC 6901).
    fn find(&self, reference: &str) -> Option<Schema<'a>> {
        let named = || format!("{NAMED}{}", reference.replace('~', "~0").replace('/', "~1"));
        let pointer = reference.strip_prefix('#').map_or_else(named, str::to_owned);
        let schema = self.document.pointer(&pointer)?;
        let parts = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"));
        Some(Schema { schema, place: parts.map(|part| format!(".{part}")).collect() })
    }

    fn fault(&self, schema: &Schema<'_>, fault: &str) -> ConfigError {
        let place = schema.place.strip_prefix(".components.schemas").filter(|_| self.path.ends_with("schemas"));
        ConfigError::new(format!("{}{}", self.path, place.unwrap_or(&schema.place)), fault)
    }
}

/// A schema and where it stands.
#[derive(Clone)]
struct Schema<'a> {
    schema: &'a Value,
    place: String,
}

impl<'a> Schema<'a> {
    fn within(&self, schema: &'a Value, step: &str) -> Self {
        Self { schema, place: format!("{}.{step}", self.place) }
    }

    /// The same schema has the same address.
    fn address(&self) -> usize {
        std::ptr::from_ref(self.schema).addr()
    }

    fn get(&self, keyword: &str) -> Option<Self> {
        self.schema.get(keyword).map(|schema| self.within(schema, keyword))
    }

    /// Members of a keyword that has an object.
    fn members(&self, keyword: &str) -> Vec<(&'a str, Self)> {
        let members = self.schema.get(keyword).and_then(Value::as_object).into_iter().flatten();
        let member = |(name, schema): (&'a String, &'a Value)| {
            (name.as_str(), self.within(schema, &format!("{keyword}.{name}")))
        };
        members.map(member).collect()
    }

    /// Items of a keyword that has a list.
    fn items(&self, keyword: &str) -> Vec<Self> {
        let items = self.schema.get(keyword).and_then(Value::as_array).into_iter().flatten().enumerate();
        items.map(|(index, schema)| self.within(schema, &format!("{keyword}[{index}]"))).collect()
    }

    fn names_fields(&self) -> bool {
        ["properties", "patternProperties", "additionalProperties", "items", "prefixItems"]
            .into_iter()
            .any(|keyword| self.schema.get(keyword).is_some())
    }

    /// Whether it leaves all to others.
    fn points_elsewhere(&self) -> bool {
        ["$ref", "allOf", "oneOf", "anyOf"].into_iter().any(|keyword| self.schema.get(keyword).is_some())
    }

    /// Whether its values have no members and no items.
    fn is_plain(&self) -> bool {
        let plain = |kind: &Value| kind.as_str().is_some_and(|kind| kind != "object" && kind != "array");
        match self.schema.get("type") {
            Some(Value::Array(kinds)) => !kinds.is_empty() && kinds.iter().all(plain),
            Some(kind) => plain(kind),
            None => false,
        }
    }

    /// What it lets pass of a member.
    fn member(&self, name: &str) -> Vec<Self> {
        let property = self.schema.get("properties").and_then(|properties| properties.get(name));
        match property {
            Some(property) => vec![self.within(property, &format!("properties.{name}"))],
            None => self.rest(),
        }
    }

    /// What it lets pass of a member that none of its properties names.
    fn rest(&self) -> Vec<Self> {
        let patterns = self.members("patternProperties").into_iter().map(|(_, schema)| schema);
        self.get("additionalProperties").into_iter().chain(patterns).collect()
    }

    /// What is wrong with its form, and where.
    fn fault(&self) -> Option<(Self, &'static str)> {
        let wrong = |keywords: &[&str], is_right: fn(&Value) -> bool| {
            keywords.iter().filter_map(|keyword| self.get(keyword)).find(|own| !is_right(own.schema))
        };
        if !(self.schema.is_object() || self.schema.is_boolean()) {
            return Some((self.clone(), "expected a schema: an object, `true` or `false`"));
        }
        let list = wrong(&["allOf", "oneOf", "anyOf", "prefixItems"], Value::is_array);
        let object = wrong(&["properties", "patternProperties"], Value::is_object);
        let text = wrong(&["$ref"], Value::is_string);
        list.map(|own| (own, "expected a list of schemas"))
            .or(object.map(|own| (own, "expected an object of schemas")))
            .or(text.map(|own| (own, "expected a reference like `#/components/schemas/Order`")))
    }
}

struct Reader<'a, 'l> {
    library: &'l Library<'a>,
    shape: Shape,
    /// Places by the addresses of their schemas.
    known: BTreeMap<Vec<usize>, usize>,
    /// Places that are known and not read yet.
    open: Vec<(usize, Vec<Schema<'a>>)>,
    left: usize,
}

impl<'a, 'l> Reader<'a, 'l> {
    const fn new(library: &'l Library<'a>) -> Self {
        let shape = Shape { places: Vec::new() };
        Self { library, shape, known: BTreeMap::new(), open: Vec::new(), left: SCHEMAS_MAX }
    }

    /// Reads the first place and all that can be reached from it.
    fn read(mut self, first: Vec<Schema<'a>>) -> Result<Shape, ConfigError> {
        self.place(first)?;
        while let Some((index, schemas)) = self.open.pop() {
            let entry = self.entry(&schemas)?;
            self.shape.places.get_mut(index).into_iter().for_each(|place| place.clone_from(&entry));
        }
        Ok(self.shape)
    }

    /// The place where some schemas hold together. `None` where none lets anything pass.
    fn place(&mut self, mut schemas: Vec<Schema<'a>>) -> Result<Option<usize>, ConfigError> {
        schemas.retain(|schema| *schema.schema != Value::Bool(false) && !self.is_write_only(schema));
        let Some(first) = schemas.first().cloned() else { return Ok(None) };
        let (key, schemas) = self.together(schemas)?;
        if let Some(known) = self.known.get(&key) {
            return Ok(Some(*known));
        }
        let index = self.shape.places.len();
        if index >= PLACES_MAX {
            return Err(self.library.fault(&first, "has too many fields"));
        }
        self.shape.places.push(Entry::default());
        self.known.insert(key, index);
        self.open.push((index, schemas));
        Ok(Some(index))
    }

    /// Whether it is not for responses: it says so itself, or one that it refers to or is composed of does.
    fn is_write_only(&mut self, schema: &Schema<'a>) -> bool {
        let (mut open, mut seen) = (vec![schema.clone()], BTreeSet::new());
        while let Some(schema) = open.pop() {
            if schema.schema.get("writeOnly") == Some(&ALL) {
                return true;
            }
            if seen.insert(schema.address()) {
                self.left = self.left.saturating_sub(1);
                open.extend(schema.items("allOf"));
                let reference = schema.schema.get("$ref").and_then(Value::as_str);
                open.extend(reference.and_then(|reference| self.library.find(reference)));
            }
        }
        false
    }

    /// Some schemas and those that they point to, each once, and their addresses in order.
    fn together(&mut self, mut open: Vec<Schema<'a>>) -> Result<(Vec<usize>, Vec<Schema<'a>>), ConfigError> {
        let (mut seen, mut all) = (BTreeSet::new(), Vec::new());
        while let Some(schema) = open.pop() {
            if !seen.insert(schema.address()) {
                continue;
            }
            if let Some((place, fault)) = schema.fault() {
                return Err(self.library.fault(&place, fault));
            }
            let too_many = || self.library.fault(&schema, "is one of too many schemas");
            self.left = self.left.checked_sub(1).ok_or_else(too_many)?;
            if let Some(reference) = schema.get("$ref") {
                let found = reference.schema.as_str().and_then(|reference| self.library.find(reference));
                open.push(found.ok_or_else(|| self.library.fault(&reference, "refers to nothing"))?);
            }
            open.extend(["allOf", "oneOf", "anyOf"].into_iter().flat_map(|keyword| schema.items(keyword)));
            all.push(schema);
        }
        Ok((seen.into_iter().collect(), all))
    }

    fn entry(&mut self, schemas: &[Schema<'a>]) -> Result<Entry, ConfigError> {
        let names_some = schemas.iter().any(Schema::names_fields);
        let says_nothing = |schema: &&Schema<'a>| !schema.names_fields() && !schema.points_elsewhere();
        let mut silent = schemas.iter().filter(says_nothing);
        let passes_plain = silent.clone().any(Schema::is_plain);
        let passes_all = silent.any(|schema| *schema.schema == ALL || (!names_some && !schema.is_plain()));
        let names: ByName<()> =
            schemas.iter().flat_map(|schema| schema.members("properties")).map(|(name, _)| (name, ())).collect();
        let mut members = ByName::new();
        for name in names.names() {
            let own = schemas.iter().flat_map(|schema| schema.member(name)).collect();
            members.insert(name, self.place(own)?);
        }
        let any_member = self.place(schemas.iter().flat_map(Schema::rest).collect())?;
        let items =
            schemas.iter().flat_map(|schema| schema.get("items").into_iter().chain(schema.items("prefixItems")));
        let items = self.place(items.collect())?;
        Ok(Entry { members, any_member, items, passes_all, passes_plain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shape(schema: &Value) -> Result<Shape, String> {
        let document = json!({
            "components": {
                "schemas": {
                    "It": schema,
                    "Owner": {"type": "object", "properties": {"name": {"type": "string"}, "password": {"writeOnly": true}}},
                    "Tree": {"properties": {"id": {}, "parent": {"$ref": "#/components/schemas/Tree"}, "kids": {"items": {"$ref": "Tree"}}}},
                    "Self": {"$ref": "#/components/schemas/Self"},
                    "Secret": {"type": "string", "writeOnly": true},
                },
                "responses": {"One": {"content": {"application/json": {"schema": {"$ref": "Owner"}}}}},
            },
        });
        let library = Library { document: &document, path: "exposure.openapi" };
        Shape::new(&library, Some("It"), &[], &Path::new("exposure.fields[0].schema"))
            .map_err(|fault| fault.to_string())
    }

    /// What may pass at a path: all, plain values, what is named within, or nothing.
    fn passes(shape: &Shape, path: &str) -> &'static str {
        let mut place = shape.root();
        for name in path.split('.').filter(|name| !name.is_empty()) {
            place = place.and_then(|place| match name {
                _ if place.passes_all() => Some(place),
                "[]" => place.items(),
                name => place.member(name),
            });
        }
        match place {
            None => "nothing",
            Some(place) if place.passes_all() => "all",
            Some(place) if place.passes_plain() => "plain",
            Some(_) => "named",
        }
    }

    #[test]
    fn a_schema_is_the_list_of_its_fields() {
        let owner = json!({"$ref": "#/components/schemas/Owner"});
        for (schema, places) in [
            (
                json!({"properties": {"id": {"type": "integer"}, "any": {}}}),
                &[("", "named"), ("id", "plain"), ("id.x", "nothing"), ("any.x", "all"), ("x", "nothing")][..],
            ),
            (
                json!({"type": "array", "items": {"properties": {"sku": {}}}}),
                &[("[].sku", "all"), ("[].x", "nothing"), ("sku", "nothing")],
            ),
            (
                json!({"prefixItems": [{"properties": {"a": {}}}, {"type": "string"}]}),
                &[("[]", "plain"), ("[].a", "all")],
            ),
            (
                json!({"properties": {"owner": owner}}),
                &[("owner.name", "plain"), ("owner.password", "nothing"), ("owner.x", "nothing")],
            ),
            (
                json!({"allOf": [owner, {"properties": {"id": {}}}, {"description": "one that has an id"}]}),
                &[("name", "plain"), ("id", "all"), ("x", "nothing")],
            ),
            (
                json!({"properties": {"a": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}),
                &[("a", "all"), ("b", "nothing")],
            ),
            (
                json!({"oneOf": [owner, {"type": ["string", "null"]}]}),
                &[("", "plain"), ("name", "plain"), ("x", "nothing")],
            ),
            (
                json!({"properties": {"tags": {"additionalProperties": {"type": "string"}}}}),
                &[("tags.x", "plain"), ("tags.x.y", "nothing")],
            ),
            (
                json!({"properties": {"a": {"type": "object"}}, "additionalProperties": true}),
                &[("a.x", "all"), ("b.c", "all")],
            ),
            (json!({"additionalProperties": false}), &[("", "named"), ("x", "nothing")]),
            (
                json!({"allOf": [owner, {"additionalProperties": true}]}),
                &[("x.y", "all"), ("password", "all"), ("name.x", "all")],
            ),
            (
                json!({"properties": {"x": {"writeOnly": true}}, "additionalProperties": {}}),
                &[("x", "nothing"), ("y", "all")],
            ),
            (
                json!({"properties": {"pin": {"$ref": "Secret"}, "code": {"allOf": [{"$ref": "Secret"}, {"title": "a code"}]}}}),
                &[("pin", "nothing"), ("code", "nothing")],
            ),
            (
                json!({"properties": {"pin": {"allOf": [{"$ref": "Owner"}, {"writeOnly": true}]}, "a": {"writeOnly": false}}}),
                &[("pin", "nothing"), ("a", "all")],
            ),
            (json!({"patternProperties": {"^x-": {"type": "number"}}}), &[("x-a", "plain"), ("x-a.b", "nothing")]),
            (json!({}), &[("", "all")]),
            (json!(false), &[("", "nothing")]),
            (
                json!({"$ref": "#/components/responses/One/content/application~1json/schema"}),
                &[("name", "plain"), ("x", "nothing")],
            ),
        ] {
            let shape = shape(&schema).unwrap();
            for (path, what) in places {
                assert_eq!(passes(&shape, path), *what, "{schema} {path}");
            }
        }
    }

    #[test]
    fn a_schema_may_contain_itself() {
        let shape = shape(&json!({"$ref": "#/components/schemas/Tree"})).unwrap();
        let deep = "kids.[].parent.".repeat(50);
        assert_eq!(
            (passes(&shape, &format!("{deep}id")), passes(&shape, &format!("{deep}x"))),
            ("all", "nothing")
        );
        assert!(shape.places.len() < 10, "{}", shape.places.len());
        assert_eq!(passes(&super::tests::shape(&json!({"$ref": "Self"})).unwrap(), "x"), "nothing");
    }

    #[test]
    fn faults_are_named_with_their_place() {
        for (schema, place, fault) in [
            (json!({"$ref": "#/nobody"}), ".$ref", "refers to nothing"),
            (json!({"$ref": "other.json#/Order"}), ".$ref", "refers to nothing"),
            (json!({"$ref": 1}), ".$ref", "expected a reference"),
            (json!({"properties": []}), ".properties", "expected an object of schemas"),
            (json!({"properties": {"a": {"items": 1}}}), ".properties.a.items", "expected a schema"),
            (json!({"anyOf": [{}, {"oneOf": {}}]}), ".anyOf[1].oneOf", "expected a list of schemas"),
        ] {
            let told = shape(&schema).unwrap_err();
            let start = format!("exposure.openapi.components.schemas.It{place}: {fault}");
            assert!(told.starts_with(&start), "{schema}: {told}");
        }
    }

    #[test]
    fn schemas_without_end_are_refused() {
        // Each of many names every other one, twice: as many places as there are sets of them.
        let names: Vec<String> = (0..40).map(|number| format!("S{number}")).collect();
        let properties = |own: usize| -> Value {
            let twice = |(other, _): (usize, &String)| {
                let pair = [(own + other) % 40, (own * other) % 40].map(|number| json!({"$ref": names[number]}));
                (format!("p{}", other % 7 + own % 3), json!({"anyOf": pair}))
            };
            json!({"properties": names.iter().enumerate().map(twice).collect::<Map<_, _>>()})
        };
        let schemas: Map<String, Value> =
            names.iter().enumerate().map(|(own, name)| (name.clone(), properties(own))).collect();
        let document = json!({"components": {"schemas": schemas}});
        let library = Library { document: &document, path: "exposure.schemas" };
        let fault = Shape::new(&library, Some("S1"), &[], &Path::new("exposure.fields[0].schema"))
            .map(|_| ())
            .unwrap_err();
        let told = fault.to_string();
        assert!(told.starts_with("exposure.schemas.") && told.ends_with("is one of too many schemas"), "{told}");
        let missing =
            Shape::new(&library, Some("S"), &[], &Path::new("exposure.fields[0].schema")).map(|_| ()).unwrap_err();
        assert!(missing.to_string().starts_with("exposure.fields[0].schema: unknown schema"), "{missing}");
        let nothing = Shape::new(&library, Some("#/x"), &[], &Path::new("exposure.fields[0].schema"))
            .map(|_| ())
            .unwrap_err();
        assert!(nothing.to_string().contains("nothing stands at `#/x` in `exposure.schemas`"), "{nothing}");
    }
}
