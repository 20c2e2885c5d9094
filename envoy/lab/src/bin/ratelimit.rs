//! `portcullis-ratelimit`: the lab's rate limit service as a program, where the image of envoyproxy/ratelimit cannot be had.
//!
//! It takes the one setting of that service that the harness needs, `REDIS_URL` (`redis:6379`), listens on its port, 8081,
//! and serves until it is ended. Redis may come later than it does, and has a minute for it.

use anyhow::{Context, Result};
use portcullis_lab::ratelimit::RateLimitService;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

const PORT: u16 = 8081;
const REDIS_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);

fn main() -> Result<()> {
    let redis = std::env::var("REDIS_URL").context("REDIS_URL says where Redis is, for instance redis:6379")?;
    let service = RateLimitService::bind((Ipv4Addr::UNSPECIFIED, PORT).into(), resolve(&redis)?)?;
    println!("portcullis-ratelimit listens on {}", service.address());
    service.run();
    Ok(())
}

/// The first address of a name, once it has one.
fn resolve(name: &str) -> Result<SocketAddr> {
    let started = Instant::now();
    loop {
        match name.to_socket_addrs().map(|mut found| found.next()) {
            Ok(Some(address)) => return Ok(address),
            _ if started.elapsed() < REDIS_LIMIT => std::thread::sleep(POLL),
            Ok(None) => anyhow::bail!("{name} has no address"),
            Err(error) => return Err(error).with_context(|| format!("cannot find {name}")),
        }
    }
}
