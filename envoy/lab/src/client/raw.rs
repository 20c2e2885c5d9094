//! Raw bytes to a socket, one HTTP/1.1 response back.
//!
//! For the requests no client library sends: `/a/../b`, a request line with stray bytes, two content-lengths, a
//! body that never ends. Interim (1xx) responses are skipped. Bounds: 20 seconds without a byte, 128 headers, 64
//! MiB. Not covered: a second response on the same connection.

use super::{Response, EXCHANGE_LIMIT, RESPONSE_BYTES_MAX};
use anyhow::{bail, ensure, Context, Result};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

const HEADERS_MAX: usize = 128;

/// Writes the bytes as they are and reads the first final response. End the bytes of a request with an empty line
/// (`\r\n\r\n`), or the server will wait for one.
pub fn raw(server: SocketAddr, bytes: impl AsRef<[u8]>) -> Result<Response> {
    let bytes = bytes.as_ref();
    let mut stream = TcpStream::connect(server).context("could not connect")?;
    stream.set_read_timeout(Some(EXCHANGE_LIMIT))?;
    stream.set_write_timeout(Some(EXCHANGE_LIMIT))?;
    // A server may answer and close before it has read all: then the answer counts and not the failed write.
    let written = stream.write_all(bytes);
    let bodiless = bytes.starts_with(b"HEAD ");
    let mut seen = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        let count = match stream.read(&mut buffer) {
            Ok(count) => count,
            Err(error) => {
                written.context("could not write the request")?;
                return Err(error).with_context(|| format!("no whole response, only {:?}", text(&seen)));
            }
        };
        seen.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if let Some(response) = parse(&seen, count == 0, bodiless)? {
            return Ok(response);
        }
        ensure!(count > 0, "the connection was closed after {:?}", text(&seen));
        ensure!(seen.len() <= RESPONSE_BYTES_MAX, "the response is longer than {RESPONSE_BYTES_MAX} bytes");
    }
}

/// The first final response in these bytes, or `None` if more are needed.
fn parse(mut bytes: &[u8], closed: bool, bodiless: bool) -> Result<Option<Response>> {
    loop {
        let mut slots = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut slots);
        let httparse::Status::Complete(length) =
            head.parse(bytes).with_context(|| format!("no HTTP response: {:?}", text(bytes)))?
        else {
            return Ok(None);
        };
        let rest = bytes.get(length..).unwrap_or_default();
        let mut response = Response {
            status: head.code.unwrap_or_default(),
            headers: own(head.headers),
            body: Vec::new(),
            trailers: Vec::new(),
        };
        if (100..200).contains(&response.status) {
            bytes = rest;
            continue;
        }
        let whole = bodiless || [204, 304].contains(&response.status) || read_body(&mut response, rest, closed)?;
        return Ok(whole.then_some(response));
    }
}

/// Fills in the body as its headers frame it; says whether it is complete.
fn read_body(response: &mut Response, rest: &[u8], closed: bool) -> Result<bool> {
    if response.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return read_chunks(response, rest);
    }
    let Some(length) = response.header("content-length") else {
        response.body = rest.to_vec();
        return Ok(closed);
    };
    let length: usize = length.parse().context("a content-length that is no number")?;
    response.body = rest.get(..length).unwrap_or_default().to_vec();
    Ok(rest.len() >= length)
}

fn read_chunks(response: &mut Response, mut rest: &[u8]) -> Result<bool> {
    loop {
        let (start, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete((start, size))) => (start, usize::try_from(size)?),
            Ok(httparse::Status::Partial) => return Ok(false),
            Err(_) => bail!("broken chunk in the response"),
        };
        rest = rest.get(start..).unwrap_or_default();
        if size == 0 {
            let mut slots = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let httparse::Status::Complete((_, trailers)) = httparse::parse_headers(rest, &mut slots)? else {
                return Ok(false);
            };
            response.trailers = own(trailers).into_iter().map(|(name, value)| (name, text(&value))).collect();
            return Ok(true);
        }
        let Some((chunk, after)) = rest.split_at_checked(size) else { return Ok(false) };
        let Some((_crlf, after)) = after.split_at_checked(2) else { return Ok(false) };
        response.body.extend_from_slice(chunk);
        rest = after;
    }
}

fn own(headers: &[httparse::Header<'_>]) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec())).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
