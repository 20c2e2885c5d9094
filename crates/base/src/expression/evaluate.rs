//! An expression to its value.
//!
//! An operand of `&&` and `||` that has no value does not matter where the other one decides, on whichever side it stands
//! (CEL, "Logical Operators"); the macros `all` and `exists` are such chains. Where several fail, the gravest counts,
//! so that the order in which they are written decides nothing.
//!
//! Bounds: the recursion is as deep as the tree, and each node costs a step, as do long texts and lists by their
//! length; beyond [`super::STEPS_MAX`] steps there is no value.

use crate::expression::fault::{Cause, Failure};
use crate::expression::node::{Base, Node, Over, Step};
use crate::expression::value::{Items, Value};
use crate::expression::{Missing, Scope, STEPS_MAX};
use std::borrow::Cow;

/// One evaluation.
pub(super) struct Run<'a> {
    scope: &'a dyn Scope,
    variables: Vec<Value<'a>>,
    steps: u32,
}

impl From<Missing> for Cause {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Absent => Self::Absent,
            Missing::Unavailable => Self::Unavailable,
        }
    }
}

impl<'a> Run<'a> {
    pub(super) const fn new(scope: &'a dyn Scope) -> Self {
        Self { scope, variables: Vec::new(), steps: STEPS_MAX }
    }

    /// The value of a node.
    pub(super) fn value(&mut self, node: &'a Node) -> Result<Value<'a>, Failure> {
        self.charge(1, 0)?;
        match node {
            Node::Constant(value) => Ok(value.borrowed()),
            Node::Path { base, steps, offset } => self.path(base, steps, *offset),
            Node::Index { list, key, offset } => {
                let (list, key) = (self.value(list)?, self.value(key)?);
                match &key {
                    Value::Text(name) => list.member(name),
                    Value::Int(at) => list.element(*at),
                    _ => Err(Cause::Type),
                }
                .map_err(at(*offset))
            }
            Node::List(items) => {
                let items = items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?;
                Ok(Value::List(Items::Owned(items)))
            }
            Node::Not(operand, offset) => Ok(Value::Bool(!self.truth(operand, *offset)?)),
            Node::Negative(operand, offset) => match self.value(operand)? {
                Value::Int(number) => number.checked_neg().map(Value::Int).ok_or(Cause::Overflow),
                Value::Double(number) => Ok(Value::Double(-number)),
                Value::Duration(millis) => millis.checked_neg().map(Value::Duration).ok_or(Cause::Overflow),
                _ => Err(Cause::Type),
            }
            .map_err(at(*offset)),
            Node::Binary { operator, left, right, offset } => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.charge(left.weight().saturating_add(right.weight()), *offset)?;
                operator.apply(left, right, &mut self.steps).map_err(at(*offset))
            }
            Node::InTable { key, table, offset } => match self.entry(*table, key, *offset) {
                Ok(_) => Ok(Value::Bool(true)),
                Err(failure) if failure.cause == Cause::Absent && failure.offset == *offset => {
                    Ok(Value::Bool(false))
                }
                Err(failure) => Err(failure),
            },
            Node::And(operands, offset) => self.chain(operands, false, *offset),
            Node::Or(operands, offset) => self.chain(operands, true, *offset),
            Node::Choice { condition, then, otherwise, offset } => {
                let chosen = if self.truth(condition, *offset)? { then } else { otherwise };
                self.value(chosen)
            }
            Node::Has(path) => match self.value(path) {
                Ok(_) => Ok(Value::Bool(true)),
                Err(failure) if failure.cause == Cause::Absent => Ok(Value::Bool(false)),
                Err(failure) => Err(failure),
            },
            Node::Call { function, arguments, offset } => {
                let given =
                    arguments.iter().map(|argument| self.value(argument)).collect::<Result<Vec<_>, _>>()?;
                let weight = given.iter().fold(0, |sum: u32, value| sum.saturating_add(value.weight()));
                self.charge(weight, *offset)?;
                (function.apply)(&given).map_err(at(*offset))
            }
            Node::Macro { over, list, body, offset } => self.go_over(*over, list, body, *offset),
        }
    }

    /// The value of a condition.
    pub(super) fn truth(&mut self, node: &'a Node, offset: usize) -> Result<bool, Failure> {
        match self.value(node)? {
            Value::Bool(value) => Ok(value),
            _ => Err(Failure { cause: Cause::Type, offset }),
        }
    }

    fn charge(&mut self, steps: u32, offset: usize) -> Result<(), Failure> {
        let left = self.steps.checked_sub(steps);
        // What is too much stays too much: nothing cheap may follow.
        self.steps = left.unwrap_or(0);
        left.map(|_| ()).ok_or(Failure { cause: Cause::Cost, offset })
    }

    fn path(&mut self, base: &'a Base, steps: &'a [Step], offset: usize) -> Result<Value<'a>, Failure> {
        let mut value = match base {
            Base::Name(tag) => self.scope.value(*tag).map_err(|missing| at(offset)(missing.into()))?,
            Base::Entry(table, key) => self.entry(*table, key, offset)?,
            Base::Variable(slot) => self.variable(*slot, offset)?,
            Base::Outcome(call) => self.scope.outcome(*call).map_err(at(offset))?,
            Base::Of(node) => self.value(node)?,
        };
        for step in steps {
            value = match step {
                Step::Member(name) => value.member(name),
                Step::Element(at) => value.element(*at),
            }
            .map_err(at(offset))?;
        }
        Ok(value)
    }

    /// A copy of a variable, for which a text that was made costs by its length.
    fn variable(&mut self, slot: usize, offset: usize) -> Result<Value<'a>, Failure> {
        let value = self.variables.get(slot).cloned().ok_or(Failure { cause: Cause::Absent, offset })?;
        if let Value::Text(Cow::Owned(_)) = value {
            self.charge(value.weight(), offset)?;
        }
        Ok(value)
    }

    fn entry(
        &mut self,
        table: crate::expression::Tag,
        key: &'a Node,
        offset: usize,
    ) -> Result<Value<'a>, Failure> {
        match self.value(key)? {
            Value::Text(key) => self.scope.entry(table, &key).map_err(|missing| at(offset)(missing.into())),
            _ => Err(Failure { cause: Cause::Type, offset }),
        }
    }

    /// `&&` and `||`: the first operand that decides, wherever it stands.
    fn chain(&mut self, operands: &'a [Node], decisive: bool, offset: usize) -> Result<Value<'a>, Failure> {
        let mut failed: Option<Failure> = None;
        for operand in operands {
            match self.truth(operand, offset) {
                Ok(value) if value == decisive => return Ok(Value::Bool(decisive)),
                Ok(_) => {}
                Err(failure) => failed = Some(failed.map_or(failure, |other| other.graver(failure))),
            }
        }
        failed.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn go_over(
        &mut self,
        over: Over,
        list: &'a Node,
        body: &'a Node,
        offset: usize,
    ) -> Result<Value<'a>, Failure> {
        let list = self.value(list)?;
        self.charge(list.weight(), offset)?;
        let elements = list.elements().map_err(at(offset))?;
        if over == Over::Map {
            let made = elements.into_iter().map(|element| self.with(element, |run| run.value(body)));
            return Ok(Value::List(Items::Owned(made.collect::<Result<_, _>>()?)));
        }
        if over == Over::Filter {
            let mut kept = Vec::new();
            for element in elements {
                if self.with(element.clone(), |run| run.truth(body, offset))? {
                    kept.push(element);
                }
            }
            return Ok(Value::List(Items::Owned(kept.into())));
        }
        let (mut count, mut failed) = (0_u32, None::<Failure>);
        for element in elements {
            match self.with(element, |run| run.truth(body, offset)) {
                Ok(false) if over == Over::All => return Ok(Value::Bool(false)),
                Ok(true) if over == Over::Exists => return Ok(Value::Bool(true)),
                Ok(value) => count = count.saturating_add(u32::from(value)),
                Err(failure) => failed = Some(failed.map_or(failure, |other| other.graver(failure))),
            }
        }
        match (over, failed) {
            (_, Some(failure)) => Err(failure),
            (Over::All, None) => Ok(Value::Bool(true)),
            (Over::ExistsOne, None) => Ok(Value::Bool(count == 1)),
            _ => Ok(Value::Bool(false)),
        }
    }

    /// With one more variable.
    fn with<T>(&mut self, variable: Value<'a>, evaluate: impl FnOnce(&mut Self) -> T) -> T {
        self.variables.push(variable);
        let result = evaluate(self);
        self.variables.pop();
        result
    }
}

fn at(offset: usize) -> impl Fn(Cause) -> Failure {
    move |cause| Failure { cause, offset }
}
