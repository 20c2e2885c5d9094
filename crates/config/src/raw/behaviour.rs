//! The `behaviour` section as it is written.

use crate::reading::Written;
use crate::units::Duration;

/// What actors are watched for over several requests.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Behaviour {
    /// How long things are remembered, 10 s to 1 d; half of it at least.
    pub(crate) window: Duration,
    /// Leading bits of an IPv4 source that are one actor.
    pub(crate) prefix_v4: u8,
    /// Leading bits of an IPv6 source that are one actor.
    pub(crate) prefix_v6: u8,
    /// Who looks for what is not there.
    pub(crate) scanning: Scanning,
    /// Routes on which accounts are logged in to.
    pub(crate) logins: Vec<LoginRoute>,
    /// Who tries passwords of many accounts.
    pub(crate) stuffing: Stuffing,
    /// Who comes back under other names.
    pub(crate) rotation: Rotation,
    /// Who goes through several stages of an attack.
    pub(crate) chain: Chain,
}

/// Who looks for what is not there.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Scanning {
    /// Different paths with a faulty answer, 1 to 60.
    pub(crate) paths: u32,
    /// Different checks that refused, 1 to 16.
    pub(crate) checks: u32,
    /// Share of the requests that must have a faulty answer.
    pub(crate) share: f64,
    /// Which answers are faulty.
    pub(crate) statuses: Vec<u16>,
}

/// Routes on which accounts are logged in to.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginRoute {
    /// Names of routes.
    pub(crate) routes: Vec<String>,
    /// The field that names the account: `body:user`.
    pub(crate) account: String,
    /// How the service says no.
    #[serde(default = "failed_statuses")]
    pub(crate) failed_statuses: Vec<u16>,
}

/// Who tries passwords of many accounts.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Stuffing {
    /// Different accounts that failed from one source, 1 to 60.
    pub(crate) accounts: u32,
    /// Different sources that failed for one account, 1 to 60.
    pub(crate) sources: u32,
    /// Share of the logins that must have failed.
    pub(crate) share: f64,
}

/// Who comes back under other names.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rotation {
    /// Different sources, subjects and user agents that were refused under one fingerprint, 1 to 60.
    pub(crate) identities: u32,
    /// Different user agents that were refused from one source or for one subject, 1 to 60.
    pub(crate) user_agents: u32,
    /// Share of the requests that must have been refused.
    pub(crate) share: f64,
    /// Header fields whose values belong to a fingerprint.
    pub(crate) headers: Vec<String>,
}

/// Who goes through several stages of an attack.
#[derive(Debug, Written)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Chain {
    /// Findings from which a stage of an attack counts as seen, 1 to 255.
    pub(crate) findings: u8,
    /// Stages seen from which there is a finding, 1 to 5.
    pub(crate) stages: u8,
    /// Share of the actor's requests that must have gone wrong in one way or another.
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
