//! A blocking HTTP client that sends what a test says and reports all that came back.
//!
//! It is a thin layer over hyper rather than a comfortable client library, because those repair, follow and
//! decode: here header bytes 0x80-0xFF, trailers, chunks and repeated headers pass as given. What hyper itself
//! refuses to send (odd request lines, broken framing) goes through [`raw`].
//!
//! Bounds: 20 seconds for one exchange, 64 MiB for a response. Connections are reused; an HTTP/2 client uses one
//! for all its requests. Not covered: interim responses, upgrades, reading a response piece by piece.

mod message;
mod raw;

pub use message::{Request, Response};
pub use raw::raw;

use crate::body::Frames;
use crate::tls::{Authority, Certificate, SERVER_NAME};
use anyhow::{Context, Result};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{HeaderName, HeaderValue, HOST, TRAILER};
use hyper::{HeaderMap, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::TlsConnector;

const EXCHANGE_LIMIT: Duration = Duration::from_secs(20);
const RESPONSE_BYTES_MAX: usize = 64 << 20;

/// A client of one server. It may be shared between threads: each request in flight then has its own HTTP/1.1
/// connection, or its own stream of the HTTP/2 connection.
#[derive(Debug)]
pub struct Client {
    server: SocketAddr,
    source: Option<IpAddr>,
    protocol: Protocol,
    tls: Option<Arc<ClientConfig>>,
    open: Mutex<Vec<Connection>>,
    runtime: Runtime,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Protocol {
    Http1,
    Http2,
}

/// What a connection runs over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

#[derive(Debug)]
enum Connection {
    Http1(http1::SendRequest<Frames>),
    Http2(http2::SendRequest<Frames>),
}

impl Client {
    /// A client that speaks HTTP/1.1. It connects with the first request.
    ///
    /// # Panics
    /// If the process can start no more threads.
    pub fn http1(server: SocketAddr) -> Self {
        Self::new(server, Protocol::Http1)
    }

    /// A client that speaks HTTP/2 from the first byte (h2c with prior knowledge).
    ///
    /// # Panics
    /// If the process can start no more threads.
    pub fn http2(server: SocketAddr) -> Self {
        Self::new(server, Protocol::Http2)
    }

    /// The same client, connecting from one of this machine's addresses: all of 127.0.0.0/8 are, on Linux.
    pub fn from(self, source: IpAddr) -> Self {
        Client { source: Some(source), ..self }
    }

    /// The same client over TLS: it trusts this authority and shows this certificate of itself.
    pub fn over_tls(self, authority: &Authority, shown: Option<&Certificate>) -> Result<Self> {
        let protocol: &[u8] = match self.protocol {
            Protocol::Http1 => b"http/1.1",
            Protocol::Http2 => b"h2",
        };
        Ok(Client { tls: Some(Arc::new(authority.connecting(shown, protocol)?)), ..self })
    }

    fn new(server: SocketAddr, protocol: Protocol) -> Self {
        // One worker thread keeps idle connections served, so that a close by the server is noticed between
        // requests.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("the client needs one thread of its own");
        Client { server, source: None, protocol, tls: None, open: Mutex::default(), runtime }
    }

    /// Sends one request and waits for the whole response.
    pub fn send(&self, request: Request) -> Result<Response> {
        let what = format!("{} {}", request.method, request.path);
        let exchange = async { tokio::time::timeout(EXCHANGE_LIMIT, self.exchange(request)).await };
        self.runtime
            .block_on(exchange)
            .with_context(|| format!("no whole response within {EXCHANGE_LIMIT:?} to {what}"))?
            .with_context(|| format!("could not send {what}"))
    }

    async fn exchange(&self, request: Request) -> Result<Response> {
        let request = self.assemble(request)?;
        let mut connection = self.connection().await?;
        let response = connection.send(request).await?;
        let response = collect(response).await?;
        self.keep(connection);
        Ok(response)
    }

    /// An open connection from the pool, or else a new one. HTTP/2 connections stay in the pool: they are shared.
    async fn connection(&self) -> Result<Connection> {
        while let Some(mut connection) = self.take() {
            if connection.ready().await {
                if let Connection::Http2(shared) = &connection {
                    self.keep(Connection::Http2(shared.clone()));
                }
                return Ok(connection);
            }
        }
        let stream = self.connect().await.context("could not connect")?;
        // A proxy's latency is measured in microseconds; Nagle's algorithm would add milliseconds.
        stream.set_nodelay(true)?;
        let stream = TokioIo::new(match &self.tls {
            None => Box::new(stream) as Box<dyn Stream>,
            Some(config) => {
                let name = ServerName::try_from(SERVER_NAME)?;
                Box::new(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?)
            }
        });
        match self.protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(stream).await?;
                tokio::spawn(connection);
                Ok(Connection::Http1(sender))
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
                tokio::spawn(connection);
                self.keep(Connection::Http2(sender.clone()));
                Ok(Connection::Http2(sender))
            }
        }
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let Some(source) = self.source else { return TcpStream::connect(self.server).await };
        let socket = if source.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind(SocketAddr::new(source, 0))?;
        socket.connect(self.server).await
    }

    fn take(&self) -> Option<Connection> {
        self.pool().pop()
    }

    fn keep(&self, connection: Connection) {
        let mut pool = self.pool();
        let shared = |one: &Connection| matches!(one, Connection::Http2(_));
        if !(shared(&connection) && pool.iter().any(shared)) {
            pool.push(connection);
        }
    }

    fn pool(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn assemble(&self, request: Request) -> Result<hyper::Request<Frames>> {
        let mut headers = header_map(request.headers)?;
        let trailers = header_map(request.trailers.into_iter().map(|(name, value)| (name, value.into_bytes())))?;
        let uri = Uri::builder().path_and_query(request.path);
        let host = HeaderValue::from_str(&self.server.to_string())?;
        let uri = match self.protocol {
            Protocol::Http1 => {
                headers.entry(HOST).or_insert(host);
                // hyper writes those trailers only that were announced.
                if !trailers.is_empty() && !headers.contains_key(TRAILER) {
                    let names: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
                    headers.insert(TRAILER, HeaderValue::from_str(&names.join(", "))?);
                }
                uri
            }
            Protocol::Http2 => uri
                .scheme(if self.tls.is_some() { "https" } else { "http" })
                .authority(headers.remove(HOST).unwrap_or(host).as_bytes()),
        };
        let mut body = match request.piece_bytes {
            Some(size) => Frames::pieces(request.body.chunks(size.get()).map(Bytes::copy_from_slice)),
            None => Frames::whole(request.body),
        };
        if !trailers.is_empty() {
            body = body.with_trailers(trailers);
        }
        let mut assembled = hyper::Request::new(body);
        *assembled.method_mut() = request.method.parse().context("not a method")?;
        *assembled.uri_mut() = uri.build().context("not a path hyper sends; see client::raw")?;
        *assembled.headers_mut() = headers;
        Ok(assembled)
    }
}

impl Connection {
    async fn ready(&mut self) -> bool {
        match self {
            Connection::Http1(sender) => sender.ready().await.is_ok(),
            Connection::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    async fn send(&mut self, request: hyper::Request<Frames>) -> hyper::Result<hyper::Response<Incoming>> {
        match self {
            Connection::Http1(sender) => sender.send_request(request).await,
            Connection::Http2(sender) => sender.send_request(request).await,
        }
    }
}

async fn collect(response: hyper::Response<Incoming>) -> Result<Response> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, RESPONSE_BYTES_MAX).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("response {} cut off: {error}", head.status))?;
    let trailers = body.trailers().map(pairs).unwrap_or_default();
    Ok(Response {
        status: head.status.as_u16(),
        headers: pairs(&head.headers),
        trailers: trailers.into_iter().map(|(name, value)| (name, lossy(&value))).collect(),
        body: body.to_bytes().into(),
    })
}

fn header_map(pairs: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        let name =
            HeaderName::from_bytes(name.as_bytes()).with_context(|| format!("not a header name: {name:?}"))?;
        let value = HeaderValue::from_bytes(&value).with_context(|| format!("not a value hyper sends: {name}"))?;
        map.append(name, value);
    }
    Ok(map)
}

fn pairs(map: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    map.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
