//! Documents that other services serve (key sets, revocation lists): fetched by one worker, used by all.
//!
//! Shared memory holds two values for each document: its *state*, some dozens of bytes that every worker looks at, and its
//! *body*, which is written only when it has changed. Whoever changes the state first by compare-and-swap fetches; the others
//! see that somebody does. The last good body stays when fetching fails, until its owner finds it too old.
//!
//! A fetch is due when the body has reached its age, when the last one failed and a pause that doubles has passed, or when
//! somebody *wants* one because the body does not know what it should (an unknown `kid`). Wanted fetches keep a distance
//! too, so no client can have the other service asked more often than that.
//!
//! Not covered: `Cache-Control` of the answer. A clock that is set back is taken for one that has moved on: what lies in the
//! future has happened.

pub mod answer;
pub mod call;
pub mod location;

use crate::memory::{Shared, Version};
use crate::time::Millis;

/// The first pause after a failure.
const PAUSE_MIN: Millis = Millis::from_secs(1);

/// The longest pause after failures, unless documents are to be refreshed more often than that.
const PAUSE_MAX: Millis = Millis::from_secs(30);

/// What a fetch may last beyond that until another worker may try.
const GRACE: Millis = Millis::from_secs(1);

/// Attempts at a change of the state. Only failures to store lead to another, each because somebody else succeeded.
const ATTEMPTS_MAX: u32 = 16;

/// When a document is fetched.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Age at which it is fetched anew.
    pub refresh: Millis,
    /// Least time between two fetches that somebody wants.
    pub refetch_interval: Millis,
    /// Longest time that a fetch takes.
    pub lasts_max: Millis,
}

/// One document, as the workers of a process share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    state_key: String,
    body_key: String,
}

/// What is known of a document. Times are zero for what has never happened.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub struct State {
    /// When the last fetch began.
    pub started: Millis,
    /// Until when nobody else may fetch, because somebody does.
    pub busy_until: Millis,
    /// When the last fetch that is over had begun.
    pub concluded: Millis,
    /// When the last one that succeeded was over.
    pub succeeded: Millis,
    /// Failures since then.
    pub failures: u64,
    /// How often the body has changed.
    pub generation: u64,
    /// When somebody last wanted it anew.
    pub wanted: Millis,
}

/// The right and the duty to fetch: there is one at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    began: Millis,
    /// The entity tag of the body that is there (RFC 9110 §8.8.3), to ask with.
    pub etag: Option<String>,
}

/// What a fetch brought.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// A new body, which its owner has found to be good.
    Fetched {
        /// Its entity tag.
        etag: Option<&'a str>,
        /// The body.
        body: &'a [u8],
    },
    /// The body that is there is still the current one.
    Unchanged,
    /// No answer, or none that could be used.
    Failed,
}

impl Remote {
    /// A document under a name that no other has.
    pub fn new(name: &str) -> Self {
        Self { state_key: format!("portcullis/remote/{name}"), body_key: format!("portcullis/remote/{name}/body") }
    }

    /// What is known of it.
    pub fn state(&self, shared: &dyn Shared) -> State {
        shared.get(&self.state_key).and_then(|(bytes, _)| State::decode(&bytes)).unwrap_or_default()
    }

    /// The body, with its generation.
    pub fn body(&self, shared: &dyn Shared) -> Option<(u64, Vec<u8>)> {
        let (bytes, _) = shared.get(&self.body_key)?;
        let (generation, _, body) = split_body(&bytes)?;
        Some((generation, body.to_vec()))
    }

    /// What is known of it, and the body where that is another than the one of a generation, with its own.
    pub fn news(&self, shared: &dyn Shared, generation: u64) -> (State, Option<(u64, Vec<u8>)>) {
        let state = self.state(shared);
        let has_changed = state.generation != generation;
        let body = has_changed.then(|| self.body(shared)).flatten().filter(|(new, _)| *new != generation);
        (state, body)
    }

    /// Takes the lease if a fetch is due.
    pub fn begin(&self, shared: &dyn Shared, schedule: &Schedule, now: Millis) -> Option<Lease> {
        let (state, version) = self.load(shared)?;
        if !state.is_due(schedule, now) {
            return None;
        }
        let busy_until = now.saturating_add(schedule.lasts_max).saturating_add(GRACE);
        let begun = State { started: now, busy_until, ..state };
        let mine = shared.set(&self.state_key, &begun.encode(), version);
        mine.then(|| Lease { began: now, etag: self.etag(shared) })
    }

    /// Asks for a fetch that begins at `now` or later.
    pub fn want(&self, shared: &dyn Shared, now: Millis) {
        self.change(shared, |state| (state.wanted < now).then_some(State { wanted: now, ..state }));
    }

    /// Ends a fetch. What comes from a lease that somebody else has taken over meanwhile counts no less, except that a
    /// failure says nothing about the fetch that is going on.
    pub fn conclude(&self, shared: &dyn Shared, lease: &Lease, outcome: &Outcome<'_>, now: Millis) {
        let generation = self.state(shared).generation;
        let stored = match outcome {
            Outcome::Fetched { etag, body } => {
                self.store(shared, generation.saturating_add(1), etag.unwrap_or_default(), body)
            }
            Outcome::Unchanged | Outcome::Failed => None,
        };
        self.change(shared, |state| {
            let is_mine = state.started == lease.began;
            let busy_until = if is_mine { Millis::default() } else { state.busy_until };
            let concluded = state.concluded.max(lease.began);
            let ended = State { busy_until, concluded, ..state };
            match outcome {
                Outcome::Failed => Some(State { failures: state.failures.saturating_add(1), ..ended }),
                _ => Some(State {
                    succeeded: now,
                    failures: 0,
                    generation: stored.unwrap_or(0).max(state.generation),
                    ..ended
                }),
            }
        });
    }

    /// Writes a body, unless it is the one that is there. Returns its generation.
    fn store(&self, shared: &dyn Shared, least: u64, etag: &str, body: &[u8]) -> Option<u64> {
        for _ in 0..ATTEMPTS_MAX {
            let Some((bytes, version)) = shared.get(&self.body_key) else {
                shared.insert(&self.body_key, &[]);
                continue;
            };
            let there = split_body(&bytes);
            if let Some((generation, _, _)) = there.filter(|(_, tag, there)| *tag == etag && *there == body) {
                return Some(generation);
            }
            let generation = there.map_or(0, |(generation, _, _)| generation).saturating_add(1).max(least);
            if shared.set(&self.body_key, &join_body(generation, etag, body), version) {
                return Some(generation);
            }
        }
        None
    }

    fn etag(&self, shared: &dyn Shared) -> Option<String> {
        let (bytes, _) = shared.get(&self.body_key)?;
        let (_, etag, _) = split_body(&bytes)?;
        (!etag.is_empty()).then(|| etag.to_owned())
    }

    fn load(&self, shared: &dyn Shared) -> Option<(State, Version)> {
        if let Some((bytes, version)) = shared.get(&self.state_key) {
            return Some((State::decode(&bytes).unwrap_or_default(), version));
        }
        shared.insert(&self.state_key, &State::default().encode());
        let (bytes, version) = shared.get(&self.state_key)?;
        Some((State::decode(&bytes).unwrap_or_default(), version))
    }

    fn change(&self, shared: &dyn Shared, mut step: impl FnMut(State) -> Option<State>) {
        for _ in 0..ATTEMPTS_MAX {
            let Some((state, version)) = self.load(shared) else { return };
            match step(state) {
                Some(changed) if !shared.set(&self.state_key, &changed.encode(), version) => {}
                _ => return,
            }
        }
    }
}

impl State {
    /// Time since the last success; `None` if there was none.
    pub fn age(&self, now: Millis) -> Option<Millis> {
        (self.succeeded > Millis::default()).then(|| now.saturating_sub(self.succeeded))
    }

    /// Whether a fetch should begin. Nothing lasts for ever because a clock was set back: what began in the future has ended.
    fn is_due(&self, schedule: &Schedule, now: Millis) -> bool {
        if self.started > now {
            return true;
        }
        let since_start = now.saturating_sub(self.started);
        let is_wanted = self.wanted >= self.started && self.wanted > Millis::default();
        if self.busy_until > now {
            false
        } else if is_wanted && since_start >= schedule.refetch_interval {
            true
        } else if self.failures > 0 || self.succeeded == Millis::default() {
            since_start >= self.pause(schedule)
        } else {
            now.saturating_sub(self.succeeded) >= schedule.refresh
        }
    }

    /// How long to leave a service alone that has failed so often.
    fn pause(&self, schedule: &Schedule) -> Millis {
        let doublings = u32::try_from(self.failures.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
        let pause = PAUSE_MIN.as_u64().saturating_mul(2u64.saturating_pow(doublings));
        match self.failures {
            0 => Millis::default(),
            _ => Millis::new(pause).min(PAUSE_MAX).min(schedule.refresh),
        }
    }

    fn numbers(&self) -> [u64; 7] {
        [
            self.started.as_u64(),
            self.busy_until.as_u64(),
            self.concluded.as_u64(),
            self.succeeded.as_u64(),
            self.failures,
            self.generation,
            self.wanted.as_u64(),
        ]
    }

    fn encode(&self) -> Vec<u8> {
        self.numbers().into_iter().flat_map(u64::to_le_bytes).collect()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_le_bytes);
        let numbers = bytes.chunks(8).map(number).collect::<Option<Vec<_>>>()?;
        let [started, busy_until, concluded, succeeded, failures, generation, wanted] = numbers.try_into().ok()?;
        Some(Self {
            started: Millis::new(started),
            busy_until: Millis::new(busy_until),
            concluded: Millis::new(concluded),
            succeeded: Millis::new(succeeded),
            failures,
            generation,
            wanted: Millis::new(wanted),
        })
    }
}

/// Generation, length of the entity tag, entity tag, body.
fn join_body(generation: u64, etag: &str, body: &[u8]) -> Vec<u8> {
    // One that is too long is not asked with.
    let etag = if etag.len() <= usize::from(u8::MAX) { etag } else { "" };
    let mut bytes = generation.to_le_bytes().to_vec();
    bytes.push(u8::try_from(etag.len()).unwrap_or_default());
    bytes.extend(etag.as_bytes());
    bytes.extend(body);
    bytes
}

fn split_body(bytes: &[u8]) -> Option<(u64, &str, &[u8])> {
    let (generation, rest) = bytes.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first()?;
    let (etag, body) = rest.split_at_checked(usize::from(*length))?;
    Some((u64::from_le_bytes(*generation), std::str::from_utf8(etag).ok()?, body))
}

#[cfg(test)]
mod tests;
