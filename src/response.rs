//! The upstream's answer as the stages see it.
//!
//! So far its status alone; it goes into the receipt. Not covered: header fields and body.

/// The head of one response.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// The status code the client received. `None` when there was none (the client went away).
    pub status: Option<u16>,
}
