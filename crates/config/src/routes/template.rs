//! The parameters of a route's path: what `{id}` stands for in a path that the route matches.
//!
//! Which route a path is on, the tree says; here its template is laid beside the path. A segment has one parameter at most,
//! with whatever stands before and after it; a catch-all has the rest of the path.

/// The names of the parameters of a template.
pub(crate) fn parameters(template: &str) -> Vec<&str> {
    segments(template)
        .filter_map(|segment| parameter(segment).map(|(_, name, _)| name.trim_start_matches('*')))
        .collect()
}

/// The value of a parameter in a path in normal form. `None` if the template has none of that name, or the path is not one
/// that it matches.
#[inline]
pub fn value<'p>(template: &str, path: &'p str, wanted: &str) -> Option<&'p str> {
    let mut rest = path.strip_prefix('/')?;
    for segment in segments(template) {
        if let Some((before, name, _)) = parameter(segment).filter(|(_, name, _)| name.starts_with('*')) {
            let whole = rest.strip_prefix(before)?;
            return (name.trim_start_matches('*') == wanted && !whole.is_empty()).then_some(whole);
        }
        let (own, following) = rest.split_once('/').unwrap_or((rest, ""));
        if let Some((before, _, after)) = parameter(segment).filter(|(_, name, _)| *name == wanted) {
            return own.strip_prefix(before)?.strip_suffix(after);
        }
        rest = following;
    }
    None
}

fn segments(template: &str) -> impl Iterator<Item = &str> {
    template.trim_matches('/').split('/')
}

/// What stands before the parameter of a segment, its name, and what stands after it.
fn parameter(segment: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = segment.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_by_their_place() {
        let template = "/shops/{shop}/items/i-{item}.json/";
        assert_eq!(parameters(template), ["shop", "item"]);
        assert_eq!(value(template, "/shops/a%b/items/i-7.json", "shop"), Some("a%b"));
        assert_eq!(value(template, "/shops/a/items/i-7.json", "item"), Some("7"));
        assert_eq!(value(template, "/shops/a/items/x-7.json", "item"), None);
        assert_eq!(value(template, "/shops/a/items/i-7.json", "price"), None);
        assert_eq!(value(template, "/shops", "item"), None);
    }

    #[test]
    fn a_catch_all_has_the_rest() {
        assert_eq!(parameters("/files/{*rest}"), ["rest"]);
        assert_eq!(value("/files/{*rest}", "/files/a/b.txt", "rest"), Some("a/b.txt"));
        assert_eq!(value("/files/{*rest}", "/files", "rest"), None);
        assert_eq!(value("/", "/", "rest"), None);
    }
}
