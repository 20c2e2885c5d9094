//! The filter's bill of materials: CycloneDX 1.5 as JSON, from what cargo knows (`make dist`).
//!
//! It lists what the module is compiled from and nothing else: dependencies of the wasm build, macros among them, without those of
//! tests and of build scripts, each with its licence, the checksum that Cargo.lock pins where it comes from a registry, and what it depends on. The same lock file gives the
//! same bytes, so there is no serial number and no time in it. Rust's standard library, which cargo does not list, comes with
//! the compiler that the module's `producers` section names.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

const TARGET: &str = "wasm32-wasip1";
const ROOT: &str = "portcullis";

/// Asks cargo about the package `portcullis` of this workspace, and describes the module with this digest.
///
/// # Errors
/// If cargo fails, or says something else than expected.
pub fn write(workspace: &Path, module_sha256: &str) -> Result<Value> {
    let metadata =
        cargo(workspace, &["metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET])?;
    // The metadata are those of the whole workspace, where one member may switch on a feature for another.
    let tree =
        ["tree", "--locked", "--package", ROOT, "--target", TARGET, "--edges", "normal", "--prefix", "none"];
    let built = built(&cargo(workspace, &tree)?);
    let lock = std::fs::read_to_string(workspace.join("Cargo.lock"))?;
    bill(&serde_json::from_str(&metadata)?, &built, &checksums(&lock), module_sha256)
}

fn cargo(workspace: &Path, arguments: &[&str]) -> Result<String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let output = cargo.current_dir(workspace).args(arguments).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "cargo {}: {}", arguments[0], String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Name and version of each line of a tree: `serde v1.0.228 (*)`.
fn built(tree: &str) -> BTreeSet<String> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        Some(format!("{} {}", words.next()?, words.next()?.strip_prefix('v')?))
    };
    tree.lines().filter_map(line).collect()
}

fn bill(
    metadata: &Value,
    built: &BTreeSet<String>,
    checksums: &BTreeMap<String, String>,
    module_sha256: &str,
) -> Result<Value> {
    let packages = metadata["packages"].as_array().context("cargo lists no packages")?.iter();
    let packages = packages.filter(|package| built.contains(&pinned(package)));
    let packages: BTreeMap<&str, &Value> = packages.map(|package| (text(package, "id"), package)).collect();
    let (root, _) = packages
        .iter()
        .find(|(_, package)| package["name"] == ROOT)
        .context("this workspace has no portcullis")?;
    let graph = graph(metadata, root, |id| packages.contains_key(id))?;
    let purl = |id: &str| packages.get(id).map(|package| purl(package)).unwrap_or_default();
    let components = graph.keys().filter(|id| *id != root).filter_map(|id| packages.get(id));
    let mut components: Vec<Value> = components.map(|package| component(package, checksums)).collect();
    components.sort_by_key(|component| text(component, "bom-ref").to_owned());
    let mut dependencies: Vec<Value> = graph
        .iter()
        .map(|(id, needs)| {
            let needs: BTreeSet<String> = needs.iter().map(|id| purl(id)).collect();
            json!({"ref": purl(id), "dependsOn": needs})
        })
        .collect();
    dependencies.sort_by_key(|entry| text(entry, "ref").to_owned());
    let mut module = component(packages.get(root).context("no root")?, checksums);
    module["hashes"] = json!([{"alg": "SHA-256", "content": module_sha256}]);
    Ok(json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"component": module},
        "components": components,
        "dependencies": dependencies,
    }))
}

/// What each package needs to run, from the root on.
fn graph<'m>(
    metadata: &'m Value,
    root: &'m str,
    is_built: impl Fn(&str) -> bool,
) -> Result<BTreeMap<&'m str, BTreeSet<&'m str>>> {
    let nodes = metadata["resolve"]["nodes"].as_array().context("cargo resolves nothing")?;
    let nodes: BTreeMap<&str, &Value> = nodes.iter().map(|node| (text(node, "id"), node)).collect();
    let mut graph = BTreeMap::new();
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        if graph.contains_key(id) {
            continue;
        }
        let dependencies = nodes.get(id).and_then(|node| node["deps"].as_array()).into_iter().flatten();
        let runs = |dependency: &&Value| {
            dependency["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
        };
        let needs = dependencies.filter(runs).map(|dependency| text(dependency, "pkg"));
        let needs: BTreeSet<&str> = needs.filter(|id| is_built(id)).collect();
        open.extend(&needs);
        graph.insert(id, needs);
    }
    Ok(graph)
}

fn component(package: &Value, checksums: &BTreeMap<String, String>) -> Value {
    let purl = purl(package);
    let mut component = json!({
        "type": "library", "bom-ref": purl, "purl": purl,
        "name": package["name"], "version": package["version"], "scope": "required",
    });
    if let Some(licence) = package["license"].as_str() {
        // The old way to write "or", which is no SPDX expression.
        component["licenses"] = json!([{"expression": licence.replace('/', " OR ")}]);
    }
    if let Some(checksum) = checksums.get(&pinned(package)) {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    component
}

fn purl(package: &Value) -> String {
    format!("pkg:cargo/{}@{}", text(package, "name"), text(package, "version"))
}

/// Name and version, as Cargo.lock has them.
fn pinned(package: &Value) -> String {
    format!("{} {}", text(package, "name"), text(package, "version"))
}

/// Checksums of a lock file by name and version. Each stands in three lines one after the other.
fn checksums(lock: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let (mut name, mut version) = ("", "");
    for line in lock.lines() {
        let value = |key: &str| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"');
        if let Some(value) = value("name") {
            name = value;
        } else if let Some(value) = value("version") {
            version = value;
        } else if let Some(value) = value("checksum") {
            found.insert(format!("{name} {version}"), value.to_owned());
        }
    }
    found
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn what_is_in_the_module_is_listed_and_nothing_else() {
        let bill = write(&workspace(), "ab12").unwrap();
        assert_eq!(bill["metadata"]["component"]["hashes"][0]["content"], "ab12");
        let names: BTreeSet<&str> =
            bill["components"].as_array().unwrap().iter().map(|component| text(component, "name")).collect();
        for present in ["serde_json", "portcullis-base", "jwt-simple", "hmac-sha256"] {
            assert!(names.contains(present), "{present}: {names:?}");
        }
        for absent in
            ["portcullis", "portcullis-lab", "proptest", "tokio", "divan", "windows-sys", "schemars", "clap"]
        {
            assert!(!names.contains(absent), "{absent}");
        }
        let known: BTreeSet<&str> =
            bill["dependencies"].as_array().unwrap().iter().map(|one| text(one, "ref")).collect();
        for component in bill["components"].as_array().unwrap() {
            assert!(known.contains(text(component, "bom-ref")), "{component}");
            // What this workspace is made of is in no registry.
            let checksum = component["hashes"][0]["content"].as_str().map(str::len);
            let is_ours = text(component, "name").starts_with("portcullis-");
            assert_eq!(checksum, (!is_ours).then_some(64), "{component}");
            assert!(component["licenses"][0]["expression"].is_string(), "{component}");
        }
        assert_eq!(write(&workspace(), "ab12").unwrap(), bill);
    }
}
