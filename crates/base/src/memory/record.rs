//! One record: what is remembered about one key under one name, in 40 bytes.
//!
//! ```text
//! 0         8          14        20     22        24        40
//! fingerprint  since      settled  share  inherited   state
//! ```
//!
//! The state is the owner's business. What the memory itself must know is how much the record is *worth*: its
//! debt, as a share of what its owner allows, stays at `share` until `since` and then falls linearly to nothing at
//! `settled`. When room is needed the record that is worth least goes, and what it was worth stays behind in its bucket.
//!
//! `inherited` is the part of the debt that the record was born with, because somebody before it was evicted. It is
//! never passed on: a flood of strangers could otherwise lend each other a debt that none of them made.

use crate::time::Millis;

/// Bytes of a record.
pub const RECORD_BYTES: usize = 40;

/// Bytes that the owner of a record may use.
pub const STATE_BYTES: usize = 16;

const _: () = assert!(RECORD_BYTES == 8 + 6 + 6 + 2 + 2 + STATE_BYTES);

/// What a record's owner keeps in it.
pub type State = [u8; STATE_BYTES];

/// A part of a whole, from 0 to 1, in 65,535 steps.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// All of it.
    pub const WHOLE: Self = Self(u16::MAX);

    /// `part` of `whole`, at most the whole, rounded up: a debt is never lost by rounding.
    pub fn of(part: u64, whole: u64) -> Self {
        let scaled = product_over(part, u16::MAX.into(), whole.max(1));
        Self(u16::try_from(scaled).unwrap_or(u16::MAX))
    }

    /// This share of `whole`, rounded up.
    pub fn times(self, whole: u64) -> u64 {
        product_over(whole, self.0.into(), u16::MAX.into())
    }

    /// `part / whole` of this share, at most all of it, rounded up once: told step by step it is never less. Of nothing
    /// there is nothing.
    pub fn scaled(self, part: u64, whole: u64) -> Self {
        let steps = if whole == 0 { 0 } else { product_over(part.min(whole), self.0.into(), whole) };
        Self(u16::try_from(steps).unwrap_or(self.0).min(self.0))
    }

    /// The number of steps.
    pub(super) const fn steps(self) -> u16 {
        self.0
    }

    /// As many steps, at most the whole.
    pub(super) fn from_steps(steps: u64) -> Self {
        Self(u16::try_from(steps).unwrap_or(u16::MAX))
    }

    /// The difference, at least nothing.
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// A share that stays for a while and then falls linearly to nothing.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub struct Debt {
    /// How much until `since`.
    pub share: Share,
    /// When it begins to fall.
    pub since: Millis,
    /// When it will be nothing.
    pub settled: Millis,
}

impl Debt {
    /// The same debt, told from `now` on.
    pub fn as_of(&self, now: Millis) -> Self {
        Self { share: self.at(now), since: self.since.max(now), settled: self.settled }
    }

    /// What is left of it.
    pub fn at(&self, now: Millis) -> Share {
        let whole = self.settled.saturating_sub(self.since).as_u64();
        let left = self.settled.saturating_sub(now).as_u64();
        if now < self.since && left > 0 {
            self.share
        } else if whole == 0 {
            Share::NONE
        } else {
            self.share.scaled(left, whole)
        }
    }

    /// A debt that from `now` on is nowhere less than either of two.
    pub fn covering(&self, other: &Self, now: Millis) -> Self {
        let (one, other) = (self.as_of(now), other.as_of(now));
        let (more, less) = if one.share >= other.share { (one, other) } else { (other, one) };
        let settled = more.settled.max(less.settled);
        let stays = less.since.saturating_sub(more.since).as_u64();
        let (high, low) = (u64::from(more.share.0), u64::from(less.share.0));
        if low == 0 {
            more
        } else if stays == 0 {
            Self { settled, ..more }
        } else if low.saturating_mul(2) >= high {
            Self { share: more.share, since: less.since, settled }
        } else {
            // The smaller one stays longer: the larger one falls so slowly that it meets its end at the earliest.
            let falls = stays.saturating_mul(high).div_ceil(high.saturating_sub(low).max(1));
            Self { settled: settled.max(more.since.saturating_add(Millis::new(falls))), ..more }
        }
    }
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Whose record it is: a keyed hash.
    pub fingerprint: u64,
    /// What it is worth.
    pub debt: Debt,
    /// The part of the debt's share that it was born with.
    pub inherited: Share,
    /// The owner's.
    pub state: State,
}

impl Record {
    /// A record for a key that is new here, with what the bucket remembers of those that are gone.
    pub const fn new(fingerprint: u64, inherited: Debt) -> Self {
        Self { fingerprint, debt: inherited, inherited: inherited.share, state: [0; STATE_BYTES] }
    }

    /// Whether its owner has not written to it yet: every state that an owner writes has a time in it.
    pub fn is_new(&self) -> bool {
        self.state == [0; STATE_BYTES]
    }

    /// The same record, told from `now` on. What was inherited shrinks with the debt it is part of.
    pub(super) fn as_of(&self, now: Millis) -> Self {
        let (before, debt) = (u64::from(self.debt.share.0), self.debt.as_of(now));
        let inherited = self.inherited.scaled(u64::from(debt.share.0), before);
        Self { debt, inherited, ..*self }
    }

    /// The owner's new state and what it makes the record worth.
    pub fn settle(&mut self, state: State, debt: Debt) {
        self.state = state;
        self.debt = debt;
    }

    /// What it leaves behind when it is evicted: its own debt.
    pub fn legacy(&self, now: Millis) -> Debt {
        Debt { share: self.debt.share.less(self.inherited), ..self.debt }.as_of(now)
    }

    /// Reads a record; `None` for an empty place.
    pub(super) fn decode(bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        let fingerprint = u64_le(bytes.get(0..8)?);
        let record = Self {
            fingerprint,
            debt: Debt {
                since: Millis::new(u64_le(bytes.get(8..14)?)),
                settled: Millis::new(u64_le(bytes.get(14..20)?)),
                share: Share::from_steps(u64_le(bytes.get(20..22)?)),
            },
            inherited: Share::from_steps(u64_le(bytes.get(22..24)?)),
            state: bytes.get(24..RECORD_BYTES)?.try_into().ok()?,
        };
        (fingerprint != 0).then_some(record)
    }

    pub(super) fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut out = [0; RECORD_BYTES];
        let parts: [&[u8]; 6] = [
            &self.fingerprint.to_le_bytes(),
            &millis_le(self.debt.since),
            &millis_le(self.debt.settled),
            &self.debt.share.0.to_le_bytes(),
            &self.inherited.0.to_le_bytes(),
            &self.state,
        ];
        let mut rest = out.as_mut_slice();
        for part in parts {
            let Some((place, after)) = rest.split_at_mut_checked(part.len()) else { break };
            place.copy_from_slice(part);
            rest = after;
        }
        out
    }
}

/// `one · other / whole`, rounded up. Wasm has no wide division, and almost every product fits.
pub(crate) fn product_over(one: u64, other: u64, whole: u64) -> u64 {
    match product(one, other) {
        Some(product) => product.div_ceil(whole.max(1)),
        None => {
            let product = u128::from(one).saturating_mul(other.into()).div_ceil(whole.max(1).into());
            u64::try_from(product).unwrap_or(u64::MAX)
        }
    }
}

/// A product, if 64 bits have room for it. Most have by the lengths of their factors; to make sure takes a product of 128 bits, which
/// wasm has no instruction for.
pub(crate) const fn product(one: u64, other: u64) -> Option<u64> {
    if one.leading_zeros().saturating_add(other.leading_zeros()) >= u64::BITS {
        Some(one.wrapping_mul(other))
    } else {
        one.checked_mul(other)
    }
}

/// A little-endian number of up to eight bytes.
pub(super) fn u64_le(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Six bytes last until the year 10889.
pub(super) fn millis_le(time: Millis) -> [u8; 6] {
    let [b0, b1, b2, b3, b4, b5, ..] = time.as_u64().min((1 << 48) - 1).to_le_bytes();
    [b0, b1, b2, b3, b4, b5]
}
