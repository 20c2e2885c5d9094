//! A small language for the conditions and keys of a configuration: a subset of CEL, the Common Expression Language
//! that Envoy, Istio and Kubernetes use (github.com/google/cel-spec, "Language Definition").
//!
//! ```text
//! request.method == "POST" && body.items.all(item, item.quantity > 0 && item.quantity <= 10)
//! ```
//!
//! A text is compiled once, when the configuration loads: every name, type and constant that can be wrong there is
//! refused with its position ([`Fault`]). What is left is a small tree, which is evaluated against the [`Scope`] of a request;
//! nothing of the request is read, decoded or copied that the expression does not come to.
//!
//! **Names** are those of a [`Schema`], which the owner of the expression gives. So are functions that need more than their
//! arguments, such as counters: their calls are taken out of the expression ([`Expression::calls`]), for their owner to make
//! beforehand; the expression asks for the outcome.
//!
//! **Not in it**, of CEL: regular expressions (`matches`), unsigned numbers, `bytes`, map and message literals, types as values,
//! comprehension over what is no list or map. **Beyond it**: `int` and `double` may be mixed in arithmetic; `has` is false if any
//! part of the path is missing, not only the last; what can never be right is refused when it is compiled.
//!
//! Bounds: a text of [`TEXT_BYTES_MAX`], a tree of [`DEPTH_MAX`], an evaluation of [`STEPS_MAX`] steps. No text can overflow the
//! stack, and nothing a client sends can make an evaluation panic, recurse deeper than the tree or go on for long.

mod build;
mod evaluate;
mod fault;
mod functions;
mod lexer;
mod moment;
mod names;
mod node;
mod operators;
mod parser;
#[cfg(test)]
mod tests;
mod value;

pub use self::fault::{Cause, Failure, Fault};
pub use self::value::{Items, Kinds, Value};

use self::evaluate::Run;
use self::node::Node;
use self::parser::Parser;

/// Longest text of an expression, in bytes.
pub const TEXT_BYTES_MAX: usize = 2048;

/// Nesting of an expression.
pub const DEPTH_MAX: u8 = 32;

/// Steps of one evaluation: operations, and what texts and lists cost by their length.
pub const STEPS_MAX: u32 = 10_000;

/// What the owner of a schema knows a name or a function by.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(pub u16);

/// What an expression may speak of.
#[derive(Debug)]
pub struct Schema {
    /// The names that an expression may begin with.
    pub names: &'static [(&'static str, Shape)],
    /// The functions that the owner of the expression calls.
    pub functions: &'static [External],
}

/// What a name stands for.
#[derive(Debug)]
pub enum Shape {
    /// A value. One that may be of any type can be a whole document.
    Value(Tag, Kinds),
    /// Other names.
    Record(&'static [(&'static str, Shape)]),
    /// Values under keys that nobody knows beforehand, such as header fields.
    Table(Tag, Kinds),
}

/// A function that the owner of the expression calls.
#[derive(Debug)]
pub struct External {
    /// Its name.
    pub name: &'static str,
    /// What it is known by.
    pub tag: Tag,
    /// Its parameters, all of which have to be given.
    pub parameters: &'static [Parameter],
    /// What it gives.
    pub result: Kinds,
}

/// A parameter of an [`External`].
#[derive(Debug)]
pub struct Parameter {
    /// Its types.
    pub kinds: Kinds,
    /// Whether it has to be known when the expression is compiled.
    pub is_constant: bool,
}

/// Where the names of an expression get their values, for one evaluation.
pub trait Scope {
    /// The value of a name. `Ok(Value::Null)` is a value.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    fn value(&self, name: Tag) -> Result<Value<'_>, Missing>;

    /// An entry of a table.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    fn entry(&self, table: Tag, key: &str) -> Result<Value<'_>, Missing>;

    /// What came of a call, by its index in [`Expression::calls`].
    ///
    /// # Errors
    /// It could not be made.
    fn outcome(&self, call: usize) -> Result<Value<'_>, Cause>;
}

/// Why a name has no value.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Missing {
    /// It is not there.
    Absent,
    /// It may be there, but cannot be read or has no single meaning.
    Unavailable,
}

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expression {
    root: Node,
    uses: Vec<Use>,
    calls: Vec<Call>,
}

/// A name that an expression comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The name.
    pub tag: Tag,
    /// The key in a table, `None` for a value and for a key that only the evaluation knows.
    pub key: Option<Box<str>>,
    /// Where it stands.
    pub offset: usize,
}

/// A call of an [`External`].
#[derive(Debug, Clone)]
pub struct Call {
    tag: Tag,
    arguments: Vec<Node>,
    offset: usize,
}

impl Expression {
    /// Compiles a text to an expression whose value can be of an `expected` type.
    ///
    /// # Errors
    /// The first fault from the left.
    pub fn compile(text: &str, schema: &Schema, expected: Kinds) -> Result<Self, Fault> {
        Parser::new(text, schema, true).and_then(|parser| parser.compile(expected)).map_err(|raw| raw.within(text))
    }

    /// The value.
    ///
    /// # Errors
    /// There is none: see [`Cause`].
    pub fn evaluate<'a>(&'a self, scope: &'a dyn Scope) -> Result<Value<'a>, Failure> {
        Run::new(scope).value(&self.root)
    }

    /// Whether a condition holds.
    ///
    /// # Errors
    /// It has no value, or one that is neither true nor false.
    pub fn holds(&self, scope: &dyn Scope) -> Result<bool, Failure> {
        Run::new(scope).truth(&self.root, 0)
    }

    /// The names it comes to, each once, also where only a call or a branch does.
    pub fn uses(&self) -> &[Use] {
        &self.uses
    }

    /// Whether it comes to a name.
    pub fn needs(&self, name: Tag) -> bool {
        self.uses.iter().any(|known| known.tag == name)
    }

    /// The names of members that it may ask values for that come from `document`: those behind the name itself, and behind variables.
    pub fn members(&self, document: Tag) -> Vec<&str> {
        let mut found = Vec::new();
        if self.needs(document) {
            self.root.members(document, &mut found);
            let arguments = self.calls.iter().flat_map(|call| &call.arguments);
            arguments.for_each(|argument| argument.members(document, &mut found));
        }
        found
    }

    /// The calls to make before it is evaluated.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }
}

impl Call {
    /// Which function.
    pub const fn tag(&self) -> Tag {
        self.tag
    }

    /// Where it stands in the text, in bytes.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The value of an argument, by its place.
    ///
    /// # Errors
    /// It has none.
    pub fn argument<'a>(&'a self, at: usize, scope: &'a dyn Scope) -> Result<Value<'a>, Failure> {
        let missing = Failure { cause: Cause::Absent, offset: self.offset };
        Run::new(scope).value(self.arguments.get(at).ok_or(missing)?)
    }

    /// An argument that is known before any evaluation.
    pub fn constant(&self, at: usize) -> Option<&Value<'static>> {
        match self.arguments.get(at)? {
            Node::Constant(value) => Some(value),
            _ => None,
        }
    }
}
