//! Digests of secrets, as they are written: 64 hexadecimal digits of SHA-256.
//!
//! A fault never repeats what stands there, since it may be the secret itself, written by mistake.

use crate::{ConfigError, Path};

/// Bytes of SHA-256.
const DIGEST_BYTES: usize = 32;

/// SHA-256 of a secret.
pub type Digest = [u8; DIGEST_BYTES];

/// Reads a digest. `path` is where it is written.
pub(super) fn read(text: &str, path: &Path<'_>) -> Result<Digest, ConfigError> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let byte = |pair: &[u8]| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
        ConfigError::new(
            path,
            "expected the SHA-256 of the secret, as 64 hexadecimal digits, and never the secret",
        )
    })
}
