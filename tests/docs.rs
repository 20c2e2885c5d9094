//! That the documentation is true: every configuration in it loads, every link leads somewhere, every verb and program that
//! it names is there, and what the README has a newcomer type works.
//!
//! A block marked `json` that is a configuration is a whole document, so that it can be copied. In the README of an example it may
//! be a part of the example's own. What the command line prints is tested beside it.

use portcullis::config::Config;
use portcullis::stages::CHECKS;
use portcullis_lab::workspace;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a variable of the environment has that a configuration refers to. A TEST key: it protects nothing.
const KEY: &str = include_str!("../envoy/lab/keys/test-p256.pem");

/// Every page in Markdown, with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let root = workspace();
    let mut folders = vec![root.join("docs"), root.join("examples")];
    let mut found = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match entry.extension() {
                _ if entry.is_dir() => folders.push(entry),
                Some(extension) if extension == "md" => found.push(entry),
                _ => {}
            }
        }
    }
    found.sort();
    found
        .into_iter()
        .filter(|path| path.exists())
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// The blocks of a page in a language, without their indentation.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(usize, Vec<&str>)> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        match &mut open {
            None if line.trim_start() == format!("```{language}") => open = Some((indent, Vec::new())),
            Some((indent, lines)) if line.trim_start() == "```" => {
                let inner = lines.iter().map(|line| line.get(*indent..).unwrap_or_default());
                found.push(inner.collect::<Vec<_>>().join("\n"));
                open = None;
            }
            Some((_, lines)) => lines.push(line),
            None => {}
        }
    }
    found
}

/// Whether `part` stands somewhere in `whole`.
fn contains(whole: &Value, part: &Value) -> bool {
    let inside = match whole {
        Value::Object(members) => members.values().any(|member| contains(member, part)),
        Value::Array(items) => items.iter().any(|item| contains(item, part)),
        _ => false,
    };
    inside || whole == part
}

#[test]
fn every_configuration_loads() {
    let mut loaded = 0;
    for (path, text) in pages() {
        let filter = path.with_file_name("filter.json");
        for block in blocks(&text, "json") {
            let at = format!("{}: {block}", path.display());
            if block.contains("\"version\"") {
                Config::parse_with(block.as_bytes(), CHECKS, &|_| Some(KEY.to_owned()))
                    .unwrap_or_else(|error| panic!("{error} in {at}"));
                loaded += 1;
            } else if filter.exists() {
                let part = serde_json::from_str(&block).unwrap_or_else(|error| panic!("{error} in {at}"));
                let whole = serde_json::from_str(&fs::read_to_string(&filter).unwrap()).unwrap();
                assert!(contains(&whole, &part), "no part of the example's configuration: {at}");
            } else {
                assert!(
                    !block.starts_with('"'),
                    "a part of a document, which nobody can copy and no test can load: {at}"
                );
            }
        }
    }
    assert!(loaded > 10, "{loaded}");
}

#[test]
fn every_link_leads_somewhere() {
    for (path, text) in pages() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            let target = if file.is_empty() { path.clone() } else { path.with_file_name("").join(file) };
            assert!(target.exists(), "{} has a link to {link}", path.display());
            if !anchor.is_empty() {
                assert!(anchors(&target).contains(anchor), "{} has a link to {link}", path.display());
            }
        }
    }
}

/// The names by which the headings of a page can be linked to, as forges make them.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(page).unwrap();
    let headings =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|heading| {
            let kept = heading.to_lowercase().replace(' ', "-");
            kept.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect()
        })
        .collect()
}

#[test]
fn every_verb_and_program_exists() {
    let makefile = fs::read_to_string(workspace().join("Makefile")).unwrap();
    let programs = fs::read_to_string(workspace().join("envoy/lab/Cargo.toml")).unwrap();
    let word = |text: &str| {
        text.split(|letter: char| !(letter.is_alphanumeric() || "-_".contains(letter))).next().map(str::to_owned)
    };
    for (path, text) in pages() {
        let shell = [blocks(&text, "sh"), blocks(&text, "console")].concat().join("\n");
        let inline = text.split('`').skip(1).step_by(2).filter(|code| code.starts_with("make "));
        let commands = shell.lines().map(str::trim).chain(inline);
        for command in commands {
            let command = command.trim_start_matches("$ ");
            if let Some(verb) = command.strip_prefix("make ").and_then(word) {
                assert!(makefile.contains(&format!("\n{verb}:")), "{}: make {verb}", path.display());
            }
            if let Some(name) = command.split("--bin ").nth(1).and_then(word) {
                let file = workspace().join("envoy/lab/src/bin").join(&name);
                let exists = file.exists()
                    || file.with_extension("rs").exists()
                    || programs.contains(&format!("\"{name}\""));
                assert!(exists, "{}: {command}", path.display());
            }
        }
    }
}

/// The steps "on your own Envoy", as they stand in the README but for ports that may be in use.
#[test]
fn the_first_five_minutes_work() {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let section = readme.split("\n## ").find(|section| section.starts_with("Five minutes")).expect("the section");
    let steps: Vec<String> = blocks(section, "sh").into_iter().filter(|step| !step.starts_with("make ")).collect();
    let free: Vec<u16> = [(); 3]
        .map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap())
        .iter()
        .map(|socket| socket.local_addr().unwrap().port())
        .collect();
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("five-minutes.yaml");
    let envoy = std::env::var("ENVOY").unwrap_or_else(|_| ".venv/bin/envoy".to_owned());
    let ports = ["8080", "10000", "9901"].into_iter().zip(&free);
    let mut script = String::from("set -eu\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\n");
    script += &format!(
        "sed 's/: 8080 /: {} /; s/: 10000 /: {} /; s/: 9901 /: {} /' envoy/envoy.yaml > {}.shipped\n",
        free[0],
        free[1],
        free[2],
        scratch.display()
    );
    let serving = format!("for _ in $(seq 300); do curl --silent --fail http://127.0.0.1:{}/ready >/dev/null && break; sleep 0.1; done\n", free[2]);
    for step in steps {
        let mut step = step.replace(" envoy/envoy.yaml", &format!(" {}.shipped", scratch.display()));
        step =
            step.replace("target/envoy.yaml", &scratch.display().to_string()).replace(".venv/bin/envoy", &envoy);
        step = step.replace(
            "--bin portcullis-upstream",
            &format!("--bin portcullis-upstream -- --listen 127.0.0.1:{}", free[0]),
        );
        ports
            .clone()
            .for_each(|(written, port)| step = step.replace(&format!(":{written}/"), &format!(":{port}/")));
        let waits = step.contains("--config-path") && step.trim_end().ends_with('&');
        script += &step;
        script += "\n";
        if waits {
            script += &serving;
        }
    }
    let done =
        Command::new("bash").args(["-c", &script]).current_dir(workspace()).stdin(Stdio::null()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{said}\n{script}");
    for part in ["portcullis_requests", "would_deny", "\"portcullis.verdict\"", "would_deny:path_ambiguous"] {
        assert!(said.contains(part), "{part} not in {said}");
    }
}
