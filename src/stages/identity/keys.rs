//! The keys that issuers serve, as this worker has compiled them.
//!
//! Whoever fetches publishes the text ([`crate::remote`]); each worker compiles what it finds there. The last good set counts
//! until it is too old. A token whose key is unknown makes its issuer's set wanted anew, and waits for the fetch that begins
//! after it came: so no key that an issuer publishes before it signs is ever unknown, however fast the next token arrives.
//! What such a fetch did not bring either is not asked for again for a while.
//!
//! Bounds: [`UNKNOWN_MAX`] names of unknown keys for each issuer are remembered; see `Schedule` for how often an issuer is asked.

use crate::config::identity::{Identity, Keys};
use crate::config::remote::Document;
use crate::jose::keys::KeyPrint;
use crate::jose::{Algorithm, KeySet, Token};
use crate::json::{self, Bounds};
use crate::memory::Shared;
use crate::remote::State;
use crate::time::Millis;
use std::collections::VecDeque;

/// What a served set may contain: 64 keys of a dozen members, with certificate chains.
const SET_BOUNDS: Bounds = Bounds { depth: 8, values: 4096 };

/// Names of unknown keys that are remembered for each issuer.
const UNKNOWN_MAX: usize = 64;

/// How long a key counts as unknown after a fetch that did not bring it, in intervals between two fetches.
const UNKNOWN_INTERVALS: u64 = 10;

/// The key sets of all issuers, by their place in the configuration.
#[derive(Debug, Default)]
pub struct KeyRing {
    sets: Vec<Served>,
}

/// What this worker has of one issuer's keys.
#[derive(Debug, Default)]
struct Served {
    state: State,
    generation: u64,
    keys: Option<KeySet>,
    /// Keys that the last fetch did not bring, each with the time until which that is believed.
    unknown: VecDeque<(Option<String>, Millis)>,
}

/// Keys that a request waits for.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Whose they are.
    issuer: usize,
    /// The set that did not have the key; zero for none.
    generation: u64,
    /// Whether that set could be used, so that one key is missing and not all.
    key: bool,
    since: Millis,
}

impl Missing {
    /// Whether one key is missing and not all.
    pub(super) const fn is_key(&self) -> bool {
        self.key
    }
}

/// Why a token cannot be judged now.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum NoKeys {
    /// There is no usable set.
    Unavailable,
    /// The set lacks the token's key, and asking again is of no use.
    Unknown,
}

impl KeyRing {
    /// Looks what the workers have fetched. Returns whether something has changed.
    pub fn refresh(&mut self, identity: &Identity, shared: &dyn Shared) -> bool {
        self.sets.resize_with(identity.issuers.len(), Served::default);
        let mut changed = false;
        for (set, issuer) in self.sets.iter_mut().zip(&identity.issuers) {
            if let Keys::Served(document) = &issuer.keys {
                changed |= set.refresh(document, &issuer.algorithms, shared);
            }
        }
        changed
    }

    /// The keys of an issuer, if there are any that are not too old.
    pub(super) fn keys<'k>(&'k self, identity: &'k Identity, issuer: usize, now: Millis) -> Option<&'k KeySet> {
        match &identity.issuers.get(issuer)?.keys {
            Keys::Written(keys) => Some(keys),
            Keys::Minted(sets) => {
                let current = sets.iter().find(|(until, _)| until.is_none_or(|until| now < until));
                current.map(|(_, keys)| keys)
            }
            Keys::Served(document) => {
                let set = self.sets.get(issuer)?;
                let is_fresh = set.state.age(now).is_some_and(|age| age <= document.max_age);
                set.keys.as_ref().filter(|_| is_fresh)
            }
        }
    }

    /// Whether a key still is one of its issuer's.
    pub(super) fn holds(&self, identity: &Identity, issuer: usize, key: KeyPrint, now: Millis) -> bool {
        self.keys(identity, issuer, now).is_some_and(|keys| keys.holds(key))
    }

    /// A token's key is not there: takes in what other workers have fetched, or has the set fetched anew. `Ok` says what to
    /// wait for; nothing, if the token can be tried again at once.
    pub(super) fn seek(
        &mut self,
        identity: &Identity,
        issuer: usize,
        token: &Token<'_>,
        shared: &dyn Shared,
        now: Millis,
    ) -> Result<Option<Missing>, NoKeys> {
        let has_keys = self.keys(identity, issuer, now).is_some();
        let none = if has_keys { NoKeys::Unknown } else { NoKeys::Unavailable };
        let configured = identity.issuers.get(issuer).ok_or(none)?;
        let (Keys::Served(document), Some(set)) = (&configured.keys, self.sets.get_mut(issuer)) else {
            return Err(none);
        };
        if set.refresh(document, &configured.algorithms, shared) {
            return Ok(None);
        }
        if has_keys {
            if set.is_known_as_unknown(token, now) {
                return Err(none);
            }
            document.remote.want(shared, now);
        }
        Ok(Some(Missing { issuer, generation: set.generation, key: has_keys, since: now }))
    }

    /// The wait was in vain: the key counts as unknown for a while.
    pub(super) fn give_up(&mut self, identity: &Identity, issuer: usize, token: &Token<'_>, now: Millis) {
        let configured = identity.issuers.get(issuer).map(|issuer| &issuer.keys);
        if let (Some(Keys::Served(document)), Some(set)) = (configured, self.sets.get_mut(issuer)) {
            let interval = document.schedule.refetch_interval.as_u64();
            let until = now.saturating_add(Millis::new(interval.saturating_mul(UNKNOWN_INTERVALS)));
            set.unknown.truncate(UNKNOWN_MAX.saturating_sub(1));
            set.unknown.push_front((token.key_id.clone(), until));
        }
    }

    /// Whether waiting for these keys is over: the set has changed, or was found to be current. Where one key is missing a
    /// fetch that failed ends the wait too; where all are, the next one may bring them.
    pub fn is_settled(&self, missing: &Missing) -> bool {
        self.sets.get(missing.issuer).is_none_or(|set| {
            // A fetch that began before the key was missed may end after that, and know nothing of it.
            let was_asked = if missing.key {
                set.state.concluded >= missing.since
            } else {
                set.state.succeeded >= missing.since
            };
            set.generation != missing.generation || was_asked
        })
    }
}

impl Served {
    fn refresh(&mut self, document: &Document, algorithms: &[Algorithm], shared: &dyn Shared) -> bool {
        let (state, news) = document.remote.news(shared, self.generation);
        self.state = state;
        let Some((generation, body)) = news else { return false };
        self.generation = generation;
        // Whoever published it has compiled it too, with the algorithms of a configuration that may have been another.
        self.keys = compile(&body, algorithms).ok();
        self.unknown.clear();
        true
    }

    fn is_known_as_unknown(&self, token: &Token<'_>, now: Millis) -> bool {
        self.unknown.iter().any(|(key, until)| *key == token.key_id && *until > now)
    }
}

/// Compiles a set that an issuer serves.
///
/// # Errors
/// What is wrong with it, without a word of what stands in it.
pub fn compile(body: &[u8], algorithms: &[Algorithm]) -> Result<KeySet, &'static str> {
    let value = json::parse(body, SET_BOUNDS).map_err(|_| "it is no JSON that has one meaning")?;
    KeySet::from_served(&value, algorithms).map_err(|_| "it is no JWK Set with a key that can be used")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_that_began_before_a_key_was_missed_ends_no_wait_for_it() {
        let at = Millis::from_secs;
        let settled = |key: bool, concluded: u64, succeeded: u64| {
            let state = State { concluded: at(concluded), succeeded: at(succeeded), ..State::default() };
            let ring = KeyRing { sets: vec![Served { state, generation: 1, ..Served::default() }] };
            ring.is_settled(&Missing { issuer: 0, generation: 1, key, since: at(10) })
        };
        assert!(!settled(true, 9, 10), "it ended in the moment in which the key was missed");
        assert!(!settled(true, 9, 12), "or afterwards");
        assert!(settled(true, 10, 9), "a failure of one that began then ends it");
        assert!(settled(true, 10, 12));
        assert!(settled(false, 9, 10) && !settled(false, 10, 9), "where there is no set, any set will do");
    }
}
