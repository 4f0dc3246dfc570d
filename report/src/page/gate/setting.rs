//! What was compared with what, where, and by which rule?

use crate::format::{self, NONE};
use crate::gate::Report;
use crate::gate::record::{Opening, Rule, Side};
use crate::page::fact;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a side is called in a heading: a path by its file alone.
#[must_use]
pub fn name(side: &Side) -> String {
    let label = side.label.as_str();
    let short = match label.rsplit_once('/') {
        Some((_, file)) if label.starts_with(['/', '.']) && !file.is_empty() => file,
        _ => label,
    };
    if short.is_empty() { side.revision.clone() } else { short.to_owned() }
}

/// What is compared, and over how many cells.
#[must_use]
pub fn eyebrow(opening: &Opening, cells: usize) -> String {
    let what = match opening.compares.as_str() {
        "programs" => "Two programs, one machine, taking turns",
        "strategies" => "Two strategies of one program, taking turns",
        "baseline" => "A program against stored counts",
        "watches" => "A server that was watched, before and after",
        other => other,
    };
    format!("{what} · {cells} {}", if cells == 1 { "cell" } else { "cells" })
}

/// One of the two, as the table has it.
pub struct SideShown {
    /// `Base`, or `Head`.
    pub role: &'static str,
    /// As it was asked for.
    pub label: String,
    /// The revision.
    pub revision: String,
    /// Whether its tree had uncommitted changes.
    pub dirty: bool,
    /// Its version.
    pub version: String,
    /// The checksum of its program.
    pub sha256: String,
}

/// Both sides.
#[must_use]
pub fn sides(opening: &Opening) -> Vec<SideShown> {
    let or_none = |text: &str| if text.is_empty() { NONE } else { text }.to_owned();
    let side = |role, side: &Side| SideShown {
        role,
        label: or_none(&side.label),
        revision: or_none(&side.revision),
        dirty: side.dirty,
        version: or_none(&side.version),
        sha256: or_none(side.program_sha256.as_deref().unwrap_or_default()),
    };
    vec![side("Base", &opening.base), side("Head", &opening.head)]
}

/// A fact of the machine, or of both.
pub struct Fact {
    /// Its name in words.
    pub name: String,
    /// Where the head was measured.
    pub here: String,
    /// Where the base was captured; empty where that is the same machine.
    pub there: String,
    /// Whether they differ.
    pub differs: bool,
}

/// The facts of the machine; where the base was captured at another time, beside its own, those
/// that differ in front, and how many differ.
#[must_use]
pub fn facts(opening: &Opening) -> (Option<usize>, Vec<Fact>) {
    let here = match opening.head.machine.is_empty() {
        true => &opening.machine,
        false => &opening.head.machine,
    };
    let there = &opening.base.machine;
    let keys: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
    let two = !there.is_empty();
    let value = |of: &BTreeMap<String, Value>, name: &str| {
        of.get(name).map_or_else(|| NONE.to_owned(), |value| fact(name, value))
    };
    let mut facts: Vec<Fact> = keys
        .into_iter()
        .map(|name| Fact {
            name: name.replace('_', " "),
            here: value(here, name),
            there: if two { value(there, name) } else { String::new() },
            differs: two && here.get(name) != there.get(name),
        })
        .collect();
    facts.sort_by_key(|fact| !fact.differs);
    let differing = facts.iter().filter(|fact| fact.differs).count();
    (two.then_some(differing), facts)
}

/// Whether anybody could take turns with anybody.
fn timed(opening: &Opening) -> bool {
    matches!(opening.compares.as_str(), "programs" | "strategies")
}

/// The rule's figures: those of times only where times are compared.
#[must_use]
pub fn rule(opening: &Opening) -> Vec<(&'static str, String)> {
    let rule = &opening.rule;
    let percent = |share: f64| {
        let percent = crate::gate::shown::bare(&format::significant(share * 100.0, 3));
        format!("{percent} %")
    };
    let mut shown = Vec::new();
    if timed(opening) {
        let (margin, alpha) = (percent(rule.margin), percent(rule.alpha));
        let slice = format::bytes(rule.slice_bytes as f64);
        let confirm = if rule.confirm { "as many, in fresh processes" } else { "none" };
        shown.extend([
            ("margin", format!("{margin} more sender CPU per KiB is tolerated")),
            ("alpha", format!("{alpha}: chance of a false alarm, all cells together")),
            ("launches", format!("{} of each cell", rule.launches)),
            ("turns", format!("at most {} of each launch", rule.turns)),
            ("slice", format!("at most {slice} of payload")),
            ("again, without a pass", confirm.to_owned()),
        ]);
    }
    let slack = &rule.slack;
    shown.extend([
        ("slack, system calls", format!("{} of the base’s", percent(slack.syscalls))),
        ("slack, short writes", format!("{} of the base’s calls", percent(slack.short_writes))),
        ("slack, copied and wire bytes", format!("{} of the payload", percent(slack.bytes))),
    ]);
    shown
}

/// How the verdict comes about, in plain words.
#[must_use]
pub fn steps(report: &Report) -> Vec<String> {
    let opening = &report.record.opening;
    let rule = &opening.rule;
    let mut steps = Vec::new();
    if timed(opening) {
        steps.extend(timing(rule, report.cells.len()));
    }
    steps.push(
        "Counts need no statistics: system calls, copied bytes and bytes by the memory that they \
         lay in are counted over the same block for both. More than the base’s, and more than the \
         declared slack on top, is a regression at once. A count that differs between captures of \
         one side is not exact on this machine: how far they differ widens the slack, and where \
         that hides the answer nothing is decided."
            .to_owned(),
    );
    steps.push(
        "The worst of all cells and both tiers is the verdict of the gate; a regression is the \
         worst, then invalid, then inconclusive."
            .to_owned(),
    );
    steps
}

fn timing(rule: &Rule, cells: usize) -> Vec<String> {
    let percent = |share: f64| crate::gate::shown::size(1.0 + share);
    let again = rule.confirm.then(|| {
        "A cell that neither passes nor is invalid is launched as often again, once, in fresh \
         processes. Then all its launches decide together, and a change has to show in each of the \
         two sets by itself: beyond the margin in the middle, and significant."
            .to_owned()
    });
    let steps = vec![
        format!(
            "Each launch starts three children: the base, the head, and the base once more as \
             control. They take up to {} turns, a slice of up to {} each, and every turn gives a \
             ratio of sender CPU per KiB: what disturbs the machine for longer than a slice \
             disturbs both, and cancels.",
            rule.turns,
            format::bytes(rule.slice_bytes as f64)
        ),
        "A launch counts once, by the mean of the middle half of its ratios. Turns of one launch \
         share its luck, so the interval comes from how launches differ, never from the number of \
         turns."
            .to_owned(),
        "The control runs the same code as the base. How far the interval of its mean reaches \
         from no change is the floor: a difference that this machine makes of nothing. A control \
         that “regresses” makes the cell invalid."
            .to_owned(),
        format!(
            "A regression has to pass every bar: the low end of its interval is above the margin \
             of {} and above the floor; chance alone would do it less often than {} over all {} \
             timed together.",
            percent(rule.margin),
            percent(rule.alpha),
            match cells {
                1 => "1 cell".to_owned(),
                cells => format!("{cells} cells"),
            }
        ),
        format!(
            "A pass says that more than {} is excluded, not that nothing changed. Where neither \
             can be said the cell is inconclusive, and the smallest effect that it would have seen \
             stands beside it.",
            percent(rule.margin)
        ),
    ];
    steps.into_iter().chain(again).collect()
}
