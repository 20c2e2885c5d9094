//! Every token that was issued and everything that was revoked, and every refusal of either, on one line of JSON.
//!
//! It stands in Envoy's log, which has the time. Neither a token nor anything of a key is in it; the subject is the same keyed
//! hash as in receipts. `event.action` comes first, so that these lines are told from receipts at a glance.

use crate::config::Config;
use crate::metrics;
use crate::receipt;
use crate::stages::identity::Caller;
use serde::Serialize;
use std::net::IpAddr;

/// Counts tokens that are issued.
pub const MINTING: &str = metrics::MINTING.name;

/// Counts what is revoked.
pub const REVOCATIONS: &str = metrics::REVOCATIONS.name;

/// What became of a request for a token, or for the end of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// It was issued.
    Issued(Box<Issued>),
    /// It was not.
    Refused {
        /// The error code of OAuth, or the public code of what refused the request.
        error: &'static str,
    },
    /// Something was revoked.
    Revoked(Box<Revoked>),
    /// What was to be revoked was worth nothing.
    Ineffective,
    /// Nothing was revoked.
    NotRevoked {
        /// The error code of OAuth, or the public code of what refused the request.
        error: &'static str,
    },
}

/// What was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// `token`, `subject`, `session` or `issuer`.
    pub target: &'static str,
    /// Whose tokens: an issuer of the configuration.
    pub issuer: String,
    /// The name of a token.
    pub jti: Option<String>,
    /// The subject, as receipts name him.
    pub whose: Option<String>,
    /// Only what was issued before that second is meant.
    pub before: Option<u64>,
    /// From which second on it does not matter any more.
    pub until: u64,
}

/// A token that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Its name.
    pub jti: String,
    /// For whom it is meant.
    pub audiences: Vec<String>,
    /// What it may.
    pub scope: String,
    /// The key that signed it.
    pub key_id: String,
    /// Claims that bind it.
    pub bindings: Vec<String>,
    /// How long it lives.
    pub lifetime_secs: u64,
}

/// Whom a line is about.
#[derive(Debug)]
pub struct About<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The request.
    pub request_id: &'a str,
    /// Whose token was handed over.
    pub caller: &'a Caller,
    /// The source address.
    pub source: Option<IpAddr>,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "event.action")]
    action: &'static str,
    #[serde(rename = "http.request.id")]
    request_id: &'a str,
    #[serde(rename = "user.hash")]
    actor: String,
    #[serde(flatten)]
    what: What<'a>,
    #[serde(rename = "portcullis.config")]
    config: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum What<'a> {
    Issued {
        #[serde(rename = "portcullis.token.jti")]
        jti: &'a str,
        #[serde(rename = "portcullis.token.audience")]
        audiences: &'a [String],
        #[serde(rename = "portcullis.token.scope")]
        scope: &'a str,
        #[serde(rename = "portcullis.token.kid")]
        key_id: &'a str,
        #[serde(rename = "portcullis.token.bindings")]
        bindings: &'a [String],
        #[serde(rename = "portcullis.token.lifetime_s")]
        lifetime_secs: u64,
    },
    Refused {
        #[serde(rename = "portcullis.error")]
        error: &'static str,
    },
    Revoked {
        #[serde(rename = "portcullis.revocation.target")]
        target: &'static str,
        #[serde(rename = "portcullis.revocation.issuer")]
        issuer: &'a str,
        #[serde(rename = "portcullis.token.jti", skip_serializing_if = "Option::is_none")]
        jti: Option<&'a str>,
        #[serde(rename = "portcullis.revocation.user.hash", skip_serializing_if = "Option::is_none")]
        whose: Option<&'a str>,
        #[serde(rename = "portcullis.revocation.issued_before", skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
        #[serde(rename = "portcullis.revocation.until")]
        until: u64,
    },
    Nothing {},
}

impl Act {
    /// Every name that [`Act::name`] can give where tokens are issued.
    pub const OF_MINTING: &'static [&'static str] = &["issued", "refused"];

    /// Every name that it can give where they are revoked.
    pub const OF_REVOCATION: &'static [&'static str] = &["revoked", "ineffective", "refused"];

    /// The statistic that counts it.
    pub const fn metric(&self) -> &'static str {
        match self {
            Self::Issued(_) | Self::Refused { .. } => MINTING,
            Self::Revoked(_) | Self::Ineffective | Self::NotRevoked { .. } => REVOCATIONS,
        }
    }

    /// Its name in the statistics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Issued(_) => "issued",
            Self::Refused { .. } | Self::NotRevoked { .. } => "refused",
            Self::Revoked(_) => "revoked",
            Self::Ineffective => "ineffective",
        }
    }

    /// The line.
    pub fn line(&self, about: &About<'_>) -> String {
        let (action, what) = match self {
            Self::Issued(issued) => {
                let Issued { jti, audiences, scope, key_id, bindings, lifetime_secs } = issued.as_ref();
                let lifetime_secs = *lifetime_secs;
                ("token_issued", What::Issued { jti, audiences, scope, key_id, bindings, lifetime_secs })
            }
            Self::Refused { error } => ("token_refused", What::Refused { error }),
            Self::Revoked(revoked) => {
                let Revoked { target, issuer, jti, whose, before, until } = revoked.as_ref();
                let (jti, whose) = (jti.as_deref(), whose.as_deref());
                let (before, until) = (*before, *until);
                ("token_revoked", What::Revoked { target, issuer, jti, whose, before, until })
            }
            Self::Ineffective => ("token_revocation_ineffective", What::Nothing {}),
            Self::NotRevoked { error } => ("token_revocation_refused", What::Refused { error }),
        };
        let line = Line {
            action,
            request_id: about.request_id,
            actor: receipt::actor(about.config, about.caller, about.source),
            what,
            config: &about.config.digest,
        };
        serde_json::to_string(&line).unwrap_or_default()
    }
}
