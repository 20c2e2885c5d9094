//! One example as a table: a heading, then a row for each request.
//!
//! Columns are as wide as their widest cell, measured in terminal cells and not in bytes; the private reason gets
//! what is left of the line and is cut there. A promise that was not kept is explained in lines of its own, uncut.

use crate::{BAD, BOLD, DIM, GOOD, MIDDLING};
use anstream::println;
use anstyle::Style;
use portcullis_lab::scenario::replay::{Finding, Observed};
use portcullis_lab::scenario::{Example, Exchange, Kept};
use std::io::IsTerminal;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The line's width where there is no terminal to say.
const COLUMNS: usize = 120;
const COLUMNS_MIN: usize = 80;
const COLUMNS_MAX: usize = 180;

/// Widest cell of each column before the reason.
const WIDEST: [usize; 4] = [43, 29, 15, 19];
const TITLES: [&str; 5] = ["who does what", "request", "promised", "got", "why (in the receipt)"];

struct Row {
    cells: [String; 4],
    styles: [Style; 4],
    reason: String,
    differences: Vec<String>,
}

/// Prints an example; returns how many promises were kept.
pub(crate) fn print(example: &Example, observed: &[Observed]) -> usize {
    let exchanges = example.scenario.exchanges.iter();
    let rows: Vec<Row> =
        exchanges.zip(observed).map(|(exchange, observed)| Row::new(exchange, observed)).collect();
    let mut widths = [0; 4];
    for (column, width) in widths.iter_mut().enumerate() {
        let cells = rows.iter().map(|row| row.cells[column].width());
        *width = cells.chain([TITLES[column].width()]).max().unwrap_or(0).min(WIDEST[column]);
    }
    println!("{BOLD}{}{BOLD:#} {DIM}· examples/{}{DIM:#}", example.scenario.title, example.name);
    println!("{}\n", example.scenario.about);
    let reason_width = columns().saturating_sub(4 + widths.iter().map(|width| width + 2).sum::<usize>());
    let [titles @ .., why] = TITLES;
    let titles: Vec<String> =
        titles.into_iter().zip(widths).map(|(title, width)| fit(title, width, true)).collect();
    println!("    {DIM}{}  {}{DIM:#}", titles.join("  "), fit(why, reason_width, false));
    rows.iter().for_each(|row| row.print(&widths, reason_width));
    println!();
    rows.iter().filter(|row| row.differences.is_empty()).count()
}

impl Row {
    fn new(exchange: &Exchange, observed: &Observed) -> Self {
        let promised = exchange.expect.verdict.name();
        let got = observed.verdict.split(':').next().unwrap_or_default();
        let reason = match &observed.findings {
            _ if got == "none" => "refused by Envoy itself".to_owned(),
            None => String::new(),
            Some(findings) => findings.iter().map(reason).collect::<Vec<_>>().join("; "),
        };
        Row {
            cells: [
                format!("{} {}", exchange.who, exchange.does),
                exchange.request(&Kept::new()).line(),
                promised.to_owned(),
                format!("{got} {}", observed.status),
            ],
            styles: [Style::new(), Style::new(), colour(promised), colour(got)],
            reason,
            differences: observed.differences(&exchange.expect),
        }
    }

    fn print(&self, widths: &[usize; 4], reason_width: usize) {
        let (mark, style) = if self.differences.is_empty() { ("✓", GOOD) } else { ("✗", BAD) };
        let cells = self.cells.iter().zip(&self.styles).zip(widths);
        let cells: Vec<String> =
            cells.map(|((cell, style), width)| format!("{style}{}{style:#}", fit(cell, *width, true))).collect();
        let reason = fit(&self.reason, reason_width, false);
        println!("  {style}{mark}{style:#} {}  {DIM}{reason}{DIM:#}", cells.join("  "));
        for difference in &self.differences {
            println!("      {BAD}{difference}{BAD:#}");
        }
    }
}

/// The last word of the check's id, and what it saw: `token.expired` is `expired: 60 s ago`.
fn reason(finding: &Finding) -> String {
    let Finding { check, reason } = finding;
    format!("{}: {reason}", check.rsplit('.').next().unwrap_or(check))
}

fn colour(verdict: &str) -> Style {
    match verdict {
        "allow" => GOOD,
        "deny" => BAD,
        "none" => DIM,
        _ => MIDDLING,
    }
}

/// The text in so many terminal cells: cut with `…`, or filled up with blanks.
fn fit(text: &str, width: usize, fill: bool) -> String {
    let blanks = width.saturating_sub(text.width());
    if text.width() <= width {
        return format!("{text}{}", " ".repeat(if fill { blanks } else { 0 }));
    }
    let mut cut = String::new();
    for letter in text.chars() {
        if cut.width() + letter.width().unwrap_or(0) >= width {
            break;
        }
        cut.push(letter);
    }
    // A wide letter may leave a cell of its own free.
    let blanks = width.saturating_sub(cut.width() + 1);
    format!("{cut}…{}", " ".repeat(if fill { blanks } else { 0 }))
}

fn columns() -> usize {
    let stdout = std::io::stdout();
    let size = stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(&stdout).ok()).flatten();
    // A terminal that does not know its size says zero.
    let size = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    size.map_or(COLUMNS, |columns| columns.clamp(COLUMNS_MIN, COLUMNS_MAX))
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn cells_are_cut_and_filled_by_their_display_width() {
        assert_eq!(fit("deny", 6, true), "deny  ");
        assert_eq!(fit("deny", 6, false), "deny");
        assert_eq!(fit("forbidden", 6, true), "forbi…");
        assert_eq!(fit("門門門門", 6, true), "門門… ");
    }
}
