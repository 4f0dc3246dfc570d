//! What does a file of lines amount to once it is read back?
//!
//! [`read`] turns the text of one run into a [`Record`]: the lines of a cell gathered under its id,
//! in the order in which the cells first appear.

use super::{
    Aliasing, Cell, End, Failure, Histogram, Ledger, Line, Profile, Resumed, Run, SCHEMA, Sample,
    Scenario,
};
use crate::lines::{Form, Lines, LinesError};
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

const FORM: Form = Form {
    file: "a run's record",
    opening: "run",
    kinds: &[
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
    ],
    schema: SCHEMA,
};

/// Reads the text of one run.
///
/// A `resumed` line voids what came before it of cells that were not over.
///
/// # Errors
/// [`LinesError`] names the line and what was expected.
pub fn read(text: &str) -> Result<Record, LinesError> {
    let Lines { opening, others, remark } = FORM.read::<Run, Line>(text)?;
    let mut gathering = Gathering::new(opening);
    others.into_iter().for_each(|line| gathering.take(line));
    gathering.record.remarks.extend(remark);
    Ok(gathering.record)
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

    fn take(&mut self, line: Line) {
        match line {
            // A second one is an error of the file, which never gets here.
            Line::Run(_) => {}
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
