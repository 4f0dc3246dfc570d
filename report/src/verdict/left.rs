//! How much of its CPU does a sender leave to others, in one sentence?
//!
//! By the same rule as for sender CPU: whoever's paired ratio to the contender that leaves the most does
//! not lie wholly to one side of 1 shares the lead, and between those no winner is named. What is left is
//! compared by its inverse, of which less is better.

use super::standing::{Lead, lead_by};
use crate::format;
use crate::metric::Metric;
use crate::stats::Estimate;
use crate::stats::paired::Placed;
use crate::study::{Panel, Point, Row, State, Study};

/// A clause for each condition of a panel that had a canary.
pub(super) fn clauses(study: &Study, panel: &Panel) -> Vec<String> {
    let measured = |row: &Row| row.state == State::Ok && row.median(Metric::CpuLeft).is_some();
    let points = panel.points.iter().filter(|point| point.rows.iter().any(measured));
    points.map(|point| clause(study, point)).collect()
}

fn clause(study: &Study, point: &Point) -> String {
    let inverse = |row: &Row| -> Vec<Placed> {
        let placed = row.placed(Metric::CpuLeft).into_iter();
        let some = placed.filter(|one| one.value > 0.0);
        some.map(|one| Placed { value: 1.0 / one.value, ..one }).collect()
    };
    let said = match lead_by(study, point, &inverse) {
        Lead::Led { leaders, other, ratios, .. } => {
            let (firm, loose): (Vec<_>, Vec<_>) =
                leaders.iter().zip(&ratios).partition(|(_, ratio)| ratio.below(1.0));
            led(&firm, &other, &loose)
        }
        Lead::Open { .. } => None,
        Lead::Alone(label) => Some(format!("only {label} has a result for what it leaves")),
        Lead::Nobody => Some("nobody has a result for what is left".to_owned()),
    };
    let said =
        said.unwrap_or_else(|| "who leaves the most CPU to others is not decided".to_owned());
    match study.x_label(point) {
        x if x.is_empty() => format!("CPU left: {said}."),
        x => format!("At {} {x} {said}.", study.x_name()),
    }
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
    let mut text = format!("{names} {verb} the most CPU to others: {which}{more}");
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
