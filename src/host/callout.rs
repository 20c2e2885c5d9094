//! Calls to other services, through clusters of Envoy.
//!
//! A gRPC call is made in the form of an HTTP call: Envoy's HTTP calls hand over all of an answer, and fail at once where a
//! cluster is unknown or has no healthy host. The SDK has to make the call, since it alone knows which context an answer
//! belongs to; of its own ways to call a host this one has no status left to panic at (Envoy answers `Ok`, `BadArgument`
//! or `InternalFailure`). Envoy's time-out may still never fire, so whoever calls keeps a deadline of its own.

use super::calls::{self, Buffer, Map};
use crate::remote::answer::{self, Answer};
use crate::remote::call::Call;
use crate::request::headers::Headers;
use crate::rls::{self, Fault, Question, Reply};
use crate::time::Millis;
use proxy_wasm::traits::Context;
use std::time::Duration;

/// Largest answer that is read, in bytes: the largest question has 500 counts, whose replies are some dozens of bytes each.
const ANSWER_BYTES_MAX: usize = 256 << 10;

struct Sdk;

impl Context for Sdk {}

/// Asks the fleet. Returns the token that the answer will carry.
///
/// # Errors
/// [`Fault::Unavailable`] when Envoy does not make the call.
#[expect(clippy::disallowed_methods, reason = "see the top of the file")]
pub(crate) fn ask(question: &Question, cluster: &str, timeout: Millis) -> Result<u32, Fault> {
    let headers = vec![
        (":method", "POST"),
        (":path", rls::PATH),
        (":authority", cluster),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let timeout = Duration::from_millis(timeout.as_u64().max(1));
    Sdk.dispatch_http_call(cluster, headers, Some(&question.encode()), Vec::new(), timeout)
        .map_err(|_| Fault::Unavailable("the cluster is unknown or has no healthy host"))
}

/// Makes a call. Returns the token that the answer will carry.
///
/// # Errors
/// [`answer::Fault`] when Envoy does not make the call.
#[expect(clippy::disallowed_methods, reason = "see the top of the file")]
pub(crate) fn call(call: &Call) -> Result<u32, answer::Fault> {
    let timeout = Duration::from_millis(call.timeout.as_u64().max(1));
    Sdk.dispatch_http_call(
        &call.cluster,
        call.fields(),
        call.body.as_deref().map(str::as_bytes),
        Vec::new(),
        timeout,
    )
    .map_err(|_| answer::Fault("the cluster is unknown or has no healthy host".to_owned()))
}

/// Reads the answer to a call that a callback is about.
///
/// # Errors
/// See [`Answer::read`].
pub(crate) fn answer(bytes_max: usize) -> Result<Answer, answer::Fault> {
    let headers = calls::header_pairs(Map::CalloutHeaders).and_then(Headers::from_wire).unwrap_or_default();
    let body = calls::buffer(Buffer::CalloutBody, bytes_max.saturating_add(1)).unwrap_or_default();
    Answer::read(&headers, body, bytes_max)
}

/// Reads the answer that a callback is about. A call that was reset has no header fields.
///
/// # Errors
/// See [`Question::answer`].
pub(crate) fn counts(question: &Question) -> Result<Vec<Reply>, Fault> {
    let fields = |map| calls::header_pairs(map).and_then(Headers::from_wire).unwrap_or_default();
    let (headers, trailers) = (fields(Map::CalloutHeaders), fields(Map::CalloutTrailers));
    let grpc_status = trailers.first("grpc-status").or_else(|| headers.first("grpc-status"));
    let body = calls::buffer(Buffer::CalloutBody, ANSWER_BYTES_MAX).unwrap_or_default();
    question.answer(headers.first(":status").unwrap_or_default(), grpc_status, &body)
}
