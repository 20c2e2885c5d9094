//! A module that tells its host where it goes: a call at the beginning of every function, and one at every branch.

use crate::function::{functions, imported_functions, is_branch, Function};
use anyhow::Result;
use std::convert::Infallible;
use wasm_encoder::reencode::{utils, Error, Reencode};
use wasm_encoder::{CodeSection, EntityType, ImportSection, Instruction, Module, TypeSection, ValType};
use wasmparser::{FunctionBody, ImportSectionReader, Parser, TypeSectionReader};

const HOST: &str = "env";
const ENTRY: &str = "portcullis_entry";
const BRANCH: &str = "portcullis_branch";

/// The module with two imports of `env` that it calls, and its functions as they are numbered:
///
/// - `portcullis_entry(number)`, when the function of this place is entered;
/// - `portcullis_branch(condition, number)`, which returns the condition, before each branch; branches are counted through all functions in their order.
///
/// # Errors
///
/// Where it is no module, or one without imports.
pub fn instrumented(module: &[u8]) -> Result<(Vec<u8>, Vec<Function>)> {
    let mut instrument = Instrument::default();
    let mut written = Module::new();
    instrument
        .parse_core_module(&mut written, Parser::new(0), module)
        .map_err(|fault| anyhow::anyhow!("the module cannot be read: {fault}"))?;
    Ok((written.finish(), functions(module)?))
}

#[derive(Default)]
struct Instrument {
    types: u32,
    imported: u32,
    entered: i32,
    branched: i32,
}

impl Instrument {
    const ADDED: u32 = 2;

    fn entry(&self) -> Instruction<'static> {
        Instruction::Call(self.imported)
    }

    fn branch(&self) -> Instruction<'static> {
        Instruction::Call(self.imported + 1)
    }
}

impl Reencode for Instrument {
    type Error = Infallible;

    /// What is imported comes first, so what is defined moves up.
    fn function_index(&mut self, function: u32) -> Result<u32, Error> {
        Ok(if function < self.imported { function } else { function + Self::ADDED })
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: TypeSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_type_section(self, types, section)?;
        self.types = types.len();
        types.ty().function([ValType::I32], []);
        types.ty().function([ValType::I32, ValType::I32], [ValType::I32]);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Result<(), Error> {
        self.imported = imported_functions(section.clone())?;
        utils::parse_import_section(self, imports, section)?;
        imports.import(HOST, ENTRY, EntityType::Function(self.types));
        imports.import(HOST, BRANCH, EntityType::Function(self.types + 1));
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> Result<(), Error> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        function.instruction(&Instruction::I32Const(self.entered)).instruction(&self.entry());
        self.entered += 1;
        for operator in body.get_operators_reader()? {
            let operator = operator?;
            if is_branch(&operator) {
                function.instruction(&Instruction::I32Const(self.branched)).instruction(&self.branch());
                self.branched += 1;
            }
            function.instruction(&self.instruction(operator)?);
        }
        code.function(&function);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{Operator, Payload};

    #[test]
    fn entries_and_branches_are_told_with_their_numbers() {
        let module = wat::parse_str(
            r#"(module
                (import "env" "imported" (func $imported))
                (func $one (param i32) (block (br_if 0 (local.get 0)) (call $two (i32.const 5))))
                (func $two (param i32) (if (local.get 0) (then (call $imported)))))"#,
        )
        .unwrap();
        let (module, functions) = instrumented(&module).unwrap();
        assert_eq!(functions.len(), 2);
        let mut calls = Vec::new();
        for payload in Parser::new(0).parse_all(&module) {
            let Payload::CodeSectionEntry(body) = payload.unwrap() else { continue };
            let mut number = 0;
            for operator in body.get_operators_reader().unwrap() {
                match operator.unwrap() {
                    Operator::I32Const { value } => number = value,
                    Operator::Call { function_index } => calls.push((function_index, number)),
                    _ => {}
                }
            }
        }
        // 1 is the call of an entry, 2 that of a branch; `two` was 2 and is 4.
        assert_eq!(calls, [(1, 0), (2, 0), (4, 5), (1, 1), (2, 1), (0, 1)]);
    }
}
