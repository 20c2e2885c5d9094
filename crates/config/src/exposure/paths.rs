//! Paths of fields that may pass, as schemas: `items[].owner.*`. A path lets all pass that is below it.

use serde_json::{json, Value};

/// Names in one path.
pub(super) const PATH_DEPTH_MAX: usize = 32;

/// One step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step<'a> {
    Member(&'a str),
    AnyMember,
    Items,
}

/// `items[].owner.*` in steps.
fn steps(text: &str) -> Option<Vec<Step<'_>>> {
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

/// The schema of what a path lets pass.
pub(super) fn schema(text: &str) -> Option<Value> {
    let within = |inner: Value, step: Step<'_>| match step {
        Step::Member(name) => json!({"properties": {name: inner}}),
        Step::AnyMember => json!({"additionalProperties": inner}),
        Step::Items => json!({"items": inner}),
    };
    Some(steps(text)?.into_iter().rev().fold(Value::Bool(true), within))
}
