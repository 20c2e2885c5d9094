//! What the client is told when its request does not go on.
//!
//! The public code and the request id, no more: the operator finds the rest in the receipt under the same id.
//! HTTP clients get `application/problem+json` (RFC 9457), with `WWW-Authenticate` where a token is the matter
//! (RFC 6750 §3, RFC 9470 §3). gRPC clients get a gRPC status, which Envoy makes of the reply.

use crate::config::Route;
use crate::finding::Class;
use crate::stages::risk::Refusal;
use serde::Serialize;

/// A local answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status code.
    pub status: u16,
    /// gRPC status code.
    pub grpc_status: i32,
    /// Header fields.
    pub headers: Vec<(&'static str, String)>,
    /// The body, or for gRPC the status message.
    pub body: String,
    /// For `%RESPONSE_CODE_DETAILS%`.
    pub details: String,
}

#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    request_id: &'a str,
}

impl Reply {
    /// The answer to a refused request.
    pub fn new(refusal: &Refusal, route: &Route, request_id: &str, grpc: bool) -> Self {
        let Refusal { class, code, .. } = *refusal;
        let status = class.http_status();
        let problem = Problem { kind: "about:blank", title: class.title(), status, code, request_id };
        let mut headers = vec![("x-request-id", request_id.to_owned()), ("cache-control", "no-store".to_owned())];
        if !grpc {
            headers.push(("content-type", "application/problem+json".to_owned()));
        }
        headers.extend(refusal.advice.iter().cloned());
        if let Some(challenge) = www_authenticate(refusal, route) {
            headers.push(("www-authenticate", challenge));
        }
        let body = if grpc {
            format!("{code} (request {request_id})")
        } else {
            serde_json::to_string(&problem).unwrap_or_default()
        };
        Self { status, grpc_status: class.grpc_status(), headers, body, details: format!("portcullis_{code}") }
    }
}

/// A 401 always says how to authenticate (RFC 9110 §15.5.2); other statuses only if the token is to blame.
fn www_authenticate(refusal: &Refusal, route: &Route) -> Option<String> {
    match refusal.bearer_error {
        // RFC 6750 §3: the scopes that would have been enough.
        Some(error @ "insufficient_scope") => {
            Some(format!("Bearer error=\"{error}\", scope=\"{}\"", route.requirement.scopes.join(" ")))
        }
        Some(error) => Some(format!("Bearer error=\"{error}\"")),
        None if refusal.class == Class::Unauthenticated => Some("Bearer".to_owned()),
        None => None,
    }
}
