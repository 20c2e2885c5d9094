//! The name of a GraphQL operation (GraphQL over HTTP, §5; GraphQL October 2021, §2.3).
//!
//! The request names one (`operationName`), or else the first operation of the document has a name. Either is the
//! client's choice: a limit by operation name bounds honest clients and is to be combined with one that is not.
//! Linear in the document; it stops at the first operation. Not covered: batches, persisted queries. What a document asks
//! for is told by [`shape`].

mod cost;
mod parser;
pub mod shape;
mod tokens;

/// The name of the first operation in a document, if it has one.
pub fn first_operation(document: &str) -> Option<&str> {
    let mut rest = document;
    loop {
        rest = skip_ignored(rest);
        let (word, after) = take_name(rest)?;
        match word {
            "query" | "mutation" | "subscription" => return take_name(skip_ignored(after)).map(|(name, _)| name),
            // A fragment may stand before the operations.
            "fragment" => rest = skip_definition(after)?,
            _ => return None,
        }
    }
}

/// White space, commas, byte order marks and comments.
fn skip_ignored(text: &str) -> &str {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',' || c == '\u{feff}');
        match rest.strip_prefix('#') {
            Some(comment) => {
                rest = comment.find(['\n', '\r']).and_then(|end| comment.get(end..)).unwrap_or_default()
            }
            None => return rest,
        }
    }
}

fn take_name(text: &str) -> Option<(&str, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let begins = text.starts_with(|c: char| is_name(c) && !c.is_ascii_digit());
    text.split_at_checked(end).filter(|_| begins)
}

/// To behind the closing brace of a definition.
fn skip_definition(text: &str) -> Option<&str> {
    let mut depth = 0_u32;
    let mut rest = text;
    loop {
        rest = skip_ignored(rest);
        let next = rest.chars().next()?;
        let after = rest.get(next.len_utf8()..)?;
        rest = match next {
            '"' => skip_string(rest)?,
            '{' => {
                depth = depth.saturating_add(1);
                after
            }
            '}' if depth <= 1 => return Some(after),
            '}' => {
                depth = depth.saturating_sub(1);
                after
            }
            _ => after,
        };
    }
}

fn skip_string(text: &str) -> Option<&str> {
    if let Some(block) = text.strip_prefix("\"\"\"") {
        let end =
            block.match_indices("\"\"\"").find(|(at, _)| !block.get(..*at).is_some_and(|b| b.ends_with('\\')));
        return block.get(end?.0.saturating_add(3)..);
    }
    let mut escaped = false;
    let inner = text.strip_prefix('"')?;
    let end = inner.find(|c| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    });
    inner.get(end?.saturating_add(1)..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_operation_names_the_request() {
        for (document, name) in [
            ("query Orders($id: ID!) { order(id: $id) { id } }", Some("Orders")),
            ("mutation\n# a comment { \n Pay{pay}", Some("Pay")),
            ("{ me }", None),
            ("query { me }", None),
            ("query($a: Int) { me }", None),
            ("fragment F on User { name(x: \"}\") b(y: \"\"\"} \\\"\"\" \"\"\") { c } } query Q { me { ...F } }", Some("Q")),
            ("fragment F on User { name", None),
            ("subscription S { s } query Q { q }", Some("S")),
            ("type Q { a: Int }", None),
            ("", None),
        ] {
            assert_eq!(first_operation(document), name, "{document}");
        }
    }

    proptest! {
        #[test]
        fn no_document_panics(document in "(fragment |query |\\{|\\}|\"|\"\"\"|#|\\n|\\\\|é|a){0,40}") {
            let _ = first_operation(&document);
        }
    }
}
