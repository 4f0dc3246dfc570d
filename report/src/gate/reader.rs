//! What does a gate's file of lines amount to once it is read back?
//!
//! [`read`] gathers the lines of a cell under its id, in the order in which the cells first appear.

use super::record::{Line, Measured, Opening, Record, SCHEMA};
use crate::lines::{Form, Lines, LinesError};
use std::collections::HashMap;

const FORM: Form = Form {
    file: "a gate's record",
    opening: "gate",
    kinds: &["gate", "sample", "counts", "cell", "end"],
    schema: SCHEMA,
};

/// Reads the text of one gate.
///
/// # Errors
/// [`LinesError`] names the line and what was expected.
pub fn read(text: &str) -> Result<Record, LinesError> {
    let Lines { opening, others, remark } = FORM.read::<Opening, Line>(text)?;
    let remarks = remark.into_iter().collect();
    let record = Record { opening, cells: Vec::new(), end: None, remarks };
    let mut gathering = Gathering { record, place_of: HashMap::new() };
    others.into_iter().for_each(|line| gathering.take(line));
    Ok(gathering.record)
}

/// A record while its lines come in.
struct Gathering {
    record: Record,
    place_of: HashMap<String, usize>,
}

impl Gathering {
    fn take(&mut self, line: Line) {
        match line {
            // A second one is an error of the file, which never gets here.
            Line::Gate(_) => {}
            Line::Sample(sample) => self.of(&sample.cell).samples.push(sample),
            Line::Counts(counts) => self.of(&counts.cell).counts.push(counts),
            Line::Cell(cell) => {
                let measured = self.of(&cell.cell);
                measured.cell = Some(cell);
            }
            Line::End(end) => self.record.end = Some(end),
        }
    }

    /// What has been gathered about a cell.
    fn of(&mut self, id: &str) -> &mut Measured {
        let place = *self.place_of.entry(id.to_owned()).or_insert_with(|| {
            self.record.cells.push(Measured { id: id.to_owned(), ..Measured::default() });
            self.record.cells.len() - 1
        });
        &mut self.record.cells[place]
    }
}
