//! Charts as SVG: bars alone, whose numbers stand beside them or in their titles.

use super::super::tally::{Counts, Tally};
use super::super::timeline::Timeline;
use super::escape;
use portcullis::stages::risk::Judgement;

const WIDTH: f64 = 900.0;
const ROW: f64 = 26.0;
const NAMES: f64 = 220.0;
const NUMBERS: f64 = 110.0;
const TIMELINE_HEIGHT: f64 = 180.0;

/// A count as a length.
fn number(count: u64) -> f64 {
    count as f64
}

/// A share, for people.
pub(super) fn percent(count: u64, of: u64) -> String {
    match (count, of) {
        (_, 0) => "–".to_owned(),
        (0, _) => "0 %".to_owned(),
        _ => format!("{:.1} %", 100.0 * number(count) / number(of)),
    }
}

/// Which colour is which outcome, of those that there are.
pub(super) fn legend(tally: &Tally) -> String {
    let outcomes = Judgement::OUTCOMES.iter().zip(tally.outcomes).filter(|(_, count)| *count > 0);
    let item = |(name, _): (&&str, u64)| format!("<li class=\"{name}\">{}</li>", name.replace('_', " "));
    format!("<ul class=\"legend\">{}</ul>", outcomes.map(item).collect::<String>())
}

/// Stacked bars, one a span of time.
pub(super) fn timeline(timeline: &Timeline) -> String {
    let spans = timeline.dense();
    let most = spans.iter().map(|(_, counts)| counts.iter().sum::<u64>()).max().unwrap_or_default().max(1);
    let width = WIDTH / number(u64::try_from(spans.len()).unwrap_or(1).max(12));
    let mut bars = String::new();
    for (place, (at, counts)) in (0_u64..).zip(&spans) {
        let mut top = TIMELINE_HEIGHT;
        for (name, count) in Judgement::OUTCOMES.iter().zip(counts).filter(|(_, count)| **count > 0) {
            let height = TIMELINE_HEIGHT * number(*count) / number(most);
            top -= height;
            let x = width * number(place);
            let bar = (width - 1.0).max(width * 0.6);
            bars.push_str(&format!(
                "<rect class=\"{name}\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{bar:.1}\" height=\"{height:.1}\">\
                 <title>{}: {count} {}</title></rect>",
                moment(*at),
                name.replace('_', " ")
            ));
        }
    }
    let (first, last) = (spans.first().map(|span| span.0), spans.last().map(|span| span.0));
    let label = |x: f64, anchor: &str, text: String| {
        format!(
            "<text class=\"label\" x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\">{text}</text>",
            TIMELINE_HEIGHT + 18.0
        )
    };
    let end = last
        .filter(|_| spans.len() > 1)
        .map(|at| label(width * number(u64::try_from(spans.len()).unwrap_or(1)), "end", moment(at)));
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"Verdicts over time\">\
         <line class=\"axis\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{TIMELINE_HEIGHT}\" y2=\"{TIMELINE_HEIGHT}\"/>{bars}{}{}</svg>\
         <p class=\"faint\">Each bar is {}; the highest has {most} requests.</p>",
        TIMELINE_HEIGHT + 24.0,
        first.map(|at| label(0.0, "start", moment(at))).unwrap_or_default(),
        end.unwrap_or_default(),
        span(timeline.span_millis)
    )
}

/// A stacked bar for each route, the busiest first.
pub(super) fn routes(tally: &Tally) -> String {
    let mut routes: Vec<(&String, &Counts)> = tally.routes.iter().collect();
    routes.sort_by_key(|(name, counts)| (std::cmp::Reverse(counts.iter().sum::<u64>()), *name));
    let rows = routes.into_iter().map(|(name, counts)| {
        let parts = Judgement::OUTCOMES.iter().zip(counts).map(|(name, count)| (*name, *count));
        let total: u64 = counts.iter().sum();
        (name.as_str(), parts.collect::<Vec<_>>(), format!("{total} requests"))
    });
    bars(&rows.collect::<Vec<_>>(), "Verdicts by route")
}

/// A bar for each check, the busiest first: what was stopped, and what was not.
pub(super) fn checks(tally: &Tally) -> String {
    let rows = tally.busiest().into_iter().map(|(check, found)| {
        let parts = vec![("stopped", found.stopped), ("passed", found.requests.saturating_sub(found.stopped))];
        (check, parts, format!("{} of {}", found.stopped, found.requests))
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return "<p>No check found anything.</p>".to_owned();
    }
    let legend =
        "<ul class=\"legend\"><li class=\"stopped\">in requests that were stopped, or would have been</li>\
                  <li class=\"passed\">in others</li></ul>";
    format!("{legend}{}", bars(&rows, "Findings by check"))
}

/// A row: its name, parts of its bar, and what stands behind it.
type Row<'a> = (&'a str, Vec<(&'a str, u64)>, String);

fn bars(rows: &[Row<'_>], label: &str) -> String {
    let total = |row: &Row<'_>| row.1.iter().map(|(_, count)| count).sum::<u64>();
    let most = rows.iter().map(total).max().unwrap_or_default().max(1);
    let room = WIDTH - NAMES - NUMBERS;
    let mut drawn = String::new();
    for (place, (name, parts, told)) in (0_u64..).zip(rows) {
        let y = ROW * number(place);
        drawn.push_str(&format!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            NAMES - 10.0,
            y + 17.0,
            escape(&crate::output::shortened(name, 32))
        ));
        let mut x = NAMES;
        for (class, count) in parts.iter().filter(|(_, count)| *count > 0) {
            // What is there can be seen, however little it is.
            let width = (room * number(*count) / number(most)).max(2.0);
            drawn.push_str(&format!(
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"{}\"><title>{}: {count} {}</title></rect>",
                y + 4.0,
                ROW - 8.0,
                escape(name),
                class.replace('_', " ")
            ));
            x += width;
        }
        drawn.push_str(&format!("<text class=\"label\" x=\"{:.1}\" y=\"{}\">{told}</text>", x + 8.0, y + 17.0));
    }
    let height = ROW * number(u64::try_from(rows.len()).unwrap_or(1));
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{label}\">{drawn}</svg>")
}

fn moment(millis: u64) -> String {
    let time = i64::try_from(millis).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    time.map_or_else(String::new, |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn span(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{:.0} min", number(seconds) / 60.0),
        _ => format!("{:.1} h", number(seconds) / 3600.0),
    }
}
