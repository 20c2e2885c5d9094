//! The `adapt` part of a limit, validated: what the limit is multiplied by, and within which bounds.
//!
//! Factors are kept in thousandths, so that the same traffic meets the same limits on every machine.

use super::raw::{self, Day};
use super::{each, ByName, ConfigError, Path};
use portcullis_base::time::Millis;
use tz::{TimeZone, TimeZoneSettings};

/// No factor may be larger than this.
const FACTOR_MAX: f64 = 100.0;

const MINUTES_PER_DAY: u64 = 24 * 60;

/// What a limit adapts to. All factors in thousandths.
#[derive(Debug)]
pub struct Adapt {
    /// The product of all factors is at least this.
    pub min: u32,
    /// And at most this.
    pub max: u32,
    /// What the actor's past changes, where it is asked for.
    pub reputation: Option<ReputationRange>,
    /// What a risk of 1 takes away.
    pub risk: u32,
    /// What a sensitivity of 1 takes away.
    pub sensitivity: u32,
    /// The first span that holds the moment decides.
    pub hours: Vec<Hours>,
    /// Where the source is.
    pub geo: Option<Geo>,
}

/// How far reputation moves a limit, in thousandths.
#[derive(Debug, Copy, Clone)]
pub struct ReputationRange {
    /// Added for the best.
    pub bonus: u32,
    /// Taken away from the worst.
    pub malus: u32,
}

/// A span of the local day.
#[derive(Debug)]
pub struct Hours {
    zone: TimeZone,
    days: Vec<Day>,
    from_minute: u64,
    to_minute: u64,
    /// In thousandths.
    pub factor: u32,
}

/// Factors by location.
#[derive(Debug)]
pub struct Geo {
    /// The header field that Envoy's geoip filter writes, lower case.
    pub header: String,
    /// By location, upper case; in thousandths.
    pub factors: ByName<u32>,
    /// For all others, and where there is no location.
    pub others: u32,
}

/// How an actor's past is weighed.
#[derive(Debug, Copy, Clone)]
pub struct Reputation {
    /// The time in which what happened loses half its weight.
    pub half_life: Millis,
    /// The age from which an actor is no newcomer any more.
    pub matures: Millis,
}

impl Reputation {
    pub(super) fn new(written: &raw::Reputation) -> Result<Self, ConfigError> {
        for (name, value) in [("half_life", written.half_life.0), ("matures", written.matures.0)] {
            if value < Millis::from_secs(1) {
                return Err(ConfigError::new(Path::new("reputation").member(name), "is less than a second"));
            }
        }
        Ok(Self { half_life: written.half_life.0, matures: written.matures.0 })
    }
}

impl Adapt {
    pub(super) fn new(written: &raw::Adapt, path: &Path<'_>) -> Result<Self, ConfigError> {
        let share = |value: f64, name: &str| match permille(value, FACTOR_MAX, &path.member(name))? {
            taken if taken <= 1000 => Ok(taken),
            _ => Err(ConfigError::new(path.member(name), "takes away more than there is: at most 1")),
        };
        let factor = |value: f64, name: &str| permille(value, FACTOR_MAX, &path.member(name));
        let (min, max) = (factor(written.min, "min")?, factor(written.max, "max")?);
        if min == 0 || min > 1000 || max < 1000 {
            return Err(ConfigError::new(path, "expected 0 < min <= 1 <= max"));
        }
        let reputation = written.reputation.as_ref().map(|range| {
            Ok(ReputationRange {
                bonus: factor(range.bonus, "reputation.bonus")?,
                malus: share(range.malus, "reputation.malus")?,
            })
        });
        Ok(Self {
            min,
            max,
            reputation: reputation.transpose()?,
            risk: share(written.risk, "risk")?,
            sensitivity: share(written.sensitivity, "sensitivity")?,
            hours: each(&written.hours, &path.member("hours"), Hours::new)?,
            geo: written.geo.as_ref().map(|geo| Geo::new(geo, &path.member("geo"))).transpose()?,
        })
    }
}

impl Hours {
    fn new(written: &raw::Hours, path: &Path<'_>) -> Result<Self, ConfigError> {
        let minute = |text: &str, name: &str| {
            minute_of_day(text).ok_or_else(|| {
                ConfigError::new(path.member(name), format!("is `{}`, expected hh:mm", text.escape_debug()))
            })
        };
        let days = if written.days.is_empty() { Day::ALL.to_vec() } else { written.days.clone() };
        Ok(Self {
            zone: written.zone.as_deref().map_or(Ok(TimeZone::utc()), |zone| time_zone(zone, path))?,
            days,
            from_minute: minute(&written.from, "from")?,
            to_minute: minute(&written.to, "to")?,
            factor: permille(written.factor, FACTOR_MAX, &path.member("factor"))?,
        })
    }

    /// Whether a moment lies in the span. One that ends before it begins runs over midnight, and belongs to the day on
    /// which it begins.
    #[inline]
    pub fn hold(&self, now: Millis) -> bool {
        let Some((day, minute)) = self.local(now) else { return false };
        let yesterday = day.checked_sub(1).unwrap_or(6);
        let on = |day: usize| Day::ALL.get(day).is_some_and(|day| self.days.contains(day));
        let (from, to) = (self.from_minute, self.to_minute);
        if from < to {
            on(day) && (from..to).contains(&minute)
        } else {
            on(day) && minute >= from || on(yesterday) && minute < to
        }
    }

    /// Day of the week, Monday first, and minute of the day.
    #[inline]
    fn local(&self, now: Millis) -> Option<(usize, u64)> {
        let seconds = i64::try_from(now.as_u64() / 1000).ok()?;
        let offset = self.zone.find_local_time_type(seconds).ok()?.ut_offset();
        let minutes = u64::try_from(seconds.checked_add(offset.into())?.checked_div(60)?).ok()?;
        // The first of January 1970 was a Thursday.
        let day = usize::try_from((minutes / MINUTES_PER_DAY).checked_add(3)? % 7).ok()?;
        Some((day, minutes % MINUTES_PER_DAY))
    }
}

impl Day {
    const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];
}

impl Geo {
    fn new(written: &raw::Geo, path: &Path<'_>) -> Result<Self, ConfigError> {
        let factor = |(place, value): (&str, &f64)| {
            let factor = permille(*value, FACTOR_MAX, &path.member("factors").member(place))?;
            Ok((place.to_ascii_uppercase(), factor))
        };
        Ok(Self {
            header: written.header.to_ascii_lowercase(),
            factors: written.factors.iter().map(factor).collect::<Result<_, _>>()?,
            others: permille(written.others, FACTOR_MAX, &path.member("others"))?,
        })
    }
}

/// A zone by its POSIX rule (IEEE Std 1003.1, 8.3), for instance `CET-1CEST,M3.5.0,M10.5.0/3`. Names such as
/// `Europe/Zurich` need a database that the module does not carry.
fn time_zone(rule: &str, path: &Path<'_>) -> Result<TimeZone, ConfigError> {
    let no_files = |_: &str| Err("no files".into());
    TimeZoneSettings::new(&[], no_files).parse_posix_tz(rule).map_err(|fault| {
        let rule = rule.escape_debug();
        let hint = "expected a POSIX rule such as `CET-1CEST,M3.5.0,M10.5.0/3` (the last line of a zoneinfo file)";
        ConfigError::new(path.member("zone"), format!("`{rule}`: {fault}; {hint}"))
    })
}

fn minute_of_day(text: &str) -> Option<u64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str, most: u64| {
        let plain = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse().ok().filter(|number: &u64| plain && *number <= most)
    };
    let minute = number(hours, 24)?.checked_mul(60)?.checked_add(number(minutes, 59)?)?;
    (minute <= MINUTES_PER_DAY).then_some(minute)
}

/// A number as thousandths. Through text, since a cast from floating point could not fail where it must.
pub(super) fn permille(value: f64, max: f64, path: &Path<'_>) -> Result<u32, ConfigError> {
    let wanted = || ConfigError::new(path, format!("is {value}, expected a number from 0 to {max}"));
    if !(0.0..=max).contains(&value) {
        return Err(wanted());
    }
    format!("{:.0}", value * 1000.0).parse().map_err(|_| wanted())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20 is a Friday.
    const FRIDAY_NOON_UTC: u64 = 1_795_176_000;

    fn hours(zone: Option<&str>, days: &[Day], from: &str, to: &str) -> Hours {
        let written = raw::Hours {
            zone: zone.map(str::to_owned),
            days: days.to_vec(),
            from: from.to_owned(),
            to: to.to_owned(),
            factor: 2.0,
        };
        Hours::new(&written, &Path::new("x")).unwrap()
    }

    fn at(offset_minutes: u64) -> Millis {
        Millis::from_secs(FRIDAY_NOON_UTC + offset_minutes * 60)
    }

    #[test]
    fn a_span_holds_its_beginning_and_not_its_end() {
        let span = hours(None, &[], "12:00", "13:30");
        assert!(span.hold(at(0)) && span.hold(at(89)));
        assert!(!span.hold(at(90)) && !span.hold(at(24 * 60 - 1)));
    }

    #[test]
    fn a_span_over_midnight_belongs_to_the_day_it_begins_on() {
        let span = hours(None, &[Day::Fri], "22:00", "06:00");
        assert!(!span.hold(at(0)) && span.hold(at(10 * 60)) && span.hold(at(17 * 60)));
        assert!(!span.hold(at(18 * 60)), "06:00 on Saturday");
        assert!(!span.hold(at(34 * 60)), "22:00 on Saturday");
    }

    #[test]
    fn zones_know_summer_and_winter() {
        let zurich = |from, to| hours(Some("CET-1CEST,M3.5.0,M10.5.0/3"), &[], from, to);
        let november = at(0);
        let july = Millis::from_secs(FRIDAY_NOON_UTC - 130 * 86_400);
        assert!(zurich("13:00", "13:01").hold(november) && !zurich("14:00", "14:01").hold(november));
        assert!(zurich("14:00", "14:01").hold(july) && !zurich("13:00", "13:01").hold(july));
    }

    #[test]
    fn what_is_no_zone_and_no_time_is_refused_with_its_place() {
        assert!(time_zone("Europe/Zurich", &Path::new("a")).unwrap_err().to_string().starts_with("a.zone: "));
        for time in ["", "8:00", "25:00", "12:60", "24:01", "+1:00", "noon"] {
            assert_eq!(minute_of_day(time), None, "{time}");
        }
        assert_eq!(minute_of_day("24:00"), Some(MINUTES_PER_DAY));
    }
}
