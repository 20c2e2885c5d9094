//! Reads the document into its written form (`raw`), and says where in it a fault is.
//!
//! What can be read is [`Written`]; for structures `#[derive(Written)]` makes it of serde's attributes. Of a structure each member is looked for by
//! its name, and each type is read in one place: serde's visitors, which are shown one member after the other and are a function
//! of their own for each structure, were a tenth of the module. Texts of faults are serde's.

use crate::by_name::ByName;
pub(crate) use portcullis_config_derive::Written;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, Error, Expected, Unexpected};
use serde_json::{Map, Value};
use std::fmt;

/// What can be read from a value of the document.
pub(crate) trait Written: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// The first fault.
    fn read(node: Node<'_>) -> Result<Self, Fault>;

    /// What stands for a member that is not there. `None` if it has to be.
    fn absent() -> Option<Self> {
        None
    }
}

/// What is wrong with a document, and where. In a box: every way out of the reading of every structure moves one.
#[derive(Debug)]
pub(crate) struct Fault(Box<Told>);

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
pub(super) fn read<T: Written>(document: &Value) -> Result<T, Fault> {
    T::read(Node(document))
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

impl Error for Fault {
    // Not inlined: it stands behind every field of every structure.
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
pub(crate) struct Node<'a>(pub(crate) &'a Value);

impl<'a> Node<'a> {
    /// The fault of a value that is not of the type asked for.
    #[inline(never)]
    pub(crate) fn is_not(self, expected: &dyn Expected) -> Fault {
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

    /// Its text.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn text(self, expected: &dyn Expected) -> Result<&'a str, Fault> {
        self.0.as_str().ok_or_else(|| self.is_not(expected))
    }

    /// The members of a structure that knows these.
    ///
    /// # Errors
    /// If it is no object, or has a member of another name.
    #[inline(never)]
    pub(crate) fn members(self, expected: &str, known: &'static [&'static str]) -> Result<Members<'a>, Fault> {
        let Value::Object(members) = self.0 else { return Err(self.is_not(&expected)) };
        match members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(Fault::unknown_field(name, known).of_member(name)),
            None => Ok(Members(members)),
        }
    }

    /// The place of a name among those known: a variant is a name alone, or an object with the name as its one member and nothing in it.
    ///
    /// # Errors
    /// If it is another name, or none.
    #[inline(never)]
    pub(crate) fn choice(self, expected: &str, known: &'static [&'static str]) -> Result<usize, Fault> {
        let name = self.name(expected)?;
        known.iter().position(|other| *other == name).ok_or_else(|| Fault::unknown_variant(name, known))
    }

    #[inline(never)]
    fn name(self, expected: &str) -> Result<&'a str, Fault> {
        match self.0 {
            Value::String(name) => Ok(name),
            Value::Object(members) => match members.iter().next().filter(|_| members.len() == 1) {
                Some((name, Value::Null)) => Ok(name),
                Some(_) => Err(Fault::invalid_type(Unexpected::Map, &"a name alone")),
                None => Err(Fault::invalid_value(Unexpected::Map, &"an object with one member")),
            },
            _ => Err(self.is_not(&expected)),
        }
    }

    /// A whole number.
    fn whole<T: TryFrom<u64>>(self, expected: &str) -> Result<T, Fault> {
        let number = self.0.as_u64().ok_or_else(|| self.is_not(&expected))?;
        T::try_from(number).map_err(|_| Fault::invalid_value(Unexpected::Unsigned(number), &expected))
    }
}

/// The members of a structure, by name. What each of these does is in the module once for each type.
pub(crate) struct Members<'a>(&'a Map<String, Value>);

impl Members<'_> {
    /// A member that has to be there, unless its type says what stands for it.
    #[inline(never)]
    pub(crate) fn get<T: Written>(&self, name: &'static str) -> Result<T, Fault> {
        match self.0.get(name) {
            Some(value) => T::read(Node(value)).map_err(|fault| fault.of_member(name)),
            None => T::absent().ok_or_else(|| Fault::missing_field(name)),
        }
    }

    /// A member, or what stands for it.
    #[inline(never)]
    pub(crate) fn get_or<T: Written>(&self, name: &'static str, absent: fn() -> T) -> Result<T, Fault> {
        match self.0.get(name) {
            Some(value) => T::read(Node(value)).map_err(|fault| fault.of_member(name)),
            None => Ok(absent()),
        }
    }

    /// Puts a member that is there in the place of what stands for it.
    #[inline(never)]
    pub(crate) fn put<T: Written>(&self, name: &'static str, place: &mut T) -> Result<(), Fault> {
        self.put_by(name, place, T::read)
    }

    /// The same of one that is read by a function of its own.
    pub(crate) fn put_by<T>(
        &self,
        name: &'static str,
        place: &mut T,
        read: fn(Node<'_>) -> Result<T, Fault>,
    ) -> Result<(), Fault> {
        if let Some(value) = self.0.get(name) {
            *place = read(Node(value)).map_err(|fault| fault.of_member(name))?;
        }
        Ok(())
    }
}

impl<T: Written> Written for Option<T> {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        match node.0 {
            Value::Null => Ok(None),
            _ => T::read(node).map(Some),
        }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Written> Written for Vec<T> {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        let Value::Array(values) = node.0 else { return Err(node.is_not(&"a sequence")) };
        let mut items = Self::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            items.push(T::read(Node(value)).map_err(|fault| fault.within(Step::Item(index)))?);
        }
        Ok(items)
    }
}

impl<T: Written> Written for ByName<T> {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        let Value::Object(members) = node.0 else { return Err(node.is_not(&"a map")) };
        let mut values = Self::new();
        for (name, value) in members {
            values.insert(name, T::read(Node(value)).map_err(|fault| fault.of_member(name))?);
        }
        Ok(values)
    }
}

impl Written for String {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        node.text(&"a string").map(str::to_owned)
    }
}

impl Written for bool {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        node.0.as_bool().ok_or_else(|| node.is_not(&"a boolean"))
    }
}

impl Written for u8 {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        node.whole("u8")
    }
}

impl Written for u16 {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        node.whole("u16")
    }
}

impl Written for u32 {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        node.whole("u32")
    }
}

impl Written for u64 {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        node.whole("u64")
    }
}

impl Written for f64 {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        node.0.as_f64().ok_or_else(|| node.is_not(&"f64"))
    }
}

impl Written for Value {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        Ok(node.0.clone())
    }
}

impl Written for Map<String, Value> {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        node.0.as_object().cloned().ok_or_else(|| node.is_not(&"a map"))
    }
}

impl Written for portcullis_jose::Algorithm {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        named(node, "enum Algorithm")
    }
}

impl Written for portcullis_base::rate::Algorithm {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        named(node, "enum Algorithm")
    }
}

/// A variant of an enumeration that is not of the configuration alone.
fn named<T: DeserializeOwned>(node: Node<'_>, expected: &str) -> Result<T, Fault> {
    T::deserialize(StrDeserializer::<Fault>::new(node.name(expected)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, PartialEq, Written)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        items: Vec<Inner>,
        #[serde(default)]
        table: ByName<u8>,
        either: Option<Either>,
    }

    #[derive(Debug, PartialEq, Written)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        count: u8,
        #[serde(default)]
        ratio: f64,
    }

    #[derive(Debug, PartialEq, Written)]
    #[serde(rename_all = "snake_case")]
    enum Either {
        Alone,
        ByName,
    }

    fn fault(document: &Value) -> (String, String) {
        let fault = read::<Outer>(document).unwrap_err();
        (fault.path(), fault.to_string())
    }

    #[test]
    fn what_is_well_formed_is_read() {
        let document =
            json!({"items": [{"count": 1, "ratio": 2}], "table": {"a": 3}, "either": {"by_name": null}});
        let items = vec![Inner { count: 1, ratio: 2.0 }];
        let table = ByName::from_iter([("a", 3)]);
        assert_eq!(read::<Outer>(&document).unwrap(), Outer { items, table, either: Some(Either::ByName) });
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
            (json!({"items": [], "either": {"alone": 1}}), "either", "invalid type: map, expected a name alone"),
            (json!({"items": [], "either": 1}), "either", "invalid type: integer `1`, expected enum Either"),
            (
                json!({"items": [], "either": "none"}),
                "either",
                "unknown variant `none`, expected `alone` or `by_name`",
            ),
            (json!([]), "", "invalid type: sequence, expected struct Outer"),
        ] {
            assert_eq!(fault(&document), (path.to_owned(), message.to_owned()));
        }
    }
}
