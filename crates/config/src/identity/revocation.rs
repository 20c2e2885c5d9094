//! Where revocations come from, validated.

use super::RevocationEndpoint;
use crate::raw;
use crate::remote::Document;
use crate::{ConfigError, FailurePolicy, Minting, Path};

/// What tells that tokens no longer count.
#[derive(Debug)]
pub struct Revocation {
    /// A list that another service serves.
    pub list: Option<Document>,
    /// When there is none in time, or it is too old.
    pub on_unavailable: FailurePolicy,
    /// Where they are asked for.
    pub endpoint: Option<RevocationEndpoint>,
}

impl Revocation {
    pub(super) fn new(written: &raw::Revocation, minting: Option<&Minting>) -> Result<Self, ConfigError> {
        let path = Path::new("identity.revocation.list");
        if written.list.as_ref().is_some_and(|list| list.discovery) {
            return Err(ConfigError::new(
                path.member("discovery"),
                "there is no metadata of revocations: name the `uri`",
            ));
        }
        let list = written.list.as_ref().map(|list| Document::new(list, "revocations", "", &path)).transpose()?;
        let endpoint =
            written.endpoint.as_ref().map(|endpoint| RevocationEndpoint::new(endpoint, minting)).transpose()?;
        Ok(Self { list, on_unavailable: written.on_error, endpoint })
    }
}
