//! The `anomaly` section, validated: when something unusual is told.

use super::{check_prefix, raw, ConfigError, Path};
use portcullis_base::time::Millis;

/// Intervals that requests are counted in. A shorter one has too few requests, a longer one hides a burst.
const INTERVAL: (Millis, Millis) = (Millis::from_secs(10), Millis::from_secs(3600));

/// Fewest requests, and lessons, of which anything can be said.
const EVIDENCE_MIN: u16 = 10;

/// Longest time without an opinion.
const LEARNING_MAX: Millis = Millis::from_secs(30 * 86_400);

/// When something unusual is told.
#[derive(Debug)]
pub struct Anomaly {
    /// What requests are counted in.
    pub interval: Millis,
    /// Requests of an actor before there is an opinion on it.
    pub requests: u16,
    /// Lessons of a baseline before anything is compared with it.
    pub lessons: u16,
    /// How long a baseline must have been learned.
    pub learning: Millis,
    /// Leading bits of an IPv4 source that are one actor.
    pub prefix_v4: u8,
    /// The same for IPv6.
    pub prefix_v6: u8,
    /// Whose an actor's records are: present, rhythm, leaning, pace. Intervals of another length have other ones.
    pub owners: [String; 4],
}

impl Anomaly {
    /// The section, where there is one.
    pub(super) fn section(document: &raw::Document) -> Result<Option<Self>, ConfigError> {
        let Some(written) = &document.anomaly else { return Ok(None) };
        if !(INTERVAL.0..=INTERVAL.1).contains(&written.interval.0) {
            return Err(ConfigError::new("anomaly.interval", "expected 10s to 1h"));
        }
        for (name, value) in [("requests", written.requests), ("lessons", written.lessons)] {
            if value < EVIDENCE_MIN {
                let fault = format!("is {value}, expected {EVIDENCE_MIN} or more");
                return Err(ConfigError::new(Path::new("anomaly").member(name), fault));
            }
        }
        if written.learning.0 > LEARNING_MAX {
            return Err(ConfigError::new("anomaly.learning", "expected at most 30d"));
        }
        for (name, prefix, max) in [("prefix_v4", written.prefix_v4, 32), ("prefix_v6", written.prefix_v6, 128)] {
            check_prefix(prefix, max, &Path::new("anomaly").member(name))?;
        }
        Ok(Some(Self {
            interval: written.interval.0,
            requests: written.requests,
            lessons: written.lessons,
            learning: written.learning.0,
            prefix_v4: written.prefix_v4,
            prefix_v6: written.prefix_v6,
            owners: ["present", "rhythm", "leaning", "pace"]
                .map(|what| format!("anomaly.actor.{what}.{}", written.interval.0.as_u64())),
        }))
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;
    use portcullis::stages::CHECKS;
    use serde_json::{json, Value};

    fn parse(anomaly: &Value) -> Result<Config, String> {
        let document = json!({"version": 1, "anomaly": anomaly});
        Config::parse(document.to_string().as_bytes(), CHECKS).map_err(|fault| fault.to_string())
    }

    #[test]
    fn an_empty_section_has_the_documented_defaults() {
        let config = parse(&json!({})).unwrap();
        let anomaly = config.anomaly.as_ref().unwrap();
        assert_eq!((anomaly.interval.as_u64(), anomaly.learning.as_u64()), (60_000, 3_600_000));
        assert_eq!((anomaly.requests, anomaly.lessons), (20, 50));
        assert_eq!((anomaly.prefix_v4, anomaly.prefix_v6), (32, 64));
        assert!(config.needs_memory() && !config.may_wait());
    }

    #[test]
    fn faults_are_named_with_their_place() {
        for (written, place) in [
            (json!({"intervl": "1m"}), "anomaly.intervl: unknown field"),
            (json!({"interval": "1s"}), "anomaly.interval: expected 10s to 1h"),
            (json!({"requests": 9}), "anomaly.requests: is 9, expected 10 or more"),
            (json!({"lessons": 0}), "anomaly.lessons: is 0"),
            (json!({"learning": "31d"}), "anomaly.learning: expected at most 30d"),
            (json!({"prefix_v6": 129}), "anomaly.prefix_v6: "),
        ] {
            let fault = parse(&written).unwrap_err();
            assert!(fault.starts_with(place), "{written}: {fault}");
        }
    }
}
