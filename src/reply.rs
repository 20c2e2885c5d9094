//! What the client is told when its request does not go on: a refusal, or the answer of an endpoint of ours.
//!
//! The public code and the request id, no more: the operator finds the rest in the receipt under the same id.
//! HTTP clients get `application/problem+json` (RFC 9457), with `WWW-Authenticate` where a token is the matter
//! (RFC 6750 §3, RFC 9470 §3). gRPC clients get a gRPC status, which Envoy makes of the reply.

use crate::config::identity::Login;
use crate::config::{Bound, Route};
use crate::finding::Class;
use crate::jose::{proof, Algorithm};
use crate::stages::identity::Caller;
use crate::stages::risk::{Refusal, Verdict};
use serde::Serialize;

/// What the protected space is called (RFC 9110 §11.5).
pub const REALM: &str = "portcullis";

/// The `error` that says how to log in (RFC 9470 §3).
const STEP_UP_ERROR: &str = "insufficient_user_authentication";

/// RFC 9449 §7.1.
const DPOP_SCHEME: &str = "DPoP";

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
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    request_id: &'a str,
}

impl Reply {
    /// An answer that is no refusal of the filter's: of an endpoint, with its media type and how long it may be kept.
    pub fn served(status: u16, kind: &'static str, cache: &'static str, body: String) -> Self {
        let headers = vec![("content-type", kind.to_owned()), ("cache-control", cache.to_owned())];
        // Endpoints do not speak gRPC; who asks in it is told so (gRPC status `UNIMPLEMENTED`).
        Self { status, grpc_status: 12, headers, body, details: format!("portcullis_endpoint_{status}") }
    }

    /// A problem (RFC 9457) that is no refusal of the request: the service's answer cannot be passed on.
    pub fn problem(status: u16, title: &'static str, code: &'static str, request_id: &str) -> Self {
        let problem = Problem { kind: "about:blank", title, status, code, detail: None, request_id };
        let headers = vec![
            ("x-request-id", request_id.to_owned()),
            ("cache-control", "no-store".to_owned()),
            ("content-type", "application/problem+json".to_owned()),
        ];
        let body = serde_json::to_string(&problem).unwrap_or_default();
        // gRPC status `INTERNAL`.
        Self { status, grpc_status: 13, headers, body, details: format!("portcullis_{code}") }
    }

    /// A problem in place of a response that is not passed on. An error stays an error of its kind.
    pub fn withheld(status: u16, code: &'static str, request_id: &str) -> Self {
        let (status, title) = match status {
            403 => (403, "Forbidden"),
            404 => (404, "Not Found"),
            409 => (409, "Conflict"),
            422 => (422, "Unprocessable Content"),
            429 => (429, "Too Many Requests"),
            400..=499 => (400, "Bad Request"),
            500 => (500, "Internal Server Error"),
            503 => (503, "Service Unavailable"),
            504 => (504, "Gateway Timeout"),
            _ => (502, "Bad Gateway"),
        };
        Self::problem(status, title, code, request_id)
    }

    /// The answer to a refused request.
    pub fn new(refusal: &Refusal, route: &Route, caller: &Caller, request_id: &str, grpc: bool) -> Self {
        let Refusal { class, code, detail, .. } = refusal;
        let status = class.http_status();
        let problem = Problem {
            kind: "about:blank",
            title: class.title(),
            status,
            code,
            detail: detail.as_deref(),
            request_id,
        };
        let mut headers = vec![("x-request-id", request_id.to_owned()), ("cache-control", "no-store".to_owned())];
        if !grpc {
            headers.push(("content-type", "application/problem+json".to_owned()));
        }
        headers.extend(refusal.advice.iter().cloned());
        if let Some(challenge) = www_authenticate(refusal, route, caller) {
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

/// A 401 always says how to authenticate (RFC 9110 §15.5.2); other statuses only if the token is to blame. A challenge has
/// at least one parameter (RFC 6750 §3), names the scopes that would be enough, and an error only if there was a token
/// (RFC 6750 §3.1): without one there is nothing to step up from.
fn www_authenticate(refusal: &Refusal, route: &Route, caller: &Caller) -> Option<String> {
    let stepping_up = refusal.verdict == Verdict::Challenge;
    let error = refusal.bearer_error.filter(|_| !stepping_up || caller.claims().is_some());
    if error.is_none() && refusal.class != Class::Unauthenticated {
        return None;
    }
    let is_about_proof = matches!(error, Some("invalid_dpop_proof" | "use_dpop_nonce"))
        || route.requirement.binding == Some(Bound::Dpop);
    let scheme = if is_about_proof { DPOP_SCHEME } else { "Bearer" };
    let mut challenge = format!("{scheme} realm=\"{REALM}\"");
    if let Some(error) = error {
        challenge.push_str(&format!(", error=\"{error}\""));
    }
    let scopes = &route.requirement.scopes;
    if !scopes.is_empty() && matches!(error, None | Some("insufficient_scope")) {
        challenge.push_str(&format!(", scope=\"{}\"", scopes.join(" ")));
    }
    if error == Some(STEP_UP_ERROR) {
        ask_for(if stepping_up { &route.requirement.step_up } else { &route.requirement.login }, &mut challenge);
    }
    if is_about_proof {
        let names = proof::ALGORITHMS.map(Algorithm::name).join(" ");
        challenge.push_str(&format!(", algs=\"{names}\""));
    }
    Some(challenge)
}

/// What a login must be (RFC 9470 §3).
fn ask_for(login: &Login, challenge: &mut String) {
    if !login.acr_values.is_empty() {
        challenge.push_str(&format!(", acr_values=\"{}\"", login.acr_values.join(" ")));
    }
    if let Some(age) = login.max_age {
        challenge.push_str(&format!(", max_age={}", age.as_u64().checked_div(1000).unwrap_or_default()));
    }
}
