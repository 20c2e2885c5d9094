//! The ways to count, behind one signature: a record's state and a time in, a decision and the new state out.
//!
//! All are pure. Time that goes backwards (workers read the clock at slightly different moments) is taken as the
//! latest time seen, so it never hands out anything twice. Every number saturates.

pub mod concurrency;
pub mod fixed_window;
pub mod shared_window;
pub mod sliding_window;
pub mod token_bucket;

use crate::memory::record::{product, Debt, Share, State};
use crate::time::Millis;

/// How requests are counted.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Units come back evenly, and what was saved may be spent at once ([`token_bucket`]).
    #[default]
    TokenBucket,
    /// The window ends now; it is counted from two fixed ones ([`sliding_window`]).
    SlidingWindow,
    /// The count begins anew with each window ([`fixed_window`]).
    FixedWindow,
    /// Requests that are under way at a time ([`concurrency`]).
    Concurrency,
    /// See [`shared_window`]. Chosen by `"fleet": "synced"`, not by name.
    #[serde(skip)]
    SharedWindow,
}

/// What a limit allows.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Rate {
    /// Units per window; for concurrency, units at a time. More than zero.
    pub limit: u64,
    /// The window; for concurrency, the longest time that a request is believed to be in flight. More than zero.
    pub window: Millis,
    /// Units at once, for the token bucket. More than zero.
    pub burst: u64,
}

/// A decision.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Whether the units were taken.
    pub allowed: bool,
    /// Units left after it.
    pub remaining: u64,
    /// Time until all units are there again.
    pub reset: Millis,
    /// Time until the same request would be allowed; zero if it was. `None`: it asks for more than there ever is.
    pub retry_after: Option<Millis>,
    /// What to store. A refusal takes nothing.
    pub state: State,
    /// What the state is worth.
    pub debt: Debt,
}

impl Rate {
    /// The same rate with `permille` thousandths of its units, at least one.
    pub fn scaled(&self, permille: u32) -> Self {
        let scale = |units: u64| {
            let scaled = u128::from(units).saturating_mul(u128::from(permille)) / 1000;
            u64::try_from(scaled).unwrap_or(u64::MAX).max(1)
        };
        Self { limit: scale(self.limit), burst: scale(self.burst), window: self.window }
    }
}

impl Algorithm {
    /// The state of a record that is new, with a debt that it did not make itself.
    pub fn begin(self, rate: &Rate, now: Millis, inherited: Share) -> State {
        match self {
            Self::TokenBucket => token_bucket::begin(rate, now, inherited),
            Self::SlidingWindow => sliding_window::begin(rate, now, inherited),
            Self::FixedWindow => fixed_window::begin(rate, now, inherited),
            Self::Concurrency => concurrency::begin(rate, now, inherited),
            Self::SharedWindow => shared_window::begin(rate, now, inherited),
        }
    }

    /// What a debt that somebody else left behind is worth here. It is settled at `settled`; where it would last longer
    /// under this rate it counts that much less, or a debt of seconds became one of days.
    pub fn inherit(self, rate: &Rate, now: Millis, share: Share, settled: Millis) -> Share {
        let left = settled.saturating_sub(now).as_u64();
        let lasts = match self {
            // Until the window ends, as that of a stranger to the same limit does.
            Self::FixedWindow | Self::SharedWindow => shared_window::left(rate, now).as_u64(),
            // It falls by itself there; only what is all but over is worth less.
            Self::SlidingWindow | Self::Concurrency => rate.window.as_u64() / 10,
            Self::TokenBucket => share.times(token_bucket::lasts(rate).as_u64()),
        };
        share.scaled(left, lasts.max(1))
    }

    /// Takes `cost` units, if there are that many.
    pub fn take(self, state: State, rate: &Rate, now: Millis, cost: u64) -> Taken {
        match self {
            Self::TokenBucket => token_bucket::take(state, rate, now, cost, false),
            Self::SlidingWindow => sliding_window::take(state, rate, now, cost, false),
            Self::FixedWindow => fixed_window::take(state, rate, now, cost, false),
            Self::Concurrency => concurrency::take(state, rate, now, cost),
            Self::SharedWindow => shared_window::take(state, rate, now, cost),
        }
    }

    /// Takes back units that were never used; `taken` is the state right after they were taken. It is told by that state, not by
    /// the time, which window they were counted in: another worker's clock may have begun the next one. Back come at most
    /// as many as still count, since what is over has come back by itself. States that keep no such units stay as they are.
    pub fn give_back(self, state: State, rate: &Rate, taken: State, now: Millis, units: u64) -> State {
        match self {
            Self::TokenBucket => token_bucket::give_back(state, rate, taken, now, units),
            Self::SlidingWindow => sliding_window::give_back(state, taken, units),
            Self::FixedWindow => fixed_window::give_back(state, taken, units),
            Self::Concurrency | Self::SharedWindow => state,
        }
    }

    /// When the window ends whose count this moment belongs to, under algorithms that have such windows.
    pub fn window_ends(self, rate: &Rate, now: Millis) -> Option<Millis> {
        match self {
            Self::SlidingWindow | Self::FixedWindow | Self::SharedWindow => {
                Some(now.saturating_add(shared_window::left(rate, now)))
            }
            Self::TokenBucket | Self::Concurrency => None,
        }
    }

    /// Charges `cost` units for what has happened already, whether there are that many or not: whoever owes more than
    /// there is waits until it is settled. `None` for algorithms whose units are given back, or counted elsewhere too.
    pub fn charge(self, state: State, rate: &Rate, now: Millis, cost: u64) -> Option<Taken> {
        match self {
            Self::TokenBucket => Some(token_bucket::take(state, rate, now, cost, true)),
            Self::SlidingWindow => Some(sliding_window::take(state, rate, now, cost, true)),
            Self::FixedWindow => Some(fixed_window::take(state, rate, now, cost, true)),
            Self::Concurrency | Self::SharedWindow => None,
        }
    }
}

/// Whether a state belongs to a time that no worker's clock can have reached: it was written under another window or
/// algorithm of the same name, or by a clock that was wrong. Kept, it would count for years.
fn is_alien(begins_millis: u64, now: Millis) -> bool {
    Millis::new(begins_millis).saturating_sub(now) > CLOCKS_APART_MAX
}

/// The workers of one process read the same clock, at moments a few milliseconds apart; the rest is for a clock that is
/// put right.
const CLOCKS_APART_MAX: Millis = Millis::from_secs(60);

/// A product, or as much of it as there is room for.
fn times(one: u64, other: u64) -> u64 {
    product(one, other).unwrap_or(u64::MAX)
}

/// Two numbers as a state.
fn pack(first: u64, second: u64) -> State {
    let mut state = State::default();
    let (left, right) = state.split_at_mut(8);
    left.copy_from_slice(&first.to_le_bytes());
    right.copy_from_slice(&second.to_le_bytes());
    state
}

/// The two numbers of a state.
fn unpack(state: State) -> (u64, u64) {
    let both = u128::from_le_bytes(state);
    let low = u64::try_from(both & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    (low, u64::try_from(both >> 64).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
