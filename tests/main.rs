//! Everything that needs more than one module to be seen: the rules of the tree, the examples, the real Envoy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests stop with a message when something is not as it should be, and run on a developer's machine"
)]

mod docs;
mod envoy;
mod exposure;
mod hostile;
mod istio;
mod observability;
mod scenarios;
mod simulation;
mod tidy;
