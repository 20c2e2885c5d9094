//! The `inspect` section, validated: whether payloads are inspected, and where a detector is not believed.
//!
//! An exclusion names a detector, a place, a route, or several of them; what it leaves out is meant for all. A place may end in
//! `*`. Exclusions are compared only with what was found, so they cost harmless requests nothing.

use super::raw::{self, Document};
use super::routes::names;
use super::{ConfigError, FailurePolicy};
use crate::finding::Check;

/// Exclusions of one document.
const EXCLUSIONS_MAX: usize = 1000;

/// How payloads are inspected.
#[derive(Debug)]
pub struct Inspect {
    /// Whether bodies are, and so are held back until they are complete.
    pub bodies: bool,
    /// What a request gets of which something could not be inspected.
    pub on_uninspected: FailurePolicy,
    exclusions: Vec<Exclusion>,
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
        Self::new(written, &names(&document.routes)?, checks).map(Some)
    }

    fn new(written: &raw::Inspect, routes: &[&str], checks: &[&'static Check]) -> Result<Self, ConfigError> {
        if written.exclusions.len() > EXCLUSIONS_MAX {
            return Err(ConfigError::new("inspect.exclusions", format!("at most {EXCLUSIONS_MAX} exclusions")));
        }
        let exclusions = written.exclusions.iter().enumerate();
        let exclusions = exclusions.map(|(index, exclusion)| {
            Exclusion::new(exclusion, routes, checks, &format!("inspect.exclusions[{index}]"))
        });
        Ok(Self {
            bodies: written.bodies,
            on_uninspected: written.on_error.uninspected,
            exclusions: exclusions.collect::<Result<_, _>>()?,
        })
    }

    /// Whether what a check finds in a place of a route is not believed. With no place and no check: whether the whole route is
    /// left out.
    pub fn is_excluded(&self, route: &str, place: &str, check: &str) -> bool {
        self.exclusions.iter().any(|exclusion| exclusion.covers(route, place, check))
    }
}

impl Exclusion {
    fn new(
        written: &raw::Exclusion,
        routes: &[&str],
        checks: &[&'static Check],
        path: &str,
    ) -> Result<Self, ConfigError> {
        let raw::Exclusion { route, place, check } = written;
        if route.is_none() && place.is_none() && check.is_none() {
            return Err(ConfigError::new(
                path,
                "names no `route`, `place` or `check`: leave `inspect` out instead",
            ));
        }
        if let Some(unknown) = route.as_deref().filter(|name| !routes.contains(name)) {
            return Err(ConfigError::unknown(format!("{path}.route"), "route", unknown, routes.iter().copied()));
        }
        let known = || checks.iter().map(|check| check.id).filter(|id| id.starts_with("payload."));
        let check = check.as_deref().map(|name| {
            known()
                .find(|id| *id == name)
                .ok_or_else(|| ConfigError::unknown(format!("{path}.check"), "check", name, known()))
        });
        if place.as_deref().is_some_and(str::is_empty) {
            return Err(ConfigError::new(format!("{path}.place"), "is empty"));
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
