//! `sbom MODULE`: prints the bill of materials of the module that was built from this workspace.

use anyhow::{bail, Context, Result};
use portcullis_lab::{image, sbom, workspace};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module] = arguments.as_slice() else { bail!("usage: sbom MODULE") };
    let module = std::fs::read(module).with_context(|| format!("no module {module}: make wasm"))?;
    let bill = sbom::write(&workspace(), &image::sha256(&module))?;
    println!("{}", serde_json::to_string_pretty(&bill)?);
    Ok(())
}
