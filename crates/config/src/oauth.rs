//! The `oauth` section, validated: where an authorization server's endpoints are, and what may be asked of them.
//!
//! Endpoints are routes, so that hosts, modes, limits and statistics apply to them as to any other. Such a route has no
//! `methods`: an endpoint that is also reached by another method would be reached past its rules.
//! Bounds: [`CLIENTS_MAX`], [`URIS_MAX`], [`NAMES_MAX`]. Not covered: clients that register themselves (RFC 7591).

pub mod redirect;

pub use self::redirect::RedirectUri;

use super::{each, raw, ByName, ConfigError, Path};
use std::sync::Arc;

/// Clients of one endpoint at most.
const CLIENTS_MAX: usize = 4096;

/// Redirect URIs of one client at most.
const URIS_MAX: usize = 64;

/// Names, response types or grant types of one list at most.
const NAMES_MAX: usize = 64;

/// The methods of endpoints (RFC 6749 §3.1, §3.2).
const METHODS: [&str; 3] = ["GET", "HEAD", "POST"];

/// Good practice for OAuth (RFC 9700).
#[derive(Debug)]
pub struct Oauth {
    /// Parameters that are tokens, and may stand in no query.
    pub query_token_names: Vec<String>,
    /// Whether a route is an endpoint.
    pub has_endpoints: bool,
}

/// What a route of an authorization server is.
#[derive(Debug)]
pub enum Endpoint {
    /// Where authorization is asked for (RFC 6749 §3.1).
    Authorization(Authorization),
    /// Where a client leaves such a request beforehand (RFC 9126 §2).
    Pushed(Authorization),
    /// Where tokens are asked for (RFC 6749 §3.2).
    Token {
        /// The grants that may be presented.
        grant_types: Vec<String>,
    },
}

/// What may be asked of an authorization endpoint.
#[derive(Debug, Clone)]
pub struct Authorization {
    /// The response types that may be asked for, each as the set of its words (RFC 6749 §3.1.1).
    pub response_types: Vec<ByName<()>>,
    /// The redirect URIs of each client; `None` where clients are not known here.
    pub clients: Option<ByName<Vec<RedirectUri>>>,
    /// Whether a request may have been pushed.
    pub takes_pushed: bool,
}

/// Endpoints by the name of their route.
pub(super) type Endpoints = ByName<Arc<Endpoint>>;

impl Oauth {
    /// The section, and what its routes are. `key_parameter` is where clients' own keys may stand in a query.
    pub(super) fn new(
        written: &raw::Oauth,
        routes: &[raw::Route],
        key_parameter: Option<&str>,
    ) -> Result<(Self, Endpoints), ConfigError> {
        let names = &written.query_token_names;
        check_list(names, &Path::new("oauth.query_token_names"))?;
        if let Some(at) = names.iter().position(|name| !is_plain(name)) {
            let fault = "expected letters, digits, `_`, `-` and `.`";
            return Err(ConfigError::new(Path::entry_of("oauth.query_token_names", at), fault));
        }
        let is_key = |name: &String| key_parameter.is_some_and(|key| key.eq_ignore_ascii_case(name));
        if let Some(at) = names.iter().position(is_key).filter(|_| written.no_query_tokens) {
            let fault = "is `identity.api_keys.query`, so no such key could ever be used";
            return Err(ConfigError::new(Path::entry_of("oauth.query_token_names", at), fault));
        }
        let mut placed = Placed { routes, endpoints: ByName::new() };
        for (index, endpoint) in written.authorization_endpoints.iter().enumerate() {
            let path = Path::entry_of("oauth.authorization_endpoints", index);
            let rules = authorization(endpoint, &path)?;
            if !endpoint.pushed_routes.is_empty() {
                let pushed = Arc::new(Endpoint::Pushed(rules.clone()));
                placed.put(&endpoint.pushed_routes, &pushed, &path.member("pushed_routes"))?;
            }
            placed.put(&endpoint.routes, &Arc::new(Endpoint::Authorization(rules)), &path.member("routes"))?;
        }
        for (index, endpoint) in written.token_endpoints.iter().enumerate() {
            let path = Path::entry_of("oauth.token_endpoints", index);
            let grant_types = grant_types(&endpoint.grant_types, &path.member("grant_types"))?;
            placed.put(&endpoint.routes, &Arc::new(Endpoint::Token { grant_types }), &path.member("routes"))?;
        }
        placed.check_neighbours()?;
        let query_token_names = if written.no_query_tokens { names.clone() } else { Vec::new() };
        Ok((Self { query_token_names, has_endpoints: !placed.endpoints.is_empty() }, placed.endpoints))
    }
}

/// Endpoints that have found their routes.
struct Placed<'w> {
    routes: &'w [raw::Route],
    endpoints: Endpoints,
}

impl Placed<'_> {
    fn put(&mut self, names: &[String], endpoint: &Arc<Endpoint>, path: &Path<'_>) -> Result<(), ConfigError> {
        if names.is_empty() {
            return Err(ConfigError::new(path, "names no route"));
        }
        for (at, name) in names.iter().enumerate() {
            let place = path.item(at);
            let Some(route) = self.routes.iter().find(|route| route.name == *name) else {
                let known: Vec<&str> = self.routes.iter().map(|route| route.name.as_str()).collect();
                return Err(ConfigError::unknown(place, "route", name, &known));
            };
            if !route.methods.is_empty() {
                let fault =
                    format!("route `{name}` is for some methods only, and others would escape these rules");
                return Err(ConfigError::new(place, fault));
            }
            if self.endpoints.insert(name, Arc::clone(endpoint)).is_some() {
                return Err(ConfigError::new(place, format!("route `{name}` is an endpoint already")));
            }
        }
        Ok(())
    }

    /// A route for one of an endpoint's methods at the same place would take the requests away from it.
    fn check_neighbours(&self) -> Result<(), ConfigError> {
        let takes = |route: &raw::Route| route.methods.iter().any(|method| METHODS.contains(&method.as_str()));
        for (index, route) in self.routes.iter().enumerate().filter(|(_, route)| takes(route)) {
            let same = |other: &&raw::Route| other.path == route.path && other.hosts == route.hosts;
            let is_endpoint = |other: &raw::Route| self.endpoints.contains(&other.name);
            if let Some(endpoint) = self.routes.iter().filter(same).find(|other| is_endpoint(other)) {
                let fault = format!("takes requests away from `{}`, which `oauth` names", endpoint.name);
                return Err(ConfigError::new(Path::entry_of("routes", index).member("methods"), fault));
            }
        }
        Ok(())
    }
}

fn authorization(written: &raw::AuthorizationEndpoint, path: &Path<'_>) -> Result<Authorization, ConfigError> {
    let place = path.member("response_types");
    check_list(&written.response_types, &place)?;
    let words = |text: &String| text.split(' ').map(|word| (word, ())).collect::<ByName<_>>();
    let response_types: Vec<_> = written.response_types.iter().map(words).collect();
    for (at, words) in response_types.iter().enumerate() {
        if words.contains("token") || !words.contains("code") {
            let fault = "expected `code`, perhaps with `id_token`: without a code, or with a token, it is the implicit grant (RFC 9700 §2.1.2)";
            return Err(ConfigError::new(place.item(at), fault));
        }
    }
    let clients = written.clients.as_ref().map(|clients| read_clients(clients, &path.member("clients")));
    Ok(Authorization {
        response_types,
        clients: clients.transpose()?,
        takes_pushed: !written.pushed_routes.is_empty(),
    })
}

fn read_clients(written: &[raw::OauthClient], path: &Path<'_>) -> Result<ByName<Vec<RedirectUri>>, ConfigError> {
    if written.is_empty() || written.len() > CLIENTS_MAX {
        let fault = format!("has {} clients, expected 1 to {CLIENTS_MAX}", written.len());
        return Err(ConfigError::new(path, fault));
    }
    let mut clients = ByName::new();
    for (index, client) in written.iter().enumerate() {
        let place = path.item(index);
        if client.id.is_empty() {
            return Err(ConfigError::new(place.member("id"), "is empty"));
        }
        if client.redirect_uris.is_empty() || client.redirect_uris.len() > URIS_MAX {
            let fault = format!("has {} URIs, expected 1 to {URIS_MAX}", client.redirect_uris.len());
            return Err(ConfigError::new(place.member("redirect_uris"), fault));
        }
        let uri = |text: &String, path: &Path<'_>| {
            let wrong = |fault: &str| ConfigError::new(path, fault);
            if text.contains('*') {
                return Err(wrong("has a `*`: URIs are compared exactly (RFC 9700 §2.1)"));
            }
            RedirectUri::new(text).map_err(|fault| wrong(fault.reason()))
        };
        let uris = each(&client.redirect_uris, &place.member("redirect_uris"), uri)?;
        if clients.insert(&client.id, uris).is_some() {
            let fault = format!("`{}` is configured twice", client.id.escape_debug());
            return Err(ConfigError::new(place.member("id"), fault));
        }
    }
    Ok(clients)
}

fn grant_types(written: &[String], path: &Path<'_>) -> Result<Vec<String>, ConfigError> {
    check_list(written, path)?;
    let given_up =
        |name: &String| ["password", "implicit"].iter().any(|old| name.trim().eq_ignore_ascii_case(old));
    if let Some(at) = written.iter().position(given_up) {
        let fault = "is a grant that OAuth 2.1 has given up (RFC 9700 §2.1.2, §2.4)";
        return Err(ConfigError::new(path.item(at), fault));
    }
    Ok(written.to_vec())
}

fn check_list(written: &[String], path: &Path<'_>) -> Result<(), ConfigError> {
    if written.is_empty() || written.len() > NAMES_MAX {
        let fault = format!("has {} entries, expected 1 to {NAMES_MAX}", written.len());
        return Err(ConfigError::new(path, fault));
    }
    match written.iter().position(String::is_empty) {
        Some(at) => Err(ConfigError::new(path.item(at), "is empty")),
        None => Ok(()),
    }
}

fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

#[cfg(test)]
mod tests;
