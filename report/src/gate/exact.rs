//! Does the head do more for the same bytes than the base does?
//!
//! Counts need no statistics where they are exact: two captures of one program agree, and any
//! difference between two programs is the programs'. Each count is taken per MiB or per byte of payload
//! and has to be equal, but for the slack that the rule declares. A count that differs between captures
//! of one arm is not exact on this machine (how often a socket was full depends on who else ran): then
//! what the captures differ by widens the slack, twice over, and only a distance of ten times as much is
//! called a difference. With two captures of each arm that is a false alarm in 7 of 10,000 counts of
//! normal noise, with three in none of 400,000. That two captures agree by chance is what the declared
//! slack, or a third capture, is for.

use super::record::{Arm, Counts, Measured, Opening, Rule};
use super::{Exact, Verdict, facts};
use crate::stats::centre;
use std::collections::BTreeSet;

const MIB: f64 = 1024.0 * 1024.0;
/// Within how many times what captures differ by nothing is said.
const BLUR: f64 = 2.0;
/// Beyond how many times what captures differ by a difference is one.
const CLEAR: f64 = 10.0;
/// Captures of an arm from which on it can be known whether a count is exact.
const CAPTURES_MIN: usize = 2;

/// The counts of a cell, compared.
pub(super) struct Compared {
    /// One for each count that either side has.
    pub rows: Vec<Exact>,
    /// One for each fact that either side has.
    pub facts: Vec<super::Fact>,
    /// What neither side could count, and why; or why there is nothing at all.
    pub missing: Option<String>,
}

/// Compares what was counted of base and head.
pub(super) fn compare(measured: &Measured, opening: &Opening) -> Compared {
    let of = |arm| -> Vec<&Counts> {
        measured.counts.iter().filter(|counts| counts.arm == arm).collect()
    };
    let (base, head) = (of(Arm::Base), of(Arm::Head));
    if base.is_empty() || head.is_empty() {
        let whom = match (base.is_empty(), head.is_empty()) {
            (true, true) => "either side",
            (true, false) => "the base",
            _ => "the head",
        };
        let missing = Some(format!("no counts of {whom} were recorded"));
        return Compared { rows: Vec::new(), facts: Vec::new(), missing };
    }
    let calls = values(&base, "syscalls").ok().and_then(|values| centre::median(&values));
    let (mut rows, mut missing) = (Vec::new(), Vec::new());
    for name in names(&base, &head) {
        match (values(&base, &name), values(&head, &name)) {
            (Ok(of_base), Ok(of_head)) => {
                let usual = centre::median(&of_base).unwrap_or(0.0);
                let declared = declared(&name, &opening.rule, usual, calls.unwrap_or(0.0));
                rows.push(row(&name, &of_base, &of_head, declared));
            }
            (Err(why), Err(_)) => missing.push(format!("{}: {why}", key(&name))),
            (of_base, of_head) => rows.push(one_sided(&name, of_base, of_head)),
        }
    }
    missing.extend(strange_gaps(&base, &head));
    Compared {
        rows,
        facts: facts::compare(&base, &head, opening.compares == "strategies"),
        missing: (!missing.is_empty()).then(|| missing.join("; ")),
    }
}

/// The names of all counts that a side has or says that it could not have; calls by name last.
fn names(base: &[&Counts], head: &[&Counts]) -> Vec<String> {
    let all: BTreeSet<&str> =
        base.iter().chain(head).flat_map(|one| one.counts.keys()).map(String::as_str).collect();
    let (calls, others): (Vec<&str>, Vec<&str>) =
        all.into_iter().partition(|name| name.starts_with("calls:"));
    let sum = (!calls.is_empty() && !others.contains(&"syscalls")).then_some("syscalls");
    sum.into_iter().chain(others).chain(calls).map(str::to_owned).collect()
}

/// Gaps that no count of either side goes by.
fn strange_gaps(base: &[&Counts], head: &[&Counts]) -> BTreeSet<String> {
    let known = names(base, head);
    base.iter()
        .chain(head)
        .flat_map(|one| &one.gaps)
        .filter(|(gap, _)| !known.iter().any(|name| covers(gap, name)))
        .map(|(gap, why)| format!("{gap}: {why}"))
        .collect()
}

/// Whether a gap speaks of a count.
fn covers(gap: &str, name: &str) -> bool {
    match gap {
        "calls" => name.starts_with("calls:"),
        "wire" => name.starts_with("wire_"),
        _ => gap == name,
    }
}

/// A count's value in each capture.
fn values(captures: &[&Counts], name: &str) -> Result<Vec<f64>, String> {
    captures.iter().map(|one| value(one, name)).collect()
}

/// What one capture counted, for each MiB or byte of payload.
fn value(counts: &Counts, name: &str) -> Result<f64, String> {
    if let Some((_, why)) = counts.gaps.iter().find(|(gap, _)| covers(gap, name)) {
        return Err(why.clone());
    }
    if counts.payload_bytes == 0 {
        return Err("no byte of payload was moved".into());
    }
    let mut calls = counts.counts.iter().filter(|(name, _)| name.starts_with("calls:")).peekable();
    let count = match counts.counts.get(name) {
        Some(count) => *count as f64,
        // A call that is not among those that were made was made no time.
        None if name.starts_with("calls:") && calls.peek().is_some() => 0.0,
        None if name == "syscalls" && calls.peek().is_some() => {
            calls.map(|(_, count)| *count as f64).sum()
        }
        None => return Err("it was not counted".into()),
    };
    let payload = counts.payload_bytes as f64;
    Ok(count / if name.ends_with("_bytes") { payload } else { payload / MIB })
}

/// The name of a count with its unit, as rows and exports have it.
#[must_use]
pub fn key(name: &str) -> String {
    match (name, name.strip_prefix("calls:")) {
        ("cpu_copied_bytes", _) => "cpu_copies_per_byte".into(),
        (_, Some(call)) => format!("{call}_calls_per_mib"),
        _ if name.ends_with("_bytes") => format!("{name}_per_byte"),
        _ => format!("{name}_per_mib"),
    }
}

/// By how much the rule lets a count exceed the base's.
fn declared(name: &str, rule: &Rule, base: f64, base_calls: f64) -> f64 {
    let slack = match name {
        "syscalls" | "uring_submitted" => rule.slack.syscalls * base,
        "short_writes" => rule.slack.short_writes * base_calls,
        _ if name.ends_with("_bytes") => rule.slack.bytes,
        _ => 0.0,
    };
    // NaN is no slack.
    slack.max(0.0)
}

/// A count that one side has and the other has not.
fn one_sided(name: &str, base: Result<Vec<f64>, String>, head: Result<Vec<f64>, String>) -> Exact {
    let (whose, why) = match (&base, &head) {
        (Err(why), _) => ("base", why.clone()),
        (_, Err(why)) => ("head", why.clone()),
        _ => ("base", String::new()),
    };
    let usual = |side: Result<Vec<f64>, String>| centre::median(&side.ok()?);
    Exact {
        name: key(name),
        base: usual(base),
        head: usual(head),
        slack: 0.0,
        verdict: Verdict::Inconclusive,
        reason: Some(format!("unknown of the {whose}: {why}")),
    }
}

/// A count that both sides have.
fn row(name: &str, base: &[f64], head: &[f64], declared: f64) -> Exact {
    // More of files' own pages in packets is less copying.
    let shared = matches!(name, "wire_log_bytes" | "wire_reference_bytes");
    let sign = if shared { -1.0 } else { 1.0 };
    let (base_low, base_high) = ends(base, sign);
    let (head_low, head_high) = ends(head, sign);
    let blur = (base_high - base_low) + (head_high - head_low);
    // Equal quotients whose last bits differ are equal.
    let tiny = 1e-9 * base_high.abs().max(head_high.abs());
    let exact = blur <= tiny;
    let known = base.len().min(head.len()) >= CAPTURES_MIN;
    let more = head_low - base_high - declared - tiny;
    let less = base_low - head_high - declared - tiny;
    let (clear, blurred) = if exact { (0.0, 0.0) } else { (CLEAR * blur, BLUR * blur) };
    let (verdict, reason) = if !known && (more > 0.0 || less > 0.0) {
        let reason = "of a single capture nobody knows whether the count is exact here";
        (Verdict::Inconclusive, Some(reason.to_owned()))
    } else if more > clear {
        (Verdict::Regression, None)
    } else if less > clear {
        (Verdict::Improvement, None)
    } else if more > blurred {
        let reason = "captures of one program differ too much to tell two programs apart";
        (Verdict::Inconclusive, Some(reason.to_owned()))
    } else if exact {
        (Verdict::Pass, None)
    } else {
        let reason = "not exact here: captures of one program differ".to_owned();
        (Verdict::Pass, Some(reason))
    };
    let changed = matches!(verdict, Verdict::Regression | Verdict::Improvement);
    let (verdict, reason) = if name.starts_with("calls:") && changed {
        let reason = "other calls; all system calls together decide".to_owned();
        (Verdict::Pass, Some(reason))
    } else {
        (verdict, reason)
    };
    Exact {
        name: key(name),
        base: centre::median(base),
        head: centre::median(head),
        slack: declared + blurred,
        verdict,
        reason,
    }
}

/// The least and the greatest value, after a sign that makes more the worse.
fn ends(values: &[f64], sign: f64) -> (f64, f64) {
    let signed = || values.iter().map(|value| value * sign);
    (signed().fold(f64::INFINITY, f64::min), signed().fold(f64::NEG_INFINITY, f64::max))
}
