//! An OCI image layout of a wasm module, as Istio and Envoy Gateway pull it (`make image`).
//!
//! Two variants of the image stand in one layout, under the two tags that say which: `compat` has the module as the file
//! `plugin.wasm` in one compressed layer, as any container image has its files, and every registry takes it; `oci` has the
//! module itself as the layer, with the media types of wasm modules. Both are described in the WebAssembly community's
//! "Wasm Image Specification"; Istio tries the one and then the other.
//!
//! No daemon, no registry, no clock: the same module gives the same bytes on every machine. Bound: the module is read into
//! memory. Not covered: pushing, signing.

use anyhow::{Context, Result};
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

/// One image of the layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The variant, which is its tag.
    pub tag: &'static str,
    /// The digest of its manifest, `sha256:…`: what a registry knows it by.
    pub digest: String,
    /// What it takes to pull it.
    pub layer_bytes: u64,
}

/// Writes the layout of this module into this folder, whose images it replaces.
///
/// # Errors
/// If the folder cannot be written.
pub fn write(module: &[u8], folder: &Path) -> Result<Vec<Image>> {
    let layout = Layout::new(folder)?;
    let variants = [compat(&layout, module)?, artifact(&layout, module)?];
    let manifests: Vec<Value> = variants.iter().map(|(tag, manifest, _)| tagged(manifest, tag)).collect();
    layout.finish(&manifests)?;
    let image = |(tag, manifest, layer_bytes): (&'static str, Value, u64)| Image {
        tag,
        digest: manifest["digest"].as_str().unwrap_or_default().to_owned(),
        layer_bytes,
    };
    Ok(variants.map(image).into())
}

fn tagged(manifest: &Value, tag: &str) -> Value {
    let mut manifest = manifest.clone();
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    manifest
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

/// The module as a file of an ordinary container image: its tag, its manifest, the size of its layer.
fn compat(layout: &Layout<'_>, module: &[u8]) -> Result<(&'static str, Value, u64)> {
    let archive = archive(module)?;
    let layer = layout.keep(LAYER, &compressed(&archive)?)?;
    // No platform has this image, and a registry wants to be told one.
    let config = json!({
        "architecture": "wasm", "os": "wasip1", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&archive))]},
    });
    let config = layout.keep_json(CONFIG, &config)?;
    Ok((COMPAT, layout.manifest(COMPAT, &config, &layer)?, size(&layer)))
}

/// The module as an artifact of its own kind.
fn artifact(layout: &Layout<'_>, module: &[u8]) -> Result<(&'static str, Value, u64)> {
    let layer = layout.keep(WASM_LAYER, module)?;
    let config = layout.keep_json(WASM_CONFIG, &json!({}))?;
    Ok((OCI, layout.manifest(OCI, &config, &layer)?, size(&layer)))
}

fn size(descriptor: &Value) -> u64 {
    descriptor["size"].as_u64().unwrap_or_default()
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

/// The digest of these bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    const MODULE: &[u8] = b"\0asm\x01\0\0\0 and so on";

    fn json_of(folder: &Path, descriptor: &Value) -> Value {
        serde_json::from_slice(&blob(folder, descriptor)).unwrap()
    }

    /// The bytes that a descriptor means, once they are what it says.
    fn blob(folder: &Path, descriptor: &Value) -> Vec<u8> {
        let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let bytes = fs::read(folder.join("blobs/sha256").join(digest)).unwrap();
        assert_eq!((sha256(&bytes).as_str(), bytes.len() as u64), (digest, size(descriptor)));
        bytes
    }

    #[test]
    fn both_variants_hold_the_module() {
        let folder = tempfile::tempdir().unwrap();
        let images = write(MODULE, folder.path()).unwrap();
        let index: Value = serde_json::from_slice(&fs::read(folder.path().join("index.json")).unwrap()).unwrap();
        let [compat, oci] = index["manifests"].as_array().unwrap().as_slice() else { panic!("{index}") };
        for (image, listed) in images.iter().zip([compat, oci]) {
            assert_eq!(image.digest, listed["digest"].as_str().unwrap());
            let manifest = json_of(folder.path(), listed);
            assert_eq!(manifest["mediaType"], MANIFEST, "Istio tells variants apart by it");
            assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
        }
        let manifest = json_of(folder.path(), oci);
        assert_eq!(blob(folder.path(), &manifest["layers"][0]), MODULE);
        let manifest = json_of(folder.path(), compat);
        let mut archive = Vec::new();
        let layer = blob(folder.path(), &manifest["layers"][0]);
        flate2::read::GzDecoder::new(layer.as_slice()).read_to_end(&mut archive).unwrap();
        let config = json_of(folder.path(), &manifest["config"]);
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", sha256(&archive)));
        let mut archive = tar::Archive::new(archive.as_slice());
        let mut files = archive.entries().unwrap().map(|file| file.unwrap());
        let mut file = files.next().unwrap();
        assert_eq!(file.path().unwrap().to_str(), Some(FILE_NAME));
        let mut found = Vec::new();
        file.read_to_end(&mut found).unwrap();
        assert_eq!(found, MODULE);
    }

    #[test]
    fn the_same_module_gives_the_same_image() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_eq!(write(MODULE, one.path()).unwrap(), write(MODULE, other.path()).unwrap());
        assert_ne!(write(MODULE, one.path()).unwrap(), write(b"another", one.path()).unwrap());
        assert_eq!(fs::read_dir(one.path().join("blobs/sha256")).unwrap().count(), 6, "the old ones are gone");
    }
}
