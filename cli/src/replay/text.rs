//! The result for people at a terminal.

use super::compare::{Change, Comparison};
use super::tally::{Counts, Example, Tally};
use super::Outcome;
use crate::args::Replay;
use crate::output::{counted, Paint, Table, BAD, DOUBTFUL, FAINT, GOOD, NAME};
use anyhow::Result;
use portcullis::stages::risk::Judgement;
use std::io::Write;

pub(super) fn write(outcome: &Outcome, own: &Replay, out: &mut dyn Write) -> Result<()> {
    let Outcome { tally, compared, skipped, lacking, gate } = outcome;
    let requests = usize::try_from(tally.requests).unwrap_or(usize::MAX);
    writeln!(out, "{}", NAME.paint(format!("{} under {}", counted(requests, "request"), own.config.display())))?;
    for note in lacking.notes(own.source) {
        writeln!(out, "{} {note}", DOUBTFUL.paint("note:"))?;
    }
    if *skipped > 0 {
        let parts = counted(usize::try_from(*skipped).unwrap_or(usize::MAX), "part");
        writeln!(out, "{} {parts} of the recording: no requests", DOUBTFUL.paint("note:"))?;
    }
    writeln!(out)?;
    routes(tally, out)?;
    checks(tally, out)?;
    match compared {
        Some((_, comparison)) => {
            let other = own.against.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
            changes(comparison, &other, out)?;
        }
        None if !tally.examples.is_empty() => {
            writeln!(out, "\n{}", NAME.paint("Examples"))?;
            tally.examples.iter().try_for_each(|example| write_example(example, out))?;
        }
        None => {}
    }
    if let Some(gate) = gate {
        let (paint, word) = if gate.passed { (GOOD, "passed") } else { (BAD, "not passed") };
        let told = format!("{} newly stopped, {:.0} allowed", gate.newly_stopped, gate.allowed.floor());
        writeln!(out, "\nGate {}: {told}", paint.paint(word))?;
    }
    Ok(())
}

fn routes(tally: &Tally, out: &mut dyn Write) -> Result<()> {
    let mut table = Table::new(&[&["route"][..], &Judgement::OUTCOMES[..]].concat());
    let row = |name: &str, counts: &Counts| {
        [name.to_owned()]
            .into_iter()
            .chain(counts.iter().map(|count| if *count == 0 { "·".to_owned() } else { count.to_string() }))
            .collect::<Vec<_>>()
    };
    for (route, counts) in &tally.routes {
        table.row(row(route, counts));
    }
    table.row(row("all", &tally.outcomes));
    table.write(out)
}

fn checks(tally: &Tally, out: &mut dyn Write) -> Result<()> {
    let busiest = tally.busiest();
    if busiest.is_empty() {
        return Ok(writeln!(out, "\nNo check found anything.")?);
    }
    writeln!(out)?;
    let mut table = Table::new(&["check", "requests", "in force", "stopped or would be"]);
    for (check, found) in busiest {
        table.row([
            check.to_owned(),
            found.requests.to_string(),
            found.in_force.to_string(),
            found.stopped.to_string(),
        ]);
    }
    table.write(out)
}

fn changes(comparison: &Comparison, other: &str, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "\n{}", NAME.paint(format!("Against {other}")))?;
    writeln!(out, "{} unchanged", comparison.unchanged)?;
    for change in Change::ALL {
        let count = comparison.count(change);
        if count == 0 && change == Change::Eased {
            continue;
        }
        let paint = match change {
            _ if count == 0 => FAINT,
            Change::NewlyDenied => BAD,
            Change::NewlyChallenged => DOUBTFUL,
            Change::NewlyAllowed | Change::Eased => GOOD,
        };
        writeln!(out, "{} {}", paint.paint(count), change.name())?;
        let codes = comparison.codes.iter().filter(|((own, _), _)| *own == change);
        for ((_, code), count) in codes {
            writeln!(out, "  {count} {code}")?;
        }
        let examples = comparison.examples.get(&change).into_iter().flatten();
        examples.into_iter().try_for_each(|example| write_example(example, out))?;
    }
    Ok(())
}

fn write_example(example: &Example, out: &mut dyn Write) -> Result<()> {
    let verdict = example.after.split(':').next().unwrap_or_default();
    let before = example.before.as_ref().map(|before| format!("{before} → ")).unwrap_or_default();
    writeln!(out, "    {}  {}{}", example.line, FAINT.paint(before), Paint::of(verdict).paint(&example.after))?;
    for reason in &example.reasons {
        writeln!(out, "      {}", FAINT.paint(reason))?;
    }
    Ok(())
}
