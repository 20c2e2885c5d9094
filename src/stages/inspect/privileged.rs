//! Fields that a client has no business to set: mass assignment (CWE-915).
//!
//! Which fields those are is the application's to say (`inspect.privileged_fields`); the default are names that give rights in many
//! frameworks. Names are compared without regard to case, hyphens and underscores, in JSON documents and forms that change
//! something. An administrator's form has such fields rightly, so a finding raises the risk a little and no more; exclude the
//! route, or make the check refuse elsewhere.
//!
//! Bounds: the members of a document down to [`DEPTH_MAX`]. Not covered: names that only one application minds, until it says so.

use crate::config::inspect::{canonical, canonical_ascii};
use crate::finding::{quoted, Check, Class, Family, Finding, Findings, Score, Weight};
use serde_json::Value;

/// How deep members are looked for.
const DEPTH_MAX: usize = 4;

/// A privileged field.
pub static FIELD: Check = Check {
    id: "payload.privileged_field",
    family: Family::Payload,
    code: "payload_privileged_field",
    class: Class::Forbidden,
    weight: Weight::Score(Score::constant(0.2)),
    tunable: true,
    bearer_error: None,
    means: crate::finding::documented("A body sets a field of `inspect.privileged_fields`."),
};

/// Looks for privileged members in a document. `fields` are canonical and sorted.
pub(super) fn check_document(fields: &[String], document: &Value, findings: &mut Findings) {
    let beginnings = fields.iter().fold(0, |seen, field| seen | beginning(field.bytes()));
    let may_be = |name: &str| beginnings & beginning(canonical_ascii(name.as_bytes())) != 0;
    let mut open = vec![(document, DEPTH_MAX)];
    while let Some((value, depth)) = open.pop() {
        let Some(deeper) = depth.checked_sub(1) else { continue };
        match value {
            Value::Object(members) => {
                if let Some(name) = members.keys().find(|name| may_be(name) && is_privileged(fields, name)) {
                    findings.add(found(name));
                    return;
                }
                open.extend(members.values().filter(has_more).map(|member| (member, deeper)));
            }
            Value::Array(items) => open.extend(items.iter().filter(has_more).map(|item| (item, deeper))),
            _ => {}
        }
    }
}

/// Whether there may be members in it.
fn has_more(value: &&Value) -> bool {
    value.is_object() || value.is_array()
}

/// One of 128 bits for the first two letters of a name, which tell most names from all fields. What is not ASCII has all bits: it may
/// become any letter in lower case.
fn beginning(mut letters: impl Iterator<Item = u8>) -> u128 {
    let (first, second) = (letters.next().unwrap_or_default(), letters.next().unwrap_or_default());
    if first.is_ascii() && second.is_ascii() {
        1 << (first.wrapping_mul(5).wrapping_add(second) & 127)
    } else {
        u128::MAX
    }
}

/// Looks for a privileged field among the names of a form.
pub(super) fn check_name(fields: &[String], name: &str, findings: &mut Findings) {
    // `user[role]` sets the same as `role`.
    let mut parts = name.split(['[', ']', '.']).filter(|part| !part.is_empty());
    if !findings.has(&FIELD) && parts.any(|part| is_privileged(fields, part)) {
        findings.add(found(name));
    }
}

fn is_privileged(fields: &[String], name: &str) -> bool {
    if !name.is_ascii() {
        return fields.binary_search(&canonical(name)).is_ok();
    }
    // The same of ASCII, without a copy.
    let letters = || canonical_ascii(name.as_bytes());
    fields.binary_search_by(|field| field.bytes().cmp(letters())).is_ok()
}

fn found(name: &str) -> Finding {
    Finding::new(&FIELD, format!("field {}", quoted(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_name_is_a_field_if_it_is_called_the_same(name in "[-_]{0,2}(role|Role|ROLE|is[-_]?admin|\u{212a}ey|[\\PCa-c]{0,3})[-_]?") {
            let mut fields = ["role", "isadmin", "key", "ab", "é"].map(str::to_owned);
            fields.sort_unstable();
            let is_one = fields.contains(&canonical(&name));
            let mut findings = Findings::default();
            let document = serde_json::json!([{ name.clone(): 1 }]);
            check_document(&fields, &document, &mut findings);
            prop_assert_eq!((is_privileged(&fields, &name), findings.has(&FIELD)), (is_one, is_one));
        }
    }
}
