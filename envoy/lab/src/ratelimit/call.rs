//! One gRPC call, from its HTTP/2 request to its answer, honest or not.
//!
//! tonic frames and checks the messages; the two lines of routing that its code generator would write are here.
//! Any method but `ShouldRateLimit` is `UNIMPLEMENTED`. What Redis does not answer is `UNAVAILABLE` (the
//! service this one stands for says `UNKNOWN`, and a client has to treat both as a failure).

use super::counters::Counters;
use super::decision::Plan;
use super::messages::{RateLimitRequest, RateLimitResponse};
use super::{Misbehaviour, METHOD};
use crate::body::Frames;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue, CONTENT_TYPE};
use hyper::{HeaderMap, Request, Response};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tonic::body::Body;
use tonic::server::{Grpc, UnaryService};
use tonic::Status;
use tonic_prost::ProstCodec;

/// gRPC's frame around eleven bytes that are no protobuf: a number that never ends.
const JUNK: &[u8] = b"\0\0\0\0\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";

/// What all calls share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) counters: Counters,
    pub(super) requests: AtomicU64,
    pub(super) hits: AtomicU64,
    pub(super) misbehaviour: Mutex<Misbehaviour>,
}

pub(super) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    if request.uri().path() != METHOD {
        return Status::unimplemented("only ShouldRateLimit is").into_http();
    }
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let misbehaviour = *shared.misbehaviour.lock().unwrap_or_else(PoisonError::into_inner);
    match misbehaviour {
        Misbehaviour::None => {}
        Misbehaviour::Hang => std::future::pending().await,
        Misbehaviour::Fail => return Status::internal("told to fail").into_http(),
        Misbehaviour::Junk => return junk(),
    }
    Grpc::new(ProstCodec::default()).unary(ShouldRateLimit(shared), request).await
}

/// The method, as tonic calls it.
struct ShouldRateLimit(Arc<Shared>);

impl UnaryService<RateLimitRequest> for ShouldRateLimit {
    type Response = RateLimitResponse;
    type Future = Pin<Box<dyn Future<Output = Result<tonic::Response<RateLimitResponse>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<RateLimitRequest>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let plan = Plan::new(request.get_ref(), unix_seconds())?;
            let hits = plan.hits();
            let sums = shared.counters.count(&hits).await;
            let sums = sums.map_err(|error| Status::unavailable(format!("{error:#}")))?;
            shared.hits.fetch_add(hits.iter().map(|counted| counted.hits).sum(), Ordering::SeqCst);
            Ok(tonic::Response::new(plan.answer(&sums)))
        })
    }
}

pub(super) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// All that a successful call has, but for the message.
fn junk() -> Response<Body> {
    let status = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let frames = Frames::pieces([Bytes::from_static(JUNK)]).with_trailers(status);
    let mut response = Response::new(Body::new(frames));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
