//! `harness traffic | check`: what `make compose-check` does to the containers from outside.
//!
//! `traffic` sends half a minute of good and hostile requests through Envoy; `check` asks Prometheus everything that the
//! dashboard and the alert rules ask, and Grafana, where there is one, whether it has the dashboard. The addresses are those
//! that `envoy/compose/compose.yaml` publishes. The exit status is 0 only if all is as it should be.

mod check;
mod prometheus;
mod traffic;

use anyhow::Result;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const GATEWAY: SocketAddr = local(10000);
const ISSUER: SocketAddr = local(8082);
const PROMETHEUS: SocketAddr = local(9090);
const GRAFANA: SocketAddr = local(3000);

/// Longer than containers take to start on a loaded machine.
const START_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(500);

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn main() -> ExitCode {
    let verb = std::env::args().nth(1);
    let done = match verb.as_deref() {
        Some("traffic") => traffic::send(),
        Some("check") => check::check(),
        _ => Err(anyhow::anyhow!("usage: harness traffic | check")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("harness: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Tries until it succeeds; the last failure otherwise.
fn eventually<T>(attempt: impl Fn() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    loop {
        match attempt() {
            Err(_) if started.elapsed() < START_LIMIT => std::thread::sleep(POLL),
            done => return done,
        }
    }
}
