//! What a client is told of the limits: how much there is, how much is left, when to come back.

use super::{Applied, EXCEEDED};
use crate::config::limits::Limit;
use crate::finding::Finding;
use crate::rate::Algorithm;
use crate::time::Millis;

/// A finding that tells the client what there was and when to come back (RFC 9110 §10.2.3).
pub(super) fn exceeded(limit: &Limit, applied: &Applied, retry_after: Option<Millis>) -> Finding {
    let mut advice = headers(&[*applied], |_| Some(limit));
    advice.extend(retry_after.map(|wait| ("retry-after", seconds(wait).to_string())));
    let window = window(limit);
    let adapted = applied.factors.map(|factors| format!(" {factors}")).unwrap_or_default();
    let reason =
        format!("limit `{}`: {}{window}{adapted}, {} left", limit.name, applied.rate.limit, applied.remaining);
    Finding { advice, held_back: limit.monitor, ..Finding::new(&EXCEEDED, reason) }
}

/// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10 §3, §4) for what was applied.
pub fn headers<'l>(
    applied: &[Applied],
    limit: impl Fn(usize) -> Option<&'l Limit>,
) -> Vec<(&'static str, String)> {
    let known = || applied.iter().filter_map(|applied| Some((applied, limit(applied.limit)?)));
    let policies: Vec<String> = known()
        .map(|(applied, limit)| format!("\"{}\";q={}{}", limit.name, applied.rate.limit, window(limit)))
        .collect();
    let left: Vec<String> = known()
        .map(|(applied, limit)| format!("\"{}\";r={};t={}", limit.name, applied.remaining, seconds(applied.reset)))
        .collect();
    if left.is_empty() {
        return Vec::new();
    }
    vec![("ratelimit-policy", policies.join(", ")), ("ratelimit", left.join(", "))]
}

/// A limit of requests in flight has no window in which it counts.
fn window(limit: &Limit) -> String {
    match limit.algorithm {
        Algorithm::Concurrency => String::new(),
        _ => format!(";w={}", seconds(limit.rate.window)),
    }
}

/// Whole seconds, rounded up: waiting that long is enough.
fn seconds(time: Millis) -> u64 {
    time.as_u64().div_ceil(1000)
}
