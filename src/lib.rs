//! Portcullis: a proxy-wasm filter that stops API and microservice abuse inside Envoy.
//!
//! For every request it asks who is calling and whether the token is really theirs, turns the answers into one
//! explained verdict — allow, challenge, deny — and reports it through Envoy's statistics, access log and log.
//!
//! # A request's life
//!
//! [`engine`] takes a [`request::Request`] through the [`stages`]; each adds [`finding`]s, and
//! [`stages::risk`] turns them into a verdict. What goes on carries a [`stages::risk::Permit`], what does not gets a
//! [`reply::Reply`]; either way there is a [`receipt`]. A few paths are [`endpoints`] of ours, which answer by themselves.
//!
//! # Who may know whom
//!
//! `host → engine → endpoints → stages`, in this crate, and below it the crates
//! [`portcullis_config`] → [`portcullis_jose`] → [`portcullis_base`].
//!
//! - `host` alone knows proxy-wasm, and exists in the wasm build alone. It alone reads the clock.
//! - Everything else is pure: the same core runs in the filter, in tests, in benches and in tools.
//! - A stage knows earlier stages, never a later one, the engine or the host.
//! - A configuration as it is written is known within its crate alone; everybody else sees the validated form.
//! - What every request runs through stands in this crate and in `base`, which are built for speed; the others are built
//!   for size (`Cargo.toml`).
//!
//! `tests/tidy.rs` holds the rules that Cargo does not.

// What clippy.toml cannot say: a test that overflows stops with a message, as it should.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "tests may panic"))]

pub mod endpoints;
pub mod engine;
mod receipt;
pub mod reply;
pub mod stages;

pub use portcullis_base::{
    decimal, entropy, expression, finding, json, memory, metrics, nearest, rate, remote, request, response, rls,
    time,
};
pub use portcullis_config as config;
pub use portcullis_jose as jose;

use portcullis_base::{bytes, gather};

#[cfg(target_arch = "wasm32")]
mod host;
