//! The `behaviour` section as it is written.

use crate::config::units::Duration;
use serde::Deserialize;

/// What actors are watched for over several requests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Behaviour {
    pub(crate) window: Duration,
    pub(crate) prefix_v4: u8,
    pub(crate) prefix_v6: u8,
    pub(crate) scanning: Scanning,
    pub(crate) logins: Vec<LoginRoute>,
    pub(crate) stuffing: Stuffing,
    pub(crate) rotation: Rotation,
    pub(crate) chain: Chain,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Scanning {
    pub(crate) paths: u32,
    pub(crate) checks: u32,
    pub(crate) share: f64,
    pub(crate) statuses: Vec<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginRoute {
    pub(crate) routes: Vec<String>,
    pub(crate) account: String,
    #[serde(default = "failed_statuses")]
    pub(crate) failed_statuses: Vec<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Stuffing {
    pub(crate) accounts: u32,
    pub(crate) sources: u32,
    pub(crate) share: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rotation {
    pub(crate) identities: u32,
    pub(crate) user_agents: u32,
    pub(crate) share: f64,
    pub(crate) headers: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Chain {
    pub(crate) findings: u8,
    pub(crate) stages: u8,
    pub(crate) share: f64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(600),
            prefix_v4: 32,
            prefix_v6: 64,
            scanning: Scanning::default(),
            logins: Vec::new(),
            stuffing: Stuffing::default(),
            rotation: Rotation::default(),
            chain: Chain::default(),
        }
    }
}

impl Default for Scanning {
    fn default() -> Self {
        Self { paths: 20, checks: 5, share: 0.5, statuses: vec![400, 404, 405] }
    }
}

impl Default for Stuffing {
    fn default() -> Self {
        Self { accounts: 10, sources: 10, share: 0.5 }
    }
}

impl Default for Rotation {
    fn default() -> Self {
        let headers = ["accept", "accept-encoding", "accept-language"].map(str::to_owned).to_vec();
        Self { identities: 20, user_agents: 10, share: 0.5, headers }
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self { findings: 3, stages: 2, share: 0.2 }
    }
}

fn failed_statuses() -> Vec<u16> {
    vec![401, 403]
}
