//! Calls to other services, through clusters of Envoy.
//!
//! A gRPC call is made in the form of an HTTP call: Envoy's HTTP calls hand over all of an answer, and fail at once where a
//! cluster is unknown or has no healthy host. Envoy's time-out may never fire, so whoever calls keeps a deadline of its own.

use super::calls::{self, Buffer, Map};
use crate::remote::answer::{self, Answer};
use crate::remote::call::Call;
use crate::request::headers::Headers;
use crate::rls::{self, Fault, Question, Reply};
use crate::time::Millis;

/// Largest answer that is read, in bytes: the largest question has 500 counts, whose replies are some dozens of bytes each.
const ANSWER_BYTES_MAX: usize = 256 << 10;

const NO_HOST: &str = "the cluster is unknown or has no healthy host";

/// Asks the fleet. Returns the token that the answer will carry.
///
/// # Errors
/// [`Fault::Unavailable`] when Envoy does not make the call.
pub(crate) fn ask(question: &Question, cluster: &str, timeout: Millis) -> Result<u32, Fault> {
    let headers = [
        (":method", "POST"),
        (":path", rls::PATH),
        (":authority", cluster),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    calls::http_call(cluster, &headers, &question.encode(), timeout).map_err(|_| Fault::Unavailable(NO_HOST))
}

/// Makes a call. Returns the token that the answer will carry.
///
/// # Errors
/// [`answer::Fault`] when Envoy does not make the call.
pub(crate) fn call(call: &Call) -> Result<u32, answer::Fault> {
    let body = call.body.as_deref().unwrap_or_default();
    calls::http_call(&call.cluster, &call.fields(), body.as_bytes(), call.timeout)
        .map_err(|_| answer::Fault(NO_HOST.to_owned()))
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
