//! What does a run say on a terminal, in a spreadsheet, to a program?
//!
//! The same numbers as the pages, from the same [`study`]: [`cmp`] for people, [`cmp_json`]
//! and [`cmp_csv`] for machines. Records stay apart by their run id: absolute times of different
//! runs stand side by side, and no ratio is taken across them, since their samples are not paired.

mod export;
mod gate;

pub(crate) use export::rows;
pub use export::{cmp_csv, cmp_json};
pub use gate::gate;

use crate::demand;
use crate::expect;
use crate::format::{self, NONE};
use crate::metric::Metric;
use crate::record::Record;
use crate::study::{self, Figure, Point, Row, State, Study};
use crate::verdict;
use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets};

/// Tables for a terminal: per run, scenario and panel, one row for each condition and contender.
#[must_use]
pub fn cmp(records: &[Record]) -> String {
    let mut out = String::new();
    for record in records {
        let run = &record.run;
        out += &format!("run {} · zclab {} · {}\n", run.run_id, run.version, run.started_at);
        for remark in &record.remarks {
            out += &format!("note: {remark}\n");
        }
        for study in study::studies(record) {
            out += &scenario(&study);
        }
    }
    out
}

fn scenario(study: &Study) -> String {
    let answer = verdict::answer(study);
    let mut out = format!("\n{} · {}\n", study.scenario.scenario, study.scenario.question);
    for (panel, said) in study.panels.iter().zip(&answer.panels) {
        if !said.title.is_empty() {
            out += &format!("\n{}\n", said.title);
        }
        out += &format!("→ {}\n", said.sentence);
        let mut table = Table::new();
        table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
        table.remove_style(TableComponent::HorizontalLines);
        table.remove_style(TableComponent::MiddleIntersections);
        table.remove_style(TableComponent::LeftBorderIntersections);
        table.remove_style(TableComponent::RightBorderIntersections);
        table.set_content_arrangement(ContentArrangement::Disabled);
        let copies = study.rows().any(|row| row.copies().is_some());
        table.set_header(header(study, copies));
        for (n, point) in panel.points.iter().enumerate() {
            if n > 0 {
                table.add_row([""]);
            }
            for row in &point.rows {
                table.add_row(cells(study, point, row, copies));
            }
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        out += &format!("{table}\n");
    }
    for expectation in expect::verdicts(study) {
        out += &format!("expect: {expectation}\n");
    }
    for statement in demand::statements(study) {
        out += &format!("{statement}\n");
    }
    for note in answer.notes {
        out += &format!("note: {note}\n");
    }
    for none in verdict::without_result(study) {
        out += &format!("{}\n", without_result(&none));
    }
    out
}

/// One line about cells without a result: `splice: unsupported at fetch size 4 KiB: splice:
/// EINVAL`.
fn without_result(none: &verdict::NoResult) -> String {
    let place = match none.conditions.as_slice() {
        [] => String::new(),
        conditions => format!(" at {}", conditions.join("; ")),
    };
    let why = none.reasons.join("; ");
    let colon = if why.is_empty() { "" } else { ": " };
    format!("{}: {}{place}{colon}{why}", none.label, none.status)
}

/// The columns; that of observed copies only where any row has them.
fn header(study: &Study, copies: bool) -> Vec<String> {
    let unit = |metric: Metric| format!("{}\n{}", metric.title(), metric.unit());
    let ratio = |metric: Metric| format!("÷ {}\n{}", study.scenario.baseline, metric.title());
    let mut header = vec![study.x_name(), "contender".into()];
    if copies {
        header.push("Copies\nper byte".into());
    }
    header.extend([
        unit(study.side.cpu()),
        ratio(study.side.cpu()),
        unit(Metric::TotalCpu),
        unit(Metric::Throughput),
        ratio(Metric::Throughput),
    ]);
    if study.canary() {
        header.extend([unit(Metric::CpuLeft), ratio(Metric::CpuLeft)]);
    }
    header.extend([
        "held back\nby".into(),
        unit(Metric::Syscalls),
        unit(Metric::ModeSwitches),
        "p50\nfetch".into(),
        "p99\nfetch".into(),
    ]);
    header
}

fn cells(study: &Study, point: &Point, row: &Row, copies: bool) -> Vec<String> {
    let mut cells = vec![study.x_label(point), row.label.to_owned()];
    let status = match &row.state {
        State::Ok => None,
        State::Not(status, _) => Some(status.name()),
        State::Unfinished => Some("unfinished"),
    };
    if let Some(status) = status {
        cells.push(status.to_owned());
        cells.resize(header(study, copies).len(), NONE.into());
        return cells;
    }
    let figure = |metric: Metric| match row.figures.get(&metric).and_then(Figure::median) {
        Some(value) => format::number(value),
        None => NONE.into(),
    };
    let latency = |pick: fn(&crate::stats::latency::Latency) -> u64| match &row.latency {
        Ok(latency) => format::duration(pick(latency) as f64),
        Err(_) => NONE.into(),
    };
    if copies {
        cells.push(match row.copies() {
            Some((observed, None)) => observed,
            Some((observed, Some(claim))) => format!("{observed} ({claim})"),
            None => NONE.into(),
        });
    }
    cells.extend([
        figure(row.side.cpu()),
        ratio(row, row.side.cpu()),
        figure(Metric::TotalCpu),
        figure(Metric::Throughput),
        ratio(row, Metric::Throughput),
    ]);
    if study.canary() {
        cells.extend([figure(Metric::CpuLeft), ratio(row, Metric::CpuLeft)]);
    }
    cells.extend([
        row.bottleneck.name().into(),
        figure(Metric::Syscalls),
        figure(Metric::ModeSwitches),
        latency(|latency| latency.p50_ns),
        latency(|latency| latency.p99_ns),
    ]);
    cells
}

fn ratio(row: &Row, metric: Metric) -> String {
    match row.ratios.get(&metric) {
        _ if row.baseline => "1".into(),
        Some(estimate) => format::ratio(estimate),
        None => NONE.into(),
    }
}
