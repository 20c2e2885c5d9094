//! What the configuration says of single checks and of families: the `checks` section and `risk.family_caps`.

use super::raw::{self, Effect, TunedMode};
use super::{score, ByName, ConfigError, Path};
use portcullis_base::finding::{Check, Family, Score, Weight};

/// Share of a family's cap unless configured: below the default for denial, so that no family denies alone.
const FAMILY_CAP: f64 = 0.65;

/// The same for payloads, of which one that is surely an attack denies alone, and for what the business allows: several rules
/// that are violated at once are proof enough.
const CERTAIN_CAP: f64 = 0.9;

/// What the configuration says about one check.
#[derive(Debug, Default, Copy, Clone)]
pub(super) struct Tuning {
    pub(super) mode: Option<TunedMode>,
    pub(super) weight: Option<Weight>,
}

/// How much a family contributes at most unless configured.
pub(super) const fn default_cap(family: Family) -> Score {
    Score::constant(match family {
        Family::Payload | Family::Business => CERTAIN_CAP,
        _ => FAMILY_CAP,
    })
}

/// The caps of families, by the names that the document uses.
pub(super) fn caps(written: &ByName<f64>) -> Result<Vec<(Family, Score)>, ConfigError> {
    let section = Path::new("risk.family_caps");
    let cap = |(name, value): (&str, &f64)| {
        let family = Family::ALL.into_iter().find(|family| family.name() == name);
        let family =
            family.ok_or_else(|| ConfigError::unknown(section, "family", name, &Family::ALL.map(Family::name)))?;
        Ok((family, score(*value, &section.member(name))?))
    };
    written.iter().map(cap).collect()
}

/// The checks that are tuned, by their ids.
pub(super) fn tunings(written: &[raw::Tuning], checks: &[&'static Check]) -> Result<ByName<Tuning>, ConfigError> {
    let mut tunings = ByName::new();
    for (index, raw) in written.iter().enumerate() {
        let path = Path::entry_of("checks", index);
        let check = checks.iter().find(|check| check.id == raw.id);
        let check = check.ok_or_else(|| {
            ConfigError::unknown(
                path.member("id"),
                "check",
                &raw.id,
                &checks.iter().map(|check| check.id).collect::<Vec<_>>(),
            )
        })?;
        if !check.tunable {
            let fault =
                format!("`{}` cannot be tuned: nothing else guards a request that it would let pass", raw.id);
            return Err(ConfigError::new(path.member("id"), fault));
        }
        if tunings.insert(check.id, tuning(raw, &path)?).is_some() {
            return Err(ConfigError::new(path.member("id"), format!("`{}` is tuned twice", raw.id)));
        }
    }
    Ok(tunings)
}

fn tuning(written: &raw::Tuning, path: &Path<'_>) -> Result<Tuning, ConfigError> {
    let weight = match (written.effect, written.score) {
        (None, None) => None,
        (Some(Effect::Note), None) => Some(Weight::Note),
        (Some(Effect::Challenge), None) => Some(Weight::Challenge),
        (Some(Effect::Refuse), None) => Some(Weight::Refuse),
        (None, Some(value)) => Some(Weight::Score(score(value, &path.member("score"))?)),
        (Some(_), Some(_)) => {
            return Err(ConfigError::new(path, "has both `effect` and `score`; one of them decides"))
        }
    };
    Ok(Tuning { mode: written.mode, weight })
}
