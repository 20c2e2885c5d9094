//! Words to an expression: the grammar of CEL by precedence climbing (Pratt, "Top down operator precedence").
//!
//! Every nesting passes [`Parser::expression`], which counts its depth, so no text can overflow the stack.

use crate::expression::build::{Builder, Part};
use crate::expression::fault::Raw;
use crate::expression::functions::{Form, FUNCTIONS};
use crate::expression::lexer::{Lexeme, Lexer, Token};
use crate::expression::node::{Base, Node, Over, Step};
use crate::expression::operators::Binary;
use crate::expression::value::{Kinds, Value};
use crate::expression::{Call, Expression, External, Schema, Use, DEPTH_MAX, TEXT_BYTES_MAX};
use crate::nearest::nearest;
use std::borrow::Cow;

/// How strongly the operators with branches bind; the others are in [`Binary::power`].
const CHOICE: u8 = 1;
const OR: u8 = 2;
const AND: u8 = 3;
const UNARY: u8 = 7;

/// Methods that go over a list or a map.
const MACROS: [(&str, Over); 5] = [
    ("all", Over::All),
    ("exists", Over::Exists),
    ("exists_one", Over::ExistsOne),
    ("filter", Over::Filter),
    ("map", Over::Map),
];

/// What has to be asked for by more than a name.
const WORDS: [&str; 4] = ["true", "false", "null", "in"];

pub(super) struct Parser<'t> {
    lexer: Lexer<'t>,
    pub(super) token: Token<'t>,
    pub(super) schema: &'t Schema,
    builder: Builder,
    variables: Vec<&'t str>,
    depth: u8,
    pub(super) uses: Vec<Use>,
    calls: Vec<Call>,
    /// Whether an argument of an [`External`] is being read.
    is_argument: bool,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str, schema: &'t Schema, folds: bool) -> Result<Self, Raw> {
        if text.len() > TEXT_BYTES_MAX {
            let fault = format!("the expression has {} bytes, expected at most {TEXT_BYTES_MAX}", text.len());
            return Err(Raw::new(0, fault));
        }
        let mut lexer = Lexer::new(text);
        let token = lexer.next()?;
        let builder = Builder { folds };
        let (variables, uses, calls) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { lexer, token, schema, builder, variables, depth: 0, uses, calls, is_argument: false })
    }

    pub(super) fn compile(mut self, expected: Kinds) -> Result<Expression, Raw> {
        if self.token.lexeme == Lexeme::End {
            return Err(Raw::new(self.token.offset, "the expression is empty"));
        }
        let root = self.expression(0)?;
        if self.token.lexeme != Lexeme::End {
            return Err(self.unexpected("an operator or the end"));
        }
        Ok(Expression { root: root.of(expected)?.node, uses: self.uses, calls: self.calls })
    }

    pub(super) fn unexpected(&self, expected: &str) -> Raw {
        let meant = match self.token.lexeme {
            Lexeme::Name("and") => Some("&&"),
            Lexeme::Name("or") => Some("||"),
            Lexeme::Name("not") => Some("!"),
            _ => None,
        };
        let fault = format!("found {}, expected {expected}", self.token.lexeme.shown());
        Raw::new(self.token.offset, fault).hinting(meant)
    }

    /// Takes the next word, whatever it is.
    pub(super) fn advance(&mut self) -> Result<Token<'t>, Raw> {
        Ok(std::mem::replace(&mut self.token, self.lexer.next()?))
    }

    pub(super) fn is(&self, sign: &str) -> bool {
        matches!(self.token.lexeme, Lexeme::Sign(found) if found == sign)
    }

    /// Takes the next word if it is a sign.
    pub(super) fn takes(&mut self, sign: &str) -> Result<bool, Raw> {
        let found = self.is(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn expect(&mut self, sign: &str) -> Result<(), Raw> {
        if self.takes(sign)? {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{sign}`")))
    }

    /// An expression whose operators bind at least as strongly as `power`.
    pub(super) fn expression(&mut self, power: u8) -> Result<Part, Raw> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEPTH_MAX {
            return Err(Raw::new(self.token.offset, format!("the expression is nested deeper than {DEPTH_MAX}")));
        }
        let mut left = self.operand()?;
        loop {
            let offset = self.token.offset;
            let sign = match self.token.lexeme {
                Lexeme::Sign(sign) => sign,
                Lexeme::Name("in") => "in",
                _ => break,
            };
            left = if let Some(operator) = Binary::of(sign).filter(|operator| operator.power() >= power) {
                self.advance()?;
                // Operators of the same strength go from left to right.
                let right = self.expression(operator.power().saturating_add(1))?;
                self.builder.binary(operator, sign, left, right, offset)?
            } else if (sign == "||" && power <= OR) || (sign == "&&" && power <= AND) {
                self.advance()?;
                let right = self.expression(if sign == "||" { AND } else { AND.saturating_add(1) })?;
                self.builder.chain(sign == "||", left, right, offset)?
            } else if sign == "?" && power <= CHOICE {
                self.advance()?;
                let then = self.expression(OR)?;
                self.expect(":")?;
                let otherwise = self.expression(CHOICE)?;
                self.builder.choice(left, then, otherwise, offset)?
            } else {
                break;
            };
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(left)
    }

    fn operand(&mut self) -> Result<Part, Raw> {
        let offset = self.token.offset;
        if self.takes("!")? {
            let operand = self.expression(UNARY)?;
            return self.builder.not(operand, offset);
        }
        if self.takes("-")? {
            if let Lexeme::Int(number) = self.token.lexeme {
                self.advance()?;
                let number = 0_i64.checked_sub_unsigned(number);
                let number = number.ok_or_else(|| Raw::new(offset, "the number is out of range"))?;
                return self.members(Part::constant(Value::Int(number), offset));
            }
            let operand = self.expression(UNARY)?;
            return self.builder.negative(operand, offset);
        }
        let first = self.first()?;
        self.members(first)
    }

    /// What stands before any dot, bracket or operator.
    fn first(&mut self) -> Result<Part, Raw> {
        if !matches!(
            self.token.lexeme,
            Lexeme::Sign("(" | "[") | Lexeme::Int(_) | Lexeme::Double(_) | Lexeme::Text(_) | Lexeme::Name(_)
        ) {
            return Err(self.unexpected("a value"));
        }
        let Token { lexeme, offset } = self.advance()?;
        match lexeme {
            Lexeme::Int(number) => {
                let number = i64::try_from(number).map_err(|_| Raw::new(offset, "the number is out of range"))?;
                Ok(Part::constant(Value::Int(number), offset))
            }
            Lexeme::Double(number) => Ok(Part::constant(Value::Double(number), offset)),
            Lexeme::Text(text) => Ok(Part::constant(Value::Text(Cow::Owned(text)), offset)),
            Lexeme::Sign("[") => {
                let items = self.arguments("]")?;
                self.builder.list(items, offset)
            }
            Lexeme::Name(name) => self.name(name, offset),
            _ => {
                let inside = self.expression(0)?;
                self.expect(")")?;
                Ok(Part { offset, ..inside })
            }
        }
    }

    /// Expressions up to a closing sign; a comma may follow the last.
    fn arguments(&mut self, closing: &str) -> Result<Vec<Part>, Raw> {
        let mut arguments = Vec::new();
        while !self.takes(closing)? {
            let argument = self.expression(0)?;
            arguments.push(argument.of(Kinds::ANY)?);
            if !self.is(closing) && !self.takes(",")? {
                return Err(self.unexpected(&format!("`,` or `{closing}`")));
            }
        }
        Ok(arguments)
    }

    fn name(&mut self, name: &'t str, offset: usize) -> Result<Part, Raw> {
        match name {
            "true" => return Ok(Part::constant(Value::Bool(true), offset)),
            "false" => return Ok(Part::constant(Value::Bool(false), offset)),
            "null" => return Ok(Part::constant(Value::Null, offset)),
            "in" => return Err(Raw::new(offset, "found `in`, expected a value")),
            _ => {}
        }
        if self.takes("(")? {
            return self.function(name, offset);
        }
        // The innermost variable of a name hides the others.
        if let Some(slot) = self.variables.iter().rposition(|variable| *variable == name) {
            if self.is_argument {
                let fault = format!("`{name}` is a variable, which a counter knows nothing of");
                return Err(Raw::new(offset, fault));
            }
            let node = Node::Path { base: Base::Variable(slot), steps: Vec::new(), offset };
            return Part::new(node, Kinds::ANY, offset, 1);
        }
        self.schema_name(name, offset)
    }

    fn function(&mut self, name: &'t str, offset: usize) -> Result<Part, Raw> {
        if name == "has" {
            let path = self.expression(0)?;
            self.expect(")")?;
            let is_path = match &path.node {
                Node::Path { base: Base::Variable(_) | Base::Outcome(_) | Base::Of(_), steps, .. } => {
                    !steps.is_empty()
                }
                Node::Path { .. } => path.kinds != Kinds::TABLE,
                Node::Index { .. } => true,
                _ => false,
            };
            if !is_path {
                return Err(Raw::new(
                    path.offset,
                    "expected something that may be missing, as in has(body.coupon)",
                ));
            }
            let depth = path.depth.saturating_add(1);
            return Part::new(Node::Has(Box::new(path.node)), Kinds::BOOL, offset, depth);
        }
        if let Some(external) = self.schema.functions.iter().find(|external| external.name == name) {
            return self.external(external, offset);
        }
        let known = FUNCTIONS.iter().find(|function| function.name == name && function.form != Form::Method);
        let function = known.ok_or_else(|| self.unknown_function(name, Form::Method, offset))?;
        let arguments = self.arguments(")")?;
        self.builder.call(function, arguments, offset)
    }

    /// A call that is taken out, and stands for its outcome.
    fn external(&mut self, external: &External, offset: usize) -> Result<Part, Raw> {
        if self.is_argument || !self.variables.is_empty() {
            let fault = format!(
                "`{}` may stand neither in a call of its kind nor in all, exists, filter or map",
                external.name
            );
            return Err(Raw::new(offset, fault));
        }
        self.is_argument = true;
        let arguments = self.arguments(")")?;
        self.is_argument = false;
        if arguments.len() != external.parameters.len() {
            let fault = format!(
                "`{}` takes {} arguments; given {}",
                external.name,
                external.parameters.len(),
                arguments.len()
            );
            return Err(Raw::new(offset, fault));
        }
        let mut nodes = Vec::new();
        for (argument, parameter) in arguments.into_iter().zip(external.parameters) {
            let argument = argument.of(parameter.kinds)?;
            if parameter.is_constant && !argument.node.is_constant() {
                return Err(Raw::new(argument.offset, format!("expected a constant {}", parameter.kinds)));
            }
            nodes.push(argument.node);
        }
        let node = Node::Path { base: Base::Outcome(self.calls.len()), steps: Vec::new(), offset };
        self.calls.push(Call { tag: external.tag, arguments: nodes, offset });
        Part::new(node, external.result, offset, 1)
    }

    /// Members, elements and methods of what stands before.
    pub(super) fn members(&mut self, mut part: Part) -> Result<Part, Raw> {
        loop {
            let offset = self.token.offset;
            if self.takes("[")? {
                let key = self.expression(0)?;
                self.expect("]")?;
                part = self.builder.index(part, key, offset)?;
            } else if self.takes(".")? {
                let Lexeme::Name(name) = self.token.lexeme else {
                    return Err(self.unexpected("the name of a member or method"));
                };
                let at = self.advance()?.offset;
                part = if self.takes("(")? {
                    self.method(part, name, at)?
                } else {
                    part.step(Step::Member(name.into()), at)?
                };
            } else {
                return Ok(part);
            }
        }
    }

    fn method(&mut self, receiver: Part, name: &'t str, offset: usize) -> Result<Part, Raw> {
        if let Some((_, over)) = MACROS.iter().find(|(known, _)| *known == name) {
            return self.go_over(*over, receiver, offset);
        }
        let known = FUNCTIONS.iter().find(|function| function.name == name && function.form != Form::Function);
        let function = known.ok_or_else(|| self.unknown_function(name, Form::Function, offset))?;
        let mut arguments = vec![receiver];
        arguments.extend(self.arguments(")")?);
        self.builder.call(function, arguments, offset)
    }

    /// `list.all(variable, condition)` and its likes. `map` may have a condition in between.
    fn go_over(&mut self, over: Over, receiver: Part, offset: usize) -> Result<Part, Raw> {
        let receiver = receiver.of(Kinds::LIST.or(Kinds::MAP))?;
        let variable = match self.token.lexeme {
            Lexeme::Name(name) if !WORDS.contains(&name) => name,
            _ => return Err(self.unexpected("the name of a variable")),
        };
        self.advance()?;
        self.expect(",")?;
        self.variables.push(variable);
        let mut body = self.expression(0)?;
        let mut list = receiver;
        if over == Over::Map && self.takes(",")? {
            list = self.builder.go_over(Over::Filter, list, body, offset)?;
            body = self.expression(0)?;
        }
        self.variables.pop();
        self.expect(")")?;
        self.builder.go_over(over, list, body, offset)
    }

    fn unknown_function(&self, name: &str, other: Form, offset: usize) -> Raw {
        if name == "matches" {
            let fault =
                "regular expressions are not supported, expected one of: startsWith, endsWith, contains, split";
            return Raw::new(offset, fault);
        }
        if FUNCTIONS.iter().any(|function| function.name == name && function.form == other)
            || (other == Form::Method && MACROS.iter().any(|(known, _)| *known == name))
        {
            let written =
                if other == Form::Method { format!("value.{name}(…)") } else { format!("{name}(value)") };
            return Raw::new(offset, format!("`{name}` is written another way")).hinting(Some(written));
        }
        let here = FUNCTIONS.iter().filter(|function| function.form != other).map(|function| function.name);
        let mut known: Vec<&str> = here.collect();
        if other == Form::Method {
            known.push("has");
            known.extend(self.schema.functions.iter().map(|external| external.name));
        } else {
            known.extend(MACROS.iter().map(|(name, _)| *name));
        }
        let what = if other == Form::Method { "function" } else { "method" };
        let fault = format!("unknown {what} `{name}`, expected one of: {}", known.join(", "));
        Raw::new(offset, fault).hinting(nearest(name, &known))
    }
}
