//! Documents of other services, key sets and lists of revocations: which of them to fetch, and what to make of the answers.
//!
//! The host makes the calls. What an answer is worth is decided here, and only what could be used is published for the other
//! workers. A document that is found by its issuer's metadata takes two calls.

use super::{Engine, World};
use crate::config::identity::{Issuer, Keys};
use crate::config::remote::Document;
use crate::config::Config;
use crate::json::{self, Bounds};
use crate::remote::answer::{Answer, Fault};
use crate::remote::call::Call;
use crate::remote::location::Location;
use crate::remote::{Lease, Outcome, State};
use crate::stages::identity::{keys, revocation};
use crate::time::Millis;
use serde_json::Value;

/// What the metadata of an issuer may contain.
const METADATA_BOUNDS: Bounds = Bounds { depth: 8, values: 4096 };

/// Only a question with a condition can be answered so.
const UNASKED: &str = "status 304, which nobody asked for";

/// Which document.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The keys of an issuer, by its place in the configuration.
    Keys(usize),
    /// The list of revocations.
    Revocations,
}

/// A document to fetch.
#[derive(Debug)]
pub struct Fetch {
    purpose: Purpose,
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
    /// Which document it is about.
    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Where it asks, in printable ASCII.
    pub fn place(&self) -> String {
        let scheme = if self.location.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.location.authority, self.location.path)
    }
}

/// The documents that a configuration has fetched.
pub fn documents(config: &Config) -> impl Iterator<Item = (Purpose, &Document)> {
    config.identity.iter().flat_map(|identity| {
        let keys = identity.issuers.iter().enumerate().filter_map(|(place, issuer)| match &issuer.keys {
            Keys::Served(document) => Some((Purpose::Keys(place), document)),
            Keys::Written(_) | Keys::Minted(_) => None,
        });
        let list = identity.revocation.as_ref().and_then(|revocation| revocation.list.as_ref());
        keys.chain(list.map(|document| (Purpose::Revocations, document)))
    })
}

impl Engine {
    /// Takes in what the workers of this process have fetched. Returns whether something has changed.
    pub fn look(&self) -> bool {
        let World { config, keys, revocations, shared, memory, .. } = self.world.as_ref();
        let Some(identity) = &config.identity else { return false };
        let keys = keys.borrow_mut().refresh(identity, shared.as_ref());
        revocations.borrow_mut().refresh_list(identity, memory, shared.as_ref()) || keys
    }

    /// The documents that are fetched, with what is known of them.
    pub fn documents(&self) -> Vec<(Purpose, State)> {
        let state = |(purpose, document): (Purpose, &Document)| {
            (purpose, document.remote.state(self.world.shared.as_ref()))
        };
        documents(self.config()).map(state).collect()
    }

    fn document(&self, purpose: Purpose) -> Option<&Document> {
        documents(self.config()).find(|(other, _)| *other == purpose).map(|(_, document)| document)
    }

    /// Takes out what this worker has to fetch now.
    pub fn fetches(&self, now: Millis) -> Vec<Fetch> {
        let begin = |(purpose, document): (Purpose, &Document)| {
            let lease = document.remote.begin(self.world.shared.as_ref(), &document.schedule, now)?;
            let location = document.location.clone();
            Some(Fetch { purpose, lease, location, discovering: document.discovery })
        };
        documents(self.config()).filter_map(begin).collect()
    }

    /// The call that a fetch takes. `None` for a document that is no longer needed.
    pub fn call(&self, fetch: &Fetch) -> Option<Call> {
        let document = self.document(fetch.purpose)?;
        let mut headers = vec![("accept", "application/json".to_owned())];
        let etag = fetch.lease.etag.clone().filter(|_| !fetch.discovering);
        headers.extend(etag.map(|etag| ("if-none-match", etag)));
        Some(Call {
            cluster: document.cluster.clone(),
            method: "GET",
            location: fetch.location.clone(),
            headers,
            body: None,
            timeout: document.timeout,
            bytes_max: document.bytes_max,
        })
    }

    /// Takes in an answer: what became of the fetch, or the next call.
    ///
    /// # Errors
    /// The next call.
    pub fn fetched(&self, fetch: Fetch, answer: Result<Answer, Fault>, now: Millis) -> Result<Fetched, Fetch> {
        let shared = self.world.shared.as_ref();
        let Some(document) = self.document(fetch.purpose) else {
            return Ok(Fetched::Failed("it is no longer needed".to_owned()));
        };
        if fetch.discovering {
            match answer.and_then(|answer| self.discovered(&fetch, &answer)) {
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
                self.compiles(fetch.purpose, body).map_err(|why| Fault(why.to_owned()))?
            }
        }
        Ok(answer)
    }

    fn compiles(&self, purpose: Purpose, body: &[u8]) -> Result<(), &'static str> {
        match purpose {
            Purpose::Keys(issuer) => {
                let algorithms = self.issuer(issuer).map_or(&[][..], |issuer| &issuer.algorithms);
                keys::compile(body, algorithms).map(|_| ())
            }
            Purpose::Revocations => revocation::compile(body, &self.world.memory).map(|_| ()),
        }
    }

    fn issuer(&self, place: usize) -> Option<&Issuer> {
        self.config().identity.as_ref()?.issuers.get(place)
    }

    /// Where the issuer's metadata say that its keys are (OpenID Connect Discovery 1.0 §4.3): it must be this issuer's, and
    /// must not lead from a secure place to one that is not.
    fn discovered(&self, fetch: &Fetch, answer: &Answer) -> Result<Location, Fault> {
        let fault = |why: &str| Fault(why.to_owned());
        let Answer::Document { body, .. } = answer else {
            return Err(fault(UNASKED));
        };
        let metadata =
            json::parse(body, METADATA_BOUNDS).map_err(|_| fault("it is no JSON that has one meaning"))?;
        let member = |name: &str| metadata.get(name).and_then(Value::as_str);
        let issuer = match fetch.purpose {
            Purpose::Keys(place) => self.issuer(place).map(|issuer| issuer.name.as_str()),
            Purpose::Revocations => None,
        };
        if issuer.is_none() || member("issuer") != issuer {
            return Err(fault("`issuer` is another one's"));
        }
        let uri = member("jwks_uri").ok_or_else(|| fault("no `jwks_uri`"))?;
        let location = Location::parse(uri).map_err(|_| fault("`jwks_uri` is none that can be asked"))?;
        if self.document(fetch.purpose).is_some_and(|document| document.location.secure) && !location.secure {
            return Err(fault("`jwks_uri` is not https"));
        }
        Ok(location)
    }
}
