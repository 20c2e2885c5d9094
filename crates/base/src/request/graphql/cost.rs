//! What the definitions of a document come to when every fragment stands where it is spread.
//!
//! A fragment is summed up once and its sum is used at every spread (GraphQL October 2021, §2.8), so a document whose
//! fragments double each other costs no more than it is long. Fragments are taken in an order in which each comes after
//! those that it spreads; those that never get a turn are in a cycle or spread one (§5.5.2.2). No recursion; sums saturate.

use super::shape::{Fault, DEPTH_MAX};
use std::collections::BTreeMap;

/// One operation or fragment.
#[derive(Debug, Default)]
pub(super) struct Definition<'a> {
    /// The name of a fragment; `None` for an operation.
    pub(super) fragment: Option<&'a str>,
    /// What it selects, each after what it stands in.
    pub(super) nodes: Vec<Node<'a>>,
}

/// One selection (§2.4).
#[derive(Debug)]
pub(super) struct Node<'a> {
    /// The place of the selection around it, in the same definition; `None` at the top.
    pub(super) parent: Option<usize>,
    pub(super) kind: Kind<'a>,
}

#[derive(Debug)]
pub(super) enum Kind<'a> {
    /// A field, and how many items its list arguments ask for: 1 without any.
    Field { items: u64 },
    /// A fragment without a name: its selections belong to what is around it.
    Inline,
    /// The spread of a fragment of that name.
    Spread(&'a str),
}

/// The sums of one definition, or the most of several.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) depth: u32,
    pub(super) cost: u64,
    pub(super) root_fields: u64,
}

/// The depth is the deepest of all definitions, cost and root fields are the most of one operation.
pub(super) fn most(definitions: &[Definition<'_>]) -> Result<Totals, Fault> {
    let mut most = Totals::default();
    for (definition, sum) in definitions.iter().zip(sums(definitions)?) {
        most.depth = most.depth.max(sum.depth);
        if definition.fragment.is_none() {
            most.cost = most.cost.max(sum.cost);
            most.root_fields = most.root_fields.max(sum.root_fields);
        }
    }
    Ok(most)
}

fn sums(definitions: &[Definition<'_>]) -> Result<Vec<Totals>, Fault> {
    let mut places = BTreeMap::new();
    for (place, definition) in definitions.iter().enumerate() {
        let taken = definition.fragment.and_then(|name| places.insert(name, place));
        if taken.is_some() {
            return Err(Fault::Repeated);
        }
    }
    // For each definition the spreads in it that wait for their fragment, and the spreads that wait for it.
    let mut waiting = vec![0_usize; definitions.len()];
    let mut spread_in = vec![Vec::new(); definitions.len()];
    for ((place, definition), waits) in definitions.iter().enumerate().zip(&mut waiting) {
        for node in &definition.nodes {
            let Kind::Spread(name) = node.kind else { continue };
            let users = places.get(name).and_then(|at| spread_in.get_mut(*at)).ok_or(Fault::UnknownFragment)?;
            users.push(place);
            *waits = waits.saturating_add(1);
        }
    }
    let mut ready: Vec<usize> = (0..).zip(&waiting).filter(|(_, waits)| **waits == 0).map(|(at, _)| at).collect();
    let mut sums = vec![None; definitions.len()];
    while let Some(place) = ready.pop() {
        let Some(definition) = definitions.get(place) else { continue };
        let known = |name: &str| places.get(name).and_then(|at| sums.get(*at).copied().flatten());
        let sum = sum(definition, known)?;
        if let Some(slot) = sums.get_mut(place) {
            *slot = Some(sum);
        }
        for user in spread_in.get(place).into_iter().flatten() {
            let Some(waits) = waiting.get_mut(*user) else { continue };
            *waits = waits.saturating_sub(1);
            if *waits == 0 {
                ready.push(*user);
            }
        }
    }
    sums.into_iter().collect::<Option<_>>().ok_or(Fault::Cycle)
}

/// What the selections inside a selection are multiplied by, and how deep they are.
#[derive(Clone, Copy)]
struct Inside {
    items: u64,
    depth: u32,
}

fn sum(definition: &Definition<'_>, fragment: impl Fn(&str) -> Option<Totals>) -> Result<Totals, Fault> {
    let mut insides: Vec<Inside> = Vec::with_capacity(definition.nodes.len());
    let mut sum = Totals::default();
    for node in &definition.nodes {
        let around = node.parent.and_then(|parent| insides.get(parent)).copied();
        let around = around.unwrap_or(Inside { items: 1, depth: 0 });
        let (inside, part) = match node.kind {
            Kind::Field { items } => {
                let items = around.items.saturating_mul(items);
                let depth = around.depth.saturating_add(1);
                (Inside { items, depth }, Totals { depth, cost: items, root_fields: 1 })
            }
            Kind::Inline => (around, Totals::default()),
            Kind::Spread(name) => {
                let whole = fragment(name).unwrap_or_default();
                let depth = around.depth.saturating_add(whole.depth);
                (around, Totals { depth, cost: around.items.saturating_mul(whole.cost), ..whole })
            }
        };
        insides.push(inside);
        sum.depth = sum.depth.max(part.depth);
        sum.cost = sum.cost.saturating_add(part.cost);
        // What is in no field is at the root.
        let root_fields = if around.depth == 0 { part.root_fields } else { 0 };
        sum.root_fields = sum.root_fields.saturating_add(root_fields);
    }
    if sum.depth > DEPTH_MAX {
        return Err(Fault::TooDeep);
    }
    Ok(sum)
}
