//! How much an actor may take: `exposure.volume`.

use super::known_routes;
use super::paths::PATH_DEPTH_MAX;
use crate::adapt::permille;
use crate::{check_name, each, raw, ConfigError, Path};
use portcullis_base::time::Millis;

/// Limits on volume in one document: each has a record for every actor on its routes.
const VOLUMES_MAX: usize = 20;

/// Shortest and longest window of volume.
const WINDOW: (Millis, Millis) = (Millis::from_secs(10), Millis::from_secs(30 * 86_400));

/// How much one actor may take in a window.
#[derive(Debug)]
pub struct Volume {
    /// Its name in receipts.
    pub name: String,
    pub(super) routes: Vec<String>,
    /// Path of the list whose items are counted; empty for the document itself.
    pub records: Vec<String>,
    /// Most records.
    pub records_max: Option<u32>,
    /// Most KiB.
    pub kib_max: Option<u32>,
    /// How long.
    pub window: Millis,
    /// How many times what the actor usually takes, in thousandths.
    pub baseline_factor: Option<u32>,
    /// Records below which nothing is unusual.
    pub baseline_min: u32,
}

pub(super) fn volumes(written: &[raw::Volume], routes: &[&str]) -> Result<Vec<Volume>, ConfigError> {
    if written.len() > VOLUMES_MAX {
        return Err(ConfigError::new("exposure.volume", format!("at most {VOLUMES_MAX} volumes")));
    }
    let volumes: Vec<Volume> =
        each(written, &Path::new("exposure.volume"), |raw, path| Volume::new(raw, routes, path))?;
    for (index, volume) in volumes.iter().enumerate() {
        if volumes.iter().take(index).any(|other| other.name == volume.name) {
            return Err(ConfigError::new(
                Path::entry_of("exposure.volume", index).member("name"),
                format!("`{}` is taken", volume.name),
            ));
        }
    }
    Ok(volumes)
}

impl Volume {
    /// Whether it is about records, so that responses have to be read.
    pub const fn counts_records(&self) -> bool {
        self.records_max.is_some() || self.baseline_factor.is_some()
    }

    fn new(written: &raw::Volume, routes: &[&str], path: &Path<'_>) -> Result<Self, ConfigError> {
        let fault = |name: &str, fault: &str| Err(ConfigError::new(path.member(name), fault));
        check_name(&written.name, &path.member("name"))?;
        if written.routes.is_empty() {
            return fault("routes", "names no route");
        }
        if !(WINDOW.0..=WINDOW.1).contains(&written.window.0) {
            return fault("window", "expected 10s to 30d");
        }
        if written.records_max.is_none() && written.bytes_max.is_none() && written.baseline_factor.is_none() {
            return Err(ConfigError::new(path, "has none of `records_max`, `bytes_max` and `baseline_factor`"));
        }
        let records =
            written.records.as_deref().map(|path| path.split('.').map(str::to_owned).collect::<Vec<_>>());
        let records = records.unwrap_or_default();
        if records.len() > PATH_DEPTH_MAX || records.iter().any(String::is_empty) {
            return fault("records", "expected a path like `items` or `data.items`");
        }
        let factor =
            written.baseline_factor.map(|factor| permille(factor, 1000.0, &path.member("baseline_factor")));
        let factor = factor.transpose()?;
        if factor.is_some_and(|factor| factor < 1000) {
            return fault("baseline_factor", "expected 1 to 1000");
        }
        Ok(Self {
            name: written.name.clone(),
            routes: known_routes(&written.routes, routes, path)?,
            records,
            records_max: written.records_max,
            kib_max: written.bytes_max.map(|bytes| u32::try_from(bytes.0.div_ceil(1024)).unwrap_or(u32::MAX)),
            window: written.window.0,
            baseline_factor: factor,
            baseline_min: written.baseline_min,
        })
    }
}
