//! Which requests a limit is for, and how many units they take.

use super::view::View;
use super::{fields, Scene};
use crate::config::limits::{Cost, Limit, When};
use crate::expression::Cause;

/// Whether a limit is for a request.
pub(super) fn applies(limit: &Limit, scene: &Scene<'_>) -> bool {
    limit.when.is_always() || meets_conditions(limit, scene)
}

#[inline(never)]
fn meets_conditions(limit: &Limit, scene: &Scene<'_>) -> bool {
    let When { condition, methods, fields, anonymous } = &limit.when;
    // What is not known to be another request is one that the limit is for.
    let holds = condition.as_ref().is_none_or(|condition| match condition.holds(&View::new(scene, &[])) {
        Ok(holds) => holds,
        Err(failure) => failure.cause != Cause::Absent,
    });
    let method = methods.is_empty() || methods.iter().any(|method| scene.request.is_method(method));
    let anonymous = anonymous.is_none_or(|wanted| wanted == scene.caller.claims().is_none());
    holds && method && anonymous && fields.iter().all(|(field, allowed)| fields::matches(field, allowed, scene))
}

/// How many units it takes.
pub(super) fn cost(limit: &Limit, scene: &Scene<'_>) -> u64 {
    let Cost { default, methods, field, .. } = &limit.cost;
    if methods.is_empty() && field.is_none() {
        *default
    } else {
        own_cost(&limit.cost, scene)
    }
}

#[inline(never)]
fn own_cost(cost: &Cost, scene: &Scene<'_>) -> u64 {
    let Cost { default, methods, field, field_max, .. } = cost;
    let asked = || {
        let field = field.as_ref()?;
        // What is no whole number, or several, costs as much as there may be: nobody saves by writing nonsense.
        if fields::is_repeated(field, scene) {
            return Some(*field_max);
        }
        let text = fields::text(field, scene)?;
        Some(std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or(*field_max))
    };
    match asked() {
        Some(units) => units.clamp(1, *field_max),
        None => {
            let own = methods.get(scene.request.method());
            let same =
                || methods.iter().find(|(method, _)| scene.request.is_method(method)).map(|(_, units)| units);
            own.or_else(same).copied().unwrap_or(*default)
        }
    }
}
