//! What can be asked for: the one place from which help, completions and man pages are made.

use anstream::ColorChoice;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::net::IpAddr;
use std::path::PathBuf;

/// Checks configurations of the Portcullis filter, explains its verdicts, and replays traffic through it.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit status: 0 for yes, 1 for no (an invalid configuration, a gate that is not passed, nothing found), \
                        2 for a command that could not be carried out."
)]
pub(crate) struct Arguments {
    /// Print the result as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// When to colour the output; NO_COLOR counts too.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// When to colour.
#[derive(Debug, Copy, Clone, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    pub(crate) fn apply(self) {
        let choice = match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        };
        choice.write_global();
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a configuration, and warn of what is risky about it.
    Check(Check),
    /// Print the JSON Schema of the configuration (draft 2020-12).
    Schema,
    /// Say why a request got its verdict, from its receipt.
    Explain(Explain),
    /// Send recorded traffic through a configuration.
    Replay(Replay),
    /// Suggest exclusions, limits and thresholds from the receipts of a configuration on trial.
    Suggest(Suggest),
    /// Measure what a request costs under a configuration.
    Bench(Bench),
    /// Write the reference pages of configuration, checks and statistics.
    Reference(Reference),
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the man pages into a folder.
    Man {
        /// The folder; it is made if it is not there.
        folder: PathBuf,
    },
}

/// `portcullis check`
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 for a valid configuration, 1 for an invalid one (or for a warning, with \
                        --deny-warnings), 2 for a file that cannot be read.")]
pub(crate) struct Check {
    /// The configuration; or an Envoy bootstrap or Istio manifest (YAML or JSON) that contains one. `-` is the standard input.
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,

    /// Print the configuration with every default filled in.
    #[arg(long)]
    pub(crate) effective: bool,

    /// Exit with 1 if there is a warning.
    #[arg(long)]
    pub(crate) deny_warnings: bool,

    /// Do not warn of this.
    #[arg(long, value_name = "ID")]
    pub(crate) allow: Vec<String>,
}

/// `portcullis explain`
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 if a receipt was explained, 1 if there is none (of that request).")]
pub(crate) struct Explain {
    /// Receipts: lines of Envoy's log or access log, or a receipt alone. `-` is the standard input.
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,

    /// The request's id; without it the first receipt is explained.
    #[arg(long, value_name = "REQUEST_ID")]
    pub(crate) id: Option<String>,

    /// The configuration, to say too what did not fire.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// `portcullis replay`
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 if it was replayed, 1 if more was newly denied than --max-newly-denied allows, 2 for a \
                        file that cannot be read."
)]
pub(crate) struct Replay {
    /// Recorded traffic: HAR, Envoy's JSON access log, or what Envoy's tap filter wrote. `-` is the standard input.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// The configuration to try.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: PathBuf,

    /// The configuration to compare it with, such as the one in force.
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,

    /// Exit with 1 if more requests are newly challenged or denied: a number, or a share such as 0.1%.
    #[arg(long, value_name = "N|P%", requires = "against")]
    pub(crate) max_newly_denied: Option<Allowance>,

    /// Judge as if every route were enforced.
    #[arg(long)]
    pub(crate) enforce: bool,

    /// Leave out `identity`: for recordings without tokens.
    #[arg(long)]
    pub(crate) no_identity: bool,

    /// What the files are.
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(crate) format: Format,

    /// The source of requests whose recording names none.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) source: IpAddr,

    /// The time of requests whose recording has none, as RFC 3339; the present unless given.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<jiff::Timestamp>,

    /// A document that the configuration fetches (keys, revocations), from a file.
    #[arg(long, value_name = "URI=FILE")]
    pub(crate) document: Vec<Served>,

    /// Examples of each kind.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) examples: usize,

    /// Write the receipts too, one a line, for `explain` and `suggest`.
    #[arg(long, value_name = "FILE")]
    pub(crate) receipts: Option<PathBuf>,

    /// Write a report for browsers.
    #[arg(long, value_name = "REPORT")]
    pub(crate) html: Option<PathBuf>,
}

/// What recorded traffic is.
#[derive(Debug, Copy, Clone, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Told by its beginning.
    Auto,
    /// An HTTP archive, as browsers save it.
    Har,
    /// Envoy's JSON access log, one object a line.
    AccessLog,
    /// What Envoy's tap filter wrote: buffered traces as JSON.
    Tap,
}

/// How many, of all.
#[derive(Debug, Copy, Clone, PartialEq)]
pub(crate) enum Allowance {
    /// So many.
    Count(u64),
    /// Such a share.
    Share(f64),
}

impl std::str::FromStr for Allowance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || format!("`{text}` is neither a number nor a share such as 0.1%");
        match text.strip_suffix('%') {
            Some(percent) => match percent.parse::<f64>() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self::Share(percent / 100.0)),
                _ => Err(fault()),
            },
            None => text.parse().map(Self::Count).map_err(|_| fault()),
        }
    }
}

/// A document and the file that has it.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) uri: String,
    pub(crate) file: PathBuf,
}

impl std::str::FromStr for Served {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (uri, file) = text.rsplit_once('=').ok_or_else(|| format!("`{text}` is not URI=FILE"))?;
        Ok(Self { uri: uri.to_owned(), file: file.into() })
    }
}

/// `portcullis suggest`
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 if there is something to suggest, 1 if not.")]
pub(crate) struct Suggest {
    /// Receipts: lines of Envoy's log or access log. `-` is the standard input.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// Different actors from which a finding in one place looks like a false alarm.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) actors: usize,

    /// Share of actors whose rate a limit must let through, in percent.
    #[arg(long, value_name = "P", default_value_t = 99.9)]
    pub(crate) percentile: f64,
}

/// `portcullis bench`
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// The configuration.
    pub(crate) config: PathBuf,

    /// Requests of each shape and round.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub(crate) requests: u32,
}

/// `portcullis reference`
#[derive(Debug, Args)]
pub(crate) struct Reference {
    /// The folder; it is made if it is not there.
    pub(crate) folder: PathBuf,

    /// Write nothing, and exit with 1 if a page there is not what would be written.
    #[arg(long)]
    pub(crate) check: bool,
}
