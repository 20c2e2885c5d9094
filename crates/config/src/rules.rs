//! The `rules` section, validated: what the business allows, as expressions ([`portcullis_base::expression`]).
//!
//! A rule is compiled here and put on its routes, so that it costs requests elsewhere nothing. What it says to clients is
//! stable: its own code and message, or `rule_violated`.

pub mod schema;

use self::schema::{COUNT, DISTINCT, IN_BODY, PARAMETERS, SCHEMA};
use super::field::Field;
use super::keys::{key_part, KeyPart};
use super::raw::{self, Document, Effect, FailurePolicy, Mode};
use super::routes::template::parameters;
use super::{check_name, score, ByName, ConfigError, Path};
use portcullis_base::expression::{Call, Expression, Kinds, Value};
use portcullis_base::finding::{self, Weight};
use portcullis_base::time::Millis;
use std::sync::Arc;

/// Rules of one configuration at most; each has its own statistics.
pub const RULES_MAX: usize = 1024;

/// Counters of one rule at most; each may be a change of the shared memory.
const COUNTERS_MAX: usize = 8;

/// Longest message, in characters.
const MESSAGE_CHARS_MAX: usize = 200;

/// Shortest and longest window of a counter.
const WINDOWS: (Millis, Millis) = (Millis::from_secs(10), Millis::from_secs(31 * 86_400));

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// How it speaks for itself.
    pub about: Arc<finding::Rule>,
    /// The routes that it holds on; all, if there are none.
    routes: Vec<String>,
    /// Which requests it is for; all, if there is none.
    pub when: Option<Expression>,
    /// What is asked of them.
    pub condition: Expression,
    /// Whether the condition must not hold, rather than must.
    pub forbids: bool,
    /// The counters of the condition, in the order of its calls.
    pub counters: Vec<Counter>,
    /// What a violation weighs.
    pub weight: Weight,
    /// Whether it is judged without effect, whatever its route.
    pub monitor: bool,
    /// What a request gets of which a value cannot be read.
    pub on_error: FailurePolicy,
    /// Whether it can be judged only once the body is there.
    pub needs_body: bool,
}

/// One counter of a rule.
#[derive(Debug)]
pub struct Counter {
    /// What it counts.
    pub kind: CounterKind,
    /// For how long, at least.
    pub window: Millis,
    /// Whose records its counts are: another kind or window counts anew.
    pub owner: String,
}

/// What a counter counts under its key.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum CounterKind {
    /// Requests.
    Count,
    /// Different values.
    Distinct,
    /// Whether a value was there before.
    Seen,
}

/// Where the device and the session of an actor are named, the most trusted place first.
#[derive(Debug, Default)]
pub struct Actor {
    /// The device.
    pub device: Vec<Field>,
    /// The session.
    pub session: Vec<Field>,
}

impl Actor {
    pub(super) fn new(document: &Document) -> Self {
        let bindings = document.identity.as_ref().map(|identity| identity.bindings.clone()).unwrap_or_default();
        let fields = |name: &str| match key_part(name, &bindings) {
            Some(KeyPart::Any(fields)) => fields,
            _ => Vec::new(),
        };
        Self { device: fields("device"), session: fields("session") }
    }
}

impl Rule {
    /// All rules, in the order written.
    pub(super) fn all(document: &Document, routes: &[&str]) -> Result<Vec<Self>, ConfigError> {
        let written = &document.rules;
        if written.len() > RULES_MAX {
            return Err(ConfigError::new("rules", format!("has {} rules, at most {RULES_MAX}", written.len())));
        }
        let mut rules: Vec<Self> = Vec::with_capacity(written.len());
        let mut taken = ByName::new();
        for (index, raw) in written.iter().enumerate() {
            let path = Path::entry_of("rules", index);
            check_name(&raw.name, &path.member("name"))?;
            if taken.insert(&raw.name, ()).is_some() {
                return Err(ConfigError::new(path.member("name"), format!("`{}` is taken", raw.name)));
            }
            for (at, name) in raw.routes.iter().enumerate() {
                if !routes.contains(&name.as_str()) && name != super::routes::UNMATCHED {
                    let path = path.entry("routes", at);
                    return Err(ConfigError::unknown(path, "route", name, routes));
                }
            }
            rules.push(Self::new(raw, index, &path, &document.routes)?);
        }
        Ok(rules)
    }

    fn new(
        written: &raw::Rule,
        index: usize,
        path: &Path<'_>,
        routes: &[raw::Route],
    ) -> Result<Self, ConfigError> {
        let (key, text, forbids) = match (&written.require, &written.forbid) {
            (Some(text), None) => ("require", text, false),
            (None, Some(text)) => ("forbid", text, true),
            (None, None) => return Err(ConfigError::new(path, "has neither `require` nor `forbid`")),
            (Some(_), Some(_)) => return Err(ConfigError::new(path, "has both `require` and `forbid`")),
        };
        let condition = compiled_to(Kinds::BOOL, text, &path.member(key), &written.routes, routes)?;
        let when = written.when.as_ref();
        let when =
            when.map(|text| compiled_plain(Kinds::BOOL, text, &path.member("when"), &written.routes, routes));
        let when = when.transpose()?;
        let mut counters = Vec::new();
        for (at, call) in condition.calls().iter().enumerate() {
            counters.push(Counter::new(call, &written.name, at, text, &path.member(key))?);
        }
        if counters.len() > COUNTERS_MAX {
            let fault = format!("has {} counters, at most {COUNTERS_MAX}", counters.len());
            return Err(ConfigError::new(path.member(key), fault));
        }
        let needs_body = when.iter().chain([&condition]).any(|part| IN_BODY.iter().any(|name| part.needs(*name)));
        Ok(Self {
            about: Arc::new(finding::Rule {
                index,
                name: written.name.clone(),
                code: written.code.as_deref().map(|code| checked_code(code, path)).transpose()?,
                message: written.message.as_deref().map(|text| checked_message(text, path)).transpose()?,
            }),
            routes: written.routes.clone(),
            when,
            condition,
            forbids,
            counters,
            weight: weight(written, path)?,
            monitor: written.mode == Some(Mode::Monitor),
            on_error: written.on_error,
            needs_body,
        })
    }

    /// Whether it holds on the route of that name.
    pub(super) fn holds_on(&self, route: &str) -> bool {
        self.routes.is_empty() || self.routes.iter().any(|name| name == route)
    }
}

/// The rules that hold on a route, by their place in the list.
pub(super) fn on_route(rules: &[Rule], route: &str) -> Vec<usize> {
    rules.iter().enumerate().filter(|(_, rule)| rule.holds_on(route)).map(|(index, _)| index).collect()
}

/// Whether a rule of the route needs the body.
pub(super) fn need_body(rules: &[Rule], route: &str) -> bool {
    rules.iter().any(|rule| rule.needs_body && rule.holds_on(route))
}

/// The same as [`compiled_to`] where nothing may be counted: what is counted there would depend on what is judged before.
pub(super) fn compiled_plain(
    expected: Kinds,
    text: &str,
    path: &Path<'_>,
    on: &[String],
    routes: &[raw::Route],
) -> Result<Expression, ConfigError> {
    let expression = compiled_to(expected, text, path, on, routes)?;
    match expression.calls().first() {
        None => Ok(expression),
        Some(call) => {
            let place = column(text, call.offset());
            let fault = format!("column {place}: counters stand in `require` and `forbid` of `rules` alone");
            Err(ConfigError::new(path, fault))
        }
    }
}

/// An expression whose value can be of an `expected` type, for requests on some routes, whose paths have the parameters that it may
/// speak of.
fn compiled_to(
    expected: Kinds,
    text: &str,
    path: &Path<'_>,
    on: &[String],
    routes: &[raw::Route],
) -> Result<Expression, ConfigError> {
    let expression = Expression::compile(text, &SCHEMA, expected).map_err(|fault| {
        let hint = fault.hint.clone();
        let fault = portcullis_base::expression::Fault { hint: None, ..fault };
        ConfigError::new(path, fault.to_string()).with_hint(hint)
    })?;
    for used in expression.uses().iter().filter(|used| used.tag == PARAMETERS) {
        let place = format!("column {}", column(text, used.offset));
        let Some(name) = &used.key else {
            return Err(ConfigError::new(path, format!("{place}: expected the name of a parameter of the path")));
        };
        let named = routes.iter().filter(|route| on.contains(&route.name)).collect::<Vec<_>>();
        if named.is_empty() {
            let fault = format!("{place}: `path.{name}` needs `routes`, whose paths have that parameter");
            return Err(ConfigError::new(path, fault));
        }
        for route in named {
            let known = parameters(&route.path);
            if !known.contains(&name.as_ref()) {
                let what = format!("parameter of the path of `{}`", route.name);
                return Err(ConfigError::unknown(path, &what, name, &known).introduced(&format!("{place}: ")));
            }
        }
    }
    Ok(expression)
}

/// The column of an offset, from 1.
fn column(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or(text).chars().count().saturating_add(1)
}

impl Counter {
    fn new(call: &Call, rule: &str, at: usize, text: &str, path: &Path<'_>) -> Result<Self, ConfigError> {
        let (kind, name, window) = match call.tag() {
            COUNT => (CounterKind::Count, "count", call.constant(1)),
            DISTINCT => (CounterKind::Distinct, "distinct", call.constant(2)),
            _ => (CounterKind::Seen, "seen", call.constant(2)),
        };
        let millis = match window {
            Some(Value::Duration(millis)) => u64::try_from(*millis).ok().map(Millis::new),
            _ => None,
        };
        let (least, most) = WINDOWS;
        let window = millis.filter(|window| (least..=most).contains(window)).ok_or_else(|| {
            let place = column(text, call.offset());
            ConfigError::new(path, format!("column {place}: the window of `{name}`: expected 10s to 31d"))
        })?;
        Ok(Self { kind, window, owner: format!("rule/{rule}/{at}/{name}/{}", window.as_u64()) })
    }
}

fn weight(written: &raw::Rule, path: &Path<'_>) -> Result<Weight, ConfigError> {
    Ok(match (written.effect, written.score) {
        (None, None) | (Some(Effect::Refuse), None) => Weight::Refuse,
        (Some(Effect::Note), None) => Weight::Note,
        (Some(Effect::Challenge), None) => Weight::Challenge,
        (None, Some(value)) => Weight::Score(score(value, &path.member("score"))?),
        (Some(_), Some(_)) => {
            return Err(ConfigError::new(path, "has both `effect` and `score`; one of them decides"))
        }
    })
}

/// Programs depend on codes, so they are as plain as those of the checks.
fn checked_code(code: &str, path: &Path<'_>) -> Result<String, ConfigError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let starts = code.starts_with(|first: char| first.is_ascii_lowercase());
    if starts && code.len() <= 64 && code.bytes().all(plain) {
        return Ok(code.to_owned());
    }
    Err(ConfigError::new(path.member("code"), "expected 1 to 64 of a-z, 0-9 and `_`, beginning with a letter"))
}

fn checked_message(text: &str, path: &Path<'_>) -> Result<String, ConfigError> {
    let length = text.chars().count();
    if (1..=MESSAGE_CHARS_MAX).contains(&length) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    let fault = format!("expected 1 to {MESSAGE_CHARS_MAX} characters on one line");
    Err(ConfigError::new(path.member("message"), fault))
}

#[cfg(test)]
mod tests;
