//! `image MODULE FOLDER`: writes the module as an OCI image layout, and prints each image's tag, digest and size.

use anyhow::{bail, Context, Result};
use portcullis_lab::image;
use std::path::Path;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module, folder] = arguments.as_slice() else { bail!("usage: image MODULE FOLDER") };
    let module = std::fs::read(module).with_context(|| format!("no module {module}: make wasm"))?;
    for image in image::write(&module, Path::new(folder))? {
        println!("{}\t{}\t{} bytes", image.tag, image.digest, image.layer_bytes);
    }
    Ok(())
}
