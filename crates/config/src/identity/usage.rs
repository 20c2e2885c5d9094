//! How the uses of one token are compared with each other, validated.

use crate::raw;
use crate::{check_prefix, ConfigError, Path};
use portcullis_base::time::Millis;

/// Shortest window: what is remembered has whole seconds.
const WINDOW_MIN: Millis = Millis::from_secs(1);

/// Longest window: how long ago something was is remembered up to 18 hours.
const WINDOW_MAX: Millis = Millis::from_secs(12 * 3600);

/// Half of the Earth's circumference in km: no two places are farther apart.
const DISTANCE_LIMIT: u32 = 20_000;

/// What one token's uses are compared by.
#[derive(Debug)]
pub struct Usage {
    /// Uses of one token; no matter how many, if `None`.
    pub uses_max: Option<u32>,
    /// For how long a use that differs counts.
    pub window: Millis,
    /// Leading bits by which IPv4 sources are told apart.
    pub prefix_v4: u8,
    /// The same for IPv6.
    pub prefix_v6: u8,
    /// The header field with a device id, lower case.
    pub device_header: String,
    /// The header field with the source's country, lower case.
    pub country_header: String,
    /// The header field with the source's latitude in degrees, lower case.
    pub latitude_header: String,
    /// The header field with the source's longitude in degrees, lower case.
    pub longitude_header: String,
    /// Fastest journey, in km/h.
    pub speed_max: u32,
    /// Distance up to which no journey is too fast, in km: places of addresses are estimates.
    pub distance_min: u32,
}

impl Usage {
    /// `bindings` name the header fields that this section leaves open.
    pub(super) fn new(written: &raw::Usage, bindings: &raw::Bindings) -> Result<Self, ConfigError> {
        let fault =
            |key: &str, expected: &str| ConfigError::new(Path::new("identity.usage").member(key), expected);
        if written.uses_max == Some(0) {
            return Err(fault("uses_max", "expected at least 1"));
        }
        if !(WINDOW_MIN..=WINDOW_MAX).contains(&written.window.0) {
            return Err(fault("window", "expected 1s to 12h"));
        }
        for (name, prefix, max) in [("prefix_v4", written.prefix_v4, 32), ("prefix_v6", written.prefix_v6, 128)] {
            check_prefix(prefix, max, &Path::new("identity.usage").member(name))?;
        }
        if written.speed_max == 0 {
            return Err(fault("speed_max", "expected at least 1 km/h"));
        }
        if !(1..=DISTANCE_LIMIT).contains(&written.distance_min) {
            return Err(fault("distance_min", "expected 1 to 20000 km"));
        }
        let field = |key: &str, name: &str| {
            if name.is_empty() {
                return Err(fault(key, "is empty, expected the name of a header field"));
            }
            Ok(name.to_ascii_lowercase())
        };
        let device = written.device_header.as_ref().unwrap_or(&bindings.device_id.header);
        let country = written.country_header.as_ref().unwrap_or(&bindings.geo_location.header);
        Ok(Self {
            uses_max: written.uses_max,
            window: written.window.0,
            prefix_v4: written.prefix_v4,
            prefix_v6: written.prefix_v6,
            device_header: field("device_header", device)?,
            country_header: field("country_header", country)?,
            latitude_header: field("latitude_header", &written.latitude_header)?,
            longitude_header: field("longitude_header", &written.longitude_header)?,
            speed_max: written.speed_max,
            distance_min: written.distance_min,
        })
    }
}
