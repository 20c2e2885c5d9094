//! Moments as they are written: `"2030-01-31T12:00:00Z"` (RFC 3339 §5.6), or seconds since 1970.
//!
//! Fractions of a second are dropped. Bounds: moments before 1970 and leap seconds are refused. Not covered: local times.

use super::raw;
use super::{ConfigError, Path};
use portcullis_base::time::Millis;
use serde_json::Value;
use tz::UtcDateTime;

/// Reads a moment. `path` is where it is written.
pub(super) fn read(moment: &raw::Moment, path: &Path<'_>) -> Result<Millis, ConfigError> {
    let seconds = match &moment.0 {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => rfc3339(text),
        _ => None,
    };
    let expected = "expected a moment such as \"2030-01-31T12:00:00Z\", or seconds since 1970";
    seconds.map(Millis::from_secs).ok_or_else(|| ConfigError::new(path, expected))
}

/// Seconds since 1970 of a date and time (RFC 3339 §5.6), fractions dropped.
fn rfc3339(text: &str) -> Option<u64> {
    let (date, rest) = text.split_at_checked(10)?;
    let (time, rest) = rest.strip_prefix(['T', 't', ' '])?.split_at_checked(8)?;
    let offset = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let digits = fraction.find(|c: char| !c.is_ascii_digit())?;
            fraction.get(digits..).filter(|_| digits > 0)?
        }
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let small = |number: u32| u8::try_from(number).ok();
    let written = UtcDateTime::new(
        i32::try_from(year).ok()?,
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        0,
    );
    u64::try_from(written.ok()?.unix_time().checked_sub(offset_seconds(offset)?)?).ok()
}

fn offset_seconds(offset: &str) -> Option<i64> {
    let (sign, rest) = match offset.split_at_checked(1)? {
        ("Z" | "z", "") => return Some(0),
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let [hours, minutes] = numbers(rest, ':', [2, 2])?;
    let is_time = hours < 24 && minutes < 60;
    let seconds = i64::from(hours).checked_mul(3600)?.checked_add(i64::from(minutes).checked_mul(60)?)?;
    is_time.then_some(seconds)?.checked_mul(sign)
}

/// Numbers of fixed width between separators.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[u32; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next()?;
        let is_digits = part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = is_digits.then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_rfc_3339() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2030-01-31T12:00:00Z", Some(1_896_091_200)),
            ("2030-01-31T13:00:00.999+01:00", Some(1_896_091_200)),
            ("2030-01-31t11:30:00-00:30", Some(1_896_091_200)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800)),
            ("2023-02-29T00:00:00Z", None),
            ("2030-01-31", None),
            ("2030-01-31T12:00:00", None),
            ("2030-01-31T12:00:00.Z", None),
            ("2030-01-31T12:00:00+24:00", None),
            ("2030-1-31T12:00:00Z", None),
            ("+030-01-31T12:00:00Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("é030-01-31T12:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(rfc3339(text), seconds, "{text}");
        }
    }
}
