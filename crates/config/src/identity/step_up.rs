//! How, and how lately, a caller must have logged in (RFC 9470), validated.

use crate::raw;
use crate::{ConfigError, Path};
use portcullis_base::time::Millis;

/// Authentication contexts of one list at most.
const ACR_VALUES_MAX: usize = 16;

/// What is asked of a login. Without both it asks for nothing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Login {
    /// One of these must be the token's `acr`; their order has no meaning. Empty: any, or none.
    pub acr_values: Vec<String>,
    /// The token's `auth_time` must not be longer ago.
    pub max_age: Option<Millis>,
}

impl Login {
    /// `path` is where it is written.
    pub(super) fn new(
        acr_values: &[String],
        max_age: Option<crate::units::Duration>,
        path: &Path<'_>,
    ) -> Result<Self, ConfigError> {
        if acr_values.len() > ACR_VALUES_MAX {
            let fault = format!("has {} values, at most {ACR_VALUES_MAX} are allowed", acr_values.len());
            return Err(ConfigError::new(path.member("acr_values"), fault));
        }
        // They are told to clients, in quotes and with a space between them.
        let plain = |value: &str| {
            !value.is_empty() && value.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
        };
        if let Some(at) = acr_values.iter().position(|value| !plain(value)) {
            let fault = "expected visible characters without space, quote and backslash";
            return Err(ConfigError::new(path.entry("acr_values", at), fault));
        }
        if max_age.is_some_and(|age| age.0 < Millis::from_secs(1)) {
            return Err(ConfigError::new(
                path.member("max_age"),
                "is less than a second, which is how `auth_time` counts",
            ));
        }
        Ok(Self { acr_values: acr_values.to_vec(), max_age: max_age.map(|age| age.0) })
    }

    /// What satisfies a challenge.
    pub(super) fn step_up(written: Option<&raw::StepUp>) -> Result<Self, ConfigError> {
        let path = Path::new("identity.step_up");
        let Some(written) = written else { return Ok(Self::default()) };
        let step_up = Self::new(&written.acr_values, written.max_age, &path)?;
        if step_up.is_empty() {
            return Err(ConfigError::new(
                path,
                "expected `acr_values`, `max_age` or both: every token would satisfy it",
            ));
        }
        Ok(step_up)
    }

    /// Whether it asks for nothing.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.acr_values.is_empty() && self.max_age.is_none()
    }
}
