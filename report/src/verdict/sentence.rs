//! How is the outcome of a panel said in words?

use super::words::{less, trailing};
use super::{Lead, Standing};
use crate::format;
use crate::stats::Estimate;
use crate::stats::crossover::{Crossover, crossovers};
use crate::study::{Panel, Point, Side, Study};

/// The fetch size that brokers use most, and the first choice for the sentence's example.
const ANCHOR: f64 = 65536.0;
/// Conditions of a categorical axis that a sentence spells out.
const SPELLED_OUT: usize = 4;

/// The lead sentence of one panel.
pub(super) fn of_panel(study: &Study, panel: &Panel, standings: &[Standing]) -> String {
    let decided = standings.iter().any(|one| matches!(one.lead, Lead::Led { .. }));
    let cheaper = panel.points.iter().any(|point| !cheaper(point).is_empty());
    if !decided && !cheaper {
        return undecided(study.side, standings);
    }
    if study.numeric_x() {
        numeric(study, panel, standings)
    } else {
        categorical(study, panel, standings)
    }
}

/// How each contender compares with the baseline along the axis, a clause for each.
pub(super) fn against_baseline(study: &Study, panel: &Panel) -> Vec<String> {
    let Some(axis) = study.x else { return Vec::new() };
    let baseline = &study.scenario.baseline;
    let mut clauses = Vec::new();
    for label in study.scenario.contenders.iter().filter(|label| *label != baseline) {
        let groups = Groups::of(study, panel, label);
        if groups.compared() {
            let turns = turns(study, panel, label, &axis.name, groups.open.is_empty());
            clauses.push(format!("{label}: {}.{turns}", groups.words(study, panel)));
        }
    }
    clauses
}

/// The values of the axis by what the contender's ratio to the baseline says there.
#[derive(Default)]
struct Groups {
    cheaper: Vec<(String, f64)>,
    dearer: Vec<(String, f64)>,
    open: Vec<String>,
    none: Vec<String>,
}

impl Groups {
    fn of(study: &Study, panel: &Panel, label: &str) -> Groups {
        let mut groups = Groups::default();
        for point in &panel.points {
            let x = study.x_label(point);
            let ratio = point.row(label).filter(|row| row.ranked());
            match ratio.and_then(|row| row.cost_ratio()) {
                Some(ratio) if ratio.below(1.0) => groups.cheaper.push((x, ratio.point)),
                Some(ratio) if ratio.above(1.0) => groups.dearer.push((x, ratio.point)),
                Some(_) => groups.open.push(x),
                None => groups.none.push(x),
            }
        }
        groups
    }

    fn compared(&self) -> bool {
        !(self.cheaper.is_empty() && self.dearer.is_empty() && self.open.is_empty())
    }

    fn words(&self, study: &Study, panel: &Panel) -> String {
        let baseline = &study.scenario.baseline;
        let all = panel.points.len();
        let mut parts: Vec<String> = Vec::new();
        for (word, group) in [("cheaper", &self.cheaper), ("dearer", &self.dearer)] {
            if group.is_empty() {
                continue;
            }
            let than = if parts.is_empty() { format!(" than {baseline}") } else { String::new() };
            let xs: Vec<&str> = group.iter().map(|(x, _)| x.as_str()).collect();
            parts.push(format!("{word}{than} {} ({})", places(study, &xs, all), range(group)));
        }
        if !self.open.is_empty() {
            let xs: Vec<&str> = self.open.iter().map(String::as_str).collect();
            parts.push(if xs.len() == all && all > 1 {
                format!("cannot be told apart from {baseline} anywhere")
            } else {
                format!("not decided {}", places(study, &xs, all))
            });
        }
        if !self.none.is_empty() {
            let xs: Vec<&str> = self.none.iter().map(String::as_str).collect();
            parts.push(format!("not compared {}", places(study, &xs, all)));
        }
        parts.join("; ")
    }
}

/// `at 4, 16 and 256 KiB`, `with 1 and 4 consumers`, `everywhere`.
fn places(study: &Study, xs: &[&str], all: usize) -> String {
    if xs.len() == all && all > 1 {
        return "everywhere".into();
    }
    let name = study.x_name();
    if xs.iter().all(|x| x.parse::<f64>().is_ok()) {
        let joined = format::list(xs);
        let counts = name.ends_with('s');
        return if counts {
            let name = if xs == ["1"] { name.trim_end_matches('s') } else { &name };
            format!("with {joined} {name}")
        } else {
            format!("at {name} {joined}")
        };
    }
    if !study.numeric_x() {
        return format!("with {}", format::list(xs));
    }
    let split: Option<Vec<(&str, &str)>> = xs.iter().map(|x| x.split_once(' ')).collect();
    match split.as_deref() {
        Some([(_, unit), ..]) if split.iter().flatten().all(|(_, other)| other == unit) => {
            let numbers: Vec<&str> = split.iter().flatten().map(|(number, _)| *number).collect();
            format!("at {} {unit}", format::list(&numbers))
        }
        _ => format!("at {}", format::list(xs)),
    }
}

/// The point ratios from the smallest to the largest: `0.52–0.86×`.
fn range(group: &[(String, f64)]) -> String {
    let points = || group.iter().map(|(_, ratio)| *ratio);
    let low = multiple(points().fold(f64::INFINITY, f64::min));
    let high = multiple(points().fold(f64::NEG_INFINITY, f64::max));
    if low == high { format!("{low}×") } else { format!("{low}–{high}×") }
}

/// A ratio with as many digits as it takes to tell it from 1, two at least.
fn multiple(ratio: f64) -> String {
    (2..=5)
        .map(|digits| format::significant(ratio, digits))
        .find(|shown| shown.parse::<f64>() != Ok(1.0))
        .unwrap_or_else(|| format::significant(ratio, 2))
}

/// The places where the ratio to the baseline passes 1, as a sentence of its own. It speaks for a
/// whole side only where every point is decided.
fn turns(study: &Study, panel: &Panel, label: &str, axis: &str, decided: bool) -> String {
    if !study.numeric_x() {
        return String::new();
    }
    let found = crossovers(&ratios_along(panel, label));
    let at: Vec<String> = found
        .iter()
        .map(|Crossover { x, low, high, .. }| {
            let (low, high) = format::span(axis, *low, *high);
            format!("{} ({low}–{high})", format::position(axis, *x))
        })
        .collect();
    let baseline = &study.scenario.baseline;
    match (found.as_slice(), at.as_slice()) {
        ([], _) => String::new(),
        ([only], [at]) if decided => {
            let side = if only.cheaper_above { "Below" } else { "Above" };
            format!(" {side} about {at} {baseline} is cheaper.")
        }
        _ => format!(" The order turns at about {}.", format::list(&at)),
    }
}

/// Contenders whose ratio to the baseline lies wholly below 1.
fn cheaper(point: &Point) -> Vec<(String, f64)> {
    let ranked = point.rows.iter().filter(|row| row.ranked() && !row.baseline);
    ranked
        .filter_map(|row| {
            let ratio = row.cost_ratio().filter(|ratio| ratio.below(1.0))?;
            Some((row.label.to_owned(), ratio.point))
        })
        .collect()
}

fn undecided(side: Side, standings: &[Standing]) -> String {
    let open = standings.iter().any(|one| matches!(one.lead, Lead::Open { .. }));
    let alone = standings.iter().find_map(|one| match &one.lead {
        Lead::Alone(label) => Some(label),
        _ => None,
    });
    match (open, alone) {
        (true, _) => {
            let side = side.name();
            format!("No winner can be named: the intervals of {side} CPU per KiB overlap.")
        }
        (false, Some(label)) => {
            format!("No winner can be named: only {label} has a result.")
        }
        (false, None) => "No winner can be named: no contender has a result.".into(),
    }
}

/// Each value of a categorical axis in a clause of its own.
fn categorical(study: &Study, panel: &Panel, standings: &[Standing]) -> String {
    if let Some(sentence) = always_the_same(study, standings) {
        return sentence;
    }
    let mut clauses: Vec<String> = Vec::new();
    for (standing, point) in standings.iter().zip(&panel.points).take(SPELLED_OUT) {
        let place = match study.x {
            Some(axis) if standing.x.parse::<f64>().is_ok() => {
                format!("With {} {} ", format::parameter_name(&axis.name), standing.x)
            }
            Some(axis) => format!("With {} = {}, ", format::parameter_name(&axis.name), standing.x),
            None => String::new(),
        };
        let words = leads(study, point, &standing.lead);
        // A contender's name keeps its case.
        let words =
            if place.is_empty() && words.starts_with("no ") { capital(&words) } else { words };
        clauses.push(format!("{place}{words}."));
    }
    if standings.len() > SPELLED_OUT {
        clauses.push("The table has the others.".into());
    }
    clauses.join(" ")
}

/// Leaders with their CPU as a share of another's.
type Shares<'s> = Vec<(&'s String, &'s Estimate)>;

/// One sentence where the same one or two lead everywhere.
fn always_the_same(study: &Study, standings: &[Standing]) -> Option<String> {
    let clear = standings.iter().filter(|standing| standing.lead.clear());
    let led: Vec<(&str, Shares, &str)> = clear
        .filter_map(|standing| {
            let Lead::Led { leaders, ratios, other, .. } = &standing.lead else { return None };
            let mut pairs: Shares = leaders.iter().zip(ratios).collect();
            pairs.sort_by_key(|(label, _)| *label);
            Some((standing.x.as_str(), pairs, other.as_str()))
        })
        .collect();
    let (_, first, other) = led.first()?;
    let labels: Vec<&String> = first.iter().map(|(label, _)| *label).collect();
    let same = led.iter().all(|(_, pairs, against)| {
        against == other && pairs.iter().map(|(label, _)| *label).eq(labels.iter().copied())
    });
    let decided =
        led.iter().all(|(_, pairs, _)| pairs.iter().all(|(_, ratio)| ratio.differs_from(1.0)));
    if !same || !decided || led.len() != standings.len() || !(2..=SPELLED_OUT).contains(&led.len())
    {
        return None;
    }
    let each = led.iter().enumerate().filter_map(|(n, (x, pairs, other))| {
        let (_, ratio) = pairs.first()?;
        Some(format!("{} with {x}", less(ratio, (n == 0).then_some(*other))))
    });
    let each: Vec<String> = each.collect();
    let (axis, side) = (study.x_name(), study.side.name());
    Some(match labels.as_slice() {
        [leader] => format!(
            "{leader} needs the least {side} CPU per KiB whatever the {axis}: {}.",
            format::list(&each)
        ),
        _ => format!(
            "{} need the least {side} CPU per KiB whatever the {axis}, with no winner between \
            them; {} {}.",
            format::list(&labels),
            labels[0],
            format::list(&each)
        ),
    })
}

/// The decisive size.
fn numeric(study: &Study, panel: &Panel, standings: &[Standing]) -> String {
    let Some(anchor) = anchor(panel, standings) else {
        return undecided(study.side, standings);
    };
    let at = &standings[anchor];
    let answer =
        format!("{} {}.", at_x(study, &at.x), leads(study, &panel.points[anchor], &at.lead));
    answer + &the_only_crossing(study, panel)
}

/// Where the order turns, if the baseline has but one rival: between two, that is half the answer.
fn the_only_crossing(study: &Study, panel: &Panel) -> String {
    let ranked = |label: &str| {
        let row = |point: &Point| point.row(label).is_some_and(|row| row.ranked());
        panel.points.iter().any(row)
    };
    let baseline = &study.scenario.baseline;
    let others = study.scenario.contenders.iter().filter(|label| *label != baseline);
    let rivals: Vec<&String> = others.filter(|label| ranked(label)).collect();
    let ([rival], Some(axis)) = (rivals.as_slice(), study.x) else { return String::new() };
    let decided = Groups::of(study, panel, rival).open.is_empty();
    turns(study, panel, rival, &axis.name, decided)
}

/// The point that the sentence quotes: 64 KiB where one or two lead there or some are cheaper than
/// the baseline, else the largest x where that holds, else a point where at least somebody is
/// behind.
fn anchor(panel: &Panel, standings: &[Standing]) -> Option<usize> {
    let clear = |index: &usize| standings[*index].lead.clear();
    let saves = |index: &usize| !cheaper(&panel.points[*index]).is_empty();
    let decided = |index: &usize| matches!(standings[*index].lead, Lead::Led { .. });
    let x = |point: &Point| point.x.and_then(|value| value.as_f64());
    let at_anchor = (0..standings.len()).find(|index| x(&panel.points[*index]) == Some(ANCHOR));
    at_anchor
        .filter(|index| clear(index) || saves(index))
        .or_else(|| (0..standings.len()).rev().find(clear))
        .or_else(|| (0..standings.len()).rev().find(saves))
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
fn leads(study: &Study, point: &Point, lead: &Lead) -> String {
    match lead {
        Lead::Led { leaders, other, ratios, .. } if lead.clear() => {
            least(study.side, leaders, other, ratios)
        }
        Lead::Led { .. } | Lead::Open { .. } => tied(study, point, lead),
        Lead::Alone(label) => format!("only {label} has a result"),
        Lead::Nobody => "no contender has a result".into(),
    }
}

/// One or two that need the least; whoever cannot be told from `other` does not count among them.
fn least(side: Side, leaders: &[String], other: &str, ratios: &[Estimate]) -> String {
    let side = side.name();
    let both = || leaders.iter().zip(ratios);
    let firm: Vec<(&String, &Estimate)> =
        both().filter(|(_, ratio)| ratio.differs_from(1.0)).collect();
    let loose: Vec<&String> =
        both().filter(|(_, ratio)| !ratio.differs_from(1.0)).map(|(label, _)| label).collect();
    let labels: Vec<&String> = firm.iter().map(|(label, _)| *label).collect();
    let words = match firm.as_slice() {
        [] => return format!("no winner can be named between {}", format::list(leaders)),
        [(leader, ratio)] => {
            format!("{leader} needs the least {side} CPU per KiB: {}", less(ratio, Some(other)))
        }
        _ => {
            let each = firm.iter().enumerate().map(|(n, (leader, ratio))| {
                format!("{leader} {}", less(ratio, (n == 0).then_some(other)))
            });
            format!(
                "{} need the least {side} CPU per KiB, with no winner between them: {}",
                format::list(&labels),
                each.collect::<Vec<_>>().join(", ")
            )
        }
    };
    if loose.is_empty() {
        return words;
    }
    let apart = format::list(&loose);
    format!("{words}; {apart} cannot be told apart from {} or {other}", format::list(&labels))
}

/// Three or more that share the lead, and who is cheaper than the baseline all the same.
fn tied(study: &Study, point: &Point, lead: &Lead) -> String {
    let cheaper = cheaper(point);
    let baseline = &study.scenario.baseline;
    let saving: Vec<&String> = cheaper.iter().map(|(label, _)| label).collect();
    let is = if saving.len() == 1 { "is" } else { "are" };
    let saves = format!("{} {is} cheaper than {baseline}", format::list(&saving));
    match lead {
        Lead::Led { leaders, behind, reference, .. } if cheaper.is_empty() => format!(
            "no winner can be named between {}; {}",
            format::list(leaders),
            trailing(behind, reference)
        ),
        Lead::Led { leaders, .. } => {
            let same =
                leaders.len() == saving.len() && saving.iter().all(|one| leaders.contains(one));
            let between = if same { "them".into() } else { format::list(leaders) };
            format!("{saves} ({}); no winner between {between}", range(&cheaper))
        }
        _ if cheaper.is_empty() => "no winner can be named".into(),
        _ => format!("{saves} ({}); no winner among all contenders", range(&cheaper)),
    }
}

/// The contender's CPU ratio to the baseline at each numeric x that has one.
#[must_use]
pub(super) fn ratios_along(panel: &Panel, label: &str) -> Vec<(f64, Estimate)> {
    panel
        .points
        .iter()
        .filter_map(|point| {
            let x = point.x?.as_f64()?;
            let row = point.row(label).filter(|row| row.ranked())?;
            Some((x, *row.cost_ratio()?))
        })
        .collect()
}

/// The text with a capital first letter.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Basis;

    fn estimate(point: f64, low: f64, high: f64) -> Estimate {
        Estimate { point, interval: Some((low, high)), basis: Basis::StudentT, launches: 5 }
    }

    #[test]
    fn a_tied_leader_that_is_not_told_from_the_other_does_not_need_the_least() {
        let leaders = ["sendfile".to_owned(), "splice".to_owned()];
        let ratios = [estimate(0.8, 0.7, 0.9), estimate(0.72, 0.35, 1.49)];
        assert_eq!(
            least(Side::Sender, &leaders, "read-write", &ratios),
            "sendfile needs the least sender CPU per KiB: 20\u{a0}% less than read-write \
            (10–30\u{a0}%); splice cannot be told apart from sendfile or read-write"
        );
    }

    #[test]
    fn a_decided_ratio_is_never_shown_as_1() {
        assert_eq!(multiple(0.9968), "0.997");
        assert_eq!(range(&[("a".into(), 0.52), ("b".into(), 0.86)]), "0.52–0.86×");
    }
}
