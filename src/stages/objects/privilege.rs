//! Whether a role is used to what one of its members does: methods and routes that nobody of the role has used.
//!
//! Two records are involved, each under the role and not under the caller. *The role's own* says whether it is known:
//!
//! ```text
//! 0      4         8         12   16
//! since  requests  subjects  (0)
//! secs             32 bits
//! ```
//!
//! and *the use's*, one for each role, route and method, has the subjects that have done it as things of a
//! [`crate::memory::tally`]. A use is unusual while fewer than `subjects` have done it. There is no opinion before the role has
//! made `requests`, by so many subjects, for as long as `learning`.
//!
//! **Poisoning.** One subject is one bit, however often it comes: it cannot teach a role, and neither can two. Only what the
//! service answered with success, and nothing was found of but that it is unusual, teaches. As many colluding subjects of the
//! role as `subjects` can teach it anything: that is the bound. What is known writes nothing, so a role costs writes only
//! while it learns.
//!
//! Not covered: callers without the claim, what a caller does under a role it should not have.

use crate::config::objects::Privilege;
use crate::finding::{quoted, Finding, Findings};
use crate::gather;
use crate::memory::record::{Record, State};
use crate::memory::tally::{half, worth, Tally};
use crate::memory::{numbered, Hashed, Trace};
use crate::stages::limits::{fields, Ground, Scene};
use crate::time::Millis;
use serde_json::Value;

/// What a request does, and in which role.
#[derive(Debug)]
pub(super) struct Use {
    role: Hashed,
    what: Hashed,
    subject: u64,
    /// Whether it teaches anything, as of what was known before.
    is_news: bool,
}

/// What is known of a role.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
struct Role {
    since: u32,
    requests: u32,
    subjects: u32,
}

/// What a request does, if its caller has a role, with what is found of it.
pub(super) fn check(settings: &Privilege, scene: &Scene<'_>, findings: &mut Findings) -> Option<Use> {
    let name = role(scene.caller.claims()?.get(&settings.role)?)?;
    let subject = scene.memory.digest("subject", &fields::subject(scene)?);
    let method = fields::method(scene.request.method());
    let place = |parts: &[&[u8]]| {
        let mut key = scene.caller.issuer().as_bytes().to_vec();
        for part in parts {
            key.extend(part.len().to_le_bytes());
            key.extend(*part);
        }
        scene.memory.locate(&key, &numbered(&["objects.privilege."], settings.window.as_u64()))
    };
    let mut own = Use {
        is_news: true,
        role: place(&[&name]),
        what: place(&[&name, scene.route.name.as_bytes(), method.as_bytes()]),
        subject,
    };
    let records = scene.memory.read(scene.shared, &[own.role, own.what], scene.now);
    let [role, what] = records.as_slice() else { return Some(own) };
    own.is_news = own.adds(0, role, settings, scene.now).or(own.adds(1, what, settings, scene.now)).is_some();
    let (known, tally) = (Role::of(role), Tally::of(what, half(scene.now, settings.window)));
    if known.is_known(settings, scene.now) && tally.distinct() < settings.subjects {
        let (role, route) = (quoted(&String::from_utf8_lossy(&name)), &scene.route.name);
        let reason = format!("role {role}: {method} on route `{route}` is known of {} subjects", tally.distinct());
        findings.add(Finding::new(&super::PRIVILEGE, reason));
    }
    Some(own)
}

impl Use {
    /// Teaches the role that this belongs to it.
    pub(super) fn teach(&self, settings: &Privilege, trace: &mut Trace, ground: &Ground<'_>) {
        if !self.is_news {
            return;
        }
        let Ground { memory, shared, now, .. } = *ground;
        let places = [self.role, self.what];
        // Under contention it is not learned; the retries are counted.
        let _ = memory.change_all(shared, &places, now, trace, |at, mut record| {
            record.settle(self.adds(at, &record, settings, now)?, worth(now, settings.window));
            Some(record)
        });
    }

    /// What the record of the role, or that of the use, is to hold; `None` if it does.
    fn adds(&self, at: usize, record: &Record, settings: &Privilege, now: Millis) -> Option<State> {
        let (before, after) = if at == 0 {
            let role = Role::of(record);
            (role.state(), role.with(self.subject, settings, now).state())
        } else {
            let tally = Tally::of(record, half(now, settings.window));
            (record.state, tally.seeing(self.subject).state())
        };
        (before != after).then_some(after)
    }
}

impl Role {
    fn of(record: &Record) -> Self {
        let [s0, s1, s2, s3, r0, r1, r2, r3, b0, b1, b2, b3, ..] = record.state;
        let word = u32::from_le_bytes;
        Self { since: word([s0, s1, s2, s3]), requests: word([r0, r1, r2, r3]), subjects: word([b0, b1, b2, b3]) }
    }

    fn is_known(&self, settings: &Privilege, now: Millis) -> bool {
        let age = now.saturating_sub(Millis::from_secs(self.since.into()));
        self.requests >= settings.requests
            && self.subjects.count_ones() >= settings.subjects
            && age >= settings.learning
    }

    /// With one request more, as far as they matter.
    fn with(self, subject: u64, settings: &Privilege, now: Millis) -> Self {
        let seconds = u32::try_from(now.as_u64() / 1000).unwrap_or(u32::MAX).max(1);
        let bit = 1_u32.checked_shl(u32::try_from(subject % 32).unwrap_or_default()).unwrap_or_default();
        Self {
            since: if self.since == 0 { seconds } else { self.since },
            requests: self.requests.saturating_add(1).min(settings.requests),
            subjects: self.subjects | bit,
        }
    }

    fn state(self) -> State {
        let ([s0, s1, s2, s3], [r0, r1, r2, r3]) = (self.since.to_le_bytes(), self.requests.to_le_bytes());
        let [b0, b1, b2, b3] = self.subjects.to_le_bytes();
        [s0, s1, s2, s3, r0, r1, r2, r3, b0, b1, b2, b3, 0, 0, 0, 0]
    }
}

/// A role by the values of its claim: who has several is of another role than who has one of them.
fn role(value: &Value) -> Option<Vec<u8>> {
    let Value::Array(items) = value else { return fields::plain(value) };
    let names: Vec<Vec<u8>> = items.iter().filter_map(fields::plain).collect();
    let distinct: Vec<&[u8]> = gather::set(names.iter().map(Vec::as_slice)).into_iter().collect();
    (!distinct.is_empty()).then(|| distinct.join(&b' '))
}
