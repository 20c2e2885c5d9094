//! The shipped Envoy configuration (`envoy/envoy.yaml`), edited for one experiment.
//!
//! Tests start from the file an operator copies, so that a mistake in it is found here. [`Bootstrap::shipped`]
//! reads it, the builder methods note what differs, and the edits are made when Envoy starts: then ports are left
//! to the kernel, the access log goes to a file, and statistics are flushed twice a second instead of every five.
//!
//! It knows the file's shape (one listener, one chain, one cluster) and fails with the place where it differs.
//! What has no method of its own can be done with [`Bootstrap::edit`].

use crate::tls::Authority;
use crate::workspace;
use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const LISTENER: &str = "/static_resources/listeners/0";
const HTTP: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
const CLUSTERS: &str = "/static_resources/clusters";
const CLUSTER: &str = "/static_resources/clusters/0";
const FILTER: &str = "portcullis";
const WASM_TYPE: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const EXTENSION_TYPE: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// An Envoy configuration with what one experiment changes in it.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    document: Value,
    filter_config: Option<String>,
    wasm: Option<PathBuf>,
    upstream: Option<SocketAddr>,
    http_filters: Option<Vec<Value>>,
    http2_upstream: bool,
    clusters: Vec<Value>,
    ecds: Option<PathBuf>,
    concurrency: u32,
}

impl Bootstrap {
    /// The configuration in `envoy/envoy.yaml`, to be run with one worker.
    pub fn shipped() -> Result<Self> {
        Ok(Self::from_value(shipped_document("envoy/envoy.yaml")?))
    }

    /// Any configuration of the same shape.
    pub fn from_value(document: Value) -> Self {
        Bootstrap {
            document,
            filter_config: None,
            wasm: None,
            upstream: None,
            http_filters: None,
            http2_upstream: false,
            clusters: Vec::new(),
            ecds: None,
            concurrency: 1,
        }
    }

    /// Sets the filter's own configuration (Portcullis's JSON document).
    pub fn filter_config(mut self, json: &str) -> Self {
        self.filter_config = Some(json.to_owned());
        self
    }

    /// Sets the wasm file. Otherwise it is `PORTCULLIS_WASM`, or else `target/portcullis.wasm` of the workspace.
    pub fn wasm(mut self, path: impl Into<PathBuf>) -> Self {
        self.wasm = Some(path.into());
        self
    }

    /// Sets the service that Envoy forwards to.
    pub fn upstream(mut self, address: SocketAddr) -> Self {
        self.upstream = Some(address);
        self
    }

    /// Sets the number of workers.
    pub fn concurrency(mut self, workers: u32) -> Self {
        self.concurrency = workers;
        self
    }

    /// Replaces all HTTP filters before the router. Of Portcullis's own settings only those of a filter named
    /// `portcullis` in this list are still filled in.
    pub fn http_filters(mut self, filters: Vec<Value>) -> Self {
        self.http_filters = Some(filters);
        self
    }

    /// Leaves only the router.
    pub fn without_filter(self) -> Self {
        self.http_filters(Vec::new())
    }

    /// Sets the number of workers, and deals connections out to them evenly: of so many in a row each gets one. Left to the
    /// kernel, a worker may have none.
    pub fn balanced(mut self, workers: u32) -> Self {
        if let Some(listener) = self.document.pointer_mut(LISTENER) {
            listener["connection_balance_config"] = json!({"exact_balance": {}});
        }
        self.concurrency(workers)
    }

    /// Forwards over HTTP/2 (h2c), which gRPC needs.
    pub fn http2_upstream(mut self) -> Self {
        self.http2_upstream = true;
        self
    }

    /// Adds the shipped cluster of a fleet's rate limit service (`envoy/ratelimit/cluster.yaml`), with this address.
    pub fn ratelimit(mut self, address: SocketAddr) -> Result<Self> {
        let mut cluster = shipped_document("envoy/ratelimit/cluster.yaml")?;
        let host = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint";
        *at(&mut cluster, host)? = json!({"address": socket_address(address)});
        self.clusters.push(cluster);
        Ok(self)
    }

    /// Adds a cluster of one host, over HTTP/1.1.
    pub fn cluster(mut self, name: &str, address: SocketAddr) -> Self {
        let endpoint = json!({"endpoint": {"address": socket_address(address)}});
        self.clusters.push(json!({
            "name": name,
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        }));
        self
    }

    /// Takes TLS connections alone, and clients that show a certificate of this authority; those without one only if none is
    /// `required`.
    pub fn tls(mut self, authority: &Authority, required: bool) -> Result<Self> {
        let chain = at(&mut self.document, &format!("{LISTENER}/filter_chains/0"))?;
        let chain = chain.as_object_mut().context("the filter chain is no mapping")?;
        chain.insert("transport_socket".into(), authority.listener(required)?);
        Ok(self)
    }

    /// Delivers the filter through a file in this (existing) directory that Envoy watches, so that
    /// [`Envoy::push_filter_config`](crate::envoy::Envoy::push_filter_config) can change it while Envoy runs. The
    /// directory has to outlive Envoy.
    pub fn ecds(mut self, directory: impl Into<PathBuf>) -> Self {
        self.ecds = Some(directory.into());
        self
    }

    /// Changes the document itself, at once; the edits of the other methods come later.
    pub fn edit(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.document);
        self
    }

    pub(crate) fn workers(&self) -> u32 {
        self.concurrency
    }

    /// The finished document, and the file it watches if the filter is delivered by one.
    pub(crate) fn render(&self, access_log: &Path) -> Result<(Value, Option<FilterFile>)> {
        let mut document = self.document.clone();
        let anywhere = socket_address((Ipv4Addr::LOCALHOST, 0).into());
        *at(&mut document, "/admin/address")? = anywhere.clone();
        *at(&mut document, &format!("{LISTENER}/address"))? = anywhere;
        *at(&mut document, &format!("{HTTP}/access_log/0/typed_config/path"))? = json!(access_log);
        document
            .as_object_mut()
            .context("the bootstrap is no mapping")?
            .insert("stats_flush_interval".into(), json!("0.5s"));
        if let Some(upstream) = self.upstream {
            *at(
                &mut document,
                &format!("{CLUSTER}/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address"),
            )? = socket_address(upstream);
        }
        if self.http2_upstream {
            let protocol =
                format!("{CLUSTER}/typed_extension_protocol_options/{HTTP_OPTIONS}/explicit_http_config");
            *at(&mut document, &protocol)? = json!({"http2_protocol_options": {}});
        }
        let clusters = at(&mut document, CLUSTERS)?.as_array_mut().context("clusters is no list")?;
        clusters.extend(self.clusters.iter().cloned());
        let filter_file = self.edit_filters(at(&mut document, &format!("{HTTP}/http_filters"))?)?;
        Ok((document, filter_file))
    }

    fn edit_filters(&self, filters: &mut Value) -> Result<Option<FilterFile>> {
        let filters = filters.as_array_mut().context("http_filters is no list")?;
        if let Some(replacement) = &self.http_filters {
            let router = filters.pop().context("http_filters has no router")?;
            *filters = replacement.iter().cloned().chain([router]).collect();
        }
        let ours = filters
            .iter_mut()
            .find(|filter| filter["name"] == FILTER && filter["typed_config"]["@type"] == WASM_TYPE);
        let Some(filter) = ours else {
            let unused = self.filter_config.is_none() && self.ecds.is_none();
            ensure!(unused, "there is no wasm filter named {FILTER} that could be configured");
            return Ok(None);
        };
        *at(filter, "/typed_config/config/vm_config/code/local/filename")? = json!(self.wasm_file()?);
        if let Some(config) = &self.filter_config {
            *at(filter, "/typed_config/config/configuration/value")? = json!(config);
        }
        let Some(directory) = &self.ecds else { return Ok(None) };
        let file = FilterFile::new(directory.join("portcullis-filter.json"), filter.clone());
        *filter = json!({"name": FILTER, "config_discovery": {
            "config_source": {"path_config_source": {"path": file.path}, "resource_api_version": "V3"},
            "type_urls": [WASM_TYPE],
        }});
        Ok(Some(file))
    }

    fn wasm_file(&self) -> Result<PathBuf> {
        let given = self.wasm.clone().or_else(|| std::env::var_os("PORTCULLIS_WASM").map(PathBuf::from));
        let path = given.unwrap_or_else(|| workspace().join("target/portcullis.wasm"));
        path.canonicalize()
            .with_context(|| format!("no wasm file {}: build it, or set PORTCULLIS_WASM", path.display()))
    }
}

/// The file through which Envoy is given the filter (a filesystem ECDS source).
#[derive(Debug)]
pub(crate) struct FilterFile {
    path: PathBuf,
    filter: Value,
    version: AtomicU64,
}

impl FilterFile {
    fn new(path: PathBuf, filter: Value) -> Self {
        FilterFile { path, filter, version: AtomicU64::new(0) }
    }

    /// Publishes the filter, with another configuration if one is given.
    pub(crate) fn publish(&self, config: Option<&str>) -> Result<()> {
        let mut filter = self.filter.clone();
        if let Some(config) = config {
            *at(&mut filter, "/typed_config/config/configuration/value")? = json!(config);
        }
        filter["@type"] = json!(EXTENSION_TYPE);
        let version = self.version.fetch_add(1, Ordering::SeqCst) + 1;
        let response = json!({"version_info": version.to_string(), "resources": [filter]});
        // Envoy reads the file when another one is moved into its place, so it never sees half of one.
        let draft = self.path.with_extension("draft");
        std::fs::write(&draft, response.to_string())
            .and_then(|()| std::fs::rename(&draft, &self.path))
            .with_context(|| format!("cannot publish {}", self.path.display()))
    }
}

fn shipped_document(path: &str) -> Result<Value> {
    let path = workspace().join(path);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_norway::from_str(&text).with_context(|| format!("no YAML: {}", path.display()))
}

fn socket_address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip(), "port_value": address.port()}})
}

fn at<'a>(document: &'a mut Value, pointer: &str) -> Result<&'a mut Value> {
    document.pointer_mut(pointer).with_context(|| format!("the Envoy configuration has no {pointer}"))
}
