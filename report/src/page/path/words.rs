//! What stands in words beside a way: the contender, when it went that way, how often bytes were copied?

use super::super::escape;
use super::{Seen, Way, mark, name};
use crate::format;
use crate::record::Hop;
use std::fmt::Write;

/// Every condition under which anybody went.
pub(super) fn all_conditions(ways: &[Way]) -> Vec<Vec<(String, String)>> {
    let mut all = Vec::new();
    for condition in ways.iter().flat_map(|way| &way.conditions) {
        if !all.contains(condition) {
            all.push(condition.clone());
        }
    }
    all
}

/// The contender, its options in a line of their own, and under which conditions it went that way,
/// unless it was under all.
pub(super) fn who(out: &mut String, way: &Way, all: &[Vec<(String, String)>], y: f64) {
    let (name, options) = way.label.split_once(' ').unwrap_or((way.label, ""));
    let _ = write!(
        out,
        "<text class=\"who\" x=\"12\" y=\"{}\"><title>{}</title>{}</text>",
        y + 5.0,
        escape(way.label),
        escape(&short(name, 17))
    );
    let mut next = y + 21.0;
    if !options.is_empty() {
        let options = escape(&short(options, 22));
        let _ = write!(out, "<text class=\"when\" x=\"12\" y=\"{next}\">{options}</text>");
        next += 15.0;
    }
    let when = way.when(all);
    if when.is_empty() {
        return;
    }
    let shown = if when.chars().count() > 22 {
        format!("{} of {} conditions", way.conditions.len(), all.len())
    } else {
        when
    };
    let pair = |(name, value): &(String, String)| format!("{name} {value}");
    let one = |axes: &Vec<(String, String)>| axes.iter().map(pair).collect::<Vec<_>>().join(", ");
    let hint: Vec<String> = way.conditions.iter().map(one).collect();
    let _ = write!(
        out,
        "<text class=\"when\" x=\"12\" y=\"{next}\"><title>{}</title>{}</text>",
        escape(&hint.join("; ")),
        escape(&shown)
    );
}

/// Text of so many letters at most.
pub fn short(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    text.chars().take(letters - 1).chain(['…']).collect()
}

/// The number that decides, the claim beside it, and the judgement as a mark and a word.
pub(super) fn copies(out: &mut String, way: &Way, x: f64, y: f64) {
    let Compared { observed, predicted } = compared(way);
    let agreement = way.ledger.agreement;
    let (class, big, rest) = match &observed {
        Some(seen) => ("big", seen.as_str(), "copies per byte"),
        None => ("big none", "unavailable", ""),
    };
    let how = if observed.is_some() { "observed " } else { "" };
    let reason = way.ledger.reason.as_deref().unwrap_or("every hop as claimed");
    let mut line = |at: f64, text: &str| {
        let _ = write!(out, "<text class=\"copies\" x=\"{x}\" y=\"{}\">{text}</text>", y + at);
    };
    line(-5.0, &format!("<tspan class=\"{class}\">{big}</tspan> {rest}"));
    line(12.0, &format!("{how}({predicted} claimed)"));
    let verdict = format!(
        "<title>{}</title><tspan class=\"verdict {1}\">{2} {1}</tspan>",
        escape(reason),
        name(agreement),
        mark(agreement),
    );
    line(29.0, &verdict);
}

/// Observed and claimed copies, as text.
struct Compared {
    observed: Option<String>,
    predicted: String,
}

fn compared(way: &Way) -> Compared {
    let copies = way.ledger.cpu_copies_per_byte;
    Compared {
        observed: copies.observed.map(|seen| format!("{seen:.2}")),
        predicted: copies.predicted.map_or("nothing".into(), format::tick),
    }
}

/// The ways in words, for those who do not see the drawing.
pub(super) fn description(ways: &[Way]) -> String {
    let each: Vec<String> = ways
        .iter()
        .map(|way| {
            let hop = |(hop, seen): (&Hop, Seen)| {
                let how = match seen {
                    Seen::AsClaimed(share) => format!("observed {share:.2}"),
                    Seen::Other { observed, claimed } => {
                        format!("observed {observed:.2}, {claimed:.2} claimed")
                    }
                    Seen::Unclaimed(share) => format!("observed {share:.2}, not claimed"),
                    Seen::Unseen => "not observed".to_owned(),
                };
                format!("{} to {} by {} ({how})", hop.from, hop.to, hop.by)
            };
            let hops: Vec<String> = way.hops().map(hop).collect();
            let Compared { observed, predicted } = compared(way);
            format!(
                "{}: {}; {} CPU copies per byte observed, {predicted} claimed: {}.",
                way.label,
                hops.join(", then "),
                observed.unwrap_or("unavailable".into()),
                name(way.ledger.agreement)
            )
        })
        .collect();
    each.join(" ")
}
