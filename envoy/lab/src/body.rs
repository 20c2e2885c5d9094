//! The one body type of both client and upstream: a list of frames, sent one by one.
//!
//! hyper decides on the framing from what a body says about its length, so this body is exact about it: `whole`
//! says how long it is (content-length), `pieces` does not (chunked on HTTP/1.1, no content-length on HTTP/2).
//! Bound: the frames are in memory before the first one leaves.

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::HeaderMap;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{ready, Context, Poll};
use std::time::Duration;
use tokio::time::{interval, Interval};

/// A body of known frames.
pub(crate) struct Frames {
    left: VecDeque<Frame<Bytes>>,
    length_known: bool,
    pace: Option<Interval>,
}

impl Frames {
    /// All bytes in one frame, with a content-length.
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let left = if bytes.is_empty() { VecDeque::new() } else { VecDeque::from([Frame::data(bytes)]) };
        Frames { left, length_known: true, pace: None }
    }

    /// One frame per piece, without a content-length.
    pub(crate) fn pieces(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        let left = pieces.into_iter().filter(|piece| !piece.is_empty()).map(Frame::data).collect();
        Frames { left, length_known: false, pace: None }
    }

    /// Ends the body with these trailers; a length is no longer announced, as HTTP/1.1 carries trailers in chunks
    /// only.
    pub(crate) fn with_trailers(mut self, trailers: HeaderMap) -> Self {
        self.left.push_back(Frame::trailers(trailers));
        self.length_known = false;
        self
    }

    /// Leaves this much time between two frames. To be called within a runtime.
    pub(crate) fn paced(mut self, pause: Duration) -> Self {
        self.pace = Some(interval(pause));
        self
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        if let Some(pace) = &mut self.pace {
            ready!(pace.poll_tick(context));
        }
        Poll::Ready(self.left.pop_front().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        // A chunked body that happens to be empty still has to be framed as one: that is what its sender asked
        // for.
        self.left.is_empty() && self.length_known
    }

    fn size_hint(&self) -> SizeHint {
        if !self.length_known {
            return SizeHint::default();
        }
        let bytes: usize = self.left.iter().filter_map(Frame::data_ref).map(Bytes::len).sum();
        SizeHint::with_exact(bytes.try_into().unwrap_or(u64::MAX))
    }
}
