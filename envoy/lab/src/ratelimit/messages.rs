//! The messages of `envoy.service.ratelimit.v3`, as far as they matter here, written by hand.
//!
//! Names and numbers are those of Envoy's public API: `envoy/service/ratelimit/v3/rls.proto`,
//! `envoy/extensions/common/ratelimit/v3/ratelimit.proto` and `envoy/type/v3/ratelimit_unit.proto`. So neither a
//! protobuf compiler nor Envoy's tree of definitions is needed, and the filter's own encoding is tested against
//! a second reading. Fields that are not listed (quotas, headers to add, dynamic metadata) are skipped when read,
//! and never written.

use prost::{Enumeration, Message};

/// `envoy.service.ratelimit.v3.RateLimitRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct RateLimitRequest {
    /// The family of limits, one for each application.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// What is counted. If one of them is over its limit, the request is.
    #[prost(message, repeated, tag = "2")]
    pub descriptors: Vec<Descriptor>,
    /// How many hits this request is, where a descriptor does not say; 0 means 1.
    #[prost(uint32, tag = "3")]
    pub hits_addend: u32,
}

/// `envoy.extensions.common.ratelimit.v3.RateLimitDescriptor`.
#[derive(Clone, PartialEq, Message)]
pub struct Descriptor {
    /// The parts of the counter's name, in their order.
    #[prost(message, repeated, tag = "1")]
    pub entries: Vec<Entry>,
    /// The limit, if the client sets it.
    #[prost(message, optional, tag = "2")]
    pub limit: Option<LimitOverride>,
    /// `google.protobuf.UInt64Value`: hits of this descriptor; 0 asks without counting.
    #[prost(message, optional, tag = "3")]
    pub hits_addend: Option<UInt64Value>,
}

/// `RateLimitDescriptor.Entry`.
#[derive(Clone, PartialEq, Message)]
pub struct Entry {
    /// What kind of thing the value is.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The thing itself.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// `RateLimitDescriptor.RateLimitOverride`.
#[derive(Clone, PartialEq, Message)]
pub struct LimitOverride {
    /// Hits that one window lets through.
    #[prost(uint32, tag = "1")]
    pub requests_per_unit: u32,
    /// The length of a window.
    #[prost(enumeration = "Unit", tag = "2")]
    pub unit: i32,
}

/// `google.protobuf.UInt64Value`: a number that can be absent.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct UInt64Value {
    /// The number.
    #[prost(uint64, tag = "1")]
    pub value: u64,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Duration {
    /// Whole seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// The rest.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// `envoy.service.ratelimit.v3.RateLimitResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct RateLimitResponse {
    /// `OverLimit` if one of the statuses is.
    #[prost(enumeration = "Code", tag = "1")]
    pub overall_code: i32,
    /// One for each descriptor, in the request's order.
    #[prost(message, repeated, tag = "2")]
    pub statuses: Vec<DescriptorStatus>,
}

/// `RateLimitResponse.DescriptorStatus`.
#[derive(Clone, PartialEq, Message)]
pub struct DescriptorStatus {
    /// Whether this descriptor is over its limit.
    #[prost(enumeration = "Code", tag = "1")]
    pub code: i32,
    /// The limit that was applied; none if there is none.
    #[prost(message, optional, tag = "2")]
    pub current_limit: Option<CurrentLimit>,
    /// Hits that this window still lets through.
    #[prost(uint32, tag = "3")]
    pub limit_remaining: u32,
    /// Time until the next window.
    #[prost(message, optional, tag = "4")]
    pub duration_until_reset: Option<Duration>,
}

/// `RateLimitResponse.RateLimit`.
#[derive(Clone, PartialEq, Message)]
pub struct CurrentLimit {
    /// Hits that one window lets through.
    #[prost(uint32, tag = "1")]
    pub requests_per_unit: u32,
    /// The length of a window.
    #[prost(enumeration = "Unit", tag = "2")]
    pub unit: i32,
    /// A name from the service's configuration; never set here.
    #[prost(string, tag = "3")]
    pub name: String,
}

/// `RateLimitResponse.Code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub enum Code {
    /// Never sent.
    Unknown = 0,
    /// Within the limit, or there is none.
    Ok = 1,
    /// Over it.
    OverLimit = 2,
}

/// `envoy.type.v3.RateLimitUnit`; `RateLimitResponse.RateLimit.Unit` gives these the same numbers, and has a week
/// (7) that no client can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub enum Unit {
    /// Not set.
    Unknown = 0,
    /// A second.
    Second = 1,
    /// A minute.
    Minute = 2,
    /// An hour.
    Hour = 3,
    /// A day, from midnight UTC.
    Day = 4,
    /// 30 days, counted from 1970.
    Month = 5,
    /// 365 days, counted from 1970.
    Year = 6,
}

impl Unit {
    /// The length of a window, which is aligned to the Unix epoch; none if the unit is not set.
    pub fn seconds(self) -> Option<u64> {
        match self {
            Unit::Unknown => None,
            Unit::Second => Some(1),
            Unit::Minute => Some(60),
            Unit::Hour => Some(60 * 60),
            Unit::Day => Some(24 * 60 * 60),
            Unit::Month => Some(30 * 24 * 60 * 60),
            Unit::Year => Some(365 * 24 * 60 * 60),
        }
    }
}

impl RateLimitRequest {
    /// A request for these descriptors that counts as one hit.
    pub fn new(domain: &str, descriptors: impl IntoIterator<Item = Descriptor>) -> Self {
        RateLimitRequest { domain: domain.into(), descriptors: descriptors.into_iter().collect(), hits_addend: 0 }
    }
}

impl Descriptor {
    /// A descriptor of one entry, with this limit.
    pub fn limited(key: &str, value: &str, requests_per_unit: u32, unit: Unit) -> Self {
        let entries = vec![Entry { key: key.into(), value: value.into() }];
        let limit = LimitOverride { requests_per_unit, unit: unit.into() };
        Descriptor { entries, limit: Some(limit), hits_addend: None }
    }

    /// The same with its own number of hits.
    pub fn hits(mut self, hits: u64) -> Self {
        self.hits_addend = Some(UInt64Value { value: hits });
        self
    }
}
