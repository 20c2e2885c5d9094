//! The operators with two operands: their precedence, the types that they take, and what they do.
//!
//! Beyond CEL, arithmetic takes an `int` and a `double` together and gives a `double`: whether a client writes `1` or `1.0`
//! in a document is not to decide whether a rule can be evaluated.

use crate::expression::fault::Cause;
use crate::expression::value::{double, equal, order, Items, Kinds, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

/// An operator with two operands. `&&`, `||` and `?:` are none: they do not need all of theirs.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    In,
}

/// Types of the left and the right operand, and of the result.
type Overload = (Kinds, Kinds, Kinds);

const NUMBERS: [Overload; 3] = [
    (Kinds::INT, Kinds::INT, Kinds::INT),
    (Kinds::DOUBLE, Kinds::NUMBER, Kinds::DOUBLE),
    (Kinds::NUMBER, Kinds::DOUBLE, Kinds::DOUBLE),
];

const ADD: [Overload; 8] = [
    (Kinds::INT, Kinds::INT, Kinds::INT),
    (Kinds::DOUBLE, Kinds::NUMBER, Kinds::DOUBLE),
    (Kinds::NUMBER, Kinds::DOUBLE, Kinds::DOUBLE),
    (Kinds::TEXT, Kinds::TEXT, Kinds::TEXT),
    (Kinds::LIST, Kinds::LIST, Kinds::LIST),
    (Kinds::DURATION, Kinds::DURATION, Kinds::DURATION),
    (Kinds::TIME, Kinds::DURATION, Kinds::TIME),
    (Kinds::DURATION, Kinds::TIME, Kinds::TIME),
];

const SUBTRACT: [Overload; 6] = [
    (Kinds::INT, Kinds::INT, Kinds::INT),
    (Kinds::DOUBLE, Kinds::NUMBER, Kinds::DOUBLE),
    (Kinds::NUMBER, Kinds::DOUBLE, Kinds::DOUBLE),
    (Kinds::DURATION, Kinds::DURATION, Kinds::DURATION),
    (Kinds::TIME, Kinds::TIME, Kinds::DURATION),
    (Kinds::TIME, Kinds::DURATION, Kinds::TIME),
];

const ORDERED: [Overload; 5] = [
    (Kinds::NUMBER, Kinds::NUMBER, Kinds::BOOL),
    (Kinds::TEXT, Kinds::TEXT, Kinds::BOOL),
    (Kinds::BOOL, Kinds::BOOL, Kinds::BOOL),
    (Kinds::DURATION, Kinds::DURATION, Kinds::BOOL),
    (Kinds::TIME, Kinds::TIME, Kinds::BOOL),
];

/// What can be equal at all.
const COMPARED: [Overload; 8] = [
    (Kinds::NUMBER, Kinds::NUMBER, Kinds::BOOL),
    (Kinds::TEXT, Kinds::TEXT, Kinds::BOOL),
    (Kinds::BOOL, Kinds::BOOL, Kinds::BOOL),
    (Kinds::DURATION, Kinds::DURATION, Kinds::BOOL),
    (Kinds::TIME, Kinds::TIME, Kinds::BOOL),
    (Kinds::LIST, Kinds::LIST, Kinds::BOOL),
    (Kinds::MAP, Kinds::MAP, Kinds::BOOL),
    (Kinds::NULL, Kinds::NULL, Kinds::BOOL),
];

const IN: [Overload; 3] = [
    (Kinds::ANY, Kinds::LIST, Kinds::BOOL),
    (Kinds::TEXT, Kinds::MAP, Kinds::BOOL),
    (Kinds::TEXT, Kinds::TABLE, Kinds::BOOL),
];

impl Binary {
    /// An operator by its sign or word.
    pub(super) fn of(sign: &str) -> Option<Self> {
        Some(match sign {
            "+" => Self::Add,
            "-" => Self::Subtract,
            "*" => Self::Multiply,
            "/" => Self::Divide,
            "%" => Self::Remainder,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            "in" => Self::In,
            _ => return None,
        })
    }

    /// How strongly it binds; `?:`, `||` and `&&` have 1 to 3.
    pub(super) const fn power(self) -> u8 {
        match self {
            Self::Multiply | Self::Divide | Self::Remainder => 6,
            Self::Add | Self::Subtract => 5,
            _ => 4,
        }
    }

    const fn overloads(self) -> &'static [Overload] {
        match self {
            Self::Add => &ADD,
            Self::Subtract => &SUBTRACT,
            Self::Multiply | Self::Divide => &NUMBERS,
            Self::Remainder => &[(Kinds::INT, Kinds::INT, Kinds::INT)],
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => &ORDERED,
            Self::Equal | Self::NotEqual => &COMPARED,
            Self::In => &IN,
        }
    }

    /// What the result can be, nothing if the operands can never be right.
    pub(super) fn result(self, left: Kinds, right: Kinds) -> Kinds {
        let fitting =
            self.overloads().iter().filter(|(first, second, _)| left.meets(*first) && right.meets(*second));
        fitting.fold(Kinds::NONE, |all, (_, _, result)| all.or(*result))
    }

    /// The result. Takes from `steps` what it costs.
    pub(super) fn apply<'a>(self, left: Value<'a>, right: Value<'a>, steps: &mut u32) -> Result<Value<'a>, Cause> {
        match self {
            Self::Add => add(left, right),
            Self::Subtract | Self::Multiply | Self::Divide | Self::Remainder => self.calculate(&left, &right),
            Self::Less => order(&left, &right).map(|order| Value::Bool(order == Some(Ordering::Less))),
            Self::LessOrEqual => order(&left, &right).map(|order| Value::Bool(order.is_some_and(Ordering::is_le))),
            Self::Greater => order(&left, &right).map(|order| Value::Bool(order == Some(Ordering::Greater))),
            Self::GreaterOrEqual => {
                order(&left, &right).map(|order| Value::Bool(order.is_some_and(Ordering::is_ge)))
            }
            Self::Equal => equal(&left, &right, steps).map(Value::Bool),
            Self::NotEqual => equal(&left, &right, steps).map(|equal| Value::Bool(!equal)),
            Self::In => is_in(&left, &right, steps).map(Value::Bool),
        }
    }

    fn calculate<'a>(self, left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>, Cause> {
        match (left, right) {
            (Value::Int(left), Value::Int(right)) => self.whole(*left, *right).map(Value::Int),
            (Value::Double(left), Value::Double(right)) => self.floating(*left, *right),
            (Value::Int(left), Value::Double(right)) => self.floating(double(*left), *right),
            (Value::Double(left), Value::Int(right)) => self.floating(*left, double(*right)),
            (Value::Duration(left), Value::Duration(right)) => self.whole(*left, *right).map(Value::Duration),
            (Value::Time(left), Value::Time(right)) => self.whole(*left, *right).map(Value::Duration),
            (Value::Time(left), Value::Duration(right)) => self.whole(*left, *right).map(Value::Time),
            _ => Err(Cause::Type),
        }
    }

    fn whole(self, left: i64, right: i64) -> Result<i64, Cause> {
        if right == 0 && matches!(self, Self::Divide | Self::Remainder) {
            return Err(Cause::DivisionByZero);
        }
        let result = match self {
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide => left.checked_div(right),
            Self::Remainder => left.checked_rem(right),
            _ => None,
        };
        result.ok_or(Cause::Overflow)
    }

    fn floating<'a>(self, left: f64, right: f64) -> Result<Value<'a>, Cause> {
        match self {
            Self::Subtract => finite(left - right),
            Self::Multiply => finite(left * right),
            Self::Divide => finite(left / right),
            _ => Err(Cause::Type),
        }
    }
}

/// What is no number compares with nothing, so it would pass every `forbid`.
fn finite<'a>(number: f64) -> Result<Value<'a>, Cause> {
    number.is_finite().then_some(Value::Double(number)).ok_or(Cause::Overflow)
}

fn add<'a>(left: Value<'a>, right: Value<'a>) -> Result<Value<'a>, Cause> {
    Ok(match (left, right) {
        (Value::Int(left), Value::Int(right)) => Value::Int(left.checked_add(right).ok_or(Cause::Overflow)?),
        (Value::Double(left), Value::Double(right)) => finite(left + right)?,
        (Value::Int(left), Value::Double(right)) => finite(double(left) + right)?,
        (Value::Double(left), Value::Int(right)) => finite(left + double(right))?,
        (Value::Text(left), Value::Text(right)) => {
            let mut text = left.into_owned();
            text.push_str(&right);
            Value::Text(Cow::Owned(text))
        }
        (Value::Duration(left), Value::Duration(right)) => {
            Value::Duration(left.checked_add(right).ok_or(Cause::Overflow)?)
        }
        (Value::Time(left), Value::Duration(right)) | (Value::Duration(left), Value::Time(right)) => {
            Value::Time(left.checked_add(right).ok_or(Cause::Overflow)?)
        }
        (left, right) if left.kind() == Kinds::LIST && right.kind() == Kinds::LIST => {
            let mut items = left.elements()?;
            items.extend(right.elements()?);
            Value::List(Items::Owned(items.into()))
        }
        _ => return Err(Cause::Type),
    })
}

fn is_in(needle: &Value<'_>, hay: &Value<'_>, steps: &mut u32) -> Result<bool, Cause> {
    if let (Value::Object(members), Value::Text(key)) = (hay, needle) {
        return Ok(members.contains_key(key.as_ref()));
    }
    if hay.kind() != Kinds::LIST {
        return Err(Cause::Type);
    }
    for at in (0_i64..).take(hay.length().unwrap_or(0)) {
        if equal(needle, &hay.element(at)?, steps)? {
            return Ok(true);
        }
    }
    Ok(false)
}
