//! Completions for shells, and man pages, both made from the definition of the arguments.

use crate::args::Arguments;
use crate::Answer;
use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;
use std::fs;
use std::io::Write;
use std::path::Path;

pub(crate) fn completions(shell: Shell, out: &mut dyn Write) -> Result<Answer> {
    // The generator stops the program where its stream is closed, so it writes to memory.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "portcullis", &mut text);
    out.write_all(&text)?;
    Ok(Answer::Yes)
}

pub(crate) fn man(folder: &Path, out: &mut dyn Write) -> Result<Answer> {
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let mut command = Arguments::command();
    command.build();
    clap_mangen::generate_to(command, folder)
        .with_context(|| format!("no page can be written to {}", folder.display()))?;
    writeln!(out, "man pages are in {}", folder.display())?;
    Ok(Answer::Yes)
}
