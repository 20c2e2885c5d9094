//! The upstream's answer as the stages see it.
//!
//! So far its status, which goes into the receipt, and the length of its body. Not covered: header fields, what the body
//! says.

/// One response.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// The status code the client received. `None` when there was none (the client went away).
    pub status: Option<u16>,
    /// Bytes of its body.
    pub bytes: u64,
}
