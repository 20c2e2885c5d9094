//! Recorded traffic: HTTP archives, Envoy's JSON access logs, and what its tap filter wrote.
//!
//! Whatever the length of a file, one exchange of it is in memory at a time. What a recording lacks is said: an access log has no
//! bodies, and header fields only where its format names them.
//!
//! Bound: [`LINE_BYTES_MAX`] a line. Not covered: streamed taps, trailers, gRPC's framing.

mod access_log;
mod har;
mod tap;

use crate::args::Format;
use anyhow::{Context, Result};
use portcullis::time::Millis;
use serde_json::Value;
use std::io::{BufRead, Read};
use std::net::IpAddr;

/// Longest line of a log.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// A request and its answer, as far as they were recorded.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// When it was received.
    pub(crate) at: Option<Millis>,
    /// Where it came from.
    pub(crate) source: Option<IpAddr>,
    /// Its header fields, pseudo-header fields first.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    /// Its body, if it was recorded.
    pub(crate) body: Vec<u8>,
    /// Whether it had a body that was not recorded.
    pub(crate) lacks_body: bool,
    /// Whether its header fields were recorded.
    pub(crate) has_fields: bool,
    /// The status of the answer.
    pub(crate) status: Option<u16>,
    /// The header fields of the answer, without its status.
    pub(crate) answer_fields: Vec<(String, Vec<u8>)>,
    /// The body of the answer, if it was recorded.
    pub(crate) answer: Option<Vec<u8>>,
    /// Its length.
    pub(crate) answer_bytes: u64,
}

impl Exchange {
    /// The first value of a field, as text.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let (_, value) = self.fields.iter().find(|(field, _)| field == name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Adds pseudo-header fields; those of HTTP/2 recordings are dropped.
    fn head(&mut self, method: &str, scheme: &str, authority: &str, path: &str) {
        self.fields.retain(|(name, _)| !name.starts_with(':') && name != "host");
        let pseudo = [(":method", method), (":path", path), (":scheme", scheme), (":authority", authority)];
        let pseudo = pseudo.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        self.fields.splice(0..0, pseudo);
    }
}

/// Takes in one exchange after the other.
pub(crate) type Each<'a> = dyn FnMut(Exchange) -> Result<()> + 'a;

/// Reads a recording, and says how many parts of it were no exchange.
pub(crate) fn read(mut reader: impl BufRead, format: Format, each: &mut Each<'_>) -> Result<u64> {
    let format = match format {
        Format::Auto => told_by_beginning(reader.fill_buf().context("cannot be read")?),
        named => named,
    };
    match format {
        Format::Har => har::read(reader, each),
        Format::Tap => tap::read(reader, each),
        Format::AccessLog | Format::Auto => access_log::read(reader, each),
    }
}

fn told_by_beginning(beginning: &[u8]) -> Format {
    let text =
        String::from_utf8_lossy(beginning.get(..4096).unwrap_or(beginning)).replace([' ', '\n', '\r', '\t'], "");
    if text.trim_start_matches('\u{feff}').starts_with("{\"log\":") {
        Format::Har
    } else if text.starts_with("{\"http_buffered_trace\"") || text.starts_with("{\"httpBufferedTrace\"") {
        Format::Tap
    } else {
        Format::AccessLog
    }
}

/// What became of a line.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// It was read.
    Read,
    /// It is of no use.
    Useless,
    /// It was read, and no other needs to be.
    Last,
}

/// Reads lines, however broken: those that are no UTF-8, or too long, are none. Says how many were none.
pub(crate) fn lines(mut reader: impl BufRead, each: &mut dyn FnMut(&str) -> Result<Line>) -> Result<u64> {
    let mut skipped = 0_u64;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).context("cannot be read")?;
        if read == 0 {
            return Ok(skipped);
        }
        match std::str::from_utf8(&line).map(str::trim) {
            Ok("") => {}
            Ok(text) => match each(text)? {
                Line::Read => {}
                Line::Useless => skipped = skipped.saturating_add(1),
                Line::Last => return Ok(skipped),
            },
            Err(_) => skipped = skipped.saturating_add(1),
        }
    }
}

/// The object of a line, behind whatever a logger wrote before it.
pub(crate) fn object(line: &str) -> Option<Value> {
    let start = line.find('{')?;
    serde_json::from_str(line.get(start..)?).ok()
}

/// A time of the recording.
fn time(text: &str) -> Option<Millis> {
    let time: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok().map(Millis::new)
}

#[cfg(test)]
mod tests;
