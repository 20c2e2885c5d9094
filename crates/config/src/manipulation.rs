//! The `manipulation` section, validated: four indicators of who plays with a shop.

use super::keys::{Context, KeyPart};
use super::raw::{self, Document, Mode};
use super::rules::compiled_plain;
use super::rules::schema::IN_BODY;
use super::workflows::{actor, check_routes};
use super::{ConfigError, Path};
use portcullis_base::expression::{Expression, Kinds};
use portcullis_base::time::Millis;

/// Shortest and longest window.
const WINDOW: (Millis, Millis) = (Millis::from_secs(10), Millis::from_secs(86_400));

/// Most different values that a range may end at: beyond, the estimate is too coarse.
const DISTINCT_MAX: u32 = 60;

/// Most requests that a range may end at: what a record can count of a part of the window.
const REQUESTS_MAX: u32 = 60_000;

/// Who plays with prices, carts, discounts and stock.
#[derive(Debug)]
pub struct Manipulation {
    /// Who is watched.
    pub per: KeyPart,
    /// For how long things are remembered, at least.
    pub window: Millis,
    /// The risk, in thousandths, above which requests are refused.
    pub threshold: u32,
    /// Those configured, in a fixed order.
    pub indicators: Vec<Indicator>,
    /// Whether it is judged without effect.
    pub monitor: bool,
    /// Whether something is found in the body.
    pub needs_body: bool,
    routes: Vec<String>,
}

/// One indicator: from nothing to certainty, by how many requests there were or how many different values they had.
#[derive(Debug)]
pub struct Indicator {
    /// Its name in configuration and findings.
    pub name: &'static str,
    routes: Vec<String>,
    /// Up to so many are everybody's.
    pub from: u32,
    /// So many are nobody's.
    pub to: u32,
    /// What of a request is counted once for each value; requests themselves, if there is nothing.
    pub distinct: Option<Expression>,
    /// Whose records these are.
    pub owner: String,
}

impl Manipulation {
    /// The section, where there is one.
    pub(super) fn section(document: &Document, routes: &[&str]) -> Result<Option<Self>, ConfigError> {
        let Some(written) = &document.manipulation else { return Ok(None) };
        let bindings = document.identity.as_ref().map(|identity| identity.bindings.clone()).unwrap_or_default();
        if !(WINDOW.0..=WINDOW.1).contains(&written.window.0) {
            return Err(ConfigError::new("manipulation.window", "expected 10s to 1d"));
        }
        if !written.routes.is_empty() {
            check_routes(&written.routes, &Path::new("manipulation.routes"), routes)?;
        }
        let context = Context { bindings: &bindings, on: &written.routes, routes: &document.routes };
        let per = actor(&written.per, &Path::new("manipulation.per"), context)?;
        let raw::Manipulation { rapid_price_checks, cart_manipulation, discount_abuse, inventory_probing, .. } =
            written;
        let mut indicators = Vec::new();
        for (name, raw, range) in [
            ("rapid_price_checks", rapid_price_checks, (60, 240)),
            ("cart_manipulation", cart_manipulation, (20, 80)),
            ("discount_abuse", discount_abuse, (3, 10)),
            ("inventory_probing", inventory_probing, (30, 120)),
        ] {
            if let Some(raw) = raw {
                indicators.push(Indicator::new(name, raw, range, written.window.0, document, routes)?);
            }
        }
        if indicators.is_empty() {
            let fault =
                "has none of `rapid_price_checks`, `cart_manipulation`, `discount_abuse`, `inventory_probing`";
            return Err(ConfigError::new("manipulation", fault));
        }
        let looks = |indicator: &Indicator| {
            indicator.distinct.iter().any(|value| IN_BODY.iter().any(|name| value.needs(*name)))
        };
        Ok(Some(Self {
            needs_body: per.needs_body() || indicators.iter().any(looks),
            per,
            window: written.window.0,
            threshold: super::adapt::permille(written.threshold, 1.0, &Path::new("manipulation.threshold"))?,
            indicators,
            monitor: written.mode == Some(Mode::Monitor),
            routes: written.routes.clone(),
        }))
    }

    /// Whether requests on a route are judged.
    #[inline]
    pub fn judges(&self, route: &str) -> bool {
        self.routes.iter().any(|name| name == route) || self.indicators.iter().any(|own| own.is_on(route))
    }
}

impl Indicator {
    fn new(
        name: &'static str,
        written: &raw::Indicator,
        (from, to): (u32, u32),
        window: Millis,
        document: &Document,
        routes: &[&str],
    ) -> Result<Self, ConfigError> {
        let section = Path::new("manipulation");
        let path = section.member(name);
        check_routes(&written.routes, &path.member("routes"), routes)?;
        let distinct = written.distinct.as_ref().map(|text| {
            compiled_plain(Kinds::ANY, text, &path.member("distinct"), &written.routes, &document.routes)
        });
        let distinct = distinct.transpose()?;
        let most = if distinct.is_some() { DISTINCT_MAX } else { REQUESTS_MAX };
        let (from, to) = (written.from.unwrap_or(from), written.to.unwrap_or(to.min(most)));
        if to <= from {
            return Err(ConfigError::new(
                path.member("to"),
                format!("is {to}, expected more than `from` ({from})"),
            ));
        }
        if to > most {
            return Err(ConfigError::new(path.member("to"), format!("is {to}, at most {most}")));
        }
        let kind = if distinct.is_some() { "distinct" } else { "count" };
        let owner = format!("manipulation.{name}/{kind}.{}", window.as_u64());
        Ok(Self { name, routes: written.routes.clone(), from, to, distinct, owner })
    }

    /// Whether requests on a route are counted.
    #[inline]
    pub fn is_on(&self, route: &str) -> bool {
        self.routes.iter().any(|name| name == route)
    }

    /// How much a number says, in thousandths.
    #[inline]
    pub fn degree(&self, number: i64) -> u32 {
        let above = number.saturating_sub(self.from.into()).max(0);
        let range = i64::from(self.to.saturating_sub(self.from)).max(1);
        let degree = above.saturating_mul(1000).checked_div(range).unwrap_or_default();
        u32::try_from(degree).unwrap_or(u32::MAX).min(1000)
    }
}

#[cfg(test)]
mod tests;
