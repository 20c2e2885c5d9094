//! Strict JSON: a document with one meaning, or none.
//!
//! Parsers disagree about duplicate keys (first wins, last wins, both), and an attacker who finds two that
//! disagree gets a value past the one that checks (RFC 8259 §4, RFC 7519 §4). Duplicate keys are refused here at
//! every depth. Nesting and the number of values are bounded, so a small document cannot cost much.
//! Not covered: numbers beyond 64 bits become floating point, as serde_json reads them.

pub mod outline;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// What a document may contain.
#[derive(Copy, Clone, Debug)]
pub struct Bounds {
    /// Nesting of arrays and objects. serde_json itself stops at 128.
    pub depth: u32,
    /// Values of any kind in the whole document.
    pub values: u32,
}

/// Parses a whole document.
///
/// # Errors
/// Broken syntax, a duplicate key, or more than `bounds` allows; the message names the key or the bound.
pub fn parse(bytes: &[u8], bounds: Bounds) -> Result<Value, serde_json::Error> {
    let left = Cell::new(bounds.values);
    // Once for all: otherwise it is asked of every string.
    let text = std::str::from_utf8(bytes).map_err(|_| serde_json::Error::custom("not UTF-8"))?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict { depth: bounds.depth, left: &left }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

#[derive(Copy, Clone)]
struct Strict<'a> {
    depth: u32,
    left: &'a Cell<u32>,
}

impl Strict<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            match object.entry(key) {
                Entry::Vacant(place) => {
                    place.insert(entries.next_value_seed(inner)?);
                }
                Entry::Occupied(other) => {
                    let name = crate::finding::quoted(other.key());
                    return Err(A::Error::custom(format!("duplicate key {name}")));
                }
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds { depth: 8, values: 64 };

    fn fault(text: &str) -> String {
        parse(text.as_bytes(), BOUNDS).unwrap_err().to_string()
    }

    #[test]
    fn duplicates_are_refused_at_every_depth_and_in_every_spelling() {
        assert!(fault(r#"{"a":1,"a":2}"#).contains("duplicate key `a`"));
        assert!(fault(r#"[{"x":{"a":1,"\u0061":2}}]"#).contains("duplicate key `a`"));
    }

    #[test]
    fn depth_and_size_are_bounded() {
        assert!(parse("[[[[[[[[1]]]]]]]]".as_bytes(), BOUNDS).is_ok());
        assert!(fault("[[[[[[[[[1]]]]]]]]]").contains("nested too deeply"));
        assert!(fault(&"[".repeat(100_000)).contains("nested too deeply"));
        assert!(fault(&format!("[{}1]", "1,".repeat(64))).contains("too many values"));
    }

    #[test]
    fn rest_after_the_document_is_refused() {
        assert!(fault("{} {}").contains("trailing characters"));
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json_on_what_it_accepts(text in r#"[\[\]{}:,"a0-9 .truefalsn-]{0,40}"#) {
            if let Ok(value) = parse(text.as_bytes(), BOUNDS) {
                prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
            }
        }
    }
}
