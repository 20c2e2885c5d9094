//! What is valid in a configuration and probably not meant, or worth knowing before it is in force.
//!
//! Every warning has an id that stays (`--allow ID` silences it), a reason and a remedy; all of them stand in [`ALL`], from which
//! the reference is made. A *warning* is a door that somebody may walk through; a *note* is something that is not guarded. Both
//! are found in the document with its defaults filled in, so a default can be warned of too.

mod failing;
mod identity;
mod traffic;

use portcullis::config::Config;
use serde_json::Value;

/// How bad.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) enum Severity {
    /// A door that somebody may walk through.
    Warning,
    /// Something that is not guarded, or not yet.
    Note,
}

impl Severity {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A kind of warning.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Stable name.
    pub(crate) id: &'static str,
    /// How bad.
    pub(crate) severity: Severity,
    /// When it is given, and why that is risky.
    pub(crate) means: &'static str,
    /// What to do.
    pub(crate) remedy: &'static str,
}

/// One warning.
#[derive(Debug)]
pub(crate) struct Warning {
    /// Its kind.
    pub(crate) of: &'static Kind,
    /// The place in the document.
    pub(crate) path: String,
    /// What stands there.
    pub(crate) message: String,
}

/// A look at one side of a configuration.
type Look = fn(&Config, &Value, &mut Vec<Warning>);

const LOOKS: [Look; 3] = [traffic::look, identity::look, failing::look];

/// Every kind of warning.
pub(crate) static ALL: &[&Kind] = &[
    &traffic::MONITOR_MODE,
    &traffic::NO_ROUTES,
    &traffic::NO_LIMITS,
    &traffic::LIMIT_KEY_CHOSEN,
    &traffic::LIMIT_MONITOR,
    &traffic::NO_INSPECTION,
    &traffic::EXCLUSION_WIDE,
    &traffic::CHECK_OFF,
    &traffic::CHECK_WEAKENED,
    &traffic::FAMILY_DENIES,
    &traffic::NO_BODY_LIMIT,
    &traffic::BODY_ABOVE_ENVOY,
    &traffic::MEMORY_SMALL,
    &identity::NO_IDENTITY,
    &identity::TOKENS_OPTIONAL,
    &identity::ROUTE_OPEN,
    &identity::ANY_AUDIENCE,
    &identity::LONG_LIVED,
    &identity::CLOCK_SKEW,
    &identity::SHARED_SECRET,
    &identity::PLAIN_HTTP,
    &identity::KEY_IN_QUERY,
    &identity::FAILURES_UNLIMITED,
    &identity::REPLAY_MEMORY,
    &identity::ANY_NETWORK,
    &identity::UNSATISFIABLE,
    &identity::SECRET_WRITTEN,
    &identity::NO_SALT,
    &identity::FLEET_SECRET,
    &failing::IDENTITY_OPEN,
    &failing::INTERNAL_OPEN,
    &failing::RULE_OPEN,
];

/// What there is to warn of, in the order of [`ALL`].
pub(crate) fn of(config: &Config, effective: &Value) -> Vec<Warning> {
    let mut found = Vec::new();
    for look in LOOKS {
        look(config, effective, &mut found);
    }
    let rank = |warning: &Warning| ALL.iter().position(|kind| kind.id == warning.of.id);
    found.sort_by_key(rank);
    found
}

impl Kind {
    /// A warning of this kind.
    fn at(&'static self, path: impl Into<String>, message: impl Into<String>) -> Warning {
        Warning { of: self, path: path.into(), message: message.into() }
    }
}

/// The items of a list, with their paths.
fn items<'a>(document: &'a Value, list: &str) -> Vec<(String, &'a Value)> {
    let pointer = format!("/{}", list.replace('.', "/"));
    let items = document.pointer(&pointer).and_then(Value::as_array);
    let items = items.into_iter().flatten().enumerate();
    items.map(|(index, item)| (format!("{list}[{index}]"), item)).collect()
}

/// A text at a dotted path.
fn text<'a>(document: &'a Value, path: &str) -> Option<&'a str> {
    document.pointer(&format!("/{}", path.replace('.', "/")))?.as_str()
}

/// A quantity that the document has, in its smallest unit: milliseconds or bytes.
fn quantity(written: &str) -> Option<u64> {
    let digits = written.find(|char: char| !char.is_ascii_digit())?;
    let (number, unit) = written.split_at_checked(digits)?;
    let factor: u64 = match unit {
        "ms" | "B" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests;
