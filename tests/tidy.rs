//! The rules of the tree that neither the compiler nor clippy knows: who may import whom, how large things may
//! grow, that every file says what it is for, and that the documentation names everything there is.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file before its tests.
const FILE_LINES_MAX: usize = 400;

/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// The folders of the filter's crates. Which crate knows which is Cargo's to hold; what lies inside of one is held here.
const SOURCES: &[&str] = &["src", "crates/base/src", "crates/config/src", "crates/jose/src"];

/// What may not be imported where: a folder or file of a crate, and parts of paths that must not appear in it.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("", &["proxy_wasm"]),
    ("endpoints", &["crate::engine", "crate::host"]),
    ("stages", &["crate::endpoints", "crate::engine", "crate::host", "crate::reply", "crate::receipt"]),
    ("receipt", &["crate::endpoints", "crate::engine", "crate::host", "crate::reply"]),
    ("reply", &["crate::endpoints", "crate::engine", "crate::host", "crate::receipt"]),
    ("engine", &["crate::host"]),
    ("host", &["hostcalls"]),
    ("request", &["crate::memory", "crate::expression", "crate::remote", "crate::response"]),
    ("memory", &["crate::request", "crate::response", "crate::expression", "crate::json"]),
    ("rate", &["crate::request", "crate::response", "crate::expression", "crate::json"]),
    ("rls", &["crate::request", "crate::memory"]),
    ("metrics", &["crate::request", "crate::memory"]),
    ("json", &["crate::request", "crate::memory", "crate::expression"]),
    ("finding", &["crate::"]),
    ("expression", &["crate::request", "crate::response", "crate::memory", "crate::finding"]),
    ("nearest", &["crate::"]),
    ("time", &["crate::"]),
    ("entropy", &["crate::"]),
    ("gather", &["crate::"]),
    ("bytes", &["crate::"]),
    ("decimal", &["crate::"]),
];

/// Stages in their order: one may know those before it.
const STAGES: &[&str] = &[
    "shape",
    "oauth",
    "identity",
    "limits",
    "inspect",
    "business",
    "workflow",
    "quotes",
    "manipulation",
    "objects",
    "anomaly",
    "behaviour",
    "risk",
    "exposure",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{folder} has no Rust files");
    found
}

fn every_rust_file() -> Vec<PathBuf> {
    let others = [
        "crates/config/derive/src",
        "tests",
        "benches",
        "cli/src",
        "cli/tests",
        "envoy/lab/src",
        "envoy/layout/src",
    ];
    SOURCES.iter().copied().chain(others).flat_map(rust_files).collect()
}

fn is_test_file(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "tests")
        || path.starts_with(root().join("tests"))
        || path.starts_with(root().join("cli/tests"))
}

/// The text of a file before its unit tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

/// The same without comments: what a page tells of others is not an import.
fn imports(path: &Path) -> String {
    let code = code(path);
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The part of its crate that a file belongs to: `stages` for `src/stages/risk.rs` and `src/stages.rs`.
fn part(path: &Path) -> String {
    let inside = SOURCES.iter().find_map(|folder| path.strip_prefix(root().join(folder)).ok());
    inside.unwrap().iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The files of the filter's crates that are not tests.
fn every_source() -> Vec<PathBuf> {
    SOURCES.iter().flat_map(|folder| sources(folder)).collect()
}

/// The files of a folder that are not tests.
fn sources(folder: &str) -> Vec<PathBuf> {
    rust_files(folder).into_iter().filter(|path| !is_test_file(path)).collect()
}

#[test]
fn layers_know_only_what_lies_below() {
    for path in every_source() {
        let part = part(&path);
        let rules = FORBIDDEN.iter().filter(|(place, _)| *place == part || (place.is_empty() && part != "host"));
        for forbidden in rules.flat_map(|(_, forbidden)| *forbidden) {
            assert!(!imports(&path).contains(forbidden), "{} may not know {forbidden}", path.display());
        }
    }
}

/// The rules above are about whole paths, so every import has one.
#[test]
fn imports_are_written_out() {
    for path in every_source() {
        // The configuration is one part, and a crate of its own.
        let is_of_config = path.starts_with(root().join("crates/config"));
        let groups = !is_of_config && imports(&path).contains("use crate::{");
        assert!(!groups, "{} groups parts of the crate", path.display());
        let climbs = !is_of_config && imports(&path).contains("super::super");
        assert!(!climbs, "{} imports from above its part", path.display());
    }
}

#[test]
fn stages_know_only_earlier_stages() {
    let folder = root().join("src/stages");
    for path in sources("src/stages") {
        let stage = path.strip_prefix(&folder).unwrap().iter().next().unwrap().to_string_lossy().into_owned();
        let at = STAGES.iter().position(|known| *known == stage.trim_end_matches(".rs"));
        let at = at.unwrap_or_else(|| panic!("{stage} is not in STAGES: which stages does it come after?"));
        for later in &STAGES[at + 1..] {
            assert!(!imports(&path).contains(&format!("stages::{later}")), "{} knows {later}", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for path in every_rust_file() {
        let first = fs::read_to_string(&path).unwrap().lines().next().unwrap_or_default().to_owned();
        assert!(
            first.starts_with("//! ") || is_test_file(&path) && first.starts_with("use "),
            "{} opens without a page",
            path.display()
        );
    }
}

#[test]
fn files_and_functions_stay_small() {
    for path in every_rust_file() {
        let code = code(&path);
        let lines = code.lines().count();
        assert!(
            is_test_file(&path) || lines <= FILE_LINES_MAX,
            "{} has {lines} lines before its tests",
            path.display()
        );
        for (name, lines) in functions(&fs::read_to_string(&path).unwrap()) {
            assert!(lines <= FUNCTION_LINES_MAX, "{}: fn {name} has {lines} lines", path.display());
        }
    }
}

/// Name and length of each function with a body. rustfmt puts the closing brace under the line that began it.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let Some(rest) = line.trim_start().split_once("fn ").filter(|(before, _)| {
            before.split(' ').all(|word| {
                word.is_empty()
                    || word.starts_with("pub")
                    || ["const", "unsafe", "extern", "async", "\"C\""].contains(&word)
            })
        }) else {
            continue;
        };
        let head = lines[start..].iter().find(|line| line.ends_with(['{', '}', ';']));
        if head.is_some_and(|line| line.ends_with(';')) {
            continue;
        }
        let name = rest.1.split(['(', '<']).next().unwrap_or_default().to_owned();
        let closing = format!("{}}}", " ".repeat(indent));
        if let Some(length) = lines[start..].iter().position(|line| *line == closing) {
            found.push((name, length + 1));
        }
    }
    found
}

#[test]
fn the_length_of_functions_is_measured() {
    let text =
        "    pub(crate) const fn one(a: u8) -> u8 {\n        a\n    }\nfn declared(\n) -> u8;\nfn two<T>() {\n}\n";
    assert_eq!(functions(text), [("one".to_owned(), 3), ("two".to_owned(), 2)]);
}

#[test]
fn nothing_is_left_for_later() {
    // Split, so that this file does not find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    for path in every_rust_file() {
        let text = fs::read_to_string(&path).unwrap();
        for mark in marks {
            assert!(!text.contains(mark), "{} has a {mark}", path.display());
        }
    }
}

#[test]
fn lints_are_waived_nowhere_in_the_core() {
    let files = SOURCES.iter().flat_map(|folder| rust_files(folder));
    for path in files.filter(|path| part(path) != "host") {
        let waived: Vec<String> = code(&path)
            .lines()
            .filter(|line| {
                let waives =
                    ["allow(", "expect(clippy", "expect(unsafe"].iter().any(|waiver| line.contains(waiver));
                waives && !line.contains("cfg_attr(test, ")
            })
            .map(str::to_owned)
            .collect();
        assert!(waived.is_empty(), "{}: {waived:?}", path.display());
    }
}
