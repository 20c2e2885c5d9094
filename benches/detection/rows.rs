//! The rows of the data set: one value each, with its class, its place and whether it is an attack.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// One value that a client might send.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    pub id: String,
    pub source: String,
    pub class: String,
    pub label: String,
    pub place: String,
    pub payload: String,
}

impl Row {
    pub fn is_attack(&self) -> bool {
        self.label == "attack"
    }

    /// Whether the trainer may see it: four rows of five, by a hash of the id.
    pub fn is_for_training(&self) -> bool {
        self.hash() % 5 != 0
    }

    /// FNV-1a: the same on every machine.
    pub fn hash(&self) -> u64 {
        self.id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }
}

/// Reads a `.jsonl` file.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.chars().take(80).collect::<String>())).collect()
}
