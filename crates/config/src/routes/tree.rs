//! Path templates of one host: `/orders/{id}`, `/static/{*rest}`.
//!
//! A path without a catch-all is more specific than one with, and of two a literal segment is more specific than a
//! parameter. `/admin/{*rest}` is also the route of `/admin`, unless another route is. A route that names the method
//! comes before one that accepts all, and one for `GET` is also for `HEAD`, which servers answer with the same code
//! (RFC 9110 §9.3.2), unless another route names `HEAD`.
//!
//! The trees are matchit's. It cannot tell some overlapping templates apart (`/f/x{n}` and `/f/{n}/y`); such a pair is
//! refused when the configuration loads, never silently dropped.

use crate::raw;
use crate::ByName;
use matchit::{InsertError, Router};

/// One tree for each method that some route names, and one for all others. Leaves are places in the document.
#[derive(Debug, Default)]
pub(super) struct Methods {
    named: ByName<Tree>,
    other: Tree,
}

/// Two routers, since one cannot hold `/f/{id}` beside `/f/{*rest}` for all templates.
#[derive(Debug, Default)]
struct Tree {
    whole: Router<Leaf>,
    catch_all: Router<Leaf>,
}

#[derive(Debug)]
struct Leaf {
    route: usize,
}

impl Methods {
    /// Trees for every method that any of these routes names.
    pub(super) fn naming(written: &[raw::Route]) -> Self {
        let mut methods: Vec<&str> = written.iter().flat_map(|route| &route.methods).map(String::as_str).collect();
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        let named = methods.into_iter().map(|method| (method, Tree::default())).collect();
        Self { named, other: Tree::default() }
    }

    /// Puts a path into the trees of the methods it is for, of all if there are none. Where a path that `yields`, or one
    /// for all methods, meets its equal, the one that is there stays.
    ///
    /// # Errors
    /// What stands in the way.
    pub(super) fn insert(
        &mut self,
        methods: &[&str],
        path: &str,
        route: usize,
        yields: bool,
    ) -> Result<(), String> {
        let every = methods.is_empty();
        let named = self.named.names().filter(|method| every || methods.contains(method));
        for method in named.map(str::to_owned).collect::<Vec<_>>() {
            let tree = self.named.get_mut(&method);
            tree.map_or(Ok(()), |tree| tree.insert(path, route, yields || every))?;
        }
        if every {
            self.other.insert(path, route, yields)
        } else {
            Ok(())
        }
    }

    /// The route of a path in normal form.
    #[inline]
    pub(super) fn find(&self, method: &str, path: &str) -> Option<usize> {
        let tree = self.named.get(method).unwrap_or(&self.other);
        let found = tree.whole.at(path).or_else(|_| tree.catch_all.at(path));
        found.ok().map(|found| found.value.route)
    }
}

impl Tree {
    fn insert(&mut self, path: &str, route: usize, yields: bool) -> Result<(), String> {
        // Paths in normal form have no trailing slash.
        let template = path.strip_suffix('/').filter(|shorter| !shorter.is_empty()).unwrap_or(path);
        let router = if template.contains("{*") { &mut self.catch_all } else { &mut self.whole };
        match router.insert(template, Leaf { route }) {
            Ok(()) => Ok(()),
            Err(InsertError::Conflict { with }) if yields && shape(&with) == shape(template) => Ok(()),
            Err(InsertError::Conflict { with }) => {
                Err(format!("`{path}` overlaps with `{with}` of another route"))
            }
            Err(fault) => Err(format!("`{path}`: {fault}")),
        }
    }
}

/// A template without the names of its parameters.
fn shape(template: &str) -> String {
    let mut in_name = false;
    let keep = |c: &char| {
        let shown = !in_name || *c == '}';
        in_name = (in_name || *c == '{') && *c != '}';
        shown
    };
    template.chars().filter(keep).collect()
}

/// `/admin` for `/admin/{*rest}`: who guards what lies below means the place itself too.
pub(super) fn bare_prefix(path: &str) -> Option<&str> {
    let (prefix, _) = path.rsplit_once("/{*")?;
    Some(if prefix.is_empty() { "/" } else { prefix })
}

/// Why no path in normal form can match a template: its rules would guard nothing.
pub(super) fn never_matches(template: &str) -> Option<&'static str> {
    let Some(segments) = template.strip_prefix('/') else { return Some("does not begin with a slash") };
    let segments = segments.strip_suffix('/').unwrap_or(segments);
    if segments.is_empty() {
        return None;
    }
    if segments.chars().any(|c| "%?#\\".contains(c) || c.is_control()) {
        return Some(
            "is matched with decoded paths, which have none of `%`, `?`, `#`, `\\` and control characters",
        );
    }
    segments.split('/').find_map(|segment| match segment {
        "" => Some("has an empty segment, which normal paths have not"),
        "." | ".." => Some("has a dot segment, which normal paths have not"),
        _ if segment.starts_with('*') => Some("has a literal `*`; a catch-all is written `{*name}`"),
        _ => None,
    })
}
