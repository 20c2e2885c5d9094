//! The `inspect` section, validated: whether payloads are inspected, and where a detector is not believed.
//!
//! An exclusion names a detector, a place, a route, or several of them; what it leaves out is meant for all. A place may end in
//! `*`. Exclusions are compared only with what was found, so they cost harmless requests nothing.

use super::raw::{self, Document, Effect};
use super::routes::names;
use super::{each, ByName, ConfigError, FailurePolicy, Path};
use portcullis_base::finding::Check;

/// Exclusions of one document.
const EXCLUSIONS_MAX: usize = 1000;

/// Names of privileged fields.
const PRIVILEGED_FIELDS_MAX: usize = 200;

/// How payloads are inspected.
#[derive(Debug)]
pub struct Inspect {
    /// Whether bodies are, and so are held back until they are complete.
    pub bodies: bool,
    /// What a request gets of which something could not be inspected.
    pub on_uninspected: FailurePolicy,
    /// Names of fields that a client has no business to set: lower case, without hyphens and underscores, sorted.
    pub privileged_fields: Vec<String>,
    /// What a GraphQL request may ask for.
    pub graphql: GraphqlLimits,
    exclusions: Vec<Exclusion>,
    /// Checks that `checks` switches off, holds back or makes a note: what they find decides nothing.
    held_back: Vec<String>,
}

/// What a GraphQL request may ask for; see [`portcullis_base::request::graphql::shape`] for what is counted.
#[derive(Debug)]
pub struct GraphqlLimits {
    /// Nesting of selections.
    pub depth_max: u64,
    /// Aliases in a document.
    pub aliases_max: u64,
    /// Fields at the root of one operation.
    pub root_fields_max: u64,
    /// Directives in one place.
    pub directives_max: u64,
    /// Fields times the lengths of the lists that they are in.
    pub cost_max: u64,
    /// Operations sent in one array.
    pub batch_max: u64,
}

#[derive(Debug)]
struct Exclusion {
    route: Option<String>,
    place: Option<String>,
    check: Option<&'static str>,
}

impl Inspect {
    /// The section of a document, if it has one.
    pub(super) fn section(document: &Document, checks: &[&'static Check]) -> Result<Option<Self>, ConfigError> {
        let Some(written) = &document.inspect else { return Ok(None) };
        let decides_nothing = |tuning: &&raw::Tuning| tuning.mode.is_some() || tuning.effect == Some(Effect::Note);
        let held_back = document.checks.iter().filter(decides_nothing).map(|tuning| tuning.id.clone()).collect();
        Self::new(written, &names(&document.routes)?, checks).map(|section| Some(Self { held_back, ..section }))
    }

    fn new(written: &raw::Inspect, routes: &[&str], checks: &[&'static Check]) -> Result<Self, ConfigError> {
        if written.exclusions.len() > EXCLUSIONS_MAX {
            return Err(ConfigError::new("inspect.exclusions", format!("at most {EXCLUSIONS_MAX} exclusions")));
        }
        let exclusion = |own: &raw::Exclusion, path: &Path<'_>| Exclusion::new(own, routes, checks, path);
        Ok(Self {
            bodies: written.bodies,
            on_uninspected: written.on_error.uninspected,
            privileged_fields: fields(&written.privileged_fields)?,
            graphql: GraphqlLimits::new(&written.graphql)?,
            exclusions: each(&written.exclusions, &Path::new("inspect.exclusions"), exclusion)?,
            held_back: Vec::new(),
        })
    }

    /// Whether what a check finds decides nothing.
    #[inline]
    pub fn is_held_back(&self, check: &str) -> bool {
        self.held_back.iter().any(|own| own == check)
    }

    /// Whether what a check finds in a place of a route is not believed. With no place and no check: whether the whole route is
    /// left out.
    #[inline]
    pub fn is_excluded(&self, route: &str, place: &str, check: &str) -> bool {
        self.exclusions.iter().any(|exclusion| exclusion.covers(route, place, check))
    }
}

impl GraphqlLimits {
    fn new(written: &raw::Graphql) -> Result<Self, ConfigError> {
        let most = |name: &str, value: u64| match value {
            0 => Err(ConfigError::new(Path::new("inspect.graphql").member(name), "expected at least 1")),
            value => Ok(value),
        };
        Ok(Self {
            depth_max: most("depth_max", written.depth_max)?,
            aliases_max: written.aliases_max,
            root_fields_max: most("root_fields_max", written.root_fields_max)?,
            directives_max: written.directives_max,
            cost_max: most("cost_max", written.cost_max)?,
            batch_max: most("batch_max", written.batch_max)?,
        })
    }
}

/// Names of fields as they are compared.
fn fields(written: &[String]) -> Result<Vec<String>, ConfigError> {
    let fields: Vec<String> = written.iter().map(|name| canonical(name)).collect();
    if let Some(index) = fields.iter().position(String::is_empty) {
        return Err(ConfigError::new(
            Path::entry_of("inspect.privileged_fields", index),
            "has no letter or digit",
        ));
    }
    if fields.len() > PRIVILEGED_FIELDS_MAX {
        return Err(ConfigError::new(
            "inspect.privileged_fields",
            format!("at most {PRIVILEGED_FIELDS_MAX} names"),
        ));
    }
    let distinct: ByName<()> = fields.iter().map(|name| (name, ())).collect();
    Ok(distinct.names().map(str::to_owned).collect())
}

/// Longest name of a field that is compared whole.
const CANONICAL_CHARS_MAX: usize = 64;

/// A field's name as it is compared: lower case, without hyphens and underscores.
#[inline]
pub fn canonical(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase);
    letters.take(CANONICAL_CHARS_MAX).collect()
}

/// The bytes of [`canonical`] of a name that is ASCII.
#[inline]
pub fn canonical_ascii(name: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let letters = name.iter().filter(|byte| !matches!(byte, b'_' | b'-')).map(u8::to_ascii_lowercase);
    letters.take(CANONICAL_CHARS_MAX)
}

impl Exclusion {
    fn new(
        written: &raw::Exclusion,
        routes: &[&str],
        checks: &[&'static Check],
        path: &Path<'_>,
    ) -> Result<Self, ConfigError> {
        let raw::Exclusion { route, place, check } = written;
        if route.is_none() && place.is_none() && check.is_none() {
            return Err(ConfigError::new(
                path,
                "names no `route`, `place` or `check`: leave `inspect` out instead",
            ));
        }
        if let Some(unknown) = route.as_deref().filter(|name| !routes.contains(name)) {
            return Err(ConfigError::unknown(path.member("route"), "route", unknown, routes));
        }
        let known = || {
            checks
                .iter()
                .map(|check| check.id)
                .filter(|id| ["payload.", "graphql.", "agent."].iter().any(|start| id.starts_with(start)))
        };
        let check = check.as_deref().map(|name| {
            known().find(|id| *id == name).ok_or_else(|| {
                ConfigError::unknown(path.member("check"), "check", name, &known().collect::<Vec<_>>())
            })
        });
        if place.as_deref().is_some_and(str::is_empty) {
            return Err(ConfigError::new(path.member("place"), "is empty"));
        }
        Ok(Self { route: route.clone(), place: place.clone(), check: check.transpose()? })
    }

    fn covers(&self, route: &str, place: &str, check: &str) -> bool {
        let fits = |own: &Option<String>, other: &str| match own.as_deref() {
            None => true,
            Some(own) => own.strip_suffix('*').map_or(own == other, |start| other.starts_with(start)),
        };
        self.route.as_deref().is_none_or(|own| own == route)
            && fits(&self.place, place)
            && self.check.is_none_or(|own| own == check)
    }
}
