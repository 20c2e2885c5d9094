//! Which route a request is on.
//!
//! A route is a path template, optionally narrowed by method and host. Among the routes that accept the request's method
//! and host, **the most specific path wins** ([`tree`]), whatever the order in the document; for hosts, an exact name
//! comes before `*.suffix`, which comes before routes without hosts. Two routes that would match the same requests are
//! refused when the configuration loads.
//!
//! Paths are compared in their normal form ([`portcullis_base::request::path`]); letter case matters. Cost: at most six look-ups in
//! a radix tree.

pub mod template;
mod tree;

use self::tree::Methods;
use super::adapt::permille;
use super::behaviour::Behaviour;
use super::flows::Flows;
use super::limits::{self, Limit};
use super::oauth::{Endpoint, Endpoints};
use super::objects::Objects;
use super::quotes;
use super::raw::{self, Document, Mode};
use super::rules::{self, Rule};
use super::watched::Watched;
use super::workflows;
use super::{check_name, ByName, ConfigError, Path, Requirement, Thresholds};
use portcullis_base::gather;
use std::sync::Arc;

/// Routes of one configuration at most; each has its own statistics.
pub const ROUTES_MAX: usize = 500;

/// What statistics and receipts call the requests on no configured route.
pub const UNMATCHED: &str = "unmatched";

/// What they call the requests whose path, host or method has no single meaning, and those that the host did not show.
pub const AMBIGUOUS: &str = "ambiguous";

/// One route, compiled.
#[derive(Debug, Clone)]
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
    /// How much depends on it, in thousandths: limits may adapt to it.
    pub sensitivity: u32,
    /// The limits that hold on it: places in [`super::Config::limits`], in the order they are applied.
    pub limits: Vec<usize>,
    /// The rules that hold on it: places in [`super::Config::rules`].
    pub rules: Vec<usize>,
    /// The template of its path; empty for requests on no configured route.
    pub template: String,
    /// The steps that are done on it: the place of a workflow, and that of the step in it.
    pub steps: Vec<(usize, usize)>,
    /// The quotes that its answers tell: places in [`Flows::quotes`].
    pub captured: Vec<usize>,
    /// The quotes that its requests have to keep to.
    pub asserted: Vec<usize>,
    /// Whether anything is said about its requests beyond tokens, limits and payloads.
    pub is_followed: bool,
    /// Whether a limit or a rule looks into a JSON body, or the watch over logins or objects does.
    pub needs_json: bool,
    /// The names that are read in its requests.
    pub watched: Watched,
    /// What it is of an authorization server, if anything.
    pub oauth: Option<Arc<Endpoint>>,
}

impl Route {
    /// Whether a rule needs the body.
    pub const fn needs_body(&self) -> bool {
        self.needs_json || self.oauth.is_some()
    }

    /// With [`Route::is_followed`], which all its other parts and some sections decide.
    fn followed(self, sections: &Sections<'_>) -> Self {
        let by_flows = sections.flows.manipulation.as_ref().is_some_and(|own| own.judges(&self.name));
        let by_rules = !(self.rules.is_empty() && self.watched.body.is_empty() && self.watched.query.is_empty());
        let by_parts = !(self.steps.is_empty() && self.captured.is_empty() && self.asserted.is_empty());
        let is_followed = by_rules || by_parts || by_flows || sections.objects.is_some();
        Self { is_followed, ..self }
    }
}

/// Which of [`Routes`].
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteId {
    /// None that is configured.
    Unmatched,
    /// Perhaps any: path, host or method has no single meaning, or Envoy did not show the request.
    Ambiguous,
    /// The one at this place in the document.
    Written(usize),
}

/// All routes and the way to find one.
#[derive(Debug)]
pub struct Routes {
    written: Vec<Route>,
    unmatched: Route,
    ambiguous: Route,
    hosts: Hosts,
}

/// The trees of paths.
#[derive(Debug)]
struct Hosts {
    /// By a host, or by the suffix of hosts, which begins with a dot.
    named: ByName<Methods>,
    /// How long the suffixes are, the longest first.
    suffix_lengths: Vec<usize>,
    /// Of the routes that name no host.
    any: Methods,
}

/// The sections that say something about routes.
#[derive(Debug, Copy, Clone)]
pub(super) struct Sections<'a> {
    pub(super) limits: &'a [Limit],
    pub(super) rules: &'a [Rule],
    pub(super) flows: &'a Flows,
    pub(super) behaviour: Option<&'a Behaviour>,
    pub(super) objects: Option<&'a Objects>,
}

impl Sections<'_> {
    /// Whether one of them looks into the JSON bodies of a route.
    fn need_body(&self, route: &str) -> bool {
        limits::need_body(self.limits, route)
            || rules::need_body(self.rules, route)
            || self.flows.need_body(route)
            || self.behaviour.is_some_and(|behaviour| behaviour.needs_body(route))
            || self.objects.is_some_and(|objects| objects.needs_body(route))
    }

    fn watched(&self, route: &str) -> Watched {
        Watched::on_route(route, self.rules, self.flows, self.objects)
    }
}

impl Routes {
    /// Compiles the routes of a document, with what its other sections say about each.
    pub(super) fn compile(
        document: &Document,
        thresholds: Thresholds,
        sections: &Sections<'_>,
        endpoints: &Endpoints,
    ) -> Result<Self, ConfigError> {
        let names = names(&document.routes)?;
        let Sections { limits, rules, flows, .. } = *sections;
        let (general, by_route) = match &document.identity {
            None => (Requirement::none(), ByName::new()),
            Some(identity) => (Requirement::general(identity)?, Requirement::by_route(identity, &names)?),
        };
        let unmatched = Route {
            name: UNMATCHED.to_owned(),
            mode: document.mode,
            thresholds,
            body_bytes_max: document.request.body_bytes_max.map(|size| size.0),
            requirement: general,
            sensitivity: 0,
            limits: limits::on_route(limits, UNMATCHED),
            rules: rules::on_route(rules, UNMATCHED),
            template: String::new(),
            steps: Vec::new(),
            captured: Vec::new(),
            asserted: Vec::new(),
            is_followed: false,
            needs_json: sections.need_body(UNMATCHED),
            watched: sections.watched(UNMATCHED),
            oauth: None,
        };
        let unmatched = unmatched.followed(sections);
        let mut written = Vec::with_capacity(document.routes.len());
        for (index, raw) in document.routes.iter().enumerate() {
            let path = Path::entry_of("routes", index);
            check(raw, &path)?;
            let own = raw.risk.map(|own| Thresholds::new(own, &path.member("risk"))).transpose()?;
            let (captured, asserted) = quotes::on_route(&flows.quotes, &raw.name);
            let route = Route {
                name: raw.name.clone(),
                mode: raw.mode.unwrap_or(document.mode),
                thresholds: own.unwrap_or(thresholds),
                body_bytes_max: raw.body_bytes_max.map(|size| size.0).or(unmatched.body_bytes_max),
                requirement: by_route.get(&raw.name).unwrap_or(&unmatched.requirement).clone(),
                sensitivity: permille(raw.sensitivity, 1.0, &path.member("sensitivity"))?,
                limits: limits::on_route(limits, &raw.name),
                rules: rules::on_route(rules, &raw.name),
                template: raw.path.clone(),
                steps: workflows::on_route(&flows.workflows, &raw.name),
                captured,
                asserted,
                is_followed: false,
                needs_json: sections.need_body(&raw.name),
                watched: sections.watched(&raw.name),
                oauth: endpoints.get(&raw.name).cloned(),
            };
            written.push(route.followed(sections));
        }
        let ambiguous = strictest(&unmatched, &written).followed(sections);
        let hosts = Hosts::new(&document.routes)?;
        Ok(Self { written, unmatched, ambiguous, hosts })
    }

    /// The most specific route for a request.
    #[inline]
    pub fn find(&self, host: &str, method: &str, path: &str) -> RouteId {
        let Hosts { named, any, .. } = &self.hosts;
        let by_host = if named.is_empty() { None } else { self.hosts.find(host, method, path) };
        by_host.or_else(|| any.find(method, path)).map_or(RouteId::Unmatched, RouteId::Written)
    }

    /// The route of an id.
    #[inline]
    pub fn get(&self, id: RouteId) -> &Route {
        match id {
            RouteId::Unmatched => &self.unmatched,
            RouteId::Ambiguous => &self.ambiguous,
            RouteId::Written(index) => self.written.get(index).unwrap_or(&self.ambiguous),
        }
    }

    /// Every route with its id, those of no configured route included.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (RouteId, &Route)> {
        let written = self.written.iter().enumerate().map(|(index, route)| (RouteId::Written(index), route));
        [(RouteId::Unmatched, &self.unmatched), (RouteId::Ambiguous, &self.ambiguous)].into_iter().chain(written)
    }
}

/// What might be meant for any route meets the mode and thresholds of the strictest one.
fn strictest(unmatched: &Route, written: &[Route]) -> Route {
    let mut strictest = Route { name: AMBIGUOUS.to_owned(), ..unmatched.clone() };
    for route in written {
        let Thresholds { challenge, deny } = &mut strictest.thresholds;
        strictest.mode = strictest.mode.max(route.mode);
        if route.thresholds.challenge < *challenge {
            *challenge = route.thresholds.challenge;
        }
        if route.thresholds.deny < *deny {
            *deny = route.thresholds.deny;
        }
    }
    strictest
}

impl Hosts {
    fn new(written: &[raw::Route]) -> Result<Self, ConfigError> {
        let (mut named, mut any) = (ByName::new(), Methods::naming(written));
        for Placement { index, methods, path, yields } in placements(written) {
            let Some(route) = written.get(index) else { continue };
            let mut put = |trees: &mut Methods| {
                let put = trees.insert(&methods, path, index, yields);
                put.map_err(|fault| ConfigError::new(Path::entry_of("routes", index).member("path"), fault))
            };
            if route.hosts.is_empty() {
                put(&mut any)?;
            }
            for host in route.hosts.iter().map(|host| host.trim_start_matches('*')) {
                named.get_or_insert_with(host, || Methods::naming(written)).map_or(Ok(()), &mut put)?;
            }
        }
        let lengths = gather::set(named.names().filter(|host| host.starts_with('.')).map(str::len));
        Ok(Self { named, suffix_lengths: lengths.into_iter().rev().collect(), any })
    }

    /// The most specific of the routes that name the host.
    fn find(&self, host: &str, method: &str, path: &str) -> Option<usize> {
        let on = |host: &str| self.named.get(host).and_then(|methods| methods.find(method, path));
        // One that begins with a dot may be a suffix itself, and then it is the longest that fits.
        let by_suffix = || {
            let ends =
                self.suffix_lengths.iter().filter_map(|length| host.get(host.len().checked_sub(*length)?..));
            ends.filter(|end| end.starts_with('.')).find_map(on)
        };
        on(host).or_else(by_suffix)
    }
}

/// A path to be put into the trees of some methods, of all if there are none.
struct Placement<'w> {
    index: usize,
    methods: Vec<&'w str>,
    path: &'w str,
    yields: bool,
}

/// What goes into the trees, the most specific first: what names its methods, what is for `HEAD` because it is for `GET`,
/// what is for all methods, and the bare prefixes of catch-all paths.
fn placements(written: &[raw::Route]) -> Vec<Placement<'_>> {
    let mut passes: [Vec<Placement<'_>>; 4] = Default::default();
    let [explicit, heads, every, prefixes] = &mut passes;
    for (index, route) in written.iter().enumerate() {
        let mut methods: Vec<&str> = route.methods.iter().map(String::as_str).collect();
        let path = route.path.as_str();
        let own = Placement { index, methods: methods.clone(), path, yields: false };
        if methods.is_empty() {
            every.push(own)
        } else {
            explicit.push(own)
        }
        if methods.contains(&"GET") && !methods.contains(&"HEAD") {
            heads.push(Placement { index, methods: vec!["HEAD"], path, yields: true });
            methods.push("HEAD");
        }
        prefixes.extend(tree::bare_prefix(path).map(|path| Placement { index, methods, path, yields: true }));
    }
    passes.into_iter().flatten().collect()
}

/// The routes that other sections may name.
pub(super) fn names(written: &[raw::Route]) -> Result<Vec<&str>, ConfigError> {
    if written.len() > ROUTES_MAX {
        return Err(ConfigError::new("routes", format!("has {} routes, at most {ROUTES_MAX}", written.len())));
    }
    let mut taken = ByName::from_iter([UNMATCHED, AMBIGUOUS].map(|name| (name, ())));
    for (index, route) in written.iter().enumerate() {
        let own = Path::entry_of("routes", index);
        let path = own.member("name");
        check_name(&route.name, &path)?;
        if taken.insert(&route.name, ()).is_some() {
            return Err(ConfigError::new(path, format!("`{}` is taken", route.name)));
        }
    }
    Ok(written.iter().map(|route| route.name.as_str()).collect())
}

fn check(route: &raw::Route, path: &Path<'_>) -> Result<(), ConfigError> {
    if let Some(fault) = tree::never_matches(&route.path) {
        return Err(ConfigError::new(path.member("path"), format!("`{}` {fault}", route.path.escape_debug())));
    }
    let is_method =
        |method: &str| !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    if let Some(method) = route.methods.iter().find(|method| !is_method(method)) {
        let fault = format!("`{method}` is not a method; methods are upper case");
        return Err(ConfigError::new(path.member("methods"), fault));
    }
    if let Some(host) = route.hosts.iter().find(|host| !is_host(host)) {
        let fault = format!("`{host}`: expected a lower-case name without port, or `*.` and a name");
        return Err(ConfigError::new(path.member("hosts"), fault));
    }
    Ok(())
}

fn is_host(host: &str) -> bool {
    let name = host.strip_prefix("*.").unwrap_or(host);
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    let address = name.starts_with('[') && name.ends_with(']');
    address || !name.is_empty() && name.bytes().all(plain) && !name.starts_with('.') && !name.ends_with('.')
}
