//! `layout PROFILE MODULE STRIPPED`: puts the code of a module where a profile says, and writes it a second time without the names of its functions.

use anyhow::{bail, Context, Result};
use portcullis_layout::{arrange, without_names, Profile};
use std::fs;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [profile, module, stripped] = arguments.as_slice() else {
        bail!("layout PROFILE MODULE STRIPPED");
    };
    let profile: Profile = fs::read_to_string(profile)?.parse().with_context(|| profile.clone())?;
    let arranged = arrange(&fs::read(module)?, &profile).with_context(|| module.clone())?;
    fs::write(stripped, without_names(&arranged)?)?;
    fs::write(module, arranged)?;
    Ok(())
}
