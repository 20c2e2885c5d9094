//! Soft bindings: is the token where it was when it was issued?
//!
//! Each binding compares a claim with what the connection or the client says now. None of them is proof — addresses
//! change, headers can be copied — so a mismatch raises the risk and does not refuse by itself. A claim that the
//! token does not carry is no opinion; a claim that the request leaves unanswered is a mismatch, since a thief need
//! only send nothing. The one exception is the location: only Envoy's geoip filter can answer it, and where that
//! filter does not run nobody does.
//!
//! The source address is Envoy's, never one that a client wrote. The location's header field is only as good as the
//! geoip filter that overwrites it: without that filter a client writes it, and can at most avoid this one finding.

use super::Verified;
use crate::config::identity::{Bindings, HeaderBinding, IpBinding, SessionBinding};
use crate::finding::{quoted, Check, Class, Family, Finding, Findings, Score, Weight};
use crate::jose::Claims;
use crate::memory::Memory;
use crate::request::Request;
use ipnet::IpNet;
use serde_json::Value;
use std::net::IpAddr;

/// The source address.
pub static IP: Check =
    soft("token.binding.ip", "binding_ip", "The source address is not the one the token was issued to.");

/// The device.
pub static DEVICE: Check =
    soft("token.binding.device", "binding_device", "The device id is not the token's, or is missing.");

/// The user agent.
pub static USER_AGENT: Check =
    soft("token.binding.user_agent", "binding_user_agent", "The user agent is not the token's.");

/// The location.
pub static GEO: Check = soft("token.binding.geo", "binding_geo", "The source is not in the token's location.");

/// The session.
pub static SESSION: Check =
    soft("token.binding.session", "binding_session", "The session is not the token's, or is missing.");

/// Hex digits of the user agent's SHA-256 that a token carries.
const USER_AGENT_DIGITS: usize = 16;

const fn soft(id: &'static str, code: &'static str, means: &'static str) -> Check {
    let weight = Weight::Score(Score::constant(0.2));
    Check {
        id,
        family: Family::Binding,
        code,
        class: Class::Forbidden,
        weight,
        tunable: true,
        bearer_error: None,
        means: crate::finding::documented(means),
    }
}

/// Compares every binding that the token carries.
pub(super) fn check(
    bindings: &Bindings,
    verified: &Verified,
    request: &Request,
    memory: &Memory,
    findings: &mut Findings,
) {
    let claims = &verified.claims;
    let seen = [
        bindings.ip.as_ref().and_then(|binding| ip(binding, claims, request)),
        bindings.device.as_ref().and_then(|binding| device(binding, claims, request)),
        bindings.user_agent.as_ref().and_then(|claim| user_agent(claim, verified, request, memory)),
        bindings.geo.as_ref().and_then(|binding| geo(binding, claims, request)),
        bindings.session.as_ref().and_then(|binding| session(binding, claims, request)),
    ];
    seen.into_iter().flatten().for_each(|finding| findings.add(finding));
}

/// A claim's text. A bound claim of another type binds to nothing that a request could show.
fn claimed<'c>(claims: &'c Claims, name: &str) -> Option<&'c str> {
    claims.get(name).map(|value| match value {
        Value::String(text) => text,
        _ => "",
    })
}

fn ip(binding: &IpBinding, claims: &Claims, request: &Request) -> Option<Finding> {
    let claimed = claimed(claims, &binding.claim)?;
    let Some(source) = *request.source else {
        return Some(Finding::new(&IP, "the source address is unknown"));
    };
    match network(claimed, binding) {
        Some(network) if network.contains(&source) => None,
        Some(_) => Some(Finding::new(&IP, format!("source {source}"))),
        None => Some(Finding::new(&IP, format!("claim {} is no address", quoted(claimed)))),
    }
}

/// An address widened to the configured prefix, or a network as it stands.
fn network(claimed: &str, binding: &IpBinding) -> Option<IpNet> {
    if claimed.contains('/') {
        return claimed.parse().ok();
    }
    let address = claimed.parse::<IpAddr>().ok()?.to_canonical();
    let prefix = if address.is_ipv4() { binding.prefix_v4 } else { binding.prefix_v6 };
    IpNet::new(address, prefix).ok()
}

fn device(binding: &HeaderBinding, claims: &Claims, request: &Request) -> Option<Finding> {
    let claimed = claimed(claims, &binding.claim)?;
    match request.text(&binding.header) {
        Some(sent) if sent == claimed && !claimed.is_empty() => None,
        Some(_) => Some(Finding::new(&DEVICE, format!("`{}` names another device", binding.header))),
        None => Some(Finding::new(&DEVICE, format!("no `{}`", binding.header))),
    }
}

/// The holder of a token mostly uses one program, whose name is not hashed as the token has it each time.
fn user_agent(claim: &str, verified: &Verified, request: &Request, memory: &Memory) -> Option<Finding> {
    let claimed = claimed(&verified.claims, claim)?;
    let agent = request.headers.first("user-agent").unwrap_or_default();
    let digest = memory.digest("agent", agent);
    if verified.agent.get() == Some(digest) {
        return None;
    }
    if !claimed.eq_ignore_ascii_case(&user_agent_hash(agent)) {
        return Some(Finding::new(&USER_AGENT, "another user agent"));
    }
    verified.agent.set(Some(digest));
    None
}

/// What a token carries for a user agent: the first 16 hex digits of its SHA-256.
pub fn user_agent_hash(agent: &[u8]) -> String {
    let hash = hmac_sha256::Hash::hash(agent);
    hash.iter().take(USER_AGENT_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

fn geo(binding: &HeaderBinding, claims: &Claims, request: &Request) -> Option<Finding> {
    let claimed = claimed(claims, &binding.claim)?;
    let seen = request.text(&binding.header)?;
    (!seen.eq_ignore_ascii_case(claimed)).then(|| Finding::new(&GEO, format!("source in {}", quoted(seen))))
}

fn session(binding: &SessionBinding, claims: &Claims, request: &Request) -> Option<Finding> {
    let claimed = claimed(claims, &binding.claim)?;
    let cookie = request.headers.cookies(&binding.cookie).next();
    let sent = cookie.or_else(|| request.headers.first(&binding.header));
    match sent {
        // A session id is a secret: how much of it is right must not show in the time.
        Some(sent) if !claimed.is_empty() && ct_codecs::verify(sent, claimed.as_bytes()) => None,
        Some(_) => Some(Finding::new(&SESSION, "another session")),
        None => Some(Finding::new(&SESSION, "no session")),
    }
}
