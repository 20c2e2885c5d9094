//! Values, their types, and how they compare.
//!
//! What comes from a document stays where it is: an array, an object or a text is borrowed, never copied. A number of
//! a document that is whole and has 64 bits is an `int`, any other a `double`; comparisons do not care which, and
//! between the two they are exact, not rounded (CEL, "Equality" and "Ordering").

use crate::expression::fault::Cause;
use serde_json::{Map, Value as Json};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// Nesting of documents that is compared.
const COMPARED_DEPTH_MAX: u32 = 64;

/// The result of an expression or of a part of it.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// Nothing, as written in a document.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number in floating point.
    Double(f64),
    /// Characters.
    Text(Cow<'a, str>),
    /// A list that an expression made.
    List(Items<'a>),
    /// A list in a document.
    Array(&'a [Json]),
    /// A map in a document.
    Object(&'a Map<String, Json>),
    /// A span of time in milliseconds.
    Duration(i64),
    /// A point in time, in milliseconds since the Unix epoch.
    Time(i64),
}

/// The elements of a list that an expression made.
#[derive(Debug, Clone)]
pub enum Items<'a> {
    /// Of a constant.
    Borrowed(&'a [Value<'a>]),
    /// Made during the evaluation; shared, since a variable is read often.
    Owned(Arc<[Value<'a>]>),
}

/// A set of types.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Kinds(u16);

impl Kinds {
    /// `null`
    pub const NULL: Self = Self(1);
    /// `bool`
    pub const BOOL: Self = Self(1 << 1);
    /// `int`
    pub const INT: Self = Self(1 << 2);
    /// `double`
    pub const DOUBLE: Self = Self(1 << 3);
    /// `string`
    pub const TEXT: Self = Self(1 << 4);
    /// `list`
    pub const LIST: Self = Self(1 << 5);
    /// `map`
    pub const MAP: Self = Self(1 << 6);
    /// `duration`
    pub const DURATION: Self = Self(1 << 7);
    /// `timestamp`
    pub const TIME: Self = Self(1 << 8);
    /// Entries that can only be asked for by their key: no value.
    pub(super) const TABLE: Self = Self(1 << 9);
    /// A number of either type.
    pub const NUMBER: Self = Self::INT.or(Self::DOUBLE);
    /// Any value.
    pub const ANY: Self = Self((1 << 9) - 1);
    /// No type: what has none does not compile.
    pub(super) const NONE: Self = Self(0);

    /// Of either set.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Of both sets.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether a value can be of both.
    pub const fn meets(self, other: Self) -> bool {
        self.and(other).0 != 0
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ANY {
            return formatter.write_str("any value");
        }
        let names = ["null", "bool", "int", "double", "string", "list", "map", "duration", "timestamp", "table"];
        let mut first = true;
        for (index, name) in (0_u32..).zip(names) {
            if self.meets(Self(1_u16.checked_shl(index).unwrap_or(0))) {
                formatter.write_str(if first { "" } else { " or " })?;
                formatter.write_str(name)?;
                first = false;
            }
        }
        Ok(())
    }
}

impl<'a> Value<'a> {
    /// A value of a document, without copying it.
    pub fn of_json(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Self::Int(whole),
                None => number.as_f64().map_or(Self::Null, Self::Double),
            },
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::Array(items),
            Json::Object(members) => Self::Object(members),
        }
    }

    /// A borrowed text.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The whole number that it is equal to.
    pub fn whole(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Double(number) => {
                truncated(*number).filter(|whole| order_mixed(*whole, *number) == Some(Ordering::Equal))
            }
            _ => None,
        }
    }

    /// Its type.
    pub const fn kind(&self) -> Kinds {
        match self {
            Self::Null => Kinds::NULL,
            Self::Bool(_) => Kinds::BOOL,
            Self::Int(_) => Kinds::INT,
            Self::Double(_) => Kinds::DOUBLE,
            Self::Text(_) => Kinds::TEXT,
            Self::List(_) | Self::Array(_) => Kinds::LIST,
            Self::Object(_) => Kinds::MAP,
            Self::Duration(_) => Kinds::DURATION,
            Self::Time(_) => Kinds::TIME,
        }
    }

    /// The same without a copy.
    pub(super) fn borrowed(&'a self) -> Self {
        match self {
            Self::Text(text) => Self::text(text),
            Self::List(Items::Owned(items)) => Self::List(Items::Borrowed(items)),
            other => other.clone(),
        }
    }

    /// The same on its own feet, `None` for what belongs to a document.
    pub(super) fn constant(self) -> Option<Value<'static>> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Double(value) => Value::Double(value),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Duration(value) => Value::Duration(value),
            Self::Time(value) => Value::Time(value),
            Self::List(items) => {
                let items = items.as_slice().iter().cloned().map(Value::constant);
                Value::List(Items::Owned(items.collect::<Option<_>>()?))
            }
            Self::Array(_) | Self::Object(_) => return None,
        })
    }

    /// Elements of a list or a map, `None` for what is neither.
    pub(super) fn length(&self) -> Option<usize> {
        match self {
            Self::List(items) => Some(items.as_slice().len()),
            Self::Array(items) => Some(items.len()),
            Self::Object(members) => Some(members.len()),
            _ => None,
        }
    }

    /// What a macro goes over: the elements of a list, the keys of a map.
    pub(super) fn elements(&self) -> Result<Vec<Self>, Cause> {
        match self {
            Self::List(items) => Ok(items.as_slice().to_vec()),
            Self::Array(items) => Ok(items.iter().map(Value::of_json).collect()),
            Self::Object(members) => Ok(members.keys().map(|key| Value::text(key)).collect()),
            _ => Err(Cause::Type),
        }
    }

    /// The member of a map with a name.
    pub(super) fn member(&self, name: &str) -> Result<Self, Cause> {
        match self {
            Self::Object(members) => members.get(name).map(Value::of_json).ok_or(Cause::Absent),
            _ => Err(Cause::Type),
        }
    }

    /// The element of a list at a place, from 0.
    pub(super) fn element(&self, at: i64) -> Result<Self, Cause> {
        let at = usize::try_from(at).map_err(|_| Cause::Absent)?;
        match self {
            Self::List(items) => items.as_slice().get(at).cloned().ok_or(Cause::Absent),
            Self::Array(items) => items.get(at).map(Value::of_json).ok_or(Cause::Absent),
            _ => Err(Cause::Type),
        }
    }

    /// What it costs to look at all of it, or to copy it: steps beyond one. A list within a list is shared, not copied.
    pub(super) fn weight(&self) -> u32 {
        let of_text = |value: &Self| match value {
            Self::Text(text) => text.len() >> 4,
            _ => 0,
        };
        let units = match self {
            Self::List(items) => {
                let texts = items.as_slice().iter().map(of_text);
                texts.fold(items.as_slice().len(), usize::saturating_add)
            }
            other => other.length().unwrap_or_else(|| of_text(other)),
        };
        u32::try_from(units).unwrap_or(u32::MAX)
    }
}

impl<'a> Items<'a> {
    /// The elements.
    pub fn as_slice(&self) -> &[Value<'a>] {
        match self {
            Self::Borrowed(items) => items,
            Self::Owned(items) => items,
        }
    }
}

/// Whether two values are equal; values of different types are not. Takes from `steps` what it costs.
pub(super) fn equal(left: &Value<'_>, right: &Value<'_>, steps: &mut u32) -> Result<bool, Cause> {
    equal_at(left, right, steps, COMPARED_DEPTH_MAX)
}

fn equal_at(left: &Value<'_>, right: &Value<'_>, steps: &mut u32, depth: u32) -> Result<bool, Cause> {
    *steps = steps.checked_sub(1).ok_or(Cause::Cost)?;
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let depth = depth.checked_sub(1).ok_or(Cause::Cost)?;
            if left.len() != right.len() {
                return Ok(false);
            }
            for (name, member) in left.iter() {
                let Some(other) = right.get(name) else { return Ok(false) };
                if !equal_at(&Value::of_json(member), &Value::of_json(other), steps, depth)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ if left.kind() == Kinds::LIST && right.kind() == Kinds::LIST => {
            let depth = depth.checked_sub(1).ok_or(Cause::Cost)?;
            if left.length() != right.length() {
                return Ok(false);
            }
            for at in (0_i64..).take(left.length().unwrap_or(0)) {
                if !equal_at(&left.element(at)?, &right.element(at)?, steps, depth)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Null, Value::Null) => Ok(true),
        _ => Ok(order(left, right) == Ok(Some(Ordering::Equal))),
    }
}

/// Which of two values comes first. `None` where neither does (not a number).
pub(super) fn order(left: &Value<'_>, right: &Value<'_>) -> Result<Option<Ordering>, Cause> {
    Ok(match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Int(left), Value::Int(right))
        | (Value::Duration(left), Value::Duration(right))
        | (Value::Time(left), Value::Time(right)) => Some(left.cmp(right)),
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(right),
        (Value::Int(left), Value::Double(right)) => order_mixed(*left, *right),
        (Value::Double(left), Value::Int(right)) => order_mixed(*right, *left).map(Ordering::reverse),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        _ => return Err(Cause::Type),
    })
}

/// Exact, although not every whole number of 64 bits is one in floating point.
fn order_mixed(whole: i64, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    Some(match truncated(double) {
        // The rest behind the point decides between equals.
        Some(other) => whole.cmp(&other).then_with(|| 0.0.partial_cmp(&double.fract()).unwrap_or(Ordering::Equal)),
        None if double > 0.0 => Ordering::Less,
        None => Ordering::Greater,
    })
}

/// The whole part of a number, `None` where it does not fit.
pub(super) fn truncated(double: f64) -> Option<i64> {
    const FRACTION_BITS: i64 = 52;
    const BIAS: i64 = 1023;
    let bits = i64::from_ne_bytes(double.to_bits().to_ne_bytes());
    let exponent = (bits >> FRACTION_BITS) & 0x7ff;
    let significand = (bits & ((1 << FRACTION_BITS) - 1)) | (1 << FRACTION_BITS);
    let shift = exponent.checked_sub(BIAS)?.checked_sub(FRACTION_BITS)?;
    let distance = u32::try_from(shift.unsigned_abs()).ok()?;
    let magnitude = if shift <= 0 {
        significand.checked_shr(distance).unwrap_or(0)
    } else if distance <= 10 {
        significand.checked_shl(distance)?
    } else {
        // The one number of this size that fits.
        return (double.to_bits() == 0xc3e0_0000_0000_0000).then_some(i64::MIN);
    };
    if double.is_sign_negative() {
        magnitude.checked_neg()
    } else {
        Some(magnitude)
    }
}

/// The nearest number in floating point.
pub(super) fn double(whole: i64) -> f64 {
    const HALF: f64 = 4_294_967_296.0;
    // Both halves are exact, so the sum is rounded once.
    let high = i32::try_from(whole >> 32).map_or(0.0, f64::from);
    let low = u32::try_from(whole & 0xffff_ffff).map_or(0.0, f64::from);
    high.mul_add(HALF, low)
}
