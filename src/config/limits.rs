//! The `memory` and `limits` sections, validated.

use super::raw::{self, FailurePolicy, Mode};
use super::ConfigError;
use crate::rate::{Algorithm, Rate};
use std::collections::BTreeMap;

/// Limits of one configuration at most; each has its own statistics.
const LIMITS_MAX: usize = 100;

/// Parts of a key at most.
const KEY_PARTS_MAX: usize = 8;

/// The memory that all workers share.
#[derive(Debug, Copy, Clone)]
pub struct Memory {
    /// Bytes that it may take, the host's bookkeeping included.
    pub budget_bytes: u64,
    /// What a request gets when its count could not be kept.
    pub on_contention: FailurePolicy,
}

/// One limit.
#[derive(Debug)]
pub struct Limit {
    /// Its name in configuration, statistics and receipts.
    pub name: String,
    /// What is counted together.
    pub key: Vec<KeyPart>,
    /// How it is counted.
    pub algorithm: Algorithm,
    /// How much is allowed.
    pub rate: Rate,
    /// Which requests it is for.
    pub when: When,
    /// Units of a request.
    pub cost: Cost,
    /// Leading bits of an IPv4 source that are counted together.
    pub prefix_v4: u8,
    /// The same for IPv6.
    pub prefix_v6: u8,
    /// Whether it is judged without effect, whatever its route.
    pub monitor: bool,
}

/// A part of what is counted together. One that a request does not have is replaced by the source address, so that
/// nobody escapes a limit by leaving something out, and nobody shares a count with all the others who did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPart {
    /// The source address.
    Source,
    /// The issuer and subject of a verified token.
    Subject,
    /// The client of a verified token: `client_id`, or else `azp` (RFC 9068 §2.2).
    Client,
    /// A claim of a verified token.
    Claim(String),
    /// A header field.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// The route.
    Route,
    /// The method.
    Method,
}

/// Conditions, all of which must hold.
#[derive(Debug)]
pub struct When {
    /// One of these methods; all, if there are none.
    pub methods: Vec<String>,
    /// Claims of a verified token and their allowed values.
    pub claims: BTreeMap<String, Vec<String>>,
    /// Header fields and their allowed values.
    pub headers: BTreeMap<String, Vec<String>>,
    /// Whether the caller has proved nothing.
    pub anonymous: Option<bool>,
}

/// How many units a request takes.
#[derive(Debug)]
pub struct Cost {
    /// Unless the method has its own.
    pub default: u64,
    /// By method.
    pub methods: BTreeMap<String, u64>,
}

impl Memory {
    pub(super) fn new(written: &raw::Memory) -> Self {
        Self { budget_bytes: written.budget.0, on_contention: written.on_error.contention }
    }
}

impl Limit {
    /// All limits, in the order written.
    pub(super) fn all(written: &[raw::Limit]) -> Result<Vec<Self>, ConfigError> {
        if written.len() > LIMITS_MAX {
            let fault = format!("has {} limits, at most {LIMITS_MAX}", written.len());
            return Err(ConfigError::new("limits", fault));
        }
        let mut limits: Vec<Self> = Vec::with_capacity(written.len());
        for (index, raw) in written.iter().enumerate() {
            let path = format!("limits[{index}]");
            if limits.iter().any(|other| other.name == raw.name) {
                return Err(ConfigError::new(format!("{path}.name"), format!("`{}` is taken", raw.name)));
            }
            limits.push(Self::new(raw, &path)?);
        }
        Ok(limits)
    }

    fn new(written: &raw::Limit, path: &str) -> Result<Self, ConfigError> {
        super::check_name(&written.name, &format!("{path}.name"))?;
        for (name, prefix, max) in [("prefix_v4", written.prefix_v4, 32), ("prefix_v6", written.prefix_v6, 128)] {
            super::check_prefix(prefix, max, &format!("{path}.{name}"))?;
        }
        Ok(Self {
            name: written.name.clone(),
            key: key(&written.key, path)?,
            algorithm: written.algorithm,
            rate: rate(written, path)?,
            when: When::new(&written.when),
            cost: Cost { default: written.cost.default, methods: written.cost.methods.clone() },
            prefix_v4: written.prefix_v4,
            prefix_v6: written.prefix_v6,
            monitor: written.mode == Some(Mode::Monitor),
        })
    }
}

impl When {
    fn new(written: &raw::When) -> Self {
        let lower = |(name, values): (&String, &Vec<String>)| (name.to_ascii_lowercase(), values.clone());
        Self {
            methods: written.methods.clone(),
            claims: written.claims.clone(),
            headers: written.headers.iter().map(lower).collect(),
            anonymous: written.anonymous,
        }
    }
}

/// The limits that hold on a route, by their place in the list.
pub(super) fn on_route(written: &[raw::Limit], route: &str) -> Vec<usize> {
    let holds = |limit: &raw::Limit| limit.routes.is_empty() || limit.routes.iter().any(|name| name == route);
    written.iter().enumerate().filter(|(_, limit)| holds(limit)).map(|(index, _)| index).collect()
}

/// Every route that a limit names must exist.
pub(super) fn check_routes(written: &[raw::Limit], names: &[&str]) -> Result<(), ConfigError> {
    for (index, limit) in written.iter().enumerate() {
        for (at, name) in limit.routes.iter().enumerate() {
            if !names.contains(&name.as_str()) && name != super::routes::UNMATCHED {
                let path = format!("limits[{index}].routes[{at}]");
                return Err(ConfigError::unknown(path, "route", name, names.iter().copied()));
            }
        }
    }
    Ok(())
}

fn rate(written: &raw::Limit, path: &str) -> Result<Rate, ConfigError> {
    let burst = written.burst.unwrap_or(written.limit);
    for (name, value) in [("limit", written.limit), ("burst", burst), ("window", written.window.0.as_u64())] {
        if value == 0 {
            return Err(ConfigError::new(format!("{path}.{name}"), "must be more than zero"));
        }
    }
    if written.burst.is_some() && written.algorithm != Algorithm::TokenBucket {
        return Err(ConfigError::new(format!("{path}.burst"), "is for the algorithm `token_bucket` alone"));
    }
    let most = match written.algorithm {
        Algorithm::Concurrency => u64::from(u16::MAX),
        Algorithm::SlidingWindow => u64::from(u32::MAX),
        Algorithm::TokenBucket | Algorithm::FixedWindow => u64::MAX >> 16,
    };
    if written.limit > most {
        return Err(ConfigError::new(format!("{path}.limit"), format!("is {}, at most {most}", written.limit)));
    }
    Ok(Rate { limit: written.limit, window: written.window.0, burst })
}

const PARTS: [&str; 9] =
    ["source", "subject", "client", "claim:…", "header:…", "cookie:…", "api_key", "route", "method"];

fn key(written: &[String], path: &str) -> Result<Vec<KeyPart>, ConfigError> {
    if written.is_empty() || written.len() > KEY_PARTS_MAX {
        let fault = format!("has {} parts, expected 1 to {KEY_PARTS_MAX}", written.len());
        return Err(ConfigError::new(format!("{path}.key"), fault));
    }
    let part = |(at, text): (usize, &String)| {
        key_part(text).ok_or_else(|| ConfigError::unknown(format!("{path}.key[{at}]"), "key part", text, PARTS))
    };
    written.iter().enumerate().map(part).collect()
}

fn key_part(text: &str) -> Option<KeyPart> {
    match text.split_once(':') {
        Some((_, "")) => None,
        Some(("claim", name)) => Some(KeyPart::Claim(name.to_owned())),
        Some(("header", name)) => Some(KeyPart::Header(name.to_ascii_lowercase())),
        Some(("cookie", name)) => Some(KeyPart::Cookie(name.to_owned())),
        Some(_) => None,
        None => match text {
            "source" => Some(KeyPart::Source),
            "subject" => Some(KeyPart::Subject),
            "client" => Some(KeyPart::Client),
            "api_key" => Some(KeyPart::Header("x-api-key".to_owned())),
            "route" => Some(KeyPart::Route),
            "method" => Some(KeyPart::Method),
            _ => None,
        },
    }
}
