//! How values become unreadable, and how they are taken out of a text of which every other byte stays.

use super::detectors;
use super::fields::key;
use super::scan::{self, Asked};
use crate::config::Mask;
use crate::json::outline::Outline;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// What stands for what is not shown at all.
pub(super) const REDACTED: &str = "[redacted]";

/// Characters of a masked value at most, so that its length says little.
const MASKED_MAX: usize = 32;

/// Fewer characters than this show nothing of their end.
const ENDED_MIN: usize = 8;

/// Names in a place at most.
const DEPTH_SHOWN: usize = 8;

/// Longest name that is shown, with its quotes.
const NAME_BYTES_MAX: usize = 34;

/// What is done to a value of a JSON text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// It is taken out, with its key.
    Drop,
    /// This string takes its place.
    Value(String),
    /// Strings take the places of parts of it.
    Parts(Vec<Part>),
}

/// A text that takes the place of a part of another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) range: Range<usize>,
    pub(super) text: String,
}

/// What takes the place of a value: plain ASCII that means nothing in JSON and HTML.
pub(super) fn mask(value: &[u8], style: Mask, hash_key: &[u8]) -> String {
    let value = &*scan::unescaped(value);
    match style {
        Mask::Redact => REDACTED.to_owned(),
        Mask::Hash => {
            let hash = hmac_sha256::HMAC::mac(value, hash_key);
            let digits: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            format!("hmac:{digits}")
        }
        Mask::Last4 => {
            let plain = value.iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
            let hidden = if plain < ENDED_MIN { plain } else { plain.saturating_sub(4) };
            let mut seen = 0_usize;
            let shown = value.iter().filter_map(|byte| match byte {
                byte if byte.is_ascii_alphanumeric() => {
                    seen = seen.saturating_add(1);
                    Some(if seen > hidden { char::from(*byte) } else { '*' })
                }
                b' ' | b'-' | b'.' | b'/' | b'(' | b')' | b'+' | b'_' => Some(char::from(*byte)),
                _ => None,
            });
            let shown: Vec<char> = shown.collect();
            shown.iter().skip(shown.len().saturating_sub(MASKED_MAX)).collect()
        }
    }
}

/// Where a value is, in names of members and `[]`. A name that has itself what is looked for is not told.
pub(super) fn place(bytes: &[u8], outline: &Outline, node: usize) -> String {
    let mut names = Vec::new();
    let mut at = Some(node);
    // Names are looked into before they are told, so no more of them than are told.
    while let Some(value) = at.and_then(|at| outline.nodes().get(at)).filter(|_| names.len() < DEPTH_SHOWN) {
        if !value.key().is_empty() {
            let name = (value.key().len() <= NAME_BYTES_MAX).then(|| key(bytes, value));
            let all = |_| Some(Asked { rank: 0, at_least: 1 });
            let is_plain = |name: &Cow<'_, str>| scan::scan(name.as_bytes(), &detectors::TABLE, all).is_empty();
            names.push(name.filter(is_plain).map_or_else(|| "…".to_owned(), Cow::into_owned));
        } else if value.parent().is_some() {
            names.push("[]".to_owned());
        }
        at = value.parent();
    }
    names.reverse();
    names.join(".").replace(".[]", "[]")
}

/// Whether a part of a text is a number of JSON that is a value of its own, as far as its neighbours tell: in what is JSON by its type,
/// or else under a name in quotes.
pub(super) fn is_bare_value(bytes: &[u8], part: &Range<usize>, is_json: bool) -> bool {
    let text = bytes.get(part.clone()).unwrap_or_default();
    let is_number = text.iter().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte));
    let before = bytes.get(..part.start).unwrap_or_default().trim_ascii_end();
    let after = bytes.get(part.end..).unwrap_or_default().trim_ascii_start();
    let begins = match before.split_last() {
        Some((b':', name)) => name.trim_ascii_end().ends_with(b"\""),
        Some((b',' | b'[', _)) | None => is_json,
        Some(_) => false,
    };
    let ends = matches!(after, [b',' | b'}' | b']', ..]) || (is_json && after.is_empty());
    is_number && begins && ends
}

/// The text with strings in place of some parts. Of those that overlap all goes that either has, and nothing of it is shown.
pub(super) fn replace(bytes: &[u8], mut parts: Vec<Part>) -> Vec<u8> {
    parts.sort_by_key(|part| part.range.start);
    let mut apart: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        match apart.last_mut().filter(|last| part.range.start < last.range.end) {
            Some(last) => {
                last.range.end = last.range.end.max(part.range.end);
                let is_removed = last.text.is_empty() || part.text.is_empty();
                last.text = if is_removed { String::new() } else { REDACTED.to_owned() };
            }
            None => apart.push(part),
        }
    }
    let mut changed = Vec::with_capacity(bytes.len());
    let mut at = 0_usize;
    for Part { range, text } in apart {
        changed.extend_from_slice(bytes.get(at..range.start).unwrap_or_default());
        changed.extend_from_slice(text.as_bytes());
        at = range.end;
    }
    changed.extend_from_slice(bytes.get(at..).unwrap_or_default());
    changed
}

/// The JSON text with its edits. What is taken out takes a comma with it: the one before it if something before it stays, or
/// else the one after it.
pub(super) fn rewrite(bytes: &[u8], outline: &Outline, edits: &mut BTreeMap<usize, Edit>) -> Vec<u8> {
    let mut parts: Vec<Part> = Vec::new();
    let mut keeps = vec![false; outline.nodes().len()];
    let mut gone_until = 0_usize;
    for (index, node) in outline.nodes().iter().enumerate() {
        if node.whole().start < gone_until {
            continue;
        }
        let keeps_before = node.parent().and_then(|parent| keeps.get_mut(parent));
        match edits.remove(&index) {
            Some(Edit::Drop) => {
                gone_until = node.whole().end;
                let (start, end) = match (keeps_before.map(|keeps| *keeps), node.before(), node.next()) {
                    (Some(true), Some(before), _) => (before, node.whole().end),
                    (Some(false), _, Some(next)) => (node.whole().start, next),
                    _ => (node.whole().start, node.whole().end),
                };
                let text = if node.parent().is_none() { "null" } else { "" };
                parts.push(Part { range: start..end, text: text.to_owned() });
                continue;
            }
            Some(Edit::Value(text)) => {
                gone_until = node.whole().end;
                parts.push(Part { range: node.value(), text: format!("\"{text}\"") });
            }
            Some(Edit::Parts(own)) => parts.extend(own),
            None => {}
        }
        if let Some(keeps) = keeps_before {
            *keeps = true;
        }
    }
    replace(bytes, parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Bounds;
    use proptest::prelude::*;
    use serde_json::Value;

    const BOUNDS: Bounds = Bounds { depth: 16, values: 1000 };

    fn rewritten(text: &str, edits: impl IntoIterator<Item = (usize, Edit)>) -> String {
        let outline = Outline::of_document(text.as_bytes(), BOUNDS).unwrap();
        String::from_utf8(rewrite(text.as_bytes(), &outline, &mut edits.into_iter().collect())).unwrap()
    }

    #[test]
    fn what_is_taken_out_takes_one_comma_with_it() {
        let text = r#"{ "a": 1 , "b" : [2, 3],"c":4 }"#;
        for (gone, left) in [
            (vec![1], r#"{ "b" : [2, 3],"c":4 }"#),
            (vec![2], r#"{ "a": 1,"c":4 }"#),
            (vec![5], r#"{ "a": 1 , "b" : [2, 3] }"#),
            (vec![1, 2], r#"{ "c":4 }"#),
            (vec![2, 5], r#"{ "a": 1 }"#),
            (vec![1, 2, 5], r#"{  }"#),
            (vec![3], r#"{ "a": 1 , "b" : [3],"c":4 }"#),
            (vec![2, 3], r#"{ "a": 1,"c":4 }"#),
            (vec![0], "null"),
        ] {
            assert_eq!(rewritten(text, gone.into_iter().map(|node| (node, Edit::Drop))), left);
        }
    }

    #[test]
    fn masks_show_little() {
        let mask = |value: &str, style| mask(value.as_bytes(), style, b"0123456789abcdef");
        assert_eq!(mask("4111 1111 1111 1111", Mask::Last4), "**** **** **** 1111");
        assert_eq!(mask("12345", Mask::Last4), "*****");
        assert_eq!(mask(&"\"\\a<é".repeat(20), Mask::Last4).len(), 20);
        assert_eq!(mask("x", Mask::Redact), "[redacted]");
        assert!(
            mask("4111111111111111", Mask::Hash).starts_with("hmac:")
                && mask("a", Mask::Hash) != mask("b", Mask::Hash)
        );
    }

    #[test]
    fn places_are_names_that_say_nothing_secret() {
        let text = br#"{"a":[{"b":1}],"4111111111111111":{"c":2}}"#;
        let outline = Outline::of_document(text, BOUNDS).unwrap();
        let places: Vec<String> = (0..outline.nodes().len()).map(|node| place(text, &outline, node)).collect();
        assert_eq!(places, ["", "a", "a[]", "a[].b", "\u{2026}", "\u{2026}.c"]);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<u32>().prop_map(Value::from),
            "[a-z\"\\\\ é]{0,6}".prop_map(Value::from),
            Just(Value::Null)
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map("[a-z]{1,3}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_changed_the_rest_is_valid_and_the_same(value in json(), pretty: bool, choices in proptest::collection::vec(0..4_u8, 60)) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let outline = Outline::of_document(text.as_bytes(), BOUNDS).unwrap();
            let edit = |(index, choice): (usize, &u8)| match choice {
                0 => Some((index, Edit::Drop)),
                1 => Some((index, Edit::Value("x".to_owned()))),
                _ => None,
            };
            let nodes = outline.nodes().len();
            let changed = rewritten(&text, choices.iter().take(nodes).enumerate().filter_map(edit));
            prop_assert!(serde_json::from_str::<Value>(&changed).is_ok(), "{text} -> {changed}");
            prop_assert_eq!(rewritten(&text, []), text);
        }
    }
}
