//! The load: a fixed number of requests over keep-alive HTTP/1.1 connections, each answer checked.
//!
//! One thread keeps one request in flight on every connection, so Envoy always has the next one waiting and reads
//! several at a time, like a busy proxy does. How fast this is does not matter, as Envoy's CPU time is what counts.
//! Not covered: answers without a content-length, or of more than 16 KiB.

use crate::contenders::Sent;
use anyhow::{bail, ensure, Context, Result};
use httparse::Status;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const ANSWER_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 32;
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// Open connections to one Envoy, with what is sent on them.
pub(crate) struct Load {
    senders: Vec<Sender>,
    expects: u16,
}

struct Sender {
    connection: Connection,
    request: Sent,
}

/// One connection, with one request under way at most.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Load {
    /// Opens a connection for each request. `expects` is the status that every answer must have.
    pub(crate) fn open(server: SocketAddr, requests: Vec<Sent>, expects: u16) -> Result<Self> {
        let sender = |request| Ok(Sender { connection: Connection::open(server)?, request });
        Ok(Self { senders: requests.into_iter().map(sender).collect::<Result<_>>()?, expects })
    }

    /// Sends so many requests in all and awaits their answers.
    pub(crate) fn run(&mut self, requests: usize) -> Result<()> {
        let width = self.senders.len();
        for sender in self.senders.iter_mut().take(requests) {
            sender.send()?;
        }
        for index in 0..requests {
            let sender = &mut self.senders[index % width];
            let received = sender.connection.receive(self.expects);
            received.with_context(|| format!("answer {index} of {requests}"))?;
            if index + width < requests {
                sender.send()?;
            }
        }
        Ok(())
    }
}

impl Sender {
    fn send(&mut self) -> Result<()> {
        self.connection.write(&(self.request)())
    }
}

impl Connection {
    pub(crate) fn open(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server).context("cannot connect to Envoy")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        Ok(Self { stream, buffer: vec![0; ANSWER_BYTES_MAX] })
    }

    pub(crate) fn write(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).context("cannot send a request")
    }

    /// Reads one answer, which must have this status.
    pub(crate) fn receive(&mut self, expects: u16) -> Result<()> {
        let mut filled = 0;
        loop {
            let count = self.stream.read(&mut self.buffer[filled..])?;
            filled += count;
            let answer = &self.buffer[..filled];
            ensure!(count > 0, "cut off after {:?}", String::from_utf8_lossy(answer));
            let Some((status, length)) = measure(answer)? else { continue };
            if filled < length {
                continue;
            }
            ensure!(
                status == expects && filled == length,
                "expected one answer with {expects}, got {:?}",
                String::from_utf8_lossy(answer)
            );
            return Ok(());
        }
    }
}

/// The status of an answer and its length with the body, once its head is complete.
fn measure(answer: &[u8]) -> Result<Option<(u16, usize)>> {
    let mut slots = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut slots);
    let Status::Complete(head_bytes) = head.parse(answer).context("no HTTP answer")? else { return Ok(None) };
    let Some(length) = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length")) else {
        bail!("an answer without content-length: {:?}", String::from_utf8_lossy(answer));
    };
    let body_bytes: usize = std::str::from_utf8(length.value)?.parse()?;
    Ok(Some((head.code.unwrap_or_default(), head_bytes + body_bytes)))
}
