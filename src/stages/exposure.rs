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

pub mod detectors;
mod fields;
mod redaction;
pub mod scan;
pub mod volume;

use self::detectors::check;
use self::redaction::{mask, place, Edit};
use self::scan::Match;
use crate::config::exposure::{Exposure, FieldRule, KindRule, Whom};
use crate::config::{Config, Mask, Mode, Route, Treatment, Unchecked};
use crate::finding::{quoted, Check, Class, Family, Finding, Findings, Weight};
use crate::jose::claims::Claims;
use crate::json::outline::{Kind, Outline};
use crate::response::{Content, Form, Head, Unread, BOUNDS};
use std::collections::BTreeMap;

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

/// What is needed to judge a response.
#[derive(Debug, Copy, Clone)]
pub struct Scene<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The section.
    pub exposure: &'a Exposure,
    /// The route of its request.
    pub route: &'a Route,
    /// What is proved of who gets it.
    pub claims: Option<&'a Claims>,
}

/// What is to be changed on a response.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Header fields to take away.
    pub remove: Vec<String>,
    /// The length to announce, where one was announced.
    pub length: Option<usize>,
    /// The body in place of the one that was read.
    pub body: Option<Vec<u8>>,
    /// Records that the actor took.
    pub records: u32,
}

/// What the rules want of a response.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub struct Wish {
    /// To read its body.
    pub reads: bool,
    /// To read it before the client does.
    pub holds: bool,
}

/// The rules that are for one response.
struct Plan<'a> {
    /// For each detector.
    kinds: Vec<Option<(&'a KindRule, Mode)>>,
    fields: Option<(&'a FieldRule, Mode)>,
    counts: bool,
}

impl<'a> Scene<'a> {
    fn is_for(&self, whom: &Whom, status: u16) -> bool {
        let claims = self.claims;
        whom.is_on(&self.route.name)
            && whom.has_status(status)
            && whom.scopes.iter().all(|scope| claims.is_some_and(|claims| claims.has_scope(scope)))
            && whom.claims.iter().all(|(name, values)| claims.is_some_and(|claims| claims.matches(name, values)))
    }

    /// The mode of what a check finds here; `None` where it is switched off.
    fn mode(&self, check: &'static Check) -> Option<Mode> {
        self.config.weigh(&Finding::new(check, ""), self.route.mode).map(|(_, mode)| mode)
    }

    fn plan(&self, status: u16) -> Plan<'a> {
        let exposure = self.exposure;
        let rule = |check: &'static Check| {
            let rule =
                exposure.rules.iter().find(|rule| rule.is_about(check.id) && self.is_for(&rule.whom, status))?;
            (rule.action != Treatment::Pass).then_some((rule, self.mode(check)?))
        };
        let fields = exposure.fields.iter().find(|rule| self.is_for(&rule.whom, status));
        let fields = fields.filter(|rule| rule.action != Treatment::Pass);
        Plan {
            kinds: detectors::ALL.iter().map(|detector| rule(&detector.check)).collect(),
            fields: fields.and_then(|rule| Some((rule, self.mode(&FIELDS)?))),
            counts: exposure.volumes_on(&self.route.name).next().is_some(),
        }
    }
}

impl Plan<'_> {
    fn treatments(&self) -> impl Iterator<Item = (Treatment, Mode)> + '_ {
        let kinds = self.kinds.iter().flatten().map(|(rule, mode)| (rule.action, *mode));
        kinds.chain(self.fields.iter().map(|(rule, mode)| (rule.action, *mode)))
    }

    fn wish(&self) -> Wish {
        let holds = self.treatments().any(|(action, mode)| mode == Mode::Enforce && action != Treatment::Flag);
        Wish { reads: self.counts || self.treatments().next().is_some(), holds }
    }

    /// Whether a body that the client was told of is not the one it gets.
    fn changes(&self) -> bool {
        self.treatments()
            .any(|(action, mode)| mode == Mode::Enforce && matches!(action, Treatment::Mask | Treatment::Remove))
    }
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
    let mut work = Work {
        scene,
        bytes: content.bytes,
        outline: outline.as_ref(),
        can_edit: is_held && whole,
        edits: BTreeMap::new(),
        parts: Vec::new(),
    };
    if let Some(unread) = content.unread.filter(|_| plan.treatments().next().is_some()) {
        note_unread(scene, unread, findings);
    }
    if let Some((rule, mode)) = &plan.fields {
        match &outline {
            Some(_) => work.fields(rule, *mode, is_held, findings),
            None if whole
                && matches!(head.form(), Form::Json | Form::Lines)
                && !content.bytes.trim_ascii().is_empty() =>
            {
                note(scene.exposure.on_error.broken, "not JSON", findings);
            }
            None => {}
        }
    }
    for (index, rule) in plan.kinds.iter().enumerate() {
        if let Some((rule, mode)) = rule {
            let own = found.iter().filter(|found| found.detector == index);
            work.kind(index, (rule, *mode), is_held, &own.collect::<Vec<_>>(), findings);
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

/// One body, and what is to be changed in it.
struct Work<'a> {
    scene: &'a Scene<'a>,
    bytes: &'a [u8],
    outline: Option<&'a Outline>,
    can_edit: bool,
    /// By the value, where the body is JSON.
    edits: BTreeMap<usize, Edit>,
    /// By the place, where it is not.
    parts: Vec<(std::ops::Range<usize>, String)>,
}

impl Work<'_> {
    fn fields(&mut self, rule: &FieldRule, mode: Mode, is_held: bool, findings: &mut Findings) {
        let Some(outline) = self.outline else { return };
        let surplus = fields::surplus(self.bytes, outline, &rule.allow);
        if surplus.is_empty() {
            return;
        }
        let is_done = mode == Mode::Enforce && (self.can_edit || (is_held && rule.action == Treatment::Block));
        if is_done {
            for node in &surplus {
                let edit = match rule.action {
                    Treatment::Remove => Edit::Drop,
                    Treatment::Mask => Edit::Value(self.masked_value(outline, *node, rule.mask)),
                    _ => continue,
                };
                self.edits.insert(*node, edit);
            }
        }
        let places = surplus.iter().map(|node| place(self.bytes, outline, *node)).collect();
        findings.add(finding(&FIELDS, surplus.len(), rule.action, is_done, places));
    }

    /// What takes the place of a whole value: of its text, or of all that it contains.
    fn masked_value(&self, outline: &Outline, node: usize, style: Mask) -> String {
        let Some(node) = outline.nodes().get(node) else { return String::new() };
        let value = self.bytes.get(node.value()).unwrap_or_default();
        match node.kind {
            Kind::Object | Kind::Array => {
                mask(value, if style == Mask::Last4 { Mask::Redact } else { style }, self.key())
            }
            _ => mask(
                value
                    .trim_ascii_start()
                    .strip_prefix(b"\"")
                    .and_then(|text| text.strip_suffix(b"\""))
                    .unwrap_or(value),
                style,
                self.key(),
            ),
        }
    }

    fn key(&self) -> &[u8] {
        self.scene.exposure.hash_key()
    }

    fn kind(
        &mut self,
        index: usize,
        (rule, mode): (&KindRule, Mode),
        is_held: bool,
        found: &[&Match],
        findings: &mut Findings,
    ) {
        let Some(detector) = detectors::ALL.get(index) else { return };
        let least = usize::try_from(rule.at_least.unwrap_or(detector.at_least)).unwrap_or(usize::MAX);
        if found.is_empty() || found.len() < least {
            return;
        }
        let is_done = mode == Mode::Enforce && (self.can_edit || (is_held && rule.action == Treatment::Block));
        let style = rule.mask.unwrap_or(if detector.shows_end { Mask::Last4 } else { Mask::Redact });
        let mut places = Vec::new();
        for found in found {
            if let Some((outline, node)) =
                self.outline.and_then(|outline| Some((outline, outline.around(&found.range)?)))
            {
                places.push(place(self.bytes, outline, node));
                if is_done {
                    self.edit_value(outline, node, found, rule.action, style);
                }
            } else if is_done {
                self.edit_text(found, rule.action, style);
            }
        }
        findings.add(finding(&detector.check, found.len(), rule.action, is_done, places));
    }

    fn edit_text(&mut self, found: &Match, action: Treatment, style: Mask) {
        let text = self.bytes.get(found.range.clone()).unwrap_or_default();
        match action {
            Treatment::Mask => self.parts.push((found.range.clone(), mask(text, style, self.key()))),
            Treatment::Remove => self.parts.push((found.range.clone(), String::new())),
            _ => {}
        }
    }

    fn edit_value(&mut self, outline: &Outline, node: usize, found: &Match, action: Treatment, style: Mask) {
        let Some(value) = outline.nodes().get(node) else { return };
        let is_within = value.kind == Kind::String
            && value.value().start < found.range.start
            && found.range.end < value.value().end;
        let edit = match action {
            Treatment::Remove => Edit::Drop,
            Treatment::Mask if is_within => {
                let text = self.bytes.get(found.range.clone()).unwrap_or_default();
                let part = (found.range.clone(), mask(text, style, self.key()));
                match self.edits.entry(node).or_insert_with(|| Edit::Parts(Vec::new())) {
                    Edit::Parts(parts) => parts.push(part),
                    Edit::Drop | Edit::Value(_) => {}
                }
                return;
            }
            // A number becomes a string; what was found in a key, or across values, takes all of its value with it.
            Treatment::Mask => Edit::Value(self.masked_value(outline, node, style)),
            _ => return,
        };
        self.edits.insert(node, edit);
    }

    /// The changed body, if it is changed.
    fn finish(mut self) -> Option<Vec<u8>> {
        if let Some(outline) = self.outline.filter(|_| !self.edits.is_empty()) {
            return Some(redaction::rewrite(self.bytes, outline, &mut self.edits));
        }
        self.parts.sort_by_key(|(range, _)| range.start);
        (!self.parts.is_empty()).then(|| redaction::replace(self.bytes, &self.parts))
    }
}

/// A finding: how many, what was done, and where.
fn finding(
    check: &'static Check,
    count: usize,
    action: Treatment,
    is_done: bool,
    mut places: Vec<String>,
) -> Finding {
    places.sort_unstable();
    places.dedup();
    let verb = match action {
        _ if !is_done => "seen",
        Treatment::Pass | Treatment::Flag => "seen",
        Treatment::Mask => "masked",
        Treatment::Remove => "removed",
        Treatment::Block => "withheld",
    };
    let shown: Vec<String> = places.iter().take(PLACES_MAX).map(|place| quoted(place)).collect();
    let within = if shown.is_empty() { String::new() } else { format!(" in {}", shown.join(", ")) };
    let finding = Finding::new(check, format!("{count} {verb}{within}"));
    if action == Treatment::Block {
        finding.weighing(Weight::Refuse)
    } else {
        finding
    }
}

/// Records that a response has: the items of the list that the route's volume names, or lines, or one.
fn records(scene: &Scene<'_>, outline: Option<&Outline>, content: &Content<'_>) -> u32 {
    let Some(outline) = outline else { return 0 };
    let Some((_, volume)) = scene.exposure.volumes_on(&scene.route.name).next() else { return 0 };
    let count = match content.head.form() {
        Form::Lines => outline.nodes().iter().filter(|node| node.parent().is_none()).count(),
        _ => fields::list(content.bytes, outline, &volume.records).map_or(1, |list| outline.children(list)),
    };
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
