//! One bucket in the host's memory: how it is looked at, and how it is changed by load, step and compare-and-swap.
//!
//! What a worker keeps of buckets ([`super::kept`]) serves here and nowhere else, so whoever changes a bucket otherwise would be another
//! worker to it.

use super::bucket::{Bucket, Room};
use super::kept::Begun;
use super::record::Record;
use super::{name, Contended, Shared, Trace, ATTEMPTS_MAX};
use crate::time::Millis;

/// Shows a bucket as it is, or as this call has seen it.
pub(super) fn look(shared: &dyn Shared, number: u64, now: Millis, see: &mut dyn FnMut(&Bucket)) {
    let kept = shared.kept();
    if kept.is_some_and(|kept| kept.show(number, see)) {
        return;
    }
    let read = shared.get(&name(number));
    match read.and_then(|(value, version)| Some((Bucket::decode(value)?, version))) {
        Some((bucket, version)) => {
            see(&bucket);
            if let Some(kept) = kept {
                kept.keep(number, bucket, Some(version), now);
            }
        }
        None => see(&Bucket::default()),
    }
}

/// Changes a bucket: load, `step`, compare-and-swap, repeated when another worker was faster. `step` says how many live debts
/// made room, or `None` if it has changed nothing.
pub(super) fn update(
    shared: &dyn Shared,
    number: u64,
    now: Millis,
    trace: &mut Trace,
    step: &mut dyn FnMut(&mut Bucket) -> Option<u32>,
) -> Result<(), Contended> {
    let (key, kept) = (name(number), shared.kept());
    let mut begun = kept.and_then(|kept| kept.take(number, now));
    let mut attempts = 0_u32;
    while attempts < ATTEMPTS_MAX {
        let was_kept = begun.is_some();
        let read = begun.take().or_else(|| load(shared, &key, trace));
        // What is perhaps out of date is no attempt.
        if read.as_ref().is_none_or(|read| read.is_seen) {
            trace.retries = trace.retries.saturating_add(u32::from(attempts > 0));
            attempts = attempts.saturating_add(1);
        }
        let Some(Begun { mut bucket, version, is_seen }) = read else { continue };
        match step(&mut bucket) {
            None if was_kept && !is_seen => {}
            None => {
                if let Some(kept) = kept {
                    kept.keep(number, bucket, Some(version), now);
                }
                return Ok(());
            }
            Some(evictions) => {
                if shared.set(&key, bucket.bytes(), version) {
                    trace.evictions = trace.evictions.saturating_add(evictions);
                    if let Some(kept) = kept {
                        kept.keep(number, bucket, None, now);
                    }
                    return Ok(());
                }
            }
        }
    }
    Err(Contended)
}

/// Loads a bucket for a change. `None` if there was none: there is one then.
fn load(shared: &dyn Shared, key: &str, trace: &mut Trace) -> Option<Begun> {
    let Some((value, version)) = shared.get(key) else {
        shared.insert(key, Bucket::default().bytes());
        return None;
    };
    let bucket = Bucket::decode(value).unwrap_or_else(|| {
        trace.junk = trace.junk.saturating_add(1);
        Bucket::default()
    });
    Some(Begun { bucket, version, is_seen: true })
}

/// Changes a record of a bucket: how many live debts made room, or `None` if it is to stay as it is.
pub(super) fn alter(
    bucket: &mut Bucket,
    fingerprint: u64,
    now: Millis,
    step: impl FnOnce(Record) -> Option<Record>,
) -> Option<u32> {
    let floor = bucket.floor();
    let (record, slot, room) = bucket.find(fingerprint, now);
    let Some(changed) = step(record) else {
        // Whoever makes room for a record that is not stored after all must leave no trace.
        if room == Room::Evicted {
            bucket.keep(&floor);
        }
        return None;
    };
    bucket.put(slot, &changed);
    Some(u32::from(room == Room::Evicted))
}
