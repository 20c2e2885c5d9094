//! The `exposure` section, validated: what responses may say, to whom, and what is done with the rest.
//!
//! Rules are tried in the order they are written, and the first one that is for the response decides: a rule for support agents
//! stands before the rule for all. A rule is for a response if its routes, statuses, scopes and claims all fit; what a rule leaves
//! out is meant for all.

mod paths;
mod shape;
mod volume;

pub use self::shape::{Place, Shape};
pub use self::volume::Volume;

use self::shape::Library;
use self::volume::volumes;
use super::raw::{self, Document, Mask, Treatment, Unchecked};
use super::routes::{names, UNMATCHED};
use super::{each, ByName, ConfigError, Path};
use portcullis_base::finding::Check;
use serde_json::json;

/// Rules of one kind in one document.
const RULES_MAX: usize = 200;

/// Paths of one allow-list.
const PATHS_MAX: usize = 1000;

/// Header fields that say too much.
const HEADERS_MAX: usize = 50;

/// Checks of the stage that are about no kind of value.
const NO_KINDS: [&str; 4] = ["fields", "header", "unchecked", "volume"];

/// What responses may say.
#[derive(Debug)]
pub struct Exposure {
    /// What is done with what the detectors find.
    pub rules: Vec<KindRule>,
    /// What fields JSON may have.
    pub fields: Vec<FieldRule>,
    /// Header fields that say too much, lower case, and what is done with them.
    pub headers: (Vec<String>, Treatment),
    /// How much an actor may take.
    pub volumes: Vec<Volume>,
    /// Whether services are asked for responses without compression, where a rule reads them.
    pub plain_responses: bool,
    /// What becomes of what cannot be checked.
    pub on_error: OnError,
    hash_key: String,
    /// Whether a check of what is found refuses by itself, whatever its rule does.
    refuses: bool,
}

/// Which responses, and whose.
#[derive(Debug, Default)]
pub struct Whom {
    routes: Vec<String>,
    statuses: Vec<Status>,
    /// Scopes that the caller must all have.
    pub scopes: Vec<String>,
    /// Claims of which the caller must have one of the values each.
    pub claims: ByName<Vec<String>>,
}

/// One status, or all of a class.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Status {
    One(u16),
    Class(u16),
}

/// What is done with some kinds of finds.
#[derive(Debug)]
pub struct KindRule {
    /// Where.
    pub whom: Whom,
    /// Ids of checks; none for all.
    kinds: Vec<&'static str>,
    /// From how many in one response on; each kind has its own number otherwise.
    pub at_least: Option<u32>,
    /// What.
    pub action: Treatment,
    /// How they are made unreadable; each kind has its own way otherwise.
    pub mask: Option<Mask>,
}

/// The fields that a response may have.
#[derive(Debug)]
pub struct FieldRule {
    /// Where.
    pub whom: Whom,
    /// Those that may pass.
    pub allow: Shape,
    /// What is done with others.
    pub action: Treatment,
    /// How they are made unreadable.
    pub mask: Mask,
}

/// What becomes of what cannot be checked.
#[derive(Debug)]
pub struct OnError {
    /// Longer than is read.
    pub too_long: Unchecked,
    /// Not there in time, or not handed over.
    pub late: Unchecked,
    /// Compressed.
    pub compressed: Unchecked,
    /// A part (206).
    pub partial: Unchecked,
    /// Not JSON, where fields are looked at.
    pub broken: Unchecked,
    /// JSON that is nested too deeply or has too many values.
    pub too_complex: Unchecked,
    /// Not text, or in a character set that is not like ASCII.
    pub unreadable: Unchecked,
}

impl Exposure {
    /// The section of a document, if it has one.
    pub(super) fn section(document: &Document, checks: &[&'static Check]) -> Result<Option<Self>, ConfigError> {
        let Some(written) = &document.exposure else { return Ok(None) };
        let routes = names(&document.routes)?;
        let lists = [("rules", written.rules.len()), ("fields", written.fields.len())];
        if let Some((name, _)) = lists.iter().find(|(_, length)| *length > RULES_MAX) {
            return Err(ConfigError::new(
                Path::new("exposure").member(name),
                format!("at most {RULES_MAX} rules"),
            ));
        }
        if written.openapi.is_some() && !written.schemas.is_empty() {
            return Err(ConfigError::new("exposure.schemas", "stand in `exposure.openapi` already"));
        }
        let schemas = json!({"components": {"schemas": written.schemas}});
        let library = match &written.openapi {
            Some(document) => Library { document, path: "exposure.openapi" },
            None => Library { document: &schemas, path: "exposure.schemas" },
        };
        let raw::ExposureOnError { too_long, late, compressed, partial, broken, too_complex, unreadable } =
            written.on_error;
        let exposure = Self {
            rules: each(&written.rules, &Path::new("exposure.rules"), |rule, path| {
                KindRule::new(rule, &routes, checks, path)
            })?,
            fields: each(&written.fields, &Path::new("exposure.fields"), |rule, path| {
                FieldRule::new(rule, &routes, &library, path)
            })?,
            headers: headers(&written.headers)?,
            volumes: volumes(&written.volume, &routes)?,
            plain_responses: written.plain_responses,
            on_error: OnError { too_long, late, compressed, partial, broken, too_complex, unreadable },
            hash_key: written.hash_key.as_ref().map_or_else(String::new, |key| key.0.clone()),
            refuses: document.checks.iter().any(refuses),
        };
        if exposure.hashes() && exposure.hash_key.len() < 16 {
            let fault = "expected at least 16 characters: without a key, hashes of short values can be looked up";
            return Err(ConfigError::new("exposure.hash_key", fault));
        }
        Ok(Some(exposure))
    }

    fn hashes(&self) -> bool {
        let hash = Some(Mask::Hash);
        self.rules.iter().any(|rule| rule.mask == hash) || self.fields.iter().any(|rule| Some(rule.mask) == hash)
    }

    /// The key of hashes that take the place of values.
    pub fn hash_key(&self) -> &[u8] {
        self.hash_key.as_bytes()
    }

    /// The volumes that count on a route, by their place.
    pub fn volumes_on<'a>(&'a self, route: &'a str) -> impl Iterator<Item = (usize, &'a Volume)> {
        self.volumes.iter().enumerate().filter(move |(_, volume)| volume.routes.iter().any(|name| name == route))
    }

    /// Whether a rule may change responses on a route, whatever their status and the caller.
    #[inline]
    pub fn may_change(&self, route: &str) -> bool {
        let changes = |action: Treatment| action > if self.refuses { Treatment::Pass } else { Treatment::Flag };
        self.rules.iter().any(|rule| rule.whom.is_on(route) && changes(rule.action))
            || self.fields.iter().any(|rule| rule.whom.is_on(route) && changes(rule.action))
    }

    /// Whether records of responses on a route are counted.
    #[inline]
    pub fn counts_records(&self, route: &str) -> bool {
        self.volumes_on(route).any(|(_, volume)| volume.counts_records())
    }
}

/// Whether a check of what is found in a body is made to refuse.
fn refuses(tuning: &raw::Tuning) -> bool {
    let kind = tuning.id.strip_prefix("exposure.");
    let is_of_body = kind.is_some_and(|kind| kind == "fields" || !NO_KINDS.contains(&kind));
    is_of_body && tuning.effect == Some(raw::Effect::Refuse) && tuning.mode.is_none()
}

impl Whom {
    fn new(
        routes: &[String],
        statuses: &[String],
        callers: (&[String], &ByName<Vec<String>>),
        known: &[&str],
        path: &Path<'_>,
    ) -> Result<Self, ConfigError> {
        let status = |text: &String, path: &Path<'_>| {
            let fault = "expected a status like `200`, or a class like `5xx`";
            Status::parse(text).ok_or_else(|| ConfigError::new(path, fault))
        };
        let (scopes, claims) = callers;
        Ok(Self {
            routes: known_routes(routes, known, path)?,
            statuses: each(statuses, &path.member("statuses"), status)?,
            scopes: scopes.to_vec(),
            claims: claims.clone(),
        })
    }

    /// Whether it is for responses on a route.
    #[inline]
    pub fn is_on(&self, route: &str) -> bool {
        self.routes.is_empty() || self.routes.iter().any(|name| name == route)
    }

    /// Whether it is for responses with a status.
    #[inline]
    pub fn has_status(&self, status: u16) -> bool {
        let fits = |one: &Status| match one {
            Status::One(code) => *code == status,
            Status::Class(class) => status / 100 == *class,
        };
        self.statuses.is_empty() || self.statuses.iter().any(fits)
    }
}

impl Status {
    fn parse(text: &str) -> Option<Self> {
        if let Some(class) = text.strip_suffix("xx") {
            return class.parse().ok().filter(|class| (1..=5).contains(class)).map(Self::Class);
        }
        text.parse().ok().filter(|code| (100..=599).contains(code)).map(Self::One)
    }
}

/// Routes that there are. What is on none can be named too.
fn known_routes(written: &[String], known: &[&str], path: &Path<'_>) -> Result<Vec<String>, ConfigError> {
    for (index, name) in written.iter().enumerate() {
        if name != UNMATCHED && !known.contains(&name.as_str()) {
            return Err(ConfigError::unknown(path.entry("routes", index), "route", name, known));
        }
    }
    Ok(written.to_vec())
}

impl KindRule {
    fn new(
        written: &raw::ExposureRule,
        routes: &[&str],
        checks: &[&'static Check],
        path: &Path<'_>,
    ) -> Result<Self, ConfigError> {
        let known = || {
            let named = checks.iter().filter_map(|check| Some((check.id, check.id.strip_prefix("exposure.")?)));
            named.filter(|(_, name)| !NO_KINDS.contains(name))
        };
        let kind = |name: &String, path: &Path<'_>| {
            let found = known().find(|(_, known)| known == name).map(|(id, _)| id);
            found.ok_or_else(|| {
                ConfigError::unknown(path, "kind", name, &known().map(|(_, name)| name).collect::<Vec<_>>())
            })
        };
        if written.at_least == Some(0) {
            return Err(ConfigError::new(path.member("at_least"), "expected at least 1"));
        }
        if written.mask.is_some() && written.action != Treatment::Mask {
            return Err(ConfigError::new(path.member("mask"), "goes with the action `mask`"));
        }
        Ok(Self {
            whom: Whom::new(&written.routes, &written.statuses, (&written.scopes, &written.claims), routes, path)?,
            kinds: each(&written.kinds, &path.member("kinds"), kind)?,
            at_least: written.at_least,
            action: written.action,
            mask: written.mask,
        })
    }

    /// Whether it is about what a check finds.
    #[inline]
    pub fn is_about(&self, check: &str) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&check)
    }
}

impl FieldRule {
    fn new(
        written: &raw::FieldRule,
        routes: &[&str],
        library: &Library<'_>,
        path: &Path<'_>,
    ) -> Result<Self, ConfigError> {
        let lists_nothing = written.allow.is_empty() && written.schema.is_none();
        if lists_nothing || written.allow.len() > PATHS_MAX {
            let fault = format!("expected 1 to {PATHS_MAX} paths like `id` or `items[].sku`, or a `schema`");
            return Err(ConfigError::new(path.member("allow"), fault));
        }
        if written.mask.is_some() && written.action != Treatment::Mask {
            return Err(ConfigError::new(path.member("mask"), "goes with the action `mask`"));
        }
        let schema = |text: &String, path: &Path<'_>| {
            let fault = "expected a path like `id`, `owner.*` or `items[].sku`";
            paths::schema(text).ok_or_else(|| ConfigError::new(path, fault))
        };
        let own = each(&written.allow, &path.member("allow"), schema)?;
        let allow = Shape::new(library, written.schema.as_deref(), &own, &path.member("schema"))?;
        Ok(Self {
            whom: Whom::new(&written.routes, &written.statuses, (&written.scopes, &written.claims), routes, path)?,
            allow,
            action: written.action,
            mask: written.mask.unwrap_or(Mask::Redact),
        })
    }
}

fn headers(written: &raw::HeaderRule) -> Result<(Vec<String>, Treatment), ConfigError> {
    if matches!(written.action, Treatment::Mask | Treatment::Block) {
        return Err(ConfigError::new("exposure.headers.action", "expected `pass`, `flag` or `remove`"));
    }
    let is_name = |name: &String| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if written.names.len() > HEADERS_MAX || !written.names.iter().all(is_name) {
        let fault = format!("expected at most {HEADERS_MAX} names of header fields");
        return Err(ConfigError::new("exposure.headers.names", fault));
    }
    Ok((written.names.iter().map(|name| name.to_ascii_lowercase()).collect(), written.action))
}

#[cfg(test)]
mod tests;
