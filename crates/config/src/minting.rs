//! The `minting` section, validated: the tokens that the filter itself issues, and the keys that sign them.
//!
//! Keys are never made here. Of those that are configured the newest whose time has come signs; every key that has not retired
//! is published, future ones included, so that a rotation is known before it happens. A fault names the place of a key, never
//! its content. Bounds: [`KEYS_MAX`] keys, [`LIFETIME_MAX`].

use super::identity::Issuer;
use super::moment;
use super::raw;
use super::{check_path, ConfigError, Path, SoftBinding};
use portcullis_base::time::Millis;
use portcullis_jose::{KeySet, Signer};
use serde_json::{json, Value};

/// Keys of one configuration at most.
pub const KEYS_MAX: usize = 16;

/// Longest life of a token.
pub const LIFETIME_MAX: Millis = Millis::from_secs(3600);

/// Fields of this prefix are taken away from what clients send. `request` has the same.
const INTERNAL_PREFIX: &str = "x-portcullis-";

/// Claims that say what a token is; a subject's token cannot bring its own.
const OWN_CLAIMS: [&str; 15] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "scope",
    "scp",
    "client_id",
    "azp",
    "cnf",
    "act",
    "risk_level",
    "mfa_verified",
];

/// What the filter issues tokens with.
#[derive(Debug)]
pub struct Minting {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The path of the token endpoint, in normal form.
    pub token_path: String,
    /// The path of the key set, in normal form.
    pub jwks_path: String,
    /// How long a token lives, unless the one it is given for ends earlier.
    pub lifetime: Millis,
    /// For whom tokens may be meant.
    pub audiences: Vec<String>,
    /// Issuers whose tokens are exchanged. A subject keeps its name, so names of two issuers must not mean two people.
    pub subjects: Vec<String>,
    /// Soft bindings that are put into tokens.
    pub bindings: Vec<SoftBinding>,
    /// Further claims that are taken over from the subject's token.
    pub claims: Vec<String>,
    /// Where the service grants tokens.
    pub login: Vec<Login>,
    keys: Vec<Key>,
}

/// Routes whose service grants tokens, in a field of its answers.
#[derive(Debug)]
pub struct Login {
    /// Names of routes.
    pub routes: Vec<String>,
    /// The field, lower case. Clients cannot send it, so no service echoes it for them.
    pub header: String,
}

#[derive(Debug)]
struct Key {
    signer: Signer,
    use_from: Millis,
    retire_at: Option<Millis>,
}

impl Key {
    fn is_retired(&self, now: Millis) -> bool {
        self.retire_at.is_some_and(|end| end <= now)
    }
}

impl Minting {
    pub(super) fn new(
        written: &raw::Minting,
        routes: &[&str],
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        if written.issuer.is_empty() {
            return Err(ConfigError::new("minting.issuer", "is empty"));
        }
        for (name, path) in [("token_path", &written.token_path), ("jwks_path", &written.jwks_path)] {
            check_path(path, &Path::new("minting").member(name))?;
        }
        if written.token_path == written.jwks_path {
            return Err(ConfigError::new("minting.jwks_path", "is the token endpoint's path too"));
        }
        if written.lifetime.0 > LIFETIME_MAX || written.lifetime.0 < Millis::from_secs(1) {
            return Err(ConfigError::new("minting.lifetime", "expected \"1s\" to \"1h\""));
        }
        if written.audiences.is_empty() || written.audiences.iter().any(String::is_empty) {
            return Err(ConfigError::new("minting.audiences", "expected at least one, and none empty"));
        }
        if let Some(own) = written.claims.iter().find(|name| OWN_CLAIMS.contains(&name.as_str())) {
            return Err(ConfigError::new("minting.claims", format!("`{own}` is the filter's own to write")));
        }
        Ok(Self {
            issuer: written.issuer.clone(),
            token_path: written.token_path.clone(),
            jwks_path: written.jwks_path.clone(),
            lifetime: written.lifetime.0,
            audiences: written.audiences.clone(),
            subjects: written.subjects.clone(),
            bindings: written.bindings.clone(),
            claims: written.claims.clone(),
            login: login(&written.login, routes)?,
            keys: keys(&written.keys, environment)?,
        })
    }

    /// Settles whose tokens are exchanged: those of the one other issuer, unless the operator says whose.
    pub(super) fn settle_subjects(&mut self, issuers: &[Issuer]) -> Result<(), ConfigError> {
        let names = || issuers.iter().map(|issuer| issuer.name.as_str());
        if let Some(at) = self.subjects.iter().position(|subject| !names().any(|name| name == subject)) {
            let unknown = self.subjects.get(at).map_or("", String::as_str);
            return Err(ConfigError::unknown(
                Path::entry_of("minting.subjects", at),
                "issuer",
                unknown,
                &names().collect::<Vec<_>>(),
            ));
        }
        let others: Vec<&str> = names().filter(|name| *name != self.issuer).collect();
        match others.as_slice() {
            [_, _, ..] if self.subjects.is_empty() => Err(ConfigError::new(
                "minting.subjects",
                "is missing: of several issuers it must say whose tokens become tokens of yours",
            )),
            others => {
                if self.subjects.is_empty() {
                    self.subjects = others.iter().map(|name| (*name).to_owned()).collect();
                }
                Ok(())
            }
        }
    }

    /// The field of an answer that grants a token on a route.
    #[inline]
    pub fn grants_on(&self, route: &str) -> Option<&str> {
        let login = self.login.iter().find(|login| login.routes.iter().any(|name| name == route));
        login.map(|login| login.header.as_str())
    }

    /// The key that signs: of those whose time has come and has not passed, the one whose time came last.
    pub fn signer(&self, now: Millis) -> Option<&Signer> {
        let due = self.keys.iter().filter(|key| key.use_from <= now && !key.is_retired(now));
        due.max_by_key(|key| key.use_from).map(|key| &key.signer)
    }

    /// The public halves of all keys that have not retired (RFC 7517 §5).
    pub fn jwks(&self, now: Millis) -> Value {
        let current = self.keys.iter().filter(|key| !key.is_retired(now));
        json!({ "keys": current.map(|key| key.signer.public_jwk()).collect::<Vec<_>>() })
    }

    /// What verifies its tokens, each set with the moment until which it is the right one; the last one has none, unless all
    /// keys retire.
    pub(super) fn key_sets(&self) -> Result<Vec<(Option<Millis>, KeySet)>, ConfigError> {
        let moment = |end: &Option<Millis>| end.unwrap_or(Millis::new(u64::MAX));
        let mut ends: Vec<Option<Millis>> = Vec::new();
        for end in self.keys.iter().map(|key| key.retire_at) {
            let at = ends.partition_point(|earlier| moment(earlier) < moment(&end));
            if ends.get(at) != Some(&end) {
                ends.insert(at, end);
            }
        }
        let mut begin = Millis::default();
        let mut sets = Vec::with_capacity(ends.len());
        for end in ends {
            let set = KeySet::from_jwks(&self.jwks(begin), &Signer::ALGORITHMS);
            sets.push((end, set.map_err(|error| ConfigError::new("minting.keys", error.fault))?));
            begin = end.unwrap_or(begin);
        }
        Ok(sets)
    }
}

fn login(written: &[raw::Login], routes: &[&str]) -> Result<Vec<Login>, ConfigError> {
    let mut login: Vec<Login> = Vec::with_capacity(written.len());
    for (index, raw) in written.iter().enumerate() {
        let path = Path::entry_of("minting.login", index);
        let header = raw.header.to_ascii_lowercase();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_ours = header.strip_prefix(INTERNAL_PREFIX).is_some_and(|rest| !rest.is_empty());
        if !is_ours || !header.bytes().all(plain) {
            let fault =
                format!("does not begin with `{INTERNAL_PREFIX}`: a client could send it, and a service echo it");
            return Err(ConfigError::new(path.member("header"), fault));
        }
        if raw.routes.is_empty() {
            return Err(ConfigError::new(path.member("routes"), "names no route"));
        }
        for (at, name) in raw.routes.iter().enumerate() {
            let place = path.entry("routes", at);
            if !routes.contains(&name.as_str()) {
                return Err(ConfigError::unknown(place, "route", name, routes));
            }
            if login.iter().any(|other| other.routes.contains(name)) {
                return Err(ConfigError::new(place, format!("`{name}` is named twice")));
            }
        }
        login.push(Login { routes: raw.routes.clone(), header });
    }
    Ok(login)
}

fn keys(
    written: &[raw::MintingKey],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Key>, ConfigError> {
    if written.is_empty() || written.len() > KEYS_MAX {
        let fault = format!("has {} keys, expected 1 to {KEYS_MAX}", written.len());
        return Err(ConfigError::new("minting.keys", fault));
    }
    let mut keys: Vec<Key> = Vec::with_capacity(written.len());
    for (index, raw) in written.iter().enumerate() {
        let path = Path::entry_of("minting.keys", index);
        if raw.kid.is_empty() || keys.iter().any(|other| other.signer.key_id() == raw.kid) {
            return Err(ConfigError::new(path.member("kid"), "expected a name that no other key has"));
        }
        if !Signer::ALGORITHMS.contains(&raw.alg) {
            let fault = format!("is {}, expected RS256, ES256 or EdDSA", raw.alg.name());
            return Err(ConfigError::new(path.member("alg"), fault));
        }
        let use_from = raw.use_from.as_ref().map(|written| moment::read(written, &path.member("use_from")));
        let retire_at = raw.retire_at.as_ref().map(|written| moment::read(written, &path.member("retire_at")));
        let (use_from, retire_at) = (use_from.transpose()?.unwrap_or_default(), retire_at.transpose()?);
        if retire_at.is_some_and(|end| end <= use_from) {
            return Err(ConfigError::new(path.member("retire_at"), "is not after `use_from`"));
        }
        // Which of two would sign is not left to chance.
        if keys.iter().any(|other| other.use_from == use_from) {
            return Err(ConfigError::new(path.member("use_from"), "is the same as another key's"));
        }
        keys.push(Key { signer: signer(raw, &path, environment)?, use_from, retire_at });
    }
    Ok(keys)
}

fn signer(
    written: &raw::MintingKey,
    path: &Path<'_>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Signer, ConfigError> {
    let path = path.member("private_key");
    let text = match &written.private_key {
        raw::PrivateKey::Text(text) => text.clone(),
        raw::PrivateKey::Env(name) => environment(name).ok_or_else(|| {
            let fault = format!("the variable `{}` is not passed to the filter", name.escape_debug());
            ConfigError::new(path.member("env"), format!("{fault} (`vm_config.environment_variables`)"))
        })?,
    };
    Signer::read(&written.kid, written.alg, &text).map_err(|fault| ConfigError::new(path, fault))
}

#[cfg(test)]
mod tests;
