//! What does a gate's file of lines amount to once it is read back?
//!
//! [`read`] gathers the lines of a cell under its id, in the order in which the cells first appear. A
//! gate that was killed may leave half a last line, which is dropped with a remark; everything else
//! that does not fit is an error that names its line.

use super::record::{Line, Measured, Opening, Record, SCHEMA};
use serde_json::Value;
use std::collections::HashMap;

/// Why a file is not a gate's record that this version can read.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// There is no line at all.
    #[error("the gate's record is empty: its first line should have kind \"gate\"")]
    Empty,
    /// The first line is no line of a gate's record at all.
    #[error("not a gate's record: {0}")]
    NotAGate(Box<GateError>),
    /// The first line is something else than a `gate` line.
    #[error("line {line}: expected kind \"gate\" first, found {found:?}")]
    NoGate {
        /// Line number, from 1.
        line: usize,
        /// The kind that was found.
        found: String,
    },
    /// A second `gate` line: two records in one file.
    #[error("line {line}: a second gate starts here; give each gate a file of its own")]
    SecondGate {
        /// Line number, from 1.
        line: usize,
    },
    /// The record is newer than this program.
    #[error(
        "line {line}: schema {found} is newer than {known}, the newest that this version reads; \
         use the zclab that wrote the record, or a later one"
    )]
    Newer {
        /// Line number, from 1.
        line: usize,
        /// The record's schema.
        found: u64,
        /// The newest schema that this version knows.
        known: u32,
    },
    /// A kind of line that this version does not know.
    #[error("line {line}: unknown kind {kind:?}")]
    UnknownKind {
        /// Line number, from 1.
        line: usize,
        /// The kind, or what stands in its place.
        kind: String,
    },
    /// Not JSON, or JSON that lacks a field.
    #[error("line {line}: {message}")]
    Malformed {
        /// Line number, from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
}

/// The values of `kind` that this version knows.
const KINDS: [&str; 5] = ["gate", "sample", "counts", "cell", "end"];

/// Reads the text of one gate.
///
/// A last line without a line end that does not parse is taken for one that a kill cut off: it is
/// dropped, and [`Record::remarks`] says so.
///
/// # Errors
/// [`GateError`] names the line and what was expected.
pub fn read(text: &str) -> Result<Record, GateError> {
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| !line.trim().is_empty())
        .peekable();
    let (number, first) = lines.next().ok_or(GateError::Empty)?;
    let line = parse(number, first).map_err(|error| match error {
        // A `gate` line that lacks a field is a damaged record; this is some other file.
        GateError::UnknownKind { .. } => GateError::NotAGate(Box::new(error)),
        GateError::Malformed { .. } if serde_json::from_str::<Value>(first).is_err() => {
            GateError::NotAGate(Box::new(error))
        }
        _ => error,
    })?;
    let opening = match line {
        Line::Gate(opening) => *opening,
        other => return Err(GateError::NoGate { line: number, found: kind_of(&other).into() }),
    };
    let mut gathering = Gathering::new(opening);
    while let Some((number, line)) = lines.next() {
        match parse(number, line) {
            Ok(line) => gathering.take(number, line)?,
            Err(_) if lines.peek().is_none() && !text.ends_with('\n') => {
                gathering.record.remarks.push(format!(
                    "line {number} is cut off ({} bytes) and was dropped: the gate was killed \
                    while writing it",
                    line.len()
                ));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(gathering.record)
}

/// One line, its kind and schema looked at before its fields so that errors say what is wrong.
fn parse(number: usize, text: &str) -> Result<Line, GateError> {
    let malformed = |error: serde_json::Error| GateError::Malformed {
        line: number,
        message: error.to_string(),
    };
    let value: Value = serde_json::from_str(text).map_err(malformed)?;
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !KINDS.contains(&kind.as_str()) {
        return Err(GateError::UnknownKind { line: number, kind });
    }
    if let Some(found) = value.get("schema").and_then(Value::as_u64)
        && kind == "gate"
        && found > u64::from(SCHEMA)
    {
        return Err(GateError::Newer { line: number, found, known: SCHEMA });
    }
    serde_json::from_value(value).map_err(|error| GateError::Malformed {
        line: number,
        message: format!("kind {kind:?}: {error}"),
    })
}

fn kind_of(line: &Line) -> &'static str {
    match line {
        Line::Gate(_) => "gate",
        Line::Sample(_) => "sample",
        Line::Counts(_) => "counts",
        Line::Cell(_) => "cell",
        Line::End(_) => "end",
    }
}

/// A record while its lines come in.
struct Gathering {
    record: Record,
    place_of: HashMap<String, usize>,
}

impl Gathering {
    fn new(opening: Opening) -> Gathering {
        let record = Record { opening, cells: Vec::new(), end: None, remarks: Vec::new() };
        Gathering { record, place_of: HashMap::new() }
    }

    fn take(&mut self, number: usize, line: Line) -> Result<(), GateError> {
        match line {
            Line::Gate(_) => return Err(GateError::SecondGate { line: number }),
            Line::Sample(sample) => self.of(&sample.cell).samples.push(sample),
            Line::Counts(counts) => self.of(&counts.cell).counts.push(counts),
            Line::Cell(cell) => {
                let measured = self.of(&cell.cell);
                measured.cell = Some(cell);
            }
            Line::End(end) => self.record.end = Some(end),
        }
        Ok(())
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
