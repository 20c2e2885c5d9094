//! Is the client certificate the one that the token is bound to (RFC 8705 §3.1)?
//!
//! The connection's own certificate counts. A connection without one may come from a proxy that ends the clients' TLS: where
//! its address is configured ([`Forwarded`]) the certificate counts that it says it has seen. The address is that of the
//! connection itself, never one out of `x-forwarded-for`. From anybody else the field is not believed, and not passed on.

use super::forwarded;
use crate::config::identity::{Forwarded, Identity};
use crate::finding::Finding;
use crate::request::Request;
use crate::stages::identity::checks::TOKEN_CERTIFICATE;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use ct_codecs::{Decoder, Hex};
use std::borrow::Cow;

/// Where a proxy says which certificate it has seen.
const FIELD: &str = "x-forwarded-client-cert";

/// Of SHA-256.
const DIGEST_BYTES: usize = 32;

/// The digest of the certificate, which Envoy has in hexadecimal, must be the token's.
///
/// # Errors
/// It is not, or there is no certificate.
pub(super) fn check(digest: &str, trusted: Option<&Forwarded>, request: &Request) -> Result<(), Finding> {
    let fault = |why: &'static str| Finding::new(&TOKEN_CERTIFICATE, why);
    let seen = match request.certificate.as_deref() {
        Some(own) => Cow::Borrowed(own),
        None => Cow::Owned(passed_on(trusted, request)?),
    };
    let named = URL_SAFE_NO_PAD.decode(digest).ok().filter(|bytes| bytes.len() == DIGEST_BYTES);
    let named = named.ok_or_else(|| fault("`x5t#S256` is no digest"))?;
    let named: String = named.iter().map(|byte| format!("{byte:02x}")).collect();
    if ct_codecs::verify(named.as_bytes(), seen.to_ascii_lowercase().as_bytes()) {
        Ok(())
    } else {
        Err(fault("the client certificate is another one"))
    }
}

/// The name (`x5t#S256`) of the certificate that a request shows, if such certificates count here.
pub(super) fn shown(identity: &Identity, request: &Request) -> Option<String> {
    let trusted = identity.holder.certificate.as_ref()?.forwarded.as_ref();
    let seen = match request.certificate.as_deref() {
        Some(own) => own.to_owned(),
        None => passed_on(trusted, request).ok()?,
    };
    let digest = Hex::decode_to_vec(seen, None).ok().filter(|bytes| bytes.len() == DIGEST_BYTES)?;
    Some(URL_SAFE_NO_PAD.encode(digest))
}

/// The digest that a trusted proxy has passed on.
fn passed_on(trusted: Option<&Forwarded>, request: &Request) -> Result<String, Finding> {
    let fault = |why: String| Finding::new(&TOKEN_CERTIFICATE, why);
    let mut fields = request.headers.all(FIELD);
    let none = "the connection has no client certificate";
    let (Some(trusted), Some(field)) = (trusted, fields.next()) else { return Err(fault(none.to_owned())) };
    if !is_trusted(trusted, request) {
        return Err(fault(format!("{none}, and its peer is not trusted to pass one on")));
    }
    // Envoy makes one field of several. What it has not joined was not written by one proxy.
    let found =
        if fields.next().is_some() { Err("there are several") } else { forwarded::digest(field, trusted.element) };
    match found {
        Ok(Some(digest)) => Ok(digest),
        Ok(None) => Err(fault("the proxy has seen no client certificate".to_owned())),
        Err(why) => Err(fault(format!("`{FIELD}` counts for nothing: {why}"))),
    }
}

fn is_trusted(trusted: &Forwarded, request: &Request) -> bool {
    request.peer.is_some_and(|peer| trusted.peers.iter().any(|net| net.contains(&peer)))
}

/// The fields to take out of a request: services behind the filter may believe what it does not. Services that make variables
/// of fields (CGI, WSGI) take an underscore for a hyphen.
#[inline(never)]
pub(in crate::stages::identity) fn disbelieved(trusted: &Forwarded, request: &Request) -> Vec<String> {
    let alike = request.headers.alike(FIELD);
    let mut names: Vec<String> = alike.map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
    names.dedup();
    if names.is_empty() || is_trusted(trusted, request) {
        Vec::new()
    } else {
        names
    }
}
