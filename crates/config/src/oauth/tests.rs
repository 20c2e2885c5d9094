use crate::oauth::{Endpoint, RedirectUri};
use crate::Config;
use portcullis::stages::CHECKS;
use serde_json::{json, Value};

/// A configuration with these changes, each at a pointer into it.
fn document(changes: &[(&str, Value)]) -> Value {
    let mut document = json!({
        "version": 1,
        "routes": [
            {"name": "authorize", "path": "/authorize"},
            {"name": "par", "path": "/par"},
            {"name": "token", "path": "/token"},
            {"name": "posted", "path": "/posted", "methods": ["POST"]},
        ],
        "oauth": {
            "authorization_endpoints": [{
                "routes": ["authorize"],
                "clients": [{"id": "app", "redirect_uris": ["https://app.example/cb"]}],
            }],
            "token_endpoints": [{"routes": ["token"]}],
        },
    });
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match document.pointer_mut(parent).unwrap() {
            Value::Array(items) => items[key.parse::<usize>().unwrap()] = value.clone(),
            members => members[key] = value.clone(),
        }
    }
    document
}

fn parse(changes: &[(&str, Value)]) -> Result<Config, String> {
    Config::parse(document(changes).to_string().as_bytes(), CHECKS).map_err(|fault| fault.to_string())
}

const FRONT: &str = "/oauth/authorization_endpoints/0";

#[test]
fn an_empty_section_forbids_tokens_in_queries_and_nothing_else() {
    let config = parse(&[("/oauth", json!({}))]).unwrap();
    let oauth = config.oauth.as_ref().unwrap();
    assert!(oauth.query_token_names.iter().any(|name| name == "access_token"));
    assert!(!oauth.has_endpoints && !config.may_wait());
    let off = parse(&[("/oauth", json!({"no_query_tokens": false}))]).unwrap();
    assert!(off.oauth.unwrap().query_token_names.is_empty());
}

#[test]
fn each_route_is_the_endpoint_that_names_it() {
    let config = parse(&[("/oauth/authorization_endpoints/0/pushed_routes", json!(["par"]))]).unwrap();
    assert!(config.may_wait());
    for (_, route) in config.routes.iter() {
        let fits = match (route.name.as_str(), route.oauth.as_deref()) {
            ("authorize", Some(Endpoint::Authorization(rules))) | ("par", Some(Endpoint::Pushed(rules))) => {
                let uris = rules.clients.as_ref().unwrap().get("app").unwrap();
                rules.takes_pushed && *uris == [RedirectUri::new("https://app.example/cb").unwrap()]
            }
            ("token", Some(Endpoint::Token { grant_types })) => {
                let takes = |name: &str| grant_types.iter().any(|grant| grant == name);
                takes("authorization_code") && !takes("password")
            }
            ("posted" | "unmatched" | "ambiguous", None) => !route.needs_body(),
            _ => false,
        };
        assert!(fits, "{route:?}");
    }
}

#[test]
fn what_could_not_be_meant_is_refused_with_its_place() {
    let front = |key: &str| format!("{FRONT}/{key}");
    let uris = front("clients/0/redirect_uris");
    for (pointer, value, place, fault) in [
        ("/oauth/query_token_names".to_owned(), json!([]), "oauth.query_token_names", "has 0 entries"),
        (
            "/oauth/query_token_names".to_owned(),
            json!(["a", "b=c"]),
            "oauth.query_token_names[1]",
            "expected letters",
        ),
        (front("routes"), json!([]), "oauth.authorization_endpoints[0].routes", "names no route"),
        (
            front("routes"),
            json!(["authorise"]),
            "oauth.authorization_endpoints[0].routes[0]",
            "did you mean `authorize`",
        ),
        (front("routes"), json!(["posted"]), "oauth.authorization_endpoints[0].routes[0]", "some methods only"),
        (front("pushed_routes"), json!(["authorize"]), "oauth.authorization_endpoints[0].routes[0]", "already"),
        (
            front("response_types"),
            json!(["code", "code token"]),
            "oauth.authorization_endpoints[0].response_types[1]",
            "implicit",
        ),
        (
            front("response_types"),
            json!(["id_token"]),
            "oauth.authorization_endpoints[0].response_types[0]",
            "implicit",
        ),
        (front("response_types"), json!([]), "oauth.authorization_endpoints[0].response_types", "has 0 entries"),
        (front("clients"), json!([]), "oauth.authorization_endpoints[0].clients", "has 0 clients"),
        (front("clients/0/id"), json!(""), "oauth.authorization_endpoints[0].clients[0].id", "is empty"),
        (uris.clone(), json!([]), "oauth.authorization_endpoints[0].clients[0].redirect_uris", "has 0 URIs"),
        (
            uris.clone(),
            json!(["https://*.example/cb"]),
            "oauth.authorization_endpoints[0].clients[0].redirect_uris[0]",
            "exactly",
        ),
        (
            uris,
            json!(["https://a.example/#x"]),
            "oauth.authorization_endpoints[0].clients[0].redirect_uris[0]",
            "fragment",
        ),
        (front("uris"), json!([]), "oauth.authorization_endpoints[0]", "unknown field"),
        (
            "/oauth/token_endpoints/0/routes".to_owned(),
            json!(["authorize"]),
            "oauth.token_endpoints[0].routes[0]",
            "already",
        ),
        (
            "/oauth/token_endpoints/0/grant_types".to_owned(),
            json!(["refresh_token", " Password"]),
            "oauth.token_endpoints[0].grant_types[1]",
            "given up",
        ),
        ("/oauth/token_endpoint".to_owned(), json!([]), "oauth", "did you mean `token_endpoints`"),
    ] {
        let error = parse(&[(&pointer, value)]).expect_err(&pointer);
        assert!(error.starts_with(place) && error.contains(fault), "{pointer}: {error}");
    }
    let twice = json!([{"id": "a", "redirect_uris": ["https://a.example"]}, {"id": "a", "redirect_uris": ["https://b.example"]}]);
    let error = parse(&[(&front("clients"), twice)]).unwrap_err();
    assert!(error.starts_with("oauth.authorization_endpoints[0].clients[1].id: `a`"), "{error}");
}

#[test]
fn no_route_takes_requests_away_from_an_endpoint() {
    let posted = |path: &str, method: &str| json!({"name": "posted", "path": path, "methods": [method]});
    let error = parse(&[("/routes/3", posted("/token", "POST"))]).unwrap_err();
    assert!(error.starts_with("routes[3].methods: takes requests away from `token`"), "{error}");
    assert!(parse(&[("/routes/3", posted("/token", "OPTIONS"))]).is_ok(), "a preflight has a route of its own");
}

#[test]
fn keys_of_clients_cannot_stand_where_nothing_may() {
    let keys = json!({"api_keys": {"query": "token", "keys": [{"id": "a", "sha256": "0".repeat(64)}]}});
    let error = parse(&[("/identity", keys.clone())]).unwrap_err();
    assert!(error.starts_with("oauth.query_token_names[3]: is `identity.api_keys.query`"), "{error}");
    assert!(parse(&[("/identity", keys), ("/oauth/no_query_tokens", json!(false))]).is_ok());
}

#[test]
fn a_profile_says_what_access_tokens_are() {
    let issuer = |more: Value| {
        let mut issuer = json!({"issuer": "https://id.example", "audiences": ["api"], "jwks": {"keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}});
        issuer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"issuers": [issuer]})
    };
    let own = json!({"profile": "at+jwt", "required_claims": ["tenant"]});
    let config = parse(&[("/identity", issuer(own))]).unwrap();
    let own = &config.identity.unwrap().issuers[0];
    assert_eq!((own.types.as_slice(), own.scoped), (&["at+jwt".to_owned()][..], true));
    assert_eq!(own.required_claims, ["sub", "client_id", "iat", "jti", "scope", "tenant"]);
    for (more, place) in [
        (json!({"profile": "at+jwt", "types": ["jwt"]}), "identity.issuers[0].types: is what `profile` decides"),
        (json!({"profile": "jwt"}), "identity.issuers[0].profile: unknown variant"),
    ] {
        let error = parse(&[("/identity", issuer(more))]).unwrap_err();
        assert!(error.starts_with(place), "{error}");
    }
}
