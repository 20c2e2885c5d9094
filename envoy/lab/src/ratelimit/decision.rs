//! Which counters a request adds to, and what their sums mean: pure, so that windows are tested without waiting.
//!
//! This follows envoyproxy/ratelimit with its default settings:
//!
//! - Hits are the descriptor's own (0 asks without counting), else the request's, where 0 means 1.
//! - All descriptors are counted, whatever the others say, and a limit that is passed is counted on.
//! - A hit that takes the sum above the limit is over it, with all that it adds: 3 hits on 8 of 10 are refused.
//! - A counter's name joins domain, entries and window start by `_`. It does not hold the limit or its unit, so
//!   two limits on the same entries share a counter when their windows begin together.
//! - A descriptor without a limit is let through.
//!
//! It differs where that service needs a configuration: here every domain is known, and the limits of a request
//! are the only ones. And a unit that is not set is refused, where that service breaks.

use super::counters::Hits;
use super::messages::{
    Code, CurrentLimit, Descriptor, DescriptorStatus, Duration, RateLimitRequest, RateLimitResponse, Unit,
};
use tonic::Status;

/// One request, understood at one time.
#[derive(Debug)]
pub(super) struct Plan {
    limits: Vec<Option<Limit>>,
}

#[derive(Debug)]
struct Limit {
    hits: Hits,
    requests_per_unit: u32,
    unit: Unit,
    until_reset_seconds: u64,
}

impl Plan {
    /// Reads a request that arrives at this time.
    pub(super) fn new(request: &RateLimitRequest, unix_seconds: u64) -> Result<Self, Status> {
        // The service this one stands for gives these two no code of their own.
        if request.domain.is_empty() {
            return Err(Status::unknown("rate limit domain must not be empty"));
        }
        if request.descriptors.is_empty() {
            return Err(Status::unknown("rate limit descriptor list must not be empty"));
        }
        let limits = request.descriptors.iter().map(|descriptor| limit(request, descriptor, unix_seconds));
        Ok(Plan { limits: limits.collect::<Result<_, _>>()? })
    }

    /// What has to be counted for it.
    pub(super) fn hits(&self) -> Vec<Hits> {
        self.limits.iter().flatten().map(|limit| limit.hits.clone()).collect()
    }

    /// The answer, once that is counted: one sum for each of [`Plan::hits`].
    pub(super) fn answer(&self, sums: &[u64]) -> RateLimitResponse {
        let mut sums = sums.iter();
        let status = |limit: &Option<Limit>| match limit {
            Some(limit) => limit.status(sums.next().copied().unwrap_or(u64::MAX)),
            None => DescriptorStatus { code: Code::Ok.into(), ..Default::default() },
        };
        let statuses: Vec<DescriptorStatus> = self.limits.iter().map(status).collect();
        let over = statuses.iter().any(|status| status.code() == Code::OverLimit);
        let overall_code = if over { Code::OverLimit } else { Code::Ok };
        RateLimitResponse { overall_code: overall_code.into(), statuses }
    }
}

impl Limit {
    fn status(&self, sum: u64) -> DescriptorStatus {
        let remaining = u64::from(self.requests_per_unit).checked_sub(sum);
        let code = if remaining.is_some() { Code::Ok } else { Code::OverLimit };
        DescriptorStatus {
            code: code.into(),
            current_limit: Some(CurrentLimit {
                requests_per_unit: self.requests_per_unit,
                unit: self.unit.into(),
                name: String::new(),
            }),
            limit_remaining: remaining.and_then(|left| left.try_into().ok()).unwrap_or(0),
            duration_until_reset: Some(Duration {
                seconds: self.until_reset_seconds.try_into().unwrap_or(i64::MAX),
                nanos: 0,
            }),
        }
    }
}

fn limit(request: &RateLimitRequest, descriptor: &Descriptor, unix_seconds: u64) -> Result<Option<Limit>, Status> {
    let Some(given) = &descriptor.limit else { return Ok(None) };
    let unit = given.unit();
    let window_seconds = unit.seconds().ok_or_else(|| Status::invalid_argument("a limit without a unit"))?;
    let into_window = unix_seconds % window_seconds;
    let entries = descriptor.entries.iter().map(|entry| format!("{}_{}_", entry.key, entry.value));
    let key = format!("{}_{}{}", request.domain, entries.collect::<String>(), unix_seconds - into_window);
    let of_request = u64::from(request.hits_addend.max(1));
    let hits = descriptor.hits_addend.map_or(of_request, |own| own.value);
    Ok(Some(Limit {
        hits: Hits { key, hits, ttl_seconds: window_seconds },
        requests_per_unit: given.requests_per_unit,
        unit,
        until_reset_seconds: window_seconds - into_window,
    }))
}
