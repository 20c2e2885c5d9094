//! The requests of a scenario: as written, and ready to be sent.
//!
//! A [`Ready`] request is what both replays use: the native one takes [`Ready::fields`], the real one
//! [`Ready::send`]. What is too long to be written out is described instead ([`Padding`]).

use super::{token, Kept};
use crate::client::{raw, Client, Request, Response};
use crate::tokens::Issuer;
use crate::upstream::say::{Answer, FIELD};
use crate::upstream::shop::Call;
use anyhow::{ensure, Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes of a body without a content-length are sent at a time.
const PIECE_BYTES: usize = 16 << 10;

/// The content type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

const FILLER: &str = "x";

/// The credential field that Envoy joins where a client repeats it.
const JOINED: &str = "authorization";

/// The field that Envoy shows as `:authority`.
const HOST: &str = "host";

/// One request as a scenario writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// `GET` unless given.
    #[serde(default = "get")]
    pub method: String,
    /// Path and query, sent as they stand here.
    pub path: String,
    /// Header fields.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Header fields whose values are sent as ISO 8859-1: `é` as the byte E9.
    #[serde(default)]
    pub latin1_headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default)]
    pub body: String,
    /// The body as a form, with its content type.
    #[serde(default)]
    pub form: BTreeMap<String, Field>,
    /// Send the body in pieces and without a content-length.
    #[serde(default)]
    pub chunked: bool,
    /// `http1` unless given.
    #[serde(default)]
    pub protocol: Protocol,
    /// The address it comes from, in 127.0.0.0/8; 127.0.0.1 unless given.
    pub source: Option<String>,
    /// Send the request line byte by byte as it stands here, for what no client library sends. HTTP/1.1 only.
    #[serde(default)]
    pub raw: bool,
    /// The tokens, each in a header field of its own.
    #[serde(default)]
    pub tokens: Vec<token::Written>,
    /// What is added in bulk.
    #[serde(default)]
    pub padding: Padding,
}

/// A field of a form.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Field {
    /// The text.
    Text(String),
    /// A token.
    Token(Box<token::Written>),
}

/// What is added in bulk.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Padding {
    /// Adds so many bytes to the path.
    pub path_bytes: usize,
    /// Adds so many small header fields.
    pub headers: usize,
    /// Adds a header field with a value of so many bytes.
    pub header_bytes: usize,
    /// Adds so many bytes to the body.
    pub body_bytes: usize,
}

/// The version of HTTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 without TLS, with prior knowledge.
    Http2,
}

/// A request with its tokens minted.
#[derive(Debug, Clone)]
pub struct Ready {
    request: Request,
    protocol: Protocol,
    source: Option<IpAddr>,
    raw: bool,
}

/// Clients for each version of HTTP, each with a connection of its own; they take turns.
#[derive(Debug)]
pub struct Clients {
    server: SocketAddr,
    http1: Vec<Client>,
    http2: Vec<Client>,
    sent: AtomicUsize,
}

impl Written {
    /// The same with a number in place of `{n}`, in path, header fields, body and source.
    pub fn numbered(&self, number: u32) -> Self {
        let numbered = |text: &String| text.replace("{n}", &number.to_string());
        Self {
            path: numbered(&self.path),
            headers: self.headers.iter().map(|(name, value)| (name.clone(), numbered(value))).collect(),
            body: numbered(&self.body),
            source: self.source.as_ref().map(numbered),
            ..self.clone()
        }
    }

    /// The same with what was kept in place of `{kept:name}`, in header fields.
    pub(super) fn filled(&self, kept: &Kept) -> Self {
        let filled = |value: &String| {
            let all = kept.iter();
            all.fold(value.clone(), |value, (name, own)| value.replace(&format!("{{kept:{name}}}"), own))
        };
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), filled(value))).collect();
        Self { headers, ..self.clone() }
    }

    /// The same that tells the service what to answer.
    pub(super) fn answered(mut self, answer: Option<&Answer>) -> Self {
        self.headers.extend(answer.map(|answer| (FIELD.to_owned(), answer.field())));
        self
    }

    /// Mints the tokens and adds the padding.
    pub fn prepare(&self, issuer: &Issuer) -> Result<Ready> {
        let source: Option<IpAddr> = self.source.as_deref().map(str::parse).transpose().context("a source")?;
        let is_ours = source.is_none_or(|source| source.is_ipv4() && source.is_loopback());
        ensure!(is_ours && (source.is_none() || !self.raw), "a source is in 127.0.0.0/8, and has no raw requests");
        ensure!(!self.raw || (self.protocol == Protocol::Http1 && !self.chunked), "raw is plain HTTP/1.1");
        let mut request = Request::new(&self.method, &format!("{}{}", self.path, fill(self.padding.path_bytes)));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, value) in &self.latin1_headers {
            request = request.header(name, latin1(value)?);
        }
        for token in &self.tokens {
            let text = token.mint(issuer)?;
            let (name, value) = token.field(&text);
            request = request.header(&name, value);
            if let Some(proof) = token.proof(issuer, &text, &self.method, &self.path)? {
                request = request.header("dpop", proof);
            }
        }
        for number in 1..=self.padding.headers {
            request = request.header(&format!("x-filler-{number}"), FILLER);
        }
        if self.padding.header_bytes > 0 {
            request = request.header("x-filler", fill(self.padding.header_bytes));
        }
        let mut body = self.body.clone();
        if !self.form.is_empty() {
            ensure!(body.is_empty(), "a request has one body");
            request = request.header("content-type", FORM);
            body = self.form(issuer)?;
        }
        request = request.body(format!("{body}{}", fill(self.padding.body_bytes)));
        if self.chunked {
            request = request.chunked(PIECE_BYTES);
        }
        Ok(Ready { request, protocol: self.protocol, source, raw: self.raw })
    }

    fn form(&self, issuer: &Issuer) -> Result<String> {
        let pair = |(name, field): (&String, &Field)| {
            let value = match field {
                Field::Text(text) => text.clone(),
                Field::Token(token) => token.mint(issuer)?,
            };
            Ok(format!("{name}={}", escaped(&value)))
        };
        Ok(self.form.iter().map(pair).collect::<Result<Vec<_>>>()?.join("&"))
    }

    /// Method and path, for people.
    pub fn line(&self) -> String {
        let dots = if self.padding.path_bytes > 0 { "…" } else { "" };
        format!("{} {}{dots}", self.method, self.path)
    }
}

impl Ready {
    /// Whether its answer has no body.
    pub fn is_head(&self) -> bool {
        self.request.method == "HEAD"
    }

    /// The request as the shop would see it.
    pub fn call(&self) -> Call<'_> {
        let Request { method, path, headers, body, .. } = &self.request;
        let authorization = headers.iter().find(|(name, _)| name == JOINED).map(|(_, value)| value);
        Call {
            method,
            path: path.split('?').next().unwrap_or_default(),
            authorization: authorization.and_then(|value| std::str::from_utf8(value).ok()),
            body,
        }
    }

    /// All header fields as Envoy shows them to a filter: pseudo-header fields first, and repeated `authorization`
    /// fields as one, joined by a comma. What Envoy itself adds (`x-request-id`, `x-forwarded-proto`, …) is not
    /// among them.
    pub fn fields(&self) -> Vec<(String, Vec<u8>)> {
        let Request { method, path, headers, body, .. } = &self.request;
        let host = headers.iter().find(|(name, _)| name == HOST).map_or(b"demo".as_slice(), |(_, value)| value);
        let pseudo = [
            (":method", method.as_bytes()),
            (":path", path.as_bytes()),
            (":scheme", b"http"),
            (":authority", host),
        ];
        let pseudo = pseudo.into_iter().map(|(name, value)| (name.to_owned(), value.to_vec()));
        let mut fields: Vec<(String, Vec<u8>)> = pseudo.collect();
        for (name, value) in headers.iter().filter(|(name, _)| name != HOST) {
            match fields.iter_mut().find(|(known, _)| name == JOINED && known == JOINED) {
                Some((_, joined)) => joined.extend([b",".as_slice(), value].concat()),
                None => fields.push((name.clone(), value.clone())),
            }
        }
        if !body.is_empty() && self.request.piece_bytes.is_none() {
            fields.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
        }
        fields
    }

    /// The address that it is sent from.
    pub fn source(&self) -> IpAddr {
        self.source.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// The body in the pieces in which it is sent.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.request.body.chunks(PIECE_BYTES)
    }

    /// Sends it and waits for the response.
    pub fn send(&self, clients: &Clients) -> Result<Response> {
        let request = self.request.clone();
        match (self.raw, self.protocol, self.source) {
            (true, _, _) => raw(clients.server, self.bytes(clients.server)),
            (false, Protocol::Http1, None) => clients.next(&clients.http1).send(request),
            (false, Protocol::Http2, None) => clients.next(&clients.http2).send(request),
            (false, Protocol::Http1, Some(source)) => Client::http1(clients.server).from(source).send(request),
            (false, Protocol::Http2, Some(source)) => Client::http2(clients.server).from(source).send(request),
        }
    }

    fn bytes(&self, server: SocketAddr) -> Vec<u8> {
        let Request { method, path, headers, body, .. } = &self.request;
        let mut bytes = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
        if !headers.iter().any(|(name, _)| name == HOST) {
            bytes.extend(format!("host: {server}\r\n").as_bytes());
        }
        for (name, value) in headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend(body);
        bytes
    }
}

impl Clients {
    /// Clients of this server, one for each of its workers; they connect with their first request.
    pub fn new(server: SocketAddr, workers: u32) -> Self {
        let http1 = (0..workers.max(1)).map(|_| Client::http1(server)).collect();
        let http2 = (0..workers.max(1)).map(|_| Client::http2(server)).collect();
        Clients { server, http1, http2, sent: AtomicUsize::new(0) }
    }

    fn next<'a>(&self, clients: &'a [Client]) -> &'a Client {
        &clients[self.sent.fetch_add(1, Ordering::Relaxed) % clients.len()]
    }
}

fn fill(bytes: usize) -> String {
    FILLER.repeat(bytes)
}

/// Everything but letters, digits and `-._` as percent-escapes.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn latin1(text: &str) -> Result<Vec<u8>> {
    let byte = |letter: char| u8::try_from(letter).with_context(|| format!("`{letter}` is not in ISO 8859-1"));
    text.chars().map(byte).collect()
}

fn get() -> String {
    "GET".to_owned()
}
