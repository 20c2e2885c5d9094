//! The result as a page of its own: no script, nothing loaded, light or dark as the reader likes it.
//!
//! Everything of a request is escaped twice over: shortened and made visible by [`crate::output`], then escaped for HTML.

mod charts;

use super::compare::{Change, Comparison};
use super::tally::{Example, Tally};
use super::Outcome;
use crate::args::Replay;
use portcullis::stages::risk::Judgement;

const STYLE: &str = include_str!("html/style.css");

/// The page.
pub(super) fn page(outcome: &Outcome, files: &str, own: &Replay) -> String {
    let Outcome { tally, compared, skipped, lacking, gate } = outcome;
    let config = own.config.display().to_string();
    let mut notes = lacking.notes(own.source);
    if *skipped > 0 {
        notes.push(format!(
            "{} of the recording: no requests",
            crate::output::counted(usize::try_from(*skipped).unwrap_or(usize::MAX), "part")
        ));
    }
    let mut body =
        format!("<header><h1>Replay of {}</h1><p>under <code>{}</code>", escape(files), escape(&config));
    if let Some(other) = &own.against {
        body.push_str(&format!(", compared with <code>{}</code>", escape(&other.display().to_string())));
    }
    body.push_str("</p></header>");
    if let Some(gate) = gate {
        let (class, word) = if gate.passed { ("good", "passed") } else { ("bad", "not passed") };
        body.push_str(&format!(
            "<p class=\"gate {class}\"><strong>Gate {word}</strong>: {} newly stopped, {:.0} allowed</p>",
            gate.newly_stopped,
            gate.allowed.floor()
        ));
    }
    body.push_str(&tiles(tally, compared.as_ref().map(|(_, comparison)| comparison)));
    if !notes.is_empty() {
        let items = notes.iter().map(|note| format!("<li>{}</li>", escape(note)));
        body.push_str(&format!("<ul class=\"notes\">{}</ul>", items.collect::<String>()));
    }
    body.push_str(&section("Verdicts over time", &(charts::legend(tally) + &charts::timeline(&tally.timeline))));
    body.push_str(&section("Routes", &(charts::legend(tally) + &charts::routes(tally))));
    body.push_str(&section("Checks", &charts::checks(tally)));
    match compared {
        Some((_, comparison)) => body.push_str(&changes(comparison)),
        None if !tally.examples.is_empty() => {
            body.push_str(&section("Examples", &examples(tally.examples.iter())));
        }
        None => {}
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Portcullis replay: {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n",
        escape(files)
    )
}

fn section(title: &str, content: &str) -> String {
    format!("<section><h2>{title}</h2>{content}</section>\n")
}

/// The numbers that are looked for first.
fn tiles(tally: &Tally, comparison: Option<&Comparison>) -> String {
    let share = |count: u64| charts::percent(count, tally.requests);
    let outcomes = Judgement::OUTCOMES.iter().zip(tally.outcomes).filter(|(_, count)| *count > 0);
    let mut tiles: Vec<(String, String, String)> =
        vec![("all".to_owned(), tally.requests.to_string(), "requests".to_owned())];
    tiles.extend(outcomes.map(|(name, count)| {
        (name.to_string(), count.to_string(), format!("{} · {}", name.replace('_', " "), share(count)))
    }));
    let tile = |(class, number, label): &(String, String, String)| {
        format!("<li class=\"{class}\"><b>{number}</b><span>{label}</span></li>")
    };
    let list = |tiles: &[(String, String, String)]| {
        format!("<ul class=\"tiles\">{}</ul>\n", tiles.iter().map(tile).collect::<String>())
    };
    let changed = comparison.map(|comparison| {
        let changes = [Change::NewlyDenied, Change::NewlyChallenged, Change::NewlyAllowed];
        let tiles = changes.into_iter().zip(["deny", "challenge", "allow"]).map(|(change, class)| {
            let count = comparison.count(change);
            (class.to_owned(), count.to_string(), format!("{} · {}", change.name(), share(count)))
        });
        list(&tiles.collect::<Vec<_>>())
    });
    list(&tiles) + &changed.unwrap_or_default()
}

fn changes(comparison: &Comparison) -> String {
    let part = |change: Change| {
        let own = comparison.examples.get(&change)?;
        let codes = comparison.codes.iter().filter(|((own, _), _)| *own == change);
        let codes = codes.map(|((_, code), count)| format!("<li><code>{}</code> {count}</li>", escape(code)));
        let heading = format!("<h3>{} requests {}</h3>", comparison.count(change), change.name());
        Some(format!("{heading}<ul class=\"codes\">{}</ul>{}", codes.collect::<String>(), examples(own.iter())))
    };
    let parts: String = Change::ALL.into_iter().filter_map(part).collect();
    let none = "<p>No request fares differently.</p>".to_owned();
    let unchanged = format!("<p class=\"faint\">{} requests fare as before.</p>", comparison.unchanged);
    section("Changes", &(if parts.is_empty() { none } else { parts } + &unchanged))
}

fn examples<'a>(examples: impl Iterator<Item = &'a Example>) -> String {
    let row = |example: &Example| {
        let verdict = |summary: &str| {
            let name = summary.split(':').next().unwrap_or_default();
            format!("<span class=\"verdict {name}\">{}</span>", escape(summary))
        };
        let before = example.before.as_ref().map(|before| format!("{} → ", verdict(before))).unwrap_or_default();
        let reasons = example.reasons.iter().map(|reason| format!("<li>{}</li>", escape(reason)));
        format!(
            "<tr><td><code>{}</code><ul class=\"reasons\">{}</ul></td><td>{before}{}</td></tr>",
            escape(&example.line),
            reasons.collect::<String>(),
            verdict(&example.after)
        )
    };
    let rows: String = examples.map(row).collect();
    format!("<table><colgroup><col class=\"what\"><col></colgroup><thead><tr><th>request</th><th>verdict</th></tr></thead><tbody>{rows}</tbody></table>")
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in crate::output::one_line(text).chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_recorded_becomes_markup() {
        assert_eq!(escape("<a href='x'>&\u{1b}"), "&lt;a href=&#39;x&#39;&gt;&amp;\\u{1b}");
    }
}
