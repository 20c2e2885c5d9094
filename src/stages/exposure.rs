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
//! covered, and told as [`UNCHECKED`]: compressed bodies, parts (206), other character sets, data that are not text. Not covered and not
//! told: streams (server-sent events, gRPC), values that are encoded again.

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
use self::plan::Plan;
use self::scan::Asked;
use crate::config::exposure::Volume;
use crate::config::{Mode, Treatment, Unchecked};
use crate::finding::{Check, Class, Family, Finding, Findings, Weight};
use crate::json::outline::{Fault, Outline};
use crate::json::Bounds;
use crate::response::{Content, Form, Head, Unread};

/// What JSON may contain to be read: nesting that hardly any client reads, and more values than fit into what is read by default, so that
/// nobody who puts something into a response can turn the reading off.
const BOUNDS: Bounds = Bounds { depth: 1000, values: 300_000 };

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
    means: crate::finding::documented("The response could not be checked, or not all of it: too long, late, compressed, partial, broken, too complex or not text; `exposure.on_error` decided."),
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
    // Almost always its head is all that is to be judged.
    if unread.is_none() && head.form() != Form::None {
        return changes;
    }
    let plan = scene.plan(head.status());
    if let Some(unread) = unread {
        note_unread(scene, &plan, head, unread, findings);
    }
    if head.form() == Form::None && plan.changes() {
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

/// A body that could not be read.
fn note_unread(scene: &Scene<'_>, plan: &Plan<'_>, head: &Head, unread: Unread, findings: &mut Findings) {
    let on_error = &scene.exposure.on_error;
    let policy = match unread {
        Unread::TooLong => on_error.too_long,
        Unread::Late | Unread::Unavailable => on_error.late,
        Unread::Coded => on_error.compressed,
        Unread::Partial => on_error.partial,
        Unread::Charset | Unread::Opaque => on_error.unreadable,
    };
    // What flows is never stopped. Where no fields are listed, nobody expects data in a picture.
    let (policy, is_told) = match head.form() {
        Form::Stream => (Unchecked::Allow, plan.fields.is_some() && head.status() != 101),
        Form::Media => (policy, plan.fields.is_some()),
        Form::Opaque => (policy, plan.fields.is_some() || plan.may_change() || plan.counts),
        Form::None => (policy, false),
        Form::Json | Form::Lines | Form::Text => (policy, plan.looks() || plan.counts),
    };
    if is_told {
        note(plan, policy, unread.name(), findings);
    }
}

/// A response that could not be checked, once. The policy is about rules that may change it: what is only looked at passes.
fn note(plan: &Plan<'_>, policy: Unchecked, why: &'static str, findings: &mut Findings) {
    let refuses = policy == Unchecked::Block && plan.may_change();
    let weight = if refuses { Weight::Refuse } else { Weight::Note };
    if !findings.has(&UNCHECKED) {
        let finding = Finding::new(&UNCHECKED, why).weighing(weight);
        findings.add(Finding { held_back: refuses && !plan.wish().holds, ..finding });
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
    let asked = |index: usize| {
        let (applied, detector) = (plan.kinds.get(index)?.as_ref()?, detectors::ALL.get(index)?);
        Some(Asked { rank: applied.rank(), at_least: applied.at_least(detector) })
    };
    let found = scan::scan(content.bytes, &detectors::TABLE, asked);
    let whole = content.unread.is_none();
    let is_needed = whole && (!found.is_empty() || plan.fields.is_some() || plan.counts);
    let (outline, fault) = match is_needed.then(|| outline(content)) {
        Some(Ok(outline)) => (Some(outline), None),
        Some(Err(fault)) => (None, Some(fault)),
        None => (None, None),
    };
    let mut work = Work::new(scene, content, outline.as_ref(), is_held);
    if let Some(unread) = content.unread {
        note_unread(scene, &plan, head, unread, findings);
    }
    if let Some(fault) = fault {
        note_fault(scene, &plan, content, (fault, !found.is_empty()), findings);
    }
    if let Some(applied) = &plan.fields {
        work.fields(applied, findings);
    }
    for (index, applied) in plan.kinds.iter().enumerate() {
        if let Some(applied) = applied {
            let own = found.iter().filter(|found| found.detector == index);
            work.kind(index, applied, &own.collect::<Vec<_>>(), findings);
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

/// The outline of what is JSON, by its type or by how it begins: a client may have asked for another type.
fn outline(content: &Content<'_>) -> Result<Outline, Fault> {
    let begins = content.bytes.trim_ascii_start().first().copied();
    match content.head.form() {
        Form::Lines => Outline::of_lines(content.bytes, BOUNDS),
        Form::Text if !matches!(begins, Some(b'{' | b'[' | b')' | 0xef)) => Err(Fault::Broken),
        // Lines of documents go under the name of one, too.
        _ => Outline::of_document(content.bytes, BOUNDS).or_else(|fault| match fault {
            Fault::Broken => Outline::of_lines(content.bytes, BOUNDS),
            bound => Err(bound),
        }),
    }
}

/// A body that is not JSON where fields are looked at, or more of it than is read: what was found there is changed as in any text.
fn note_fault(
    scene: &Scene<'_>,
    plan: &Plan<'_>,
    content: &Content<'_>,
    (fault, is_found): (Fault, bool),
    findings: &mut Findings,
) {
    let on_error = &scene.exposure.on_error;
    let lists = plan.fields.is_some() && !content.bytes.trim_ascii().is_empty();
    let (policy, why, is_told) = match fault {
        Fault::Broken => (on_error.broken, "not JSON", lists),
        Fault::TooDeep => (on_error.too_complex, "nested too deeply", lists || is_found),
        Fault::TooMany => (on_error.too_complex, "too many values", lists || is_found),
    };
    if is_told {
        note(plan, policy, why, findings);
    }
}

/// Records that a response has, for each volume of the route: the items of its list, or lines, or one. Of a body that is too long or
/// too complex those of its beginning count.
fn records(scene: &Scene<'_>, outline: Option<&Outline>, content: &Content<'_>) -> Vec<u32> {
    let volumes: Vec<&Volume> = scene.exposure.volumes_on(&scene.route.name).map(|(_, volume)| volume).collect();
    if !volumes.iter().any(|volume| volume.counts_records()) {
        return vec![0; volumes.len()];
    }
    let begun = || match content.head.form() {
        Form::Json | Form::Lines => Outline::of_beginning(content.bytes, BOUNDS),
        _ => Outline::default(),
    };
    let begun = outline.is_none().then(begun);
    let outline = outline.or(begun.as_ref());
    let count = |outline: &Outline, path: &[String]| match outline.documents() {
        _ if content.head.is_table() => {
            content.bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count()
        }
        0 => 0,
        1 if content.head.form() != Form::Lines => {
            fields::list(content.bytes, outline, path).map_or(1, |list| outline.children(list))
        }
        documents => documents,
    };
    let counts = volumes.iter().map(|volume| outline.map_or(0, |outline| count(outline, &volume.records)));
    counts.map(|count| u32::try_from(count).unwrap_or(u32::MAX)).collect()
}

#[cfg(test)]
mod tests;
