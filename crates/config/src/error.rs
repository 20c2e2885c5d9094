//! Every refusal of a configuration: where, what stands there, what was expected, and the likely key.

use super::reading::Fault as Found;
use portcullis_base::nearest::nearest;
use std::fmt;

/// Why a configuration is refused. Its text is one line, meant for the person who wrote the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The place, such as `identity.issuers[0].audience`; empty for the document itself.
    pub path: String,
    /// What is wrong there and what was expected.
    pub fault: String,
    /// A known name close to an unknown one.
    pub hint: Option<String>,
}

impl ConfigError {
    /// A fault at a place.
    pub(crate) fn new(path: impl Into<String>, fault: impl Into<String>) -> Self {
        Self { path: path.into(), fault: fault.into(), hint: None }
    }

    /// A name that is none of those known.
    pub(crate) fn unknown<'a>(
        path: impl Into<String>,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let fault = format!("unknown {what} `{name}`, expected one of: {}", known.join(", "));
        Self { path: path.into(), fault, hint: nearest(name, &known).map(str::to_owned) }
    }

    /// What is not of the written form, with its place.
    pub(super) fn from_reading(found: &Found) -> Self {
        let fault = found.to_string();
        let hint = unknown_name(&fault).and_then(|(name, known)| nearest(name, &known).map(str::to_owned));
        Self { path: found.path.clone(), fault, hint }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "(document)" } else { &self.path };
        write!(formatter, "{path}: {}", self.fault)?;
        match &self.hint {
            Some(hint) => write!(formatter, "; did you mean `{hint}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Takes apart serde's "unknown field `x`, expected one of `a`, `b`"; a test pins its wording.
fn unknown_name(fault: &str) -> Option<(&str, Vec<&str>)> {
    let rest = fault.strip_prefix("unknown field `").or_else(|| fault.strip_prefix("unknown variant `"))?;
    let mut quoted = rest.split('`');
    let name = quoted.next()?;
    // Between two names stands ", " or " or "; every second piece is a name.
    Some((name, quoted.skip(1).step_by(2).collect()))
}
