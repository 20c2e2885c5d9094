//! What requests run through in the filter: `make layout` writes `envoy/profile.txt`, by which the code of the module is laid out.
//!
//! Requests of several kinds are sent through an instrumented module, under the host of `make profile`. Listed are the functions they enter, and which way
//! their branches go: a branch has a hint where one of its two ways is hardly ever gone by any kind of request. Why that matters is
//! said in `envoy/layout`, which also puts it into each build (`envoy/build-wasm.sh`).
//!
//! An old profile makes a module slower and never wrong: a function that has changed has no hints, and one that is not listed stays where it was.

use crate::{input, node};
use anyhow::{ensure, Context, Result};
use portcullis_lab::workspace;
use portcullis_layout::{instrumented, Function, Hint, Known, Profile};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Under which rules, and what is asked.
const REQUESTS: [(&str, &str); 7] = [
    ("like_for_like", "page"),
    ("everything", "page"),
    ("everything", "json_2k"),
    ("everything", "fresh"),
    ("everything", "wide"),
    ("everything", "graphql"),
    ("every_stage", "page"),
];

/// Of as many requests of a kind, one at most goes a way that is rare.
const RARE: u32 = 16;

/// How the requests of one kind went through the module: numbers of functions and branches, each with its times.
#[derive(Deserialize)]
struct Walk {
    requests: u32,
    /// In the order in which they were entered first.
    entered: Vec<(usize, u32)>,
    taken: BTreeMap<usize, u32>,
    passed: BTreeMap<usize, u32>,
}

impl Walk {
    /// Nearly every request enters it.
    fn is_of_each(&self, times: u32) -> bool {
        times >= self.requests / 10 * 9
    }

    fn is_rare(&self, times: Option<&u32>) -> bool {
        times.copied().unwrap_or_default() < self.requests / RARE
    }
}

/// Writes the profile anew.
pub(crate) fn write(directory: &Path) -> Result<()> {
    let (module, functions) = instrumented(&fs::read(workspace().join("target/portcullis.debug.wasm"))?)?;
    let path = directory.join("instrumented.wasm");
    fs::write(&path, module)?;
    let mut walks = Vec::new();
    for (rules, shape) in REQUESTS {
        let output = node(&path, &input(directory, rules, shape)?).env("PROFILE_PATH", "1").output()?;
        ensure!(output.status.success(), "{rules}, {shape}: {}", String::from_utf8_lossy(&output.stderr));
        walks.push(serde_json::from_slice::<Walk>(&output.stdout)?);
    }
    let profile = profile(&functions, &walks)?;
    fs::write(workspace().join("envoy/profile.txt"), profile.to_string())?;
    let hints = profile.functions().iter().flat_map(|known| &known.hints);
    let (hints, told) = (hints.clone().count(), hints.filter(|hint| **hint != Hint::Unknown).count());
    println!(
        "envoy/profile.txt: {} functions of {}, {told} of their {hints} branches with a hint",
        profile.functions().len(),
        functions.len()
    );
    Ok(())
}

/// What every request enters is packed most closely.
fn profile(functions: &[Function], walks: &[Walk]) -> Result<Profile> {
    let first_branches: Vec<usize> = functions
        .iter()
        .scan(0, |next, function| Some(std::mem::replace(next, *next + function.branches)))
        .collect();
    let entered = |of_each: bool| {
        walks.iter().flat_map(move |walk| {
            walk.entered
                .iter()
                .filter(move |(_, times)| walk.is_of_each(*times) == of_each)
                .map(|(number, _)| *number)
        })
    };
    let mut listed = BTreeSet::new();
    let known: Result<Vec<Known>> = entered(true)
        .chain(entered(false))
        .filter(|number| listed.insert(*number))
        .map(|number| {
            let Function { name, shape, branches } =
                functions.get(number).context("a function that is not there")?.clone();
            let hints = (0..branches).map(|branch| hint(first_branches[number] + branch, walks)).collect();
            Ok(Known { name, shape, hints })
        })
        .collect();
    Ok(Profile::new(known?))
}

/// Which way a branch goes.
fn hint(branch: usize, walks: &[Walk]) -> Hint {
    let is_taken_rarely = walks.iter().all(|walk| walk.is_rare(walk.taken.get(&branch)));
    let is_passed_rarely = walks.iter().all(|walk| walk.is_rare(walk.passed.get(&branch)));
    match (is_taken_rarely, is_passed_rarely) {
        (true, false) => Hint::Passed,
        (false, true) => Hint::Taken,
        _ => Hint::Unknown,
    }
}
