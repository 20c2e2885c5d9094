//! The ids of the objects that a request asks for, and their normal forms: nobody is to get another one by spelling.
//!
//! A path is in its normal form already and a query is decoded, so percent-encoding makes no difference. Two forms follow:
//!
//! - **For ownership** an id counts as it is written, but for the letter case of a UUID, which means nothing (RFC 9562 §4).
//!   Anything looser would take `007` for 7, which to the service may be somebody else's.
//! - **For counting** numbers lose their leading zeros, and everything its letter case.
//!
//! Where a parameter or a header field is repeated, services differ in which one they take, so there is no id. An array in a
//! body is a list of ids. Bounds: [`IDS_MAX`] ids of a request are counted; all are checked for their owner.

use crate::config::field::Field;
use crate::config::objects::Id;
use crate::memory::Memory;
use crate::stages::limits::{fields, Scene};
use serde_json::Value;

/// Ids of one request that are counted. Their set has 32 bits.
pub(super) const IDS_MAX: usize = 64;

/// Digits that make the number of an id, from its end.
const DIGITS_MAX: usize = 14;

/// From so many hexadecimal digits on, an id is a number in hexadecimal.
const HEX_MIN: usize = 16;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// These objects, at least one.
    Ids(Vec<Vec<u8>>),
    /// No object, or nobody can tell which.
    Nothing(&'static str),
}

/// What a request asks for, at a place.
pub(super) fn named(id: &Id, scene: &Scene<'_>) -> Named {
    let field = match id {
        Id::Path { segment, before, after } => {
            let path = scene.request.path.as_ref().ok();
            let text = path.and_then(|path| path.normal.split('/').skip(1).nth(*segment));
            let id = text.and_then(|text| text.strip_prefix(before.as_str())?.strip_suffix(after.as_str()));
            return exactly(id.map(|id| id.as_bytes().to_vec()).into_iter().collect());
        }
        Id::Field(field) => field,
    };
    // Nobody escapes by making a body unreadable.
    if let Some(why) = scene.body.and_then(|body| body.fault()).filter(|_| field.needs_body()) {
        return Named::Nothing(why.reason());
    }
    match field {
        Field::Body(path) => in_body(scene.body.and_then(|body| body.get(path))),
        _ => exactly(fields::values(field, scene)),
    }
}

fn exactly(values: Vec<Vec<u8>>) -> Named {
    match values.as_slice() {
        [] => Named::Nothing("there is none"),
        [id] if id.is_empty() => Named::Nothing("it is empty"),
        [_] => Named::Ids(values),
        _ => Named::Nothing("it is there more than once"),
    }
}

fn in_body(value: Option<&Value>) -> Named {
    let Some(Value::Array(items)) = value else {
        return exactly(value.and_then(fields::plain).into_iter().collect());
    };
    let ids: Option<Vec<Vec<u8>>> = items.iter().map(fields::plain).collect();
    match ids {
        Some(ids) if ids.is_empty() => Named::Nothing("the list is empty"),
        Some(ids) if ids.iter().all(|id| !id.is_empty()) => Named::Ids(ids),
        _ => Named::Nothing("the list has something else than ids"),
    }
}

/// An id as it is compared with what a caller owns.
pub(super) fn comparable(id: &[u8]) -> Vec<u8> {
    if is_uuid(id) {
        id.to_ascii_lowercase()
    } else {
        id.to_vec()
    }
}

/// An id as it is counted.
pub(super) fn countable(id: &[u8]) -> Vec<u8> {
    if id.iter().all(u8::is_ascii_digit) {
        let zeros = id.iter().take_while(|digit| **digit == b'0').count();
        return id.get(zeros..).filter(|rest| !rest.is_empty()).unwrap_or(b"0").to_vec();
    }
    id.to_ascii_lowercase()
}

/// The number of an id, so that neighbours have neighbouring numbers: the digits at its end, in a range of its own for what
/// stands before them. `None` for an id without.
pub(super) fn number(id: &[u8], memory: &Memory) -> Option<u64> {
    let hex: Vec<u8> = id.iter().copied().filter(|byte| *byte != b'-').collect();
    if hex.len() >= HEX_MIN && hex.iter().all(u8::is_ascii_hexdigit) && hex.iter().any(u8::is_ascii_alphabetic) {
        let text = std::str::from_utf8(hex.get(hex.len().saturating_sub(12)..)?).ok()?;
        return u64::from_str_radix(text, 16).ok();
    }
    let digits = id.iter().rev().take(DIGITS_MAX).take_while(|byte| byte.is_ascii_digit()).count();
    let (prefix, digits) = id.split_at_checked(id.len().saturating_sub(digits))?;
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let range = if prefix.is_empty() { 0 } else { memory.digest("prefix", &prefix.to_ascii_lowercase()) };
    Some(number.wrapping_add(range))
}

/// `8-4-4-4-12` hexadecimal digits.
fn is_uuid(id: &[u8]) -> bool {
    let fits = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    id.len() == 36 && id.iter().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::in_process::InProcess;
    use proptest::prelude::*;

    fn memory() -> Memory {
        Memory::open(&InProcess::default(), 0, [3; 16])
    }

    #[test]
    fn an_owner_is_compared_strictly() {
        let upper = b"0190A4E7-3D1C-7B5E-8F00-0123456789AB";
        assert_eq!(comparable(upper), upper.to_ascii_lowercase());
        for own in ["007", "Ada", "7 ", "0190A4E7"] {
            assert_eq!(comparable(own.as_bytes()), own.as_bytes(), "{own}");
        }
    }

    #[test]
    fn spellings_of_one_id_count_once() {
        for (one, other) in [("7", "007"), ("0", "000"), ("AB-1", "ab-1")] {
            assert_eq!(countable(one.as_bytes()), countable(other.as_bytes()), "{one} {other}");
        }
        assert_ne!(countable(b"70"), countable(b"7"));
    }

    #[test]
    fn neighbours_have_neighbouring_numbers() {
        let memory = memory();
        let apart = |one: &str, other: &str| {
            Some(number(other.as_bytes(), &memory)?.wrapping_sub(number(one.as_bytes(), &memory)?))
        };
        assert_eq!(apart("41", "0042"), Some(1));
        assert_eq!(apart("ord-99", "ORD-100"), Some(1));
        assert_eq!(apart("507f1f77bcf86cd799439011", "507f1f77bcf86cd799439012"), Some(1));
        assert!(apart("a-1", "b-2") > Some(1000), "another range");
        assert_eq!(apart("ada", "eve"), None);
    }

    proptest! {
        #[test]
        fn no_id_panics(id in prop::collection::vec(any::<u8>(), 0..60)) {
            let memory = memory();
            prop_assert_eq!(number(&id, &memory), number(&id.to_ascii_uppercase(), &memory));
            prop_assert_eq!(countable(&countable(&id)), countable(&id));
            prop_assert_eq!(comparable(&comparable(&id)), comparable(&id));
        }
    }
}
