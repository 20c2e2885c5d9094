//! Envoy and Redis as processes of this machine: that they die with us, what they cost.
//!
//! A test that is killed runs no `Drop`, and an orphaned Envoy would burn a core for ever. The kernel can send a
//! signal to a child whose parent is gone; `setpriv` of util-linux asks for it without unsafe code of ours.
//! "Parent" means the thread that started the child, so one thread that lives as long as this process starts them
//! all. Where `setpriv` is missing, they are started without that net. Not covered: which binary is the right one.

use anyhow::{Context, Result};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc::{channel, Sender};
use std::sync::OnceLock;
use std::time::Duration;

const LOG_LINES_SHOWN: usize = 30;

/// The file of this name in `PATH`.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|candidate| candidate.is_file())
}

/// A command for this program that ends with the thread that starts it. `setpriv` replaces itself by the program,
/// so the process id is the program's.
pub(crate) fn bound_command(program: &Path) -> Command {
    let Some(setpriv) = in_path("setpriv") else { return Command::new(program) };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

struct Order {
    command: Command,
    reply: Sender<io::Result<Child>>,
}

/// Starts a command on the thread that outlives them all.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
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

/// User and system time of a process and its threads. The scheduler counts nanoseconds of each thread that is there; where
/// it does not, the process has ticks of ten milliseconds.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    scheduled_time(pid).or_else(|_| ticked_time(pid))
}

/// What the threads of a process have run (`/proc/<pid>/task/<tid>/schedstat`).
fn scheduled_time(pid: u32) -> Result<Duration> {
    let mut nanos = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let ran: u64 = text.split_whitespace().next().context("no scheduler statistics")?.parse()?;
        nanos += ran;
    }
    Ok(Duration::from_nanos(nanos))
}

fn ticked_time(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the name in brackets and may hold spaces; counted after it, user and system time (fields
    // 14 and 15) come at 11 and 12.
    let (_, fields) = stat.rsplit_once(')').context("no process statistics")?;
    let ticks: Vec<u64> = fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    let ticks: u64 = ticks.iter().sum();
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

/// Resident memory of a process.
pub(crate) fn rss_bytes(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no resident memory")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes << 10)
}

/// The whole text of a file that a process writes, as far as it is there.
pub(crate) fn read(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// The end of a log, for an error message.
pub(crate) fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines.get(lines.len().saturating_sub(LOG_LINES_SHOWN)..).unwrap_or_default().join("\n")
}
