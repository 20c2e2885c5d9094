//! The body of a request, as far as it was read: one JSON document, or the reason why there is none.
//!
//! It is read strictly ([`crate::json`]), so that no service behind reads another value than we did. Bounds: what was
//! held back of it (`request.body_read_max`), [`BOUNDS`]. Not covered: forms, multipart, compressed bodies.

use crate::json::{self, Bounds};
use serde_json::Value;

/// What a document may contain.
pub const BOUNDS: Bounds = Bounds { depth: 32, values: 10_000 };

/// A body, read.
#[derive(Debug, Default)]
pub struct Body {
    document: Option<Value>,
    unread: Option<Unread>,
    bytes: usize,
}

/// Why a body could not be read.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Unread {
    /// More of it than may be held back.
    TooLong,
    /// It did not come in time.
    Late,
    /// Not one JSON document with one meaning.
    NotJson,
    /// The host did not hand it over.
    Unavailable,
}

impl Unread {
    /// For the operator.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "longer than `request.body_read_max`",
            Self::Late => "not complete within `request.body_wait_max`",
            Self::NotJson => "not one JSON document with one meaning",
            Self::Unavailable => "the host did not hand it over",
        }
    }
}

impl Body {
    /// Reads a whole body. An empty one has no values, which is no fault.
    pub fn read(bytes: &[u8]) -> Self {
        if bytes.trim_ascii().is_empty() {
            return Self { bytes: bytes.len(), ..Self::default() };
        }
        match json::parse(bytes, BOUNDS) {
            Ok(document) => Self { document: Some(document), unread: None, bytes: bytes.len() },
            Err(_) => Self::not_json(bytes),
        }
    }

    /// A body of which nothing is known.
    pub const fn unread(why: Unread) -> Self {
        Self { document: None, unread: Some(why), bytes: 0 }
    }

    /// A body that is there, and is no JSON document.
    pub const fn not_json(bytes: &[u8]) -> Self {
        Self { document: None, unread: Some(Unread::NotJson), bytes: bytes.len() }
    }

    /// How long it is, where all of it is there.
    pub const fn size(&self) -> Option<usize> {
        match self.unread {
            None | Some(Unread::NotJson) => Some(self.bytes),
            Some(Unread::TooLong | Unread::Late | Unread::Unavailable) => None,
        }
    }

    /// Why nothing is known of it.
    pub const fn fault(&self) -> Option<Unread> {
        self.unread
    }

    /// The value at a path of member names and array places.
    pub fn get<S: AsRef<str>>(&self, path: &[S]) -> Option<&Value> {
        path.iter().try_fold(self.document.as_ref()?, |value, name| match value {
            Value::Object(members) => members.get(name.as_ref()),
            Value::Array(items) => items.get(name.as_ref().parse::<usize>().ok()?),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_path() {
        let body = Body::read(br#"{"order": {"items": [{"sku": "a"}, {"sku": "b"}]}, "n": null}"#);
        assert_eq!(body.get(&["order", "items", "1", "sku"]), Some(&Value::from("b")));
        for missing in
            [&["order", "items", "2", "sku"][..], &["order", "sku"], &["n", "x"], &["order", "items", "-1"]]
        {
            assert_eq!(body.get(missing), None, "{missing:?}");
        }
    }

    #[test]
    fn what_is_not_one_document_is_unread() {
        for text in ["{", "{}{}", r#"{"a":1,"a":2}"#, "a=b", "\u{feff}{}"] {
            assert_eq!(Body::read(text.as_bytes()).fault(), Some(Unread::NotJson), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(Body::read(deep.as_bytes()).fault(), Some(Unread::NotJson));
        assert_eq!(Body::read(b" \n").fault(), None);
    }

    #[test]
    fn the_size_is_known_of_what_is_all_there() {
        assert_eq!((Body::default().size(), Body::read(b" \n").size()), (Some(0), Some(2)));
        assert_eq!((Body::read(b"{}").size(), Body::read(b"a=b").size()), (Some(2), Some(3)));
        for why in [Unread::TooLong, Unread::Late, Unread::Unavailable] {
            assert_eq!(Body::unread(why).size(), None, "{why:?}");
        }
    }
}
