//! Is this what OAuth 2.1 allows (draft-ietf-oauth-v2-1, RFC 9700)?
//!
//! Stands before an authorization server, before the services that take its tokens, or both. Everywhere: no token in a query
//! ([`query`]). At the authorization endpoint and where requests are pushed beforehand: a code, PKCE with S256, a registered
//! redirect URI ([`authorization`]). At the token endpoint: no grant that OAuth 2.1 has given up, and a code only with its
//! verifier. What the tokens themselves must be is the business of [`crate::stages::identity`].
//!
//! A request to an endpoint must have one meaning before its parameters are judged: each once, in one place, in one
//! spelling; a body that could not be read is a finding too, which refuses unless the configuration says otherwise.
//! Bounds: [`form::PAIRS_MAX`], [`form::BYTES_MAX`], `request.body_read_max`. Not covered: what the authorization
//! server answers, whether a verifier fits its challenge (the server knows), client authentication, request objects.

mod authorization;
pub mod checks;
mod query;

use self::checks::{CODE_VERIFIER, GRANT, QUERY_PARAMETERS, REQUEST, UNREAD};
use crate::config::oauth::{Endpoint, Oauth};
use crate::config::Route;
use crate::finding::{quoted, Finding, Findings};
use crate::request::body::Unread;
use crate::request::form::{self, Form};
use crate::request::Request;

/// Parameters that decide something at one of the endpoints: none may be there in another spelling.
const PARAMETERS: [&str; 17] = [
    "client_id",
    "client_secret",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "grant_type",
    "nonce",
    "password",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
    "username",
];

/// Lengths of a code verifier (RFC 7636 §4.1).
const VERIFIER_CHARS: std::ops::RangeInclusive<usize> = 43..=128;

/// Judges the head: the query of any request, and what an endpoint is asked in it.
pub fn check_head(oauth: Option<&Oauth>, route: &Route, request: &Request, findings: &mut Findings) {
    if let Some(oauth) = oauth {
        check_query(oauth, route, request, findings);
    }
}

#[inline(never)]
fn check_query(oauth: &Oauth, route: &Route, request: &Request, findings: &mut Findings) {
    if let Some(name) = query::token(request.query(), &oauth.query_token_names) {
        findings.add(Finding::new(&checks::QUERY_TOKEN, format!("parameter `{name}`")));
    }
    match (route.oauth.as_deref(), request.method()) {
        (None, _) => {}
        (Some(Endpoint::Authorization(rules)), "GET" | "HEAD") => {
            match one_meaning(request.query(), form::pairs) {
                Ok(form) => authorization::check(rules, &form, authorization::Way::Browser, findings),
                Err(finding) => findings.add(finding),
            }
        }
        (Some(endpoint), "POST") => check_posted_query(endpoint, request, findings),
        (Some(_), method) => {
            findings.add(Finding::new(&REQUEST, format!("method {} is not for this endpoint", quoted(method))));
        }
    }
}

/// Judges the body of a request to an endpoint, or what kept it from being read.
pub fn check_body(route: &Route, request: &Request, body: Result<&[u8], Unread>, findings: &mut Findings) {
    let Some(endpoint) = route.oauth.as_deref() else { return };
    let body = match body {
        Ok(body) => body,
        Err(why) => return findings.add(Finding::new(&UNREAD, why.reason())),
    };
    if request.method() != "POST" {
        if !body.is_empty() {
            findings.add(Finding::new(&REQUEST, "a body beside a query"));
        }
        return;
    }
    let form = match one_meaning(body, |body| form::in_body(request, body)) {
        Ok(form) => form,
        Err(finding) => return findings.add(finding),
    };
    match endpoint {
        Endpoint::Authorization(rules) => {
            authorization::check(rules, &form, authorization::Way::Browser, findings)
        }
        Endpoint::Pushed(rules) => authorization::check(rules, &form, authorization::Way::Pushed, findings),
        Endpoint::Token { grant_types } => check_grant(grant_types, &form, findings),
    }
}

/// A posted request has its parameters in the body. The URI of an authorization endpoint may have a query of its own (RFC 6749
/// §3.1); that of a token endpoint must carry no parameter of a request (§3.2, §2.3.1).
fn check_posted_query(endpoint: &Endpoint, request: &Request, findings: &mut Findings) {
    let query = request.query();
    if matches!(endpoint, Endpoint::Token { .. }) {
        if !query.is_empty() {
            findings.add(Finding::new(&QUERY_PARAMETERS, "a query at the token endpoint"));
        }
    } else if let Some(name) = form::mentioned(query, &PARAMETERS) {
        findings.add(Finding::new(&REQUEST, format!("`{name}` in the query of a posted request")));
    }
}

/// The parameters of a text, if each is there once and in one spelling.
fn one_meaning(text: &[u8], read: impl FnOnce(&[u8]) -> Result<Form, form::Fault>) -> Result<Form, Finding> {
    let form = read(text).map_err(|fault| Finding::new(&REQUEST, fault.reason()))?;
    // Some readers take it for `&`. Whoever writes forms encodes it (WHATWG URL §5.2).
    if text.contains(&b';') {
        return Err(Finding::new(&REQUEST, "a `;` that is not encoded"));
    }
    match form::respelled(text, &PARAMETERS) {
        Some(name) => Err(Finding::new(&REQUEST, format!("`{name}` is there in another spelling"))),
        None => Ok(form),
    }
}

fn check_grant(grant_types: &[String], form: &Form, findings: &mut Findings) {
    match form.get("grant_type") {
        Some(grant) if grant_types.iter().any(|allowed| allowed == grant) => {}
        Some(grant) => findings.add(Finding::new(&GRANT, quoted(grant))),
        None => findings.add(Finding::new(&GRANT, "no `grant_type`")),
    }
    if form.get("grant_type") != Some("authorization_code") {
        return;
    }
    // The verifier is a secret: nothing of it is repeated.
    match form.get("code_verifier") {
        None => findings.add(Finding::new(&CODE_VERIFIER, "no `code_verifier`")),
        Some(verifier) if !is_verifier(verifier) => {
            findings.add(Finding::new(&CODE_VERIFIER, format!("{} bytes, or other characters", verifier.len())));
        }
        Some(_) => {}
    }
}

/// Unreserved characters, 43 to 128 of them (RFC 7636 §4.1).
fn is_verifier(text: &str) -> bool {
    VERIFIER_CHARS.contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

#[cfg(test)]
mod tests;
