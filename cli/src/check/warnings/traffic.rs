//! Warnings about what is looked at, counted and stopped.

use super::{items, quantity, text, Kind, Severity, Warning};
use portcullis::config::{Config, Mode};
use portcullis::finding::{Family, Weight};
use portcullis::stages::CHECKS;
use serde_json::Value;

pub(super) static MONITOR_MODE: Kind = Kind {
    id: "monitor-mode",
    severity: Severity::Note,
    means: "No route is enforced: everything is judged and reported, nothing is stopped.",
    remedy: "set `\"mode\": \"enforce\"` for the document, or for the routes that are ready for it",
};

pub(super) static NO_ROUTES: Kind = Kind {
    id: "no-routes",
    severity: Severity::Note,
    means: "There are no routes: all requests share one set of rules and one line in the statistics.",
    remedy: "name the routes that matter; limits, requirements and exclusions can then differ",
};

pub(super) static NO_LIMITS: Kind = Kind {
    id: "no-limits",
    severity: Severity::Warning,
    means: "Nothing bounds how often anybody may ask.",
    remedy: "write at least one limit by `source`, for instance what `portcullis suggest` proposes",
};

pub(super) static LIMIT_KEY_CHOSEN: Kind = Kind {
    id: "limit-key-chosen-by-client",
    severity: Severity::Warning,
    means: "A limit counts under a key of which clients choose every part: with a new value they start anew.",
    remedy: "add `source` or `subject` to the key, or a second limit by one of them",
};

pub(super) static LIMIT_MONITOR: Kind = Kind {
    id: "limit-on-trial",
    severity: Severity::Note,
    means: "A limit is in monitor mode: it counts and refuses nothing.",
    remedy: "remove its `mode` when its counts are as expected",
};

pub(super) static NO_INSPECTION: Kind = Kind {
    id: "no-inspection",
    severity: Severity::Note,
    means: "Payloads are not looked at.",
    remedy: "add `\"inspect\": {}`",
};

pub(super) static EXCLUSION_WIDE: Kind = Kind {
    id: "exclusion-wide",
    severity: Severity::Warning,
    means: "An exclusion without a place, or of every check everywhere, blinds more than a false alarm needs.",
    remedy: "name the `place` of the value, and the `check` that is wrong about it",
};

pub(super) static CHECK_OFF: Kind = Kind {
    id: "check-off",
    severity: Severity::Warning,
    means: "A check is off on all routes, and not even counted.",
    remedy: "set its `mode` to `monitor`, or exclude the place where it is wrong",
};

pub(super) static CHECK_WEAKENED: Kind = Kind {
    id: "check-weakened",
    severity: Severity::Warning,
    means: "A check that refuses by itself has been given less weight: what it finds can pass.",
    remedy: "leave the effect to the check, or take `challenge`",
};

pub(super) static FAMILY_DENIES: Kind = Kind {
    id: "family-denies-alone",
    severity: Severity::Warning,
    means: "A family's cap reaches the threshold of denial: many weak signs of one kind deny alone.",
    remedy: "keep `risk.family_caps` below `risk.thresholds.deny`",
};

pub(super) static NO_BODY_LIMIT: Kind = Kind {
    id: "no-body-limit",
    severity: Severity::Note,
    means: "Bodies of requests may be of any length.",
    remedy: "set `request.body_bytes_max`, and more on the routes that take uploads",
};

pub(super) static BODY_ABOVE_ENVOY: Kind = Kind {
    id: "body-above-envoy",
    severity: Severity::Warning,
    means: "More of a body is to be held back than Envoy holds by default (1 MiB): Envoy answers 413, or 500 for a response.",
    remedy: "stay well below `per_connection_buffer_limit_bytes` of the listener",
};

pub(super) static MEMORY_SMALL: Kind = Kind {
    id: "memory-small",
    severity: Severity::Warning,
    means: "The memory has room for few actors: when it is full, those that owe least are forgotten.",
    remedy: "give `memory.budget` 1 MiB for every 20,000 actors that are active at a time",
};

/// Parts of a limit's key that a client cannot choose freely.
const FIRM: [&str; 3] = ["source", "subject", "client"];

/// Envoy's default for what a filter may hold back.
const ENVOY_BUFFER_BYTES: u64 = 1 << 20;

/// Below this, a scan by one botnet turns the whole memory over.
const MEMORY_BYTES_MIN: u64 = 2 << 20;

/// Bytes of a record with its part of the bucket: 16 MiB have room for 350,000.
const RECORD_BYTES: u64 = 48;

pub(super) fn look(config: &Config, document: &Value, found: &mut Vec<Warning>) {
    if !config.routes.iter().any(|(_, route)| route.mode == Mode::Enforce) {
        found.push(MONITOR_MODE.at("mode", "no route is enforced"));
    }
    if items(document, "routes").is_empty() {
        found.push(NO_ROUTES.at("routes", "there are none"));
    }
    limits(config, document, found);
    if config.inspect.is_none() {
        found.push(NO_INSPECTION.at("inspect", "payloads are not looked at"));
    }
    for (path, exclusion) in items(document, "inspect.exclusions") {
        let has = |name: &str| exclusion.get(name).and_then(Value::as_str).is_some_and(|text| text != "*");
        let is_narrow = has("place") && (has("check") || has("route")) || has("check") && has("route");
        if !is_narrow {
            found.push(EXCLUSION_WIDE.at(path, "says too little of where and what"));
        }
    }
    checks(document, found);
    families(config, document, found);
    if text(document, "request.body_bytes_max").is_none() {
        found.push(NO_BODY_LIMIT.at("request.body_bytes_max", "is not set"));
    }
    for path in ["request.body_read_max", "response.body_read_max"] {
        let bytes = text(document, path).and_then(quantity).unwrap_or_default();
        if bytes > ENVOY_BUFFER_BYTES {
            let message = format!("{bytes} bytes are more than Envoy's {ENVOY_BUFFER_BYTES}");
            found.push(BODY_ABOVE_ENVOY.at(path, message));
        }
    }
}

fn limits(config: &Config, document: &Value, found: &mut Vec<Warning>) {
    let limits = items(document, "limits");
    let has_packs = document.get("packs").and_then(Value::as_object).is_some_and(|packs| !packs.is_empty());
    if limits.is_empty() && !has_packs {
        found.push(NO_LIMITS.at("limits", "there are none"));
    }
    for (path, limit) in &limits {
        let parts = limit.get("key").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let is_firm = |part: &str| FIRM.contains(&part) || part.starts_with("claim:");
        if !parts.into_iter().any(is_firm) {
            found.push(LIMIT_KEY_CHOSEN.at(format!("{path}.key"), "clients choose every part of it"));
        }
        if limit.get("mode").and_then(Value::as_str) == Some("monitor") {
            found.push(LIMIT_MONITOR.at(format!("{path}.mode"), "the limit refuses nothing"));
        }
    }
    let budget = config.memory.budget_bytes;
    if !limits.is_empty() && budget < MEMORY_BYTES_MIN {
        let room = budget / RECORD_BYTES;
        found.push(MEMORY_SMALL.at("memory.budget", format!("has room for about {room} actors")));
    }
}

fn checks(document: &Value, found: &mut Vec<Warning>) {
    for (path, tuning) in items(document, "checks") {
        let field = |name: &str| tuning.get(name).and_then(Value::as_str);
        let Some(id) = field("id") else { continue };
        if field("mode") == Some("off") {
            found.push(CHECK_OFF.at(format!("{path}.mode"), format!("`{id}` is off everywhere")));
        }
        let refuses = CHECKS.iter().any(|check| check.id == id && check.weight == Weight::Refuse);
        if refuses && (field("effect") == Some("note") || tuning.get("score").is_some()) {
            found.push(CHECK_WEAKENED.at(path, format!("`{id}` refuses by itself")));
        }
    }
}

/// Of payloads and business one sure sign may deny, so their caps are above the threshold on purpose.
fn families(config: &Config, document: &Value, found: &mut Vec<Warning>) {
    let deny = document.pointer("/risk/thresholds/deny").and_then(Value::as_f64).unwrap_or(1.0);
    let soft = Family::ALL.into_iter().filter(|family| !matches!(family, Family::Payload | Family::Business));
    for family in soft.filter(|family| config.cap(*family).value() >= deny) {
        let place = format!("risk.family_caps.{}", family.name());
        found.push(FAMILY_DENIES.at(place, format!("is not below {deny}, from where requests are denied")));
    }
}
