//! Fields of a JSON text by their paths: which are not in a list, and where a list of records is.

use crate::config::exposure::{Place, Shape};
use crate::json::outline::{Kind, Node, Outline};
use std::borrow::Cow;

/// What may pass of a value.
#[derive(Debug, Copy, Clone)]
enum Pass<'a> {
    /// All of it.
    All,
    /// What the shape has there.
    Part(Place<'a>),
    /// Nothing; it is told with what it is in.
    Nothing,
}

impl<'a> Pass<'a> {
    fn of(place: Place<'a>) -> Self {
        if place.passes_all() {
            Self::All
        } else {
            Self::Part(place)
        }
    }
}

/// The values that may not pass, the outermost of each.
pub(super) fn surplus(bytes: &[u8], outline: &Outline, shape: &Shape) -> Vec<usize> {
    let mut passes: Vec<Pass<'_>> = Vec::with_capacity(outline.nodes().len());
    let mut surplus = Vec::new();
    for (index, node) in outline.nodes().iter().enumerate() {
        let within = node.parent().and_then(|parent| passes.get(parent).copied());
        let allowed = match within {
            None => shape.root().map(Pass::of),
            Some(Pass::Part(place)) if node.key().is_empty() => place.items().map(Pass::of),
            Some(Pass::Part(place)) => place.member(&key(bytes, node)).map(Pass::of),
            Some(outer) => Some(outer),
        };
        let pass = match allowed {
            // A path that leads further does not lead to a plain value; `null` says nothing.
            Some(Pass::Part(place)) if !is_container(node) && !place.passes_plain() && !is_null(bytes, node) => {
                None
            }
            allowed => allowed,
        };
        if pass.is_none() {
            surplus.push(index);
        }
        passes.push(pass.unwrap_or(Pass::Nothing));
    }
    surplus
}

/// The list at a path of members.
pub(super) fn list(bytes: &[u8], outline: &Outline, path: &[String]) -> Option<usize> {
    let member = |within: usize, name: &String| {
        let nodes = outline.nodes().iter().enumerate().skip(within);
        let mut own = nodes.filter(|(_, node)| node.parent() == Some(within));
        own.find(|(_, node)| key(bytes, node) == name.as_str()).map(|(index, _)| index)
    };
    let found = path.iter().try_fold(0_usize, member)?;
    outline.nodes().get(found).filter(|node| node.kind == Kind::Array).map(|_| found)
}

const fn is_container(node: &Node) -> bool {
    matches!(node.kind, Kind::Object | Kind::Array)
}

fn is_null(bytes: &[u8], node: &Node) -> bool {
    bytes.get(node.value()) == Some(b"null")
}

/// The name of a member. One that cannot be read is no name of a list.
pub(super) fn key<'a>(bytes: &'a [u8], node: &Node) -> Cow<'a, str> {
    let written = bytes.get(node.key()).unwrap_or_default();
    if written.contains(&b'\\') {
        return Cow::Owned(serde_json::from_slice(written).unwrap_or_default());
    }
    let plain = written.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or_default();
    std::str::from_utf8(plain).map_or(Cow::Borrowed(""), Cow::Borrowed)
}
