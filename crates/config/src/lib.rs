//! The configuration: one JSON document, read strictly, compiled once.
//!
//! [`Config::parse`] is the only way to a [`Config`], and whatever is wrong with the document is said there, with the
//! place and the likely remedy. Keys, routes and networks are compiled here, never per request.
//! Bounds: [`DOCUMENT_BYTES_MAX`], [`routes::ROUTES_MAX`], and those of each section.

// What clippy.toml cannot say: a test that overflows stops with a message, as it should.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "tests may panic"))]

pub mod adapt;
pub mod anomaly;
pub mod behaviour;
pub mod by_name;
pub mod error;
pub mod exposure;
pub mod field;
pub mod fleet;
pub mod flows;
pub mod identity;
pub mod inspect;
pub mod keys;
pub mod limits;
pub mod manipulation;
pub mod minting;
mod moment;
mod names;
mod needs;
pub mod oauth;
pub mod objects;
mod packs;
mod path;
pub mod quotes;
mod raw;
mod reading;
pub mod remote;
pub mod routes;
pub mod rules;
mod tuning;
mod units;
pub mod watched;
pub mod workflows;
#[cfg(feature = "schema")]
mod written;

pub use self::adapt::Reputation;
pub use self::anomaly::Anomaly;
pub use self::behaviour::Behaviour;
pub use self::by_name::ByName;
pub use self::error::ConfigError;
pub use self::exposure::Exposure;
pub use self::fleet::Fleet;
pub use self::flows::Flows;
pub use self::identity::{Identity, Requirement, RevocationEndpoint};
pub use self::inspect::Inspect;
pub use self::limits::{Limit, Memory};
pub use self::minting::Minting;
pub use self::oauth::Oauth;
pub use self::objects::Objects;
pub use self::raw::{
    AccessLog, Bound, Demand, FailurePolicy, FleetMode, Mask, Mode, SoftBinding, Treatment, Unchecked,
};
pub use self::routes::{Route, RouteId, Routes};
pub use self::rules::Rule;

use self::names::{check_name, check_path, check_prefix};
use self::path::{each, Path};
use self::raw::{Document, TunedMode};
use self::tuning::Tuning;
use portcullis_base::finding::{Check, Family, Finding, Score, Weight};
use portcullis_base::json::{self, Bounds};
use portcullis_base::time::Millis;

/// The version of the document's shape that this filter reads.
pub const VERSION: u32 = 1;

/// Largest document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 4 << 20;

/// What a document may contain.
const DOCUMENT_BOUNDS: Bounds = Bounds { depth: 32, values: 100_000 };

/// Hex digits of the document's SHA-256 that name it in receipts.
const DIGEST_DIGITS: usize = 12;

/// Everything that was decided when the configuration was loaded.
#[derive(Debug)]
pub struct Config {
    /// Names the document in receipts: the first 12 hex digits of its SHA-256.
    pub digest: String,
    /// Limits on the form of a request.
    pub request: RequestLimits,
    /// How much of a response is read.
    pub response: ResponseLimits,
    /// Where requests go.
    pub routes: Routes,
    /// Who is believed; `None` when callers need not be known.
    pub identity: Option<Identity>,
    /// The tokens that the filter itself issues.
    pub minting: Option<Minting>,
    /// Whether payloads are inspected, and how; `None` when they are not.
    pub inspect: Option<Inspect>,
    /// Good practice for OAuth, where it is asked for.
    pub oauth: Option<Oauth>,
    /// The memory that all workers share.
    pub memory: Memory,
    /// How often; routes refer to these by their place.
    pub limits: Vec<Limit>,
    /// What the business allows; routes refer to these by their place.
    pub rules: Vec<Rule>,
    /// Where rules find the names of an actor.
    pub actor: rules::Actor,
    /// What the business allows over several requests.
    pub flows: Flows,
    /// How an actor's past is weighed.
    pub reputation: Reputation,
    /// Whose things may be asked for, and how many; `None` for anything.
    pub objects: Option<Objects>,
    /// When something unusual is told; `None` for never.
    pub anomaly: Option<Anomaly>,
    /// What actors are watched for over several requests; `None` for nothing.
    pub behaviour: Option<Behaviour>,
    /// What responses may say; `None` when nobody looks.
    pub exposure: Option<Exposure>,
    /// The service by which several Envoys share limits.
    pub fleet: Option<Fleet>,
    /// What is reported.
    pub telemetry: Telemetry,
    caps: Vec<(Family, Score)>,
    tunings: ByName<Tuning>,
}

/// Limits on the form of a request.
#[derive(Debug)]
pub struct RequestLimits {
    /// Longest path with query, in bytes.
    pub path_bytes_max: usize,
    /// Most header fields.
    pub headers_max: usize,
    /// Most bytes of header names and values.
    pub header_bytes_max: usize,
    /// Most bytes of a body that are held back and read, where a rule needs it.
    pub body_read_max: usize,
    /// Longest wait for them.
    pub body_wait_max: Millis,
    /// What a request gets that Envoy does not show us.
    pub on_internal_error: FailurePolicy,
}

/// How much of a response is read, where a rule needs it.
#[derive(Debug)]
pub struct ResponseLimits {
    /// Most bytes of a body that are held back or copied.
    pub body_read_max: usize,
    /// Longest wait for them.
    pub body_wait_max: Millis,
}

/// Where risk turns into a challenge and into a denial.
#[derive(Debug, Copy, Clone, PartialEq)]
pub struct Thresholds {
    /// From here on a request is challenged.
    pub challenge: Score,
    /// From here on it is denied.
    pub deny: Score,
}

/// What is reported.
#[derive(Debug)]
pub struct Telemetry {
    /// Share of allowed requests that get a receipt.
    pub allow_sample: Score,
    /// Which requests leave their verdict for the access log.
    pub access_log: AccessLog,
    /// Mixed into the hash that stands for an actor, so that nobody can look up who it was.
    pub actor_salt: String,
    /// Whether the upstream is told verdict and risk.
    pub upstream_headers: bool,
    /// Whether responses tell what is left of the tightest limit.
    pub limit_headers: bool,
}

impl Config {
    /// Reads a document. `checks` is the table of everything that can be tuned.
    ///
    /// # Errors
    /// [`ConfigError`] for the first fault found.
    pub fn parse(document: &[u8], checks: &[&'static Check]) -> Result<Self, ConfigError> {
        Self::parse_with(document, checks, &|_| None)
    }

    /// The same for a document that may refer to variables of the environment.
    ///
    /// # Errors
    /// [`ConfigError`] for the first fault found, a variable that is not there among them.
    // Not inlined: what it does would be built for speed where it is called.
    #[inline(never)]
    pub fn parse_with(
        document: &[u8],
        checks: &[&'static Check],
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let mut written = read(document)?;
        if written.version != VERSION {
            return Err(ConfigError::new(
                "version",
                format!("is {}, this filter reads version {VERSION}", written.version),
            ));
        }
        packs::expand(&mut written)?;
        let thresholds = Thresholds::new(written.risk.thresholds, &Path::new("risk.thresholds"))?;
        let mut minting = written
            .minting
            .as_ref()
            .map(|minting| Minting::new(minting, &routes::names(&written.routes)?, environment))
            .transpose()?;
        let limits = Limit::all(&written, &routes::names(&written.routes)?)?;
        let rules = Rule::all(&written, &routes::names(&written.routes)?)?;
        let flows = Flows::new(&written, &routes::names(&written.routes)?)?;
        let behaviour = Behaviour::new(&written, &routes::names(&written.routes)?)?;
        let objects = Objects::section(&written)?;
        let identity = written.identity.as_ref().map(|own| Identity::new(own, minting.as_ref())).transpose()?;
        if let Some(minting) = &mut minting {
            minting.settle_subjects(identity.as_ref().map_or(&[], |identity| &identity.issuers))?;
        }
        let key_parameter =
            identity.as_ref().and_then(|own| own.api_keys.as_ref()).and_then(|keys| keys.query.as_deref());
        let oauth =
            written.oauth.as_ref().map(|own| Oauth::new(own, &written.routes, key_parameter)).transpose()?;
        let (oauth, endpoints) =
            oauth.map_or_else(Default::default, |(oauth, endpoints)| (Some(oauth), endpoints));
        let sections = routes::Sections {
            limits: &limits,
            rules: &rules,
            flows: &flows,
            behaviour: behaviour.as_ref(),
            objects: objects.as_ref(),
        };
        Ok(Self {
            digest: digest(document),
            request: RequestLimits::new(&written.request)?,
            response: ResponseLimits::new(&written.response)?,
            routes: Routes::compile(&written, thresholds, &sections, &endpoints)?,
            identity,
            minting,
            inspect: Inspect::section(&written, checks)?,
            oauth,
            memory: Memory::new(&written.memory),
            limits,
            rules,
            actor: rules::Actor::new(&written),
            flows,
            reputation: Reputation::new(&written.reputation)?,
            objects,
            anomaly: Anomaly::section(&written)?,
            behaviour,
            exposure: Exposure::section(&written, checks)?,
            fleet: written.fleet.as_ref().map(Fleet::new).transpose()?,
            telemetry: Telemetry::new(&written.telemetry)?,
            caps: tuning::caps(&written.risk.family_caps)?,
            tunings: tuning::tunings(&written.checks, checks)?,
        })
    }

    /// What a finding weighs under this configuration, and the mode it is to be judged in. `None` for a check that is
    /// switched off.
    #[inline]
    pub fn weigh(&self, finding: &Finding, mode: Mode) -> Option<(Weight, Mode)> {
        let tuning = self.tunings.get(finding.check.id).copied().unwrap_or_default();
        let weight = tuning.weight.or(finding.weight).unwrap_or(finding.check.weight);
        match tuning.mode {
            Some(TunedMode::Off) => None,
            // A check can be held back, never pushed beyond its route.
            Some(TunedMode::Monitor) => Some((weight, Mode::Monitor)),
            None if finding.held_back => Some((weight, Mode::Monitor)),
            None => Some((weight, mode)),
        }
    }

    /// Whether a finding refuses wherever its route is enforced: what comes after it may rely on that.
    #[inline]
    pub fn refuses(&self, finding: &Finding) -> bool {
        self.stops(finding, Mode::Enforce)
    }

    /// Whether a finding keeps a request from going on, on a route of this mode.
    #[inline]
    pub fn stops(&self, finding: &Finding, mode: Mode) -> bool {
        self.weigh(finding, mode) == Some((Weight::Refuse, Mode::Enforce))
    }

    /// Where tokens are revoked by request.
    #[inline]
    pub fn revocation_endpoint(&self) -> Option<&RevocationEndpoint> {
        self.identity.as_ref()?.revocation.as_ref()?.endpoint.as_ref()
    }

    /// How much a family can contribute to the risk.
    #[inline]
    pub fn cap(&self, family: Family) -> Score {
        let written = self.caps.iter().find(|(capped, _)| *capped == family);
        written.map_or(tuning::default_cap(family), |(_, cap)| *cap)
    }
}

#[inline(never)]
fn read(document: &[u8]) -> Result<Document, ConfigError> {
    if document.trim_ascii().is_empty() {
        return Err(ConfigError::new(
            "",
            "is empty: the filter's `configuration` (Istio: `pluginConfig`) is missing",
        ));
    }
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(ConfigError::new(
            "",
            format!("has {} bytes, at most {DOCUMENT_BYTES_MAX} are read", document.len()),
        ));
    }
    let value = json::parse(document, DOCUMENT_BOUNDS).map_err(|fault| ConfigError::new("", fault.to_string()))?;
    reading::read(&value).map_err(|fault| ConfigError::from_reading(&fault))
}

fn digest(document: &[u8]) -> String {
    let hash = hmac_sha256::Hash::hash(document);
    hash.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).take(DIGEST_DIGITS).map(char::from).collect()
}

impl RequestLimits {
    fn new(written: &raw::RequestLimits) -> Result<Self, ConfigError> {
        let bytes = |size: units::ByteSize, name: &str| match usize::try_from(size.0) {
            Ok(bytes) if bytes > 0 => Ok(bytes),
            _ => Err(ConfigError::new(Path::new("request").member(name), "must be more than zero")),
        };
        Ok(Self {
            path_bytes_max: bytes(written.path_bytes_max, "path_bytes_max")?,
            headers_max: bytes(units::ByteSize(written.headers_max.into()), "headers_max")?,
            header_bytes_max: bytes(written.header_bytes_max, "header_bytes_max")?,
            body_read_max: bytes(written.body_read_max, "body_read_max")?,
            body_wait_max: written.body_wait_max.0,
            on_internal_error: written.on_error.internal,
        })
    }
}

impl ResponseLimits {
    fn new(written: &raw::ResponseLimits) -> Result<Self, ConfigError> {
        let body_read_max = usize::try_from(written.body_read_max.0).ok().filter(|bytes| *bytes > 0);
        let fault = || ConfigError::new("response.body_read_max", "must be more than zero");
        Ok(Self { body_read_max: body_read_max.ok_or_else(fault)?, body_wait_max: written.body_wait_max.0 })
    }
}

impl Thresholds {
    fn new(written: raw::Thresholds, path: &Path<'_>) -> Result<Self, ConfigError> {
        let challenge = score(written.challenge, &path.member("challenge"))?;
        let deny = score(written.deny, &path.member("deny"))?;
        if challenge > deny || challenge.value() == 0.0 {
            let fault = format!("expected 0 < challenge ({}) <= deny ({})", written.challenge, written.deny);
            return Err(ConfigError::new(path, fault));
        }
        Ok(Self { challenge, deny })
    }
}

impl Telemetry {
    fn new(written: &raw::Telemetry) -> Result<Self, ConfigError> {
        Ok(Self {
            allow_sample: score(written.allow_sample, &Path::new("telemetry.allow_sample"))?,
            access_log: written.access_log,
            actor_salt: written.actor_salt.0.clone(),
            upstream_headers: written.upstream_headers,
            limit_headers: written.limit_headers,
        })
    }
}

fn score(value: f64, path: &Path<'_>) -> Result<Score, ConfigError> {
    Score::new(value).ok_or_else(|| ConfigError::new(path, format!("is {value}, expected a number from 0 to 1")))
}

#[cfg(test)]
mod tests;
