//! The grammar of executable GraphQL documents (GraphQL October 2021, §2), read once, with one token in hand.
//!
//! What nests (selection sets, values, types) is kept on stacks of bounded height, so a deep document costs no more than a
//! wide one. Counts what [`Shape`] has, and keeps of every selection what [`cost`](super::cost) needs. The bounds are those of
//! [`shape`](super::shape). Where two readings are possible the grammar has rules, and this follows them; what a schema would
//! refuse (unknown fields, variables in defaults, arguments that repeat) passes.

use super::cost::{Definition, Kind, Node};
use super::shape::{
    Fault, Shape, ARGS_MAX, DEFINITIONS_MAX, DEPTH_MAX, LIST_ARGUMENTS, SELECTIONS_MAX, TOKENS_MAX,
    VALUE_DEPTH_MAX,
};
use super::tokens::{Token, Tokens};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A variable in an argument of a field.
#[derive(Debug)]
struct VariableUse<'a> {
    definition: usize,
    node: usize,
    /// Whether it is a list argument itself. An object may contain some.
    is_list_argument: bool,
    variable: &'a str,
}

/// Reads the grammar of executable documents with one token in hand.
#[derive(Debug)]
pub(super) struct Parser<'a> {
    tokens: Tokens<'a>,
    next: Option<Token<'a>>,
    tokens_left: u32,
    /// What is counted while reading: all but what [`cost`](super::cost) sums up.
    pub(super) shape: Shape,
    pub(super) definitions: Vec<Definition<'a>>,
    /// Names of operations.
    operations: BTreeSet<&'a str>,
    /// Of the definition that is being read.
    nodes: Vec<Node<'a>>,
    selections_left: usize,
    variable_uses: Vec<VariableUse<'a>>,
    /// The greatest default of each variable: an operation that shares a fragment may have its own. Whole numbers alone.
    defaults: BTreeMap<&'a str, u64>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(document: &'a str) -> Self {
        Self {
            tokens: Tokens::new(document),
            next: None,
            tokens_left: TOKENS_MAX,
            shape: Shape::default(),
            definitions: Vec::new(),
            operations: BTreeSet::new(),
            nodes: Vec::new(),
            selections_left: SELECTIONS_MAX,
            variable_uses: Vec::new(),
            defaults: BTreeMap::new(),
        }
    }

    /// Reads the whole document.
    pub(super) fn document(&mut self) -> Result<(), Fault> {
        self.advance()?;
        while self.next.is_some() {
            self.definition()?;
        }
        (self.shape.operations > 0).then_some(()).ok_or(Fault::NoOperation)
    }

    /// Gives list arguments that are variables their numbers, when all defaults are known.
    pub(super) fn settle_variables(&mut self, variables: &Map<String, Value>) {
        let mut within = BTreeMap::new();
        for used in &self.variable_uses {
            let value = variables.get(used.variable);
            let items = if used.is_list_argument {
                value.and_then(number).or_else(|| self.defaults.get(used.variable).copied())
            } else {
                Some(*within.entry(used.variable).or_insert_with(|| value.map_or(1, most_items)))
            };
            if items.is_none() {
                self.shape.unknown_lists = self.shape.unknown_lists.saturating_add(1);
            }
            let nodes = self.definitions.get_mut(used.definition).map(|definition| &mut definition.nodes);
            raise(nodes.and_then(|nodes| nodes.get_mut(used.node)), items.unwrap_or(1));
        }
    }

    /// Takes the token in hand, and the next one in hand.
    fn advance(&mut self) -> Result<Option<Token<'a>>, Fault> {
        let next = self.tokens.take()?;
        if next.is_some() {
            self.tokens_left = self.tokens_left.checked_sub(1).ok_or(Fault::TooManyTokens)?;
        }
        Ok(std::mem::replace(&mut self.next, next))
    }

    fn sees(&self, punctuator: char) -> bool {
        self.next == Some(Token::Punctuator(punctuator))
    }

    /// Takes a punctuator if it is in hand.
    fn takes(&mut self, punctuator: char) -> Result<bool, Fault> {
        let seen = self.sees(punctuator);
        if seen {
            self.advance()?;
        }
        Ok(seen)
    }

    fn expect(&mut self, punctuator: char) -> Result<(), Fault> {
        self.takes(punctuator)?.then_some(()).ok_or(Fault::Syntax)
    }

    fn name(&mut self) -> Result<&'a str, Fault> {
        match self.advance()? {
            Some(Token::Name(name)) => Ok(name),
            _ => Err(Fault::Syntax),
        }
    }

    /// An operation (§2.3) or a fragment (§2.8).
    fn definition(&mut self) -> Result<(), Fault> {
        let mut fragment = None;
        if !self.sees('{') {
            match self.name()? {
                "query" | "mutation" | "subscription" => self.operation_head()?,
                "fragment" => fragment = Some(self.fragment_head()?),
                _ => return Err(Fault::Syntax),
            }
        }
        if fragment.is_none() {
            self.shape.operations = self.shape.operations.saturating_add(1);
        }
        self.selection_sets()?;
        if self.definitions.len() >= DEFINITIONS_MAX {
            return Err(Fault::TooManyDefinitions);
        }
        self.definitions.push(Definition { fragment, nodes: std::mem::take(&mut self.nodes) });
        Ok(())
    }

    fn operation_head(&mut self) -> Result<(), Fault> {
        if let Some(Token::Name(name)) = self.next {
            self.advance()?;
            if !self.operations.insert(name) {
                return Err(Fault::Repeated);
            }
        }
        if self.takes('(')? {
            self.variable()?;
            while !self.takes(')')? {
                self.variable()?;
            }
        }
        self.directives()
    }

    fn fragment_head(&mut self) -> Result<&'a str, Fault> {
        let name = self.name()?;
        // The name `on` is that of no fragment, or `... on T` would have two readings.
        if name == "on" || self.name()? != "on" {
            return Err(Fault::Syntax);
        }
        self.name()?;
        self.directives()?;
        Ok(name)
    }

    /// The definition of a variable (§2.10).
    fn variable(&mut self) -> Result<(), Fault> {
        self.expect('$')?;
        let name = self.name()?;
        self.expect(':')?;
        self.type_reference()?;
        if self.takes('=')? {
            if let Some(Token::Integer(default)) = self.next {
                let greatest = self.defaults.entry(name).or_default();
                *greatest = default.max(*greatest);
            }
            self.value("", None)?;
        }
        self.directives()
    }

    /// The type of a variable (§2.11).
    fn type_reference(&mut self) -> Result<(), Fault> {
        let mut lists = 0_u32;
        while self.takes('[')? {
            lists = lists.saturating_add(1);
        }
        self.name()?;
        self.takes('!')?;
        for _ in 0..lists {
            self.expect(']')?;
            self.takes('!')?;
        }
        Ok(())
    }

    /// The selection set of a definition and all within it (§2.4).
    fn selection_sets(&mut self) -> Result<(), Fault> {
        self.expect('{')?;
        let mut open: Vec<Option<usize>> = vec![None];
        while let Some(parent) = open.last().copied() {
            let place = self.nodes.len();
            let must_open =
                if self.next == Some(Token::Spread) { self.spread(parent)? } else { self.field(parent)? };
            let is_spread = matches!(self.nodes.last(), Some(Node { kind: Kind::Spread(_), .. }));
            if self.sees('{') && !is_spread {
                self.advance()?;
                open.push(Some(place));
                if u32::try_from(open.len()).map_or(true, |depth| depth > DEPTH_MAX) {
                    return Err(Fault::TooDeep);
                }
                continue;
            }
            if must_open {
                return Err(Fault::Syntax);
            }
            while !open.is_empty() && self.takes('}')? {
                open.pop();
            }
        }
        Ok(())
    }

    fn select(&mut self, parent: Option<usize>, kind: Kind<'a>) -> Result<(), Fault> {
        self.selections_left = self.selections_left.checked_sub(1).ok_or(Fault::TooManySelections)?;
        self.nodes.push(Node { parent, kind });
        Ok(())
    }

    /// A field without what it selects (§2.5): that may follow, or not.
    fn field(&mut self, parent: Option<usize>) -> Result<bool, Fault> {
        let mut name = self.name()?;
        if self.takes(':')? {
            self.shape.aliases = self.shape.aliases.saturating_add(1);
            name = self.name()?;
        }
        self.shape.fields = self.shape.fields.saturating_add(1);
        self.shape.introspection |= matches!(name, "__schema" | "__type");
        let node = self.nodes.len();
        self.select(parent, Kind::Field { items: 1 })?;
        self.arguments(Some(node))?;
        self.directives()?;
        Ok(false)
    }

    /// A spread, or a fragment without a name up to what it selects (§2.8). Whether a selection set must follow.
    fn spread(&mut self, parent: Option<usize>) -> Result<bool, Fault> {
        self.advance()?;
        let mut kind = Kind::Inline;
        if let Some(Token::Name(name)) = self.next {
            self.advance()?;
            if name == "on" {
                self.name()?;
            } else {
                kind = Kind::Spread(name);
            }
        }
        let must_open = matches!(kind, Kind::Inline);
        self.select(parent, kind)?;
        self.directives()?;
        Ok(must_open)
    }

    /// Directives in one place (§2.12).
    fn directives(&mut self) -> Result<(), Fault> {
        let mut here = 0_u32;
        while self.takes('@')? {
            self.name()?;
            self.arguments(None)?;
            here = here.saturating_add(1);
        }
        self.shape.directives = self.shape.directives.saturating_add(here);
        self.shape.directives_max = self.shape.directives_max.max(here);
        Ok(())
    }

    /// Arguments (§2.6), of a field where there is a `node`.
    fn arguments(&mut self, node: Option<usize>) -> Result<(), Fault> {
        if self.takes('(')? {
            self.argument(node)?;
            while !self.takes(')')? {
                self.argument(node)?;
            }
        }
        Ok(())
    }

    fn argument(&mut self, node: Option<usize>) -> Result<(), Fault> {
        let name = self.name()?;
        self.expect(':')?;
        self.value(name, node)
    }

    /// A value with all that is in it (§2.9), under the name of its argument.
    fn value(&mut self, argument: &'a str, node: Option<usize>) -> Result<(), Fault> {
        let mut key = argument;
        // The closing brackets that are still to come.
        let mut open: Vec<char> = Vec::new();
        loop {
            match self.advance()?.ok_or(Fault::Syntax)? {
                Token::Punctuator('[') => open.push(']'),
                Token::Punctuator('{') => open.push('}'),
                Token::Punctuator('$') => self.variable_use(key, node)?,
                Token::Integer(items) if LIST_ARGUMENTS.contains(&key) => {
                    raise(node.and_then(|node| self.nodes.get_mut(node)), items);
                }
                Token::Text(text) if self.shape.args.len() < ARGS_MAX => self.shape.args.push(text),
                Token::Text(_) => return Err(Fault::TooManyArgs),
                // A name is a constant: `true`, `null`, or one of an enumeration.
                Token::Integer(_) | Token::Float | Token::Name(_) => {}
                Token::Punctuator(_) | Token::Spread => return Err(Fault::Syntax),
            }
            if open.len() > VALUE_DEPTH_MAX {
                return Err(Fault::ValueTooDeep);
            }
            while let Some(closing) = open.last().copied() {
                if self.takes(closing)? {
                    open.pop();
                    continue;
                }
                if closing == '}' {
                    key = self.name()?;
                    self.expect(':')?;
                }
                break;
            }
            if open.is_empty() {
                return Ok(());
            }
        }
    }

    /// The name of a variable, behind its sign.
    fn variable_use(&mut self, key: &str, node: Option<usize>) -> Result<(), Fault> {
        let variable = self.name()?;
        if let Some(node) = node {
            let is_list_argument = LIST_ARGUMENTS.contains(&key);
            let definition = self.definitions.len();
            self.variable_uses.push(VariableUse { definition, node, is_list_argument, variable });
        }
        Ok(())
    }
}

/// The greatest list argument of a field counts.
fn raise(field: Option<&mut Node<'_>>, wanted: u64) {
    if let Some(Node { kind: Kind::Field { items }, .. }) = field {
        *items = wanted.max(*items);
    }
}

/// A whole number as services read one: `10.0` is 10 in JSON, and a negative number is 0 here.
fn number(value: &Value) -> Option<u64> {
    let fraction = || value.as_f64().map(|number| format!("{:.0}", number.max(0.0)).parse().unwrap_or(u64::MAX));
    value.as_u64().or_else(fraction)
}

/// The greatest list argument at any depth of a value, at least 1.
fn most_items(value: &Value) -> u64 {
    let mut most = 1;
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(entries) => {
                let lists = LIST_ARGUMENTS.iter().filter_map(|name| entries.get(*name).and_then(number));
                most = lists.fold(most, u64::max);
                open.extend(entries.values());
            }
            _ => {}
        }
    }
    most
}
