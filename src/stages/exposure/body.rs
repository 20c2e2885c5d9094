//! One body: what was found in it, and what is to be changed.

use super::plan::Applied;
use super::redaction::{self, mask, place, Edit, Part, REDACTED};
use super::scan::Match;
use super::{detectors, fields, Scene, FIELDS, PLACES_MAX};
use crate::config::exposure::{FieldRule, KindRule};
use crate::config::{Mask, Mode, Treatment};
use crate::finding::{quoted, Check, Finding, Findings, Weight};
use crate::gather;
use crate::json::outline::{Kind, Outline};
use crate::response::{Content, Form};
use std::collections::{BTreeMap, BTreeSet};

/// Values whose places are written out: several may have the same.
const NODES_TOLD: usize = 64;

/// One body, and what is to be changed in it.
pub(super) struct Work<'a> {
    scene: &'a Scene<'a>,
    bytes: &'a [u8],
    /// Whether it says that it is JSON.
    is_json: bool,
    outline: Option<&'a Outline>,
    /// Whether all of it was read and none of it has passed.
    can_edit: bool,
    /// Whether none of it has passed.
    is_held: bool,
    /// By the value, where the body is JSON.
    edits: BTreeMap<usize, Edit>,
    /// By the place, where it is not.
    parts: Vec<Part>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        scene: &'a Scene<'a>,
        content: &'a Content<'a>,
        outline: Option<&'a Outline>,
        is_held: bool,
    ) -> Self {
        let is_json = matches!(content.head.form(), Form::Json | Form::Lines);
        let can_edit = is_held && content.unread.is_none();
        let (edits, parts) = Default::default();
        Self { scene, bytes: content.bytes, is_json, outline, can_edit, is_held, edits, parts }
    }

    fn is_done<Rule>(&self, applied: &Applied<'_, Rule>) -> bool {
        let can = self.can_edit || (self.is_held && applied.action == Treatment::Block);
        applied.mode == Mode::Enforce && can
    }

    /// Looks at its fields.
    pub(super) fn fields(&mut self, applied: &Applied<'_, FieldRule>, findings: &mut Findings) {
        let Some(outline) = self.outline else { return };
        let surplus = fields::surplus(self.bytes, outline, &applied.rule.allow);
        if surplus.is_empty() {
            return;
        }
        let is_done = self.is_done(applied);
        if is_done {
            for node in &surplus {
                let edit = match applied.action {
                    Treatment::Remove => Edit::Drop,
                    Treatment::Mask => Edit::Value(self.masked_value(outline, *node, applied.rule.mask)),
                    _ => continue,
                };
                self.put(*node, edit);
            }
        }
        let places = self.places(outline, surplus.iter().copied());
        findings.add(finding(&FIELDS, surplus.len(), applied.action, is_done, &places));
    }

    /// Places of some values: of the first ones, since no more are shown.
    fn places(&self, outline: &Outline, nodes: impl IntoIterator<Item = usize>) -> Vec<String> {
        nodes.into_iter().take(NODES_TOLD).map(|node| place(self.bytes, outline, node)).collect()
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

    /// Deals with what one detector has found.
    pub(super) fn kind(
        &mut self,
        index: usize,
        applied: &Applied<'_, KindRule>,
        found: &[&Match],
        findings: &mut Findings,
    ) {
        let Some(detector) = detectors::ALL.get(index) else { return };
        let (rule, action) = (applied.rule, applied.action);
        let least = usize::try_from(applied.at_least(detector)).unwrap_or(usize::MAX);
        if found.is_empty() || found.len() < least {
            return;
        }
        let is_done = self.is_done(applied);
        let style = rule.mask.unwrap_or(if detector.shows_end { Mask::Last4 } else { Mask::Redact });
        let mut nodes = BTreeSet::new();
        for found in found {
            if let Some((outline, node)) =
                self.outline.and_then(|outline| Some((outline, outline.around(&found.range)?)))
            {
                nodes.insert(node);
                if is_done {
                    self.edit_value(outline, node, found, action, style);
                }
            } else if is_done {
                self.edit_text(found, action, style);
            }
        }
        let places = self.outline.map(|outline| self.places(outline, nodes)).unwrap_or_default();
        findings.add(finding(&detector.check, found.len(), action, is_done, &places));
    }

    fn edit_text(&mut self, found: &Match, action: Treatment, style: Mask) {
        let range = found.range.clone();
        let is_value = redaction::is_bare_value(self.bytes, &range, self.is_json);
        let text = match action {
            Treatment::Mask => {
                let masked = mask(self.bytes.get(range.clone()).unwrap_or_default(), style, self.key());
                if is_value {
                    format!("\"{masked}\"")
                } else {
                    masked
                }
            }
            Treatment::Remove if is_value => "null".to_owned(),
            Treatment::Remove => String::new(),
            _ => return,
        };
        self.parts.push(Part { range, text });
    }

    fn edit_value(&mut self, outline: &Outline, node: usize, found: &Match, action: Treatment, style: Mask) {
        let Some(value) = outline.nodes().get(node) else { return };
        let range = found.range.clone();
        let is_within =
            value.kind == Kind::String && value.value().start < range.start && range.end < value.value().end;
        let edit = match action {
            Treatment::Remove => Edit::Drop,
            Treatment::Mask if is_within => {
                let text = mask(self.bytes.get(range.clone()).unwrap_or_default(), style, self.key());
                Edit::Parts(vec![Part { range, text }])
            }
            // A name cannot be masked without becoming another one: its member goes.
            Treatment::Mask if value.key().start <= range.start && range.start < value.key().end => Edit::Drop,
            // A number becomes a string; what was found across values takes all of them with it.
            Treatment::Mask => Edit::Value(self.masked_value(outline, node, style)),
            _ => return,
        };
        self.put(node, edit);
    }

    /// Of two edits of one value the one counts that leaves less of it.
    fn put(&mut self, node: usize, edit: Edit) {
        match (self.edits.get_mut(&node), edit) {
            (Some(Edit::Drop), _) | (Some(Edit::Value(_)), Edit::Parts(_)) => {}
            (Some(Edit::Parts(parts)), Edit::Parts(more)) => parts.extend(more),
            (Some(Edit::Value(text)), Edit::Value(other)) => {
                if *text != other {
                    REDACTED.clone_into(text);
                }
            }
            (_, edit) => {
                self.edits.insert(node, edit);
            }
        }
    }

    /// The changed body, if it is changed.
    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        if let Some(outline) = self.outline.filter(|_| !self.edits.is_empty()) {
            return Some(redaction::rewrite(self.bytes, outline, &mut self.edits));
        }
        (!self.parts.is_empty()).then(|| redaction::replace(self.bytes, self.parts))
    }
}

/// A finding: how many, what was done, and where.
fn finding(check: &'static Check, count: usize, action: Treatment, is_done: bool, places: &[String]) -> Finding {
    let places = gather::set(places.iter().map(String::as_str));
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
