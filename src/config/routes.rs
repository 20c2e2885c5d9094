//! Which route a request is on.
//!
//! A route is a path template (`/orders/{id}`, `/static/{*rest}`), optionally narrowed by method and host. Among
//! the routes that accept the request's method and host, **the most specific path wins**, whatever the order in the
//! document; for hosts, an exact name comes before `*.suffix`, which comes before routes without hosts. Two routes
//! that would match the same requests are refused when the configuration loads.
//!
//! Paths are compared in their normal form ([`crate::request::path`]); letter case matters. Cost: at most three
//! look-ups in a radix tree.

use super::raw::{self, Document, Mode};
use super::{check_name, limits, ConfigError, Requirement, Thresholds};
use matchit::{InsertError, Router};
use std::collections::BTreeMap;

/// Routes of one configuration at most; each has its own statistics.
pub const ROUTES_MAX: usize = 500;

/// The name that statistics and receipts give to requests on no configured route.
pub const UNMATCHED: &str = "unmatched";

/// One route, compiled.
#[derive(Debug)]
pub struct Route {
    /// Its name in configuration, statistics and receipts.
    pub name: String,
    /// Whether verdicts on it are carried out.
    pub mode: Mode,
    /// Its own thresholds or the general ones.
    pub thresholds: Thresholds,
    /// Longest request body, in bytes.
    pub body_bytes_max: Option<u64>,
    /// What its callers must prove.
    pub requirement: Requirement,
    /// The limits that hold on it: places in [`super::Config::limits`], in the order they are applied.
    pub limits: Vec<usize>,
}

/// The place of a route in [`Routes`].
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteId(usize);

/// All routes and the way to find one.
#[derive(Debug)]
pub struct Routes {
    routes: Vec<Route>,
    unmatched: Route,
    exact_hosts: BTreeMap<String, Methods>,
    /// Longest suffix first. The suffix begins with a dot.
    host_suffixes: Vec<(String, Methods)>,
    any_host: Methods,
}

/// One tree for each method that some route names, and one for all others.
#[derive(Debug, Default)]
struct Methods {
    named: BTreeMap<String, Router<RouteId>>,
    other: Router<RouteId>,
}

impl Routes {
    /// Compiles the routes of a document, with what its other sections say about each.
    pub(super) fn compile(written: &Document, thresholds: Thresholds) -> Result<Self, ConfigError> {
        let names = names(&written.routes)?;
        limits::check_routes(&written.limits, &names)?;
        let (general, mut by_route) = match &written.identity {
            None => (Requirement::none(), BTreeMap::new()),
            Some(identity) => (Requirement::general(identity), Requirement::by_route(identity, &names)?),
        };
        let unmatched = Route {
            name: UNMATCHED.to_owned(),
            mode: written.mode,
            thresholds,
            body_bytes_max: written.request.body_bytes_max.map(|size| size.0),
            requirement: general,
            limits: limits::on_route(&written.limits, UNMATCHED),
        };
        let mut routes = Vec::with_capacity(written.routes.len());
        for (index, raw) in written.routes.iter().enumerate() {
            check(raw, &format!("routes[{index}]"))?;
            let own = raw.risk.map(|own| Thresholds::new(own, &format!("routes[{index}].risk"))).transpose()?;
            routes.push(Route {
                name: raw.name.clone(),
                mode: raw.mode.unwrap_or(written.mode),
                thresholds: own.unwrap_or(thresholds),
                body_bytes_max: raw.body_bytes_max.map(|size| size.0).or(unmatched.body_bytes_max),
                requirement: by_route.remove(&raw.name).unwrap_or_else(|| unmatched.requirement.clone()),
                limits: limits::on_route(&written.limits, &raw.name),
            });
        }
        Self::new(&written.routes, routes, unmatched)
    }

    fn new(written: &[raw::Route], routes: Vec<Route>, unmatched: Route) -> Result<Self, ConfigError> {
        let mut hosts: BTreeMap<&str, Methods> = BTreeMap::new();
        // Routes that name their methods come first: they are more specific than those that accept all. Last come the
        // bare prefixes of catch-all paths, which yield to everything that was written down.
        let (all, named): (Vec<_>, Vec<_>) =
            written.iter().enumerate().partition(|(_, route)| route.methods.is_empty());
        let explicit =
            named.into_iter().chain(all).map(|(index, route)| (index, route, template(&route.path), false));
        let implied = written.iter().enumerate();
        let implied = implied.filter_map(|(index, route)| Some((index, route, bare_prefix(&route.path)?, true)));
        for (index, route, path, yields) in explicit.chain(implied) {
            let any_host = route.hosts.is_empty().then_some("");
            for host in route.hosts.iter().map(String::as_str).chain(any_host) {
                let methods = hosts.entry(host).or_insert_with(|| Methods::naming(written));
                methods.insert(&route.methods, path, RouteId(index), yields).map_err(|fault| {
                    ConfigError::new(format!("routes[{index}].path"), refusal(&route.path, &fault))
                })?;
            }
        }
        let any_host = hosts.remove("").unwrap_or_default();
        let (suffixes, exact): (Vec<_>, Vec<_>) = hosts.into_iter().partition(|(host, _)| host.starts_with("*."));
        let suffix = |(host, methods): (&str, Methods)| (host.trim_start_matches('*').to_owned(), methods);
        let mut host_suffixes: Vec<_> = suffixes.into_iter().map(suffix).collect();
        host_suffixes.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        let exact_hosts = exact.into_iter().map(|(host, methods)| (host.to_owned(), methods)).collect();
        Ok(Self { routes, unmatched, exact_hosts, host_suffixes, any_host })
    }

    /// The most specific route for a request; `None` when no route accepts it.
    pub fn find(&self, host: &str, method: &str, path: &str) -> Option<RouteId> {
        let exact = self.exact_hosts.get(host).and_then(|methods| methods.find(method, path));
        let by_suffix = || {
            let fits = self.host_suffixes.iter().filter(|(suffix, _)| host.ends_with(suffix.as_str()));
            fits.into_iter().find_map(|(_, methods)| methods.find(method, path))
        };
        exact.or_else(by_suffix).or_else(|| self.any_host.find(method, path))
    }

    /// The route of an id; for none, the rules that hold for requests on no route.
    pub fn get(&self, id: Option<RouteId>) -> &Route {
        id.and_then(|id| self.routes.get(id.0)).unwrap_or(&self.unmatched)
    }

    /// Whether any route depends on the host.
    pub fn use_hosts(&self) -> bool {
        !self.exact_hosts.is_empty() || !self.host_suffixes.is_empty()
    }

    /// Every route and [`UNMATCHED`], each with its id.
    pub fn iter(&self) -> impl Iterator<Item = (Option<RouteId>, &Route)> {
        let named = self.routes.iter().enumerate().map(|(index, route)| (Some(RouteId(index)), route));
        named.chain([(None, &self.unmatched)])
    }
}

impl Methods {
    fn naming(written: &[raw::Route]) -> Self {
        let methods = written.iter().flat_map(|route| &route.methods);
        Self { named: methods.map(|method| (method.clone(), Router::new())).collect(), other: Router::new() }
    }

    /// Puts a path into the trees of the methods it is for, of all if there are none. A path that is taken in the tree
    /// of a method by a route that names the method stays that route's.
    fn insert(&mut self, methods: &[String], path: &str, id: RouteId, yields: bool) -> Result<(), InsertError> {
        let every = methods.is_empty();
        for (_, tree) in self.named.iter_mut().filter(|(method, _)| every || methods.contains(method)) {
            put(tree, path, id, yields || every)?;
        }
        if every {
            put(&mut self.other, path, id, yields)
        } else {
            Ok(())
        }
    }

    fn find(&self, method: &str, path: &str) -> Option<RouteId> {
        let tree = self.named.get(method).unwrap_or(&self.other);
        tree.at(path).ok().map(|found| *found.value)
    }
}

fn names(written: &[raw::Route]) -> Result<Vec<&str>, ConfigError> {
    if written.len() > ROUTES_MAX {
        return Err(ConfigError::new("routes", format!("has {} routes, at most {ROUTES_MAX}", written.len())));
    }
    let mut names: Vec<&str> = Vec::with_capacity(written.len());
    for (index, route) in written.iter().enumerate() {
        let path = format!("routes[{index}].name");
        check_name(&route.name, &path)?;
        if names.contains(&route.name.as_str()) || route.name == UNMATCHED {
            return Err(ConfigError::new(path, format!("`{}` is taken", route.name)));
        }
        names.push(&route.name);
    }
    Ok(names)
}

fn check(route: &raw::Route, path: &str) -> Result<(), ConfigError> {
    if !route.path.starts_with('/') {
        let fault = format!("`{}` does not begin with a slash", route.path);
        return Err(ConfigError::new(format!("{path}.path"), fault));
    }
    let is_method =
        |method: &str| !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    if let Some(method) = route.methods.iter().find(|method| !is_method(method)) {
        let fault = format!("`{method}` is not a method; methods are upper case");
        return Err(ConfigError::new(format!("{path}.methods"), fault));
    }
    if let Some(host) = route.hosts.iter().find(|host| !is_host(host)) {
        let fault = format!("`{host}`: expected a lower-case name without port, or `*.` and a name");
        return Err(ConfigError::new(format!("{path}.hosts"), fault));
    }
    Ok(())
}

fn is_host(host: &str) -> bool {
    let name = host.strip_prefix("*.").unwrap_or(host);
    !name.is_empty() && !name.contains([':', '*', '/']) && !name.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn put(tree: &mut Router<RouteId>, path: &str, id: RouteId, yields: bool) -> Result<(), InsertError> {
    match tree.insert(path, id) {
        Err(InsertError::Conflict { .. }) if yields => Ok(()),
        done => done,
    }
}

/// `/admin` for `/admin/{*rest}`: who guards what lies below means the place itself too.
fn bare_prefix(path: &str) -> Option<&str> {
    let (prefix, _) = path.rsplit_once("/{*")?;
    Some(if prefix.is_empty() { "/" } else { prefix })
}

/// Templates are compared with paths in normal form, which have no trailing slash.
fn template(path: &str) -> &str {
    match path.strip_suffix('/') {
        Some(shorter) if !shorter.is_empty() => shorter,
        _ => path,
    }
}

fn refusal(path: &str, fault: &InsertError) -> String {
    match fault {
        InsertError::Conflict { with } => {
            format!("`{path}` matches the same requests as `{with}` of another route")
        }
        other => format!("`{path}`: {other}"),
    }
}
