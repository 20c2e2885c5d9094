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
    /// The names of members that are asked of values that may come from a document.
    pub(super) fn members<'n>(&'n self, document: Tag, found: &mut Vec<&'n str>) {
        match self {
            Self::Constant(_) => {}
            Self::Path { base, steps, .. } => {
                match base {
                    Base::Name(name) if *name != document => return,
                    Base::Entry(_, key) => return key.members(document, found),
                    Base::Of(node) => node.members(document, found),
                    Base::Name(_) | Base::Variable(_) | Base::Outcome(_) => {}
                }
                found.extend(steps.iter().filter_map(|step| match step {
                    Step::Member(name) => Some(name.as_ref()),
                    Step::Element(_) => None,
                }));
            }
            // `"price" in body`.
            Self::Binary { operator: Binary::In, left, right, .. } if left.text().is_some() => {
                right.members(document, found);
                found.extend(left.text());
            }
            Self::Index { list: one, key: other, .. }
            | Self::Binary { left: one, right: other, .. }
            | Self::Macro { list: one, body: other, .. } => {
                one.members(document, found);
                other.members(document, found);
            }
            Self::List(nodes) | Self::And(nodes, _) | Self::Or(nodes, _) | Self::Call { arguments: nodes, .. } => {
                nodes.iter().for_each(|node| node.members(document, found));
            }
            Self::Not(node, _) | Self::Negative(node, _) | Self::Has(node) | Self::InTable { key: node, .. } => {
                node.members(document, found);
            }
            Self::Choice { condition, then, otherwise, .. } => {
                [condition, then, otherwise].into_iter().for_each(|node| node.members(document, found));
            }
        }
    }

    /// The text that it is, where that is known before any evaluation.
    fn text(&self) -> Option<&str> {
        match self {
            Self::Constant(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether it is known before any evaluation.
    pub(super) const fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }
}
