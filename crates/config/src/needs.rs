//! What a configuration needs of the host: memory that the workers share, and requests that may wait.

use super::workflows::Workflow;
use super::{Config, FailurePolicy, Identity, Objects};

/// Room for the failed tokens of some 80,000 sources.
const FAILURES_BUDGET_BYTES: u64 = 4 << 20;

/// What `identity.replay.budget` is where there is no section `identity`.
const ONCE_BUDGET_BYTES: u64 = 4 << 20;

impl Config {
    /// Whether a request may have to wait: for its body, for the fleet, or for what identity asks of others.
    pub fn may_wait(&self) -> bool {
        let asks_others = self.identity.as_ref().is_some_and(Identity::asks_others);
        asks_others
            || self.minting.is_some()
            || self.inspect.as_ref().is_some_and(|inspect| inspect.bodies)
            || self.revocation_endpoint().is_some()
            || self.oauth.as_ref().is_some_and(|oauth| oauth.has_endpoints)
            || self.fleet.is_some()
            || self.exposure.is_some()
            || self.limits.iter().any(|limit| limit.needs_body)
            || self.rules.iter().any(|rule| rule.needs_body)
            || self.flows.need_bodies()
            || self.objects.as_ref().is_some_and(Objects::needs_bodies)
            || self.behaviour.iter().flat_map(|own| &own.logins).any(|login| login.account.needs_body())
    }

    /// Bytes for what is remembered about sources, tokens and actors. Without limits, counters of rules, the uses of tokens and
    /// behaviour there are failed tokens to remember at most, which need little.
    pub fn memory_budget_bytes(&self) -> u64 {
        let counts_uses = self.identity.as_ref().is_some_and(|identity| identity.usage.is_some());
        let counts = !self.limits.is_empty() || self.has_records() || self.counts_volume();
        let watches = self.objects.is_some() || self.anomaly.is_some() || self.behaviour.is_some();
        if !counts && !counts_uses && !watches {
            self.memory.budget_bytes.min(FAILURES_BUDGET_BYTES)
        } else {
            self.memory.budget_bytes
        }
    }

    /// Whether something may be seen once only: tokens and proofs, or steps of workflows whose state is in a token.
    pub fn needs_once(&self) -> bool {
        self.identity.as_ref().is_some_and(Identity::needs_once)
            || self.flows.workflows.iter().any(Workflow::needs_once)
    }

    /// Bytes for that.
    pub fn once_budget_bytes(&self) -> u64 {
        match &self.identity {
            _ if !self.needs_once() => 0,
            Some(identity) => identity.replay.budget_bytes,
            None => ONCE_BUDGET_BYTES,
        }
    }

    /// What a request gets whose one-time use cannot be remembered for want of room.
    pub fn on_once_full(&self) -> FailurePolicy {
        self.identity.as_ref().map_or(FailurePolicy::Deny, |identity| identity.replay.on_full)
    }

    /// Whether something is remembered about sources, tokens or actors.
    pub fn needs_memory(&self) -> bool {
        !self.limits.is_empty()
            || self.has_records()
            || self.objects.is_some()
            || self.anomaly.is_some()
            || self.behaviour.is_some()
            || self.counts_volume()
            || self.identity.as_ref().is_some_and(Identity::needs_memory)
    }

    fn has_records(&self) -> bool {
        !self.flows.is_empty() || self.rules.iter().any(|rule| !rule.counters.is_empty())
    }

    fn counts_volume(&self) -> bool {
        self.exposure.as_ref().is_some_and(|exposure| !exposure.volumes.is_empty())
    }
}
