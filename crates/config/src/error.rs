//! Every refusal of a configuration: where, what stands there, what was expected, and the likely key.

use super::reading::Fault as Found;
use portcullis_base::nearest::nearest;
use std::fmt;

/// Why a configuration is refused. Its text is one line, meant for the person who wrote the configuration.
///
/// In a box: every way out of all that compiles a section moves one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(Box<Told>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    path: String,
    fault: String,
    hint: Option<String>,
}

impl ConfigError {
    /// A fault at a place.
    pub(crate) fn new(path: impl fmt::Display, fault: impl Into<String>) -> Self {
        Self::told(&path, fault.into(), None)
    }

    /// A name that is none of those known.
    pub(crate) fn unknown(path: impl fmt::Display, what: &str, name: &str, known: &[&str]) -> Self {
        let fault = format!("unknown {what} `{name}`, expected one of: {}", known.join(", "));
        Self::told(&path, fault, nearest(name, known))
    }

    /// What is not of the written form, with its place.
    pub(super) fn from_reading(found: &Found) -> Self {
        let fault = found.to_string();
        let hint = unknown_name(&fault).and_then(|(name, known)| nearest(name, &known));
        Self::told(&found.path, fault.clone(), hint)
    }

    #[cold]
    #[inline(never)]
    fn told(path: &dyn fmt::Display, fault: String, hint: Option<&str>) -> Self {
        Self(Box::new(Told { path: path.to_string(), fault, hint: hint.map(str::to_owned) }))
    }

    /// The same with words before what is wrong.
    pub(crate) fn introduced(mut self, words: &str) -> Self {
        self.0.fault.insert_str(0, words);
        self
    }

    /// The same with a known name close to an unknown one.
    pub(crate) fn with_hint(mut self, hint: Option<String>) -> Self {
        self.0.hint = hint;
        self
    }

    /// The place, such as `identity.issuers[0].audience`; empty for the document itself.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// What is wrong there and what was expected.
    pub fn fault(&self) -> &str {
        &self.0.fault
    }

    /// A known name close to an unknown one.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path().is_empty() { "(document)" } else { self.path() };
        write!(formatter, "{path}: {}", self.fault())?;
        match self.hint() {
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
