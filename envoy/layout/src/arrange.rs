//! A module whose code lies as a profile says.

use crate::function::{functions, imported_functions, is_branch};
use crate::profile::{Hint, Profile};
use anyhow::Result;
use std::convert::Infallible;
use wasm_encoder::reencode::{utils, Error, Reencode};
use wasm_encoder::{
    BranchHint, BranchHints, CodeSection, FunctionSection, ImportSection, Module, NameMap, NameSection, RawSection,
};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, FunctionBody, FunctionSectionReader, ImportSectionReader, KnownCustom,
    Name, Parser, Payload,
};

/// The module with the functions of the profile behind all others, in the order of the profile, and with hints for their branches
/// (`metadata.code.branch_hint`, <https://github.com/WebAssembly/branch-hinting>).
///
/// # Errors
///
/// Where it is no module.
pub fn arrange(module: &[u8], profile: &Profile) -> Result<Vec<u8>> {
    hinted(&ordered(module, profile)?, profile)
}

/// What lies last is placed first by V8.
fn ordered(module: &[u8], profile: &Profile) -> Result<Vec<u8>> {
    let functions = functions(module)?;
    let mut order: Vec<usize> = (0..functions.len()).collect();
    order.sort_by_key(|at| functions.get(*at).and_then(|function| profile.place(function)));
    let mut places = vec![0; order.len()];
    for (place, at) in order.iter().enumerate() {
        places[*at] = u32::try_from(place)?;
    }
    let mut written = Module::new();
    Order { order, places, imported: 0 }
        .parse_core_module(&mut written, Parser::new(0), module)
        .map_err(|fault| anyhow::anyhow!("the module cannot be read: {fault}"))?;
    Ok(written.finish())
}

struct Order {
    /// Which function stands at each place.
    order: Vec<usize>,
    /// At which place each function stands.
    places: Vec<u32>,
    imported: u32,
}

impl Order {
    fn in_order<T: Clone>(&self, all: &[T]) -> Vec<T> {
        self.order.iter().filter_map(|at| all.get(*at).cloned()).collect()
    }
}

impl Reencode for Order {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error> {
        let defined = function.checked_sub(self.imported).and_then(|at| self.places.get(at as usize));
        Ok(defined.map_or(function, |place| self.imported + place))
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Result<(), Error> {
        self.imported = imported_functions(section.clone())?;
        utils::parse_import_section(self, imports, section)
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        let types: Vec<u32> = section.into_iter().collect::<wasmparser::Result<_>>()?;
        for kind in self.in_order(&types) {
            functions.function(self.type_index(kind)?);
        }
        Ok(())
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: CodeSectionReader<'_>) -> Result<(), Error> {
        let bodies: Vec<_> = section.into_iter().collect::<wasmparser::Result<_>>()?;
        for body in self.in_order(&bodies) {
            self.parse_function_body(code, body)?;
        }
        Ok(())
    }

    /// Hints that are there already are about where the code was.
    fn parse_custom_section(
        &mut self,
        module: &mut Module,
        section: CustomSectionReader<'_>,
    ) -> Result<(), Error> {
        match section.as_known() {
            KnownCustom::BranchHints(_) => Ok(()),
            _ => utils::parse_custom_section(self, module, section),
        }
    }

    /// Names stand in the order of what they name.
    fn parse_custom_name_subsection(&mut self, names: &mut NameSection, section: Name<'_>) -> Result<(), Error> {
        let Name::Function(map) = section else {
            return utils::parse_custom_name_subsection(self, names, section);
        };
        let mut known = Vec::new();
        for naming in map {
            let naming = naming?;
            known.push((self.function_index(naming.index)?, naming.name));
        }
        known.sort_unstable();
        let mut sorted = NameMap::new();
        for (index, name) in known {
            sorted.append(index, name);
        }
        names.functions(&sorted);
        Ok(())
    }
}

/// The same bytes, with the hints before the code, where they have to be.
fn hinted(module: &[u8], profile: &Profile) -> Result<Vec<u8>> {
    let hints = hints(module, profile)?;
    let mut written = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if matches!(payload, Payload::CodeSectionStart { .. }) && !hints.is_empty() {
            written.section(&hints);
        }
        copy(&payload, module, &mut written)?;
    }
    Ok(written.finish())
}

/// The module without the names of its functions.
///
/// # Errors
///
/// Where it is no module.
pub fn without_names(module: &[u8]) -> Result<Vec<u8>> {
    let mut written = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if !matches!(&payload, Payload::CustomSection(section) if section.name() == "name") {
            copy(&payload, module, &mut written)?;
        }
    }
    Ok(written.finish())
}

/// A section as it is.
fn copy(payload: &Payload<'_>, module: &[u8], written: &mut Module) -> Result<()> {
    if let Some((id, range)) = payload.as_section() {
        let data = module.get(usize::try_from(range.start)?..usize::try_from(range.end)?).unwrap_or_default();
        written.section(&RawSection { id, data });
    }
    Ok(())
}

fn hints(module: &[u8], profile: &Profile) -> Result<BranchHints> {
    let functions = functions(module)?;
    let (mut hints, mut defined, mut index) = (BranchHints::new(), functions.iter(), 0);
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(section) => index = imported_functions(section)?,
            Payload::CodeSectionEntry(body) => {
                let known = defined.next().and_then(|function| profile.hints(function));
                let of_function = of_body(&body, known.unwrap_or_default())?;
                if !of_function.is_empty() {
                    hints.function_hints(index, of_function);
                }
                index += 1;
            }
            _ => {}
        }
    }
    Ok(hints)
}

fn of_body(body: &FunctionBody<'_>, known: &[Hint]) -> Result<Vec<BranchHint>> {
    let (mut found, mut known) = (Vec::new(), known.iter());
    let start = body.range().start;
    for operator in body.get_operators_reader()?.into_iter_with_offsets() {
        let (operator, at) = operator?;
        let hint = if is_branch(&operator) { known.next().copied() } else { None };
        let branch_hint_value = match hint {
            Some(Hint::Taken) => 1,
            Some(Hint::Passed) => 0,
            Some(Hint::Unknown) | None => continue,
        };
        found.push(BranchHint { branch_func_offset: u32::try_from(at - start)?, branch_hint_value });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{BranchHintSectionReader, Operator};

    const MODULE: &str = r#"(module
        (import "env" "imported" (func $imported))
        (func $rare (export "rare") call $imported)
        (func $hot (export "hot") (param i32)
            (block (br_if 0 (local.get 0)) (call $rare))
            (if (local.get 0) (then (call $hot (i32.const 0)))))
        (func $last call $hot_too)
        (func $hot_too)
        (table funcref (elem $hot_too)))"#;

    fn arranged(signs: &str) -> Vec<u8> {
        let module = wat::parse_str(MODULE).unwrap();
        let hot = functions(&module).unwrap().into_iter().find(|function| function.name == "hot").unwrap();
        let profile = format!("hot_too 0 \nhot {:08x} {signs}\n", hot.shape);
        arrange(&module, &profile.parse().unwrap()).unwrap()
    }

    fn names(module: &[u8]) -> Vec<String> {
        functions(module).unwrap().into_iter().map(|function| function.name).collect()
    }

    #[test]
    fn functions_of_the_profile_lie_last_and_in_its_order() {
        assert_eq!(names(&arranged("..")), ["rare", "last", "hot_too", "hot"]);
    }

    #[test]
    fn who_calls_whom_stays() {
        let module = arranged("+-");
        let mut names = names(&module);
        names.insert(0, "imported".into());
        let mut calls = Vec::new();
        let mut caller = names.iter().skip(1);
        for payload in Parser::new(0).parse_all(&module) {
            let Payload::CodeSectionEntry(body) = payload.unwrap() else { continue };
            let caller = caller.next().unwrap();
            for operator in body.get_operators_reader().unwrap() {
                if let Operator::Call { function_index } = operator.unwrap() {
                    calls.push((caller.as_str(), names[function_index as usize].as_str()));
                }
            }
        }
        assert_eq!(calls, [("rare", "imported"), ("last", "hot_too"), ("hot", "rare"), ("hot", "hot")]);
    }

    fn hints_of(module: &[u8]) -> Vec<(u32, Vec<bool>)> {
        let section = Parser::new(0).parse_all(module).find_map(|payload| match payload.unwrap() {
            Payload::CustomSection(section) => match section.as_known() {
                KnownCustom::BranchHints(hints) => Some(hints),
                _ => None,
            },
            _ => None,
        });
        let each = |reader: BranchHintSectionReader<'_>| {
            let function = reader.into_iter().map(Result::unwrap);
            function
                .map(|one| (one.func, one.hints.into_iter().map(|hint| hint.unwrap().taken).collect()))
                .collect()
        };
        section.map(each).unwrap_or_default()
    }

    #[test]
    fn hints_are_about_the_branches_of_their_function() {
        assert_eq!(hints_of(&arranged("-+")), [(4, vec![false, true])]);
        assert_eq!(hints_of(&arranged(".+")), [(4, vec![true])]);
    }

    #[test]
    fn a_function_that_branches_otherwise_has_no_hints() {
        assert_eq!(hints_of(&arranged("..")), []);
        assert_eq!(hints_of(&arranged("-+-")), []);
    }

    #[test]
    fn hints_that_are_there_already_are_replaced() {
        let module = arranged("-+");
        let hot = functions(&module).unwrap().pop().unwrap();
        let profile = format!("hot {:08x} +.\n", hot.shape).parse().unwrap();
        assert_eq!(hints_of(&arrange(&module, &profile).unwrap()), [(4, vec![true])]);
    }

    #[test]
    fn only_names_are_left_out() {
        let module = arranged("-+");
        let stripped = without_names(&module).unwrap();
        assert_eq!(names(&stripped), ["", "", "", ""]);
        assert_eq!(hints_of(&stripped), hints_of(&module));
        assert!(stripped.len() < module.len());
    }
}
