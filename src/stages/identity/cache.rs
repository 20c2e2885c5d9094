//! Tokens that were verified already: seen again they cost a look-up and a comparison, not a signature or a call.
//!
//! A token is remembered only if nothing at all was wrong with it, under its whole text, so what is found again is the very
//! same token. Type, issuer, audience and signature cannot change while the configuration stands; dates are checked again
//! with every request. The cache belongs to one worker and one configuration: a new one, with other keys, begins empty.
//!
//! The hash has a secret key, so nobody can make the look-up slow. Of a signed token it takes the end alone ([`Kind::hashed`]). Bounds: `identity.cache_budget` bytes of tokens and
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

/// Bytes at the end of a signed token that its hash is made of: no signature is shorter.
const HASHED_BYTES: usize = 32;

/// What a token is, as far as its hash is concerned.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// It ends with a signature, and is remembered only if that was good.
    Signed,
    /// Any text, which may be remembered as bad too.
    Opaque,
}

impl Kind {
    /// What tells tokens apart. Those that are remembered as signed differ in their ends, since nobody but their issuer can
    /// make a signature that is good, and nobody at all one that ends like another one: whoever sends what ends like a
    /// remembered token is compared with that one. Opaque texts are anybody's, so all of such a text counts.
    fn hashed(self, token: &[u8]) -> &[u8] {
        match self {
            Self::Signed => token.last_chunk::<HASHED_BYTES>().map_or(token, |end| end),
            Self::Opaque => token,
        }
    }
}

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
    tokens: Cache<Token, Remembered, ByLength, Keyed>,
}

impl TokenCache {
    /// An empty cache of so many bytes. `secret` must not be known outside.
    pub fn new(budget_bytes: u64, secret: [u8; 16]) -> Self {
        let expected = usize::try_from(budget_bytes / (TOKEN_BYTES_USUAL * WEIGHT_PER_BYTE)).unwrap_or(usize::MAX);
        Self { tokens: Cache::with(expected, budget_bytes, ByLength, Keyed(secret), DefaultLifecycle::default()) }
    }

    /// What is remembered of a token.
    pub(super) fn get(&self, kind: Kind, token: &[u8]) -> Option<Remembered> {
        self.tokens.get(&Sought { kind, text: token }).cloned()
    }

    /// Remembers a token.
    pub(super) fn insert(&mut self, kind: Kind, token: &[u8], remembered: Remembered) {
        self.tokens.insert(Token { kind, text: token.into() }, remembered);
    }
}

/// A token that is remembered.
#[derive(Debug, PartialEq, Eq)]
struct Token {
    kind: Kind,
    text: Box<[u8]>,
}

impl Hash for Token {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        Sought { kind: self.kind, text: &self.text }.hash(hasher);
    }
}

/// A token that is looked for.
struct Sought<'t> {
    kind: Kind,
    text: &'t [u8],
}

impl Hash for Sought<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write(self.kind.hashed(self.text));
    }
}

impl Equivalent<Token> for Sought<'_> {
    fn equivalent(&self, token: &Token) -> bool {
        self.kind == token.kind && bytes::are_equal(self.text, &token.text)
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

impl Weighter<Token, Remembered> for ByLength {
    fn weight(&self, token: &Token, _: &Remembered) -> u64 {
        u64::try_from(token.text.len()).unwrap_or(u64::MAX).saturating_mul(WEIGHT_PER_BYTE)
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
        cache.insert(Kind::Signed, b"a.b.c", verified("ada"));
        let Some(Remembered::Good(found)) = cache.get(Kind::Signed, b"a.b.c") else { panic!("it is not there") };
        assert_eq!(found.claims.text("sub"), Some("ada"));
        for other in [&b"a.b.d"[..], b"a.b.", b"b.c"] {
            assert!(cache.get(Kind::Signed, other).is_none());
        }
        assert!(cache.get(Kind::Opaque, b"a.b.c").is_none());
    }

    #[test]
    fn tokens_that_end_alike_are_not_taken_for_each_other() {
        for kind in [Kind::Signed, Kind::Opaque] {
            let mut cache = TokenCache::new(1 << 20, [1; 16]);
            let token = |name: usize| format!("{name:0>9}.{}", "x".repeat(HASHED_BYTES * 2));
            for name in 0..50 {
                cache.insert(kind, token(name).as_bytes(), verified(&name.to_string()));
            }
            for name in 0..100 {
                let found = cache.get(kind, token(name).as_bytes());
                let subject = found.map(|found| match found {
                    Remembered::Good(found) => found.claims.text("sub").map(str::to_owned),
                    Remembered::Bad { .. } => None,
                });
                assert_eq!(subject, (name < 50).then(|| Some(name.to_string())), "{kind:?} {name}");
            }
        }
    }

    #[test]
    fn all_of_an_opaque_token_is_hashed() {
        let token = [b'x'; 3 * HASHED_BYTES];
        assert_eq!(
            (Kind::Opaque.hashed(&token).len(), Kind::Signed.hashed(&token).len()),
            (token.len(), HASHED_BYTES)
        );
        assert_eq!(Kind::Signed.hashed(b"a.b.c"), b"a.b.c");
    }

    #[test]
    fn a_flood_of_tokens_stays_within_the_budget() {
        let budget = 100_000;
        let mut cache = TokenCache::new(budget, [1; 16]);
        for number in 0..10_000 {
            cache.insert(Kind::Signed, format!("{number:0>500}").as_bytes(), verified("x"));
        }
        assert!(cache.tokens.weight() <= budget && cache.tokens.len() <= 33, "{cache:?}");
        assert!(cache.tokens.len() > 10, "{cache:?}");
    }

    #[test]
    fn without_a_budget_nothing_is_remembered() {
        let mut cache = TokenCache::new(0, [1; 16]);
        cache.insert(Kind::Signed, b"a.b.c", verified("ada"));
        assert!(cache.get(Kind::Signed, b"a.b.c").is_none());
    }
}
