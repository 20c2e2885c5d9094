//! Which functions of the filter requests run through: `make order` writes `envoy/order.txt`, by which the module is laid out.
//!
//! Envoy's V8 puts the code of functions where they follow one another in the module (the last first; what has more than 4 KiB comes before, by
//! size). As the linker leaves them, the eighty functions of a small request lie among three thousand others, in a page of code each, and each page is an
//! entry in the processor's tables of pages. So a build puts them together (`envoy/build-wasm.sh`). What a request runs through is found by a call that
//! is put at the beginning of every function, under the host of `make profile`.
//!
//! Names stand without their hashes, which change with every build. A name that is gone is passed over, and a function that is not
//! listed stays where it was, so an old list makes a module slower and never wrong.

use crate::{input, node};
use anyhow::{ensure, Context, Result};
use portcullis_lab::workspace;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Under which rules, and what is asked.
const REQUESTS: [(&str, &str); 4] =
    [("like_for_like", "page"), ("everything", "page"), ("everything", "json_2k"), ("every_stage", "page")];

/// As `envoy/build-wasm.sh` has them.
const FEATURES: [&str; 5] = [
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
];

/// What is called at the beginning of every function, with its number.
const IMPORT: &str = r#" (import "env" "portcullis_order" (func $portcullis_order (param i32)))"#;

/// Functions by their numbers, in the order of their first calls.
#[derive(Deserialize)]
struct Called {
    /// Nearly every request calls them.
    of_each: Vec<usize>,
    of_some: Vec<usize>,
}

/// Writes the list anew.
pub(crate) fn write(directory: &Path) -> Result<()> {
    let (text, module) = (directory.join("order.wat"), directory.join("order.wasm"));
    binaryen("wasm-dis", &[], &workspace().join("target/portcullis.debug.wasm"), &text)?;
    let (instrumented, names) = instrument(&fs::read_to_string(&text)?);
    fs::write(&text, instrumented)?;
    binaryen("wasm-as", &["-g"], &text, &module)?;
    let mut called = Vec::new();
    for (rules, shape) in REQUESTS {
        let output = node(&module, &input(directory, rules, shape)?).env("PROFILE_ORDER", "1").output()?;
        ensure!(output.status.success(), "{rules}, {shape}: {}", String::from_utf8_lossy(&output.stderr));
        called.push(serde_json::from_slice::<Called>(&output.stdout)?);
    }
    // What every request calls is packed most closely.
    let numbers =
        called.iter().flat_map(|called| &called.of_each).chain(called.iter().flat_map(|called| &called.of_some));
    let (mut listed, mut known) = (Vec::new(), BTreeSet::new());
    for number in numbers {
        let name = names.get(*number).context("a function that is not there")?;
        if known.insert(name) {
            listed.push(name.as_str());
        }
    }
    fs::write(workspace().join("envoy/order.txt"), listed.join("\n") + "\n")?;
    println!("envoy/order.txt: {} functions of {}", listed.len(), names.len());
    Ok(())
}

/// Puts the call into every function, and names them without their hashes.
fn instrument(text: &str) -> (String, Vec<String>) {
    let (mut instrumented, mut names, mut is_head) = (String::with_capacity(text.len()), Vec::new(), false);
    for line in text.lines() {
        if is_head && !line.starts_with("  (local ") {
            instrumented += &format!("  (call $portcullis_order (i32.const {}))\n", names.len() - 1);
            is_head = false;
        }
        if let Some(rest) = line.strip_prefix(" (func $") {
            let name = rest.split([' ', ')']).next().unwrap_or_default();
            names.push(without_hash(name).to_owned());
            is_head = true;
        }
        instrumented += line;
        instrumented.push('\n');
        if line.starts_with("(module") {
            instrumented += &format!("{IMPORT}\n");
        }
    }
    (instrumented, names)
}

fn without_hash(name: &str) -> &str {
    let hash = name.rfind("17h").filter(|at| name.contains("_ZN") && name.len() == at + 20);
    hash.and_then(|at| name.get(..at)).unwrap_or(name)
}

fn binaryen(tool: &str, options: &[&str], from: &Path, to: &Path) -> Result<()> {
    let status = Command::new(tool).args(FEATURES).args(options).arg(from).arg("-o").arg(to).status();
    ensure!(
        status.with_context(|| format!("{tool}, which is part of Binaryen, does not start"))?.success(),
        "{tool}"
    );
    Ok(())
}
