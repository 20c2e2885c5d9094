//! The `memory` and `limits` sections, validated.

use super::adapt::Adapt;
use super::field::Field;
use super::keys::{self, Context, KeyPart};
use super::raw::{self, Document, FailurePolicy, FleetMode, Mode};
use super::rules::compiled_plain;
use super::rules::schema::IN_BODY;
use super::{ByName, ConfigError, Path};
use portcullis_base::expression::{Expression, Kinds};
use portcullis_base::rate::{Algorithm, Rate};
use portcullis_base::time::Millis;
use std::num::NonZeroU64;

/// Limits of one configuration at most; each has its own statistics.
const LIMITS_MAX: usize = 100;

/// The memory that all workers share.
#[derive(Debug, Copy, Clone)]
pub struct Memory {
    /// Bytes that it may take, the host's bookkeeping included.
    pub budget_bytes: u64,
    /// What a request gets when its count could not be kept.
    pub on_contention: FailurePolicy,
}

/// One limit.
#[derive(Debug)]
pub struct Limit {
    /// Its name in configuration, statistics and receipts.
    pub name: String,
    /// Whose records its counts are: another algorithm or window counts anew.
    pub owner: String,
    /// The routes that it holds on; all, if there are none.
    routes: Vec<String>,
    /// What is counted together.
    pub key: Vec<KeyPart>,
    /// How it is counted.
    pub algorithm: Algorithm,
    /// How much is allowed.
    pub rate: Rate,
    /// Which requests it is for.
    pub when: When,
    /// Units of a request.
    pub cost: Cost,
    /// What it adapts to.
    pub adapt: Option<Adapt>,
    /// How it is shared with other Envoys.
    pub fleet: Option<FleetMode>,
    /// Leading bits of an IPv4 source that are counted together.
    pub prefix_v4: u8,
    /// The same for IPv6.
    pub prefix_v6: u8,
    /// Whether it is judged without effect, whatever its route.
    pub monitor: bool,
    /// Whether it can be applied only once the body is there.
    pub needs_body: bool,
}

/// Conditions, all of which must hold.
#[derive(Debug, Default)]
pub struct When {
    /// A condition as in `rules`.
    pub condition: Option<Expression>,
    /// One of these methods; all, if there are none.
    pub methods: Vec<String>,
    /// Values, each with those that are allowed.
    pub fields: Vec<(Field, Vec<String>)>,
    /// Whether the caller has proved nothing.
    pub anonymous: Option<bool>,
}

impl When {
    /// Whether there are none. All are looked at, which is less code on a request's way than to stop at the first.
    #[inline]
    pub fn is_always(&self) -> bool {
        let Self { condition, methods, fields, anonymous } = self;
        condition.is_none() & methods.is_empty() & fields.is_empty() & anonymous.is_none()
    }
}

/// How many units a request takes.
#[derive(Debug)]
pub struct Cost {
    /// Unless the method has its own.
    pub default: u64,
    /// By method.
    pub methods: ByName<u64>,
    /// A whole number in the request that takes the place of both where it is present, from 1 to `field_max`.
    pub field: Option<Field>,
    /// The most that `field` can make a request cost; what is more counts as so much.
    pub field_max: u64,
    /// So many bytes of the response cost a unit more, charged when it is over.
    pub response_unit: Option<NonZeroU64>,
}

impl Memory {
    pub(super) fn new(written: &raw::Memory) -> Self {
        Self { budget_bytes: written.budget.0, on_contention: written.on_error.contention }
    }
}

impl Limit {
    /// All limits, in the order written.
    pub(super) fn all(document: &Document, routes: &[&str]) -> Result<Vec<Self>, ConfigError> {
        let written = &document.limits;
        if written.len() > LIMITS_MAX {
            let fault = format!("has {} limits, at most {LIMITS_MAX}", written.len());
            return Err(ConfigError::new("limits", fault));
        }
        let bindings =
            document.identity.as_ref().map_or_else(Default::default, |identity| identity.bindings.clone());
        let mut limits: Vec<Self> = Vec::with_capacity(written.len());
        for (index, raw) in written.iter().enumerate() {
            let path = Path::entry_of("limits", index);
            if limits.iter().any(|other| other.name == raw.name) {
                return Err(ConfigError::new(path.member("name"), format!("`{}` is taken", raw.name)));
            }
            if raw.fleet.is_some() && document.fleet.is_none() {
                return Err(ConfigError::new(path.member("fleet"), "needs the section `fleet`, which says where"));
            }
            let interval = document.fleet.as_ref().map_or(Millis::default(), |fleet| fleet.sync_interval.0);
            if raw.fleet == Some(FleetMode::Synced) && interval.saturating_add(interval) > raw.window.0 {
                let fault = "is less than twice `fleet.sync_interval`: a window would end before it is reported";
                return Err(ConfigError::new(path.member("window"), fault));
            }
            check_routes(raw, &path, routes)?;
            limits.push(Self::new(raw, &path, &bindings, &document.routes)?);
        }
        Ok(limits)
    }

    fn new(
        written: &raw::Limit,
        path: &Path<'_>,
        bindings: &raw::Bindings,
        routes: &[raw::Route],
    ) -> Result<Self, ConfigError> {
        super::check_name(&written.name, &path.member("name"))?;
        for (name, prefix, max) in [("prefix_v4", written.prefix_v4, 32), ("prefix_v6", written.prefix_v6, 128)] {
            super::check_prefix(prefix, max, &path.member(name))?;
        }
        let context = Context { bindings, on: &written.routes, routes };
        let key = keys::key(&written.key, &path.member("key"), context)?;
        let when = When::new(&written.when, &path.member("when"), context)?;
        let cost = Cost::new(written, path)?;
        let algorithm = algorithm(written, path)?;
        Ok(Self {
            needs_body: key.iter().any(KeyPart::needs_body)
                || when.needs_body()
                || cost.field.as_ref().is_some_and(Field::needs_body),
            owner: format!("{}/{algorithm:?}/{}", written.name, written.window.0.as_u64()),
            name: written.name.clone(),
            routes: written.routes.clone(),
            key,
            algorithm,
            rate: rate(written, path)?,
            when,
            cost,
            adapt: written.adapt.as_ref().map(|adapt| Adapt::new(adapt, &path.member("adapt"))).transpose()?,
            fleet: written.fleet,
            prefix_v4: written.prefix_v4,
            prefix_v6: written.prefix_v6,
            monitor: written.mode == Some(Mode::Monitor),
        })
    }

    /// Whether it holds on the route of that name.
    pub(super) fn holds_on(&self, route: &str) -> bool {
        self.routes.is_empty() || self.routes.iter().any(|name| name == route)
    }

    /// Whether it depends on the actor's past.
    #[inline]
    pub fn uses_reputation(&self) -> bool {
        self.adapt.as_ref().is_some_and(|adapt| adapt.reputation.is_some())
    }
}

impl When {
    fn new(written: &raw::When, path: &Path<'_>, context: Context<'_>) -> Result<Self, ConfigError> {
        match written {
            raw::When::Condition(text) => {
                let condition = compiled_plain(Kinds::BOOL, text, path, context.on, context.routes)?;
                Ok(Self { condition: Some(condition), ..Self::default() })
            }
            raw::When::Values(values) => Self::of_values(values, path),
        }
    }

    fn of_values(written: &raw::WhenValues, path: &Path<'_>) -> Result<Self, ConfigError> {
        let mut fields: Vec<(Field, Vec<String>)> = Vec::new();
        let mut all = |values: &ByName<Vec<String>>, field: fn(&str) -> Option<Field>, section: &str| {
            for (name, allowed) in values.iter() {
                let field = field(name).ok_or_else(|| {
                    ConfigError::new(path.member(section), format!("`{}` names nothing", name.escape_debug()))
                })?;
                fields.push((field, allowed.clone()));
            }
            Ok::<(), ConfigError>(())
        };
        all(&written.claims, |name| Some(Field::Claim(name.to_owned())), "claims")?;
        all(&written.headers, |name| Some(Field::Header(name.to_ascii_lowercase())), "headers")?;
        all(&written.query, |name| Some(Field::Query(name.to_owned())), "query")?;
        all(&written.body, Field::body, "body")?;
        if !written.graphql_operations.is_empty() {
            fields.push((Field::GraphqlOperation, written.graphql_operations.clone()));
        }
        Ok(Self { condition: None, methods: written.methods.clone(), fields, anonymous: written.anonymous })
    }

    fn needs_body(&self) -> bool {
        let condition = self.condition.as_ref();
        self.fields.iter().any(|(field, _)| field.needs_body())
            || condition.is_some_and(|condition| IN_BODY.iter().any(|name| condition.needs(*name)))
    }
}

impl Cost {
    fn new(limit: &raw::Limit, path: &Path<'_>) -> Result<Self, ConfigError> {
        let written = &limit.cost;
        let path = path.member("cost");
        let field = written
            .field
            .as_deref()
            .map(|text| Field::parse(text).ok_or_else(|| Field::unknown(&path.member("field"), text)));
        if written.field_max == 0 {
            return Err(ConfigError::new(path.member("field_max"), "must be more than zero"));
        }
        let response_unit = written.response_unit.map(|size| {
            NonZeroU64::new(size.0)
                .ok_or_else(|| ConfigError::new(path.member("response_unit"), "must be more than zero"))
        });
        if response_unit.is_some() && (limit.algorithm == Algorithm::Concurrency || limit.fleet.is_some()) {
            let fault = "is charged afterwards, which neither `concurrency` nor a fleet limit can do";
            return Err(ConfigError::new(path.member("response_unit"), fault));
        }
        Ok(Self {
            default: written.default,
            methods: written.methods.clone(),
            field: field.transpose()?,
            field_max: written.field_max,
            response_unit: response_unit.transpose()?,
        })
    }
}

/// The limits that hold on a route, by their place in the list.
pub(super) fn on_route(limits: &[Limit], route: &str) -> Vec<usize> {
    limits.iter().enumerate().filter(|(_, limit)| limit.holds_on(route)).map(|(index, _)| index).collect()
}

/// Whether a limit of the route needs the body.
pub(super) fn need_body(limits: &[Limit], route: &str) -> bool {
    limits.iter().any(|limit| limit.needs_body && limit.holds_on(route))
}

/// Every route that a limit names must exist.
fn check_routes(limit: &raw::Limit, path: &Path<'_>, names: &[&str]) -> Result<(), ConfigError> {
    for (at, name) in limit.routes.iter().enumerate() {
        if !names.contains(&name.as_str()) && name != super::routes::UNMATCHED {
            return Err(ConfigError::unknown(path.entry("routes", at), "route", name, names));
        }
    }
    Ok(())
}

/// Windows that a fleet's service can count: the units of `envoy.type.v3.RateLimitUnit` up to a day.
const FLEET_WINDOWS: [Millis; 4] =
    [Millis::from_secs(1), Millis::from_secs(60), Millis::from_secs(3600), Millis::from_secs(86_400)];

fn algorithm(written: &raw::Limit, path: &Path<'_>) -> Result<Algorithm, ConfigError> {
    let Some(fleet) = written.fleet else { return Ok(written.algorithm) };
    if written.algorithm != Algorithm::FixedWindow {
        let fault = "a fleet limit counts in fixed windows, as its service does: expected `fixed_window`";
        return Err(ConfigError::new(path.member("algorithm"), fault));
    }
    if !FLEET_WINDOWS.contains(&written.window.0) {
        return Err(ConfigError::new(path.member("window"), "expected 1s, 1m, 1h or 1d for a fleet limit"));
    }
    if written.limit > u64::from(u32::MAX) {
        return Err(ConfigError::new(path.member("limit"), "is more than a fleet limit can be (32 bits)"));
    }
    if written.adapt.is_some() {
        return Err(ConfigError::new(path.member("adapt"), "a fleet limit is the same for every Envoy"));
    }
    Ok(match fleet {
        FleetMode::Strict => Algorithm::FixedWindow,
        FleetMode::Synced => Algorithm::SharedWindow,
    })
}

fn rate(written: &raw::Limit, path: &Path<'_>) -> Result<Rate, ConfigError> {
    let burst = written.burst.unwrap_or(written.limit);
    for (name, value) in [("limit", written.limit), ("burst", burst), ("window", written.window.0.as_u64())] {
        if value == 0 {
            return Err(ConfigError::new(path.member(name), "must be more than zero"));
        }
    }
    if written.burst.is_some() && written.algorithm != Algorithm::TokenBucket {
        return Err(ConfigError::new(path.member("burst"), "is for the algorithm `token_bucket` alone"));
    }
    let most = match written.algorithm {
        Algorithm::Concurrency => u64::from(u16::MAX),
        Algorithm::SlidingWindow | Algorithm::SharedWindow => u64::from(u32::MAX),
        Algorithm::TokenBucket | Algorithm::FixedWindow => u64::MAX >> 16,
    };
    if written.limit > most {
        return Err(ConfigError::new(path.member("limit"), format!("is {}, at most {most}", written.limit)));
    }
    Ok(Rate { limit: written.limit, window: written.window.0, burst })
}
