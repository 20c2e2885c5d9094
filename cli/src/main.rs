//! `portcullis`: the native command line over the core that the filter runs.
//!
//! - [`check`]: is this configuration valid, and what about it is risky?
//! - [`schema`]: what a configuration is, for editors.
//! - [`explain`]: why a request got its verdict.
//! - [`replay`]: what a configuration makes of recorded traffic.
//! - [`suggest`]: exclusions, limits and thresholds from what a configuration on trial has found.
//! - [`bench`]: what a request costs under a configuration.
//! - [`reference`]: the reference pages; [`shell`]: completions and man pages.
//!
//! A crate of its own, so that nothing it needs can get into the module: that one is built from the package `portcullis` alone.
//!
//! Results go to the standard output, plain when it is no terminal; everything else to the standard error. Exit statuses: 0 for
//! yes, 1 for no (an invalid configuration, a gate that is not passed, a receipt that is not there), 2 for a command that could
//! not be carried out. Whoever closes the pipe early gets no message. Text that clients chose never reaches a terminal unescaped
//! ([`output::printable`]).

mod args;
mod bench;
mod check;
mod drive;
mod explain;
mod output;
mod place;
mod receipt;
mod reference;
mod replay;
mod schema;
mod shell;
mod source;
mod suggest;
mod traffic;

use self::args::{Arguments, Command};
use anyhow::Result;
use clap::Parser;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// What a command that was carried out says.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Answer {
    /// Yes: exit status 0.
    Yes,
    /// No: exit status 1.
    No,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    arguments.color.apply();
    let mut out = io::BufWriter::new(anstream::stdout().lock());
    let done = run(&arguments, &mut out).and_then(|answer| Ok(out.flush().map(|()| answer)?));
    match done {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        // Whoever reads has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{}: {}", output::BAD.paint("error"), output::printable(&format!("{error:#}")));
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<Answer> {
    let json = arguments.json;
    match &arguments.command {
        Command::Check(own) => check::run(own, json, out),
        Command::Schema => schema::run(out),
        Command::Explain(own) => explain::run(own, json, out),
        Command::Replay(own) => replay::run(own, json, out),
        Command::Suggest(own) => suggest::run(own, json, out),
        Command::Bench(own) => bench::run(own, json, out),
        Command::Reference(own) => reference::run(own, out),
        Command::Completions { shell } => shell::completions(*shell, out),
        Command::Man { folder } => shell::man(folder, out),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.into_iter().any(|cause| cause.kind() == ErrorKind::BrokenPipe)
}
