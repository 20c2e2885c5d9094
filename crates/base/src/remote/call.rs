//! A call to another service, as the host is to make it.

use super::location::Location;
use crate::time::Millis;

/// An HTTP request to a cluster of Envoy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The cluster.
    pub cluster: String,
    /// The method.
    pub method: &'static str,
    /// Where it goes there.
    pub location: Location,
    /// Further header fields.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Option<String>,
    /// Longest wait for an answer.
    pub timeout: Millis,
    /// Bytes of an answer that are read at most.
    pub bytes_max: usize,
}

impl Call {
    /// All header fields, pseudo-header fields first.
    pub fn fields(&self) -> Vec<(&str, &str)> {
        let scheme = if self.location.secure { "https" } else { "http" };
        let pseudo = [
            (":method", self.method),
            (":scheme", scheme),
            (":authority", &self.location.authority),
            (":path", &self.location.path),
        ];
        let more = self.headers.iter().map(|(name, value)| (*name, value.as_str()));
        pseudo.into_iter().chain(more).collect()
    }
}
