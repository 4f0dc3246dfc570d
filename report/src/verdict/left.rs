//! How much of its CPU does a sender leave to others, in one sentence?
//!
//! By the same rule as for sender CPU: whoever's paired ratio to the contender that leaves the most does
//! not lie wholly to one side of 1 shares the lead, and between those no winner is named. What is left is
//! compared by its inverse, of which less is better. Who cannot keep up with the rate has done its work in
//! a longer time, and is not compared.

use super::standing::{Lead, lead_by};
use crate::demand;
use crate::format;
use crate::metric::Metric;
use crate::stats::Estimate;
use crate::stats::paired::Placed;
use crate::study::{Panel, Point, Row, Study};

/// The sentence of a panel, and the clauses of its other conditions; nothing where there was no canary.
/// The sentence is of the last condition in which the answer is decided: at the highest rate there is
/// the least to spare.
pub(super) fn of_panel(study: &Study, panel: &Panel) -> Option<(String, Vec<String>)> {
    let measured = |row: &Row| row.median(Metric::CpuLeft).is_some();
    let points = panel.points.iter().filter(|point| point.rows.iter().any(measured));
    let said: Vec<(bool, String)> = points.map(|point| clause(study, point)).collect();
    let last = said.len().checked_sub(1)?;
    let at = said.iter().rposition(|(decided, _)| *decided).unwrap_or(last);
    let mut clauses: Vec<String> = said.into_iter().map(|(_, clause)| clause).collect();
    Some((clauses.remove(at), clauses))
}

/// Whether the row was late for its own schedule: what it leaves is a share of another time then.
fn late(row: &Row) -> bool {
    row.measured.and_then(demand::keeps_up) == Some(false)
}

/// Who leaves the most under one condition, and whether that is decided.
fn clause(study: &Study, point: &Point) -> (bool, String) {
    let inverse = |row: &Row| -> Vec<Placed> {
        let placed = row.placed(Metric::CpuLeft).into_iter();
        let some = placed.filter(|one| one.value > 0.0 && !late(row));
        some.map(|one| Placed { value: 1.0 / one.value, ..one }).collect()
    };
    let said = match lead_by(study, point, &inverse) {
        Lead::Led { leaders, other, ratios, .. } => {
            let (firm, loose): (Vec<_>, Vec<_>) =
                leaders.iter().zip(&ratios).partition(|(_, ratio)| ratio.below(1.0));
            led(&firm, &other, &loose)
        }
        _ => None,
    };
    let decided = said.is_some();
    let mut text =
        said.unwrap_or_else(|| "who leaves the most to others is not decided".to_owned());
    let behind = point.rows.iter().filter(|row| row.ranked() && late(row));
    let behind: Vec<&str> = behind.map(|row| row.label).collect();
    if !behind.is_empty() {
        let verb = if behind.len() == 1 { "is" } else { "are" };
        text += &format!("; {} cannot keep up and {verb} not compared", format::list(&behind));
    }
    let text = match study.x_label(point) {
        x if x.is_empty() => format!("Of the sender's CPU {text}."),
        x => format!("Of the sender's CPU at {} {x} {text}.", study.x_name()),
    };
    (decided, text)
}

fn led(
    firm: &[(&String, &Estimate)],
    other: &str,
    loose: &[(&String, &Estimate)],
) -> Option<String> {
    let (_, ratio) = firm.first()?;
    let names: Vec<&String> = firm.iter().map(|(label, _)| *label).collect();
    let (verb, which) = match names.len() {
        1 => ("leaves", ""),
        _ => ("leave", "the first of them "),
    };
    let more = more(&inverted(ratio), other);
    let names = format::list(&names);
    let mut text = format!("{names} {verb} the most to others: {which}{more}");
    if !loose.is_empty() {
        let labels: Vec<&String> = loose.iter().map(|(label, _)| *label).collect();
        text += &format!("; not decided: {}", format::list(&labels));
    }
    Some(text)
}

/// The ratio the other way round.
fn inverted(ratio: &Estimate) -> Estimate {
    let interval = ratio.interval.map(|(low, high)| (1.0 / high, 1.0 / low));
    Estimate { point: 1.0 / ratio.point, interval, ..*ratio }
}

/// `2.1 times as much as other (1.9–2.3)`, `12 % more than other (9–15 %)`.
fn more(ratio: &Estimate, other: &str) -> String {
    let point = format::significant(ratio.point, 2);
    let Some((low, high)) = ratio.interval else {
        return format!("{point} times as much as {other} (no interval)");
    };
    if ratio.point >= 1.5 {
        let (low, high) = format::ends(low, high);
        return format!("{point} times as much as {other} ({low}–{high})");
    }
    let percent = |share: f64| (share - 1.0) * 100.0;
    let (low, high) = format::ends(percent(low), percent(high));
    let point = format::significant(percent(ratio.point), 2);
    format!("{point}\u{a0}% more than {other} ({low}–{high}\u{a0}%)")
}
