//! Durations and points in time as text, and the calendar in UTC.
//!
//! The calendar is the proleptic Gregorian one, by the arithmetic of Howard Hinnant's "chrono-compatible low-level date
//! algorithms". Resolution is a millisecond. Not covered: other time zones, leap seconds.

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// A point in time, taken apart.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    /// From 1.
    pub(super) month: i64,
    /// From 1.
    pub(super) day: i64,
    /// Days since the beginning of the year.
    pub(super) day_of_year: i64,
    /// From Sunday, which is 0.
    pub(super) weekday: i64,
    /// Milliseconds since midnight.
    pub(super) millis: i64,
}

/// A duration such as `1h30m`, `-5s` or `250ms`, in milliseconds. Units are d, h, m, s and ms; each number is whole.
pub(super) fn duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let mut total = 0_i64;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, behind) = rest.split_at_checked(digits)?;
        let letters = behind.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(behind.len());
        let (unit, next) = behind.split_at_checked(letters)?;
        let factor = match unit {
            "d" => DAY,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "ms" => 1,
            _ => return None,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(factor)?)?;
        rest = next;
        if rest.is_empty() {
            return total.checked_mul(sign);
        }
    }
}

/// A point in time as RFC 3339 writes it, in milliseconds since the Unix epoch. Finer fractions are cut off.
pub(super) fn timestamp(text: &str) -> Option<i64> {
    let part = |from: usize, to: usize| {
        let digits = text.get(from..to).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<i64>().ok()
    };
    let stands = |at: usize, marks: &[u8]| text.as_bytes().get(at).is_some_and(|byte| marks.contains(byte));
    if !(stands(4, b"-") && stands(7, b"-") && stands(10, b"Tt") && stands(13, b":") && stands(16, b":")) {
        return None;
    }
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    let days = days(year, month, day)?;
    // What names no day comes back as another one.
    let back = civil(days.checked_mul(DAY)?)?;
    if (back.month, back.day) != (month, day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, zone) = fraction(text.get(19..)?)?;
    let seconds = hour.checked_mul(3600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)?;
    let local = days.checked_mul(DAY)?.checked_add(seconds.checked_mul(1000)?)?.checked_add(fraction)?;
    local.checked_sub(offset(zone)?)
}

/// Milliseconds of a fraction of a second, and what follows it.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    let (written, zone) = rest.split_at_checked(digits)?;
    let padded: String = written.chars().chain("000".chars()).take(3).collect();
    if written.is_empty() {
        return None;
    }
    Some((padded.parse().ok()?, zone))
}

/// How far a zone is ahead of UTC, in milliseconds.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" || zone == "z" {
        return Some(0);
    }
    let (sign, rest) = match zone.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, zone.strip_prefix('-')?),
    };
    let (hours, minutes) =
        rest.split_once(':').filter(|(hours, minutes)| hours.len() == 2 && minutes.len() == 2)?;
    let number = |text: &str, end: u8| text.parse::<u8>().ok().filter(|number| *number <= end).map(i64::from);
    let minutes = number(hours, 23)?.checked_mul(60)?.checked_add(number(minutes, 59)?)?;
    minutes.checked_mul(60_000)?.checked_mul(sign)
}

/// Days since the Unix epoch.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    // Years begin in March, so that a leap day is the last.
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let month = month.checked_add(9)?.rem_euclid(12);
    let of_year = month.checked_mul(153)?.checked_add(2)?.div_euclid(5).checked_add(day)?.checked_sub(1)?;
    let leaps = of_era.div_euclid(4).checked_sub(of_era.div_euclid(100))?;
    let of_era = of_era.checked_mul(365)?.checked_add(leaps)?.checked_add(of_year)?;
    era.checked_mul(146_097)?.checked_add(of_era)?.checked_sub(719_468)
}

/// The calendar's names of a point in time.
pub(super) fn civil(millis: i64) -> Option<Civil> {
    let days_since = millis.div_euclid(DAY);
    let shifted = days_since.checked_add(719_468)?;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let spare =
        of_era.div_euclid(1460).checked_add(of_era.div_euclid(146_096))?.checked_sub(of_era.div_euclid(36_524))?;
    let year_of_era = of_era.checked_sub(spare)?.div_euclid(365);
    let passed = year_of_era.checked_mul(365)?.checked_add(year_of_era.div_euclid(4))?;
    let of_year = of_era.checked_sub(passed.checked_sub(year_of_era.div_euclid(100))?)?;
    let march = of_year.checked_mul(5)?.checked_add(2)?.div_euclid(153);
    let day = of_year.checked_sub(march.checked_mul(153)?.checked_add(2)?.div_euclid(5))?.checked_add(1)?;
    let month = march.checked_add(2)?.rem_euclid(12).checked_add(1)?;
    let year = era.checked_mul(400)?.checked_add(year_of_era)?;
    let year = if month <= 2 { year.checked_add(1)? } else { year };
    let day_of_year = days_since.checked_sub(days(year, 1, 1)?)?;
    let weekday = days_since.checked_add(4)?.rem_euclid(7);
    Some(Civil { year, month, day, day_of_year, weekday, millis: millis.rem_euclid(DAY) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_whole_numbers_with_units() {
        assert_eq!(duration("1h30m"), Some(5_400_000));
        assert_eq!(
            (duration("-5s"), duration("250ms"), duration("2d")),
            (Some(-5000), Some(250), Some(172_800_000))
        );
        for bad in ["", "5", "s", "1.5h", "1h 30m", "--5s", "1w", "99999999999999999999s", "9223372036854775807d"]
        {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn timestamps_are_those_of_rfc_3339() {
        assert_eq!(timestamp("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(timestamp("2009-02-13T23:31:30.123Z"), Some(1_234_567_890_123));
        assert_eq!(timestamp("2009-02-14T01:31:30+02:00"), Some(1_234_567_890_000));
        assert_eq!(timestamp("2024-02-29T00:00:00.5Z"), Some(1_709_164_800_500));
        for bad in [
            "",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01 00:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00+2:00",
            "2024-01-01T00:00:00ä",
        ] {
            assert_eq!(timestamp(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_calendar_knows_its_weekdays() {
        // A Friday.
        let civil = civil(1_234_567_890_123).unwrap();
        assert_eq!((civil.year, civil.month, civil.day, civil.weekday, civil.day_of_year), (2009, 2, 13, 5, 43));
    }

    proptest! {
        #[test]
        fn days_and_dates_are_one_to_one(day in -5_000_000_i64..5_000_000) {
            let date = civil(day * DAY).unwrap();
            prop_assert_eq!(days(date.year, date.month, date.day), Some(day));
            prop_assert!((1..=12).contains(&date.month) && (1..=31).contains(&date.day) && (0..=365).contains(&date.day_of_year));
        }

        #[test]
        fn no_time_overflows(millis: i64, text in ".{0,40}") {
            civil(millis);
            timestamp(&text);
            duration(&text);
        }
    }
}
