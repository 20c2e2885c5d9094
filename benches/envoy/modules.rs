//! Filters that the real one is compared with: what a filter costs that does nothing, or that only asks.

use anyhow::Result;
use std::path::{Path, PathBuf};

/// A proxy-wasm filter that is called at every point of a request's life and does nothing but what stands in place of the names in braces:
/// for a head, and when a request is over.
const FILTER: &str = r#"(module
    (import "env" "proxy_get_current_time_nanoseconds" (func $clock (param i32) (result i32)))
    (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
    (import "env" "proxy_get_property" (func $ask (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_set_property" (func $property (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 2)
    (data (i32.const 64) "portcullis_verdict")
    (data (i32.const 96) "allow")
    (data (i32.const 112) "source\00address")
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_context_create") (param i32 i32))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {head} (i32.const 0))
    (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_request_trailers") (param i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_response_trailers") (param i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_log") (param i32) {over})
    (func (export "proxy_on_delete") (param i32)))"#;

const CLOCK: &str = "(drop (call $clock (i32.const 16)))";
const HEADERS: &str = "(drop (call $pairs (i32.const 0) (i32.const 24) (i32.const 28)))";
const SOURCE: &str = "(drop (call $ask (i32.const 112) (i32.const 14) (i32.const 24) (i32.const 28)))";
const VERDICT: &str = "(drop (call $property (i32.const 64) (i32.const 18) (i32.const 96) (i32.const 5)))";

/// The filter that makes these calls.
fn filter(head: &[&str], over: &[&str]) -> String {
    let places = [("{head}", head), ("{over}", over)];
    places.iter().fold(FILTER.to_owned(), |text, (place, calls)| text.replace(place, &calls.concat()))
}

/// One that asks Envoy for as much as the real one does under some rules (`tests/envoy/host_calls.rs` pins it) when it is busy, and
/// computes nothing: what is left for a filter to save is what it adds beyond this one. `everything` also asks for the address of the source, and
/// leaves the verdict for the access log.
fn asking(everything: bool) -> String {
    match everything {
        true => filter(&[CLOCK, HEADERS, SOURCE], &[VERDICT]),
        false => filter(&[CLOCK, HEADERS], &[]),
    }
}

/// Where the modules are that were written for the comparison.
pub(crate) struct Modules {
    pub(crate) empty: PathBuf,
    /// As [`super::contenders::LIKE_FOR_LIKE`] does.
    pub(crate) asking: PathBuf,
    /// As [`super::contenders::EVERYTHING`] does.
    pub(crate) asking_more: PathBuf,
}

impl Modules {
    /// Writes them into a directory.
    pub(crate) fn write(directory: &Path) -> Result<Self> {
        let write = |name: &str, text: &str| {
            let path = directory.join(name);
            std::fs::write(&path, wat::parse_str(text)?)?;
            Ok::<_, anyhow::Error>(path)
        };
        Ok(Self {
            empty: write("empty.wasm", &filter(&[], &[]))?,
            asking: write("asking.wasm", &asking(false))?,
            asking_more: write("asking-more.wasm", &asking(true))?,
        })
    }
}
