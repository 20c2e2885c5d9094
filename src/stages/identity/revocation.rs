//! Has the token been revoked?
//!
//! A revocation names what a token says of itself, never its text, which can be spelled in more than one way: its issuer and
//! `jti` (of a key: its id), or all tokens of a subject, of a session or of an issuer, where wanted only those issued before a moment. Revocations come in a
//! list that another service serves, and by request to this filter ([`revoke`]), which all workers share ([`Roll`]); either one
//! is enough. Names are kept as keyed hashes.
//!
//! A remembered token is looked up again whenever the revocations have changed, and only then: each change begins a new
//! *epoch*, and a token carries the one in which it was last found to be in order.
//!
//! Bounds: [`LIST_MAX`] entries of the list, `identity.revocation.endpoint.records_max` by request; one look into the memory of all
//! workers for each request with a valid token. Two names are taken for one with a chance of 2⁻¹²⁸ a pair.

use super::checks::{TOKEN_REVOCATION_UNKNOWN, TOKEN_REVOKED};
use super::{Need, Patience, Scene, Verified};
use crate::config::identity::{Identity, Revocation, RevocationEndpoint};
use crate::finding::{Finding, Findings};
use crate::gather;
use crate::jose::Claims;
use crate::memory::roll::{Entered, Entry as Posted, Roll};
use crate::memory::{Memory, Shared, Version};
use crate::remote::State;
use crate::time::Millis;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Entries of a list.
pub const LIST_MAX: usize = 100_000;

/// Claims that name a session: OpenID Connect's, and our own bindings'.
const SESSION_CLAIMS: [&str; 2] = ["sid", "session_id"];

/// What no token is issued after: all of them are meant.
const ALWAYS: u64 = u64::MAX;

/// Revocations by the hash of what they name, each with the moment, in seconds since 1970, before which a token must have been
/// issued to be meant.
pub type Revoked = BTreeMap<u128, u64>;

/// What this worker knows of revocations.
#[derive(Debug, Default)]
pub struct Revocations {
    /// Counts the changes.
    epoch: u64,
    listed: Revoked,
    generation: u64,
    state: State,
    /// Those asked for here, each also with the second when it ends.
    asked: BTreeMap<u128, (u64, u64)>,
    /// The mark of the list of those that are known.
    mark: Option<Version>,
}

/// What a revocation is about.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Target<'a> {
    /// One token.
    Token(&'a str),
    /// The tokens of a subject.
    Subject(&'a str),
    /// The tokens of a session.
    Session(&'a str),
    /// All tokens of the issuer.
    All,
}

impl Target<'_> {
    /// The hash by which an issuer's revocation is kept.
    pub fn key(&self, memory: &Memory, issuer: &str) -> u128 {
        let (kind, name) = match self {
            Self::Token(name) => ("jti", *name),
            Self::Subject(name) => ("sub", *name),
            Self::Session(name) => ("sid", *name),
            Self::All => ("iss", ""),
        };
        memory.keyed_hash(&[kind, issuer, name])
    }
}

impl Revocations {
    /// Takes in the list that the workers have fetched. Returns whether it has changed.
    pub fn refresh_list(&mut self, identity: &Identity, memory: &Memory, shared: &dyn Shared) -> bool {
        let list = identity.revocation.as_ref().and_then(|revocation| revocation.list.as_ref());
        let Some(document) = list else { return false };
        let (state, news) = document.remote.news(shared, self.generation);
        self.state = state;
        let Some((generation, body)) = news else { return false };
        // Only what compiles is published.
        let Ok(listed) = compile(&body, memory) else { return false };
        (self.listed, self.generation) = (listed, generation);
        self.epoch = self.epoch.saturating_add(1);
        true
    }

    /// Whether there ever was a list.
    pub const fn has_list(&self) -> bool {
        self.generation > 0
    }

    /// Takes in what was asked for on any worker.
    fn refresh_asked(&mut self, endpoint: &RevocationEndpoint, shared: &dyn Shared) {
        let roll = roll(endpoint);
        // The mark first: the list that is read then is at least as new.
        let mark = roll.mark(shared);
        if mark != self.mark {
            let entries = roll.entries(shared).into_iter();
            self.asked = gather::map(entries.map(|entry| (entry.key, (entry.value, entry.until))));
            self.mark = mark;
            self.epoch = self.epoch.saturating_add(1);
        }
    }

    fn is_revoked(&self, key: u128, issued: Option<u64>, now: Millis) -> bool {
        // Nobody knows when a token was issued that does not say so.
        let meets = |before: u64| before == ALWAYS || issued.is_none_or(|issued| issued < before);
        self.listed.get(&key).is_some_and(|before| meets(*before))
            || self
                .asked
                .get(&key)
                .is_some_and(|(before, until)| Millis::from_secs(*until) > now && meets(*before))
    }
}

/// Looks up what a valid token is called.
///
/// # Errors
/// There is no list yet, and the request may wait for it.
pub(super) fn check(
    identity: &Identity,
    verified: &Verified,
    scene: &Scene<'_>,
    findings: &mut Findings,
) -> Result<(), Need> {
    match &identity.revocation {
        Some(configured) => check_configured(configured, verified, scene, findings),
        None => Ok(()),
    }
}

#[inline(never)]
fn check_configured(
    configured: &Revocation,
    verified: &Verified,
    scene: &Scene<'_>,
    findings: &mut Findings,
) -> Result<(), Need> {
    if let Some(endpoint) = &configured.endpoint {
        scene.revocations.borrow_mut().refresh_asked(endpoint, scene.shared);
    }
    let revocations = scene.revocations.borrow();
    if let Some(document) = &configured.list {
        let may_wait = !matches!(scene.patience, Patience::Waited(Need::Revocations) | Patience::None);
        if !revocations.has_list() && may_wait {
            return Err(Need::Revocations);
        }
        let is_fresh = revocations.state.age(scene.now).is_some_and(|age| age <= document.max_age);
        if !is_fresh {
            let finding = Finding::new(&TOKEN_REVOCATION_UNKNOWN, "the list could not be fetched, or is too old");
            findings.add(finding.weighing(configured.on_unavailable.weight()));
        }
    }
    if verified.cleared.get() == revocations.epoch {
        return Ok(());
    }
    match revoked(&revocations, verified, scene.memory, scene.now) {
        Some(what) => findings.add(Finding::new(&TOKEN_REVOKED, what)),
        None => verified.cleared.set(revocations.epoch),
    }
    Ok(())
}

/// By what a token has been revoked.
fn revoked(revocations: &Revocations, verified: &Verified, memory: &Memory, now: Millis) -> Option<&'static str> {
    let claims: &Claims = &verified.claims;
    let issued = claims.date("iat").ok().flatten();
    let is_revoked =
        |target: Target<'_>| revocations.is_revoked(target.key(memory, &verified.issuer_name), issued, now);
    let by = |target: Option<Target<'_>>, what: &'static str| target.is_some_and(is_revoked).then_some(what);
    by(verified.name().map(Target::Token), "this token")
        .or_else(|| by(claims.text("sub").map(Target::Subject), "its subject's tokens"))
        .or_else(|| {
            let sessions = SESSION_CLAIMS.iter().filter_map(|name| claims.text(name));
            sessions.into_iter().find_map(|session| by(Some(Target::Session(session)), "its session's tokens"))
        })
        .or_else(|| by(Some(Target::All), "its issuer's tokens"))
}

/// Where those are that were asked for.
const fn roll(endpoint: &RevocationEndpoint) -> Roll {
    Roll { list_key: "portcullis/revoked", mark_key: "portcullis/revoked/mark", capacity: endpoint.records_max }
}

/// Makes the memory for them, when the configuration loads.
pub fn seed(endpoint: &RevocationEndpoint, shared: &dyn Shared) {
    roll(endpoint).seed(shared);
}

/// Revokes what an issuer calls so, on all workers from their next request on. `before` is the second before which a token
/// must have been issued to be meant, all of them if `None`; `until` the second from which it does not matter any more.
pub fn revoke(
    endpoint: &RevocationEndpoint,
    scene: &Scene<'_>,
    (issuer, target): (&str, Target<'_>),
    before: Option<u64>,
    until: u64,
) -> Entered {
    let entry = Posted { key: target.key(scene.memory, issuer), value: before.unwrap_or(ALWAYS), until };
    roll(endpoint).enter(scene.shared, entry, scene.now)
}

/// A list as it is served.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    revocations: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    issuer: String,
    jti: Option<String>,
    subject: Option<String>,
    session: Option<String>,
    /// Seconds since 1970.
    issued_before: Option<u64>,
}

impl Entry {
    fn target(&self) -> Option<Target<'_>> {
        match (&self.jti, &self.subject, &self.session) {
            (Some(jti), None, None) => Some(Target::Token(jti)),
            (None, Some(subject), None) => Some(Target::Subject(subject)),
            (None, None, Some(session)) => Some(Target::Session(session)),
            // All tokens of an issuer, for ever, would be a mistake: such an issuer is not configured.
            (None, None, None) if self.issued_before.is_some() => Some(Target::All),
            _ => None,
        }
    }
}

/// Compiles a list.
///
/// # Errors
/// What is wrong with it, without a word of what stands in it.
pub fn compile(body: &[u8], memory: &Memory) -> Result<Revoked, &'static str> {
    let list: List = serde_json::from_slice(body).map_err(|_| "it is no list of revocations")?;
    if list.revocations.len() > LIST_MAX {
        return Err("it has more than 100000 revocations");
    }
    let mut revoked = Revoked::new();
    for entry in &list.revocations {
        let target = entry.target().ok_or("an entry names not exactly one of `jti`, `subject` and `session`")?;
        let before = entry.issued_before.unwrap_or(ALWAYS);
        revoked
            .entry(target.key(memory, &entry.issuer))
            .and_modify(|known| *known = before.max(*known))
            .or_insert(before);
    }
    Ok(revoked)
}

#[cfg(test)]
mod tests;
