//! What routes demand of their callers, validated.

use super::Login;
use crate::raw;
use crate::{Bound, ByName, ConfigError, Demand, Path};

/// What the callers of a route must prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Whether a token is asked for.
    pub token: Demand,
    /// Whether a token is accepted once only.
    pub one_time: bool,
    /// How a token must be bound to its holder.
    pub binding: Option<Bound>,
    /// Scopes that must all be granted.
    pub scopes: Vec<String>,
    /// Claims, each with its allowed values; an empty list asks for presence alone.
    pub claims: ByName<Vec<String>>,
    /// How, and how lately, they must have logged in.
    pub login: Login,
    /// What satisfies a challenge: the same on every route.
    pub step_up: Login,
}

impl Requirement {
    /// What holds without an `identity` section: nobody can be known, so nobody is asked.
    pub(crate) fn none() -> Self {
        Self {
            token: Demand::Ignored,
            one_time: false,
            binding: None,
            scopes: Vec::new(),
            claims: ByName::new(),
            login: Login::default(),
            step_up: Login::default(),
        }
    }

    /// What holds on routes that no requirement names.
    ///
    /// # Errors
    /// A `step_up` that asks for nothing.
    pub(crate) fn general(written: &raw::Identity) -> Result<Self, ConfigError> {
        Ok(Self { token: written.default, step_up: Login::step_up(written.step_up.as_ref())?, ..Self::none() })
    }

    /// The requirement of each named route.
    pub(crate) fn by_route(written: &raw::Identity, names: &[&str]) -> Result<ByName<Self>, ConfigError> {
        let general = Self::general(written)?;
        let mut by_route = ByName::new();
        for (index, requirement) in written.requirements.iter().enumerate() {
            let path = Path::entry_of("identity.requirements", index);
            let login = Login::new(&requirement.acr_values, requirement.max_age, &path)?;
            let asks_token = requirement.one_time || requirement.binding.is_some() || !login.is_empty();
            let asks = asks_token || !requirement.scopes.is_empty() || !requirement.claims.is_empty();
            if asks && requirement.token != Demand::Required {
                return Err(ConfigError::new(
                    path,
                    "asks for scopes, claims, a login or one use, so `token` must be \"required\"",
                ));
            }
            if let Some(scope) = requirement.scopes.iter().find(|scope| !is_scope(scope)) {
                return Err(ConfigError::new(
                    path.member("scopes"),
                    format!("`{}` is no scope (RFC 6749 §3.3)", scope.escape_debug()),
                ));
            }
            let can_be_met = match requirement.binding {
                None => true,
                Some(Bound::Any) => written.holder.certificate.is_some() || written.holder.dpop.is_some(),
                Some(Bound::Certificate) => written.holder.certificate.is_some(),
                Some(Bound::Dpop) => written.holder.dpop.is_some(),
            };
            if !can_be_met {
                let fault = "demands a binding that `identity.holder` does not check";
                return Err(ConfigError::new(path.member("binding"), fault));
            }
            if requirement.routes.is_empty() {
                return Err(ConfigError::new(path.member("routes"), "names no route"));
            }
            for (at, name) in requirement.routes.iter().enumerate() {
                let place = path.entry("routes", at);
                if !names.contains(&name.as_str()) {
                    return Err(ConfigError::unknown(place, "route", name, names));
                }
                let own = Self {
                    token: requirement.token,
                    one_time: requirement.one_time,
                    binding: requirement.binding,
                    scopes: requirement.scopes.clone(),
                    claims: requirement.claims.clone(),
                    login: login.clone(),
                    step_up: general.step_up.clone(),
                };
                if by_route.insert(name, own).is_some() {
                    return Err(ConfigError::new(place, format!("route `{name}` already has a requirement")));
                }
            }
        }
        Ok(by_route)
    }
}

fn is_scope(scope: &str) -> bool {
    !scope.is_empty() && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
