//! The `objects` section, validated: whose things may be asked for, how many of them, and what roles are used to.

use super::adapt::permille;
use super::field::Field;
use super::{check_name, raw, routes, ByName, ConfigError, Path};
use portcullis_base::time::Millis;

/// Kinds of one configuration at most.
const KINDS_MAX: usize = 64;

/// Windows of enumeration: halves of them have whole seconds.
const WINDOW: (Millis, Millis) = (Millis::from_secs(10), Millis::from_secs(86_400));

/// Most different objects that a threshold may ask for: beyond, the estimate is too coarse.
const DISTINCT_MAX: u32 = 60;

/// Longest row of neighbouring objects that is looked for.
const SEQUENTIAL_MAX: u32 = 16;

/// Most subjects that a use must have: beyond, the estimate is too coarse.
const SUBJECTS_MAX: u32 = 20;

/// Most requests that a role must have made.
const REQUESTS_MAX: u32 = 1_000_000;

/// Longest time that uses of a role are remembered, or learned.
const LEARNING_MAX: Millis = Millis::from_secs(365 * 86_400);

/// What is asked of those who ask for things.
#[derive(Debug)]
pub struct Objects {
    /// The kinds of things there are.
    pub kinds: Vec<Kind>,
    /// What is learned of roles; `None` for nothing.
    pub privilege: Option<Privilege>,
}

/// One kind of things, and where requests name them.
#[derive(Debug)]
pub struct Kind {
    /// Its name.
    pub name: String,
    /// The claim with the objects of a caller; `None` where everybody may ask for any.
    pub owner: Option<String>,
    /// Who may ask for any.
    pub unless: Unless,
    /// When there are too many; `None` for never.
    pub enumeration: Option<Enumeration>,
    places: ByName<Id>,
}

/// Where a request names its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Id {
    /// In a segment of the path, between what the template has around the parameter.
    Path {
        /// Which segment of the path in normal form, the first being 0.
        segment: usize,
        /// What stands before the parameter in it.
        before: String,
        /// What stands after it.
        after: String,
    },
    /// Elsewhere.
    Field(Field),
}

/// Callers to whom all objects are open: whoever has one of these scopes, or one of the values of one of these claims.
#[derive(Debug, Default)]
pub struct Unless {
    /// Scopes.
    pub scopes: Vec<String>,
    /// Claims with their values.
    pub claims: ByName<Vec<String>>,
}

/// When an actor asks for too many.
#[derive(Debug)]
pub struct Enumeration {
    /// How long objects are remembered: half of it at least.
    pub window: Millis,
    /// Different objects.
    pub distinct: u32,
    /// Objects in a row.
    pub sequential: u32,
    /// Share of the answers, in thousandths, that must have been 403 or 404.
    pub refused_share: u32,
    /// Whose the records are: of the ids, and of the row. Halves of another window have other ones.
    pub owners: [String; 2],
}

/// When it is known what a role does.
#[derive(Debug)]
pub struct Privilege {
    /// The claim that has the role.
    pub role: String,
    /// Requests that callers of the role must have made.
    pub requests: u32,
    /// Different subjects that must have done a thing for the role to be used to it.
    pub subjects: u32,
    /// How long a role must have been known.
    pub learning: Millis,
    /// How long a use is remembered: half of it at least.
    pub window: Millis,
}

impl Objects {
    /// The section, where there is one.
    pub(super) fn section(document: &raw::Document) -> Result<Option<Self>, ConfigError> {
        let Some(written) = &document.objects else { return Ok(None) };
        if written.kinds.len() > KINDS_MAX {
            let fault = format!("has {} kinds, at most {KINDS_MAX}", written.kinds.len());
            return Err(ConfigError::new("objects.kinds", fault));
        }
        let mut kinds: Vec<Kind> = Vec::new();
        for (index, raw) in written.kinds.iter().enumerate() {
            let path = Path::entry_of("objects.kinds", index);
            if kinds.iter().any(|other| other.name == raw.name) {
                return Err(ConfigError::new(path.member("name"), format!("`{}` is taken", raw.name)));
            }
            kinds.push(Kind::new(raw, &document.routes, &path)?);
        }
        let privilege = written.privilege.as_ref().map(Privilege::new).transpose()?;
        Ok(Some(Self { kinds, privilege }))
    }

    /// The kinds that a route is about, and where its requests name their objects.
    pub fn on_route<'a>(&'a self, route: &'a str) -> impl Iterator<Item = (usize, &'a Kind, &'a Id)> {
        let place = move |(index, kind): (usize, &'a Kind)| Some((index, kind, kind.places.get(route)?));
        self.kinds.iter().enumerate().filter_map(place)
    }

    /// Whether something of the body is looked at on a route.
    pub(super) fn needs_body(&self, route: &str) -> bool {
        self.on_route(route).any(|(_, _, id)| id.needs_body())
    }

    /// Whether something of a body is looked at on any.
    pub(super) fn needs_bodies(&self) -> bool {
        self.kinds.iter().flat_map(|kind| kind.places.values()).any(Id::needs_body)
    }
}

impl Kind {
    fn new(raw: &raw::Kind, written: &[raw::Route], path: &Path<'_>) -> Result<Self, ConfigError> {
        check_name(&raw.name, &path.member("name"))?;
        if raw.routes.is_empty() {
            return Err(ConfigError::new(path.member("routes"), "names no route"));
        }
        let mut places = ByName::new();
        for (at, name) in raw.routes.iter().enumerate() {
            let route = written.iter().find(|route| route.name == *name).ok_or_else(|| {
                let known = routes::names(written).unwrap_or_default();
                ConfigError::unknown(path.entry("routes", at), "route", name, &known)
            })?;
            places.insert(name, Id::new(&raw.id, &route.path, &path.member("id"))?);
        }
        let owner = raw.owner.as_ref().map(|owner| claim(owner, &path.member("owner"))).transpose()?;
        let raw::Unless { scopes, claims } = &raw.unless;
        let written = &raw.enumeration;
        let enumeration = written
            .enabled
            .then(|| Enumeration::new(&raw.name, written, &path.member("enumeration")))
            .transpose()?;
        if owner.is_none() && enumeration.is_none() {
            return Err(ConfigError::new(path, "has neither an `owner` nor `enumeration`: nothing is checked"));
        }
        if owner.is_none() && !(scopes.is_empty() && claims.is_empty()) {
            return Err(ConfigError::new(path.member("unless"), "excuses from an `owner`, and there is none"));
        }
        let unless = Unless { scopes: scopes.clone(), claims: claims.clone() };
        Ok(Self { name: raw.name.clone(), owner, unless, enumeration, places })
    }
}

impl Id {
    fn new(written: &str, template: &str, path: &Path<'_>) -> Result<Self, ConfigError> {
        let Some(parameter) = written.strip_prefix("path:") else {
            let forms = || Field::FORMS.into_iter().filter(|form| !form.starts_with("claim")).chain(["path:…"]);
            let field = Field::parse(written).filter(|field| !matches!(field, Field::Claim(_)));
            return field
                .map(Self::Field)
                .ok_or_else(|| ConfigError::unknown(path, "field", written, &forms().collect::<Vec<_>>()));
        };
        let name = format!("{{{parameter}}}");
        let mut segments = template.split('/').skip(1).enumerate().filter(|_| !parameter.starts_with('*'));
        let place = segments.find_map(|(segment, text)| {
            let (before, after) = text.split_once(&name)?;
            Some(Self::Path { segment, before: before.to_owned(), after: after.to_owned() })
        });
        place.ok_or_else(|| {
            let fault = format!("`{}` has no parameter `{name}` of one segment", template.escape_debug());
            ConfigError::new(path, fault)
        })
    }

    /// Whether it can be known only once the body is there.
    pub const fn needs_body(&self) -> bool {
        match self {
            Self::Path { .. } => false,
            Self::Field(field) => field.needs_body(),
        }
    }
}

impl Enumeration {
    fn new(kind: &str, written: &raw::Enumeration, path: &Path<'_>) -> Result<Self, ConfigError> {
        let window = within(written.window.0, WINDOW, "10s to 1d", &path.member("window"))?;
        Ok(Self {
            window,
            distinct: count(written.distinct, DISTINCT_MAX, &path.member("distinct"))?,
            sequential: count(written.sequential, SEQUENTIAL_MAX, &path.member("sequential"))?,
            refused_share: permille(written.refused_share, 1.0, &path.member("refused_share"))?,
            owners: ["ids", "row"].map(|what| format!("objects.{what}.{kind}.{}", window.as_u64())),
        })
    }
}

impl Privilege {
    fn new(written: &raw::Privilege) -> Result<Self, ConfigError> {
        let path = Path::new("objects.privilege");
        Ok(Self {
            role: claim(&written.role, &path.member("role"))?,
            requests: count(written.requests, REQUESTS_MAX, &path.member("requests"))?,
            subjects: count(written.subjects, SUBJECTS_MAX, &path.member("subjects"))?,
            learning: within(
                written.learning.0,
                (Millis::default(), LEARNING_MAX),
                "at most 365d",
                &path.member("learning"),
            )?,
            window: within(written.window.0, (WINDOW.0, LEARNING_MAX), "10s to 365d", &path.member("window"))?,
        })
    }
}

/// `claim:customer`, the only place that a client cannot write to.
fn claim(written: &str, path: &Path<'_>) -> Result<String, ConfigError> {
    match Field::parse(written) {
        Some(Field::Claim(name)) => Ok(name),
        _ => Err(ConfigError::new(path, format!("is `{}`, expected `claim:…`", written.escape_debug()))),
    }
}

fn count(value: u32, most: u32, path: &Path<'_>) -> Result<u32, ConfigError> {
    if (1..=most).contains(&value) {
        return Ok(value);
    }
    Err(ConfigError::new(path, format!("is {value}, expected 1 to {most}")))
}

fn within(
    time: Millis,
    (least, most): (Millis, Millis),
    wanted: &str,
    path: &Path<'_>,
) -> Result<Millis, ConfigError> {
    if (least..=most).contains(&time) {
        return Ok(time);
    }
    Err(ConfigError::new(path, format!("expected {wanted}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use portcullis::stages::CHECKS;
    use serde_json::{json, Value};

    fn parse(objects: &Value) -> Result<Config, String> {
        let routes = json!([
            {"name": "order", "path": "/orders/{id}/items"},
            {"name": "invoice", "path": "/invoices/no-{id}.pdf"},
            {"name": "files", "path": "/files/{*rest}"}
        ]);
        let document = json!({"version": 1, "routes": routes, "objects": objects});
        Config::parse(document.to_string().as_bytes(), CHECKS).map_err(|fault| fault.to_string())
    }

    fn kind(more: Value) -> Value {
        let mut kind = json!({"name": "orders", "routes": ["order"], "id": "path:id"});
        kind.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"kinds": [kind]})
    }

    #[test]
    fn defaults_are_those_of_the_documentation() {
        let config = parse(&kind(json!({}))).unwrap();
        let objects = config.objects.as_ref().unwrap();
        let enumeration = objects.kinds[0].enumeration.as_ref().unwrap();
        assert_eq!((enumeration.window.as_u64(), enumeration.distinct), (600_000, 20));
        assert_eq!((enumeration.sequential, enumeration.refused_share), (8, 500));
        assert!(objects.privilege.is_none() && config.needs_memory() && !config.may_wait());
        let config = parse(&json!({"privilege": {"role": "claim:role"}})).unwrap();
        let privilege = config.objects.unwrap().privilege.unwrap();
        assert_eq!((privilege.requests, privilege.subjects), (200, 3));
        assert_eq!((privilege.learning.as_u64(), privilege.window.as_u64()), (86_400_000, 30 * 86_400_000));
    }

    #[test]
    fn a_parameter_is_found_in_the_template() {
        let config = parse(&kind(json!({"routes": ["order", "invoice"]}))).unwrap();
        let objects = config.objects.unwrap();
        let at = |route: &str| objects.on_route(route).map(|(_, _, id)| id.clone()).collect::<Vec<_>>();
        let place = |before: &str, after: &str| {
            [Id::Path { segment: 1, before: before.to_owned(), after: after.to_owned() }]
        };
        assert_eq!(
            (at("order").as_slice(), at("invoice").as_slice()),
            (&place("", "")[..], &place("no-", ".pdf")[..])
        );
        assert!(at("files").is_empty());
    }

    #[test]
    fn an_id_may_need_the_body() {
        let config = parse(&kind(json!({"id": "body:order.id"}))).unwrap();
        let needs = |name: &str| config.routes.iter().any(|(_, route)| route.name == name && route.needs_body());
        assert!(needs("order") && !needs("invoice") && config.may_wait());
    }

    #[test]
    fn faults_are_named_with_their_place() {
        for (written, place) in [
            (kind(json!({"ownr": "claim:sub"})), "objects.kinds[0].ownr: unknown field"),
            (kind(json!({"name": "A b"})), "objects.kinds[0].name: "),
            (kind(json!({"routes": []})), "objects.kinds[0].routes: names no route"),
            (kind(json!({"routes": ["oder"]})), "objects.kinds[0].routes[0]: unknown route"),
            (kind(json!({"id": "path:nr"})), "objects.kinds[0].id: `/orders/{id}/items` has no parameter `{nr}`"),
            (kind(json!({"routes": ["files"], "id": "path:*rest"})), "objects.kinds[0].id: "),
            (kind(json!({"id": "claim:sub"})), "objects.kinds[0].id: unknown field"),
            (
                kind(json!({"owner": "header:x-user"})),
                "objects.kinds[0].owner: is `header:x-user`, expected `claim:…`",
            ),
            (kind(json!({"unless": {"scopes": ["all"]}})), "objects.kinds[0].unless: excuses from an `owner`"),
            (kind(json!({"enumeration": {"enabled": false}})), "objects.kinds[0]: has neither"),
            (kind(json!({"enumeration": {"distinct": 61}})), "objects.kinds[0].enumeration.distinct: is 61"),
            (kind(json!({"enumeration": {"sequential": 17}})), "objects.kinds[0].enumeration.sequential: is 17"),
            (kind(json!({"enumeration": {"window": "1s"}})), "objects.kinds[0].enumeration.window: expected 10s"),
            (kind(json!({"enumeration": {"refused_share": 2}})), "objects.kinds[0].enumeration.refused_share: "),
            (json!({"privilege": {"role": "role"}}), "objects.privilege.role: "),
            (json!({"privilege": {"role": "claim:role", "subjects": 21}}), "objects.privilege.subjects: is 21"),
            (json!({"privilege": {"role": "claim:role", "learning": "366d"}}), "objects.privilege.learning: "),
        ] {
            let fault = parse(&written).unwrap_err();
            assert!(fault.starts_with(place), "{written}: {fault}");
        }
        let twice = json!({"kinds": [kind(json!({}))["kinds"][0], kind(json!({}))["kinds"][0]]});
        assert!(parse(&twice).unwrap_err().starts_with("objects.kinds[1].name: `orders` is taken"));
    }
}
