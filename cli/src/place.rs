//! Where in a document's text a fault is: from a path such as `identity.issuers[0].audiences` to a range of bytes.
//!
//! Paths name members as they are written, dots and brackets in names included, so of several readings the one is taken that the
//! document has. A path that leads beyond what is there (a key that is missing) leads to what would contain it.

use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::ops::Range;

/// The place of a path in a text: of the key if the fault is in the name of the last member, else of the value.
pub(crate) fn find(text: &str, path: &str, at_key: bool) -> Option<Range<usize>> {
    let document: &RawValue = serde_json::from_str(text).ok()?;
    let mut place = Place { value: range(text, document), key: None };
    descend(text, document, path, &mut place);
    let key = place.key.clone().filter(|_| at_key);
    Some(key.unwrap_or(place.value))
}

/// The place of a fault in the syntax, which serde_json tells as `… at line 3 column 5`.
pub(crate) fn of_syntax(text: &str, fault: &str) -> Option<Range<usize>> {
    let (_, tail) = fault.rsplit_once(" at line ")?;
    let (line, column) = tail.split_once(" column ")?;
    let (line, column) = (line.parse::<usize>().ok()?, column.parse::<usize>().ok()?);
    let before: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let at = before.saturating_add(column.saturating_sub(1)).min(text.len());
    let start = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let length = text.get(start..)?.chars().next().map_or(0, char::len_utf8);
    Some(start..start.saturating_add(length))
}

/// Line and column of a byte, both from 1; columns count characters.
pub(crate) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end.saturating_add(1));
    let column = before.get(line_start..).unwrap_or_default().chars().count();
    (before.matches('\n').count().saturating_add(1), column.saturating_add(1))
}

#[derive(Debug)]
struct Place {
    value: Range<usize>,
    key: Option<Range<usize>>,
}

fn descend(text: &str, value: &RawValue, path: &str, place: &mut Place) {
    let step = path.strip_prefix('.').unwrap_or(path);
    if step.is_empty() {
        return;
    }
    if let Some((index, rest)) = step.strip_prefix('[').and_then(|step| step.split_once(']')) {
        let items: Option<Vec<&RawValue>> = serde_json::from_str(value.get()).ok();
        let item = items.zip(index.parse::<usize>().ok()).and_then(|(items, index)| items.get(index).copied());
        if let Some(item) = item {
            *place = Place { value: range(text, item), key: None };
            descend(text, item, rest, place);
        }
        return;
    }
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
    let ends = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[']);
    let fits = members.iter().filter_map(|(name, member)| {
        let rest = step.strip_prefix(name.as_str()).filter(|rest| ends(rest))?;
        Some((name, *member, rest))
    });
    // The longest name first: `a.b` before `a`.
    if let Some((_, member, rest)) = fits.max_by_key(|(name, ..)| name.len()) {
        let value = range(text, member);
        *place = Place { key: key_before(text, value.start), value };
        descend(text, member, rest, place);
    }
}

/// Where a part of the text lies in it.
fn range(text: &str, part: &RawValue) -> Range<usize> {
    let start = part.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
    start..start.saturating_add(part.get().len())
}

/// The key of the value that begins there: behind it stand only blanks and a colon.
fn key_before(text: &str, value_start: usize) -> Option<Range<usize>> {
    let before = text.get(..value_start)?.trim_end().strip_suffix(':')?.trim_end();
    let mut quotes = before.rmatch_indices('"').map(|(at, _)| at).skip(1);
    // A quotation mark inside the name has an odd number of backslashes before it.
    let opens = |start: &usize| {
        let backslashes = before.get(..*start).unwrap_or_default().bytes().rev().take_while(|byte| *byte == b'\\');
        backslashes.count() % 2 == 0
    };
    quotes.find(opens).map(|start| start..before.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::IgnoredAny;

    const TEXT: &str = "{\n  \"a.b\" : [ {\"c\\\"d\": 1}, {\"e\": \"x\"} ],\n  \"a\": {}\n}";

    fn at(path: &str, at_key: bool) -> &'static str {
        &TEXT[find(TEXT, path, at_key).unwrap()]
    }

    #[test]
    fn paths_lead_to_values_and_keys() {
        assert_eq!(at("a.b[1].e", false), "\"x\"");
        assert_eq!(at("a.b[1].e", true), "\"e\"");
        assert_eq!(at("a.b[0].c\"d", true), "\"c\\\"d\"");
        assert_eq!(at("a.b", true), "\"a.b\"");
        assert_eq!(at("a", false), "{}");
    }

    #[test]
    fn what_is_missing_is_told_where_it_would_be() {
        assert_eq!(at("a.x.y", false), "{}");
        assert_eq!(at("a.b[7]", false), at("a.b", false));
        assert_eq!(find("{", "a", false), None);
    }

    #[test]
    fn faults_of_the_syntax_have_a_place() {
        let text = "{\n \"a\": é }";
        let fault = serde_json::from_str::<IgnoredAny>(text).unwrap_err().to_string();
        assert_eq!(&text[of_syntax(text, &fault).unwrap()], "é");
        assert_eq!(line_and_column(text, 8), (2, 7));
    }
}
