//! What does the response give away?
//!
//! | check | what it says |
//! |---|---|
//! | [`detectors`] | A value that should not leave: a card, a key, a stack trace. |
//! | [`FIELDS`] | A field of JSON that the route's list does not have. |
//! | [`HEADER`] | A header field that names programs and versions. |
//! | [`VOLUME`] | An actor takes more than it may, or than it usually does. |
//! | [`UNCHECKED`] | The response could not be checked, or not all of it. |
//!
//! **What is done.** The first rule that is for the response (its route, status and caller) and the kind says it: `flag`, `mask`,
//! `remove` or `block`. What can change a response is in force only where its route and check are; everything else is noted.
//! A response is held back only if a rule in force may change it; where all is flagged, it is copied as it passes.
//!
//! **What is changed** is changed in the text: every other byte stays. A masked value keeps its document valid. The length is
//! written anew, and what vouches for the old bytes (`etag`, digests) is taken away, for `HEAD` and 304 too.
//!
//! **What is told.** A finding has the kind, how many, and where, in names of members ([`redaction::place`]); values are nowhere. It adds to
//! what the actor is known for ([`super::behaviour`]), and says nothing about the request that it answers.
//!
//! Bounds: `response.body_read_max`; one pass over the bytes ([`scan`]) and one over the JSON, where something was found or fields are looked at. Not
//! covered: compressed bodies, parts (206), streams (server-sent events, gRPC), text in other encodings than UTF-8, values that are
//! encoded again.

mod body;
pub mod detectors;
mod fields;
mod plan;
mod redaction;
pub mod scan;
pub mod volume;

pub use self::plan::{Scene, Wish};

use self::body::Work;
use self::detectors::check;
use crate::config::{Mode, Treatment, Unchecked};
use crate::finding::{Check, Class, Family, Finding, Findings, Weight};
use crate::json::outline::Outline;
use crate::response::{Content, Form, Head, Unread, BOUNDS};

/// Places that a finding names.
const PLACES_MAX: usize = 3;

/// A field of JSON that is not in the list of its route.
pub static FIELDS: Check = check(
    "exposure.fields",
    "fields_exposed",
    0.1,
    "The response has fields that `exposure.fields` does not allow on the route for the caller.",
);

/// A header field that says too much.
pub static HEADER: Check = check(
    "exposure.header",
    "header_exposed",
    0.0,
    "The response has a header field of `exposure.headers.names` that tells of programs; `server` only with a version.",
);

/// An actor takes too much.
pub static VOLUME: Check = check(
    "exposure.volume",
    "volume_exceeded",
    0.3,
    "The subject, or else the source, has taken more records or bytes than `exposure.volume` allows, or many times what it usually takes.",
);

/// A response of which nobody knows what it says.
pub static UNCHECKED: Check = Check {
    id: "exposure.unchecked",
    family: Family::Failure,
    code: "response_unchecked",
    class: Class::Unavailable,
    weight: Weight::Note,
    tunable: true,
    bearer_error: None,
    means: "The response could not be checked: too long, late, compressed, partial or broken; `exposure.on_error` decided.",
};

/// Fields that vouch for the bytes of a body, or for its parts.
const VALIDATORS: [&str; 6] = ["etag", "digest", "content-digest", "repr-digest", "content-md5", "accept-ranges"];

/// What is to be changed on a response.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Header fields to take away.
    pub remove: Vec<String>,
    /// The length to announce, where one was announced.
    pub length: Option<usize>,
    /// The body in place of the one that was read.
    pub body: Option<Vec<u8>>,
    /// Records that the actor took, for each volume of the route.
    pub records: Vec<u32>,
}

/// What the rules want of a response with this head.
pub fn wish(scene: &Scene<'_>, head: &Head) -> Wish {
    scene.plan(head.status()).wish()
}

/// Judges a head, and a body that cannot be read although a rule wants it.
pub fn check_head(scene: &Scene<'_>, head: &Head, unread: Option<Unread>, findings: &mut Findings) -> Changes {
    let mut changes = Changes::default();
    check_fields(scene, head, findings, &mut changes);
    if let Some(unread) = unread {
        note_unread(scene, unread, findings);
    }
    if head.form() == Form::None && scene.plan(head.status()).changes() {
        strip(head, &mut changes);
        if head.status() != 304 && head.announced_bytes().is_some() {
            changes.remove.push("content-length".to_owned());
        }
    }
    changes
}

fn check_fields(scene: &Scene<'_>, head: &Head, findings: &mut Findings, changes: &mut Changes) {
    let (names, action) = &scene.exposure.headers;
    let Some(mode) = scene.mode(&HEADER).filter(|_| *action != Treatment::Pass) else { return };
    let tells = |name: &str, value: &[u8]| name != "server" || value.iter().any(u8::is_ascii_digit);
    let telling = names.iter().filter(|name| head.fields().all(name).any(|value| tells(name, value)));
    let telling: Vec<&String> = telling.collect();
    if telling.is_empty() {
        return;
    }
    let is_removed = *action == Treatment::Remove && mode == Mode::Enforce;
    if is_removed {
        changes.remove.extend(telling.iter().map(|name| (*name).clone()));
    }
    let shown: Vec<&str> = telling.iter().take(PLACES_MAX).map(|name| name.as_str()).collect();
    let verb = if is_removed { "removed" } else { "seen" };
    findings.add(Finding::new(&HEADER, format!("{} {verb}: {}", telling.len(), shown.join(", "))));
}

/// A body that could not be checked.
fn note_unread(scene: &Scene<'_>, unread: Unread, findings: &mut Findings) {
    let on_error = &scene.exposure.on_error;
    let policy = match unread {
        Unread::TooLong => on_error.too_long,
        Unread::Late | Unread::Unavailable => on_error.late,
        Unread::Coded => on_error.compressed,
        Unread::Partial => on_error.partial,
    };
    note(policy, unread.name(), findings);
}

fn note(policy: Unchecked, why: &'static str, findings: &mut Findings) {
    let weight = match policy {
        Unchecked::Allow => Weight::Note,
        Unchecked::Block => Weight::Refuse,
    };
    if !findings.has(&UNCHECKED) {
        findings.add(Finding::new(&UNCHECKED, why).weighing(weight));
    }
}

/// Takes away what vouches for bytes that are not sent.
fn strip(head: &Head, changes: &mut Changes) {
    let there = VALIDATORS.iter().filter(|name| head.fields().first(name).is_some());
    changes.remove.extend(there.map(|name| (*name).to_owned()));
}

/// Judges a body. What has passed already (`is_held` is false) can only be noted.
pub fn check_body(scene: &Scene<'_>, content: &Content<'_>, is_held: bool, findings: &mut Findings) -> Changes {
    let head = content.head;
    let plan = scene.plan(head.status());
    let found =
        scan::scan(content.bytes, detectors::ALL, |index| plan.kinds.get(index).is_some_and(Option::is_some));
    let whole = content.unread.is_none();
    let outline = match head.form() {
        _ if !whole || (found.is_empty() && plan.fields.is_none() && !plan.counts) => None,
        Form::Json => Outline::of_document(content.bytes, BOUNDS),
        Form::Lines => Outline::of_lines(content.bytes, BOUNDS),
        _ => None,
    };
    let mut work = Work::new(scene, content.bytes, outline.as_ref(), is_held, whole);
    if let Some(unread) = content.unread.filter(|_| plan.treatments().next().is_some()) {
        note_unread(scene, unread, findings);
    }
    if let Some((rule, mode)) = &plan.fields {
        match &outline {
            Some(_) => work.fields(rule, *mode, findings),
            // Whatever it says that it is: a client may have asked for another form.
            None if whole && !content.bytes.trim_ascii().is_empty() => {
                note(scene.exposure.on_error.broken, "not JSON", findings);
            }
            None => {}
        }
    }
    for (index, rule) in plan.kinds.iter().enumerate() {
        if let Some((rule, mode)) = rule {
            let own = found.iter().filter(|found| found.detector == index);
            work.kind(index, (rule, *mode), &own.collect::<Vec<_>>(), findings);
        }
    }
    let body = work.finish();
    let mut changes = Changes { records: records(scene, outline.as_ref(), content), ..Changes::default() };
    if let Some(body) = body {
        strip(head, &mut changes);
        changes.length = head.announced_bytes().map(|_| body.len());
        changes.body = Some(body);
    }
    changes
}

/// Records that a response has, for each volume of the route: the items of its list, or lines, or one.
fn records(scene: &Scene<'_>, outline: Option<&Outline>, content: &Content<'_>) -> Vec<u32> {
    let count = |outline: &Outline, path: &[String]| match content.head.form() {
        Form::Lines => outline.nodes().iter().filter(|node| node.parent().is_none()).count(),
        _ => fields::list(content.bytes, outline, path).map_or(1, |list| outline.children(list)),
    };
    let volumes = scene.exposure.volumes_on(&scene.route.name);
    let counts = volumes.map(|(_, volume)| outline.map_or(0, |outline| count(outline, &volume.records)));
    counts.map(|count| u32::try_from(count).unwrap_or(u32::MAX)).collect()
}

#[cfg(test)]
mod tests;
