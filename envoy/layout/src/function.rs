//! What is known of each function of a module before it runs.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use wasmparser::{FunctionBody, ImportSectionReader, KnownCustom, Name, Operator, Parser, Payload, TypeRef};

/// A function that the module defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// As rustc mangled it, but without the hash that changes with every build; empty where the module does not say it.
    pub name: String,
    /// How it branches, as a number: that of another function of this name, or of this one in another build, mostly differs.
    pub shape: u32,
    /// How many of its instructions are an `if` or a `br_if`.
    pub branches: usize,
}

/// The functions that a module defines, in their order.
///
/// # Errors
///
/// Where it is no module.
pub fn functions(module: &[u8]) -> Result<Vec<Function>> {
    let (mut functions, mut names) = (Vec::new(), BTreeMap::new());
    let mut imported = 0_u32;
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(section) => imported = imported_functions(section)?,
            Payload::CodeSectionEntry(body) => functions.push(read(&body)?),
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(section) = section.as_known() {
                    names = names_of(section)?;
                }
            }
            _ => {}
        }
    }
    for (index, function) in (imported..).zip(&mut functions) {
        function.name = names.remove(&index).unwrap_or_default();
    }
    Ok(functions)
}

/// How many functions are imported: the numbers of those that are defined begin there.
pub(crate) fn imported_functions(section: ImportSectionReader<'_>) -> wasmparser::Result<u32> {
    let mut imported = 0;
    for import in section.into_imports() {
        imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
    }
    Ok(imported)
}

/// Whether an instruction can be hinted.
pub(crate) fn is_branch(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::If { .. } | Operator::BrIf { .. })
}

fn read(body: &FunctionBody<'_>) -> Result<Function> {
    let (mut shape, mut branches) = (Shape::default(), 0);
    for operator in body.get_operators_reader()? {
        let operator = operator.context("an instruction")?;
        branches += usize::from(is_branch(&operator));
        shape.add(&operator);
    }
    Ok(Function { name: String::new(), shape: shape.0, branches })
}

fn names_of(section: wasmparser::NameSectionReader<'_>) -> Result<BTreeMap<u32, String>> {
    let mut names = BTreeMap::new();
    for subsection in section {
        if let Name::Function(map) = subsection? {
            for naming in map {
                let naming = naming?;
                names.insert(naming.index, without_hash(naming.name).to_owned());
            }
        }
    }
    Ok(names)
}

/// Mangled the older way, a name ends with `17h`, sixteen digits and `E`.
fn without_hash(name: &str) -> &str {
    let hash = name.rfind("17h").filter(|at| name.contains("_ZN") && name.len() == at + 20);
    hash.and_then(|at| name.get(..at)).unwrap_or(name)
}

/// Where a function branches and what it calls between, hashed (FNV-1a of 32 bits); numbers and addresses, which change with any other part of a module, are left out.
struct Shape(u32);

impl Default for Shape {
    fn default() -> Self {
        Self(0x811c_9dc5)
    }
}

impl Shape {
    fn add(&mut self, operator: &Operator<'_>) {
        let (kind, depth) = match operator {
            Operator::Block { .. } => (1, 0),
            Operator::Loop { .. } => (2, 0),
            Operator::If { .. } => (3, 0),
            Operator::Else => (4, 0),
            Operator::End => (5, 0),
            Operator::Br { relative_depth } => (6, *relative_depth),
            Operator::BrIf { relative_depth } => (7, *relative_depth),
            Operator::BrTable { targets } => (8, targets.len()),
            Operator::Return => (9, 0),
            Operator::Call { .. } => (10, 0),
            Operator::CallIndirect { .. } => (11, 0),
            Operator::Unreachable => (12, 0),
            _ => return,
        };
        for byte in [kind, depth] {
            self.0 = (self.0 ^ byte).wrapping_mul(0x0100_0193);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_at_the_end_of_a_name_is_left_out() {
        assert_eq!(without_hash("_ZN4core3fmt5write17h0123456789abcdefE"), "_ZN4core3fmt5write");
        assert_eq!(without_hash("proxy_on_log17h"), "proxy_on_log17h");
        assert_eq!(without_hash("_RNvCs1234_7___rustc12___rust_alloc"), "_RNvCs1234_7___rustc12___rust_alloc");
    }

    #[test]
    fn functions_are_told_by_name_and_shape() {
        let module = wat::parse_str(
            r#"(module
                (import "env" "imported" (func))
                (func $one (param i32) (if (local.get 0) (then (call 0))) (drop (i32.const 7)))
                (func $same (param i32) (if (local.get 0) (then (call 0))) (drop (i32.const 8)))
                (func $other (param i32) (block (br_if 0 (local.get 0)) (call 0))))"#,
        )
        .unwrap();
        let functions = functions(&module).unwrap();
        let names: Vec<&str> = functions.iter().map(|function| function.name.as_str()).collect();
        assert_eq!(names, ["one", "same", "other"]);
        assert_eq!(functions[0].shape, functions[1].shape);
        assert_ne!(functions[0].shape, functions[2].shape);
        assert_eq!(functions.iter().map(|function| function.branches).collect::<Vec<_>>(), [1, 1, 1]);
    }
}
