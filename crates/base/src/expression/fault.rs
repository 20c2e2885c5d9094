//! What is wrong with a text, and why an evaluation has no value.

use std::fmt;

/// Why a text is no expression. Its text is one line, for the person who wrote the expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Bytes before the fault.
    pub offset: usize,
    /// Its line, from 1; `None` where the text has one line only.
    pub line: Option<usize>,
    /// Its column in characters, from 1.
    pub column: usize,
    /// What stands there and what was expected.
    pub fault: String,
    /// What was probably meant.
    pub hint: Option<String>,
}

/// A fault while its position is still a mere offset.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    pub(super) offset: usize,
    pub(super) fault: String,
    pub(super) hint: Option<String>,
}

/// Why an evaluation has no value, and where.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub cause: Cause,
    /// Bytes of the text before the operation that failed.
    pub offset: usize,
}

/// Why an operation has no value. The order is that of [`Failure::graver`].
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A member, entry or element is not there.
    Absent,
    /// The operation is not one for values of such types.
    Type,
    /// The result is outside the range of its type.
    Overflow,
    /// A division by zero.
    DivisionByZero,
    /// A text is not what it is to be converted to.
    Conversion,
    /// What a name stands for is there and cannot be read, or has no single meaning.
    Unavailable,
    /// The evaluation took more steps than it may.
    Cost,
}

impl Raw {
    pub(super) fn new(offset: usize, fault: impl Into<String>) -> Self {
        Self { offset, fault: fault.into(), hint: None }
    }

    pub(super) fn hinting(self, hint: Option<impl Into<String>>) -> Self {
        Self { hint: hint.map(Into::into), ..self }
    }

    /// The fault with its place in the text.
    pub(super) fn within(self, text: &str) -> Fault {
        let before = text.get(..self.offset).unwrap_or(text);
        let line = before.matches('\n').count().saturating_add(1);
        let start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let column = before.get(start..).unwrap_or_default().chars().count().saturating_add(1);
        let line = text.contains('\n').then_some(line);
        Fault { offset: self.offset, line, column, fault: self.fault, hint: self.hint }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(formatter, "line {line}, ")?;
        }
        write!(formatter, "column {}: {}", self.column, self.fault)?;
        match &self.hint {
            Some(hint) => write!(formatter, "; did you mean `{hint}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

impl Failure {
    /// The one to report of two: absence is the mildest, since a missing value may be an honest one.
    pub fn graver(self, other: Self) -> Self {
        if other.cause > self.cause {
            other
        } else {
            self
        }
    }
}

impl Cause {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Absent => "a value is absent",
            Self::Type => "a value has the wrong type",
            Self::Overflow => "a number is out of range",
            Self::DivisionByZero => "division by zero",
            Self::Conversion => "a text cannot be converted",
            Self::Unavailable => "a value cannot be read",
            Self::Cost => "too many steps",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (offset {})", self.cause.text(), self.offset)
    }
}
