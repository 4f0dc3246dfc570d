//! What does a file of lines amount to once it is read back?
//!
//! [`read`] turns the text of one run into a [`Record`]: the lines of a cell gathered under its id,
//! in the order in which the cells first appear. A run that was killed may leave half a last line,
//! which is dropped with a remark; everything else that does not fit is an error that names its
//! line.

use super::{
    Aliasing, Cell, End, Failure, Histogram, Ledger, Line, Profile, Resumed, Run, SCHEMA, Sample,
    Scenario,
};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// One run, read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Who ran what, where.
    pub run: Run,
    /// The times that the run was taken up again.
    pub resumed: Vec<Resumed>,
    /// The scenarios, in order of appearance.
    pub scenarios: Vec<Scenario>,
    /// The cells, in order of appearance.
    pub cells: Vec<Measured>,
    /// How the run ended; absent when it was killed.
    pub end: Option<End>,
    /// What a reader should know about the file itself: a cut-off line, samples that were voided.
    pub remarks: Vec<String>,
}

/// A cell and everything that was recorded about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// The cell's id.
    pub id: String,
    /// Its `cell` line; absent when the cell was never finished.
    pub cell: Option<Cell>,
    /// Its samples, in the order of the file.
    pub samples: Vec<Sample>,
    /// Its latency distributions, one for each launch.
    pub histograms: Vec<Histogram>,
    /// Its last ledger.
    pub ledger: Option<Ledger>,
    /// What the aliasing probe saw.
    pub aliasing: Vec<Aliasing>,
    /// Its last profile.
    pub profile: Option<Profile>,
    /// Its errors.
    pub failures: Vec<Failure>,
}

/// Why a file is not a record that this version can read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is no line at all.
    #[error("the record is empty: its first line should have kind \"run\"")]
    Empty,
    /// The first line is no line of a record at all.
    #[error("not a zclab record: {0}")]
    NotARecord(Box<RecordError>),
    /// The first line is something else than a `run` line.
    #[error("line {line}: expected kind \"run\" first, found {found:?}")]
    NoRun {
        /// Line number, from 1.
        line: usize,
        /// The kind that was found.
        found: String,
    },
    /// A second `run` line: two records in one file.
    #[error("line {line}: a second run starts here; give each run a file of its own")]
    SecondRun {
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
const KINDS: [&str; 11] = [
    "run",
    "scenario",
    "cell",
    "sample",
    "histogram",
    "ledger",
    "aliasing",
    "profile",
    "error",
    "resumed",
    "end",
];

/// Reads the text of one record.
///
/// A `resumed` line voids what came before it of cells that were not over. A last line without a
/// line end that does not parse is taken for one that a kill cut off: it is dropped, and
/// [`Record::remarks`] says so.
///
/// # Errors
/// [`RecordError`] names the line and what was expected.
pub fn read(text: &str) -> Result<Record, RecordError> {
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| !line.trim().is_empty())
        .peekable();
    let (number, first) = lines.next().ok_or(RecordError::Empty)?;
    let line = parse(number, first).map_err(|error| match error {
        // A `run` line that lacks a field is a damaged record; this is some other file.
        RecordError::UnknownKind { .. } => RecordError::NotARecord(Box::new(error)),
        RecordError::Malformed { .. } if serde_json::from_str::<Value>(first).is_err() => {
            RecordError::NotARecord(Box::new(error))
        }
        _ => error,
    })?;
    let run = match line {
        Line::Run(run) => *run,
        other => return Err(RecordError::NoRun { line: number, found: kind_of(&other).into() }),
    };
    let mut gathering = Gathering::new(run);
    while let Some((number, line)) = lines.next() {
        match parse(number, line) {
            Ok(line) => gathering.take(number, line)?,
            Err(_) if lines.peek().is_none() && !text.ends_with('\n') => {
                gathering.record.remarks.push(format!(
                    "line {number} is cut off ({} bytes) and was dropped: the run was killed \
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
fn parse(number: usize, text: &str) -> Result<Line, RecordError> {
    let malformed = |error: serde_json::Error| RecordError::Malformed {
        line: number,
        message: error.to_string(),
    };
    let value: Value = serde_json::from_str(text).map_err(malformed)?;
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !KINDS.contains(&kind.as_str()) {
        return Err(RecordError::UnknownKind { line: number, kind });
    }
    if let Some(found) = value.get("schema").and_then(Value::as_u64)
        && kind == "run"
        && found > u64::from(SCHEMA)
    {
        return Err(RecordError::Newer { line: number, found, known: SCHEMA });
    }
    serde_json::from_value(value).map_err(|error| RecordError::Malformed {
        line: number,
        message: format!("kind {kind:?}: {error}"),
    })
}

fn kind_of(line: &Line) -> &'static str {
    match line {
        Line::Run(_) => "run",
        Line::Scenario(_) => "scenario",
        Line::Cell(_) => "cell",
        Line::Sample(_) => "sample",
        Line::Histogram(_) => "histogram",
        Line::Ledger(_) => "ledger",
        Line::Aliasing(_) => "aliasing",
        Line::Profile(_) => "profile",
        Line::Error(_) => "error",
        Line::Resumed(_) => "resumed",
        Line::End(_) => "end",
    }
}

/// A record while its lines come in.
struct Gathering {
    record: Record,
    place_of: HashMap<String, usize>,
}

impl Gathering {
    fn new(run: Run) -> Gathering {
        let record = Record {
            run,
            resumed: Vec::new(),
            scenarios: Vec::new(),
            cells: Vec::new(),
            end: None,
            remarks: Vec::new(),
        };
        Gathering { record, place_of: HashMap::new() }
    }

    fn take(&mut self, number: usize, line: Line) -> Result<(), RecordError> {
        match line {
            Line::Run(_) => return Err(RecordError::SecondRun { line: number }),
            Line::Scenario(scenario) => self.scenario(scenario),
            Line::Cell(cell) => self.cell(cell),
            Line::Sample(sample) => self.of(&sample.cell).samples.push(sample),
            Line::Histogram(histogram) => self.of(&histogram.cell).histograms.push(histogram),
            Line::Ledger(ledger) => {
                let cell = self.of(&ledger.cell);
                cell.ledger = Some(ledger);
            }
            Line::Aliasing(aliasing) => self.of(&aliasing.cell).aliasing.push(aliasing),
            Line::Profile(profile) => {
                let cell = self.of(&profile.cell);
                cell.profile = Some(profile);
            }
            Line::Error(failure) => self.of(&failure.cell).failures.push(failure),
            Line::Resumed(resumed) => self.resume(resumed),
            Line::End(end) => self.record.end = Some(end),
        }
        Ok(())
    }

    /// What has been gathered about a cell that is, or may turn out, unfinished or over.
    fn of(&mut self, id: &str) -> &mut Measured {
        let place = *self.place_of.entry(id.to_owned()).or_insert_with(|| {
            self.record.cells.push(Measured { id: id.to_owned(), ..Measured::default() });
            self.record.cells.len() - 1
        });
        &mut self.record.cells[place]
    }

    fn scenario(&mut self, scenario: Scenario) {
        let known = &mut self.record.scenarios;
        match known.iter_mut().find(|one| one.scenario == scenario.scenario) {
            Some(one) => *one = scenario,
            None => known.push(scenario),
        }
    }

    fn cell(&mut self, cell: Cell) {
        let measured = self.of(&cell.cell);
        measured.cell = Some(cell);
    }

    /// Voids what was gathered of cells that were not over; the run goes on, so it has no end yet.
    fn resume(&mut self, resumed: Resumed) {
        let mut voided: BTreeMap<&str, usize> = BTreeMap::new();
        for measured in self.record.cells.iter_mut().filter(|measured| measured.cell.is_none()) {
            let samples = measured.samples.len();
            *measured = Measured { id: std::mem::take(&mut measured.id), ..Measured::default() };
            if samples > 0 {
                voided.insert(&measured.id, samples);
            }
        }
        if !voided.is_empty() {
            let samples: usize = voided.values().sum();
            let remark = format!(
                "{samples} samples of {} cells that were not over when the run was taken up \
                again at {} do not count",
                voided.len(),
                resumed.resumed_at
            );
            self.record.remarks.push(remark);
        }
        self.record.end = None;
        self.record.resumed.push(resumed);
    }
}
