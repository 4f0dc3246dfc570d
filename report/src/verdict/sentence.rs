//! How is the outcome of a panel said in words?

use super::{Lead, Standing};
use crate::format;
use crate::metric::Metric;
use crate::stats::Estimate;
use crate::stats::crossover::{Crossover, crossovers};
use crate::study::{Panel, Point, Study};

/// The fetch size that brokers use most, and the first choice for the sentence's example.
const ANCHOR: f64 = 65536.0;
/// Conditions of a categorical axis that a sentence spells out.
const SPELLED_OUT: usize = 4;

/// The sentence of one panel.
pub(super) fn of_panel(study: &Study, panel: &Panel, standings: &[Standing]) -> String {
    let decided = standings.iter().any(|one| matches!(one.lead, Lead::Led { .. }));
    if !decided {
        return undecided(standings);
    }
    if study.numeric_x() { numeric(study, panel, standings) } else { categorical(study, standings) }
}

fn undecided(standings: &[Standing]) -> String {
    let open = standings.iter().any(|one| matches!(one.lead, Lead::Open { .. }));
    let alone = standings.iter().find_map(|one| match &one.lead {
        Lead::Alone(label) => Some(label),
        _ => None,
    });
    match (open, alone) {
        (true, _) => "No winner can be named: the intervals of sender CPU per KiB overlap.".into(),
        (false, Some(label)) => {
            format!("No winner can be named: only {label} has a result.")
        }
        (false, None) => "No winner can be named: no contender has a result.".into(),
    }
}

/// Each value of a categorical axis in a clause of its own.
fn categorical(study: &Study, standings: &[Standing]) -> String {
    if let Some(sentence) = always_the_same(study, standings) {
        return sentence;
    }
    let mut clauses: Vec<String> = Vec::new();
    for standing in standings.iter().take(SPELLED_OUT) {
        let place = match study.x {
            Some(axis) if standing.x.parse::<f64>().is_ok() => {
                format!("With {} {} ", format::parameter_name(&axis.name), standing.x)
            }
            Some(axis) => format!("With {} = {}, ", format::parameter_name(&axis.name), standing.x),
            None => String::new(),
        };
        clauses.push(format!("{place}{}.", leads(&standing.lead)));
    }
    if standings.len() > SPELLED_OUT {
        clauses.push("The table has the others.".into());
    }
    clauses.join(" ")
}

/// One sentence where the same one or two lead everywhere.
fn always_the_same(study: &Study, standings: &[Standing]) -> Option<String> {
    let clear = standings.iter().filter(|standing| standing.lead.clear());
    let led: Vec<(&str, Vec<(&String, &Estimate)>, &str)> = clear
        .filter_map(|standing| {
            let Lead::Led { leaders, ratios, other, .. } = &standing.lead else { return None };
            let mut pairs: Vec<(&String, &Estimate)> = leaders.iter().zip(ratios).collect();
            pairs.sort_by_key(|(label, _)| *label);
            Some((standing.x.as_str(), pairs, other.as_str()))
        })
        .collect();
    let (_, first, other) = led.first()?;
    let labels: Vec<&String> = first.iter().map(|(label, _)| *label).collect();
    let same = led.iter().all(|(_, pairs, against)| {
        against == other && pairs.iter().map(|(label, _)| *label).eq(labels.iter().copied())
    });
    if !same || led.len() != standings.len() || !(2..=SPELLED_OUT).contains(&led.len()) {
        return None;
    }
    let each = led.iter().enumerate().filter_map(|(n, (x, pairs, other))| {
        let (_, ratio) = pairs.first()?;
        Some(format!("{} with {x}", less(ratio, (n == 0).then_some(*other))))
    });
    let each: Vec<String> = each.collect();
    let axis = study.x_name();
    Some(match labels.as_slice() {
        [leader] => format!(
            "{leader} needs the least sender CPU per KiB whatever the {axis}: {}.",
            format::list(&each)
        ),
        _ => format!(
            "{} need the least sender CPU per KiB whatever the {axis}, with no winner between them; {} {}.",
            format::list(&labels),
            labels[0],
            format::list(&each)
        ),
    })
}

/// The decisive size, then where the order changes.
fn numeric(study: &Study, panel: &Panel, standings: &[Standing]) -> String {
    let Some(anchor) = anchor(panel, standings) else { return undecided(standings) };
    let at = &standings[anchor];
    let mut sentences = vec![format!("{} {}.", at_x(study, &at.x), leads(&at.lead))];
    if let Lead::Led { leaders, .. } = &at.lead
        && at.lead.clear()
    {
        if let Some(leader) = leaders.iter().find(|label| **label != study.scenario.baseline) {
            sentences.extend(against_baseline(study, panel, leader));
        }
        sentences.extend(elsewhere(standings, leaders));
    }
    sentences.join(" ")
}

/// The point that the sentence quotes: 64 KiB where one or two lead there, else the largest x where they do,
/// else a point where at least somebody is behind.
fn anchor(panel: &Panel, standings: &[Standing]) -> Option<usize> {
    let clear = |index: &usize| standings[*index].lead.clear();
    let decided = |index: &usize| matches!(standings[*index].lead, Lead::Led { .. });
    let x = |point: &Point| point.x.and_then(|value| value.as_f64());
    let at_anchor = (0..standings.len()).find(|index| x(&panel.points[*index]) == Some(ANCHOR));
    at_anchor
        .filter(clear)
        .or_else(|| (0..standings.len()).rev().find(clear))
        .or(at_anchor.filter(decided))
        .or_else(|| (0..standings.len()).rev().find(decided))
}

/// `At 64 KiB`, or `With 4 consumers` where the bare number would not say what it counts.
fn at_x(study: &Study, x: &str) -> String {
    let name = study.x_name();
    match x.parse::<f64>() {
        Err(_) => format!("At {x}"),
        Ok(_) if name.ends_with('s') => format!("With {x} {name}"),
        Ok(_) => format!("At {name} {x}"),
    }
}

/// Who leads, against whom, by how much.
fn leads(lead: &Lead) -> String {
    match lead {
        Lead::Led { leaders, reference, behind, .. } if !lead.clear() => {
            format!(
                "no winner can be named between {}; {}",
                format::list(leaders),
                trailing(behind, reference)
            )
        }
        Lead::Led { leaders, other, ratios, .. } => match (leaders.as_slice(), ratios.as_slice()) {
            ([leader], [ratio]) => {
                format!("{leader} needs the least sender CPU per KiB: {}", less(ratio, Some(other)))
            }
            _ => {
                let each: Vec<String> = leaders
                    .iter()
                    .zip(ratios)
                    .enumerate()
                    .map(|(n, (leader, ratio))| {
                        format!("{leader} {}", less(ratio, (n == 0).then_some(other.as_str())))
                    })
                    .collect();
                format!(
                    "{} need the least sender CPU per KiB, with no winner between them: {}",
                    format::list(leaders),
                    each.join(", ")
                )
            }
        },
        Lead::Open { .. } => "no winner can be named".into(),
        Lead::Alone(label) => format!("only {label} has a result"),
        Lead::Nobody => "no contender has a result".into(),
    }
}

/// A ratio below 1 in words: `3.1 times less than other (2.9–3.3)`, `12 % less than other (9–15 %)`.
fn less(ratio: &Estimate, other: Option<&str>) -> String {
    let than = other.map(|other| format!(" than {other}")).unwrap_or_default();
    let Some((low, high)) = ratio.interval else {
        return format!("{}{than} (no interval)", amount(ratio.point));
    };
    if ratio.point <= 1.0 / 1.5 {
        let (from, to) = format::ends(1.0 / high, 1.0 / low);
        return format!("{}{than} ({from}–{to})", amount(ratio.point));
    }
    // Below 1 the interval is of what is saved, above 1 of what is added.
    let sign = if ratio.point <= 1.0 { 1.0 } else { -1.0 };
    let percent = |share: f64| sign * (1.0 - share) * 100.0;
    let (a, b) = (percent(low), percent(high));
    let (from, to) = (a.min(b), a.max(b));
    let shown = |p: f64| format::significant(p, 2).replace('-', "−");
    let joint = if from < 0.0 { " to " } else { "–" };
    let tilde = if ratio.differs_from(1.0) { "" } else { "~ " };
    format!("{tilde}{}{than} ({}{joint}{} %)", amount(ratio.point), shown(from), shown(to))
}

/// Those behind, and how far: `only c needs more: 2.0 times as much as a (1.8–2.2)`.
fn trailing(behind: &[(String, Estimate)], reference: &str) -> String {
    let points = || behind.iter().map(|(_, ratio)| ratio.point);
    let labels: Vec<&str> = behind.iter().map(|(label, _)| label.as_str()).collect();
    let (least, most) = format::ends(
        points().fold(f64::INFINITY, f64::min),
        points().fold(f64::NEG_INFINITY, f64::max),
    );
    match behind {
        [(label, ratio)] => {
            let interval = ratio.interval.map_or("no interval".into(), |(low, high)| {
                let (low, high) = format::ends(low, high);
                format!("{low}–{high}")
            });
            let times = format::significant(ratio.point, 2);
            format!("only {label} needs more: {times} times as much as {reference} ({interval})")
        }
        _ => format!(
            "{} need more: {least} to {most} times as much as {reference}",
            format::list(&labels)
        ),
    }
}

/// A ratio in words, without its interval.
fn amount(ratio: f64) -> String {
    if ratio <= 1.0 / 1.5 {
        return format!("{} times less", format::significant(1.0 / ratio, 2));
    }
    let percent = (1.0 - ratio) * 100.0;
    if percent >= 0.0 {
        format!("{} % less", format::significant(percent, 2))
    } else {
        format!("{} % more", format::significant(-percent, 2))
    }
}

/// Where the leader stops being cheaper than the baseline, along the axis.
fn against_baseline(study: &Study, panel: &Panel, leader: &str) -> Option<String> {
    let baseline = &study.scenario.baseline;
    let axis = study.x?;
    let points = ratios_along(panel, leader);
    if points.len() < 2 {
        return None;
    }
    let found = crossovers(&points);
    if let Some(Crossover { x, low, high, cheaper_above }) = found.first().copied() {
        let side = if cheaper_above { "below" } else { "above" };
        let (low, high) = format::span(&axis.name, low, high);
        let x = format::position(&axis.name, x);
        let more = if found.len() > 1 { ", and the order turns again further on" } else { "" };
        return Some(format!(
            "{} about {x} ({low}–{high}) {baseline} is cheaper than {leader}{more}.",
            capital(side)
        ));
    }
    let open: Vec<String> = points
        .iter()
        .filter(|(_, ratio)| !ratio.differs_from(1.0))
        .map(|(x, _)| format::position(&axis.name, *x))
        .collect();
    if !open.is_empty() {
        return Some(format!(
            "At {} no winner can be named between {leader} and {baseline}.",
            format::list(&open)
        ));
    }
    let all_below = points.iter().all(|(_, ratio)| ratio.below(1.0));
    let (first, last) = (points.first()?, points.last()?);
    all_below.then(|| {
        format!(
            "Against {baseline}, {leader} is cheaper at every {} measured: {} at {}, {} at {}.",
            if study.x_name().ends_with('s') {
                format!("number of {}", study.x_name())
            } else {
                study.x_name()
            },
            amount(first.1.point),
            format::position(&axis.name, first.0),
            amount(last.1.point),
            format::position(&axis.name, last.0),
        )
    })
}

/// The contender's sender CPU ratio to the baseline at each numeric x that has one.
#[must_use]
pub(super) fn ratios_along(panel: &Panel, label: &str) -> Vec<(f64, Estimate)> {
    panel
        .points
        .iter()
        .filter_map(|point| {
            let x = point.x?.as_f64()?;
            let row = point.row(label).filter(|row| row.ranked())?;
            Some((x, *row.ratios.get(&Metric::SenderCpu)?))
        })
        .collect()
}

/// Points at which others lead, or nobody does.
fn elsewhere(standings: &[Standing], leaders: &[String]) -> Option<String> {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for standing in standings {
        let words = match &standing.lead {
            lead @ Lead::Led { leaders: here, .. }
                if lead.clear() && here.iter().any(|one| leaders.contains(one)) =>
            {
                continue;
            }
            lead @ Lead::Led { .. } if !lead.clear() => "no winner can be named".into(),
            Lead::Led { leaders: here, .. } if here.len() == 1 => {
                format!("{} needs the least", here[0])
            }
            Lead::Led { leaders: here, .. } => format!("{} need the least", format::list(here)),
            Lead::Open { .. } => "no winner can be named".into(),
            Lead::Alone(_) | Lead::Nobody => continue,
        };
        match groups.iter_mut().find(|(known, _)| *known == words) {
            Some((_, places)) => places.push(&standing.x),
            None => groups.push((words, vec![&standing.x])),
        }
    }
    let clauses: Vec<String> = groups
        .iter()
        .map(|(words, places)| format!("at {} {words}", format::list(places)))
        .collect();
    (!clauses.is_empty()).then(|| format!("{}.", capital(&clauses.join("; "))))
}

/// The text with a capital first letter.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}
