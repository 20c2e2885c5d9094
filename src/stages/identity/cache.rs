//! Tokens that were verified already: seen again they cost a hash and a look-up, not a signature or a call.
//!
//! A token is remembered only if nothing at all was wrong with it, under its whole text, so what is found again is the very
//! same token. Type, issuer, audience and signature cannot change while the configuration stands; dates are checked again
//! with every request. The cache belongs to one worker and one configuration: a new one, with other keys, begins empty.
//!
//! The hash has a secret key, so nobody can make the look-up slow. Bounds: `identity.cache_budget` bytes of tokens and
//! claims; the least useful make room (S3-FIFO). Tokens lie in the worker's memory in clear text until then.

use super::Verified;
use crate::bytes;
use crate::finding::Check;
use crate::time::Millis;
use quick_cache::unsync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, Weighter};
use siphasher::sip::SipHasher13;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::rc::Rc;

/// What a token weighs, as a multiple of its length: its text, and its claims as values.
const WEIGHT_PER_BYTE: u64 = 6;

/// Length of an ordinary token: how many to expect of a budget.
const TOKEN_BYTES_USUAL: u64 = 800;

/// What is remembered of a token.
#[derive(Debug, Clone)]
pub(super) enum Remembered {
    /// What it proved.
    Good(Rc<Verified>),
    /// That its issuer was asked, and what was wrong.
    Bad {
        /// The public name of what was wrong.
        check: &'static Check,
        /// How long that is believed.
        until: Millis,
    },
}

/// The tokens of one worker.
pub struct TokenCache {
    tokens: Cache<Box<[u8]>, Remembered, ByLength, Keyed>,
}

impl TokenCache {
    /// An empty cache of so many bytes. `secret` must not be known outside.
    pub fn new(budget_bytes: u64, secret: [u8; 16]) -> Self {
        let expected = usize::try_from(budget_bytes / (TOKEN_BYTES_USUAL * WEIGHT_PER_BYTE)).unwrap_or(usize::MAX);
        Self { tokens: Cache::with(expected, budget_bytes, ByLength, Keyed(secret), DefaultLifecycle::default()) }
    }

    /// What is remembered of a token.
    pub(super) fn get(&self, token: &[u8]) -> Option<Remembered> {
        self.tokens.get(&Text(token)).cloned()
    }

    /// Remembers a token.
    pub(super) fn insert(&mut self, token: &[u8], remembered: Remembered) {
        self.tokens.insert(token.into(), remembered);
    }
}

/// A token that is looked for.
struct Text<'t>(&'t [u8]);

impl Hash for Text<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.hash(hasher);
    }
}

impl Equivalent<Box<[u8]>> for Text<'_> {
    fn equivalent(&self, token: &Box<[u8]>) -> bool {
        bytes::are_equal(self.0, token)
    }
}

/// Says nothing of the tokens.
impl fmt::Debug for TokenCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenCache").field("tokens", &self.tokens.len()).finish()
    }
}

#[derive(Debug, Clone)]
struct ByLength;

impl Weighter<Box<[u8]>, Remembered> for ByLength {
    fn weight(&self, token: &Box<[u8]>, _: &Remembered) -> u64 {
        u64::try_from(token.len()).unwrap_or(u64::MAX).saturating_mul(WEIGHT_PER_BYTE)
    }
}

struct Keyed([u8; 16]);

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_key(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::Claims;

    fn verified(subject: &str) -> Remembered {
        let claims = serde_json::json!({ "sub": subject }).as_object().unwrap().clone();
        Remembered::Good(Rc::new(Verified::new(0, "i".to_owned(), Claims::new(claims))))
    }

    #[test]
    fn a_token_is_found_by_all_of_its_text() {
        let mut cache = TokenCache::new(1 << 20, [1; 16]);
        cache.insert(b"a.b.c", verified("ada"));
        let Some(Remembered::Good(found)) = cache.get(b"a.b.c") else { panic!("it is not there") };
        assert_eq!(found.claims.text("sub"), Some("ada"));
        assert!(cache.get(b"a.b.d").is_none() && cache.get(b"a.b.").is_none());
    }

    #[test]
    fn a_flood_of_tokens_stays_within_the_budget() {
        let budget = 100_000;
        let mut cache = TokenCache::new(budget, [1; 16]);
        for number in 0..10_000 {
            cache.insert(format!("{number:0>500}").as_bytes(), verified("x"));
        }
        assert!(cache.tokens.weight() <= budget && cache.tokens.len() <= 33, "{cache:?}");
        assert!(cache.tokens.len() > 10, "{cache:?}");
    }

    #[test]
    fn without_a_budget_nothing_is_remembered() {
        let mut cache = TokenCache::new(0, [1; 16]);
        cache.insert(b"a.b.c", verified("ada"));
        assert!(cache.get(b"a.b.c").is_none());
    }
}
