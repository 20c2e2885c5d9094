//! Reads the document into its written form (`raw`), and says where in it a fault is.
//!
//! A deserializer over a parsed document (serde.rs, "Implementing a Deserializer") whose errors gather the names and places that they
//! pass on their way out. The libraries for that wrap every type once more: they were an eighth of the module.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};
use std::fmt;

/// What is wrong with a document, and where. In a box: every way out of the reading of every structure moves one.
#[derive(Debug)]
pub(super) struct Fault(Box<Told>);

#[derive(Debug)]
struct Told {
    /// From the inside to the outside.
    steps: Vec<Step>,
    message: String,
}

#[derive(Debug)]
enum Step {
    Member(String),
    Item(usize),
}

/// Reads a whole document.
///
/// # Errors
/// The first fault.
pub(super) fn read<T: DeserializeOwned>(document: &Value) -> Result<T, Fault> {
    T::deserialize(Node(document))
}

impl Fault {
    /// Where: `identity.issuers[0].audience`; empty for the document itself.
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        for step in self.0.steps.iter().rev() {
            match step {
                Step::Member(name) if path.is_empty() => path.push_str(name),
                Step::Member(name) => path.extend([".", name]),
                Step::Item(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }

    /// The same a step further out. Not inlined: it is called for every type there is.
    #[inline(never)]
    fn within(mut self, step: Step) -> Self {
        self.0.steps.push(step);
        self
    }

    #[inline(never)]
    fn of_member(self, name: &str) -> Self {
        self.within(Step::Member(name.to_owned()))
    }

    #[inline(never)]
    fn new(message: String) -> Self {
        Self(Box::new(Told { steps: Vec::new(), message }))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.message)
    }
}

impl std::error::Error for Fault {}

// None is inlined: they stand behind every field of every structure.
impl Error for Fault {
    #[inline(never)]
    fn duplicate_field(name: &'static str) -> Self {
        Self::new(format!("duplicate field `{name}`"))
    }

    #[inline(never)]
    fn missing_field(name: &'static str) -> Self {
        Self::new(format!("missing field `{name}`"))
    }

    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match unexpected {
            Unexpected::Unit => Self::custom(format_args!("invalid type: null, expected {expected}")),
            other => Self::custom(format_args!("invalid type: {other}, expected {expected}")),
        }
    }
}

/// A value of the document.
#[derive(Copy, Clone)]
struct Node<'a>(&'a Value);

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(whole), _) => visitor.visit_u64(whole),
                (_, Some(whole)) => visitor.visit_i64(whole),
                _ => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => visitor.visit_seq(Items { items, next: 0 }),
            Value::Object(members) => visitor.visit_map(Members::new(members)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(Variant { name, content: None }),
            Value::Object(members) => match members.iter().next().filter(|_| members.len() == 1) {
                Some((name, content)) => visitor.visit_enum(Variant { name, content: Some(Node(content)) }),
                None => Err(Fault::invalid_value(Unexpected::Map, &"an object with one member")),
            },
            _ => Err(self.is_not(&visitor)),
        }
    }

    // Each type is asked for what it can be alone: what a visitor is never shown is not in the module. That halved what the
    // structures of the configuration take.

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Object(members) => visitor.visit_map(Members::new(members)),
            _ => Err(self.is_not(&visitor)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(Items { items, next: 0 }),
            _ => Err(self.is_not(&visitor)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Bool(flag) => visitor.visit_bool(*flag),
            _ => Err(self.is_not(&visitor)),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.as_u64() {
            Some(whole) => visitor.visit_u64(whole),
            None => Err(self.is_not(&visitor)),
        }
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.as_f64() {
            Some(number) => visitor.visit_f64(number),
            None => Err(self.is_not(&visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::String(text) => visitor.visit_borrowed_str(text),
            _ => Err(self.is_not(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

impl Node<'_> {
    /// The fault of a value that is not of the type asked for.
    fn is_not(self, expected: &dyn Expected) -> Fault {
        let unexpected = match self.0 {
            Value::Null => Unexpected::Unit,
            Value::Bool(flag) => Unexpected::Bool(*flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(whole), _) => Unexpected::Unsigned(whole),
                (_, Some(whole)) => Unexpected::Signed(whole),
                _ => Unexpected::Float(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => Unexpected::Str(text),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        };
        Fault::invalid_type(unexpected, expected)
    }
}

struct Items<'a> {
    items: &'a [Value],
    next: usize,
}

impl<'a> SeqAccess<'a> for Items<'a> {
    type Error = Fault;

    #[inline(never)]
    fn next_element_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some((item, rest)) = self.items.split_first() else { return Ok(None) };
        let index = self.next;
        (self.items, self.next) = (rest, index.saturating_add(1));
        seed.deserialize(Node(item)).map(Some).map_err(|fault| fault.within(Step::Item(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Members<'a> {
    members: serde_json::map::Iter<'a>,
    current: Option<(&'a str, &'a Value)>,
}

impl<'a> Members<'a> {
    fn new(members: &'a Map<String, Value>) -> Self {
        Self { members: members.iter(), current: None }
    }
}

impl<'a> MapAccess<'a> for Members<'a> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some((name, value)) = self.members.next() else { return Ok(None) };
        self.current = Some((name, value));
        let key: StrDeserializer<'a, Fault> = name.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|fault| fault.of_member(name))
    }

    #[inline(never)]
    fn next_value_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let (name, value) = self.current.take().ok_or_else(|| Fault::custom("a value without a name"))?;
        seed.deserialize(Node(value)).map_err(|fault| fault.of_member(name))
    }
}

/// A variant of an enumeration: a name alone, or an object with the name as its one member.
struct Variant<'a> {
    name: &'a str,
    content: Option<Node<'a>>,
}

impl<'a> EnumAccess<'a> for Variant<'a> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        let name: StrDeserializer<'a, Fault> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'a> VariantAccess<'a> for Variant<'a> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.content {
            None | Some(Node(Value::Null)) => Ok(()),
            Some(_) => Err(Fault::invalid_type(Unexpected::Map, &"a name alone")),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, Fault> {
        let name = self.name;
        let content = self.content.ok_or_else(|| Fault::invalid_type(Unexpected::UnitVariant, &"a value"))?;
        seed.deserialize(content).map_err(|fault| fault.of_member(name))
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, _: V) -> Result<V::Value, Fault> {
        Err(Fault::custom("a variant of several values has no written form"))
    }

    fn struct_variant<V: Visitor<'a>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        let name = self.name;
        let content = self.content.ok_or_else(|| Fault::invalid_type(Unexpected::UnitVariant, &"a value"))?;
        content.deserialize_map(visitor).map_err(|fault| fault.of_member(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        items: Vec<Inner>,
        #[serde(default)]
        table: BTreeMap<String, u8>,
        either: Option<Either>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        count: u8,
        #[serde(default)]
        ratio: f64,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Either {
        Alone,
        With(u8),
    }

    fn fault(document: &Value) -> (String, String) {
        let fault = read::<Outer>(document).unwrap_err();
        (fault.path(), fault.to_string())
    }

    #[test]
    fn what_is_well_formed_is_read() {
        let document = json!({"items": [{"count": 1, "ratio": 2}], "table": {"a": 3}, "either": {"with": 4}});
        let items = vec![Inner { count: 1, ratio: 2.0 }];
        let table = BTreeMap::from([("a".to_owned(), 3)]);
        assert_eq!(read::<Outer>(&document).unwrap(), Outer { items, table, either: Some(Either::With(4)) });
        let either = read::<Outer>(&json!({"items": [], "either": "alone"})).unwrap().either;
        assert_eq!(either, Some(Either::Alone));
        assert_eq!(read::<Outer>(&json!({"items": [], "either": null})).unwrap().either, None);
    }

    #[test]
    fn a_fault_has_its_place() {
        for (document, path, message) in [
            (
                json!({"items": [{"count": 1}, {"count": "x"}]}),
                "items[1].count",
                "invalid type: string \"x\", expected u8",
            ),
            (json!({"items": [{"count": null}]}), "items[0].count", "invalid type: null, expected u8"),
            (
                json!({"items": [{"cuont": 1}]}),
                "items[0].cuont",
                "unknown field `cuont`, expected `count` or `ratio`",
            ),
            (json!({"items": [{}]}), "items[0]", "missing field `count`"),
            (
                json!({"items": [], "table": {"a.b": 300}}),
                "table.a.b",
                "invalid value: integer `300`, expected u8",
            ),
            (json!({"items": [], "either": {"with": []}}), "either.with", "invalid type: sequence, expected u8"),
            (
                json!({"items": [], "either": "none"}),
                "either",
                "unknown variant `none`, expected `alone` or `with`",
            ),
            (json!([]), "", "invalid type: sequence, expected struct Outer"),
        ] {
            assert_eq!(fault(&document), (path.to_owned(), message.to_owned()));
        }
    }
}
