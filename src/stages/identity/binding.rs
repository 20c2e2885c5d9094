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
use crate::bytes;
use crate::config::identity::{Bindings, HeaderBinding, IpBinding, SessionBinding};
use crate::finding::{quoted, Check, Class, Family, Finding, Findings, Score, Weight};
use crate::jose::Claims;
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

/// Longest user agent that is remembered beside a token.
const AGENT_BYTES_MAX: usize = 512;

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

/// What a token says of its holder: the texts of its claims, which are read once. `None` where it says nothing; a claim of
/// another type binds to nothing that a request could show.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Bound {
    /// A network; `Err` if the claim is none.
    ip: Option<Result<IpNet, String>>,
    device: Option<String>,
    user_agent: Option<String>,
    geo: Option<String>,
    session: Option<String>,
}

impl Bound {
    fn read(bindings: &Bindings, claims: &Claims) -> Self {
        let claimed = |name: &str| {
            claims.get(name).map(|value| match value {
                Value::String(text) => text.clone(),
                _ => String::new(),
            })
        };
        let network = |binding: &IpBinding| {
            let claimed = claimed(&binding.claim)?;
            Some(network(&claimed, binding).ok_or(claimed))
        };
        Self {
            ip: bindings.ip.as_ref().and_then(network),
            device: bindings.device.as_ref().and_then(|binding| claimed(&binding.claim)),
            user_agent: bindings.user_agent.as_ref().and_then(|claim| claimed(claim)),
            geo: bindings.geo.as_ref().and_then(|binding| claimed(&binding.claim)),
            session: bindings.session.as_ref().and_then(|binding| claimed(&binding.claim)),
        }
    }
}

/// Compares every binding that the token carries.
pub(super) fn check(bindings: &Bindings, verified: &Verified, request: &Request, findings: &mut Findings) {
    let bound = verified.bound.get_or_init(|| Bound::read(bindings, &verified.claims));
    let mut add = |seen: Option<Finding>| {
        if let Some(finding) = seen {
            findings.add(finding);
        }
    };
    if let Some(network) = &bound.ip {
        add(ip(network.as_ref(), request));
    }
    if let (Some(own), Some(claimed)) = (&bindings.device, &bound.device) {
        add(device(own, claimed, request));
    }
    if let Some(claimed) = &bound.user_agent {
        add(user_agent(claimed, verified, request));
    }
    if let (Some(own), Some(claimed)) = (&bindings.geo, &bound.geo) {
        add(geo(own, claimed, request));
    }
    if let (Some(own), Some(claimed)) = (&bindings.session, &bound.session) {
        add(session(own, claimed, request));
    }
}

fn ip(network: Result<&IpNet, &String>, request: &Request) -> Option<Finding> {
    let Some(source) = *request.source else {
        return Some(Finding::new(&IP, "the source address is unknown"));
    };
    match network {
        Ok(network) if network.contains(&source) => None,
        Ok(_) => Some(Finding::new(&IP, format!("source {source}"))),
        Err(claimed) => Some(Finding::new(&IP, format!("claim {} is no address", quoted(claimed)))),
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

fn device(binding: &HeaderBinding, claimed: &str, request: &Request) -> Option<Finding> {
    match request.headers.first(&binding.header) {
        Some(sent) if bytes::are_equal(sent, claimed.as_bytes()) && !claimed.is_empty() => None,
        Some(sent) if std::str::from_utf8(sent).is_ok() => {
            Some(Finding::new(&DEVICE, format!("`{}` names another device", binding.header)))
        }
        _ => Some(Finding::new(&DEVICE, format!("no `{}`", binding.header))),
    }
}

/// The holder of a token mostly uses one program, whose name is compared with the one before and not hashed each time.
fn user_agent(claimed: &str, verified: &Verified, request: &Request) -> Option<Finding> {
    let agent = request.headers.first("user-agent").unwrap_or_default();
    let mut known = verified.agent.borrow_mut();
    if known.as_deref().is_some_and(|known| bytes::are_equal(known, agent)) {
        return None;
    }
    if !claimed.eq_ignore_ascii_case(&user_agent_hash(agent)) {
        return Some(Finding::new(&USER_AGENT, "another user agent"));
    }
    if agent.len() <= AGENT_BYTES_MAX {
        *known = Some(agent.into());
    }
    None
}

/// What a token carries for a user agent: the first 16 hex digits of its SHA-256.
pub fn user_agent_hash(agent: &[u8]) -> String {
    let hash = hmac_sha256::Hash::hash(agent);
    hash.iter().take(USER_AGENT_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

fn geo(binding: &HeaderBinding, claimed: &str, request: &Request) -> Option<Finding> {
    let seen = request.text(&binding.header)?;
    (!seen.eq_ignore_ascii_case(claimed)).then(|| Finding::new(&GEO, format!("source in {}", quoted(seen))))
}

fn session(binding: &SessionBinding, claimed: &str, request: &Request) -> Option<Finding> {
    let cookie = request.headers.first_cookie(&binding.cookie);
    let sent = cookie.or_else(|| request.headers.first(&binding.header));
    match sent {
        // A session id is a secret: how much of it is right must not show in the time.
        Some(sent) if !claimed.is_empty() && bytes::is_secret(sent, claimed.as_bytes()) => None,
        Some(_) => Some(Finding::new(&SESSION, "another session")),
        None => Some(Finding::new(&SESSION, "no session")),
    }
}
