//! The protocol of Envoy's rate limit service, `envoy.service.ratelimit.v3`: one question, one answer.
//!
//! Messages are the parts of the public definition that we use (envoy/service/ratelimit/v3/rls.proto,
//! envoy/extensions/common/ratelimit/v3/ratelimit.proto); what else a service sends is passed over. They travel as one
//! unary gRPC call (gRPC over HTTP/2, "Length-Prefixed-Message"), never compressed.
//!
//! Whatever a service answers is one of [`Reply`] or a [`Fault`]. Bounds: the host's limit for an answer.

use crate::time::Millis;
use prost::Message;

/// The path of the one method.
pub const PATH: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// Flag and length before a message.
const FRAME_BYTES: usize = 5;

const OVER_LIMIT: i32 = 2;

/// The gRPC status of a call that took too long (`DEADLINE_EXCEEDED`).
const DEADLINE_EXCEEDED: &[u8] = b"4";

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The domain that the service knows its limits by.
    pub domain: String,
    /// What is counted, each for itself.
    pub counts: Vec<Count>,
}

/// One key, and what it may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The limit's name.
    pub limit: String,
    /// What stands for the key.
    pub key: String,
    /// Units per window.
    pub allowed: u32,
    /// The window: a second, a minute, an hour or a day.
    pub window: Millis,
    /// Units used.
    pub units: u64,
}

/// What the service says of one [`Count`].
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Whether there was too little left.
    pub over: bool,
    /// Units left.
    pub remaining: u64,
    /// Time until the window ends.
    pub reset: Millis,
}

/// Why there is no answer.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It took too long.
    Timeout,
    /// The service cannot be reached, or answered with an error or with something that is no answer.
    Unavailable(&'static str),
}

impl Question {
    /// The body of the call.
    pub fn encode(&self) -> Vec<u8> {
        let descriptors = self.counts.iter().map(|count| wire::Descriptor {
            entries: vec![entry("limit", &count.limit), entry("key", &count.key)],
            limit: Some(wire::Override { requests_per_unit: count.allowed, unit: unit(count.window) }),
            hits_addend: Some(count.units),
        });
        let request =
            wire::Request { domain: self.domain.clone(), descriptors: descriptors.collect(), hits_addend: 1 };
        let message = request.encode_to_vec();
        let mut framed = vec![0];
        framed.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
        framed.extend(message);
        framed
    }

    /// Reads the answer to this question, one reply for each count. `grpc_status` stands in the trailers, or in the header
    /// fields of an answer without a body.
    ///
    /// # Errors
    /// [`Fault`] for everything that is not a whole answer.
    pub fn answer(
        &self,
        http_status: &[u8],
        grpc_status: Option<&[u8]>,
        body: &[u8],
    ) -> Result<Vec<Reply>, Fault> {
        match (http_status, grpc_status) {
            (b"200", Some(b"0")) => {}
            (b"504", _) | (_, Some(DEADLINE_EXCEEDED)) => return Err(Fault::Timeout),
            (b"200", Some(_)) => return Err(Fault::Unavailable("the service answered with an error")),
            (b"200", None) => return Err(Fault::Unavailable("the answer has no gRPC status")),
            _ => return Err(Fault::Unavailable("the service cannot be reached")),
        }
        let statuses = decode(body).ok_or(Fault::Unavailable("the answer is no message of the protocol"))?;
        if statuses.len() != self.counts.len() {
            return Err(Fault::Unavailable("the answer is to another question"));
        }
        // What a service that does not know the domain says looks like "none left" otherwise.
        if statuses.iter().any(|status| status.current_limit.is_none()) {
            return Err(Fault::Unavailable("the service knows no such limit: does it know the domain?"));
        }
        Ok(statuses.iter().map(reply).collect())
    }
}

fn decode(body: &[u8]) -> Option<Vec<wire::Status>> {
    let (frame, message) = body.split_at_checked(FRAME_BYTES)?;
    let (flag, length) = frame.split_first()?;
    let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
    if *flag != 0 || message.len() != length {
        return None;
    }
    Some(wire::Response::decode(message).ok()?.statuses)
}

fn reply(status: &wire::Status) -> Reply {
    let reset = status.duration_until_reset.unwrap_or_default();
    let seconds = Millis::from_secs(u64::try_from(reset.seconds).unwrap_or_default());
    let rest = Millis::new(u64::try_from(reset.nanos).unwrap_or_default().div_ceil(1_000_000));
    Reply {
        over: status.code == OVER_LIMIT,
        remaining: status.limit_remaining.into(),
        reset: seconds.saturating_add(rest),
    }
}

fn entry(key: &str, value: &str) -> wire::Entry {
    wire::Entry { key: key.to_owned(), value: value.to_owned() }
}

/// `envoy.type.v3.RateLimitUnit`.
fn unit(window: Millis) -> i32 {
    match window.as_u64() {
        1_000 => 1,
        60_000 => 2,
        3_600_000 => 3,
        86_400_000 => 4,
        // The configuration admits no other.
        _ => 0,
    }
}

/// The messages, with the numbers of their fields.
mod wire {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Request {
        #[prost(string, tag = "1")]
        pub(super) domain: String,
        #[prost(message, repeated, tag = "2")]
        pub(super) descriptors: Vec<Descriptor>,
        #[prost(uint32, tag = "3")]
        pub(super) hits_addend: u32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Descriptor {
        #[prost(message, repeated, tag = "1")]
        pub(super) entries: Vec<Entry>,
        #[prost(message, optional, tag = "2")]
        pub(super) limit: Option<Override>,
        /// `google.protobuf.UInt64Value`, which prost reads as the number itself.
        #[prost(message, optional, tag = "3")]
        pub(super) hits_addend: Option<u64>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Entry {
        #[prost(string, tag = "1")]
        pub(super) key: String,
        #[prost(string, tag = "2")]
        pub(super) value: String,
    }

    #[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
    pub(super) struct Override {
        #[prost(uint32, tag = "1")]
        pub(super) requests_per_unit: u32,
        #[prost(int32, tag = "2")]
        pub(super) unit: i32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Response {
        #[prost(message, repeated, tag = "2")]
        pub(super) statuses: Vec<Status>,
    }

    #[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
    pub(super) struct Status {
        #[prost(int32, tag = "1")]
        pub(super) code: i32,
        /// What it counts against; of it only the presence matters.
        #[prost(message, optional, tag = "2")]
        pub(super) current_limit: Option<Override>,
        #[prost(uint32, tag = "3")]
        pub(super) limit_remaining: u32,
        #[prost(message, optional, tag = "4")]
        pub(super) duration_until_reset: Option<Duration>,
    }

    /// `google.protobuf.Duration`.
    #[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
    pub(super) struct Duration {
        #[prost(int64, tag = "1")]
        pub(super) seconds: i64,
        #[prost(int32, tag = "2")]
        pub(super) nanos: i32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn question() -> Question {
        let count = Count {
            limit: "l".to_owned(),
            key: "k".to_owned(),
            allowed: 5,
            window: Millis::from_secs(60),
            units: 300,
        };
        Question { domain: "d".to_owned(), counts: vec![count] }
    }

    fn framed(message: &[u8]) -> Vec<u8> {
        let mut framed = vec![0];
        framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        framed.extend(message);
        framed
    }

    #[test]
    fn a_question_has_the_bytes_of_the_protocol() {
        let limit = b"\x0a\x0a\x0a\x05limit\x12\x01l";
        let key = b"\x0a\x08\x0a\x03key\x12\x01k";
        let rest = b"\x12\x04\x08\x05\x10\x02\x1a\x03\x08\xac\x02";
        let descriptor = [limit.as_slice(), key, rest].concat();
        let mut message = b"\x0a\x01d\x12".to_vec();
        message.push(u8::try_from(descriptor.len()).unwrap());
        message.extend(descriptor);
        message.extend(b"\x18\x01");
        assert_eq!(question().encode(), framed(&message));
    }

    #[test]
    fn an_answer_is_read_with_all_it_says() {
        // OVER_LIMIT over all; one status: over, current limit passed over, 0 left, 12.5 s.
        let status = b"\x08\x02\x12\x04\x08\x05\x10\x02\x18\x00\x22\x08\x08\x0c\x10\x80\xca\xb5\xee\x01";
        let mut message = b"\x08\x02\x12".to_vec();
        message.push(u8::try_from(status.len()).unwrap());
        message.extend(status);
        let reply = Reply { over: true, remaining: 0, reset: Millis::new(12_500) };
        assert_eq!(question().answer(b"200", Some(b"0"), &framed(&message)), Ok(vec![reply]));
    }

    #[test]
    fn what_is_no_answer_is_a_fault() {
        let none = framed(b"");
        assert_eq!(question().answer(b"504", None, b""), Err(Fault::Timeout));
        assert_eq!(question().answer(b"200", Some(b"4"), b""), Err(Fault::Timeout));
        for (http, grpc, body) in [
            (b"503", None, b"".as_slice()),
            (b"200", None, b""),
            (b"200", Some(b"14".as_slice()), b""),
            (b"200", Some(b"0"), b""),
            (b"200", Some(b"0"), b"\x00\x00\x00\x00\x05ab"),
            (b"200", Some(b"0"), b"\x01\x00\x00\x00\x00"),
            (b"200", Some(b"0"), &none),
        ] {
            let answer = question().answer(http, grpc, body);
            assert!(matches!(answer, Err(Fault::Unavailable(_))), "{http:?} {grpc:?} {body:?}");
        }
    }

    #[test]
    fn a_service_that_knows_no_limit_is_no_service() {
        // OK, nothing left, no current limit: what envoyproxy/ratelimit says about a domain it does not know.
        let unknown = framed(b"\x08\x01\x12\x02\x08\x01");
        assert!(matches!(question().answer(b"200", Some(b"0"), &unknown), Err(Fault::Unavailable(_))));
    }

    proptest! {
        #[test]
        fn no_answer_panics(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = question().answer(b"200", Some(b"0"), &framed(&body));
            let _ = question().answer(b"200", Some(b"0"), &body);
        }
    }
}
