//! `portcullis explain`: a receipt, told to people.
//!
//! The risk is combined here as the filter combines it, family by family, so that a reader can follow the sum; the caps and
//! thresholds are those of `--config`, or the defaults. A receipt says nothing of what did not fire. With the configuration the
//! rules, limits and requirements of the route are told that were not violated, and what could not be asked any more because the
//! request was refused before.

mod risk;
mod unfired;

use self::risk::Sum;
use crate::args::Explain;
use crate::output::{self, one_line, Paint, BAD, DOUBTFUL, FAINT, NAME};
use crate::receipt::{Finding, Receipt};
use crate::traffic::Line;
use crate::{receipt, source, Answer};
use anyhow::Result;
use portcullis::config::{Config, Route};
use portcullis::finding::{Check, Class};
use portcullis::stages::CHECKS;
use serde_json::json;
use std::io::{BufReader, Write};

pub(crate) fn run(own: &Explain, json: bool, out: &mut dyn Write) -> Result<Answer> {
    let config = own.config.as_deref().map(|path| source::config(path, Ok)).transpose()?;
    let reader = BufReader::new(source::open(&own.file)?);
    let mut found = None;
    // The filter takes ids that are the same in any spelling of JSON; a line without the id needs no look.
    let is_plain = |id: &&str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let part = own.id.as_deref().filter(is_plain).unwrap_or_default();
    receipt::each(reader, part, &mut |receipt, _| {
        if own.id.as_ref().is_some_and(|id| *id != receipt.request_id) {
            return Line::Read;
        }
        found = Some(receipt);
        Line::Last
    })?;
    let Some(receipt) = found else {
        let which = own.id.as_ref().map(|id| format!(" of request {}", one_line(id))).unwrap_or_default();
        anstream::eprintln!("{}: there is no receipt{which}", BAD.paint("error"));
        return Ok(Answer::No);
    };
    if json {
        write_json(&receipt, config.as_ref(), out)?;
    } else {
        write(&receipt, config.as_ref(), out)?;
    }
    Ok(Answer::Yes)
}

/// The route that a receipt names.
fn route<'a>(receipt: &Receipt, config: &'a Config) -> Option<&'a Route> {
    config.routes.iter().map(|(_, route)| route).find(|route| route.name == receipt.route)
}

fn check(id: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.id == id).copied()
}

fn write(receipt: &Receipt, config: Option<&Config>, out: &mut dyn Write) -> Result<()> {
    let Receipt { verdict, would, .. } = receipt;
    let done = match verdict.as_str() {
        "deny" => "was denied",
        "challenge" => "was challenged",
        _ => "was allowed",
    };
    let held = match (verdict == would, would.as_str()) {
        (true, _) => String::new(),
        (false, "deny") => format!(", and {}", DOUBTFUL.paint("would have been denied")),
        (false, _) => format!(", and {}", DOUBTFUL.paint("would have been challenged")),
    };
    let method = one_line(&receipt.method);
    let (id, name) = (one_line(&receipt.request_id), one_line(&receipt.route));
    writeln!(
        out,
        "{} {method} on {} {}{held}.",
        NAME.paint(id),
        NAME.paint(name),
        Paint::of(verdict).paint(done)
    )?;
    let status = receipt.status.map_or("no answer".to_owned(), |status| format!("status {status}"));
    let took = receipt.duration_nanos.map_or(String::new(), |nanos| format!("; {} µs", nanos / 1000));
    let actor = one_line(&receipt.actor);
    writeln!(
        out,
        "{}",
        FAINT.paint(format!("{status}; actor {actor}{took}; configuration {}", one_line(&receipt.config)))
    )?;
    if let Some(config) = config.filter(|config| config.digest != receipt.config) {
        let told = format!("the configuration given is {}, not the one that judged", config.digest);
        writeln!(out, "{} {told}", DOUBTFUL.paint("note:"))?;
    }
    findings(receipt, out)?;
    let sum = Sum::of(receipt, config);
    sum.write(receipt, out)?;
    limits(receipt, out)?;
    if !receipt.chain.is_empty() {
        let stages = receipt.chain.iter().map(|(stage, count)| format!("{} {count}", one_line(stage)));
        writeln!(
            out,
            "\n{}: {}",
            NAME.paint("Findings by stage of an attack"),
            stages.collect::<Vec<_>>().join(", ")
        )?;
    }
    writeln!(out, "\n{}", NAME.paint("What the client saw"))?;
    writeln!(out, "  {}", client(receipt))?;
    if let Some(config) = config {
        unfired::write(receipt, config, out)?;
    }
    Ok(())
}

fn findings(receipt: &Receipt, out: &mut dyn Write) -> Result<()> {
    if receipt.findings.is_empty() {
        return Ok(writeln!(out, "\nNothing was found.")?);
    }
    writeln!(out, "\n{}", NAME.paint("What was found"))?;
    for finding in &receipt.findings {
        let rule = finding.rule.as_ref().map(|rule| format!(" by rule `{}`", one_line(rule))).unwrap_or_default();
        let trial = if finding.mode == "enforce" { "" } else { ", in monitor mode: without effect" };
        let name = NAME.paint(one_line(&finding.check));
        writeln!(out, "  {name}{rule}: {}{trial}", effect(finding))?;
        if let Some(check) = check(&finding.check) {
            writeln!(out, "    {}", check.means)?;
        }
        writeln!(out, "    {}", FAINT.paint(format!("seen: {}", one_line(&finding.reason))))?;
    }
    if receipt.dropped > 0 {
        writeln!(out, "  and {} more that were not kept", receipt.dropped)?;
    }
    Ok(())
}

fn effect(finding: &Finding) -> String {
    match (finding.effect.as_str(), finding.score) {
        ("score", Some(score)) => format!("score {score}"),
        ("refuse", _) => format!("refuses, code `{}`", one_line(&finding.code)),
        ("challenge", _) => "challenges".to_owned(),
        ("note", _) => "noted, without effect".to_owned(),
        (other, _) => one_line(other),
    }
}

fn limits(receipt: &Receipt, out: &mut dyn Write) -> Result<()> {
    if receipt.limits.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", NAME.paint("Limits that were applied"))?;
    for limit in &receipt.limits {
        let factors = limit.factors.iter().map(|(name, factor)| format!("{} {factor}", one_line(name)));
        let factors = factors.collect::<Vec<_>>().join(", ");
        let factors = if factors.is_empty() { factors } else { format!(" (adapted: {factors})") };
        let (name, decision) = (one_line(&limit.limit), one_line(&limit.decision));
        let left = format!(
            "{} of {} left, whole again in {:.1} s",
            limit.remaining,
            limit.allowed,
            reset_seconds(limit.reset_ms)
        );
        writeln!(out, "  {}: {decision}, {left}{factors}", NAME.paint(name))?;
    }
    Ok(())
}

fn reset_seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

/// What the client was told, as far as the receipt allows to say.
fn client(receipt: &Receipt) -> String {
    let decisive = receipt.findings.iter().find(|finding| finding.effect == "refuse" && finding.mode == "enforce");
    match receipt.verdict.as_str() {
        "allow" => match receipt.status {
            Some(status) => format!("the service's answer, {status}: the filter let it pass"),
            None => "nothing: it left, or the connection ended, before there was an answer".to_owned(),
        },
        "challenge" => {
            "401 with the code `step_up_required`, and WWW-Authenticate with what a login must prove".to_owned()
        }
        _ => match decisive {
            Some(finding) => {
                let class = check(&finding.check).map_or(Class::Forbidden, |check| check.class);
                let status = receipt.status.unwrap_or(class.http_status());
                let advice = match class {
                    Class::Unauthenticated => ", and WWW-Authenticate",
                    Class::RateLimited => ", Retry-After, RateLimit and RateLimit-Policy",
                    _ => "",
                };
                format!("{status} {} with the code `{}`{advice}", class.title(), one_line(&finding.code))
            }
            None => "403 Forbidden with the code `risk_denied`".to_owned(),
        },
    }
}

fn write_json(receipt: &Receipt, config: Option<&Config>, out: &mut dyn Write) -> Result<()> {
    let sum = Sum::of(receipt, config);
    let findings = receipt.findings.iter().map(|finding| {
        json!({
            "check": finding.check, "means": check(&finding.check).map(|check| check.means), "rule": finding.rule,
            "effect": finding.effect, "score": finding.score, "mode": finding.mode, "reason": finding.reason,
        })
    });
    let told = json!({
        "request_id": receipt.request_id, "route": receipt.route, "verdict": receipt.verdict, "would": receipt.would,
        "mode": receipt.mode, "status": receipt.status, "actor": receipt.actor,
        "findings": findings.collect::<Vec<_>>(),
        "risk": sum.told(receipt),
        "client": client(receipt),
        "unfired": config.map(|config| unfired::told(receipt, config)),
        "same_configuration": config.map(|config| config.digest == receipt.config),
    });
    output::json(&told, out)
}
