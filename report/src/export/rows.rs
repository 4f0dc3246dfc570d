//! What does a table of a suite say, as GitHub's Markdown?
//!
//! The tables of a gate and of runs, a scenario each, and how text is kept from being Markdown. `markdown`
//! and `github` lay the same rows out.

use super::Suite;
use super::suite::{Case, Measured, Number, Outcome, Ratio, Source};
use crate::format::{self, NONE};
use crate::metric::Metric;
use crate::metric::kernel::Witness;

/// Header and rows of one scenario, each a line of Markdown.
pub(super) struct Rows {
    /// The header and the line below it.
    pub header: String,
    /// The rows, worst first in a gate, else in the record's order.
    pub rows: Vec<String>,
}

impl Rows {
    /// The rows of one scenario.
    pub(super) fn of(suite: &Suite, scenario: &str) -> Rows {
        let cases: Vec<&Case> = suite.cases.iter().filter(|c| c.scenario == scenario).collect();
        let varying = Suite::varying(&cases);
        match suite.source {
            Source::Gate => of_gate(&cases, &varying),
            Source::Run => of_runs(suite, &cases, &varying),
        }
    }
}

fn of_gate(cases: &[&Case], varying: &[String]) -> Rows {
    let cost = |case: &Case, arm: &str| {
        let measured = case.measured.get(arm);
        value(measured.and_then(|measured| measured.values.get(&case.decides)))
    };
    let mut sorted = cases.to_vec();
    sorted.sort_by_key(|case| std::cmp::Reverse(case.outcome()));
    let rows = sorted.iter().map(|case| {
        let judged = case.ratios.iter().find(|ratio| ratio.judged);
        let found = case.checks.iter().filter(|c| !matches!(c.outcome, Outcome::Passed));
        let found: Vec<String> = match case.sentences.is_empty() {
            true => found.map(|check| format!("{}: {}", check.name, check.sentence)).collect(),
            false => case.sentences.clone(),
        };
        line(&[
            format!("{} {}", mark(case.outcome()), word(case)),
            escaped(&condition(case, varying)),
            escaped(&case.contender),
            cost(case, "base"),
            cost(case, "head"),
            judged.map_or(NONE.into(), ratio),
            escaped(&found.join(" ")),
        ])
    });
    let cpu = format!("sender CPU, {}", Metric::SenderCpu.unit());
    let header = [
        "verdict",
        "condition",
        "contender",
        &format!("base: {cpu}"),
        &format!("head: {cpu}"),
        "head ÷ base",
        "found",
    ];
    Rows { header: heading(&header, 3), rows: rows.collect() }
}

fn of_runs(suite: &Suite, cases: &[&Case], varying: &[String]) -> Rows {
    let cost = cases.first().and_then(|case| suite.quantity(&case.decides));
    let cost = cost.map_or("CPU".into(), |one| format!("{}, {}", one.name, one.unit));
    let columns = [
        (Metric::Throughput.key(), "Throughput, MiB/s"),
        (Metric::Syscalls.key(), "System calls per MiB"),
        (Witness::Copies.key(), "CPU copies per byte"),
        ("fetch_latency_p99_ns", "Fetch, 99 %"),
    ];
    let several = suite.arm_key().is_some();
    let mut rows = Vec::new();
    for case in cases {
        for arm in &suite.arms {
            let Some(measured) = case.measured.get(&arm.name) else { continue };
            let mut cells = vec![escaped(&condition(case, varying)), escaped(&case.contender)];
            if several {
                cells.push(escaped(&arm.name));
            }
            cells.push(value(measured.values.get(&case.decides)));
            let own = |one: &&Ratio| one.arm == arm.name && one.key == case.decides;
            cells.push(case.ratios.iter().find(own).map_or(NONE.into(), ratio));
            cells.extend(columns.iter().map(|(key, _)| shown(key, measured)));
            cells.push(escaped(&trouble(case, &arm.name)));
            rows.push(line(&cells));
        }
    }
    let mut header = vec!["condition", "contender"];
    if several {
        header.push("run");
    }
    let left = header.len();
    header.extend([cost.as_str(), "÷ baseline"]);
    header.extend(columns.iter().map(|(_, name)| *name));
    header.push("result");
    Rows { header: heading(&header, left), rows }
}

fn trouble(case: &Case, arm: &str) -> String {
    let own = case.checks.iter().filter(|check| check.arm.as_deref() == Some(arm));
    let found = own.filter(|check| check.outcome != Outcome::Passed);
    // What no program observed is the rule without privileges, and no news of a cell.
    let found = found.filter(|check| check.word != "unobserved");
    let found: Vec<String> =
        found.map(|c| format!("{}: {} {}", c.name, c.word, c.sentence)).collect();
    if found.is_empty() { "ok".into() } else { found.join("; ") }
}

fn shown(key: &str, measured: &Measured) -> String {
    match measured.values.get(key) {
        Some(number) if key.ends_with("_ns") => format::duration(number.value),
        number => value(number),
    }
}

fn value(number: Option<&Number>) -> String {
    number.map_or(NONE.into(), |number| format::number(number.value))
}

/// A ratio with three decimals: a gate tells effects of a per cent apart.
fn ratio(ratio: &Ratio) -> String {
    match ratio.ratio.interval() {
        Some((low, high)) => format!("{:.3} ({low:.3}–{high:.3})", ratio.ratio.value),
        None => format!("{:.3}", ratio.ratio.value),
    }
}

/// The parameters that tell this case from the others: `fetch size 64 KiB, cache warm`.
fn condition(case: &Case, varying: &[String]) -> String {
    let parts = varying.iter().filter_map(|name| {
        let value = format::parameter(name, case.params.get(name)?);
        Some(format!("{} {value}", format::parameter_name(name)))
    });
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { NONE.into() } else { parts.join(", ") }
}

/// The word of the conclusion.
fn word(case: &Case) -> String {
    case.conclusion.as_ref().map_or(NONE.into(), |check| escaped(&check.word))
}

/// A sign for each outcome, which is read without colours, too.
pub(super) fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "✅",
        Outcome::Improved => "🟢",
        Outcome::Skipped => "⚪",
        Outcome::Errored => "⚠️",
        Outcome::Failed => "❌",
    }
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// The header; the first `left` columns and the last are text.
fn heading(names: &[&str], left: usize) -> String {
    let rule =
        (0..names.len()).map(|n| if n < left || n + 1 == names.len() { "---" } else { "---:" });
    format!("| {} |\n| {} |\n", names.join(" | "), rule.collect::<Vec<_>>().join(" | "))
}

/// Text that Markdown shows as it is, on one line.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' => out.extend(['\\', c]),
            // A sign that is not one for GitHub mentions nobody.
            '@' => out += "&#64;",
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
