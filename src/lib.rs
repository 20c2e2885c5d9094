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
//! `host → engine → endpoints → stages → {config, memory, rate, rls, remote, request, response, jose, json} → {finding, expression} → {time, entropy, nearest, gather}`.
//!
//! - `host` alone knows proxy-wasm, and exists in the wasm build alone. It alone reads the clock.
//! - Everything else is pure: the same core runs in the filter, in tests, in benches and in tools.
//! - A stage knows earlier stages, never a later one, the engine or the host.
//! - `config::raw` is known within `config` alone; everybody else sees the validated form.
//!
//! `tests/tidy.rs` holds these rules.

// What clippy.toml cannot say: a test that overflows stops with a message, as it should.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "tests may panic"))]

mod bytes;
pub mod config;
pub mod decimal;
pub mod endpoints;
pub mod engine;
pub mod entropy;
pub mod expression;
pub mod finding;
mod gather;
pub mod jose;
pub mod json;
pub mod memory;
pub mod metrics;
pub mod nearest;
pub mod rate;
mod receipt;
pub mod remote;
pub mod reply;
pub mod request;
pub mod response;
pub mod rls;
pub mod stages;
pub mod time;

#[cfg(target_arch = "wasm32")]
mod host;
