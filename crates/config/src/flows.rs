//! What a business allows over several requests: the sections `workflows`, `quotes` and `manipulation`.

use super::manipulation::Manipulation;
use super::quotes::{self, Quote};
use super::raw::Document;
use super::workflows::{self, Workflow};
use super::ConfigError;

/// What a business allows over several requests. Routes refer to its parts by their place.
#[derive(Debug)]
pub struct Flows {
    /// What is done in which order.
    pub workflows: Vec<Workflow>,
    /// What the service has said, and clients have to keep to.
    pub quotes: Vec<Quote>,
    /// Who plays with prices, carts, discounts and stock; `None` for nobody.
    pub manipulation: Option<Manipulation>,
}

impl Flows {
    pub(super) fn new(document: &Document, routes: &[&str]) -> Result<Self, ConfigError> {
        Ok(Self {
            workflows: Workflow::all(document, routes)?,
            quotes: Quote::all(document, routes)?,
            manipulation: Manipulation::section(document, routes)?,
        })
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.workflows.is_empty() && self.quotes.is_empty() && self.manipulation.is_none()
    }

    /// Whether something of the body is looked at, on any route.
    pub(super) fn need_bodies(&self) -> bool {
        self.workflows.iter().any(|workflow| workflow.needs_body)
            || !self.quotes.is_empty()
            || self.manipulation.as_ref().is_some_and(|manipulation| manipulation.needs_body)
    }

    /// Whether something of the body is looked at on a route.
    pub(super) fn need_body(&self, route: &str) -> bool {
        workflows::need_body(&self.workflows, route)
            || !quotes::on_route(&self.quotes, route).1.is_empty()
            || self.manipulation.as_ref().is_some_and(|own| own.needs_body && own.judges(route))
    }
}
