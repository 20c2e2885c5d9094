//! Where the time of a request goes in the filter, function by function: `make profile`.
//!
//! Envoy runs the module in V8, which no profiler sees into from outside. Node.js has the same engine with a profiler of its own, so
//! a host that answers every call at once (`host.mjs`) drives the module there through whole requests, optimised ahead of time as Envoy
//! has it. What is printed in the module's name is the filter's; the host's own cost says nothing about Envoy's. A body of 64 KiB took the same
//! time in both, within a twentieth. Takes the name of rules and of a shape of requests, as the benchmark `envoy` knows them.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    dead_code,
    reason = "runs on a developer's machine, may stop with a message, and shares files with another benchmark"
)]

mod layout;
#[path = "../envoy/rules.rs"]
mod rules;
#[path = "../envoy/shapes.rs"]
mod shapes;
#[path = "../envoy/traffic.rs"]
mod traffic;

use anyhow::{bail, ensure, Context, Result};
use portcullis_lab::workspace;
use serde_json::{json, Value};
use shapes::Shape;
use std::path::{Path, PathBuf};
use std::process::Command;

/// V8 as Envoy has it: all of the module is optimised before it runs.
const ENGINE: [&str; 2] = ["--no-liftoff", "--no-wasm-tier-up"];

fn main() -> Result<()> {
    // Cargo adds a flag of its own.
    let mut names = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let rules = names.next().context("no rules named")?;
    let directory = workspace().join("target/bench");
    std::fs::create_dir_all(&directory)?;
    if rules == "layout" {
        return layout::write(&directory);
    }
    let shape = names.next().context("no shape named")?;
    let module = workspace().join("target/portcullis.debug.wasm");
    let status = node(&module, &input(&directory, &rules, &shape)?).status();
    ensure!(status.context("node, which is Node.js, does not start")?.success(), "the profile was not made");
    Ok(())
}

/// Writes down what the host is to do: rules and requests of these names.
fn input(directory: &Path, rules: &str, shape: &str) -> Result<PathBuf> {
    let shape = Shape::ALL
        .into_iter()
        .find(|known| known.key() == shape)
        .with_context(|| format!("{shape}: no such shape; there are {}", Shape::ALL.map(Shape::key).join(", ")))?;
    let requests = shape.requests().into_iter().map(|bytes| String::from_utf8(bytes).map(Value::from));
    let input = json!({"rules": configuration(rules)?, "requests": requests.collect::<Result<Vec<_>, _>>()?});
    let path = directory.join("profile.json");
    std::fs::write(&path, input.to_string())?;
    Ok(path)
}

/// The host with a module, and what it is to do.
fn node(module: &Path, input: &Path) -> Command {
    let mut node = Command::new("node");
    node.args(ENGINE).arg(workspace().join("benches/profile/host.mjs")).args([module, input]);
    node
}

/// The rules of a contender.
fn configuration(name: &str) -> Result<String> {
    Ok(match name {
        "routes" => rules::plain(&json!({})),
        "identity" => rules::identified(&json!({})),
        "like_for_like" => rules::like_for_like(),
        "inspect" => rules::plain(&json!({"inspect": {}})),
        "exposure" => rules::plain(&rules::exposure()),
        "everything" => rules::bound(&rules::everything()),
        "every_stage" => rules::bound(&rules::every_stage()),
        other => bail!("{other}: no such rules; there are routes, identity, like_for_like, inspect, exposure, everything, every_stage"),
    })
}
