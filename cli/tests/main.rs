//! The command line as a process: what it prints, where, and how it ends.

mod check;
mod documentation;
mod examples;
mod explain;
mod published;
mod replay;
mod suggest;
mod terminal;

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How a command ended.
#[derive(Debug)]
struct Ended {
    status: i32,
    out: String,
    err: String,
}

impl Ended {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_path_buf()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(arguments).current_dir(root()).env_remove("CLICOLOR_FORCE").env_remove("NO_COLOR");
    command
}

/// Runs it with an input.
fn run_with(arguments: &[&str], input: &str) -> Ended {
    let mut child = command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // Who needs no input may end before it has been written.
    let _ended_early = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    Ended {
        status: output.status.code().expect("it ends by itself"),
        out: String::from_utf8(output.stdout).expect("it writes text"),
        err: String::from_utf8(output.stderr).expect("it writes text"),
    }
}

fn run(arguments: &[&str]) -> Ended {
    run_with(arguments, "")
}

/// A file that is there as long as the folder.
fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, text).expect("it can be written");
    path.display().to_string()
}

/// The configurations of all examples.
fn examples() -> Vec<(String, String)> {
    let folders = fs::read_dir(root().join("examples")).expect("there are examples");
    let paths = folders.map(|folder| folder.expect("a folder").path().join("filter.json"));
    let mut found: Vec<(String, String)> = paths
        .filter(|path| path.exists())
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("text")))
        .collect();
    found.sort();
    assert!(found.len() > 20);
    found
}
