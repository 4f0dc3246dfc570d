//! What does a cold scan do to hot consumers, in one sentence?
//!
//! Who spares them most is the contender beside whose scan their 99th percentile is the smallest, by
//! the same rule as for sender CPU: paired by launch, and whoever's ratio does not lie wholly above 1
//! shares the lead. Whether the hot set stayed in memory is said of a contender only where the interval
//! of the share over launches says so.

use super::standing::{Lead, lead_by};
use super::words::less;
use crate::format;
use crate::hot::{DURING, Hot};
use crate::stats::Estimate;
use crate::study::{Panel, Point, Row, State, Study};

/// The sentence of a panel; nothing where its cells had no hot consumers.
pub(super) fn of_panel(study: &Study, panel: &Panel) -> Option<String> {
    let sentences: Vec<String> = panel
        .points
        .iter()
        .filter(|point| point.rows.iter().any(|row| hot(row).is_some()))
        .map(|point| {
            let x = study.x_label(point);
            let place = if x.is_empty() { x } else { format!("{x}: ") };
            format!("{place}{}.", of_point(study, point))
        })
        .collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// What the floor says: it reads nothing, so what consumers suffer beside it is no lack of memory.
pub(super) fn floor(panel: &Panel) -> Vec<String> {
    let floors = panel.rows().filter(|row| !row.moves_the_log);
    let clause = |row: &Row| {
        let phases = hot(row)?.phases;
        let p99 = |phase: usize| Some(format::duration(phases[phase].p99()?.point));
        Some(format!(
            "Beside {}, which reads nothing, the p99 is {} ({} before): what they wait there is the \
             price of sharing processors, not memory.",
            row.label,
            p99(DURING)?,
            p99(0)?
        ))
    };
    floors.filter_map(clause).collect()
}

fn hot(row: &Row) -> Option<Hot> {
    row.measured.filter(|_| row.state == State::Ok).and_then(Hot::of)
}

fn of_point(study: &Study, point: &Point) -> String {
    let p99 = |row: &Row| hot(row).map(|hot| hot.during().p99_ns.clone()).unwrap_or_default();
    let waits = match lead_by(study, point, &p99) {
        Lead::Led { leaders, other, ratios, .. } => {
            let (firm, loose): (Vec<_>, Vec<_>) =
                leaders.iter().zip(&ratios).partition(|(_, ratio)| ratio.below(1.0));
            led(point, &firm, &other, &loose)
        }
        Lead::Open { .. } => {
            "No winner can be named: the intervals of the hot consumers' p99 during the scan overlap"
                .to_owned()
        }
        Lead::Alone(label) => format!("No winner can be named: only {label} has a result"),
        Lead::Nobody => "No winner can be named: no contender has a result".to_owned(),
    };
    match residency(point) {
        Some(residency) => format!("{waits}. {residency}"),
        None => waits,
    }
}

fn led(
    point: &Point,
    firm: &[(&String, &Estimate)],
    other: &str,
    loose: &[(&String, &Estimate)],
) -> String {
    let names: Vec<&str> = firm.iter().map(|(label, _)| label.as_str()).collect();
    let Some((first, ratio)) = firm.first() else {
        return "No winner can be named: those who spare hot consumers most cannot be told from the \
                others"
            .to_owned();
    };
    let at = point.row(first).and_then(hot).and_then(|hot| hot.during().p99());
    let which = if names.len() > 1 { " beside the first" } else { "" };
    let at = at.map(|p99| format!("p99 {}{which}, ", format::duration(p99.point)));
    let mut text = format!(
        "Hot consumers wait least beside a scan by {}: {}{}",
        format::list(&names),
        at.unwrap_or_default(),
        less(ratio, Some(&format!("beside {other}")))
    );
    if !loose.is_empty() {
        let labels: Vec<&String> = loose.iter().map(|(label, _)| *label).collect();
        text += &format!("; not decided: {}", format::list(&labels));
    }
    text
}

/// Who leaves the hot set in memory, and how much of it others push out.
fn residency(point: &Point) -> Option<String> {
    let mut stays: Vec<&str> = Vec::new();
    let mut lost: Vec<(&str, f64)> = Vec::new();
    for row in point.rows.iter().filter(|row| row.moves_the_log) {
        let Some(hot) = hot(row) else { continue };
        match (hot.during().stayed(), hot.during().share()) {
            (Some(true), _) => stays.push(row.label),
            (Some(false), Some(share)) => lost.push((row.label, 1.0 - share.point)),
            _ => {}
        }
    }
    lost.sort_by(|a, b| b.1.total_cmp(&a.1));
    let pushes: Vec<String> = lost
        .iter()
        .map(|(label, gone)| format!("{label} {}\u{a0}%", format::significant(gone * 100.0, 2)))
        .collect();
    let stay = if stays.len() == 1 { "leaves" } else { "leave" };
    match (stays.is_empty(), pushes.is_empty()) {
        (true, true) => None,
        (false, true) => Some(format!("{} {stay} the hot set in memory", format::list(&stays))),
        (true, false) => {
            Some(format!("Of the hot set is pushed out at worst: by {}", format::list(&pushes)))
        }
        (false, false) => Some(format!(
            "{} {stay} the hot set in memory; at worst the others push out of it: {}",
            format::list(&stays),
            format::list(&pushes)
        )),
    }
}
