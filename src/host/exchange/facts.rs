//! What the host knows of a stream, asked for when it is needed.

use crate::host::calls;
use crate::request;
use std::net::IpAddr;

/// Costs as much as a look at all header fields, so it is asked for only when needed.
pub(super) fn source() -> Option<IpAddr> {
    request::source_address(std::str::from_utf8(&calls::property("source\0address")?).ok()?)
}

/// The other end of the connection. Envoy has no attribute for it: a filter before ours has to write it down (docs/identity.md).
pub(super) fn peer() -> Option<IpAddr> {
    request::source_address(std::str::from_utf8(&calls::property("filter_state\0portcullis.peer")?).ok()?)
}

/// Envoy's digest of the client certificate of the connection.
pub(super) fn certificate() -> Option<String> {
    String::from_utf8(calls::property("connection\0sha256_peer_certificate_digest")?).ok()
}

pub(super) fn response_status() -> Option<u16> {
    u16::try_from(number("response\0code")?).ok().filter(|code| *code != 0)
}

/// Whether the connection to the service broke when it had the request or a part of it: the answer is Envoy's then, and nobody knows what
/// the service did. Envoy knows it with the head of its answer already.
pub(super) fn broke_off() -> bool {
    // Reset from here or from there, or closed; what could not be connected at all has another flag.
    const BROKEN: u64 = LOCAL_RESET | REMOTE_RESET | TERMINATION;
    number("response\0flags").is_some_and(|flags| flags & BROKEN != 0)
}

/// Response flags as bits (`LR`, `UR` and `UC` in access logs).
const LOCAL_RESET: u64 = 1 << 3;
const REMOTE_RESET: u64 = 1 << 4;
const TERMINATION: u64 = 1 << 6;

/// Bytes of the response's body so far.
pub(super) fn response_bytes() -> u64 {
    number("response\0size").unwrap_or_default()
}

fn number(property: &str) -> Option<u64> {
    Some(u64::from_le_bytes(calls::property(property)?.try_into().ok()?))
}

/// A name for a request that Envoy did not name (`generate_request_id: false`). Unique enough to find it again.
pub(super) fn fallback_id(now_nanos: u64) -> String {
    format!("{:016x}", ahash::RandomState::new().hash_one(now_nanos))
}
