//! What ends a cell in the record, whether it was measured or could not begin?

use super::{Entry, Evidence, Ground, Measure};
use crate::scenario::Cell;
use crate::trial::wire::Trouble;
use std::collections::BTreeMap;
use zclab_report::record::{self, Failure, Line, Status};

impl Measure<'_> {
    /// Writes what ends the cells, all in one write.
    pub(super) fn close(self) -> anyhow::Result<Vec<Status>> {
        let mut lines = Vec::new();
        let mut statuses = Vec::new();
        for mut entry in self.entries {
            let pages = self.log_pages.clone();
            entry.setup.extend(pages.map(|pages| ("log_numa_pages".to_owned(), pages)));
            statuses.push(end(entry, self.evidence, self.ground, &mut lines));
        }
        (self.write)(&lines)?;
        Ok(statuses)
    }
}

/// Ends cells that cannot even begin, all for the same reason.
///
/// # Errors
/// Only a record that cannot be written.
pub fn without(
    cells: Vec<Cell>,
    trouble: &Trouble,
    evidence: &Evidence,
    ground: Ground,
    write: &mut dyn FnMut(&[Line]) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Status>> {
    let mut lines = Vec::new();
    let entry = |cell: Cell| {
        let entry = Entry {
            id: cell.id(),
            trouble: Some(trouble.clone()),
            setup: BTreeMap::new(),
            counted: None,
            sent_per_byte: None,
            aliasing: None,
            profile: None,
            cell,
        };
        end(entry, evidence, ground, &mut lines)
    };
    let statuses = cells.into_iter().map(entry).collect();
    write(&lines)?;
    Ok(statuses)
}

fn end(entry: Entry, evidence: &Evidence, ground: Ground, lines: &mut Vec<Line>) -> Status {
    let (counted, sent) = (entry.counted.as_ref(), entry.sent_per_byte);
    lines.push(Line::Ledger(evidence.ledger(&entry.cell, ground, &entry.setup, counted, sent)));
    lines.extend(entry.aliasing.map(Line::Aliasing));
    lines.extend(entry.profile.map(Line::Profile));
    let status = entry.trouble.as_ref().map_or(Status::Ok, |trouble| trouble.status);
    if let Some(Trouble { status, call, errno, message }) = entry.trouble.clone() {
        let cell = entry.id.clone();
        lines.push(Line::Error(Failure { cell, status, call, errno, message }));
    }
    lines.push(Line::Cell(record::Cell {
        cell: entry.id,
        scenario: entry.cell.scenario.name.clone(),
        strategy: entry.cell.contender.name(),
        label: entry.cell.contender.label.clone(),
        params: entry.cell.params(),
        status,
        reasons: entry.trouble.into_iter().map(|trouble| trouble.message).collect(),
        setup: entry.setup,
    }));
    status
}
