//! Warnings about who is believed, and about secrets.

use super::{items, quantity, text, Kind, Severity, Warning};
use portcullis::config::Config;
use serde_json::Value;

pub(super) static NO_IDENTITY: Kind = Kind {
    id: "no-identity",
    severity: Severity::Note,
    means: "Nobody is asked for a token.",
    remedy: "add `identity` with the issuers that are believed",
};

pub(super) static TOKENS_OPTIONAL: Kind = Kind {
    id: "tokens-optional",
    severity: Severity::Warning,
    means: "Routes that no requirement names, and requests on no route, pass without a token.",
    remedy: "leave `identity.default` at `required`, and name the routes that are open",
};

pub(super) static ROUTE_OPEN: Kind = Kind {
    id: "route-open",
    severity: Severity::Warning,
    means: "Tokens are not looked at on a route whose path is a catch-all: whatever is added below it is open.",
    remedy: "name the paths that are open, or take `optional`",
};

pub(super) static ANY_AUDIENCE: Kind = Kind {
    id: "any-audience",
    severity: Severity::Warning,
    means: "Opaque tokens count whoever they were meant for: a token for one service opens all of them.",
    remedy: "name your audiences in `identity.introspection.audiences`",
};

pub(super) static LONG_LIVED: Kind = Kind {
    id: "long-lived-tokens",
    severity: Severity::Warning,
    means: "Tokens may live for more than a day: so long a stolen one is worth something.",
    remedy: "let the issuer grant shorter ones, and lower `lifetime_max`",
};

pub(super) static CLOCK_SKEW: Kind = Kind {
    id: "clock-skew-long",
    severity: Severity::Warning,
    means: "Clocks may differ by more than five minutes: so long tokens count after their end.",
    remedy: "synchronise the clocks",
};

pub(super) static SHARED_SECRET: Kind = Kind {
    id: "shared-secret",
    severity: Severity::Warning,
    means: "Tokens signed with a shared secret (HS256 to HS512) are taken: whoever can check one can make one.",
    remedy: "take an asymmetric algorithm such as ES256",
};

pub(super) static PLAIN_HTTP: Kind = Kind {
    id: "plain-http",
    severity: Severity::Warning,
    means: "Keys, revocations or opinions on tokens come over plain HTTP: who is on the way can replace them.",
    remedy: "take `https://`, and TLS in the cluster",
};

pub(super) static KEY_IN_QUERY: Kind = Kind {
    id: "key-in-query",
    severity: Severity::Warning,
    means: "API keys may come in the query, which stands in logs, histories and referrers.",
    remedy: "take keys in a header field alone",
};

pub(super) static FAILURES_UNLIMITED: Kind = Kind {
    id: "failures-unlimited",
    severity: Severity::Warning,
    means: "One source may have any number of tokens checked that fail, each at the price of a signature.",
    remedy: "leave `identity.failures.per_source` at its default",
};

pub(super) static REPLAY_MEMORY: Kind = Kind {
    id: "replay-memory-small",
    severity: Severity::Warning,
    means: "What may be seen once (proofs of possession, one-time tokens) is remembered in less than 1 MiB, some 66,000 live uses.",
    remedy: "raise `identity.replay.budget`",
};

pub(super) static ANY_NETWORK: Kind = Kind {
    id: "any-network",
    severity: Severity::Warning,
    means: "A list of trusted networks has all of them.",
    remedy: "name the addresses of the proxies or operators",
};

pub(super) static UNSATISFIABLE: Kind = Kind {
    id: "challenge-unsatisfiable",
    severity: Severity::Note,
    means: "Requests can be challenged for their risk, and no login satisfies a challenge: it is a denial by another name.",
    remedy: "say in `identity.step_up` which login does",
};

pub(super) static SECRET_WRITTEN: Kind = Kind {
    id: "secret-in-document",
    severity: Severity::Note,
    means: "A secret stands in the configuration itself, and so in Envoy's configuration dump.",
    remedy: "guard the admin interface; private keys can come from a variable: `{\"env\": \"NAME\"}`",
};

pub(super) static NO_SALT: Kind = Kind {
    id: "no-actor-salt",
    severity: Severity::Note,
    means:
        "Receipts name actors by a hash without a secret: who can guess a name or address can find its receipts.",
    remedy: "set `telemetry.actor_salt` to a long random text",
};

pub(super) static FLEET_SECRET: Kind = Kind {
    id: "no-fleet-secret",
    severity: Severity::Warning,
    means: "The fleet's service sees keys of limits as hashes without a secret.",
    remedy: "set `fleet.secret`, the same in all Envoys",
};

/// Where documents and opinions come from.
const REMOTE: [&str; 2] = ["identity.introspection.uri", "identity.revocation.list.uri"];

/// Places of secrets.
const SECRETS: [&str; 4] = [
    "identity.introspection.client_secret",
    "identity.introspection.bearer",
    "identity.holder.dpop.nonce.secret",
    "fleet.secret",
];

/// Lists of networks that are trusted with something.
const NETWORKS: [&str; 2] =
    ["identity.holder.certificate.forwarded.trusted_peers", "identity.revocation.endpoint.networks"];

const EVERYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];
const DAY_MILLIS: u64 = 86_400_000;
const FIVE_MINUTES_MILLIS: u64 = 300_000;
const REPLAY_BYTES_MIN: u64 = 1 << 20;

pub(super) fn look(config: &Config, document: &Value, found: &mut Vec<Warning>) {
    secrets(document, found);
    if config.identity.is_none() {
        found.push(NO_IDENTITY.at("identity", "nobody is asked for a token"));
        return;
    }
    let default = text(document, "identity.default").unwrap_or("required");
    if default != "required" {
        found.push(TOKENS_OPTIONAL.at("identity.default", format!("is `{default}`")));
    }
    open_routes(document, found);
    issuers(document, found);
    for path in REMOTE {
        plain(path, text(document, path), found);
    }
    let introspects = document.pointer("/identity/introspection").is_some();
    if introspects && items(document, "identity.introspection.audiences").is_empty() {
        found.push(ANY_AUDIENCE.at("identity.introspection", "has no audiences"));
    }
    if text(document, "identity.api_keys.query").is_some() {
        found.push(KEY_IN_QUERY.at("identity.api_keys.query", "keys may come in the query"));
    }
    if document.pointer("/identity/failures/per_source").and_then(Value::as_u64) == Some(0) {
        found.push(FAILURES_UNLIMITED.at("identity.failures.per_source", "is 0: no limit"));
    }
    once(document, found);
    for (item, network) in NETWORKS.into_iter().flat_map(|path| items(document, path)) {
        if network.as_str().is_some_and(|network| EVERYWHERE.contains(&network)) {
            found.push(ANY_NETWORK.at(item, "is every network"));
        }
    }
    if document.pointer("/identity/step_up").is_none() {
        found.push(UNSATISFIABLE.at("identity", "has no `step_up`"));
    }
}

/// What may be seen once, and how much of it is remembered.
fn once(document: &Value, found: &mut Vec<Warning>) {
    let requirements = items(document, "identity.requirements");
    let is_asked = document.pointer("/identity/holder/dpop").is_some()
        || requirements.iter().any(|(_, own)| own.get("one_time") == Some(&Value::Bool(true)));
    let budget = text(document, "identity.replay.budget").and_then(quantity).unwrap_or_default();
    if is_asked && budget < REPLAY_BYTES_MIN {
        found.push(REPLAY_MEMORY.at("identity.replay.budget", format!("is {budget} bytes")));
    }
}

fn open_routes(document: &Value, found: &mut Vec<Warning>) {
    let field = |item: &Value, name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let wide: Vec<String> = items(document, "routes")
        .into_iter()
        .filter(|(_, route)| field(route, "path").contains("{*"))
        .map(|(_, route)| field(route, "name"))
        .collect();
    for (path, requirement) in items(document, "identity.requirements") {
        let names = requirement.get("routes").and_then(Value::as_array).into_iter().flatten();
        let mut names = names.filter_map(Value::as_str);
        if field(requirement, "token") == "ignored" {
            let name = names.find(|name| wide.iter().any(|wide| wide == name));
            found.extend(
                name.map(|name| ROUTE_OPEN.at(format!("{path}.token"), format!("`{name}` is a catch-all"))),
            );
        }
    }
}

fn issuers(document: &Value, found: &mut Vec<Warning>) {
    for (path, issuer) in items(document, "identity.issuers") {
        let millis = |name: &str| issuer.get(name).and_then(Value::as_str).and_then(quantity).unwrap_or_default();
        if millis("lifetime_max") > DAY_MILLIS {
            found.push(LONG_LIVED.at(format!("{path}.lifetime_max"), "is more than a day"));
        }
        if millis("clock_skew") > FIVE_MINUTES_MILLIS {
            found.push(CLOCK_SKEW.at(format!("{path}.clock_skew"), "is more than five minutes"));
        }
        let algorithms = issuer.get("algorithms").and_then(Value::as_array).into_iter().flatten();
        if algorithms.filter_map(Value::as_str).any(|name| name.starts_with("HS")) {
            found.push(SHARED_SECRET.at(format!("{path}.algorithms"), "has one with a shared secret"));
        }
        let uri = issuer.pointer("/jwks_from/uri").and_then(Value::as_str);
        plain(&format!("{path}.jwks_from.uri"), uri, found);
    }
}

fn plain(path: &str, uri: Option<&str>, found: &mut Vec<Warning>) {
    if uri.is_some_and(|uri| uri.starts_with("http://")) {
        found.push(PLAIN_HTTP.at(path, "is plain HTTP"));
    }
}

fn secrets(document: &Value, found: &mut Vec<Warning>) {
    let stands = "stands in the configuration";
    for path in SECRETS {
        if text(document, path).is_some_and(|secret| !secret.is_empty()) {
            found.push(SECRET_WRITTEN.at(path, stands));
        }
    }
    for (path, key) in items(document, "minting.keys") {
        if key.get("private_key").is_some_and(Value::is_string) {
            found.push(SECRET_WRITTEN.at(format!("{path}.private_key"), stands));
        }
    }
    for (path, workflow) in items(document, "workflows") {
        if workflow.pointer("/token/keys").is_some() {
            found.push(SECRET_WRITTEN.at(format!("{path}.token.keys"), stands));
        }
    }
    if text(document, "telemetry.actor_salt").is_none_or(str::is_empty) {
        found.push(NO_SALT.at("telemetry.actor_salt", "is empty"));
    }
    if document.get("fleet").is_some() && text(document, "fleet.secret").is_none_or(str::is_empty) {
        found.push(FLEET_SECRET.at("fleet", "has no `secret`"));
    }
}
