//! Every token that was issued, and every refusal to issue one, on one line of JSON.
//!
//! It stands in Envoy's log, which has the time. Neither a token nor anything of a key is in it; the subject is the same keyed
//! hash as in receipts. `event.action` comes first, so that these lines are told from receipts at a glance.

use crate::config::Config;
use crate::receipt;
use crate::stages::identity::Caller;
use serde::Serialize;
use std::net::IpAddr;

/// What became of a request for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// It was issued.
    Issued(Box<Issued>),
    /// It was not.
    Refused {
        /// The error code of OAuth, or the public code of what refused the request.
        error: &'static str,
    },
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
}

impl Act {
    /// Every name that [`Act::name`] can give.
    pub const NAMES: [&'static str; 2] = ["issued", "refused"];

    /// Its name in the statistics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Issued(_) => "issued",
            Self::Refused { .. } => "refused",
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
