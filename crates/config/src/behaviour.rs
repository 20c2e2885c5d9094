//! The `behaviour` section, validated: what actors are watched for over several requests.

use super::adapt::permille;
use super::field::Field;
use super::{check_prefix, raw, ConfigError, Path};
use portcullis_base::time::Millis;

/// Shortest window: halves of it have whole seconds.
const WINDOW_MIN: Millis = Millis::from_secs(10);

/// Longest window.
const WINDOW_MAX: Millis = Millis::from_secs(86_400);

/// Most different things that a threshold may ask for: beyond, the estimate is too coarse.
const DISTINCT_MAX: u32 = 60;

/// Most different checks: their set is smaller.
const CHECKS_MAX: u32 = 16;

/// Most stages of an attack.
const STAGES_MAX: u8 = 5;

/// Most header fields whose values belong to a fingerprint.
const HEADERS_MAX: usize = 16;

/// What actors are watched for over several requests.
#[derive(Debug)]
pub struct Behaviour {
    /// How long things are remembered: half of it at least.
    pub window: Millis,
    /// Leading bits of an IPv4 source that are one actor.
    pub prefix_v4: u8,
    /// The same for IPv6.
    pub prefix_v6: u8,
    /// Who tries what there is.
    pub scanning: Scanning,
    /// Where accounts are logged in to.
    pub logins: Vec<Login>,
    /// Who tries accounts.
    pub stuffing: Stuffing,
    /// Who takes other names when it is refused.
    pub rotation: Rotation,
    /// Who does several of these things.
    pub chain: Chain,
    /// Whose the records are. Halves of another window have other ones.
    pub owners: Owners,
}

/// The owners of records, by what is counted in them. A name with one slash is none of a limit's.
#[derive(Debug)]
pub struct Owners {
    /// Paths answered with a fault.
    pub paths: String,
    /// Accounts whose login failed.
    pub accounts: String,
    /// Sources whose login failed.
    pub sources: String,
    /// Identities that were refused.
    pub identities: String,
    /// User agents that were refused.
    pub user_agents: String,
    /// Stages of an attack.
    pub chain: String,
}

impl Owners {
    fn new(window: Millis) -> Self {
        let owner = |what: &str| format!("behaviour.{what}/{}", window.as_u64());
        Self {
            paths: owner("paths"),
            accounts: owner("accounts"),
            sources: owner("sources"),
            identities: owner("identities"),
            user_agents: owner("user_agents"),
            chain: owner("chain"),
        }
    }
}

/// Thresholds of scanning.
#[derive(Debug)]
pub struct Scanning {
    /// Different paths with a faulty answer.
    pub paths: u32,
    /// Different checks that refused.
    pub checks: u32,
    /// Share of the requests, in thousandths, that must have a faulty answer.
    pub share: u32,
    /// Which answers are faulty.
    pub statuses: Vec<u16>,
}

/// Routes on which accounts are logged in to.
#[derive(Debug)]
pub struct Login {
    routes: Vec<String>,
    /// What names the account.
    pub account: Field,
    /// The service's answers to a failure.
    pub failed_statuses: Vec<u16>,
}

/// Thresholds of credential stuffing.
#[derive(Debug)]
pub struct Stuffing {
    /// Different accounts that failed from one source.
    pub accounts: u32,
    /// Different sources that failed for one account.
    pub sources: u32,
    /// Share of the logins, in thousandths, that must have failed.
    pub share: u32,
}

/// Thresholds of rotation.
#[derive(Debug)]
pub struct Rotation {
    /// Different identities (source, subject, user agent) that were refused under one fingerprint.
    pub identities: u32,
    /// Different user agents that were refused from one source.
    pub user_agents: u32,
    /// Share of the requests, in thousandths, that must have been refused.
    pub share: u32,
    /// Header fields whose values belong to the fingerprint, lower case.
    pub headers: Vec<String>,
}

/// Thresholds of the chain.
#[derive(Debug)]
pub struct Chain {
    /// Findings from which a stage counts as seen.
    pub findings: u8,
    /// Stages seen from which there is a finding.
    pub stages: u8,
    /// Share of the actor's requests, in thousandths, that must have gone wrong in one way or another.
    pub share: u32,
}

impl Behaviour {
    /// The section, where there is one. `routes` are the names that it may refer to.
    pub(super) fn new(document: &raw::Document, routes: &[&str]) -> Result<Option<Self>, ConfigError> {
        let Some(written) = &document.behaviour else { return Ok(None) };
        if !(WINDOW_MIN..=WINDOW_MAX).contains(&written.window.0) {
            return Err(ConfigError::new("behaviour.window", "expected 10s to 1d"));
        }
        for (name, prefix, max) in [("prefix_v4", written.prefix_v4, 32), ("prefix_v6", written.prefix_v6, 128)] {
            check_prefix(prefix, max, &Path::new("behaviour").member(name))?;
        }
        let raw::Behaviour { scanning, stuffing, rotation, chain, .. } = written;
        Ok(Some(Self {
            window: written.window.0,
            prefix_v4: written.prefix_v4,
            prefix_v6: written.prefix_v6,
            scanning: Scanning {
                paths: count(scanning.paths, DISTINCT_MAX, "scanning.paths")?,
                checks: count(scanning.checks, CHECKS_MAX, "scanning.checks")?,
                share: permille(scanning.share, 1.0, &Path::new("behaviour.scanning.share"))?,
                statuses: statuses(&scanning.statuses, &Path::new("behaviour.scanning.statuses"))?,
            },
            logins: logins(&written.logins, routes)?,
            stuffing: Stuffing {
                accounts: count(stuffing.accounts, DISTINCT_MAX, "stuffing.accounts")?,
                sources: count(stuffing.sources, DISTINCT_MAX, "stuffing.sources")?,
                share: permille(stuffing.share, 1.0, &Path::new("behaviour.stuffing.share"))?,
            },
            rotation: Rotation {
                identities: count(rotation.identities, DISTINCT_MAX, "rotation.identities")?,
                user_agents: count(rotation.user_agents, DISTINCT_MAX, "rotation.user_agents")?,
                share: permille(rotation.share, 1.0, &Path::new("behaviour.rotation.share"))?,
                headers: headers(&rotation.headers)?,
            },
            chain: Chain {
                findings: count(chain.findings, u8::MAX, "chain.findings")?,
                stages: count(chain.stages, STAGES_MAX, "chain.stages")?,
                share: permille(chain.share, 1.0, &Path::new("behaviour.chain.share"))?,
            },
            owners: Owners::new(written.window.0),
        }))
    }

    /// What a route logs in to, if it does.
    #[inline]
    pub fn login(&self, route: &str) -> Option<&Login> {
        self.logins.iter().find(|login| login.routes.iter().any(|name| name == route))
    }

    /// Whether something of the body is looked at on a route.
    pub(super) fn needs_body(&self, route: &str) -> bool {
        self.login(route).is_some_and(|login| login.account.needs_body())
    }
}

/// A threshold of at least one.
fn count<N: PartialOrd + From<u8> + std::fmt::Display>(value: N, most: N, key: &str) -> Result<N, ConfigError> {
    if value >= N::from(1) && value <= most {
        return Ok(value);
    }
    Err(ConfigError::new(Path::new("behaviour").member(key), format!("is {value}, expected 1 to {most}")))
}

fn statuses(written: &[u16], path: &Path<'_>) -> Result<Vec<u16>, ConfigError> {
    if !written.is_empty() && written.iter().all(|status| (100..=599).contains(status)) {
        return Ok(written.to_vec());
    }
    Err(ConfigError::new(path, "expected one or more status codes from 100 to 599"))
}

fn headers(written: &[String]) -> Result<Vec<String>, ConfigError> {
    if written.len() <= HEADERS_MAX && written.iter().all(|name| !name.is_empty()) {
        return Ok(written.iter().map(|name| name.to_ascii_lowercase()).collect());
    }
    let fault = format!("expected at most {HEADERS_MAX} names of header fields");
    Err(ConfigError::new("behaviour.rotation.headers", fault))
}

fn logins(written: &[raw::LoginRoute], routes: &[&str]) -> Result<Vec<Login>, ConfigError> {
    let mut logins: Vec<Login> = Vec::new();
    for (index, raw) in written.iter().enumerate() {
        let path = Path::entry_of("behaviour.logins", index);
        if raw.routes.is_empty() {
            return Err(ConfigError::new(path.member("routes"), "names no route"));
        }
        for (at, name) in raw.routes.iter().enumerate() {
            let path = path.entry("routes", at);
            if !routes.contains(&name.as_str()) {
                return Err(ConfigError::unknown(path, "route", name, routes));
            }
            if logins.iter().any(|other| other.routes.contains(name)) {
                return Err(ConfigError::new(path, format!("`{name}` is a login already")));
            }
        }
        let account = path.member("account");
        logins.push(Login {
            routes: raw.routes.clone(),
            account: Field::parse(&raw.account).ok_or_else(|| Field::unknown(&account, &raw.account))?,
            failed_statuses: statuses(&raw.failed_statuses, &path.member("failed_statuses"))?,
        });
    }
    Ok(logins)
}

#[cfg(test)]
mod tests {
    use crate::Config;
    use portcullis::stages::CHECKS;
    use serde_json::{json, Value};

    fn parse(behaviour: &Value) -> Result<Config, String> {
        let routes = json!([{"name": "login", "path": "/login"}, {"name": "other", "path": "/other"}]);
        let document = json!({"version": 1, "routes": routes, "behaviour": behaviour});
        Config::parse(document.to_string().as_bytes(), CHECKS).map_err(|fault| fault.to_string())
    }

    #[test]
    fn an_empty_section_has_the_documented_defaults() {
        let config = parse(&json!({})).unwrap();
        let behaviour = config.behaviour.as_ref().unwrap();
        assert_eq!((behaviour.window.as_u64(), behaviour.prefix_v4, behaviour.prefix_v6), (600_000, 32, 64));
        let (scanning, stuffing, rotation) = (&behaviour.scanning, &behaviour.stuffing, &behaviour.rotation);
        assert_eq!((scanning.paths, scanning.checks, scanning.share), (20, 5, 500));
        assert_eq!((stuffing.accounts, stuffing.sources, stuffing.share), (10, 10, 500));
        assert_eq!((rotation.identities, rotation.user_agents, rotation.share), (20, 10, 500));
        let chain = &behaviour.chain;
        assert_eq!((chain.findings, chain.stages, chain.share), (3, 2, 200));
        assert!(config.needs_memory() && !config.may_wait());
    }

    #[test]
    fn without_the_section_there_is_nothing() {
        let config = Config::parse(br#"{"version": 1}"#, CHECKS).unwrap();
        assert!(config.behaviour.is_none() && !config.needs_memory());
    }

    #[test]
    fn a_login_may_need_the_body() {
        let with = |account: &str| parse(&json!({"logins": [{"routes": ["login"], "account": account}]})).unwrap();
        let needs = |config: &Config, name: &str| {
            config.routes.iter().any(|(_, route)| route.name == name && route.needs_body())
        };
        let (by_body, by_header) = (with("body:user"), with("header:x-user"));
        assert!(needs(&by_body, "login") && !needs(&by_body, "other") && by_body.may_wait());
        assert!(!needs(&by_header, "login") && !by_header.may_wait());
    }

    #[test]
    fn faults_are_named_with_their_place() {
        let login = |login: Value| json!({"logins": [login]});
        for (written, place) in [
            (json!({"windw": "1m"}), "behaviour.windw: unknown field"),
            (json!({"window": "1s"}), "behaviour.window: expected 10s to 1d"),
            (json!({"prefix_v4": 33}), "behaviour.prefix_v4: "),
            (json!({"scanning": {"paths": 0}}), "behaviour.scanning.paths: is 0, expected 1 to 60"),
            (json!({"scanning": {"checks": 17}}), "behaviour.scanning.checks: is 17, expected 1 to 16"),
            (json!({"scanning": {"share": 1.5}}), "behaviour.scanning.share: "),
            (json!({"scanning": {"statuses": [99]}}), "behaviour.scanning.statuses: "),
            (json!({"stuffing": {"accounts": 61}}), "behaviour.stuffing.accounts: "),
            (json!({"stuffing": {"share": -1}}), "behaviour.stuffing.share: "),
            (json!({"rotation": {"identities": 0}}), "behaviour.rotation.identities: "),
            (json!({"rotation": {"headers": [""]}}), "behaviour.rotation.headers: "),
            (json!({"chain": {"share": 2}}), "behaviour.chain.share: "),
            (json!({"chain": {"stages": 6}}), "behaviour.chain.stages: is 6, expected 1 to 5"),
            (login(json!({"routes": [], "account": "body:user"})), "behaviour.logins[0].routes: names no route"),
            (login(json!({"routes": ["lgin"], "account": "body:user"})), "behaviour.logins[0].routes[0]: unknown"),
            (login(json!({"routes": ["login"], "account": "bdy:user"})), "behaviour.logins[0].account: "),
            (
                login(json!({"routes": ["login"], "account": "body:user", "failed_statuses": []})),
                "behaviour.logins[0].failed_statuses: ",
            ),
            (
                json!({"logins": [{"routes": ["login"], "account": "query:u"}, {"routes": ["login"], "account": "query:u"}]}),
                "behaviour.logins[1].routes[0]: `login` is a login already",
            ),
        ] {
            let fault = parse(&written).unwrap_err();
            assert!(fault.starts_with(place), "{written}: {fault}");
        }
    }
}
