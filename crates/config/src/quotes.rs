//! The `quotes` section, validated: what the service has said, and clients have to keep to.
//!
//! A path names a value in a JSON document by its members and places: `items.0.price`. Within `each` it begins at the item, with
//! `$.` before it at the document. `each` goes through the lists that are marked `[*]`: `orders[*].lines[*]`.

use super::keys::{Context, KeyPart};
pub use super::raw::Compare;

use super::raw::{self, Document, Mode};
use super::workflows::{actor, check_routes, weight};
use super::{check_name, ConfigError, FailurePolicy, Path};
use portcullis_base::decimal::Decimal;
use portcullis_base::finding::Weight;
use portcullis_base::time::Millis;
use serde_json::Value;

/// Quotes of one configuration at most.
const QUOTES_MAX: usize = 32;

/// Names in a path at most.
const NAMES_MAX: usize = 16;

/// Lists in `each` at most: each multiplies what there is to look at.
const LISTS_MAX: usize = 3;

/// Shortest and longest life of a quote.
const LIFETIME: (Millis, Millis) = (Millis::from_secs(2), Millis::from_secs(30 * 86_400));

/// What the service has said, and clients have to keep to.
#[derive(Debug)]
pub struct Quote {
    /// Its name in findings.
    pub name: String,
    /// Whom the service told; `None` for a quote that holds for anyone.
    pub per: Option<KeyPart>,
    /// For how long.
    pub lifetime: Millis,
    /// What is remembered of answers.
    pub capture: Capture,
    /// What is asked of requests.
    pub assert: Assert,
    /// What its findings weigh, in place of what the checks say.
    pub weight: Option<Weight>,
    /// Whether it is judged without effect, whatever its route.
    pub monitor: bool,
    /// Whose records these are.
    pub owner: String,
}

/// What is remembered of answers.
#[derive(Debug)]
pub struct Capture {
    routes: Vec<String>,
    /// Where the items are.
    pub each: Each,
    /// What an item is known by; without it there is one value.
    pub key: Option<Place>,
    /// The value.
    pub value: Place,
    /// Its currency.
    pub currency: Option<Place>,
}

/// What is asked of requests.
#[derive(Debug)]
pub struct Assert {
    routes: Vec<String>,
    /// Where the items are.
    pub each: Each,
    /// What an item is known by.
    pub key: Option<Place>,
    /// What the client says the value is, if it says so.
    pub value: Option<Place>,
    /// How that has to compare with what was quoted.
    pub compare: Compare,
    /// What the client says the currency is.
    pub currency: Option<Place>,
    /// How many of an item.
    pub quantity: Option<Quantity>,
    /// What the client says all items amount to, at what was quoted.
    pub total: Option<Place>,
    /// How far a value may be from the quoted one.
    pub tolerance: Tolerance,
    /// What a request weighs for which there is no quote.
    pub missing: FailurePolicy,
    /// What a request gets that cannot be compared.
    pub on_error: FailurePolicy,
}

/// How many of an item.
#[derive(Debug)]
pub struct Quantity {
    /// Where the client says it.
    pub value: Place,
    /// At least.
    pub min: Decimal,
    /// At most.
    pub max: Option<Decimal>,
    /// Whether there may be nothing behind the point.
    pub whole: bool,
}

/// How far a value may be from the quoted one.
#[derive(Debug)]
pub struct Tolerance {
    absolute: u64,
    relative: u64,
}

/// Where the items of a document are: the parts of a path, each of which ends at a list. Without parts the document is the item.
#[derive(Debug)]
pub struct Each(pub Vec<Vec<String>>);

/// Where a value is.
#[derive(Debug)]
pub struct Place {
    from_document: bool,
    names: Vec<String>,
}

impl Quote {
    /// All quotes, in the order written. `routes` are the names that they may refer to.
    pub(super) fn all(document: &Document, routes: &[&str]) -> Result<Vec<Self>, ConfigError> {
        let written = &document.quotes;
        if written.len() > QUOTES_MAX {
            return Err(ConfigError::new("quotes", format!("has {} quotes, at most {QUOTES_MAX}", written.len())));
        }
        let bindings = document.identity.as_ref().map(|identity| identity.bindings.clone()).unwrap_or_default();
        let mut quotes: Vec<Self> = Vec::with_capacity(written.len());
        for (index, raw) in written.iter().enumerate() {
            let path = Path::entry_of("quotes", index);
            check_name(&raw.name, &path.member("name"))?;
            if quotes.iter().any(|other| other.name == raw.name) {
                return Err(ConfigError::new(path.member("name"), format!("`{}` is taken", raw.name)));
            }
            let per = match raw.per.as_str() {
                "anyone" => None,
                text => {
                    let on = [raw.capture.routes.clone(), raw.assert.routes.clone()].concat();
                    let context = Context { bindings: &bindings, on: &on, routes: &document.routes };
                    Some(actor(text, &path.member("per"), context)?)
                }
            };
            if per.as_ref().is_some_and(KeyPart::needs_body) {
                let fault = "is in the body: who asks for a quote does not send it";
                return Err(ConfigError::new(path.member("per"), fault));
            }
            quotes.push(Self::new(raw, per, &path, routes)?);
        }
        Ok(quotes)
    }

    fn new(
        written: &raw::Quote,
        per: Option<KeyPart>,
        path: &Path<'_>,
        routes: &[&str],
    ) -> Result<Self, ConfigError> {
        if !(LIFETIME.0..=LIFETIME.1).contains(&written.lifetime.0) {
            return Err(ConfigError::new(path.member("lifetime"), "expected 2s to 30d"));
        }
        let capture = Capture::new(&written.capture, &path.member("capture"), routes)?;
        let assert = Assert::new(&written.assert, &path.member("assert"), routes)?;
        if capture.key.is_some() != assert.key.is_some() {
            let fault = "`capture` and `assert` have to agree on whether there is a `key`";
            return Err(ConfigError::new(path, fault));
        }
        if assert.currency.is_some() && capture.currency.is_none() {
            return Err(ConfigError::new(path.member("assert.currency"), "no currency is captured"));
        }
        let shape = format!("{per:?} {capture:?}");
        let owner = format!("quote.{}/{}", written.name, super::digest(shape.as_bytes()));
        Ok(Self {
            name: written.name.clone(),
            per,
            lifetime: written.lifetime.0,
            capture,
            assert,
            weight: weight(written.effect, written.score, path)?,
            monitor: written.mode == Some(Mode::Monitor),
            owner,
        })
    }
}

impl Assert {
    /// Whether it asks something of requests on the route of that name.
    pub(super) fn is_on(&self, route: &str) -> bool {
        self.routes.iter().any(|name| name == route)
    }

    /// The names of members that it reads in requests.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let quantity = self.quantity.as_ref().map(|quantity| &quantity.value);
        let places =
            [self.key.as_ref(), self.value.as_ref(), self.currency.as_ref(), quantity, self.total.as_ref()];
        let names = places.into_iter().flatten().flat_map(|place| &place.names);
        self.each.0.iter().flatten().chain(names).map(String::as_str)
    }
}

impl Capture {
    fn new(written: &raw::Capture, path: &Path<'_>, routes: &[&str]) -> Result<Self, ConfigError> {
        check_routes(&written.routes, &path.member("routes"), routes)?;
        let place = |text: &Option<String>, name: &str| optional(text.as_deref(), &path.member(name));
        Ok(Self {
            routes: written.routes.clone(),
            each: Each::new(&written.each, &path.member("each"))?,
            key: place(&written.key, "key")?,
            value: Place::new(&written.value, &path.member("value"))?,
            currency: place(&written.currency, "currency")?,
        })
    }
}

impl Assert {
    fn new(written: &raw::Assert, path: &Path<'_>, routes: &[&str]) -> Result<Self, ConfigError> {
        check_routes(&written.routes, &path.member("routes"), routes)?;
        let place = |text: &Option<String>, name: &str| optional(text.as_deref(), &path.member(name));
        let assert = Self {
            routes: written.routes.clone(),
            each: Each::new(&written.each, &path.member("each"))?,
            key: place(&written.key, "key")?,
            value: place(&written.value, "value")?,
            compare: written.compare,
            currency: place(&written.currency, "currency")?,
            quantity: written
                .quantity
                .as_ref()
                .map(|own| Quantity::new(own, &path.member("quantity")))
                .transpose()?,
            total: place(&written.total, "total")?,
            tolerance: Tolerance::new(&written.tolerance, &path.member("tolerance"))?,
            missing: written.missing,
            on_error: written.on_error,
        };
        let Self { value, currency, quantity, total, .. } = &assert;
        if value.is_none() && currency.is_none() && quantity.is_none() && total.is_none() {
            return Err(ConfigError::new(path, "asserts none of `value`, `currency`, `quantity` and `total`"));
        }
        Ok(assert)
    }
}

impl Quantity {
    fn new(written: &raw::Quantity, path: &Path<'_>) -> Result<Self, ConfigError> {
        let min = decimal(&written.min, &path.member("min"))?;
        let max = written.max.as_ref().map(|max| decimal(max, &path.member("max"))).transpose()?;
        if max.is_some_and(|max| max < min) {
            return Err(ConfigError::new(path.member("max"), "is less than `min`"));
        }
        let value = Place::new(&written.value, &path.member("value"))?;
        Ok(Self { value, min, max, whole: written.whole })
    }
}

impl Tolerance {
    fn new(written: &raw::Tolerance, path: &Path<'_>) -> Result<Self, ConfigError> {
        let read = |value: &Value, name: &str, most: Option<u64>| {
            let path = path.member(name);
            let units = if value.is_null() { 0 } else { decimal(value, &path)?.millionths() };
            let units = u64::try_from(units).ok().filter(|units| most.is_none_or(|most| *units <= most));
            units.ok_or_else(|| ConfigError::new(path, "is out of range"))
        };
        Ok(Self {
            absolute: read(&written.absolute, "absolute", None)?,
            relative: read(&written.relative, "relative", Some(1_000_000))?,
        })
    }

    /// Whether two values are as good as equal.
    #[inline]
    pub fn allows(&self, value: Decimal, quoted: Decimal) -> bool {
        value.distance(quoted) <= self.absolute.saturating_add(quoted.share(self.relative))
    }
}

impl Each {
    fn new(text: &str, path: &Path<'_>) -> Result<Self, ConfigError> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let fault = || {
            ConfigError::new(
                path,
                format!("`{text}`: expected lists, each with `[*]` behind it: `order.lines[*]`"),
            )
        };
        let parts = text.strip_suffix("[*]").ok_or_else(fault)?;
        let part = |(at, part): (usize, &str)| match part.strip_prefix('.').unwrap_or(part) {
            "" if at == 0 => Ok(Vec::new()),
            names => names_of(names).ok_or_else(fault),
        };
        let lists: Vec<Vec<String>> = parts.split("[*]").enumerate().map(part).collect::<Result<_, _>>()?;
        if lists.len() > LISTS_MAX {
            return Err(ConfigError::new(
                path,
                format!("goes through {} lists, at most {LISTS_MAX}", lists.len()),
            ));
        }
        Ok(Self(lists))
    }
}

impl Place {
    fn new(text: &str, path: &Path<'_>) -> Result<Self, ConfigError> {
        let (from_document, rest) = text.strip_prefix("$.").map_or((false, text), |rest| (true, rest));
        let names = names_of(rest).ok_or_else(|| {
            ConfigError::new(
                path,
                format!("`{text}`: expected names with dots between them, such as `price.amount`"),
            )
        })?;
        Ok(Self { from_document, names })
    }

    /// The value, in an item of a document.
    #[inline]
    pub fn find<'v>(&self, item: &'v Value, document: &'v Value) -> Option<&'v Value> {
        within(if self.from_document { document } else { item }, &self.names)
    }
}

/// The value at a path of names and places.
#[inline]
pub fn within<'v>(value: &'v Value, names: &[String]) -> Option<&'v Value> {
    names.iter().try_fold(value, |value, name| match value {
        Value::Object(members) => members.get(name),
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The quotes that are captured on a route, and those that are asserted on it.
pub(super) fn on_route(quotes: &[Quote], route: &str) -> (Vec<usize>, Vec<usize>) {
    let those = |is_on: &dyn Fn(&Quote) -> bool| {
        quotes.iter().enumerate().filter(|(_, quote)| is_on(quote)).map(|(index, _)| index).collect()
    };
    let on = |routes: &[String]| routes.iter().any(|name| name == route);
    (those(&|quote| on(&quote.capture.routes)), those(&|quote| on(&quote.assert.routes)))
}

fn optional(text: Option<&str>, path: &Path<'_>) -> Result<Option<Place>, ConfigError> {
    text.map(|text| Place::new(text, path)).transpose()
}

fn names_of(text: &str) -> Option<Vec<String>> {
    let names: Vec<String> = text.split('.').map(str::to_owned).collect();
    let is_name = |name: &String| !name.is_empty() && !name.contains(['[', ']', '*', '$']);
    (names.len() <= NAMES_MAX && names.iter().all(is_name)).then_some(names)
}

fn decimal(value: &Value, path: &Path<'_>) -> Result<Decimal, ConfigError> {
    let fault = || {
        ConfigError::new(path, format!("is {value}, expected a number with at most six digits behind the point"))
    };
    Decimal::of(value).ok_or_else(fault)
}

#[cfg(test)]
mod tests;
