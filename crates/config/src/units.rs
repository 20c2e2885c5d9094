//! Quantities with their unit: `"30s"`, `"64KiB"`. A bare number is refused, since nobody can tell what it counts.

use crate::reading::{Fault, Node, Written};
use portcullis_base::time::Millis;
use serde::de::{Error, Unexpected};

/// A span of time: a whole number and `ms`, `s`, `m`, `h` or `d`.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) struct Duration(pub(crate) Millis);

/// A number of bytes: a whole number and `B`, `KiB`, `MiB` or `GiB`.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) struct ByteSize(pub(crate) u64);

impl Duration {
    pub(crate) const fn from_secs(secs: u64) -> Self {
        Self(Millis::from_secs(secs))
    }
}

impl ByteSize {
    pub(crate) const fn kib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 10))
    }
}

/// A unit and how many of the smallest unit it stands for.
pub(super) type Unit = (&'static str, u64);

pub(super) const TIME: &[Unit] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
pub(super) const SIZE: &[Unit] = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

impl Written for Duration {
    fn read(node: &Node<'_>) -> Self {
        Self(Millis::new(quantity(node, TIME, "a duration such as \"30s\" (units: ms, s, m, h, d)")))
    }
}

impl Written for ByteSize {
    fn read(node: &Node<'_>) -> Self {
        Self(quantity(node, SIZE, "a size such as \"64KiB\" (units: B, KiB, MiB, GiB)"))
    }
}

fn quantity(node: &Node<'_>, units: &[Unit], expected: &str) -> u64 {
    let text = node.text(&expected);
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let parsed = text.split_at_checked(digits).and_then(|(number, unit)| {
        let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
        number.parse::<u64>().ok()?.checked_mul(*factor)
    });
    if parsed.is_none() {
        node.refuse(Fault::invalid_value(Unexpected::Str(text), &expected));
    }
    parsed.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading;

    fn duration(text: &str) -> Result<Duration, String> {
        reading::read(&text.into()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn quantities_need_a_known_unit() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("2d"), Ok(Duration::from_secs(172_800)));
        assert_eq!(reading::read::<ByteSize>(&"64KiB".into()).unwrap(), ByteSize::kib(64));
        for bad in
            ["", "30", "s", "-1s", "1.5s", "1 s", "1S", "1kb", "99999999999999999999s", "999999999999999999d"]
        {
            assert!(duration(bad).unwrap_err().contains("expected a duration such as"), "{bad}");
        }
    }
}
