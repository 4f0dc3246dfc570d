//! How do an inspection and a verification read in a terminal?

use super::inspect::{Inspection, Segment};
use super::verify::{Finding, Report};
use comfy_table::{CellAlignment, Table, presets};
use std::io::{self, Write};

/// `clean`, or how much is damaged.
#[must_use]
pub fn verdict(report: &Report) -> String {
    match report.damage_total {
        0 => "clean".to_owned(),
        count => format!("{count} damaged"),
    }
}

/// One line per finding, damage first.
///
/// # Errors
/// When `out` refuses.
pub fn findings(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let line = |out: &mut dyn Write, kind: &str, finding: &Finding| {
        let Finding { file, position_bytes, what } = finding;
        match (file.as_str(), position_bytes) {
            ("", _) => writeln!(out, "{kind}: {what}"),
            (file, None) => writeln!(out, "{kind}: {file}: {what}"),
            (file, Some(position)) => writeln!(out, "{kind}: {file}, byte {position}: {what}"),
        }
    };
    for finding in &report.damage {
        line(out, "damage", finding)?;
    }
    let kept = report.damage.len() as u64;
    if kept < report.damage_total {
        writeln!(out, "damage: … and {} more", report.damage_total - kept)?;
    }
    for finding in &report.notes {
        line(out, "note", finding)?;
    }
    Ok(())
}

/// A table whose columns are right-aligned but for the first.
fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(head);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// One row per segment.
#[must_use]
pub fn segments(inspection: &Inspection) -> Table {
    let mut table = table(&[
        "segment",
        "offsets",
        "bytes",
        "batches",
        "records",
        "codecs",
        "index",
        "time index",
    ]);
    for segment in &inspection.segments {
        let offsets = match segment.last_offset {
            Some(last) => format!("{} to {last}", segment.base_offset),
            None => "empty".to_owned(),
        };
        table.add_row([
            segment.file.clone(),
            offsets,
            segment.valid_bytes.to_string(),
            segment.batch_count.to_string(),
            segment.record_count.to_string(),
            segment.codecs.join(" "),
            segment.index.len().to_string(),
            segment.time_index.len().to_string(),
        ]);
    }
    table
}

/// One row per batch that [`inspect`](super::inspect::inspect) was asked to list.
#[must_use]
pub fn batches(segment: &Segment) -> Table {
    let mut table = table(&[
        "position",
        "bytes",
        "offsets",
        "records",
        "codec",
        "newest (ms)",
        "epoch",
        "producer",
        "kind",
    ]);
    for batch in &segment.batches {
        let kind = match (batch.control, batch.transactional) {
            (true, _) => "control",
            (false, true) => "transactional",
            (false, false) => "",
        };
        table.add_row([
            batch.position_bytes.to_string(),
            batch.bytes.to_string(),
            format!("{} to {}", batch.base_offset, batch.last_offset),
            batch.records.to_string(),
            batch.codec.to_owned(),
            batch.max_timestamp_ms.to_string(),
            batch.leader_epoch.to_string(),
            batch.producer_id.to_string(),
            kind.to_owned(),
        ]);
    }
    table
}

/// One row per entry of both indexes.
#[must_use]
pub fn index_entries(segment: &Segment) -> Table {
    let mut table = table(&["index", "key", "leads to"]);
    for (offset, position) in &segment.index {
        table.add_row([".index".into(), format!("offset {offset}"), format!("byte {position}")]);
    }
    for (timestamp, offset) in &segment.time_index {
        let row = [".timeindex".into(), format!("{timestamp} ms"), format!("offset {offset}")];
        table.add_row(row);
    }
    table
}
