//! `portcullis-upstream [--listen ADDR]`: the lab's orders API as a program, for container set-ups.
//!
//! It serves until it is ended and logs nothing; the default address is 127.0.0.1:8080.

use anyhow::{bail, Context, Result};
use portcullis_lab::upstream::Upstream;
use std::net::SocketAddr;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let listen = match arguments.as_slice() {
        [] => "127.0.0.1:8080",
        ["--listen", address] => address,
        _ => bail!("usage: portcullis-upstream [--listen ADDR]"),
    };
    let listen: SocketAddr =
        listen.parse().with_context(|| format!("{listen:?} is no address such as 0.0.0.0:8080"))?;
    let upstream = Upstream::bind(listen)?;
    println!("portcullis-upstream listens on {}", upstream.address());
    upstream.run();
    Ok(())
}
