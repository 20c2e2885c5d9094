//! What is remembered across requests and workers: a fixed number of buckets in the host's shared memory.
//!
//! The host's memory is a map that all workers share, whose keys can never be removed. So there is a fixed set of
//! keys, one a bucket, decided by one byte budget; ten million clients change nothing about its size. Every change is
//! *load → pure step → compare-and-swap*, repeated a bounded number of times: no update is lost, whatever the number
//! of workers. When the repeats do not suffice the caller learns it and its failure policy decides.
//!
//! A key's bucket and its fingerprint come from keyed hashes (SipHash-1-3: 128 bits of the actor, 64 of the owner) whose key is
//! random and shared by the workers, so nobody can aim at a bucket, or at somebody else's record. Two keys are taken for one
//! with a chance of 2⁻⁶⁴ per pair in a bucket.
//!
//! Not covered: durability. A restart of Envoy forgets everything.

pub mod bucket;
pub mod in_process;
pub mod kept;
pub mod lately;
pub mod once;
pub mod record;
pub mod roll;
mod swap;
pub mod tally;
pub mod together;

use self::bucket::Bucket;
use self::kept::Kept;
use self::record::Record;
use self::swap::{alter, look, update};
use crate::time::Millis;
use siphasher::sip;
use siphasher::sip128::{Hasher128, SipHasher13, SipHasher24};
use std::hash::Hasher;
use std::ops::Deref;

/// Attempts at one change before it is given up. With W workers an attempt fails only because another one succeeded.
pub const ATTEMPTS_MAX: u32 = 64;

/// The smallest number of buckets: fewer would make strangers share too much.
pub const BUCKETS_MIN: u64 = 64;

/// As many as have a name of their own: 4.7 TiB.
const BUCKETS_MAX: u64 = 1 << (4 * DIGITS);

/// The shared memory of the host, as the core sees it.
pub trait Shared: std::fmt::Debug {
    /// The value of a key and its version. `None` if it was never written.
    fn get(&self, key: &str) -> Option<(Vec<u8>, Version)>;

    /// Writes a value if the key's version is still `expected`; says whether it did.
    fn set(&self, key: &str, value: &[u8], expected: Version) -> bool;

    /// Writes a value if the key has none; says whether it did.
    fn insert(&self, key: &str, value: &[u8]) -> bool;

    /// What this worker keeps of the buckets that it has read, if it does.
    fn kept(&self) -> Option<&Kept> {
        None
    }
}

/// Which write of a key a value came from.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Version(pub u32);

/// The buckets of one configuration.
#[derive(Debug, Clone)]
pub struct Memory {
    buckets: u64,
    secret: [u8; 16],
}

/// How full the memory is, in a sample of its buckets.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Records in the sample.
    pub records: u64,
    /// Places for records in the sample.
    pub places: u64,
    /// Where the next sample begins.
    pub next: u64,
}

/// A key, hashed: where its record is and how it is recognised.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hashed {
    bucket: u64,
    fingerprint: u64,
}

impl Hashed {
    /// What tells it from the others of its bucket. Nobody outside can choose it.
    pub const fn fingerprint(self) -> u64 {
        self.fingerprint
    }
}

/// An owner's name, hashed: what its records have in common, whoever they are about.
#[derive(Debug, Copy, Clone)]
pub struct Owner(u64);

/// An actor, hashed: what all of its records have in common.
#[derive(Copy, Clone)]
struct Actor {
    bucket: u64,
    print: u64,
}

/// Every attempt at a change met somebody else's.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Contended;

/// What a change met, for the statistics.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Attempts beyond the first.
    pub retries: u32,
    /// Records with a live debt that made room.
    pub evictions: u32,
    /// Values that were no bucket of ours.
    pub junk: u32,
}

impl Memory {
    /// As many buckets as the budget holds, at least [`BUCKETS_MIN`]. The workers of one process agree on the secret of
    /// whoever came first; `random` is this worker's proposal.
    pub fn open(shared: &dyn Shared, budget_bytes: u64, random: [u8; 16]) -> Self {
        shared.insert(SECRET, &random);
        let agreed = shared.get(SECRET).and_then(|(secret, _)| secret.try_into().ok());
        let buckets = (budget_bytes / BUCKET_COST_BYTES).clamp(BUCKETS_MIN, BUCKETS_MAX);
        Self { buckets, secret: agreed.unwrap_or(random) }
    }

    /// How many buckets there are.
    pub const fn buckets(&self) -> u64 {
        self.buckets
    }

    /// Creates every bucket that does not exist yet, so that the memory is taken when the configuration loads and
    /// never grows afterwards. Returns how many were created.
    pub fn seed(&self, shared: &dyn Shared) -> u64 {
        seed(shared, self.buckets, name, Bucket::default().bytes())
    }

    /// Whether this worker may do what only one is to do, for so long. Whoever asks again before that is told no, whoever
    /// asks first afterwards is chosen.
    pub fn lease(&self, shared: &dyn Shared, name: &str, now: Millis, lasts: Millis) -> bool {
        let key = format!("portcullis/lease/{name}");
        shared.insert(&key, &[0; 8]);
        let Some((value, version)) = shared.get(&key) else { return false };
        let until = value.try_into().map_or(0, u64::from_le_bytes);
        now.as_u64() >= until && shared.set(&key, &now.saturating_add(lasts).as_u64().to_le_bytes(), version)
    }

    /// Counts the records of some buckets, beginning at `first`.
    pub fn survey(&self, shared: &dyn Shared, first: u64) -> Survey {
        let mut survey = Survey { next: first, ..Survey::default() };
        for step in 0..SURVEY_BUCKETS.min(self.buckets) {
            let bucket = first.saturating_add(step).checked_rem(self.buckets).unwrap_or_default();
            let value = shared.get(&name(bucket)).and_then(|(value, _)| Bucket::decode(value));
            let records = value.map_or(0, |bucket| bucket.occupied());
            survey.records = survey.records.saturating_add(u64::try_from(records).unwrap_or_default());
            survey.places = survey.places.saturating_add(u64::try_from(bucket::RECORDS).unwrap_or_default());
            survey.next = bucket.saturating_add(1);
        }
        survey
    }

    /// Where the record of `owner` for `actor` is. Records of one actor share a bucket, whoever owns them.
    pub fn locate(&self, actor: &[u8], owner: &str) -> Hashed {
        self.locate_of(actor, self.owner(owner))
    }

    /// The same for an owner whose name has been hashed, by this memory.
    pub fn locate_of(&self, actor: &[u8], owner: Owner) -> Hashed {
        place(self.actor(actor), owner)
    }

    /// Where the records of several owners for one actor are.
    pub fn locate_all<const N: usize>(&self, actor: &[u8], owners: [&str; N]) -> [Hashed; N] {
        let actor = self.actor(actor);
        owners.map(|owner| place(actor, self.owner(owner)))
    }

    // Both steps are called from many places, and once in the module.
    #[inline(never)]
    fn actor(&self, actor: &[u8]) -> Actor {
        let mut hasher = SipHasher13::new_with_key(&self.secret);
        hasher.write(actor);
        let hash = hasher.finish128();
        Actor { bucket: hash.h1.checked_rem(self.buckets).unwrap_or_default(), print: hash.h2 }
    }

    /// An owner's name, hashed.
    #[inline(never)]
    pub fn owner(&self, name: &str) -> Owner {
        let mut hasher = sip::SipHasher13::new_with_key(&self.secret);
        hasher.write(name.as_bytes());
        Owner(hasher.finish())
    }

    /// A hash of some names together, under the secret of the workers: nobody outside can find another list with the same one.
    pub fn keyed_hash(&self, parts: &[&str]) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        for part in parts {
            hasher.write(part.as_bytes());
            // No UTF-8 contains this byte.
            hasher.write_u8(0xff);
        }
        let hash = hasher.finish128();
        u128::from(hash.h1) << 64 | u128::from(hash.h2)
    }

    /// A hash of a value under the secret of the workers, for a purpose.
    pub fn digest(&self, purpose: &str, value: &[u8]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        hasher.write(purpose.as_bytes());
        // No UTF-8 contains this byte, so this is where the purpose ends.
        hasher.write_u8(0xff);
        hasher.write(value);
        hasher.finish128().h1
    }

    /// Reads the records at some places, each bucket once if its places stand together. New ones are told as such.
    pub fn read(&self, shared: &dyn Shared, places: &[Hashed], now: Millis) -> Vec<Record> {
        let mut records = Vec::with_capacity(places.len());
        for group in places.chunk_by(|one, other| one.bucket == other.bucket) {
            let Some(place) = group.first() else { continue };
            look(shared, place.bucket, now, &mut |bucket| {
                records.extend(group.iter().map(|place| bucket.look(place.fingerprint, now)));
            });
        }
        records
    }

    /// Changes the records at some places as [`Memory::change`] does, each bucket once if its places stand together. `step` is
    /// given the number of the place.
    ///
    /// # Errors
    /// [`Contended`] if a bucket could not be changed; those before it were.
    pub fn change_all(
        &self,
        shared: &dyn Shared,
        places: &[Hashed],
        now: Millis,
        trace: &mut Trace,
        mut step: impl FnMut(usize, Record) -> Option<Record>,
    ) -> Result<(), Contended> {
        let mut first = 0_usize;
        for group in places.chunk_by(|one, other| one.bucket == other.bucket) {
            self.change_group(shared, group, now, trace, &mut |at, record| {
                step(first.saturating_add(at), record)
            })?;
            first = first.saturating_add(group.len());
        }
        Ok(())
    }

    /// The records of one bucket.
    fn change_group(
        &self,
        shared: &dyn Shared,
        group: &[Hashed],
        now: Millis,
        trace: &mut Trace,
        step: &mut dyn FnMut(usize, Record) -> Option<Record>,
    ) -> Result<(), Contended> {
        let Some(place) = group.first() else { return Ok(()) };
        update(shared, place.bucket, now, trace, &mut |bucket| {
            let mut evictions = None;
            for (at, place) in group.iter().enumerate() {
                let evicted = alter(bucket, place.fingerprint, now, |record| step(at, record));
                evictions =
                    evicted.map(|evicted| evicted.saturating_add(evictions.unwrap_or_default())).or(evictions);
            }
            evictions
        })
    }

    /// Changes the record at a place: load, `step`, compare-and-swap, repeated when another worker was faster. `step`
    /// is given the record as it is and returns what to answer, and the record to store, or `None` to leave it.
    ///
    /// # Errors
    /// [`Contended`] after [`ATTEMPTS_MAX`] attempts; nothing was stored then.
    pub fn change<R>(
        &self,
        shared: &dyn Shared,
        place: Hashed,
        now: Millis,
        trace: &mut Trace,
        mut step: impl FnMut(Record) -> (R, Option<Record>),
    ) -> Result<R, Contended> {
        let mut answer = None;
        update(shared, place.bucket, now, trace, &mut |bucket| {
            alter(bucket, place.fingerprint, now, |record| {
                let (told, changed) = step(record);
                answer = Some(told);
                changed
            })
        })?;
        // It has had one answer at least.
        answer.ok_or(Contended)
    }
}

/// Creates those of so many numbered values that do not exist yet; says how many. Everybody begins with the first one and nothing is ever
/// removed, so whoever finds the last one need not ask for the others: one thread pays for the memory, and no worker does.
fn seed<N: Deref<Target = str>>(shared: &dyn Shared, count: u64, name: fn(u64) -> N, value: &[u8]) -> u64 {
    if count.checked_sub(1).is_none_or(|last| shared.get(&name(last)).is_some()) {
        return 0;
    }
    let created = (0..count).filter(|number| shared.insert(&name(*number), value));
    u64::try_from(created.count()).unwrap_or(u64::MAX)
}

fn place(actor: Actor, owner: Owner) -> Hashed {
    // Zero stands for an empty place.
    Hashed { bucket: actor.bucket, fingerprint: (actor.print ^ owner.0).max(1) }
}

/// Buckets of one survey: some hundred microseconds.
const SURVEY_BUCKETS: u64 = 256;

/// What a bucket costs the host: its bytes, its key and the map's own bookkeeping.
const BUCKET_COST_BYTES: u64 = 1200;

/// Other filters may share the host's memory, so keys carry our name.
const SECRET: &str = "portcullis/secret";

/// The name of an owner whose records with another number are others. Written by hand, since some are needed with every request.
pub fn numbered(owner: &[&str], number: u64) -> String {
    let (mut digits, mut left) = ([b'0'; 20], number);
    let mut count = 0_usize;
    for digit in digits.iter_mut().rev() {
        let last = u8::try_from(left % 10).unwrap_or_default();
        *digit = digit.saturating_add(last);
        (left, count) = (left / 10, count.saturating_add(1));
        if left == 0 {
            break;
        }
    }
    let mut name = owner.concat();
    name.extend(digits.iter().skip(digits.len().saturating_sub(count)).map(|digit| char::from(*digit)));
    name
}

/// The key of a bucket.
struct Name([u8; PREFIX_BYTES + DIGITS]);

/// Written by hand and nowhere but on the stack, since every request that is counted needs some.
#[inline(never)]
fn name(bucket: u64) -> Name {
    let mut text = *b"portcullis/b/00000000";
    let [.., a, b, c, d] = bucket.to_be_bytes();
    let halves = [a, b, c, d].map(|byte| [byte >> 4, byte & 0xf]);
    for (place, half) in text.iter_mut().skip(PREFIX_BYTES).zip(halves.as_flattened()) {
        *place = half.saturating_add(if *half < 10 { b'0' } else { b'a' - 10 });
    }
    Name(text)
}

/// Bytes of a bucket's name before its digits.
const PREFIX_BYTES: usize = 13;

/// Hexadecimal digits of a bucket's name.
const DIGITS: usize = 8;

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
