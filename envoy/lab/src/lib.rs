//! A real Envoy, a real upstream and real clients, for Portcullis's tests, demo and benchmarks.
//!
//! What the filter promises holds only where Envoy calls it the way it is believed to, so the proofs run against
//! the Envoy an operator runs, with the configuration he is given (`envoy/envoy.yaml`), and not against a mock.
//!
//! - [`bootstrap`]: the shipped configuration, edited for one test.
//! - [`collector`]: a collector of access logs over OpenTelemetry; also the binary `portcullis-collector`.
//! - [`dashboard`]: the shipped dashboard and alert rules, as what they ask Prometheus.
//! - [`envoy`]: one Envoy process: started, observed, always ended.
//! - [`upstream`]: the protected service, an orders API; also the binary `portcullis-upstream`.
//! - [`redis`]: one real redis-server, which holds the counts of fleet-wide limits.
//! - [`image`]: the filter as an OCI image layout; also the binary `image`.
//! - [`provider`]: an identity provider whose signing keys rotate; also the binary `portcullis-issuer`.
//! - [`ratelimit`]: a rate limit service on Redis that speaks Envoy's protocol, and can be told to misbehave.
//! - [`client`]: HTTP/1.1 and HTTP/2 requests, and raw bytes for what no client library would send.
//! - [`flood`]: many requests at once, over several connections.
//! - [`sbom`]: the filter's bill of materials; also the binary `sbom`.
//! - [`scenario`]: the examples (`examples/*`): parsed, and replayed against a real Envoy.
//! - [`tls`]: certificates of an authority that exists for one test.
//! - [`tokens`]: an issuer of good and deliberately bad tokens. Its keys are public: nothing may trust them.
//!
//! Every port is chosen by the kernel, every wait has an end, everything written lies in a temporary directory.
//! Not covered: the building of the filter itself (`PORTCULLIS_WASM` or `target/portcullis.wasm`).

mod body;
pub mod bootstrap;
pub mod client;
pub mod collector;
pub mod dashboard;
pub mod envoy;
pub mod flood;
pub mod image;
mod process;
pub mod provider;
pub mod ratelimit;
pub mod redis;
pub mod sbom;
pub mod scenario;
pub mod service;
pub mod tls;
pub mod tokens;
pub mod upstream;

use std::path::{Path, PathBuf};

/// The root of the workspace, two directories above this crate.
pub fn workspace() -> PathBuf {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR"));
    lab.ancestors().nth(2).unwrap_or(lab).to_path_buf()
}
