//! Parts of an expression put together: their types checked, their depth bounded, constants folded.

use crate::expression::evaluate::Run;
use crate::expression::fault::{Cause, Raw};
use crate::expression::functions::Function;
use crate::expression::node::{Base, Node, Over, Step};
use crate::expression::operators::Binary;
use crate::expression::value::{Kinds, Value};
use crate::expression::{Missing, Scope, Tag, DEPTH_MAX};

/// A compiled part of an expression.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) node: Node,
    /// The types that its value can have.
    pub(super) kinds: Kinds,
    pub(super) offset: usize,
    pub(super) depth: u8,
}

/// How parts are put together.
#[derive(Debug, Copy, Clone)]
pub(super) struct Builder {
    /// Whether what is known is evaluated at once.
    pub(super) folds: bool,
}

/// The scope of constants, which name nothing.
struct Nothing;

impl Scope for Nothing {
    fn value(&self, _: Tag) -> Result<Value<'_>, Missing> {
        Err(Missing::Absent)
    }

    fn entry(&self, _: Tag, _: &str) -> Result<Value<'_>, Missing> {
        Err(Missing::Absent)
    }

    fn outcome(&self, _: usize) -> Result<Value<'_>, Cause> {
        Err(Cause::Absent)
    }
}

impl Part {
    pub(super) const fn constant(value: Value<'static>, offset: usize) -> Self {
        let kinds = value.kind();
        Self { node: Node::Constant(value), kinds, offset, depth: 1 }
    }

    /// The part as something that can have one of some types.
    pub(super) fn of(self, expected: Kinds) -> Result<Self, Raw> {
        if self.kinds.meets(expected) {
            return Ok(self);
        }
        let is = if self.kinds == Kinds::TABLE {
            "this is a table: name one of its entries, as in table[\"key\"]".to_owned()
        } else {
            format!("this is {}", self.kinds)
        };
        Err(Raw::new(self.offset, format!("{is}; expected {expected}")))
    }

    /// One step further into the value.
    pub(super) fn step(self, step: Step, offset: usize) -> Result<Self, Raw> {
        let owner = match step {
            Step::Member(_) => Kinds::MAP,
            Step::Element(_) => Kinds::LIST,
        };
        let part = self.of(owner)?;
        let depth = part.depth;
        let node = match part.node {
            Node::Path { base, mut steps, .. } => {
                steps.push(step);
                Node::Path { base, steps, offset }
            }
            other => {
                return Self::new(
                    Node::Path { base: Base::Of(Box::new(other)), steps: vec![step], offset },
                    Kinds::ANY,
                    part.offset,
                    depth.saturating_add(1),
                )
            }
        };
        Self::new(node, Kinds::ANY, part.offset, depth)
    }

    pub(super) fn new(node: Node, kinds: Kinds, offset: usize, depth: u8) -> Result<Self, Raw> {
        if depth > DEPTH_MAX {
            return Err(Raw::new(offset, format!("the expression is nested deeper than {DEPTH_MAX}")));
        }
        Ok(Self { node, kinds, offset, depth })
    }
}

impl Builder {
    /// The part, evaluated at once if all that it is made of is known.
    fn folded(self, part: Part, is_known: bool) -> Result<Part, Raw> {
        if !(self.folds && is_known) {
            return Ok(part);
        }
        let value = match Run::new(&Nothing).value(&part.node) {
            Ok(value) => value.constant(),
            Err(failure) => {
                let expected = match failure.cause {
                    Cause::Conversion => conversion(&part.node),
                    _ => "",
                };
                return Err(Raw::new(
                    part.offset,
                    format!("this never has a value: {}{expected}", failure.cause.text()),
                ));
            }
        };
        Ok(match value {
            Some(value) => Part { depth: 1, ..Part::constant(value, part.offset) },
            None => part,
        })
    }

    pub(super) fn list(self, items: Vec<Part>, offset: usize) -> Result<Part, Raw> {
        let is_known = items.iter().all(|item| item.node.is_constant());
        let (nodes, depth) = taken(items);
        self.folded(Part::new(Node::List(nodes), Kinds::LIST, offset, depth)?, is_known)
    }

    pub(super) fn not(self, operand: Part, offset: usize) -> Result<Part, Raw> {
        let operand = operand.of(Kinds::BOOL)?;
        let (is_known, depth) = (operand.node.is_constant(), operand.depth.saturating_add(1));
        self.folded(Part::new(Node::Not(Box::new(operand.node), offset), Kinds::BOOL, offset, depth)?, is_known)
    }

    pub(super) fn negative(self, operand: Part, offset: usize) -> Result<Part, Raw> {
        let operand = operand.of(Kinds::NUMBER.or(Kinds::DURATION))?;
        let kinds = operand.kinds.and(Kinds::NUMBER.or(Kinds::DURATION));
        let (is_known, depth) = (operand.node.is_constant(), operand.depth.saturating_add(1));
        self.folded(Part::new(Node::Negative(Box::new(operand.node), offset), kinds, offset, depth)?, is_known)
    }

    pub(super) fn binary(
        self,
        operator: Binary,
        sign: &str,
        left: Part,
        right: Part,
        offset: usize,
    ) -> Result<Part, Raw> {
        let kinds = operator.result(left.kinds, right.kinds);
        if kinds == Kinds::NONE {
            let fault = format!("`{sign}` is not for {} and {}", left.kinds, right.kinds);
            return Err(Raw::new(offset, fault).hinting(self.remedy(operator, &left, &right)));
        }
        let depth = left.depth.max(right.depth).saturating_add(1);
        if let (Binary::In, Node::Path { base: Base::Name(table), .. }, Kinds::TABLE) =
            (operator, &right.node, right.kinds)
        {
            let node = Node::InTable { key: Box::new(left.node), table: *table, offset };
            return Part::new(node, Kinds::BOOL, left.offset, depth);
        }
        let is_known = left.node.is_constant() && right.node.is_constant();
        let start = left.offset;
        let (left, right) = (Box::new(left.node), Box::new(right.node));
        self.folded(Part::new(Node::Binary { operator, left, right, offset }, kinds, start, depth)?, is_known)
    }

    /// What somebody meant who compared with what no text is.
    fn remedy(self, operator: Binary, left: &Part, right: &Part) -> Option<&'static str> {
        let compares = matches!(operator, Binary::Equal | Binary::NotEqual);
        let with_null = left.kinds == Kinds::NULL || right.kinds == Kinds::NULL;
        let with_text = left.kinds == Kinds::TEXT || right.kinds == Kinds::TEXT;
        let with_number =
            Kinds::NUMBER.or(left.kinds) == Kinds::NUMBER || Kinds::NUMBER.or(right.kinds) == Kinds::NUMBER;
        if compares && with_null {
            Some("has(…)")
        } else if with_text && with_number {
            Some("int(…) or double(…)")
        } else {
            None
        }
    }

    /// `&&` and `||`.
    pub(super) fn chain(self, is_or: bool, left: Part, right: Part, offset: usize) -> Result<Part, Raw> {
        let (left, right) = (left.of(Kinds::BOOL)?, right.of(Kinds::BOOL)?);
        let is_known = left.node.is_constant() && right.node.is_constant();
        let start = left.offset;
        let depth = right.depth.saturating_add(1);
        // A chain is as deep as its deepest operand, however long it is.
        let (mut operands, depth) = match (left.node, is_or) {
            (Node::Or(operands, _), true) | (Node::And(operands, _), false) => (operands, left.depth.max(depth)),
            (node, _) => (vec![node], left.depth.saturating_add(1).max(depth)),
        };
        operands.push(right.node);
        let node = if is_or { Node::Or(operands, offset) } else { Node::And(operands, offset) };
        self.folded(Part::new(node, Kinds::BOOL, start, depth)?, is_known)
    }

    pub(super) fn choice(self, condition: Part, then: Part, otherwise: Part, offset: usize) -> Result<Part, Raw> {
        let condition = condition.of(Kinds::BOOL)?;
        let (then, otherwise) = (then.of(Kinds::ANY)?, otherwise.of(Kinds::ANY)?);
        if let (true, Node::Constant(Value::Bool(value))) = (self.folds, &condition.node) {
            return Ok(if *value { then } else { otherwise });
        }
        let depth = condition.depth.max(then.depth).max(otherwise.depth).saturating_add(1);
        let kinds = then.kinds.or(otherwise.kinds);
        let start = condition.offset;
        let (condition, then, otherwise) =
            (Box::new(condition.node), Box::new(then.node), Box::new(otherwise.node));
        Part::new(Node::Choice { condition, then, otherwise, offset }, kinds, start, depth)
    }

    pub(super) fn index(self, list: Part, key: Part, offset: usize) -> Result<Part, Raw> {
        match (key.node, key.kinds) {
            (Node::Constant(Value::Text(name)), _) => list.step(Step::Member(name.into()), offset),
            (Node::Constant(Value::Int(at)), _) => list.step(Step::Element(at), offset),
            (node, kinds) => {
                let key = Part { node, kinds, ..key }.of(Kinds::INT.or(Kinds::TEXT))?;
                let list = list.of(Kinds::LIST.or(Kinds::MAP))?;
                let depth = list.depth.max(key.depth).saturating_add(1);
                let start = list.offset;
                let node = Node::Index { list: Box::new(list.node), key: Box::new(key.node), offset };
                Part::new(node, Kinds::ANY, start, depth)
            }
        }
    }

    pub(super) fn call(
        self,
        function: &'static Function,
        arguments: Vec<Part>,
        offset: usize,
    ) -> Result<Part, Raw> {
        let most = function.parameters.len();
        if !(function.required..=most).contains(&arguments.len()) {
            let wanted = if most == function.required {
                most.to_string()
            } else {
                format!("{} to {most}", function.required)
            };
            let fault = format!(
                "`{}` takes {wanted} arguments, with what stands before the dot; given {}",
                function.name,
                arguments.len()
            );
            return Err(Raw::new(offset, fault));
        }
        let start = arguments.first().map_or(offset, |first| first.offset.min(offset));
        let arguments = arguments.into_iter().zip(function.parameters);
        let arguments = arguments.map(|(argument, kinds)| argument.of(*kinds)).collect::<Result<Vec<_>, _>>()?;
        let is_known = arguments.iter().all(|argument| argument.node.is_constant());
        let (arguments, depth) = taken(arguments);
        let node = Node::Call { function, arguments, offset };
        self.folded(Part::new(node, function.result, start, depth)?, is_known)
    }

    pub(super) fn go_over(self, over: Over, list: Part, body: Part, offset: usize) -> Result<Part, Raw> {
        let body = if over == Over::Map { body.of(Kinds::ANY)? } else { body.of(Kinds::BOOL)? };
        let depth = list.depth.max(body.depth).saturating_add(1);
        let kinds = if matches!(over, Over::Map | Over::Filter) { Kinds::LIST } else { Kinds::BOOL };
        let start = list.offset;
        let node = Node::Macro { over, list: Box::new(list.node), body: Box::new(body.node), offset };
        Part::new(node, kinds, start, depth)
    }
}

/// The nodes, and the depth of what has them as its children.
fn taken(parts: Vec<Part>) -> (Vec<Node>, u8) {
    let depth = parts.iter().map(|part| part.depth).max().unwrap_or(0).saturating_add(1);
    (parts.into_iter().map(|part| part.node).collect(), depth)
}

/// What would have been a text to convert.
fn conversion(node: &Node) -> &'static str {
    match node {
        Node::Call { function, .. } if function.name == "duration" => {
            ", expected one such as \"10m\" (units: ms, s, m, h, d)"
        }
        Node::Call { function, .. } if function.name == "timestamp" => {
            ", expected one such as \"2026-01-31T08:00:00Z\" (RFC 3339)"
        }
        _ => "",
    }
}
