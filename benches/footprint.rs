//! How much code a request runs through: instructions, and how many cache lines and pages of code they stand in.
//!
//! Time on a shared machine is noisy, and hides why. Of a small request most time goes to code that comes back into the processor's caches, so
//! what counts is how much of it there is, once for each line. This goes through whole requests one instruction at a time (`ptrace(2)`)
//! in the worker of a real Envoy, after some thousand others, and tells the filter's code from Envoy's by where it lies. The
//! numbers are the same on a busy machine. A request under it takes a second, so it is one that comes after a pause: limits are read and
//! written, statistics handed over. Takes minutes, and Linux. Not covered: data, and what the kernel does.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::print_stdout,
    dead_code,
    reason = "runs on a developer's machine, may stop with a message, and shares files with another benchmark"
)]

#[path = "envoy/contenders.rs"]
mod contenders;
#[path = "envoy/load.rs"]
mod load;
#[path = "envoy/modules.rs"]
mod modules;
#[path = "envoy/rules.rs"]
mod rules;
#[path = "envoy/shapes.rs"]
mod shapes;
#[path = "envoy/tokens.rs"]
mod tokens;
#[path = "envoy/traffic.rs"]
mod traffic;

use anyhow::{anyhow, bail, Context, Result};
use contenders::{Contender, ASKING, BARE, EVERYTHING, LIKE_FOR_LIKE, NATIVE_CACHED};
use load::Load;
use nix::sys::ptrace;
use nix::sys::wait::{waitpid, WaitPidFlag};
use nix::unistd::Pid;
use portcullis_lab::envoy::Envoy;
use portcullis_lab::workspace;
use shapes::Shape;
use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Barrier;

const MEASURED: [&str; 5] = [BARE, ASKING, NATIVE_CACHED, LIKE_FOR_LIKE, EVERYTHING];
const WARM_UP_REQUESTS: usize = 4000;
/// Of so many the one in the middle is told.
const REQUESTS: usize = 3;
const LINE_BYTES: u64 = 64;
const PAGE_BYTES: u64 = 4096;

/// Code that was run through.
#[derive(Default)]
struct Code {
    instructions: usize,
    lines: BTreeSet<u64>,
    pages: BTreeSet<u64>,
}

impl Code {
    fn add(&mut self, at: u64) {
        self.instructions += 1;
        self.lines.insert(at / LINE_BYTES);
        self.pages.insert(at / PAGE_BYTES);
    }

    fn row(&self) -> String {
        format!("{:>14}{:>8}{:>8}", self.instructions, self.lines.len(), self.pages.len())
    }
}

/// What one request ran through.
#[derive(Default)]
struct Footprint {
    all: Code,
    module: Code,
}

fn main() -> Result<()> {
    let directory = workspace().join("target/bench");
    fs::create_dir_all(&directory)?;
    let modules = modules::Modules::write(&directory)?;
    // The service behind Envoy is asked by a contender that is not measured here.
    let nobody = ([127, 0, 0, 1], 9).into();
    println!("{:18}{:>30}{:>30}", "", "in all", "in the module");
    println!("{:18}{}", "", format!("{:>14}{:>8}{:>8}", "instructions", "lines", "pages").repeat(2));
    for contender in contenders::all(&modules, nobody, false)? {
        if contender.shape == Shape::Page && MEASURED.contains(&contender.name) {
            let name = contender.name;
            let Footprint { all, module } = middle(measure(contender)?).context("no request was seen")?;
            println!("{name:18}{}{}", all.row(), module.row());
        }
    }
    Ok(())
}

/// Sends requests to one Envoy, whose worker is followed meanwhile.
fn measure(mut contender: Contender) -> Result<Vec<Footprint>> {
    let envoy = Envoy::start(&contender.bootstrap)?;
    let requests = std::mem::take(&mut contender.requests);
    let mut load = Load::open(envoy.address(), requests, contender.expects)?;
    load.run(WARM_UP_REQUESTS)?;
    let worker = worker(envoy.pid())?;
    let compiled = compiled(envoy.pid())?;
    let (began, answered, over) = (Barrier::new(2), AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| follow(worker, &compiled, &began, &answered, &over));
        began.wait();
        for _ in 0..REQUESTS {
            load.run(1)?;
            answered.fetch_add(1, Ordering::SeqCst);
        }
        over.store(true, Ordering::SeqCst);
        // A worker that waits for something to do is let go with the next.
        load.run(1)?;
        follower.join().map_err(|_| anyhow!("the worker could not be followed"))?
    })
}

/// The thread of the one worker.
fn worker(envoy: u32) -> Result<Pid> {
    for task in fs::read_dir(format!("/proc/{envoy}/task"))? {
        let task = task?;
        if fs::read_to_string(task.path().join("comm"))?.contains("worker_0") {
            return Ok(Pid::from_raw(task.file_name().to_string_lossy().parse()?));
        }
    }
    bail!("Envoy has no worker")
}

/// Where the code lies that was compiled while Envoy ran, which is the module's: it may be run, and is of no file.
fn compiled(envoy: u32) -> Result<Vec<Range<u64>>> {
    let mut ranges = Vec::new();
    for line in fs::read_to_string(format!("/proc/{envoy}/maps"))?.lines() {
        let mut fields = line.split_whitespace();
        let (Some(range), Some(rights), None) = (fields.next(), fields.next(), fields.nth(3)) else { continue };
        let (from, to) = range.split_once('-').context("no range")?;
        if rights.contains('x') {
            ranges.push(u64::from_str_radix(from, 16)?..u64::from_str_radix(to, 16)?);
        }
    }
    Ok(ranges)
}

/// Goes through the code of a thread step by step until it is over, and parts it where another answer has come.
fn follow(
    thread: Pid,
    compiled: &[Range<u64>],
    began: &Barrier,
    answered: &AtomicUsize,
    over: &AtomicBool,
) -> Result<Vec<Footprint>> {
    let attached = ptrace::attach(thread).and_then(|()| waitpid(thread, Some(WaitPidFlag::__WALL)));
    began.wait();
    attached?;
    let (mut found, mut own) = (Vec::new(), Footprint::default());
    while !over.load(Ordering::SeqCst) {
        if answered.load(Ordering::SeqCst) > found.len() {
            found.push(std::mem::take(&mut own));
        }
        let at = place(thread)?;
        own.all.add(at);
        if compiled.iter().any(|range| range.contains(&at)) {
            own.module.add(at);
        }
        ptrace::step(thread, None)?;
        waitpid(thread, Some(WaitPidFlag::__WALL))?;
    }
    ptrace::detach(thread, None)?;
    Ok(found)
}

#[cfg(target_arch = "x86_64")]
fn place(thread: Pid) -> Result<u64> {
    Ok(ptrace::getregs(thread)?.rip)
}

#[cfg(target_arch = "aarch64")]
fn place(thread: Pid) -> Result<u64> {
    Ok(ptrace::getregs(thread)?.pc)
}

/// The request in the middle by the instructions that it took.
fn middle(mut requests: Vec<Footprint>) -> Option<Footprint> {
    requests.sort_by_key(|request| request.all.instructions);
    let half = requests.len() / 2;
    (!requests.is_empty()).then(|| requests.swap_remove(half))
}
