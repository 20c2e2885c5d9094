//! How results are written: colours, tables, JSON, and no character that does anything to a terminal.

use anstyle::{AnsiColor, Color, Style};
use anyhow::Result;
use serde::Serialize;
use std::fmt;
use std::io::Write;

/// A colour with a meaning.
#[derive(Debug, Copy, Clone)]
pub(crate) struct Paint(Style);

const fn coloured(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(color)))
}

/// What was refused, or is wrong.
pub(crate) const BAD: Paint = Paint(coloured(AnsiColor::Red).bold());
/// What is doubtful.
pub(crate) const DOUBTFUL: Paint = Paint(coloured(AnsiColor::Yellow).bold());
/// What is in order.
pub(crate) const GOOD: Paint = Paint(coloured(AnsiColor::Green).bold());
/// Names.
pub(crate) const NAME: Paint = Paint(Style::new().bold());
/// What is said by the way.
pub(crate) const FAINT: Paint = Paint(Style::new().dimmed());

impl Paint {
    /// The text in this colour. The stream drops colours that nobody sees.
    pub(crate) fn paint<T: fmt::Display>(self, text: T) -> String {
        let style = self.0;
        format!("{style}{text}{style:#}")
    }

    /// The colour of a verdict.
    pub(crate) fn of(verdict: &str) -> Self {
        match verdict {
            "allow" => GOOD,
            "deny" => BAD,
            _ => DOUBTFUL,
        }
    }
}

/// Text that somebody else chose, with what controls terminals or hides text made visible: control characters, and those that
/// change the direction of writing or have no width.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if is_dangerous(char) && char != '\n' {
            shown.extend(char.escape_unicode());
        } else {
            shown.push(char);
        }
    }
    shown
}

/// The same on one line.
pub(crate) fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\n")
}

/// The same for a text whose places are counted in bytes: what is dangerous is replaced by a sign of as many bytes.
pub(crate) fn same_length(text: &str) -> String {
    let sign = |char: char| match char {
        '\n' | '\t' | '\r' => char,
        char if !is_dangerous(char) => char,
        char => match char.len_utf8() {
            1 => '?',
            2 => '¿',
            _ => '\u{fffd}',
        },
    };
    text.chars().map(sign).collect()
}

/// The same, at most so many characters long.
pub(crate) fn shortened(text: &str, chars_max: usize) -> String {
    let line = one_line(text);
    match line.char_indices().nth(chars_max) {
        Some((cut, _)) => format!("{}…", line.get(..cut).unwrap_or_default()),
        None => line,
    }
}

fn is_dangerous(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `1 route`, `2 routes`.
pub(crate) fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Writes JSON. Inside strings the same characters are escaped, which leaves their meaning.
pub(crate) fn json<T: Serialize>(value: &T, out: &mut dyn Write) -> Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        if is_dangerous(char) && char != '\n' {
            let mut units = [0; 2];
            for unit in char.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(char);
        }
    }
    Ok(writeln!(out, "{safe}")?)
}

/// A table: the first column flush left, the others flush right.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these names of columns.
    pub(crate) fn new(names: &[&str]) -> Self {
        Self { rows: vec![names.iter().map(|name| (*name).to_owned()).collect()] }
    }

    /// Adds a row of plain text.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Writes it.
    pub(crate) fn write(&self, out: &mut dyn Write) -> Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (index, row) in self.rows.iter().enumerate() {
            let cell = |(column, cell): (usize, &String)| {
                let width = widths[column];
                if column == 0 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            };
            let line = row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ");
            let line = line.trim_end();
            writeln!(out, "{}", if index == 0 { FAINT.paint(line) } else { line.to_owned() })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_controls_a_terminal_gets_through() {
        assert_eq!(printable("a\u{1b}[31mb\u{9b}c\u{202e}d\u{7f}"), "a\\u{1b}[31mb\\u{9b}c\\u{202e}d\\u{7f}");
        assert_eq!(one_line("a\r\nb"), "a\\u{d}\\nb");
        let text = "a\u{1b}b\u{9b}c\u{202e}\n";
        assert_eq!((same_length(text).as_str(), same_length(text).len()), ("a?b¿c\u{fffd}\n", text.len()));
        assert_eq!(shortened(&"é".repeat(10), 3), "ééé…");
        let mut out = Vec::new();
        json(&["\u{9b}2J\u{1b}"], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("\\u009b2J\\u001b"), "{text}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), ["\u{9b}2J\u{1b}"]);
    }

    #[test]
    fn tables_are_aligned() {
        let mut table = Table::new(&["route", "allow"]);
        table.row(["orders".to_owned(), "7".to_owned()]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("orders      7\n"));
    }
}
