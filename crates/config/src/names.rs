//! Names, paths and prefixes as they may be written, whatever section they stand in.

use super::{ConfigError, Path};

/// Names go into statistics, where some characters have a meaning.
pub(super) fn check_name(name: &str, path: &Path<'_>) -> Result<(), ConfigError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(ConfigError::new(path, "expected 1 to 64 of a-z, 0-9, `-` and `_`: the name goes into statistics"))
}

/// An endpoint's path must be one that a request's path can be after normalisation.
pub(super) fn check_path(written: &str, path: &Path<'_>) -> Result<(), ConfigError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let segments =
        written.strip_prefix('/').ok_or_else(|| ConfigError::new(path, "does not begin with a slash"))?;
    let is_segment =
        |segment: &str| !segment.is_empty() && segment.bytes().all(plain) && segment != "." && segment != "..";
    if segments.split('/').all(is_segment) {
        return Ok(());
    }
    let fault = "expected segments of letters, digits, `-`, `.`, `_` and `~`, without a slash at the end";
    Err(ConfigError::new(path, fault))
}

pub(super) fn check_prefix(bits: u8, max: u8, path: &Path<'_>) -> Result<(), ConfigError> {
    if bits <= max {
        Ok(())
    } else {
        Err(ConfigError::new(path, format!("is {bits}, at most {max} bits")))
    }
}
