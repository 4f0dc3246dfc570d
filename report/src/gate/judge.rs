//! What does a gate come to, all in all?
//!
//! The worst of its cells, and a cell comes to the worst of its tiers; a pass beside an improvement is
//! an improvement. What could not be compared is never silently a pass: a gate that compared nothing,
//! or was cut short, is inconclusive.

use super::record::{Arm, Cell, Measured, Record};
use super::{CellReport, Exact, Fact, Report, Timing, Verdict, advisory, exact, sentence, timing};
use crate::record::Status;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Everything that a record says.
#[must_use]
pub fn report(record: &Record) -> Report<'_> {
    let cells: Vec<CellReport<'_>> = record
        .cells
        .iter()
        .zip(timing::judge(record))
        .map(|(measured, timing)| cell(record, measured, timing))
        .collect();
    let mut verdicts: Vec<Verdict> = cells.iter().map(|cell| cell.verdict).collect();
    let whole = record.end.as_ref().is_some_and(|end| end.how == "complete");
    let compared = cells.iter().any(|cell| cell.status == Status::Ok);
    if !whole || !compared {
        verdicts.push(Verdict::Inconclusive);
    }
    let verdict = worst(verdicts).unwrap_or(Verdict::Inconclusive);
    let sentence = sentence::headline(record, &cells, verdict);
    Report { record, verdict, sentence, cells }
}

/// Cells whose counts say that the head is worse. Two captures may agree by chance: the measuring part
/// can take more of these, and what is a program's own stays.
#[must_use]
pub fn needs_captures(record: &Record) -> Vec<&str> {
    let worse = |measured: &&Measured| {
        let compared = exact::compare(measured, &record.opening);
        tier(&compared.rows, &compared.facts) == Some(Verdict::Regression)
    };
    record.cells.iter().filter(worse).map(|measured| measured.id.as_str()).collect()
}

/// The worst; `None` of none. A pass beside an improvement is an improvement.
fn worst(verdicts: impl IntoIterator<Item = Verdict>) -> Option<Verdict> {
    verdicts.into_iter().reduce(|a, b| match (a.min(b), a.max(b)) {
        (Verdict::Improvement, Verdict::Pass) => Verdict::Improvement,
        (_, worse) => worse,
    })
}

/// What the exact tier comes to.
fn tier(rows: &[Exact], facts: &[Fact]) -> Option<Verdict> {
    worst(rows.iter().map(|row| row.verdict).chain(facts.iter().map(|fact| fact.verdict)))
}

fn cell<'a>(
    record: &'a Record,
    measured: &'a Measured,
    timing: Result<Timing, String>,
) -> CellReport<'a> {
    static NO_PARAMS: BTreeMap<String, Value> = BTreeMap::new();
    static UNFINISHED: LazyLock<Vec<String>> =
        LazyLock::new(|| vec!["unfinished: the gate ended before this cell was over".to_owned()]);
    let (scenario, label) = names(measured);
    let (status, ended) = standing(measured.cell.as_ref());
    let mut report = CellReport {
        cell: &measured.id,
        scenario,
        label,
        params: measured.cell.as_ref().map_or(&NO_PARAMS, |cell| &cell.params),
        status,
        reasons: measured.cell.as_ref().map_or(&UNFINISHED, |cell| &cell.reasons),
        exact: Vec::new(),
        facts: Vec::new(),
        exact_missing: Some(format!("the cell is {}", status.name())),
        timing: Err(format!("the cell is {}", status.name())),
        advisory: Vec::new(),
        verdict: ended.unwrap_or(Verdict::Inconclusive),
        sentences: Vec::new(),
    };
    if ended.is_none() {
        let compared = exact::compare(measured, &record.opening);
        report.exact = compared.rows;
        report.facts = compared.facts;
        report.exact_missing = compared.missing;
        report.timing = timing;
        report.advisory = advisory::of(measured);
        let untimed = measured.cell.as_ref().is_some_and(|cell| cell.untimed.is_some());
        let timed = record.opening.timing == "yes" && !untimed;
        report.verdict = tiers(&report, timed, counted(record));
    }
    report.sentences = sentence::of(record, &report);
    report
}

/// What both tiers of a cell that went well come to: what was to be measured and is not there decides
/// nothing, and nor does a cell of which nothing was to be.
fn tiers(report: &CellReport<'_>, timed: bool, counted: bool) -> Verdict {
    let exact = match tier(&report.exact, &report.facts) {
        None if counted => Some(Verdict::Inconclusive),
        found => found,
    };
    let timing = match &report.timing {
        Ok(timing) => Some(timing.verdict),
        Err(_) if timed => Some(Verdict::Inconclusive),
        Err(_) => None,
    };
    worst(timing.into_iter().chain(exact)).unwrap_or(Verdict::Inconclusive)
}

/// Whether counts were asked for. A capture that fails makes its cell `failed`, so a gate without any
/// was told to leave them out.
pub(super) fn counted(record: &Record) -> bool {
    record.cells.iter().any(|measured| !measured.counts.is_empty())
}

/// Scenario and label of a cell; of an unfinished one they are what its id says.
fn names(measured: &Measured) -> (&str, &str) {
    if let Some(cell) = &measured.cell {
        return (&cell.scenario, &cell.label);
    }
    let mut parts = measured.id.rsplitn(3, '/');
    let (_, label, scenario) = (parts.next(), parts.next(), parts.next());
    (scenario.unwrap_or(&measured.id), label.unwrap_or_default())
}

/// What became of a cell in both arms, and what that comes to where it did not go well in both.
fn standing(cell: Option<&Cell>) -> (Status, Option<Verdict>) {
    use Status::{Failed, Invalid, Ok, Refused, Skipped, Unsupported};
    let Some(cell) = cell else { return (Invalid, Some(Verdict::Inconclusive)) };
    let of = |arm| cell.status.get(&arm).copied().unwrap_or(Ok);
    let (base, head) = (of(Arm::Base), of(Arm::Head));
    let verdict = match (base, head) {
        (Ok, Ok) => None,
        (Invalid, _) | (_, Invalid) => Some(Verdict::Invalid),
        // What a privilege forbids here says nothing of the program.
        (Ok, Skipped) | (Skipped, Ok) => Some(Verdict::Inconclusive),
        (Ok, _) => Some(Verdict::Regression),
        (_, Ok) => Some(Verdict::Pass),
        (Failed, _) | (_, Failed) => Some(Verdict::Inconclusive),
        (Unsupported | Refused | Skipped, _) => Some(Verdict::Pass),
    };
    (base.max(head), verdict)
}
