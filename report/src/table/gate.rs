//! What did a gate find, on a terminal?

use crate::format::NONE;
use crate::gate::record::{Opening, Side};
use crate::gate::{CellReport, Report, Verdict, shown};
use crate::record::Status;
use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, Table, TableComponent, Width, presets,
};

/// Columns of a terminal that the table fits.
const WIDTH: u16 = 120;
/// Columns of them that a cell's name takes, at least and at most.
const NAME_WIDTH: (u16, u16) = (12, 38);

/// The verdict, a row for each cell, and a sentence for each thing that was found.
#[must_use]
pub fn gate(report: &Report) -> String {
    let opening = &report.record.opening;
    let mut out =
        format!("gate {} · zclab {} · {}\n", opening.run_id, opening.version, opening.started_at);
    out += &format!("base {} · head {}\n", side(&opening.base), side(&opening.head));
    let names = shown::names(report);
    out += &format!("→ {}: {}\n\n", shown::verdict(report.verdict), report.sentence);
    for (scenario, rows) in by_scenario(report, &names) {
        out += &format!("{scenario}\n{}\n", table(&rows));
    }
    for (cell, name) in report.cells.iter().zip(&names) {
        for words in sentences(cell) {
            out += &format!("{name}: {words}\n");
        }
    }
    out += &notes(report, opening);
    // A record may hold anything; a terminal obeys control characters.
    out.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}")
}

fn side(side: &Side) -> String {
    if side.revision.is_empty() {
        return side.label.clone();
    }
    let dirty = if side.dirty { " + changes" } else { "" };
    format!("{} ({}{dirty})", side.label, side.revision)
}

/// Cells in the record's order, those of one scenario together, each with its name within it.
fn by_scenario<'r>(
    report: &'r Report,
    names: &'r [String],
) -> Vec<(&'r str, Vec<(&'r CellReport<'r>, &'r str)>)> {
    let mut groups: Vec<(&str, Vec<_>)> = Vec::new();
    for (cell, name) in report.cells.iter().zip(names) {
        let own = name.strip_prefix(cell.scenario).and_then(|rest| rest.strip_prefix(" · "));
        let row = (cell, own.unwrap_or(name));
        match groups.iter_mut().find(|(scenario, _)| *scenario == cell.scenario) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((cell.scenario, vec![row])),
        }
    }
    groups
}

fn table(rows: &[(&CellReport, &str)]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.remove_style(TableComponent::HorizontalLines);
    table.remove_style(TableComponent::MiddleIntersections);
    table.remove_style(TableComponent::LeftBorderIntersections);
    table.remove_style(TableComponent::RightBorderIntersections);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(WIDTH);
    let header = ["cell", "verdict", "sender CPU\nhead ÷ base", "95 %\ninterval"];
    let more = ["floor", "smallest\neffect seen", "counts"];
    table.set_header(header.into_iter().chain(more));
    for (cell, name) in rows {
        table.add_row(row(cell, name));
    }
    for (n, column) in table.column_iter_mut().enumerate() {
        column.set_cell_alignment(match n {
            2..=5 => CellAlignment::Right,
            _ => CellAlignment::Left,
        });
        column.set_constraint(match n {
            0 => ColumnConstraint::Boundaries {
                lower: Width::Fixed(NAME_WIDTH.0),
                upper: Width::Fixed(NAME_WIDTH.1),
            },
            _ => ColumnConstraint::ContentWidth,
        });
    }
    table
}

fn row(cell: &CellReport, name: &str) -> Vec<String> {
    let mut row = vec![name.to_owned(), shown::verdict(cell.verdict)];
    match &cell.timing {
        Ok(timing) => {
            let judged = &timing.all;
            row.push(shown::change(judged.ratio.point));
            row.push(shown::interval(&judged.ratio));
            let size = |ratio| shown::change(ratio).trim_start_matches('+').to_owned();
            row.push(size(judged.floor));
            row.push(judged.smallest_seen.map_or_else(|| NONE.to_owned(), size));
        }
        Err(_) if cell.status != Status::Ok => {
            row.push(cell.status.name().to_owned());
            row.extend([NONE, NONE, NONE].map(str::to_owned));
        }
        Err(_) => row.extend(["not timed", NONE, NONE, NONE].map(str::to_owned)),
    }
    row.push(counts(cell));
    row
}

/// The exact tier in a few words: `14 same`, `2 worse, 1 better`.
fn counts(cell: &CellReport) -> String {
    let all = || {
        let counts = cell.exact.iter().map(|exact| (exact.verdict, shown::is_equal(exact)));
        counts.chain(cell.facts.iter().map(|fact| (fact.verdict, fact.base == fact.head)))
    };
    let of = |verdict| all().filter(|(found, equal)| *found == verdict && !equal).count();
    let unknown = all()
        .filter(|(found, _)| [Verdict::Inconclusive, Verdict::Invalid].contains(found))
        .count();
    let same = all().filter(|(found, equal)| *found == Verdict::Pass && *equal).count();
    let said = [
        (of(Verdict::Regression), "worse"),
        (of(Verdict::Improvement), "better"),
        (unknown, "unknown"),
        (of(Verdict::Pass), "tolerated"),
    ];
    let said: Vec<String> = said
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    match same {
        _ if !said.is_empty() => said.join(", "),
        0 => NONE.to_owned(),
        same => format!("{same} same"),
    }
}

/// What is said of a cell below the table: of one that was measured and passed, nothing.
fn sentences(cell: &CellReport) -> Vec<String> {
    if cell.verdict != Verdict::Pass {
        return cell.sentences.clone();
    }
    let reasons = cell.reasons.join("; ");
    let colon = if reasons.is_empty() { "" } else { ": " };
    match cell.status {
        Status::Ok => Vec::new(),
        status => vec![format!("{}{colon}{reasons}", status.name())],
    }
}

fn notes(report: &Report, opening: &Opening) -> String {
    let mut notes: Vec<String> = report.record.remarks.clone();
    if let Some(why) = opening.timing.strip_prefix("no: ") {
        notes.push(format!("times were not compared: {why}"));
    }
    if let Some(why) = opening.ledger.strip_prefix("no: ") {
        notes.push(format!("copies were not counted by the kernel’s programs: {why}"));
    }
    notes.iter().map(|note| format!("note: {note}\n")).collect()
}
