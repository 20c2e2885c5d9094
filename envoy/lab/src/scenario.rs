//! The examples as data: a configuration, the traffic that meets it, and what has to come of each request.
//!
//! A folder of `examples/` holds three files: `filter.json` (a complete configuration of the filter), `README.md`
//! (for people) and `scenario.json` (this module's format). The same scenarios are the filter's golden tests
//! (`tests/scenarios.rs`: natively and in a real Envoy) and its demo (`make demo`), so a demo cannot promise what
//! no test holds.
//!
//! # The format
//!
//! ```json
//! {
//!   "title": "…",
//!   "about": "one sentence",
//!   "exchanges": [
//!     {
//!       "who": "Ada",
//!       "does": "reads her order",
//!       "request": { "path": "/api/orders/o-1001", "tokens": [{}] },
//!       "expect": { "verdict": "allow", "status": 200 }
//!     }
//!   ]
//! }
//! ```
//!
//! - `who` and `does` make a sentence together.
//! - `request`: see [`request::Written`], and for its `tokens` [`token::Written`]. Defaults: `GET`, HTTP/1.1, no
//!   header fields, no body, no token. `{}` is a good token of the demo issuer for `ada`.
//! - `expect`: see [`Expect`].
//!
//! - `answer`: what the service answers, where that matters; see [`Answer`]. Without it the demo service answers; its shop
//!   (`/shop`) remembers what was done before.
//! - `before`: see [`Prelude`].
//! - `workers`: how many Envoy has; requests go to them in turns.
//! - `keep`: header fields of the answer, each with a name; in header fields of later requests `{kept:name}` stands for its value.
//!
//! Unknown keys are errors everywhere. Times in a token are relative to the replay, so a scenario never expires.
//! Bounds: none; the files are ours. Not covered: trailers, gRPC.

pub mod replay;
pub mod request;
pub mod token;

use crate::bootstrap::Bootstrap;
use crate::upstream::say::Answer;
use crate::workspace;
use anyhow::{ensure, Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// Values of header fields by their names.
pub type Kept = BTreeMap<String, String>;

/// One folder of `examples/`.
#[derive(Debug, Clone)]
pub struct Example {
    /// The folder's name, for instance `stolen-token`.
    pub name: String,
    /// The text of `filter.json`.
    pub filter: String,
    /// What is in `scenario.json`.
    pub scenario: Scenario,
}

/// The content of a `scenario.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// A headline.
    pub title: String,
    /// One sentence that says what is shown.
    pub about: String,
    /// How many workers Envoy has; 1 unless given.
    #[serde(default = "one")]
    pub workers: u32,
    /// The requests in the order they are made.
    pub exchanges: Vec<Exchange>,
}

/// One request and what has to come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Somebody.
    pub who: String,
    /// What somebody does.
    pub does: String,
    /// What is sent before, many times, of which nothing is promised.
    #[serde(default)]
    pub before: Vec<Prelude>,
    /// What is sent.
    request: request::Written,
    /// What the service answers, where that is the matter.
    pub answer: Option<Answer>,
    /// Header fields of the answer that somebody keeps, by the names under which.
    #[serde(default)]
    pub keep: Kept,
    /// What has to come of it.
    pub expect: Expect,
}

/// The same request many times, for what shows only after many. What comes of each is not looked at: a filter that counts
/// approximately has no promise to keep about the tenth of sixty.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prelude {
    /// How often.
    pub times: u32,
    /// The status that the service answers with; 200 unless given, and the shop knows better.
    #[serde(default = "ok")]
    pub status: u16,
    /// All of its answer, where that is the matter.
    pub answer: Option<Answer>,
    /// What is sent; `{n}` in its path, body, header fields and source is the number of the time, from 1.
    request: request::Written,
}

impl Prelude {
    /// Every request of it.
    pub fn requests(&self) -> impl Iterator<Item = request::Written> + '_ {
        (1..=self.times).map(|number| self.request.numbered(number).answered(self.answer.as_ref()))
    }
}

impl Exchange {
    /// The request as it is sent by who has kept these values.
    pub fn request(&self, kept: &Kept) -> request::Written {
        self.request.filled(kept).answered(self.answer.as_ref())
    }

    /// Keeps what is to be kept of an answer, of which a field is asked for by its name.
    pub fn keep<'a>(&self, kept: &mut Kept, field: impl Fn(&str) -> Option<&'a str>) {
        for (name, asked) in &self.keep {
            kept.extend(field(asked).map(|value| (name.clone(), value.to_owned())));
        }
    }
}

/// What has to come of a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// What the filter decides.
    pub verdict: Outcome,
    /// The status code that the client sees: the filter's, or else that of the service (or of Envoy).
    pub status: u16,
    /// The public code, for every verdict but `allow` and `none`.
    pub code: Option<String>,
    /// The body that the client gets, where the service's answer is the matter.
    pub body: Option<String>,
    /// Bytes of the service's answer, where limits depend on them.
    pub response_bytes: Option<u64>,
    /// The ids of the checks that found something: these and no others, in any order.
    #[serde(default)]
    pub findings: Vec<String>,
}

/// A verdict, carried out or only reported; or `none`, if Envoy itself refuses the request before any filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are those of the verdicts")]
pub enum Outcome {
    Allow,
    Challenge,
    Deny,
    WouldChallenge,
    WouldDeny,
    None,
}

impl Example {
    /// All examples, by name.
    pub fn all() -> Result<Vec<Example>> {
        let root = workspace().join("examples");
        let entries = fs::read_dir(&root).with_context(|| format!("no {}", root.display()))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut folders = paths.collect::<Result<Vec<_>, _>>()?;
        folders.retain(|path| path.is_dir());
        folders.sort();
        ensure!(!folders.is_empty(), "no examples in {}", root.display());
        folders.iter().map(|folder| Example::load(folder)).collect()
    }

    /// The example in this folder, which must have all three files.
    pub fn load(folder: &Path) -> Result<Example> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = |file: &str| {
            fs::read_to_string(folder.join(file))
                .with_context(|| format!("examples/{name} has no readable {file}"))
        };
        let _for_people = file("README.md")?;
        let scenario: Scenario = serde_json::from_str(&file("scenario.json")?)
            .with_context(|| format!("examples/{name}/scenario.json"))?;
        scenario.check().with_context(|| format!("examples/{name}/scenario.json"))?;
        Ok(Example { filter: file("filter.json")?, scenario, name })
    }

    /// The shipped Envoy configuration with this example's filter, in front of this service.
    ///
    /// One thing differs from what is shipped: Envoy writes the request's id into every response, which is how
    /// [`replay`] finds the line of the access log that belongs to it.
    pub fn bootstrap(&self, upstream: SocketAddr) -> Result<Bootstrap> {
        let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
        let bootstrap = Bootstrap::shipped()?.upstream(upstream).filter_config(&self.filter);
        let bootstrap =
            if self.scenario.workers > 1 { bootstrap.balanced(self.scenario.workers) } else { bootstrap };
        Ok(bootstrap.edit(|document| {
            if let Some(manager) = document.pointer_mut(manager) {
                manager["always_set_request_id_in_response"] = true.into();
            }
        }))
    }
}

const fn one() -> u32 {
    1
}

const fn ok() -> u16 {
    200
}

impl Scenario {
    /// A code goes with every verdict that refuses or would, and with no other.
    fn check(&self) -> Result<()> {
        ensure!(!self.exchanges.is_empty(), "there are no exchanges");
        for (index, Exchange { who, does, expect, .. }) in self.exchanges.iter().enumerate() {
            let coded = !matches!(expect.verdict, Outcome::Allow | Outcome::None);
            ensure!(
                coded == expect.code.is_some(),
                "exchanges[{index}] ({who} {does}): `{}` goes {} a code",
                expect.verdict,
                if coded { "with" } else { "without" }
            );
        }
        Ok(())
    }
}

impl Outcome {
    /// The name used in scenarios, in statistics and in the access log.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Allow => "allow",
            Outcome::Challenge => "challenge",
            Outcome::Deny => "deny",
            Outcome::WouldChallenge => "would_challenge",
            Outcome::WouldDeny => "would_deny",
            Outcome::None => "none",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Expect {
    /// Verdict and code as the access log has them: `allow`, `deny:token_expired`.
    pub fn summary(&self) -> String {
        match &self.code {
            Some(code) => format!("{}:{code}", self.verdict),
            None => self.verdict.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
