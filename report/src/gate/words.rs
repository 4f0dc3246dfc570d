//! How are a gate's numbers and names said in words?

use super::record::Record;
use super::{CellReport, Verdict};
use crate::format;
use crate::stats::Estimate;

/// What the head is compared with: `base`, or the other strategy's name.
pub(super) fn base(record: &Record) -> &str {
    match record.opening.compares.as_str() {
        "strategies" => &record.opening.base.label,
        "baseline" => "the baseline",
        _ => "the base",
    }
}

/// A ratio above 1 as what it adds: `1.2 %`.
pub(super) fn percent(ratio: f64) -> String {
    let text = format::significant((ratio - 1.0) * 100.0, 2);
    let round =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{round}\u{a0}%")
}

/// `2.1 % more than base (1.6–2.6 %)`, `8 % less (7.5–8.4 %)`, `0.1 % less (−0.4 to 0.6 %)`.
pub(super) fn change(ratio: &Estimate, other: Option<&str>) -> String {
    let than = other.map(|other| format!(" than {other}")).unwrap_or_default();
    let sign = if ratio.point < 1.0 { -1.0 } else { 1.0 };
    let share = |ratio: f64| sign * (ratio - 1.0) * 100.0;
    let word = if sign < 0.0 { "less" } else { "more" };
    let shown = |share: f64| {
        let digits = if share.abs() < 100.0 { 2 } else { 3 };
        let share = if share.abs() < 0.005 { 0.0 } else { share };
        format::significant(share, digits).replace('-', "−")
    };
    let point = format!("{}\u{a0}% {word}{than}", shown(share(ratio.point)));
    let Some((low, high)) = ratio.interval else { return format!("{point} (no interval)") };
    let (a, b) = (share(low), share(high));
    let (from, to) = (a.min(b), a.max(b));
    let joint = if from < 0.0 { " to " } else { "–" };
    format!("{point} ({}{joint}{}\u{a0}%)", shown(from), shown(to))
}

/// `1 cell`, `2 launches`.
pub(super) fn count(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ if what.ends_with("ch") => format!("{count} {what}es"),
        _ => format!("{count} {what}s"),
    }
}

/// The name of a count for people: `short writes per MiB`.
pub(super) fn unit(key: &str) -> String {
    let name = key.replace('_', " ");
    let name = match name.strip_suffix(" per mib") {
        Some(name) => format!("{name} per MiB"),
        None => name,
    };
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

/// A cell's name: scenario and label, and its whole id where those are not its alone.
pub(super) fn cell(cells: &[CellReport<'_>], one: &CellReport<'_>) -> String {
    let same = |other: &&CellReport<'_>| (other.scenario, other.label) == (one.scenario, one.label);
    match cells.iter().filter(same).count() {
        1 => format!("{} {}", one.scenario, one.label),
        _ => one.cell.to_owned(),
    }
}

/// The sentence that says most of why a cell came to what it came to.
pub(super) fn decisive<'a>(cell: &'a CellReport<'_>) -> Option<&'a String> {
    let ends: &[&str] = match cell.verdict {
        Verdict::Regression => &["a regression."],
        Verdict::Improvement => &["an improvement."],
        Verdict::Invalid => &["cannot be trusted", "invalid"],
        Verdict::Inconclusive => &["nothing can be said", "inconclusive.", "would"],
        Verdict::Pass => &[],
    };
    let says = |sentence: &&String| ends.iter().any(|end| sentence.contains(end));
    cell.sentences.iter().find(says).or_else(|| cell.sentences.last())
}
