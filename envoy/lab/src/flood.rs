//! Many small requests over several connections at once, as bytes: what no client library is fast enough for.
//!
//! Each connection has one request under way. A few threads, which begin at the same moment, have some of the connections
//! each: they send on all of them before they read any answer, so the server always has the next request waiting. The
//! status of each answer is kept, in the order of the requests.
//!
//! Requests are not pipelined on purpose: Envoy closes a connection on which it answers the third of them itself. Bounds:
//! 20 seconds without an answer; 16 KiB for one. Not covered: HTTP/2, requests with a body, `HEAD`, answers without a
//! content-length.

use anyhow::{ensure, Context, Result};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::time::Duration;

const ANSWER_LIMIT: Duration = Duration::from_secs(20);
const ANSWER_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;

/// Threads that send; more would wait for each other.
const THREADS_MAX: usize = 4;

/// Sends as many requests as there are numbers from 0 to `requests`, `request(n)` each, the n-th on connection
/// `n % connections`. Returns the status of each answer.
pub fn flood(
    server: SocketAddr,
    connections: usize,
    requests: usize,
    request: impl Fn(usize) -> Vec<u8> + Sync,
) -> Result<Vec<u16>> {
    let threads = connections.clamp(1, THREADS_MAX);
    let begin = Barrier::new(threads);
    let run = |thread: usize| -> Result<Vec<(usize, u16)>> {
        let own: Vec<usize> = (thread..connections).step_by(threads).collect();
        let opened: Result<Vec<Connection>> = own.iter().map(|_| Connection::open(server)).collect();
        // Also where that failed: the others wait.
        begin.wait();
        let mut opened = opened?;
        let mut statuses = Vec::with_capacity(requests / threads + connections);
        for round in (0..requests).step_by(connections) {
            let numbers: Vec<usize> =
                own.iter().map(|one| round + one).filter(|number| *number < requests).collect();
            for (connection, number) in opened.iter_mut().zip(&numbers) {
                connection.stream.write_all(&request(*number)).context("cannot send")?;
            }
            for (connection, number) in opened.iter_mut().zip(&numbers) {
                statuses.push((*number, connection.answer()?));
            }
        }
        Ok(statuses)
    };
    let by_thread: Vec<Vec<(usize, u16)>> = std::thread::scope(|scope| {
        let run = &run;
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        running.into_iter().map(|thread| thread.join().expect("a thread of the flood")).collect::<Result<_>>()
    })?;
    let mut statuses = vec![0; requests];
    by_thread.into_iter().flatten().for_each(|(number, status)| statuses[number] = status);
    Ok(statuses)
}

/// A `GET` with one header field.
pub fn get(path: &str, name: &str, value: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n{name}: {value}\r\n\r\n").into_bytes()
}

struct Connection {
    stream: TcpStream,
    /// What was read and belongs to the next answers.
    read: Vec<u8>,
}

impl Connection {
    fn open(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server).context("cannot connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        Ok(Connection { stream, read: Vec::new() })
    }

    fn answer(&mut self) -> Result<u16> {
        let mut buffer = [0; 16 << 10];
        loop {
            if let Some((status, bytes)) = measure(&self.read)? {
                self.read.drain(..bytes);
                return Ok(status);
            }
            ensure!(self.read.len() < ANSWER_BYTES_MAX, "an answer of more than {ANSWER_BYTES_MAX} bytes");
            let count = self.stream.read(&mut buffer).context("no answer")?;
            ensure!(count > 0, "closed after {:?}", String::from_utf8_lossy(&self.read));
            self.read.extend_from_slice(&buffer[..count]);
        }
    }
}

/// Status and length of the first answer in these bytes, if it is complete.
fn measure(bytes: &[u8]) -> Result<Option<(u16, usize)>> {
    let mut slots = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut slots);
    let httparse::Status::Complete(head_bytes) = head.parse(bytes).context("no HTTP answer")? else {
        return Ok(None);
    };
    let length = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let body_bytes: usize =
        std::str::from_utf8(length.context("an answer without content-length")?.value)?.parse()?;
    let whole = head_bytes + body_bytes;
    Ok((bytes.len() >= whole).then_some((head.code.unwrap_or_default(), whole)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Upstream;

    #[test]
    fn every_request_has_its_answer_in_its_place() {
        let upstream = Upstream::start();
        let path = |number: usize| if number.is_multiple_of(7) { "/nowhere" } else { "/healthz" };
        let statuses = flood(upstream.address(), 3, 500, |number| get(path(number), "x-client", "a")).unwrap();
        let expected: Vec<u16> =
            (0..500).map(|number| if path(number) == "/nowhere" { 404 } else { 200 }).collect();
        assert_eq!(statuses, expected);
        assert_eq!(upstream.hits(), 500);
    }

    #[test]
    fn nobody_to_answer_is_an_error() {
        let upstream = Upstream::start();
        let address = upstream.address();
        drop(upstream);
        assert!(flood(address, 2, 10, |_| get("/", "x-client", "a")).is_err());
    }
}
