//! The names of an expression against the schema: what is unknown is refused with what was probably meant.

use crate::expression::build::Part;
use crate::expression::fault::Raw;
use crate::expression::lexer::Lexeme;
use crate::expression::node::{Base, Node};
use crate::expression::parser::Parser;
use crate::expression::value::{Kinds, Value};
use crate::expression::{Shape, Tag, Use};
use crate::nearest::nearest;

impl Parser<'_> {
    /// A name of the schema, with as much of what follows as the schema knows.
    pub(super) fn schema_name(&mut self, name: &str, offset: usize) -> Result<Part, Raw> {
        let mut shape = find(self.schema.names, name, "name", offset)?;
        let mut written = name.to_owned();
        loop {
            match shape {
                Shape::Value(tag, kinds) => return self.value(*tag, *kinds, offset),
                Shape::Table(tag, kinds) => return self.table(*tag, *kinds, offset),
                Shape::Record(names) => {
                    let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
                    if !self.takes(".")? {
                        let fault = format!("`{written}`, expected one of its members: {}", known.join(", "));
                        return Err(self.unexpected(&format!("`.` behind {fault}")));
                    }
                    let Lexeme::Name(member) = self.token.lexeme else {
                        return Err(self.unexpected("the name of a member"));
                    };
                    let at = self.advance()?.offset;
                    shape = find(names, member, &format!("member of `{written}`"), at)?;
                    written = format!("{written}.{member}");
                }
            }
        }
    }

    /// An entry of a table, or the table itself, which `in` can look into.
    fn table(&mut self, table: Tag, kinds: Kinds, offset: usize) -> Result<Part, Raw> {
        if self.takes(".")? {
            let Lexeme::Name(key) = self.token.lexeme else { return Err(self.unexpected("the name of an entry")) };
            self.advance()?;
            if self.is("(") {
                return Err(Raw::new(offset, "this is a table, which has no methods: name one of its entries"));
            }
            let key = Part::constant(Value::Text(key.to_owned().into()), offset);
            return self.entry(table, key, kinds, offset);
        }
        if self.takes("[")? {
            let key = self.expression(0)?.of(Kinds::TEXT)?;
            self.expect("]")?;
            return self.entry(table, key, kinds, offset);
        }
        self.value(table, Kinds::TABLE, offset)
    }

    fn entry(&mut self, table: Tag, key: Part, kinds: Kinds, offset: usize) -> Result<Part, Raw> {
        let known = match &key.node {
            Node::Constant(Value::Text(text)) => Some(text.as_ref().into()),
            _ => None,
        };
        self.note(table, known, offset);
        let depth = key.depth.saturating_add(1);
        let node = Node::Path { base: Base::Entry(table, Box::new(key.node)), steps: Vec::new(), offset };
        Part::new(node, kinds, offset, depth)
    }

    fn value(&mut self, tag: Tag, kinds: Kinds, offset: usize) -> Result<Part, Raw> {
        self.note(tag, None, offset);
        Part::new(Node::Path { base: Base::Name(tag), steps: Vec::new(), offset }, kinds, offset, 1)
    }

    fn note(&mut self, tag: Tag, key: Option<Box<str>>, offset: usize) {
        if !self.uses.iter().any(|known| known.tag == tag && known.key == key) {
            self.uses.push(Use { tag, key, offset });
        }
    }
}

fn find<'s>(names: &'s [(&'static str, Shape)], name: &str, what: &str, offset: usize) -> Result<&'s Shape, Raw> {
    if let Some((_, shape)) = names.iter().find(|(known, _)| *known == name) {
        return Ok(shape);
    }
    let known: Vec<&str> = names.iter().map(|(known, _)| *known).collect();
    let fault = format!("unknown {what} `{name}`, expected one of: {}", known.join(", "));
    Err(Raw::new(offset, fault).hinting(nearest(name, &known)))
}
