//! `portcullis-issuer [--listen ADDR] [--rotate SECONDS]`: the lab's identity provider as a program, for container set-ups.
//!
//! Its tokens say `https://id.demo.portcullis` and are for `orders-api`. It serves until it is ended and logs nothing; the
//! defaults are 127.0.0.1:8082 and new keys every 120 seconds.

use anyhow::{bail, Context, Result};
use portcullis_lab::provider::Provider;
use portcullis_lab::service::Service;
use portcullis_lab::tokens::Issuer;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

fn main() -> Result<()> {
    let (mut listen, mut rotate) = ("127.0.0.1:8082".to_owned(), "120".to_owned());
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let place = match name.as_str() {
            "--listen" => &mut listen,
            "--rotate" => &mut rotate,
            _ => bail!("usage: portcullis-issuer [--listen ADDR] [--rotate SECONDS]"),
        };
        *place = arguments.next().with_context(|| format!("{name} needs a value"))?;
    }
    let listen: SocketAddr =
        listen.parse().with_context(|| format!("{listen:?} is no address such as 0.0.0.0:8082"))?;
    let period = rotate.parse().with_context(|| format!("{rotate:?} is no number of seconds"))?;
    let demo = Issuer::demo();
    let provider = Mutex::new(Provider::new(demo.url(), demo.audience(), Duration::from_secs(period))?);
    let service =
        Service::bind(listen, move |call| provider.lock().unwrap_or_else(PoisonError::into_inner).answer(call))?;
    println!("portcullis-issuer listens on {}", service.address());
    service.run();
    Ok(())
}
