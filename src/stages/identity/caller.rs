//! Who the caller turned out to be, and what is known of a token that proved it.
//!
//! A remembered token is asked the same of each request. What was found of it once and can only change in a known way is kept beside
//! its claims: until when its dates are in order, under which revocations it is good, which program it is bound to.

use super::binding::Bound;
use super::token;
use crate::config::identity::{ApiKey, ApiKeys, Identity, Issuer, Requirement};
use crate::jose::keys::KeyPrint;
use crate::jose::Claims;
use crate::time::Millis;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// Who the caller turned out to be.
#[derive(Debug, Default, Clone, PartialEq)]
pub enum Caller {
    /// Nobody has proved anything.
    #[default]
    Anonymous,
    /// The holder of a valid token or key.
    Verified(Rc<Verified>),
}

/// What a valid token or key proves.
#[derive(Debug, PartialEq)]
pub struct Verified {
    pub(super) origin: Origin,
    pub(super) issuer_name: String,
    pub(super) claims: Arc<Claims>,
    /// What its issuer calls it: a token's `jti`, a key's id.
    pub(super) name: Option<String>,
    /// Whether it names its holder (`cnf`, RFC 7800).
    pub(super) names_holder: bool,
    /// The key that signed it.
    pub(super) key: Option<KeyPrint>,
    /// Under which revocations it was found not to be revoked; see [`super::revocation`].
    pub(super) cleared: Cell<u64>,
    /// The requirement that it was last found to meet, by its place in the configuration.
    pub(super) met: Cell<Option<*const Requirement>>,
    /// What it says of its holder, once that was asked for.
    pub(super) bound: OnceCell<Bound>,
    /// The user agent that was found to be the token's.
    pub(super) agent: RefCell<Option<Box<[u8]>>>,
    /// From when to when its dates are known to be in order.
    pub(super) in_date: Cell<(Millis, Millis)>,
}

/// How a credential came to be believed.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// By the signature of an issuer of the configuration.
    Signed {
        /// Its place.
        issuer: usize,
    },
    /// By asking its issuer.
    Asked {
        /// How long the answer is believed.
        until: Millis,
    },
    /// By being one of the configuration's keys. Nobody has logged in with it, and it is the same each time.
    Key,
}

impl Verified {
    /// The claims of a token whose signature, dates and purpose were in order, by an issuer of the configuration.
    pub fn new(issuer: usize, issuer_name: String, claims: Claims) -> Self {
        Self::from(Origin::Signed { issuer }, issuer_name, claims)
    }

    pub(super) fn from(origin: Origin, issuer_name: String, claims: Claims) -> Self {
        let name = claims.text("jti").filter(|jti| !jti.is_empty()).map(str::to_owned);
        Self::named(origin, issuer_name, Arc::new(claims), name)
    }

    /// What a key of the configuration proves.
    pub(super) fn by_key(keys: &ApiKeys, key: &ApiKey) -> Self {
        Self::named(Origin::Key, keys.issuer.clone(), Arc::clone(&key.claims), Some(key.id.clone()))
    }

    fn named(origin: Origin, issuer_name: String, claims: Arc<Claims>, name: Option<String>) -> Self {
        let (cleared, met, bound, agent, in_date) = Default::default();
        let names_holder = claims.get("cnf").is_some();
        Self { origin, issuer_name, claims, name, names_holder, key: None, cleared, met, bound, agent, in_date }
    }

    /// How far the clock of whoever vouches for it may be from ours.
    pub fn clock_skew(&self, identity: &Identity) -> Millis {
        let skew = match self.origin {
            Origin::Signed { issuer } => identity.issuers.get(issuer).map(|issuer| issuer.clock_skew),
            Origin::Asked { .. } => identity.introspection.as_ref().map(|asked| asked.clock_skew),
            Origin::Key => None,
        };
        skew.unwrap_or_default()
    }

    /// Whether its dates are in order. What is in date stays so until it expires, unless the clock is set back.
    pub(super) fn is_in_date(&self, issuer: &Issuer, now: Millis) -> bool {
        let (since, until) = self.in_date.get();
        (since <= now && now < until)
            || token::check_dates(issuer, &self.claims, now).map(|until| self.in_date.set((now, until))).is_ok()
    }

    /// Whether an answer about it still counts.
    pub(super) fn is_believed(&self, now: Millis) -> bool {
        matches!(self.origin, Origin::Asked { until } if now < until)
    }

    /// The claims.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// What its issuer calls it, where that tells it from all others of that issuer.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Who issued it.
    pub fn issuer(&self) -> &str {
        &self.issuer_name
    }

    pub(super) fn by(self, key: KeyPrint) -> Self {
        Self { key: Some(key), ..self }
    }
}

impl Caller {
    /// What a valid token or key says of the caller.
    pub fn claims(&self) -> Option<&Claims> {
        match self {
            Self::Anonymous => None,
            Self::Verified(verified) => Some(&verified.claims),
        }
    }

    /// Who vouches for the caller; empty if nobody does.
    pub fn issuer(&self) -> &str {
        match self {
            Self::Anonymous => "",
            Self::Verified(verified) => &verified.issuer_name,
        }
    }
}
