//! The functions and methods of the language, in one table.
//!
//! Names and meanings are those of CEL's standard functions and of its `strings` extension. A place within a text counts
//! characters, not bytes. Beyond CEL, `duration` knows days (`1d`). Not covered: `matches`, since a regular expression costs
//! more than it may here, and time zones. `round(number, digits)` is ours: money is not to be compared in binary.

use crate::expression::fault::Cause;
use crate::expression::moment::{self, Civil};
use crate::expression::value::{double, truncated, Items, Kinds, Value};
use std::borrow::Cow;

/// How a function is written.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// `f(x)`
    Function,
    /// `x.f()`
    Method,
    /// Either.
    Both,
}

/// A function; the receiver of a method is its first parameter.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) parameters: &'static [Kinds],
    /// How many of the parameters have to be given.
    pub(super) required: usize,
    pub(super) result: Kinds,
    pub(super) apply: for<'a> fn(&[Value<'a>]) -> Result<Value<'a>, Cause>,
}

const SIZED: Kinds = Kinds::TEXT.or(Kinds::LIST).or(Kinds::MAP);
const SCALAR: Kinds = Kinds::TEXT.or(Kinds::NUMBER).or(Kinds::BOOL);

/// All there are.
pub(super) static FUNCTIONS: [Function; 26] = [
    Function { form: Form::Both, ..method("size", &[SIZED], Kinds::INT, size) },
    conversion("int", &[Kinds::TEXT.or(Kinds::NUMBER).or(Kinds::TIME)], Kinds::INT, int),
    conversion("double", &[Kinds::TEXT.or(Kinds::NUMBER)], Kinds::DOUBLE, to_double),
    conversion("string", &[SCALAR], Kinds::TEXT, string),
    conversion("bool", &[Kinds::TEXT.or(Kinds::BOOL)], Kinds::BOOL, to_bool),
    conversion("duration", &[Kinds::TEXT], Kinds::DURATION, duration),
    conversion("timestamp", &[Kinds::TEXT.or(Kinds::INT)], Kinds::TIME, timestamp),
    method("startsWith", &[Kinds::TEXT, Kinds::TEXT], Kinds::BOOL, |given| {
        texts(given, |text, part| Value::Bool(text.starts_with(part)))
    }),
    method("endsWith", &[Kinds::TEXT, Kinds::TEXT], Kinds::BOOL, |given| {
        texts(given, |text, part| Value::Bool(text.ends_with(part)))
    }),
    method("contains", &[Kinds::TEXT, Kinds::TEXT], Kinds::BOOL, |given| {
        texts(given, |text, part| Value::Bool(text.contains(part)))
    }),
    method("lowerAscii", &[Kinds::TEXT], Kinds::TEXT, |given| text(given, str::to_ascii_lowercase)),
    method("upperAscii", &[Kinds::TEXT], Kinds::TEXT, |given| text(given, str::to_ascii_uppercase)),
    method("trim", &[Kinds::TEXT], Kinds::TEXT, |given| text(given, |text| text.trim().to_owned())),
    Function { required: 2, ..method("split", &[Kinds::TEXT, Kinds::TEXT, Kinds::INT], Kinds::LIST, split) },
    Function {
        required: 2,
        ..method("substring", &[Kinds::TEXT, Kinds::INT, Kinds::INT], Kinds::TEXT, substring)
    },
    calendar("getFullYear", |given| date(given, |civil| civil.year)),
    calendar("getMonth", |given| date(given, |civil| civil.month.saturating_sub(1))),
    calendar("getDate", |given| date(given, |civil| civil.day)),
    calendar("getDayOfMonth", |given| date(given, |civil| civil.day.saturating_sub(1))),
    calendar("getDayOfYear", |given| date(given, |civil| civil.day_of_year)),
    calendar("getDayOfWeek", |given| date(given, |civil| civil.weekday)),
    clock("getHours", |given| part(given, 3_600_000, 24)),
    clock("getMinutes", |given| part(given, 60_000, 60)),
    clock("getSeconds", |given| part(given, 1000, 60)),
    clock("getMilliseconds", |given| part(given, 1, 1000)),
    conversion("round", &[Kinds::NUMBER, Kinds::INT], Kinds::DOUBLE, round),
];

type Apply = for<'a> fn(&[Value<'a>]) -> Result<Value<'a>, Cause>;

const fn method(name: &'static str, parameters: &'static [Kinds], result: Kinds, apply: Apply) -> Function {
    Function { name, form: Form::Method, parameters, required: parameters.len(), result, apply }
}

const fn conversion(name: &'static str, parameters: &'static [Kinds], result: Kinds, apply: Apply) -> Function {
    Function { name, form: Form::Function, parameters, required: parameters.len(), result, apply }
}

const fn calendar(name: &'static str, apply: Apply) -> Function {
    method(name, &[Kinds::TIME], Kinds::INT, apply)
}

const fn clock(name: &'static str, apply: Apply) -> Function {
    const MOMENT: Kinds = Kinds::TIME.or(Kinds::DURATION);
    method(name, &[MOMENT], Kinds::INT, apply)
}

fn text<'a>(given: &[Value<'a>], change: impl Fn(&str) -> String) -> Result<Value<'a>, Cause> {
    match given {
        [Value::Text(text)] => Ok(Value::Text(Cow::Owned(change(text)))),
        _ => Err(Cause::Type),
    }
}

fn texts<'a>(given: &[Value<'a>], tell: impl Fn(&str, &str) -> Value<'a>) -> Result<Value<'a>, Cause> {
    match given {
        [Value::Text(text), Value::Text(part)] => Ok(tell(text, part)),
        _ => Err(Cause::Type),
    }
}

fn whole<'a>(number: usize) -> Result<Value<'a>, Cause> {
    i64::try_from(number).map(Value::Int).map_err(|_| Cause::Overflow)
}

fn size<'a>(given: &[Value<'a>]) -> Result<Value<'a>, Cause> {
    match given {
        [Value::Text(text)] => whole(text.chars().count()),
        [other] => whole(other.length().ok_or(Cause::Type)?),
        _ => Err(Cause::Type),
    }
}

fn int<'a>(given: &[Value<'a>]) -> Result<Value<'a>, Cause> {
    match given {
        [Value::Int(number)] => Ok(Value::Int(*number)),
        [Value::Double(number)] => truncated(*number).map(Value::Int).ok_or(Cause::Overflow),
        [Value::Text(text)] => text.parse().map(Value::Int).map_err(|_| Cause::Conversion),
        [Value::Time(millis)] => Ok(Value::Int(millis.div_euclid(1000))),
        _ => Err(Cause::Type),
    }
}

fn to_double<'a>(given: &[Value<'a>]) -> Result<Value<'a>, Cause> {
    match given {
        [Value::Int(number)] => Ok(Value::Double(double(*number))),
        [Value::Double(number)] => Ok(Value::Double(*number)),
        // `nan` and `inf` are words of Rust's, and compare with nothing.
        [Value::Text(text)] => {
            let number = text.parse().ok().filter(|number: &f64| number.is_finite());
            number.map(Value::Double).ok_or(Cause::Conversion)
        }
        _ => Err(Cause::Type),
    }
}

fn string<'a>(given: &[Value<'a>]) -> Result<Value<'a>, Cause> {
    let text = match given {
        [Value::Text(text)] => return Ok(Value::Text(text.clone())),
        [Value::Int(number)] => number.to_string(),
        [Value::Double(number)] => number.to_string(),
        [Value::Bool(value)] => value.to_string(),
        _ => return Err(Cause::Type),
    };
    Ok(Value::Text(Cow::Owned(text)))
}

fn to_bool<'a>(given: &[Value<'a>]) -> Result<Value<'a>, Cause> {
    match given {
        [Value::Bool(value)] => Ok(Value::Bool(*value)),
        [Value::Text(text)] => match text.as_ref() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(Cause::Conversion),
        },
        _ => Err(Cause::Type),
    }
}

fn duration<'a>(given: &[Value<'a>]) -> Result<Value<'a>, Cause> {
    match given {
        [Value::Text(text)] => moment::duration(text).map(Value::Duration).ok_or(Cause::Conversion),
        _ => Err(Cause::Type),
    }
}

fn timestamp<'a>(given: &[Value<'a>]) -> Result<Value<'a>, Cause> {
    match given {
        [Value::Text(text)] => moment::timestamp(text).map(Value::Time).ok_or(Cause::Conversion),
        [Value::Int(seconds)] => seconds.checked_mul(1000).map(Value::Time).ok_or(Cause::Overflow),
        _ => Err(Cause::Type),
    }
}

fn split<'a>(given: &[Value<'a>]) -> Result<Value<'a>, Cause> {
    let (text, separator, limit) = match given {
        [Value::Text(text), Value::Text(separator)] => (text, separator, usize::MAX),
        // A negative limit is none.
        [Value::Text(text), Value::Text(separator), Value::Int(limit)] => {
            (text, separator, usize::try_from(*limit).unwrap_or(usize::MAX))
        }
        _ => return Err(Cause::Type),
    };
    let piece = |piece: &str| Value::Text(Cow::Owned(piece.to_owned()));
    let pieces = if separator.is_empty() {
        // Between any two characters, and not at the ends.
        text.chars().map(|c| Value::Text(Cow::Owned(c.to_string()))).take(limit).collect()
    } else {
        text.splitn(limit, separator.as_ref()).map(piece).collect()
    };
    Ok(Value::List(Items::Owned(pieces)))
}

fn substring<'a>(given: &[Value<'a>]) -> Result<Value<'a>, Cause> {
    let (text, start, end) = match given {
        [Value::Text(text), Value::Int(start)] => (text, *start, None),
        [Value::Text(text), Value::Int(start), Value::Int(end)] => (text, *start, Some(*end)),
        _ => return Err(Cause::Type),
    };
    let place = |at: i64| -> Result<usize, Cause> {
        let at = usize::try_from(at).map_err(|_| Cause::Overflow)?;
        let mut ends = text.char_indices().map(|(place, _)| place).chain([text.len()]);
        ends.nth(at).ok_or(Cause::Overflow)
    };
    let (start, end) = (place(start)?, end.map_or(Ok(text.len()), place)?);
    let piece = text.get(start..end).ok_or(Cause::Overflow)?;
    Ok(Value::Text(Cow::Owned(piece.to_owned())))
}

fn date<'a>(given: &[Value<'a>], name: impl Fn(Civil) -> i64) -> Result<Value<'a>, Cause> {
    match given {
        [Value::Time(millis)] => {
            moment::civil(*millis).map(|civil| Value::Int(name(civil))).ok_or(Cause::Overflow)
        }
        _ => Err(Cause::Type),
    }
}

/// A hand of the clock in UTC; of a duration the whole of it in that unit, as CEL has it.
fn part<'a>(given: &[Value<'a>], unit: i64, units: i64) -> Result<Value<'a>, Cause> {
    let number = match given {
        [Value::Time(millis)] => {
            let civil = moment::civil(*millis).ok_or(Cause::Overflow)?;
            civil.millis.checked_div(unit).and_then(|whole| whole.checked_rem(units))
        }
        [Value::Duration(millis)] if unit > 1 => millis.checked_div(unit),
        [Value::Duration(millis)] => millis.checked_rem(units),
        _ => return Err(Cause::Type),
    };
    number.map(Value::Int).ok_or(Cause::Overflow)
}

/// To so many decimal digits, so that amounts of money compare as they are written.
fn round<'a>(given: &[Value<'a>]) -> Result<Value<'a>, Cause> {
    let (number, digits) = match given {
        [Value::Int(number), Value::Int(digits)] => (double(*number), *digits),
        [Value::Double(number), Value::Int(digits)] => (*number, *digits),
        _ => return Err(Cause::Type),
    };
    let digits = usize::try_from(digits).ok().filter(|digits| *digits <= 9).ok_or(Cause::Overflow)?;
    format!("{number:.digits$}").parse().map(Value::Double).map_err(|_| Cause::Conversion)
}
