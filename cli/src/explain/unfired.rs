//! What the route asks for and did not fire, with the reason as far as receipt and configuration have one.
//!
//! A refusal in force ends the judgement: what comes after it was not asked. So the first such finding tells what was.

use super::{check, route};
use crate::output::{one_line, FAINT, NAME};
use crate::receipt::Receipt;
use anyhow::Result;
use portcullis::config::{Config, Demand, Route};
use portcullis::finding::Family;
use serde_json::{json, Value};
use std::io::Write;

/// Something that did not fire.
struct Unfired {
    kind: &'static str,
    name: String,
    why: String,
}

pub(super) fn write(receipt: &Receipt, config: &Config, out: &mut dyn Write) -> Result<()> {
    let all = all(receipt, config);
    writeln!(out, "\n{}", NAME.paint("What did not fire"))?;
    if all.is_empty() {
        return Ok(writeln!(out, "  nothing that the configuration asks for on this route")?);
    }
    for Unfired { kind, name, why } in all {
        writeln!(out, "  {kind} {}: {}", NAME.paint(one_line(&name)), FAINT.paint(one_line(&why)))?;
    }
    Ok(())
}

pub(super) fn told(receipt: &Receipt, config: &Config) -> Value {
    let all = all(receipt, config);
    all.into_iter().map(|Unfired { kind, name, why }| json!({"kind": kind, "name": name, "why": why})).collect()
}

fn all(receipt: &Receipt, config: &Config) -> Vec<Unfired> {
    let Some(route) = route(receipt, config) else {
        let why = "the configuration has no such route: another one judged".to_owned();
        return vec![Unfired { kind: "route", name: receipt.route.clone(), why }];
    };
    let stopped = receipt.findings.iter().find(|finding| finding.effect == "refuse" && finding.mode == "enforce");
    let stopped = stopped.and_then(|finding| check(&finding.check));
    let mut all: Vec<Unfired> = identity(receipt, config, route).into_iter().collect();
    all.extend(limits(receipt, config, route, stopped.map(|check| check.family)));
    all.extend(rules(receipt, config, route, stopped.map(|check| check.family)));
    for (name, has, family) in [
        ("inspect", config.inspect.is_some(), Family::Payload),
        ("objects", config.objects.is_some(), Family::Objects),
        ("anomaly", config.anomaly.is_some(), Family::Anomaly),
        ("behaviour", config.behaviour.is_some(), Family::Behaviour),
        ("exposure", config.exposure.is_some(), Family::Exposure),
    ] {
        let found =
            receipt.findings.iter().any(|finding| check(&finding.check).is_some_and(|own| own.family == family));
        // What several requests amount to is asked whatever this one was.
        let is_late = !matches!(family, Family::Anomaly | Family::Behaviour);
        let why = match (has, stopped) {
            (false, _) => "the configuration has no such section".to_owned(),
            (true, _) if family == Family::Exposure && receipt.verdict != "allow" => {
                "there was no answer of the service to look at".to_owned()
            }
            (true, Some(check)) if is_late && rank(check.family) < rank(family) => {
                format!("not asked: `{}` had refused the request before", check.id)
            }
            (true, _) => "it was asked and found nothing".to_owned(),
        };
        if !found {
            all.push(Unfired { kind: "section", name: name.to_owned(), why });
        }
    }
    all
}

/// The order in which families are asked.
fn rank(family: Family) -> usize {
    let order = [
        Family::Request,
        Family::Token,
        Family::Binding,
        Family::Limits,
        Family::Payload,
        Family::Business,
        Family::Objects,
        Family::Anomaly,
        Family::Behaviour,
        Family::Exposure,
    ];
    order.iter().position(|known| *known == family).unwrap_or_default()
}

fn identity(receipt: &Receipt, config: &Config, route: &Route) -> Option<Unfired> {
    let found = receipt.findings.iter().any(|finding| {
        check(&finding.check).is_some_and(|own| matches!(own.family, Family::Token | Family::Binding))
    });
    let why = match (&config.identity, route.requirement.token) {
        _ if found => return None,
        (None, _) => "the configuration asks nobody for a token",
        (Some(_), Demand::Ignored) => "tokens are not looked at on this route",
        (Some(_), Demand::Optional) => "there was no token, or a good one",
        (Some(_), Demand::Required) => "the token was in order, or the request was refused before",
    };
    Some(Unfired { kind: "section", name: "identity".to_owned(), why: why.to_owned() })
}

fn limits(receipt: &Receipt, config: &Config, route: &Route, stopped: Option<Family>) -> Vec<Unfired> {
    let own = route.limits.iter().filter_map(|place| config.limits.get(*place));
    let why = |limit: &portcullis::config::Limit| {
        let applied = receipt.limits.iter().find(|applied| applied.limit == limit.name);
        match (applied, stopped) {
            (Some(applied), _) if applied.decision != "allow" => None,
            (Some(applied), _) => Some(format!("{} of {} were left", applied.remaining, applied.allowed)),
            (None, Some(family)) if rank(family) <= rank(Family::Limits) => {
                Some("not charged: the request had been refused before".to_owned())
            }
            (None, _) => Some(
                "it was not for this request: a condition of `when` did not hold, or it cost nothing".to_owned(),
            ),
        }
    };
    own.filter_map(|limit| Some(Unfired { kind: "limit", name: limit.name.clone(), why: why(limit)? })).collect()
}

fn rules(receipt: &Receipt, config: &Config, route: &Route, stopped: Option<Family>) -> Vec<Unfired> {
    let own = route.rules.iter().filter_map(|place| config.rules.get(*place));
    let name = |rule: &portcullis::config::Rule| rule.about.name.clone();
    let fired = |name: &String| receipt.findings.iter().any(|finding| finding.rule.as_ref() == Some(name));
    let why = match stopped {
        Some(family) if rank(family) < rank(Family::Business) => "not asked: the request had been refused before",
        Some(Family::Business) => "kept, or not asked after the one that refused",
        _ => "kept, or not for this request",
    };
    let unfired = own.map(name).filter(|name| !fired(name));
    unfired.map(|name| Unfired { kind: "rule", name, why: why.to_owned() }).collect()
}
