//! Documents of other services, such as key sets: which of them to fetch, and what to make of the answers.
//!
//! The host makes the calls. What an answer is worth is decided here, and only what could be used is published for the other
//! workers. A document that is found by its issuer's metadata takes two calls.

use super::{Engine, World};
use crate::config::identity::Keys;
use crate::config::remote::Document;
use crate::json::{self, Bounds};
use crate::remote::answer::{Answer, Fault};
use crate::remote::location::Location;
use crate::remote::{Lease, Outcome, State};
use crate::stages::identity::keys;
use crate::time::Millis;
use serde_json::Value;

/// What the metadata of an issuer may contain.
const METADATA_BOUNDS: Bounds = Bounds { depth: 8, values: 4096 };

/// Only a question with a condition can be answered so.
const UNASKED: &str = "status 304, which nobody asked for";

/// A call to make: `GET` from a cluster of Envoy.
#[derive(Debug)]
pub struct Fetch {
    /// Place of the issuer whose keys they are.
    issuer: usize,
    lease: Lease,
    location: Location,
    /// Whether this asks for metadata.
    discovering: bool,
}

/// What became of a fetch.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetched {
    /// A new document.
    Changed,
    /// The one that was there is current.
    Current,
    /// None, or one that is of no use; with a reason for the operator.
    Failed(String),
}

impl Fetched {
    /// Every name in the statistics.
    pub const NAMES: [&'static str; 3] = ["changed", "current", "failed"];

    /// Its name in the statistics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Current => "current",
            Self::Failed(_) => "failed",
        }
    }
}

impl Fetch {
    /// Whose document it is, for statistics and log: the issuer's place in the configuration.
    pub const fn issuer(&self) -> usize {
        self.issuer
    }

    /// Header fields of the request, pseudo-header fields included.
    pub fn headers(&self) -> Vec<(&str, &str)> {
        let scheme = if self.location.secure { "https" } else { "http" };
        let mut headers = vec![
            (":method", "GET"),
            (":scheme", scheme),
            (":authority", &self.location.authority),
            (":path", &self.location.path),
            ("accept", "application/json"),
        ];
        headers
            .extend(self.lease.etag.as_deref().filter(|_| !self.discovering).map(|etag| ("if-none-match", etag)));
        headers
    }
}

impl World {
    fn document(&self, issuer: usize) -> Option<&Document> {
        match &self.config.identity.as_ref()?.issuers.get(issuer)?.keys {
            Keys::Served(document) => Some(document),
            Keys::Written(_) => None,
        }
    }
}

impl Engine {
    /// Takes in what the workers of this process have fetched. Returns whether something has changed.
    pub fn look(&self) -> bool {
        let World { config, keys, shared, .. } = self.world.as_ref();
        let identity = config.identity.as_ref();
        identity.is_some_and(|identity| keys.borrow_mut().refresh(identity, shared.as_ref()))
    }

    /// Issuers that serve their keys, by their place, with what is known of the fetches.
    pub fn served(&self) -> Vec<(usize, State)> {
        let issuers = self.config().identity.iter().flat_map(|identity| 0..identity.issuers.len());
        let served = issuers.filter(|issuer| self.world.document(*issuer).is_some());
        served.map(|issuer| (issuer, self.world.keys.borrow().state(issuer))).collect()
    }

    /// Takes out what this worker has to fetch now.
    pub fn fetches(&self, now: Millis) -> Vec<Fetch> {
        let shared = self.world.shared.as_ref();
        let begin = |issuer: usize| {
            let document = self.world.document(issuer)?;
            let lease = document.remote.begin(shared, &document.schedule, now)?;
            let location = document.location.clone();
            Some(Fetch { issuer, lease, location, discovering: document.discovery })
        };
        self.served().into_iter().filter_map(|(issuer, _)| begin(issuer)).collect()
    }

    /// The cluster to ask, the longest wait, and the most bytes to read of the answer.
    pub fn terms(&self, fetch: &Fetch) -> (&str, Millis, usize) {
        self.world.document(fetch.issuer).map_or(("", Millis::default(), 0), |document| {
            (document.cluster.as_str(), document.timeout, document.bytes_max)
        })
    }

    /// Takes in an answer: what became of the fetch, or the next call.
    ///
    /// # Errors
    /// The next call.
    pub fn fetched(&self, fetch: Fetch, answer: Result<Answer, Fault>, now: Millis) -> Result<Fetched, Fetch> {
        let shared = self.world.shared.as_ref();
        let Some(document) = self.world.document(fetch.issuer) else {
            return Ok(Fetched::Failed("the issuer is gone".to_owned()));
        };
        if fetch.discovering {
            match answer.and_then(|answer| self.discovered(fetch.issuer, &answer)) {
                Ok(location) => return Err(Fetch { location, discovering: false, ..fetch }),
                Err(Fault(why)) => {
                    document.remote.conclude(shared, &fetch.lease, &Outcome::Failed, now);
                    return Ok(Fetched::Failed(format!("metadata: {why}")));
                }
            }
        }
        let judged = answer.and_then(|answer| self.judged(&fetch, answer));
        let outcome = match &judged {
            Ok(Answer::Document { etag, body }) => Outcome::Fetched { etag: etag.as_deref(), body },
            Ok(Answer::NotModified) => Outcome::Unchanged,
            Err(_) => Outcome::Failed,
        };
        document.remote.conclude(shared, &fetch.lease, &outcome, now);
        let changed = self.look();
        Ok(match judged {
            Err(Fault(why)) => Fetched::Failed(why),
            Ok(_) if changed => Fetched::Changed,
            Ok(_) => Fetched::Current,
        })
    }

    /// An answer that can be used.
    fn judged(&self, fetch: &Fetch, answer: Answer) -> Result<Answer, Fault> {
        match &answer {
            Answer::NotModified if fetch.lease.etag.is_none() => return Err(Fault(UNASKED.to_owned())),
            Answer::NotModified => {}
            Answer::Document { body, .. } => {
                let issuers = self.config().identity.as_ref().map_or(&[][..], |identity| &identity.issuers);
                let algorithms = issuers.get(fetch.issuer).map_or(&[][..], |issuer| &issuer.algorithms);
                keys::compile(body, algorithms).map_err(|why| Fault(why.to_owned()))?;
            }
        }
        Ok(answer)
    }

    /// Where the issuer's metadata say that its keys are (OpenID Connect Discovery 1.0 §4.3): it must be this issuer's, and
    /// must not lead from a secure place to one that is not.
    fn discovered(&self, issuer: usize, answer: &Answer) -> Result<Location, Fault> {
        let fault = |why: &str| Fault(why.to_owned());
        let Answer::Document { body, .. } = answer else {
            return Err(fault(UNASKED));
        };
        let metadata =
            json::parse(body, METADATA_BOUNDS).map_err(|_| fault("it is no JSON that has one meaning"))?;
        let member = |name: &str| metadata.get(name).and_then(Value::as_str);
        let issuers = self.config().identity.as_ref().map_or(&[][..], |identity| &identity.issuers);
        if member("issuer") != issuers.get(issuer).map(|issuer| issuer.name.as_str()) {
            return Err(fault("`issuer` is another one's"));
        }
        let uri = member("jwks_uri").ok_or_else(|| fault("no `jwks_uri`"))?;
        let location = Location::parse(uri).map_err(|_| fault("`jwks_uri` is none that can be asked"))?;
        if self.world.document(issuer).is_some_and(|document| document.location.secure) && !location.secure {
            return Err(fault("`jwks_uri` is not https"));
        }
        Ok(location)
    }
}
