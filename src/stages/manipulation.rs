//! Who plays with prices, carts, discounts and stock?
//!
//! Four indicators, each a number from 0 to 1 by what an actor has done within the window: nothing up to `from`, all of it at `to`,
//! linear between. Their mean is the risk of manipulation. Above `threshold` a request is refused ([`RISK`]); where only a part of
//! it is there, that is told ([`SIGNS`]).
//!
//! | indicator | what is counted |
//! |---|---|
//! | `rapid_price_checks` | looks at prices |
//! | `cart_manipulation` | changes of carts |
//! | `discount_abuse` | attempts at discounts, or different codes |
//! | `inventory_probing` | looks at what is in stock |
//!
//! The mean is over those that are configured: with all four, one alone is a sign and three are proof. Each is what the requests on its routes
//! were, or the different values that they had (`distinct`). The present request counts.
//!
//! Bounds: one record of 40 bytes for each indicator and actor, all in one bucket: one change a request. Requests are counted
//! exactly, different values beyond six with an error of 15 % ([`super::business::recent`]). What cannot be counted for contention
//! is not. Not covered: who has another name for each request; raise the alarm by `source` for those.

use crate::config::manipulation::{Indicator, Manipulation};
use crate::expression::Cause;
use crate::finding::{Check, Class, Family, Finding, Findings, Weight};
use crate::memory::record::Record;
use crate::memory::{Hashed, Trace};
use crate::stages::business::recent::{worth, Requests, Things};
use crate::stages::limits::encoding::encoded;
use crate::stages::limits::view::View;
use crate::stages::limits::{fields, Scene};

/// Somebody plays with the shop.
pub static RISK: Check = Check {
    id: "manipulation.risk",
    family: Family::Business,
    code: "manipulation",
    class: Class::Forbidden,
    weight: Weight::Refuse,
    tunable: true,
    bearer_error: None,
    means: crate::finding::documented(
        "The mean of the configured indicators of manipulation is above `manipulation.threshold`.",
    ),
};

/// Something points to it.
pub static SIGNS: Check = Check {
    id: "manipulation.signs",
    code: "manipulation_signs",
    weight: Weight::Note,
    means: crate::finding::documented(
        "An indicator of manipulation is above zero, and their mean is not above `manipulation.threshold`.",
    ),
    ..RISK
};

/// Counts the request, and judges what its actor has done lately.
pub fn check(scene: &Scene<'_>, findings: &mut Findings, trace: &mut Trace) {
    let Some(settings) = scene.config.flows.manipulation.as_ref() else { return };
    if settings.needs_body != scene.body.is_some() || !settings.judges(&scene.route.name) {
        return;
    }
    let Some(actor) = fields::actor(&settings.per, scene) else { return };
    let things: Vec<Thing> = settings.indicators.iter().map(|indicator| thing(indicator, scene)).collect();
    let places: Vec<Hashed> =
        settings.indicators.iter().map(|indicator| scene.memory.locate(&actor, &indicator.owner)).collect();
    let mut numbers = vec![0; places.len()];
    // Under contention it is not counted; the retries are.
    let _ = scene.memory.change_all(scene.shared, &places, scene.now, trace, |at, record| {
        let (indicator, thing) = (settings.indicators.get(at)?, things.get(at)?);
        let (number, changed) = counted(indicator, *thing, record, settings, scene);
        if let Some(place) = numbers.get_mut(at) {
            *place = number;
        }
        changed
    });
    judge(settings, &numbers, findings);
}

/// What a request adds to an indicator.
#[derive(Debug, Copy, Clone)]
enum Thing {
    Nothing,
    One,
    Value(u64),
}

fn thing(indicator: &Indicator, scene: &Scene<'_>) -> Thing {
    if !indicator.is_on(&scene.route.name) {
        return Thing::Nothing;
    }
    let Some(distinct) = &indicator.distinct else { return Thing::One };
    match distinct.evaluate(&View::of_keys(scene)) {
        Ok(value) => Thing::Value(scene.memory.digest("thing", &encoded(&value))),
        Err(failure) if failure.cause == Cause::Absent => Thing::Nothing,
        // What cannot be read is one value, whatever it is.
        Err(_) => Thing::Value(0),
    }
}

fn counted(
    indicator: &Indicator,
    thing: Thing,
    mut record: Record,
    settings: &Manipulation,
    scene: &Scene<'_>,
) -> (i64, Option<Record>) {
    let (now, window) = (scene.now, settings.window);
    let (number, state) = if indicator.distinct.is_some() {
        let things = Things::of(&record, now, window);
        let things = if let Thing::Value(hash) = thing { things.with(hash) } else { things };
        (things.total(), things.state())
    } else {
        let requests = Requests::of(&record, now, window);
        let requests = if let Thing::One = thing { requests.with_one() } else { requests };
        (requests.total(), requests.state())
    };
    if let Thing::Nothing = thing {
        return (number, None);
    }
    record.settle(state, worth(now, window));
    (number, Some(record))
}

fn judge(settings: &Manipulation, numbers: &[i64], findings: &mut Findings) {
    let degrees: Vec<(&Indicator, i64, u32)> = settings
        .indicators
        .iter()
        .zip(numbers)
        .map(|(indicator, number)| (indicator, *number, indicator.degree(*number)))
        .collect();
    let sum: u32 = degrees.iter().map(|(_, _, degree)| *degree).fold(0, u32::saturating_add);
    let risk = sum.checked_div(u32::try_from(degrees.len()).unwrap_or(u32::MAX)).unwrap_or_default();
    if sum == 0 {
        return;
    }
    let told = degrees.iter().filter(|(_, _, degree)| *degree > 0);
    let told: Vec<String> = told
        .map(|(indicator, number, degree)| format!("{} {} ({number})", indicator.name, share(*degree)))
        .collect();
    let check = if risk > settings.threshold { &RISK } else { &SIGNS };
    let finding = Finding::new(check, format!("risk {}: {}", share(risk), told.join(", ")));
    findings.add(Finding { held_back: settings.monitor, ..finding });
}

/// Thousandths as a share.
fn share(permille: u32) -> String {
    format!("{:.2}", f64::from(permille) / 1000.0)
}

#[cfg(test)]
mod tests;
