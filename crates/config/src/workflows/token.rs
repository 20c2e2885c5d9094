//! `workflows[].token`: where clients carry how far they have come, and what it is signed with.

use crate::{check_name, raw, ConfigError, Path};
use std::fmt;

/// Keys of one workflow at most: the present one, and those before and after it.
const KEYS_MAX: usize = 4;

/// Bytes of a secret at least: as many as the hash has (RFC 2104 §3).
const SECRET_BYTES_MIN: usize = 32;

/// Fields with a meaning of their own.
const TAKEN: [&str; 8] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "set-cookie",
    "transfer-encoding",
];

/// How far somebody has come, in the client's hands.
#[derive(Debug)]
pub struct StepToken {
    /// Where it is.
    pub carrier: Carrier,
    /// The first one signs, each of them verifies.
    pub keys: Vec<StepKey>,
}

/// Where a token is, in answers and in requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carrier {
    /// A header field, in lower case.
    Header(String),
    /// A cookie.
    Cookie(String),
}

/// A key and its name. No `Debug` shows the secret.
pub struct StepKey {
    /// Its name, which stands in tokens.
    pub kid: String,
    /// At least 32 bytes.
    pub secret: Vec<u8>,
}

impl fmt::Debug for StepKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StepKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl StepToken {
    pub(super) fn new(written: &raw::StepToken, path: &Path<'_>) -> Result<Self, ConfigError> {
        let carrier = match (&written.header, &written.cookie) {
            (Some(name), None) => header(name, &path.member("header"))?,
            (None, Some(name)) => cookie(name, &path.member("cookie"))?,
            _ => return Err(ConfigError::new(path, "expected `header` or `cookie`, one of them")),
        };
        if written.keys.is_empty() || written.keys.len() > KEYS_MAX {
            let fault = format!("has {} keys, expected 1 to {KEYS_MAX}", written.keys.len());
            return Err(ConfigError::new(path.member("keys"), fault));
        }
        let mut keys: Vec<StepKey> = Vec::with_capacity(written.keys.len());
        for (at, key) in written.keys.iter().enumerate() {
            let path = path.entry("keys", at);
            check_name(&key.kid, &path.member("kid"))?;
            if keys.iter().any(|other| other.kid == key.kid) {
                return Err(ConfigError::new(path.member("kid"), format!("`{}` is taken", key.kid)));
            }
            let secret = key.secret.0.as_bytes().to_vec();
            if secret.len() < SECRET_BYTES_MIN {
                let fault = format!("has {} bytes, expected at least {SECRET_BYTES_MIN}", secret.len());
                return Err(ConfigError::new(path.member("secret"), fault));
            }
            keys.push(StepKey { kid: key.kid.clone(), secret });
        }
        Ok(Self { carrier, keys })
    }
}

fn header(name: &str, path: &Path<'_>) -> Result<Carrier, ConfigError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let lower = name.to_ascii_lowercase();
    if !is_short(name) || !name.bytes().all(plain) {
        return Err(ConfigError::new(path, "expected 1 to 64 letters, digits and `-`"));
    }
    if TAKEN.contains(&lower.as_str()) {
        return Err(ConfigError::new(path, format!("`{lower}` has a meaning of its own")));
    }
    Ok(Carrier::Header(lower))
}

/// Letters, digits and what no reader of cookies takes for an end (RFC 6265 §4.1.1).
fn cookie(name: &str, path: &Path<'_>) -> Result<Carrier, ConfigError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !is_short(name) || !name.bytes().all(plain) {
        return Err(ConfigError::new(path, "expected 1 to 64 letters, digits, `-` and `_`"));
    }
    Ok(Carrier::Cookie(name.to_owned()))
}

fn is_short(name: &str) -> bool {
    (1..=64).contains(&name.len())
}
