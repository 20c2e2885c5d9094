//! What an expression is compiled to: a tree that is at most [`super::DEPTH_MAX`] deep.

use crate::expression::functions::Function;
use crate::expression::operators::Binary;
use crate::expression::value::Value;
use crate::expression::Tag;

/// An operation, with the offset where it stands where it may fail.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Constant(Value<'static>),
    /// What a name stands for, and a way into it.
    Path {
        base: Base,
        steps: Vec<Step>,
        offset: usize,
    },
    Index {
        list: Box<Node>,
        key: Box<Node>,
        offset: usize,
    },
    List(Vec<Node>),
    Not(Box<Node>, usize),
    Negative(Box<Node>, usize),
    Binary {
        operator: Binary,
        left: Box<Node>,
        right: Box<Node>,
        offset: usize,
    },
    /// Whether a table has an entry.
    InTable {
        key: Box<Node>,
        table: Tag,
        offset: usize,
    },
    /// All are true.
    And(Vec<Node>, usize),
    /// One is true.
    Or(Vec<Node>, usize),
    Choice {
        condition: Box<Node>,
        then: Box<Node>,
        otherwise: Box<Node>,
        offset: usize,
    },
    /// Whether a path leads to something.
    Has(Box<Node>),
    Call {
        function: &'static Function,
        arguments: Vec<Node>,
        offset: usize,
    },
    Macro {
        over: Over,
        list: Box<Node>,
        body: Box<Node>,
        offset: usize,
    },
}

/// Where a path begins.
#[derive(Debug, Clone)]
pub(super) enum Base {
    /// A name of the schema.
    Name(Tag),
    /// An entry of a table.
    Entry(Tag, Box<Node>),
    /// The variable of an enclosing macro, counted from the outermost.
    Variable(usize),
    /// The outcome of a call that the owner of the expression makes.
    Outcome(usize),
    /// Any other value.
    Of(Box<Node>),
}

/// One step into a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Member(Box<str>),
    Element(i64),
}

/// What a macro does with the elements.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Over {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

impl Node {
    /// Whether it is known before any evaluation.
    pub(super) const fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }
}
