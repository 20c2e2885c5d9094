//! Warnings about what passes when something fails: an attacker who can make it fail has a way in.

use super::{items, text, Kind, Severity, Warning};
use portcullis::config::Config;
use serde_json::Value;

pub(super) static IDENTITY_OPEN: Kind = Kind {
    id: "identity-fails-open",
    severity: Severity::Warning,
    means: "When keys, revocations, opinions on tokens or the memory of uses are not there, tokens that nobody has judged pass.",
    remedy: "leave the failure policies of `identity` at `deny`, or take `challenge`",
};

pub(super) static INTERNAL_OPEN: Kind = Kind {
    id: "internal-fails-open",
    severity: Severity::Warning,
    means: "A request that Envoy does not show to the filter passes.",
    remedy: "leave `request.on_error.internal` at `deny`",
};

pub(super) static RULE_OPEN: Kind = Kind {
    id: "rule-fails-open",
    severity: Severity::Warning,
    means: "A rule lets pass what it cannot read: whoever sends a value with two meanings escapes it.",
    remedy: "leave the rule's `on_error` at `deny`",
};

const POLICIES: [(&str, &Kind); 5] = [
    ("identity.on_error.keys", &IDENTITY_OPEN),
    ("identity.introspection.on_error", &IDENTITY_OPEN),
    ("identity.revocation.on_error", &IDENTITY_OPEN),
    ("identity.replay.on_full", &IDENTITY_OPEN),
    ("request.on_error.internal", &INTERNAL_OPEN),
];

pub(super) fn look(_: &Config, document: &Value, found: &mut Vec<Warning>) {
    for (path, kind) in POLICIES {
        if text(document, path) == Some("allow") {
            found.push(kind.at(path, "is `allow`"));
        }
    }
    for (path, rule) in items(document, "rules") {
        if rule.get("on_error").and_then(Value::as_str) == Some("allow") {
            found.push(RULE_OPEN.at(format!("{path}.on_error"), "is `allow`"));
        }
    }
}
