//! `image MODULE FOLDER`: an OCI image layout of a wasm module, as Istio and Envoy Gateway pull it (`make image`).
//!
//! Two variants of the image stand in one layout, under the two tags that say which: `compat` has the module as the file
//! `plugin.wasm` in one compressed layer, as any container image has its files, and every registry takes it; `oci` has the
//! module itself as the layer, with the media types of wasm modules. Both are described in the WebAssembly community's
//! "Wasm Image Specification"; Istio tries the one and then the other.
//!
//! No daemon, no registry, no clock: the same module gives the same bytes on every machine. Bound: the module is read into
//! memory. Not covered: pushing, signing.

use anyhow::{bail, Context, Result};
use flate2::{Compression, GzBuilder};
use serde_json::{json, Value};
use std::fs;
use std::io::Write;
use std::path::Path;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const WASM_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
const WASM_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";

/// The variants, which are the tags too.
const COMPAT: &str = "compat";
const OCI: &str = "oci";

/// The name that hosts look for inside a layer.
const FILE_NAME: &str = "plugin.wasm";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module, folder] = arguments.as_slice() else { bail!("usage: image MODULE FOLDER") };
    let module = fs::read(module).with_context(|| format!("no module {module}: make wasm"))?;
    let layout = Layout::new(Path::new(folder))?;
    let manifests = [(COMPAT, compat(&layout, &module)?), (OCI, artifact(&layout, &module)?)];
    for (tag, manifest) in &manifests {
        println!("{tag}\t{}\t{} bytes", text(manifest, "digest"), layer_bytes(&layout, manifest)?);
    }
    let manifests = manifests.into_iter().map(|(tag, mut manifest)| {
        manifest["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        manifest
    });
    layout.finish(&manifests.collect::<Vec<_>>())
}

/// A folder in the OCI image layout.
struct Layout<'a> {
    folder: &'a Path,
}

impl<'a> Layout<'a> {
    fn new(folder: &'a Path) -> Result<Self> {
        let blobs = folder.join("blobs/sha256");
        if blobs.exists() {
            fs::remove_dir_all(&blobs)?;
        }
        fs::create_dir_all(&blobs).with_context(|| format!("cannot write {}", folder.display()))?;
        fs::write(folder.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string())?;
        Ok(Layout { folder })
    }

    /// Keeps these bytes; returns what refers to them.
    fn keep(&self, media_type: &str, bytes: &[u8]) -> Result<Value> {
        let digest = sha256(bytes);
        fs::write(self.folder.join("blobs/sha256").join(&digest), bytes)?;
        Ok(json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()}))
    }

    fn keep_json(&self, media_type: &str, value: &Value) -> Result<Value> {
        self.keep(media_type, value.to_string().as_bytes())
    }

    /// Keeps a manifest with this configuration and one layer. Istio tells the variants apart by `mediaType`, which
    /// elsewhere may be left out.
    fn manifest(&self, variant: &str, config: &Value, layer: &Value) -> Result<Value> {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer],
            "annotations": annotations(variant),
        });
        self.keep_json(MANIFEST, &manifest)
    }

    fn finish(&self, manifests: &[Value]) -> Result<()> {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        Ok(fs::write(self.folder.join("index.json"), index.to_string())?)
    }
}

/// The module as a file of an ordinary container image.
fn compat(layout: &Layout<'_>, module: &[u8]) -> Result<Value> {
    let archive = archive(module)?;
    let layer = layout.keep(LAYER, &compressed(&archive)?)?;
    // No platform has this image, and a registry wants to be told one.
    let config = json!({
        "architecture": "wasm", "os": "wasip1", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&archive))]},
    });
    layout.manifest(COMPAT, &layout.keep_json(CONFIG, &config)?, &layer)
}

/// The module as an artifact of its own kind.
fn artifact(layout: &Layout<'_>, module: &[u8]) -> Result<Value> {
    let layer = layout.keep(WASM_LAYER, module)?;
    layout.manifest(OCI, &layout.keep_json(WASM_CONFIG, &json!({}))?, &layer)
}

fn annotations(variant: &str) -> Value {
    json!({
        "org.opencontainers.image.title": "portcullis",
        "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
        "org.opencontainers.image.licenses": "Apache-2.0",
        "module.wasm.image/variant": variant,
    })
}

/// A tar archive with the module alone, from nobody, of no time.
fn archive(module: &[u8]) -> Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_path(FILE_NAME)?;
    header.set_size(u64::try_from(module.len())?);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append(&header, module)?;
    Ok(archive.into_inner()?)
}

fn compressed(bytes: &[u8]) -> Result<Vec<u8>> {
    // The system that made it stands in the header: 255 is none in particular.
    let mut writer = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    writer.write_all(bytes)?;
    Ok(writer.finish()?)
}

fn layer_bytes(layout: &Layout<'_>, manifest: &Value) -> Result<u64> {
    let digest = text(manifest, "digest").trim_start_matches("sha256:");
    let manifest: Value = serde_json::from_slice(&fs::read(layout.folder.join("blobs/sha256").join(digest))?)?;
    manifest["layers"][0]["size"].as_u64().context("a layer has a size")
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
