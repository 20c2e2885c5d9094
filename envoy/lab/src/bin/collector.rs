//! `portcullis-collector`: the lab's collector of access logs as a program, where the image of the OpenTelemetry Collector cannot
//! be had. It listens on port 4318, prints each record as a line of JSON, and serves until it is ended.

use anyhow::Result;
use portcullis_lab::collector;
use portcullis_lab::service::Service;
use std::net::Ipv4Addr;

const PORT: u16 = 4318;

fn main() -> Result<()> {
    let print = |record: &serde_json::Value| println!("{record}");
    let service = Service::bind((Ipv4Addr::UNSPECIFIED, PORT).into(), move |call| collector::answer(call, print))?;
    println!("portcullis-collector listens on {}", service.address());
    service.run();
    Ok(())
}
