//! Every statistic there is, by its name and labels: what the host declares from, and the reference is made of.
//!
//! Names carry their labels in the form that Istio's `extraStatTags` and the shipped `stats_tags` take apart. No value of a label
//! is chosen by a client, so the number of series is known when the configuration loads.

pub mod batch;

/// What a statistic is.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It is what it is now.
    Gauge,
    /// How values are spread.
    Histogram,
}

impl Kind {
    /// Its name in Prometheus.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One statistic.
#[derive(Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it counts, and what the values of its labels mean. One sentence or two for the reference.
    pub means: &'static str,
}

/// Requests that are over.
pub const REQUESTS: Metric = Metric {
    name: "portcullis_requests_total",
    kind: Kind::Counter,
    labels: &["verdict", "route", "mode"],
    means: "Requests that are over. `verdict` is what was done (`allow`, `challenge`, `deny`), or what would have been \
            (`would_challenge`, `would_deny`).",
};

/// Findings.
pub const FINDINGS: Metric = Metric {
    name: "portcullis_findings_total",
    kind: Kind::Counter,
    labels: &["stage", "rule", "mode"],
    means: "Findings by the check (`rule`). `mode` is what held for that finding.",
};

/// Violations of rules of the business.
pub const RULES: Metric = Metric {
    name: "portcullis_rules_total",
    kind: Kind::Counter,
    labels: &["rule", "mode"],
    means: "Violations of rules of the business, by the rule's name.",
};

/// What limits said.
pub const LIMITS: Metric = Metric {
    name: "portcullis_limits_total",
    kind: Kind::Counter,
    labels: &["limit", "decision"],
    means: "What limits said: `allow`, `refuse`, `would_refuse`, `unknown` (could not be counted).",
};

/// Reports of synced limits.
pub const FLEET_REPORTS: Metric = Metric {
    name: "portcullis_fleet_reports_total",
    kind: Kind::Counter,
    labels: &["event"],
    means: "Reports of synced limits: `reported`, `timeout`, `unavailable` (then reported again).",
};

/// Good tokens.
pub const TOKENS: Metric = Metric {
    name: "portcullis_tokens_total",
    kind: Kind::Counter,
    labels: &["event"],
    means: "Good tokens, by how that was found: `remembered`, the signature checked by the `host` or by the `filter`, asked of \
            the `issuer`, or a `key` of the configuration.",
};

/// What was asked of the token endpoint.
pub const MINTING: Metric = Metric {
    name: "portcullis_minting_total",
    kind: Kind::Counter,
    labels: &["event"],
    means: "Tokens that the filter was asked for: `issued`, `refused`.",
};

/// What was asked of the revocation endpoint.
pub const REVOCATIONS: Metric = Metric {
    name: "portcullis_revocations_total",
    kind: Kind::Counter,
    labels: &["event"],
    means: "What was asked of the revocation endpoint: `revoked`, `ineffective` (the token was worth nothing), `refused`.",
};

/// Fetches of documents.
pub const FETCHES: Metric = Metric {
    name: "portcullis_documents_fetches_total",
    kind: Kind::Counter,
    labels: &["document", "event"],
    means: "Fetches of keys and revocations: `changed`, `current`, `failed`.",
};

/// The age of documents.
pub const DOCUMENT_AGE: Metric = Metric {
    name: "portcullis_documents_age_seconds",
    kind: Kind::Gauge,
    labels: &["document"],
    means: "Seconds since the last fetch that succeeded.",
};

/// Failed fetches in a row.
pub const DOCUMENT_FAILURES: Metric = Metric {
    name: "portcullis_documents_failures",
    kind: Kind::Gauge,
    labels: &["document"],
    means: "Fetches that have failed since then.",
};

/// When the last fetch succeeded.
pub const DOCUMENT_SUCCESS: Metric = Metric {
    name: "portcullis_documents_last_success_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &["document"],
    means: "The time of the last fetch that succeeded, in seconds since 1970.",
};

/// What the memory met.
pub const MEMORY_EVENTS: Metric = Metric {
    name: "portcullis_memory_events_total",
    kind: Kind::Counter,
    labels: &["event"],
    means: "What the shared memory met: `eviction` of a record that still owed something, `retry` after another worker was \
            faster, `junk` found where ours should be.",
};

/// How full the memory is.
pub const MEMORY_OCCUPANCY: Metric = Metric {
    name: "portcullis_memory_occupancy_permille",
    kind: Kind::Gauge,
    labels: &[],
    means: "Records per thousand places, of 256 buckets every 5 s.",
};

/// What a judgement takes.
pub const DURATION: Metric = Metric {
    name: "portcullis_duration_us",
    kind: Kind::Histogram,
    labels: &[],
    means: "Microseconds spent judging a request's head: of each request where few come, of one in 16 that pass where many do.",
};

/// Living VMs.
pub const HEARTBEATS: Metric = Metric {
    name: "portcullis_heartbeats_total",
    kind: Kind::Counter,
    labels: &[],
    means: "Ticks of living VMs, every 5 s in each worker: nothing else in Envoy counts a VM that died.",
};

/// Every statistic.
pub static METRICS: &[&Metric] = &[
    &REQUESTS,
    &FINDINGS,
    &RULES,
    &LIMITS,
    &FLEET_REPORTS,
    &TOKENS,
    &MINTING,
    &REVOCATIONS,
    &FETCHES,
    &DOCUMENT_AGE,
    &DOCUMENT_FAILURES,
    &DOCUMENT_SUCCESS,
    &MEMORY_EVENTS,
    &MEMORY_OCCUPANCY,
    &DURATION,
    &HEARTBEATS,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_say_what_they_are() {
        let names: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
        for metric in METRICS {
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
        }
    }
}
