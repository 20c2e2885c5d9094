//! What the parts of Portcullis stand on, whatever is configured: findings, a request and its answer as they are seen, expressions, rates
//! and the memory they are counted in, documents that a service serves.
//!
//! Every request runs through most of it, so it is built for speed (the workspace's `Cargo.toml`).
//!
//! # Who may know whom
//!
//! `{metrics, rate, remote, response, rls} → {memory, request} → {expression, json} → {bytes, decimal, entropy, finding, gather, nearest, time}`.

// What clippy.toml cannot say: a test that overflows stops with a message, as it should.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "tests may panic"))]

pub mod bytes;
pub mod decimal;
pub mod entropy;
pub mod expression;
pub mod finding;
pub mod gather;
pub mod json;
pub mod memory;
pub mod metrics;
pub mod nearest;
pub mod rate;
pub mod remote;
pub mod request;
pub mod response;
pub mod rls;
pub mod time;
