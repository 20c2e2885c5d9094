//! Allow-lists of fields: paths of members and items, as a tree.

use std::collections::BTreeMap;

/// Names in one path.
pub(super) const PATH_DEPTH_MAX: usize = 32;

/// Paths of fields that may pass, as a tree. A path lets all pass that is below it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tree {
    members: BTreeMap<String, Tree>,
    any_member: Option<Box<Tree>>,
    items: Option<Box<Tree>>,
    /// Whether all of it may pass.
    pub is_end: bool,
}

/// One step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Member(&'a str),
    AnyMember,
    Items,
}

/// `items[].owner.*` in steps.
pub(super) fn steps(text: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    for part in text.split('.') {
        let name = part.trim_end_matches("[]");
        match name {
            "" if part.is_empty() => return None,
            "" => {}
            "*" => steps.push(Step::AnyMember),
            name if name.contains(['[', ']']) => return None,
            name => steps.push(Step::Member(name)),
        }
        let lists = part.len().saturating_sub(name.len()) / 2;
        steps.extend(std::iter::repeat_n(Step::Items, lists));
    }
    (steps.len() <= PATH_DEPTH_MAX).then_some(steps)
}

impl Tree {
    pub(super) fn add(&mut self, steps: &[Step<'_>]) {
        let Some((first, rest)) = steps.split_first() else {
            self.is_end = true;
            return;
        };
        match first {
            Step::Member(name) => self.member_mut(name).add(rest),
            Step::AnyMember => self.any_member_mut().add(rest),
            Step::Items => self.items_mut().add(rest),
        }
    }

    /// The place of a member's fields.
    pub(super) fn member_mut(&mut self, name: &str) -> &mut Self {
        self.members.entry(name.to_owned()).or_default()
    }

    /// The place of the fields of members that are not named.
    pub(super) fn any_member_mut(&mut self) -> &mut Self {
        self.any_member.get_or_insert_default()
    }

    /// The place of the items' fields.
    pub(super) fn items_mut(&mut self) -> &mut Self {
        self.items.get_or_insert_default()
    }

    /// What may pass of a member.
    pub fn member(&self, name: &str) -> Option<&Self> {
        self.members.get(name).or(self.any_member.as_deref())
    }

    /// What may pass of the items of a list.
    pub fn items(&self) -> Option<&Self> {
        self.items.as_deref()
    }
}
