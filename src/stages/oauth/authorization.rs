//! What a client may ask of an authorization endpoint (RFC 6749 §4.1.1, RFC 7636, RFC 9700 §2.1, RFC 9126).
//!
//! **Request objects** (`request`, and `request_uri` to a place of the client's choice, RFC 9101) hide from us what is asked, and
//! are refused. A request that was pushed is judged where it was pushed, by the same rules; the reference to it is accepted
//! where the configuration names such a place, and then nothing may stand beside it that could take a parameter's place.

use super::checks::{CLIENT, PKCE, REDIRECT_URI, REQUEST_OBJECT, RESPONSE_TYPE};
use crate::config::oauth::{Authorization, RedirectUri};
use crate::config::ByName;
use crate::finding::{quoted, Finding, Findings};
use crate::gather;
use crate::request::form::Form;

/// What a reference to a pushed request begins with (RFC 9126 §2.2).
const PUSHED: &str = "urn:ietf:params:oauth:request_uri:";

/// Characters of an S256 challenge: 32 bytes in base64url (RFC 7636 §4.2).
const CHALLENGE_CHARS: usize = 43;

/// How a request for authorization comes.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// By the browser, to the authorization endpoint.
    Browser,
    /// By the client, beforehand.
    Pushed,
}

/// Judges a request for authorization.
pub(super) fn check(rules: &Authorization, form: &Form, way: Way, findings: &mut Findings) {
    let registered = client(rules, form).unwrap_or_else(|finding| {
        findings.add(finding);
        None
    });
    let takes_reference = way == Way::Browser && rules.takes_pushed;
    if takes_reference && form.get("request_uri").is_some_and(|uri| uri.starts_with(PUSHED)) {
        return check_beside_reference(rules, form, findings);
    }
    if let Some(name) = ["request", "request_uri"].into_iter().find(|name| form.has(name)) {
        findings.add(Finding::new(&REQUEST_OBJECT, format!("parameter `{name}`")));
    }
    let faults = [check_response_type(rules, form), check_pkce(form), check_redirect_uri(registered, form)];
    faults.into_iter().filter_map(Result::err).for_each(|finding| findings.add(finding));
}

/// The redirect URIs of the client, where they are known.
fn client<'r>(rules: &'r Authorization, form: &Form) -> Result<Option<&'r [RedirectUri]>, Finding> {
    let id = form.get("client_id").ok_or_else(|| Finding::new(&CLIENT, "no `client_id`"))?;
    let Some(clients) = &rules.clients else { return Ok(None) };
    let uris = clients.get(id).ok_or_else(|| Finding::new(&CLIENT, quoted(id)))?;
    Ok(Some(uris))
}

fn check_beside_reference(rules: &Authorization, form: &Form, findings: &mut Findings) {
    let beside = ["request", "redirect_uri", "code_challenge", "code_challenge_method"];
    if let Some(name) = beside.into_iter().find(|name| form.has(name)) {
        findings.add(Finding::new(&REQUEST_OBJECT, format!("`{name}` beside a pushed request")));
    }
    // OpenID Connect Core §6.2 wants it repeated.
    if form.has("response_type") {
        check_response_type(rules, form).unwrap_or_else(|finding| findings.add(finding));
    }
}

fn check_response_type(rules: &Authorization, form: &Form) -> Result<(), Finding> {
    let asked = form.get("response_type").ok_or_else(|| Finding::new(&RESPONSE_TYPE, "no `response_type`"))?;
    let words: Vec<&str> = asked.split(' ').collect();
    let set = gather::set(words.iter().copied());
    let is_allowed =
        |allowed: &ByName<()>| words.len() == allowed.len() && set.iter().copied().eq(allowed.names());
    if rules.response_types.iter().any(is_allowed) {
        return Ok(());
    }
    Err(Finding::new(&RESPONSE_TYPE, quoted(asked)))
}

/// Without a method the challenge is the verifier itself (RFC 7636 §4.3), for whoever sees the request.
fn check_pkce(form: &Form) -> Result<(), Finding> {
    let challenge = form.get("code_challenge").ok_or_else(|| Finding::new(&PKCE, "no `code_challenge`"))?;
    match form.get("code_challenge_method") {
        Some("S256") => {}
        Some(other) => return Err(Finding::new(&PKCE, format!("method {}", quoted(other)))),
        None => return Err(Finding::new(&PKCE, "no `code_challenge_method`, which means `plain`")),
    }
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if challenge.len() == CHALLENGE_CHARS && challenge.bytes().all(is_base64url) {
        return Ok(());
    }
    let reason = format!("a challenge of {} bytes, expected {CHALLENGE_CHARS} of base64url", challenge.len());
    Err(Finding::new(&PKCE, reason))
}

fn check_redirect_uri(registered: Option<&[RedirectUri]>, form: &Form) -> Result<(), Finding> {
    let sent = form.get("redirect_uri");
    if sent.is_none() && form.has("redirect_uri") {
        return Err(Finding::new(&REDIRECT_URI, "`redirect_uri` is empty"));
    }
    match (registered, sent) {
        (Some(uris), Some(sent)) if !uris.iter().any(|uri| uri.is(sent)) => {
            Err(Finding::new(&REDIRECT_URI, quoted(sent)))
        }
        // With several, each server takes another for the default.
        (Some([_, _, ..]), None) => {
            Err(Finding::new(&REDIRECT_URI, "no `redirect_uri`, and several are registered"))
        }
        (None, Some(sent)) => match RedirectUri::new(sent) {
            Ok(_) => Ok(()),
            Err(fault) => Err(Finding::new(&REDIRECT_URI, format!("{}: {}", quoted(sent), fault.reason()))),
        },
        _ => Ok(()),
    }
}
