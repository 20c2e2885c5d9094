//! Reads the document into its written form (`raw`), and says where in it a fault is.
//!
//! What can be read is [`Written`]; for structures `#[derive(Written)]` makes it of serde's attributes. Of a structure each member is looked for by
//! its name, and each type is read in one place: serde's visitors, which are shown one member after the other and are a function
//! of their own for each structure, were a tenth of the module. Texts of faults are serde's.
//!
//! A fault ends nothing: it is noted, and reading goes on with something in the place of what it is about, which nobody will see.
//! So no structure has ways out, each with what is to be dropped on it, which were a twentieth of the module.

use crate::by_name::ByName;
use crate::path::Path;
pub(crate) use portcullis_config_derive::Written;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, Error, Expected, Unexpected};
use serde_json::{Map, Value};
use std::cell::OnceCell;
use std::fmt;

/// What can be read from a value of the document.
pub(crate) trait Written: Sized {
    /// Whether a member that is not there is one that is null.
    const MAY_BE_ABSENT: bool = false;

    /// Reads it. A fault is told to the node, and then it does not matter what is given back.
    fn read(node: &Node<'_>) -> Self;
}

/// What is wrong with a document, and where.
#[derive(Debug)]
pub(crate) struct Fault {
    /// `identity.issuers[0].audience`; empty for the document itself.
    pub(crate) path: String,
    message: String,
}

/// Reads a whole document.
///
/// # Errors
/// The first fault.
pub(super) fn read<T: Written>(document: &Value) -> Result<T, Fault> {
    let first = OnceCell::new();
    let read = T::read(&Node { value: document, path: Path::new(""), first: &first });
    match first.into_inner() {
        None => Ok(read),
        Some(fault) => Err(fault),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { path: String::new(), message: message.to_string() }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match unexpected {
            Unexpected::Unit => Self::custom(format_args!("invalid type: null, expected {expected}")),
            other => Self::custom(format_args!("invalid type: {other}, expected {expected}")),
        }
    }
}

/// A value of the document, and where it stands.
pub(crate) struct Node<'a> {
    pub(crate) value: &'a Value,
    path: Path<'a>,
    first: &'a OnceCell<Fault>,
}

impl<'a> Node<'a> {
    /// Notes a fault. The first one counts.
    #[inline(never)]
    pub(crate) fn refuse(&self, fault: Fault) {
        self.first.get_or_init(|| Fault { path: self.path.to_string(), ..fault });
    }

    fn member(&'a self, name: &'a str, value: &'a Value) -> Self {
        Self { value, path: self.path.member(name), first: self.first }
    }

    /// Notes that the value is not of the type asked for.
    #[inline(never)]
    pub(crate) fn is_not(&self, expected: &dyn Expected) {
        let unexpected = match self.value {
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
        self.refuse(Fault::invalid_type(unexpected, expected));
    }

    /// What the value is when it is looked at as `expected`.
    fn of<T: Default>(&self, seen: Option<T>, expected: &dyn Expected) -> T {
        if seen.is_none() {
            self.is_not(expected);
        }
        seen.unwrap_or_default()
    }

    /// Its text.
    pub(crate) fn text(&self, expected: &dyn Expected) -> &'a str {
        self.of(self.value.as_str(), expected)
    }

    /// The members of a structure that knows these.
    #[inline(never)]
    pub(crate) fn members(&'a self, expected: &str, known: &'static [&'static str]) -> Members<'a> {
        let members = self.value.as_object();
        match members {
            None => self.is_not(&expected),
            Some(members) => {
                if let Some((name, value)) = members.iter().find(|(name, _)| !known.contains(&name.as_str())) {
                    self.member(name, value).refuse(Fault::unknown_field(name, known));
                }
            }
        }
        Members { node: self, members }
    }

    /// The place of a name among those known: a variant is a name alone, or an object with the name as its one member and nothing in it.
    #[inline(never)]
    pub(crate) fn choice(&self, expected: &str, known: &'static [&'static str]) -> usize {
        let Some(name) = self.name(expected) else { return 0 };
        let place = known.iter().position(|other| *other == name);
        place.unwrap_or_else(|| {
            self.refuse(Fault::unknown_variant(name, known));
            0
        })
    }

    #[inline(never)]
    fn name(&self, expected: &str) -> Option<&'a str> {
        match self.value {
            Value::String(name) => return Some(name),
            Value::Object(members) => match members.iter().next().filter(|_| members.len() == 1) {
                Some((name, Value::Null)) => return Some(name),
                Some(_) => self.refuse(Fault::invalid_type(Unexpected::Map, &"a name alone")),
                None => self.refuse(Fault::invalid_value(Unexpected::Map, &"an object with one member")),
            },
            _ => self.is_not(&expected),
        }
        None
    }

    /// A whole number of at most so much.
    #[inline(never)]
    fn whole(&self, most: u64, expected: &str) -> u64 {
        let number = self.of(self.value.as_u64(), &expected);
        if number > most {
            self.refuse(Fault::invalid_value(Unexpected::Unsigned(number), &expected));
        }
        number
    }
}

/// The members of a structure, by name. What each of these does is in the module once for each type.
pub(crate) struct Members<'a> {
    node: &'a Node<'a>,
    /// `None` where there is no structure.
    members: Option<&'a Map<String, Value>>,
}

impl<'a> Members<'a> {
    #[inline(never)]
    fn find(&self, name: &'a str) -> Option<Node<'a>> {
        let value = self.members?.get(name)?;
        Some(self.node.member(name, value))
    }

    /// The same where one that is not there is null.
    #[inline(never)]
    fn find_or_null(&self, name: &'static str, may_be_absent: bool) -> Node<'a> {
        static NULL: Value = Value::Null;
        self.find(name).unwrap_or_else(|| {
            if !may_be_absent {
                self.node.refuse(Fault::missing_field(name));
            }
            self.node.member(name, &NULL)
        })
    }

    /// A member that has to be there, unless its type says otherwise.
    #[inline(never)]
    pub(crate) fn get<T: Written>(&self, name: &'static str) -> T {
        T::read(&self.find_or_null(name, T::MAY_BE_ABSENT))
    }

    /// A member, or what stands for it.
    #[inline(never)]
    pub(crate) fn get_or<T: Written>(&self, name: &'static str, absent: fn() -> T) -> T {
        self.find(name).map_or_else(absent, |node| T::read(&node))
    }

    /// Puts a member that is there in the place of what stands for it.
    #[inline(never)]
    pub(crate) fn put<T: Written>(&self, name: &'static str, place: &mut T) {
        self.put_by(name, place, T::read)
    }

    /// The same of one that is read by a function of its own.
    pub(crate) fn put_by<T>(&self, name: &'static str, place: &mut T, read: fn(&Node<'_>) -> T) {
        if let Some(node) = self.find(name) {
            *place = read(&node);
        }
    }
}

impl<T: Written> Written for Option<T> {
    const MAY_BE_ABSENT: bool = true;

    fn read(node: &Node<'_>) -> Self {
        (!node.value.is_null()).then(|| T::read(node))
    }
}

impl<T: Written> Written for Vec<T> {
    fn read(node: &Node<'_>) -> Self {
        let Value::Array(values) = node.value else {
            node.is_not(&"a sequence");
            return Self::new();
        };
        let items = values.iter().enumerate();
        items
            .map(|(index, value)| T::read(&Node { value, path: node.path.item(index), first: node.first }))
            .collect()
    }
}

impl<T: Written> Written for ByName<T> {
    fn read(node: &Node<'_>) -> Self {
        let Value::Object(members) = node.value else {
            node.is_not(&"a map");
            return Self::new();
        };
        let members = members.iter();
        members.map(|(name, value)| (name, T::read(&node.member(name, value)))).collect()
    }
}

impl Written for String {
    fn read(node: &Node<'_>) -> Self {
        node.text(&"a string").to_owned()
    }
}

impl Written for bool {
    fn read(node: &Node<'_>) -> Self {
        node.of(node.value.as_bool(), &"a boolean")
    }
}

impl Written for u8 {
    fn read(node: &Node<'_>) -> Self {
        node.whole(Self::MAX.into(), "u8").try_into().unwrap_or_default()
    }
}

impl Written for u16 {
    fn read(node: &Node<'_>) -> Self {
        node.whole(Self::MAX.into(), "u16").try_into().unwrap_or_default()
    }
}

impl Written for u32 {
    fn read(node: &Node<'_>) -> Self {
        node.whole(Self::MAX.into(), "u32").try_into().unwrap_or_default()
    }
}

impl Written for u64 {
    fn read(node: &Node<'_>) -> Self {
        node.whole(Self::MAX, "u64")
    }
}

impl Written for f64 {
    fn read(node: &Node<'_>) -> Self {
        node.of(node.value.as_f64(), &"f64")
    }
}

impl Written for Value {
    fn read(node: &Node<'_>) -> Self {
        node.value.clone()
    }
}

impl Written for Map<String, Value> {
    fn read(node: &Node<'_>) -> Self {
        node.of(node.value.as_object().cloned(), &"a map")
    }
}

impl Written for portcullis_jose::Algorithm {
    fn read(node: &Node<'_>) -> Self {
        named(node).unwrap_or(Self::Es256)
    }
}

impl Written for portcullis_base::rate::Algorithm {
    fn read(node: &Node<'_>) -> Self {
        named(node).unwrap_or_default()
    }
}

/// An algorithm, whose names the configuration has from elsewhere.
fn named<T: DeserializeOwned>(node: &Node<'_>) -> Option<T> {
    let name = node.name("enum Algorithm")?;
    T::deserialize(StrDeserializer::<Fault>::new(name)).map_err(|fault| node.refuse(fault)).ok()
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
        (fault.path.clone(), fault.to_string())
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
            // Of several the first one, in the order of the structure.
            (
                json!({"either": 1, "table": 2, "items": [{"count": 1, "ratio": "x"}, {}]}),
                "items[0].ratio",
                "invalid type: string \"x\", expected f64",
            ),
            (
                json!({"items": [{"count": "x", "cuont": 1}]}),
                "items[0].cuont",
                "unknown field `cuont`, expected `count` or `ratio`",
            ),
        ] {
            assert_eq!(fault(&document), (path.to_owned(), message.to_owned()));
        }
    }
}
