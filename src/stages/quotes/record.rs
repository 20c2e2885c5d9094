//! One quote, in the sixteen bytes of a record, and where that is.
//!
//! ```text
//! 0       8          12      16
//! value   currency   said at
//! 10⁻⁶    hash       seconds
//! ```
//!
//! A currency's hash is never zero, which stands for none.

use crate::config::quotes::Quote;
use crate::decimal::Decimal;
use crate::memory::record::{Debt, Record, Share, State};
use crate::memory::{Hashed, Memory};
use crate::time::Millis;
use serde_json::Value;
use std::num::NonZeroU32;

/// Buckets of an actor's quotes.
pub(super) const SPREAD: u64 = 8;

/// What the service said.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) struct Quoted {
    pub(super) value: Decimal,
    /// A hash; `None` where the service said none.
    pub(super) currency: Option<NonZeroU32>,
    /// Seconds since the epoch.
    at: u32,
}

impl Quoted {
    /// What the service says now.
    pub(super) fn new(value: Decimal, currency: Option<NonZeroU32>, now: Millis) -> Self {
        // A record whose state is zero is new.
        let at = u32::try_from(now.as_u64() / 1000).unwrap_or(u32::MAX).max(1);
        Self { value, currency, at }
    }

    /// What a record holds, if that still counts.
    pub(super) fn of(record: &Record, lifetime: Millis, now: Millis) -> Option<Self> {
        let [v0, v1, v2, v3, v4, v5, v6, v7, c0, c1, c2, c3, a0, a1, a2, a3] = record.state;
        let at = u32::from_le_bytes([a0, a1, a2, a3]);
        let age = now.saturating_sub(Millis::from_secs(at.into()));
        (!record.is_new() && age <= lifetime).then(|| Self {
            value: Decimal::from_millionths(i64::from_le_bytes([v0, v1, v2, v3, v4, v5, v6, v7])),
            currency: NonZeroU32::new(u32::from_le_bytes([c0, c1, c2, c3])),
            at,
        })
    }

    fn state(self) -> State {
        let [v0, v1, v2, v3, v4, v5, v6, v7] = self.value.millionths().to_le_bytes();
        let currency = self.currency.map_or(0, NonZeroU32::get);
        let ([c0, c1, c2, c3], [a0, a1, a2, a3]) = (currency.to_le_bytes(), self.at.to_le_bytes());
        [v0, v1, v2, v3, v4, v5, v6, v7, c0, c1, c2, c3, a0, a1, a2, a3]
    }

    /// The record to write; `None` if it says so already.
    pub(super) fn stored(self, mut record: Record, lifetime: Millis, now: Millis) -> Option<Record> {
        let fresh = Millis::new(lifetime.as_u64() / 8);
        let known = Self::of(&record, fresh, now);
        if known.is_some_and(|known| (known.value, known.currency) == (self.value, self.currency)) {
            return None;
        }
        let settled = now.saturating_add(lifetime);
        record.settle(self.state(), Debt { share: Share::NONE, since: now, settled });
        Some(record)
    }
}

/// A currency by its name, whatever its case, or by its number (ISO 4217 has both). What is neither names none.
pub(super) fn hashed(currency: &Value, memory: &Memory) -> Option<NonZeroU32> {
    let name = super::text(currency)?.to_ascii_uppercase();
    let hash = u32::try_from(memory.digest("currency", name.as_bytes()) >> 32).unwrap_or(u32::MAX);
    Some(NonZeroU32::new(hash).unwrap_or(NonZeroU32::MIN))
}

/// Where the quote of an actor for a key is.
pub(super) fn place(memory: &Memory, quote: &Quote, actor: Option<&[u8]>, key: &str) -> Hashed {
    let key = memory.digest("quote", key.as_bytes());
    let bucket = match actor {
        Some(actor) => [actor, &(key % SPREAD).to_le_bytes()].concat(),
        None => key.to_le_bytes().to_vec(),
    };
    memory.locate(&bucket, &format!("{}/{key:016x}", quote.owner))
}
