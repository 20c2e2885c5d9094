//! One real redis-server: started empty, asked whether it answers, always ended.
//!
//! It keeps nothing on disk, reads no configuration file and listens on 127.0.0.1 alone. A test that kills it
//! ([`Redis::stop`]) may start another at the same address ([`Redis::bind`]), which knows nothing of the first.
//!
//! redis-server cannot be told to choose a port, so one is chosen here, and another one is tried if someone takes
//! it first. Bounds: 20 seconds to answer, five ports. `Drop` kills and reaps; should this process itself be
//! killed, the kernel ends Redis (`process`). Linux only. Not covered: clusters, replicas, TLS, passwords.

use crate::process::{self, last_lines, read};
use crate::workspace;
use anyhow::{bail, ensure, Context, Result};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const START_LIMIT: Duration = Duration::from_secs(20);
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);
const PORTS_TRIED_MAX: usize = 5;
const LOG: &str = "redis.log";

/// A live redis-server. Dropping it ends it.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    address: SocketAddr,
    directory: TempDir,
}

impl Redis {
    /// Starts a server on a free port of 127.0.0.1 and waits until it answers.
    pub fn start() -> Result<Self> {
        let mut last = None;
        for _ in 0..PORTS_TRIED_MAX {
            match Self::bind(free_address()?) {
                Ok(redis) => return Ok(redis),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no port was tried")?)
    }

    /// Starts a server at this address, for instance that of one that was stopped, and waits until it answers. If
    /// it does not get there, the error holds the end of its log.
    pub fn bind(address: SocketAddr) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("portcullis-redis-").tempdir()?;
        let log = File::create(directory.path().join(LOG))?;
        let mut command = process::bound_command(&find_redis()?);
        command.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir"]).arg(directory.path());
        command.stdout(log.try_clone()?).stderr(log);
        let child = process::spawn(command).context("cannot start redis-server")?;
        // From here on `Drop` ends the process, whatever happens.
        let mut redis = Redis { child, address, directory };
        match redis.await_answer() {
            Ok(()) => Ok(redis),
            Err(error) => Err(error.context(format!("the end of Redis's log:\n{}", last_lines(&redis.log())))),
        }
    }

    /// Where it listens, or did before it was stopped.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has written so far.
    pub fn log(&self) -> String {
        read(&self.directory.path().join(LOG))
    }

    /// Kills the server, without a farewell to its clients. What it knew is lost.
    pub fn stop(&mut self) {
        let _already_dead = self.child.kill();
        let _reaped = self.child.wait();
    }

    fn await_answer(&mut self) -> Result<()> {
        let started = Instant::now();
        while !self.answers() {
            if let Some(status) = self.child.try_wait()? {
                bail!("redis-server ended with {status} before it answered");
            }
            ensure!(started.elapsed() < START_LIMIT, "Redis did not answer within {START_LIMIT:?}");
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Asks the server. The process id tells it from another one that took the port first.
    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect_timeout(&self.address, ANSWER_LIMIT)?;
            stream.set_read_timeout(Some(ANSWER_LIMIT))?;
            stream.write_all(b"PING\r\nINFO server\r\nQUIT\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let process = format!("process_id:{}\r\n", self.pid());
        ask().is_ok_and(|answer| answer.starts_with("+PONG") && answer.contains(&process))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The server to run: the variable `REDIS_SERVER`, or the one in `PATH`, or the one that `make redis` linked.
fn find_redis() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("REDIS_SERVER").map(PathBuf::from) {
        ensure!(path.is_file(), "the variable REDIS_SERVER names no file: {}", path.display());
        return Ok(path);
    }
    let linked = workspace().join(".venv/bin/redis-server");
    process::in_path("redis-server")
        .or_else(|| linked.is_file().then_some(linked))
        .context("no redis-server: run `make redis`, put it into PATH, or set the variable REDIS_SERVER")
}

fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?)
}

#[cfg(test)]
mod tests;
